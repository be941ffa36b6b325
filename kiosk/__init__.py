"""Every way in: the web apps and the command line."""
