"""Where things are kept: rows become dataclasses here, and nowhere else."""
