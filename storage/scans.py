"""What has become of a file that somebody handed in: counts of its pages, and nothing they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import Status
from storage.models import ArrivalRow, IntakeRow, PageRow


class ScanUnknown(UserError):
    """No such file, or somebody else handed it in."""

    code = "scan-unknown"
    message = "There is no such file here that you handed in."
    remedy = "Use the id that you were given when you handed it in."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a file is.

    Attributes:
        pages: how many it has; None until it was taken apart.
        counts: how many of them are where.
    """

    id: str
    received_at: datetime
    pages: int | None
    counts: Mapping[Status, int]

    @property
    def done(self) -> bool:
        """Say whether nothing of it waits for the machine."""
        waits = self.counts[Status.RECEIVED] + self.counts[Status.READING]
        return self.pages is not None and not waits


class Scans:
    """Files on their way, inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def of(self, intake: str, by: str) -> Progress:
        """Say how far a file is that somebody handed in, the first time or again.

        Raises:
            ScanUnknown: there is none of that id, or they did not hand it in.
        """
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.id == intake))
        handed = select(ArrivalRow.number).where(ArrivalRow.intake == intake, ArrivalRow.by == by)
        if row is None or self._rows.scalar(handed.limit(1)) is None:
            raise ScanUnknown
        found = (
            select(PageRow.status, func.count())
            .where(PageRow.intake == intake)
            .group_by(PageRow.status)
        )
        counted = {Status(status): n for status, n in self._rows.execute(found)}
        return Progress(
            id=row.id,
            received_at=row.received_at,
            pages=row.pages if row.state == "split" else None,
            counts={status: counted.get(status, 0) for status in Status},
        )
