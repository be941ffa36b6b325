"""The ledger: every file that came in sight, and the one thing that became of it.

A file is accepted, a duplicate, or set aside with a reason; until then it has appeared. The line
ends in the transaction that keeps the file, so that the two never differ, and what was accepted
stays so (the database refuses anything else). It holds no name: a file in a watched folder is
found again by hashes that only that folder's own files can make.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.intake import FileForbidden, NotAFile
from pipeline.kept import Fate, Sighting
from storage.events import Events
from storage.models import ArrivalRow, ErasedScopeRow, LedgerRow


class FileUnknown(UserError):
    """No such line in the ledger."""

    code = "file-unknown"
    message = "There is no such file here."
    remedy = "Go back to the list and choose it there."


class FileNotSetAside(UserError):
    """Only a file that was set aside can be tried again."""

    code = "file-not-set-aside"
    message = "This file was not set aside, so there is nothing to try again."
    remedy = "Go back to the list; it shows what has become of the file."


class FileNotHere(UserError):
    """It was refused before anything of it was kept."""

    code = "file-not-here"
    message = "This file was refused when it was brought, and nothing of it is here."
    remedy = "Bring it again the way it came."


class FileOdd(NotAFile):
    """A link, a device or a pipe in a watched folder."""

    code = "path-odd"
    message = "This is a link, a device or a pipe, not a file with a scan in it."
    remedy = "Put the file itself into the watched folder."


class FileLocked(FileForbidden):
    """A file in a watched folder that the system does not let us read."""

    code = "path-forbidden"
    message = "The system does not let this program read this file."
    remedy = "Let it be read, then try it again."


class FileUnfinished(UserError):
    """A file that stayed empty, open, or named as if it were not complete."""

    code = "file-unfinished"
    message = "This file stayed empty or open, or kept a name that says it is not complete."
    remedy = "If it is complete, try it again; if not, send it to the folder once more."


class FileGone(UserError):
    """A file that was there and was taken away by somebody else before it was safe."""

    code = "file-gone"
    message = "This file was taken out of the watched folder before it could be kept."
    remedy = "Scan the paper again, or put the file back into the watched folder."


class FileFailed(UserError):
    """Our own mistake with one file, again and again."""

    code = "taking-failed"
    message = "This file could not be taken in, by a mistake of this program."
    remedy = "Try it again; if that fails too, tell the person who looks after this system."


REASONS: Mapping[str, type[UserError]] = {
    each.code: each for each in (FileOdd, FileLocked, FileUnfinished, FileGone, FileFailed)
}
"""Why a file of a watched folder is set aside."""


@dataclass(frozen=True, kw_only=True)
class Sum:
    """How the ledger adds up.

    Attributes:
        fates: how many files have which fate.
        arrivals: how often bytes were kept, as the intakes say.
        erased: how often bytes had been kept that were destroyed since.
    """

    fates: Mapping[Fate, int]
    arrivals: int
    erased: int = 0

    @property
    def appeared(self) -> int:
        """Give how many files came in sight at all."""
        return sum(self.fates.values())

    @property
    def adds_up(self) -> bool:
        """Say whether what was accepted, or was here before, is what the intakes hold."""
        came = self.fates[Fate.ACCEPTED] + self.fates[Fate.DUPLICATE]
        return came == self.arrivals + self.erased


_TAKEN_IN = LedgerRow.state.in_((Fate.ACCEPTED, Fate.DUPLICATE))


class Ledger:
    """Every file that came in sight."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def appear(
        self, sizes: Mapping[str, int], *, way: str, place: str, at: datetime
    ) -> Mapping[str, Sighting]:
        """Note files that came in sight, each once; give the line of each.

        Args:
            sizes: how many bytes each has, by the line's id.
            way: which way they came.
            place: which watched folder.
            at: when, UTC.
        """
        known = {each.id: each for each in self._lines(sizes)}
        for name, size in sizes.items():
            if name not in known:
                known[name] = LedgerRow(
                    id=name, seen_at=at, way=way, place=place, spot="", size=size,
                    state=Fate.APPEARED, reason_code="",
                )  # fmt: skip
                self._rows.add(known[name])
        self._rows.flush()
        return {name: sighting(row) for name, row in known.items()}

    def hold(self, name: str) -> Sighting | None:
        """Give a line, and let nobody else end it before this transaction is over."""
        found = select(LedgerRow).where(LedgerRow.id == name).with_for_update()
        row = self._rows.scalar(found.execution_options(populate_existing=True))
        return sighting(row) if row else None

    def keep(
        self, name: str, intake: str, *, duplicate: bool, way: str, size: int, at: datetime
    ) -> None:
        """End a line: the file is kept. One that nobody saw appear begins and ends here.

        Args:
            name: the line's id; "" when it did not appear before.
            intake: what it is kept as.
            duplicate: the same bytes were here before.
            way: which way it came.
            size: bytes.
            at: when, UTC.
        """
        fate = Fate.DUPLICATE if duplicate else Fate.ACCEPTED
        if name:
            row = self._row(LedgerRow.id == name)
            row.state, row.intake, row.reason_code, row.ended_at = fate, intake, "", at
            row.spot, row.size = "", size
        else:
            self._add(way=way, size=size, state=fate, intake=intake, at=at)

    def moved(self, spots: Mapping[str, str]) -> None:
        """Note where files of a watched folder that were taken in are about to lie, by a hash.

        Args:
            spots: by the line's id.
        """
        for name, spot in spots.items():
            self._rows.execute(
                update(LedgerRow).where(LedgerRow.id == name, _TAKEN_IN).values(spot=spot)
            )

    def done(self, place: str, before: datetime) -> Mapping[str, Sighting]:
        """Give the files of a watched folder taken in before a moment, by where each lies."""
        found = select(LedgerRow).where(
            _TAKEN_IN,
            LedgerRow.place == place,
            LedgerRow.spot != "",
            LedgerRow.ended_at <= before,
        )
        return {row.spot: sighting(row) for row in self._rows.scalars(found)}

    def swept(self, names: Sequence[str], *, by: str, at: datetime) -> None:
        """Note that files which had been taken in were deleted where they lay."""
        for name in names:
            self._rows.execute(update(LedgerRow).where(LedgerRow.id == name).values(spot=""))
            self._events.add("file-done-deleted", name, by=by, at=at)

    def set_aside(self, name: str, reason: str, *, spot: str = "", by: str, at: datetime) -> bool:
        """End a line: the file was set aside; says whether it had not ended before.

        Of one that was set aside before, only where it lies is changed.

        Args:
            name: the line's id.
            reason: a code, see `REASONS`.
            spot: where it lies now, by a hash.
            by: user name, or the program's own.
            at: when, UTC.
        """
        ended = self._rows.execute(
            update(LedgerRow)
            .where(LedgerRow.id == name, LedgerRow.state == Fate.APPEARED)
            .values(state=Fate.SET_ASIDE, reason_code=reason, spot=spot, ended_at=at)
        )
        if not ended.rowcount:  # type: ignore[attr-defined]
            self._rows.execute(
                update(LedgerRow)
                .where(LedgerRow.id == name, LedgerRow.state == Fate.SET_ASIDE)
                .values(spot=spot)
            )
            return False
        self._events.add("file-set-aside", name, by=by, at=at, code=reason)
        return True

    def refuse(self, reason: str, *, way: str, size: int, by: str, at: datetime) -> None:
        """Note a file that was refused when it was brought; nothing of it is here."""
        row = self._add(way=way, size=size, state=Fate.SET_ASIDE, reason=reason, at=at)
        self._events.add("file-set-aside", row.id, by=by, at=at, code=reason)

    def again(self, number: int, *, by: str, at: datetime) -> None:
        """Begin a file of a watched folder anew; who watches the folder then takes it in.

        Raises:
            FileUnknown: there is none of that number.
            FileNotSetAside: it was not set aside.
            FileNotHere: it did not come by a watched folder.
        """
        row = self._row(LedgerRow.number == number)
        if row.state != Fate.SET_ASIDE:
            raise FileNotSetAside
        if not row.place:
            raise FileNotHere
        row.state, row.reason_code, row.ended_at = Fate.APPEARED, "", None
        self._events.add("file-again", row.id, by=by, at=at)

    def under_way(self, place: str) -> tuple[Sighting, ...]:
        """Give the files of a watched folder that have appeared and not ended."""
        found = select(LedgerRow).where(LedgerRow.state == Fate.APPEARED, LedgerRow.place == place)
        return tuple(map(sighting, self._rows.scalars(found.order_by(LedgerRow.number))))

    def aside(self, limit: int = 100, *, here: bool = True) -> tuple[Sighting, ...]:
        """Give files that were set aside, the newest first.

        Args:
            limit: at most so many.
            here: only those that lie in a watched folder and can be tried again.
        """
        found = select(LedgerRow).where(LedgerRow.state == Fate.SET_ASIDE)
        if here:
            found = found.where(LedgerRow.place != "")
        found = found.order_by(LedgerRow.number.desc()).limit(limit)
        return tuple(map(sighting, self._rows.scalars(found)))

    def sum(self) -> Sum:
        """Add it all up."""
        found = select(LedgerRow.state, func.count()).group_by(LedgerRow.state)
        counted = {row[0]: row[1] for row in self._rows.execute(found)}
        return Sum(
            fates={fate: counted.get(fate.value, 0) for fate in Fate},
            arrivals=self._rows.scalar(select(func.count()).select_from(ArrivalRow)) or 0,
            erased=self._rows.scalar(select(func.sum(ErasedScopeRow.arrivals))) or 0,
        )

    def _add(
        self,
        *,
        way: str,
        size: int,
        state: Fate,
        at: datetime,
        reason: str = "",
        intake: str | None = None,
    ) -> LedgerRow:
        row = LedgerRow(
            id=secrets.token_hex(16),
            seen_at=at,
            way=way,
            place="",
            spot="",
            size=size,
            state=state,
            reason_code=reason,
            intake=intake,
            ended_at=at,
        )
        self._rows.add(row)
        return row

    def _lines(self, names: Iterable[str]) -> Iterable[LedgerRow]:
        wanted = list(names)
        for start in range(0, len(wanted), 500):
            yield from self._rows.scalars(
                select(LedgerRow).where(LedgerRow.id.in_(wanted[start : start + 500]))
            )

    def _row(self, which: ColumnElement[bool]) -> LedgerRow:
        row: LedgerRow | None = self._rows.scalar(select(LedgerRow).where(which))
        if row is None:
            raise FileUnknown
        return row


def sighting(row: LedgerRow) -> Sighting:
    """Turn a row into what the others know."""
    return Sighting(
        id=row.id,
        number=row.number,
        seen_at=row.seen_at,
        way=row.way,
        place=row.place,
        spot=row.spot,
        size=row.size,
        fate=Fate(row.state),
        reason=row.reason_code,
        intake=row.intake,
        ended_at=row.ended_at,
    )
