"""What the break-out bench is made of: a steered kiosk, a glass, and what is tried on it."""
