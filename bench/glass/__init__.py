"""What the break-out bench is made of: a kiosk that is steered, a glass, and what is tried on it."""
