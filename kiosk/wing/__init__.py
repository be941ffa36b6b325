"""The kiosk on the wing: a web app of its own that can add letters and read none."""
