"""Certificates: what a purge or an erasure destroyed, in counts and ids, and nobody's name.

Each is numbered, stands in the database, and is chained to the events by its SHA-256. Its text
can be printed and its JSON read by a program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from storage.events import Events
from storage.models import CertificateRow, EventHeadRow, LedgerRow

WORDS = {
    "records": "records",
    "cases": "cases with all that happened",
    "parties": "parties taken out of cases that are another's as well",
    "pages": "pages",
    "copies": "issued copies",
    "files": "files with everything in them",
    "originals": "originals whose pages' pictures are kept",
    "blobs": "sealed pictures and files",
    "keys": "data keys",
    "readings": "readings",
    "decisions": "decisions",
    "drafts": "drafts",
    "index": "lines of the index of people",
    "sessions": "sessions that were over",
    "roll": "people of an old roll",
    "pairs": "lines of who was kept apart and of what a roll changed",
    "exports": "lines of the register of exports",
    "asks": "requests for an export",
    "checks": "checks of people",
    "reps": "people on the register of reps",
    "openings": "lines of who opened sealed words",
}


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was destroyed.

    Attributes:
        number: counts up, from 1.
        kind: "retention" or "erasure".
        reason: code of an erasure's reason.
        counts: what went, by kind.
        more: what else has to be known: what is held or waits; of an erasure the exports and the
            backups that still hold the person; and what may lie elsewhere.
        head: number and hash of the newest event when it ended.
    """

    number: int
    kind: str
    reason: str
    begun_at: datetime
    ended_at: datetime
    by: str
    confirmed_by: str
    counts: Mapping[str, int]
    more: Mapping[str, Any]
    head: str

    @property
    def name(self) -> str:
        """Name its files: "certificate-0007"."""
        return f"certificate-{self.number:04d}"

    def to_json(self) -> bytes:
        """Write it for programs."""
        told = asdict(self) | {
            "begun_at": self.begun_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }
        return json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"

    @property
    def digest(self) -> str:
        """Give its SHA-256, which stands in the list of events."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_text(self) -> str:
        """Write it for people."""
        what = "Erasure of one person" if self.kind == "erasure" else "Purge of what was due"
        lines = [
            f"CERTIFICATE {self.number:04d} OF DESTRUCTION",
            "",
            what + (f", reason: {self.reason}" if self.reason else ""),
            f"Begun {self.begun_at:%d %B %Y %H:%M} UTC by {self.by}",
            f"Ended {self.ended_at:%d %B %Y %H:%M} UTC"
            + (f", confirmed by {self.confirmed_by}" if self.confirmed_by else ""),
            "",
            "Destroyed:",
            *(f"  {n:>8}  {WORDS.get(name, name)}" for name, n in self.counts.items() if n),
        ]
        if not any(self.counts.values()):
            lines.append("  nothing")
        if self.more.get("rules"):
            lines += ["", "Of them, by rule:"]
            lines += [f"  {n:>8}  {rule}" for rule, n in self.more["rules"].items()]
        for name, told in (("held", "due but on hold"), ("waiting", "due but not yet possible")):
            if self.more.get(name):
                lines += ["", f"  {self.more[name]:>8}  {told}"]
        for name, heading in _LISTS.items():
            if self.more.get(name):
                lines += ["", heading, *(f"  {_one_line(each)}" for each in self.more[name])]
        lines += ["", f"Newest event: {self.head}", f"SHA-256 of the JSON: {self.digest}", ""]
        return "\n".join(lines)


_LISTS = {
    "exports": "Exported files that hold the person: whoever has one must delete it.",
    "backups_left": "Backups that could not be reached: destroy each by its date.",
    "backups_reached": "Backups out of which the person can no longer be opened.",
    "named": "Records of others that name the person: somebody must decide on each.",
    "cases": "Cases of others that the person was taken out of: what others said in them stays.",
    "elsewhere": "What no program can reach from here:",
}

COPIES = (
    "Copies of the database from before this, together with the keys of today, still open what "
    "was destroyed. `counterfoil keys rotate` ends that; backups made before can still be restored."
)
SCANS = (
    "Scans that were taken in lie in done/ of the watched folder for some days more "
    "(COUNTERFOIL_DONE_DAYS); what has to go sooner must be deleted there."
)


def _one_line(each: Any) -> str:
    if isinstance(each, dict):
        return ", ".join(f"{name} {value}" for name, value in each.items())
    return str(each)


class Certificates:
    """All certificates, inside one transaction."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def unended(self, kind: str) -> int | None:
        """Give the number of one that was begun and not ended; None when there is none."""
        found = select(CertificateRow.number).where(
            CertificateRow.kind == kind, CertificateRow.head == ""
        )
        return self._rows.scalar(found.order_by(CertificateRow.number).limit(1))

    def begin(
        self, kind: str, *, by: str, at: datetime, reason: str = "", confirmed_by: str = ""
    ) -> int:
        """Begin one and give its number."""
        last = self._rows.scalar(select(func.max(CertificateRow.number))) or 0
        row = CertificateRow(
            number=last + 1,
            kind=kind,
            reason=reason,
            begun_at=at,
            by=by,
            confirmed_by=confirmed_by,
            counts={},
            more={},
        )
        self._rows.add(row)
        self._rows.flush()
        return row.number

    def count(self, number: int, counts: Mapping[str, int], rule: str = "") -> None:
        """Add to what was destroyed, in the transaction that destroys it."""
        row = self._rows.get_one(CertificateRow, number)
        row.counts = {
            name: row.counts.get(name, 0) + counts.get(name, 0)
            for name in sorted({*row.counts, *counts})
        }
        if rule and any(counts.values()):
            rules = dict(row.more.get("rules", {}))
            rules[rule] = rules.get(rule, 0) + 1
            row.more = dict(row.more) | {"rules": rules}

    def noted(self, number: int, name: str, told: Sequence[str]) -> tuple[str, ...]:
        """Note ids that will be gone later, beside those noted before; gives all of them."""
        row = self._rows.get_one(CertificateRow, number)
        every = sorted({*row.more.get(name, ()), *told})
        row.more = dict(row.more) | {name: every}
        return tuple(every)

    def end(self, number: int, *, at: datetime, **more: Any) -> None:
        """End one: nothing more is destroyed under its number."""
        row = self._rows.get_one(CertificateRow, number)
        row.ended_at = at
        watched = self._rows.scalar(select(LedgerRow.number).where(LedgerRow.place != "").limit(1))
        elsewhere = [COPIES, *([SCANS] if watched is not None else [])]
        row.more = dict(row.more) | more | {"elsewhere": elsewhere}

    def seal(self, number: int, *, by: str, at: datetime) -> Certificate:
        """Write the head of the events into an ended one, and its own sum into the events."""
        row = self._rows.get_one(CertificateRow, number)
        head = self._rows.get_one(EventHeadRow, 1)
        row.head = f"{head.number}:{head.hash}"
        self._rows.flush()
        done = self.get(number)
        self._events.add(
            "certificate", f"certificate {number}", by=by, at=at, code=done.digest[:40]
        )
        return done

    def get(self, number: int) -> Certificate:
        """Give an ended certificate."""
        return _certificate(self._rows.get_one(CertificateRow, number))

    def ended(self) -> tuple[Certificate, ...]:
        """Give every one that was ended, oldest first."""
        found = select(CertificateRow).where(CertificateRow.head != "")
        return tuple(
            _certificate(row) for row in self._rows.scalars(found.order_by(CertificateRow.number))
        )


def _certificate(row: CertificateRow) -> Certificate:
    return Certificate(
        number=row.number,
        kind=row.kind,
        reason=row.reason,
        begun_at=row.begun_at,
        ended_at=row.ended_at or row.begun_at,
        by=row.by,
        confirmed_by=row.confirmed_by,
        counts=row.counts,
        more=row.more,
        head=row.head,
    )
