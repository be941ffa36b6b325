"""How the roll writes a cell: an establishment perhaps, then the wing, the landing and the rest."""

from __future__ import annotations

import re

from pipeline.ports import Person


def cell_parts(person: Person) -> list[str]:
    """Split somebody's cell: wing, landing and the rest, letters and digits alone."""
    parts = [re.sub(r"[^A-Z0-9]", "", p) for p in re.split(r"[-/\s.]+", person.cell.upper())]
    parts = [p for p in parts if p]
    own = len(parts) > 1 and parts[0] == person.establishment.upper()
    return parts[1:] if own else parts
