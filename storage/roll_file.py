"""Bringing in a roll or a keep-apart list: all of it or nothing, and every try is noted.

What would change too much is not believed at once: it waits until somebody has confirmed it, and
what was in force before stays in force until then.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from forms.errors import UserError
from pipeline.freshness import Limits
from pipeline.keep_apart import KeepApart, KeepApartRefused, pair, read_keep_apart
from pipeline.kept import ApartImport, RollImport
from pipeline.ports import Person
from pipeline.roll import RollRefused, read_roll
from pipeline.roll_changes import (
    Change,
    apart_changes,
    count,
    is_mass_of_list,
    is_mass_of_roll,
    roll_changes,
)
from storage.deliveries import DeliveryTaken, DeliveryUnknown
from storage.roll_book import Book, RollEmpty
from storage.store import Kept, Store

Read = TypeVar("Read")
Done = TypeVar("Done")


class MassChange(UserError):
    """A file that would change too much to be believed at once; it waits.

    Attributes:
        delivery: id of what waits.
        counts: what it would change, by kind.
    """

    code = "mass-change"
    message = "This file would change very much, so it waits until somebody has confirmed it."
    remedy = (
        "Look whether it is the right file and whole. If it is, let a manager confirm it on the "
        "page Roll and keep-apart, or import it again with --confirm. Until then the old one stays."
    )
    status = 409

    def __init__(self, delivery: str, counts: Mapping[str, int]) -> None:
        self.delivery, self.counts = delivery, dict(counts)
        told = ", ".join(f"{n} {kind}" for kind, n in self.counts.items())
        super().__init__(f"{self.message} It would change: {told}." if told else self.message)


def import_roll(
    store: Store,
    lines: Iterable[str],
    *,
    by: str,
    at: datetime,
    of: datetime | None = None,
    confirmed: bool = False,
    limits: Limits | None = None,
) -> RollImport:
    """Put a roll file in force; a bad one is refused as a whole, and the old one stays.

    Args:
        store: where the roll is kept.
        lines: of a CSV file (open it with `newline=""` and UTF-8).
        by: user name, or the program's own.
        at: when, UTC.
        of: from when the file is, if that is earlier.
        confirmed: somebody has said that it is right, however much it changes.
        limits: what is too much here.

    Raises:
        RollRefused: the file is not a roll; the message names the lines.
        RollEmpty: it holds nobody.
        MassChange: it waits to be confirmed.
    """
    return _bring(_ROLL, store, lines, _How(by, at, of, confirmed, limits or Limits()))


def import_keep_apart(
    store: Store,
    lines: Iterable[str],
    *,
    by: str,
    at: datetime,
    of: datetime | None = None,
    confirmed: bool = False,
    limits: Limits | None = None,
) -> ApartImport:
    """Put a keep-apart list in force; a bad one is refused as a whole, and the old one stays.

    Args: as of `import_roll`.

    Raises:
        KeepApartRefused: the file is no such list; the message names the lines.
        MassChange: it waits to be confirmed.
    """
    return _bring(_APART, store, lines, _How(by, at, of, confirmed, limits or Limits()))


def take_deliveries(store: Store, *, at: datetime, limits: Limits | None = None) -> int:
    """Take up the files that the staff site was given, or that somebody has confirmed.

    A chore of whoever runs the workers. Gives how many were settled or now wait.
    """
    with store.look(()) as kept:
        due = kept.deliveries.due()
    for delivery in due:
        with suppress(DeliveryTaken):
            _take_up(store, delivery, at, limits or Limits())
    with store.look(()) as kept:
        left = kept.deliveries.left_over()
    if left:
        with store.begin(()) as kept:
            kept.deliveries.forget_settled()
    return len(due)


def _take_up(store: Store, delivery: str, at: datetime, limits: Limits) -> None:
    try:
        with store.look(()) as kept:
            found, file = kept.deliveries.get(delivery), kept.deliveries.file(delivery)
    except DeliveryUnknown:
        raise DeliveryTaken from None
    confirmed = found.state == "confirmed"
    how = _How(found.by, at, found.dated or found.at, confirmed, limits, delivery)
    lines = io.StringIO(file.decode("utf-8", "surrogateescape"), newline="")
    try:
        if found.book == "roll":
            _bring(_ROLL, store, lines, how)
        else:
            _bring(_APART, store, lines, how)
    except MassChange:
        return
    except _REFUSALS as problem:
        with store.begin(()) as kept:
            kept.deliveries.settle(delivery, "refused", at=at, told=problem.message)


_REFUSALS = (RollRefused, KeepApartRefused, RollEmpty)
"""What speaks against a file itself; a database that is away does not."""


@dataclass(frozen=True)
class _How:
    by: str
    at: datetime
    of: datetime | None
    confirmed: bool
    limits: Limits
    delivery: str = ""


@dataclass(frozen=True, kw_only=True)
class _Way(Generic[Read, Done]):
    """How one kind of file is brought in."""

    book: Book
    read: Callable[[Iterable[str]], Read]
    compare: Callable[[Kept, Read, Limits], tuple[tuple[Change, ...], bool]]
    places: Callable[[Read], frozenset[str]]
    replace: Callable[[Kept, Read, _How, tuple[Change, ...]], Done]
    refuse: Callable[[Kept, UserError, _How], object]


def _bring(way: _Way[Read, Done], store: Store, lines: Iterable[str], how: _How) -> Done:
    copied: list[str] = []

    def copying() -> Iterator[str]:
        for line in lines:
            copied.append(line)
            yield line

    try:
        found = way.read(copying())
        with store.begin(()) as kept:
            done = _in_force_or_waiting(way, kept, found, copied, how)
    except _REFUSALS as problem:
        with store.begin(()) as kept:
            way.refuse(kept, problem, how)
        raise
    if isinstance(done, MassChange):
        raise done
    return done


def _in_force_or_waiting(
    way: _Way[Read, Done], kept: Kept, found: Read, copied: list[str], how: _How
) -> Done | MassChange:
    if how.delivery:
        kept.deliveries.take_up(how.delivery)
    changes, is_mass = way.compare(kept, found, how.limits)
    if is_mass and not how.confirmed:
        counts, places = count(changes), way.places(found) | kept.roll.establishments()
        kept.deliveries.supersede(way.book, by=how.by, at=how.at)
        if how.delivery:
            kept.deliveries.wait(how.delivery, counts, places, at=how.at)
            return MassChange(how.delivery, counts)
        file = "".join(copied).encode("utf-8", "surrogateescape")
        waiting = kept.deliveries.add(
            way.book, file, by=how.by, at=how.at, dated=how.of, counts=counts, places=places
        )
        return MassChange(waiting.id, counts)
    done = way.replace(kept, found, how, changes)
    kept.deliveries.supersede(way.book, by=how.by, at=how.at)
    if how.delivery:
        kept.deliveries.settle(how.delivery, "in-force", at=how.at)
    return done


def _as_now(listed: KeepApart, merged: Mapping[str, str]) -> KeepApart:
    """Give a list by the numbers that people have now."""
    pairs = []
    for each in listed.pairs():
        first, second = (merged.get(number, number) for number in each.numbers)
        if first != second:
            pairs.append(
                pair(
                    first,
                    second,
                    roles=each.roles,
                    reason=each.reason,
                    restriction=each.restriction,
                    open=each.open,
                    close_reason=each.close_reason,
                )
            )
    return KeepApart(pairs)


def _compare_rolls(
    kept: Kept, new: list[Person], limits: Limits
) -> tuple[tuple[Change, ...], bool]:
    old = kept.roll.people()
    if not old:
        return (), False
    changes = roll_changes(old, new, kept.roll.merged())
    return changes, is_mass_of_roll(changes, old, limits)


def _compare_lists(kept: Kept, new: KeepApart, limits: Limits) -> tuple[tuple[Change, ...], bool]:
    if kept.keep_apart.current() is None:
        return (), is_mass_of_list((), None, new, limits)
    merged = kept.roll.merged()
    old, now = _as_now(kept.keep_apart.list(), merged), _as_now(new, merged)
    changes = apart_changes(old, now)
    return changes, is_mass_of_list(changes, old, now, limits)


_ROLL: _Way[list[Person], RollImport] = _Way(
    book="roll",
    read=read_roll,
    compare=_compare_rolls,
    places=lambda people: frozenset(each.establishment for each in people),
    replace=lambda kept, people, how, changes: kept.roll.replace(
        people, by=how.by, at=how.at, of=how.of, changes=changes
    ),
    refuse=lambda kept, problem, how: kept.roll.refuse(problem, by=how.by, at=how.at),
)

_APART: _Way[KeepApart, ApartImport] = _Way(
    book="apart",
    read=read_keep_apart,
    compare=_compare_lists,
    places=lambda _listed: frozenset(),
    replace=lambda kept, listed, how, changes: kept.keep_apart.replace(
        listed, by=how.by, at=how.at, of=how.of, changes=changes
    ),
    refuse=lambda kept, problem, how: kept.keep_apart.refuse(problem, by=how.by, at=how.at),
)
