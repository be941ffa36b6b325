"""How the readers were trained; not part of the product."""
