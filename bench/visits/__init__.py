"""A kiosk on a port, a finger that presses what is on its glass, and eyes that look at it."""
