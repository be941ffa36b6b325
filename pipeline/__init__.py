"""How paper becomes a record: arrays and dataclasses in, dataclasses out."""
