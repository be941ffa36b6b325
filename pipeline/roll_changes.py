"""What has changed between two rolls, or two keep-apart lists, person by person.

Cases are taken up by it: somebody moved, left, or has an alert that he had not. A number that
became one with another is no change; whoever held it is still here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.alert_rules import Standing, standing
from pipeline.freshness import Limits
from pipeline.keep_apart import KeepApart
from pipeline.ports import Person


class Kind(StrEnum):
    """What has changed."""

    MOVED_PRISON = "moved-prison"
    MOVED_WING = "moved-wing"
    MOVED_CELL = "moved-cell"
    OUT = "out"
    TRANSFER = "transfer"
    LEFT = "left"
    """He is no longer on the roll: released, or somewhere that it does not tell of."""
    CAME = "came"
    """He was not on it, or in no prison."""
    ALERT_OPENED = "alert-opened"
    ALERT_CLOSED = "alert-closed"
    ACCT_OPENED = "acct-opened"
    ACCT_CLOSED = "acct-closed"
    CSIP_OPENED = "csip-opened"
    CSIP_CLOSED = "csip-closed"
    APART_OPENED = "apart-opened"
    APART_CLOSED = "apart-closed"
    APART_GONE = "apart-gone"
    """The list no longer tells of a pair that was open."""
    APART_WIDENED = "apart-widened"
    APART_NARROWED = "apart-narrowed"


GONE = frozenset({Kind.LEFT, Kind.OUT, Kind.TRANSFER})
MOVED = frozenset({Kind.MOVED_PRISON, Kind.MOVED_WING})
EASED = frozenset({Kind.ALERT_CLOSED, Kind.ACCT_CLOSED, Kind.CSIP_CLOSED})


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that has changed about one person.

    Attributes:
        number: whose.
        kind: what.
        before, after: a wing, a cell, a prison, an alert's code, or how far a pair is kept apart;
            "" for none.
        other: the other one of a pair.
        pauses: an alert that makes a case stand still.
    """

    number: str = field(repr=False)
    kind: Kind
    before: str = field(default="", repr=False)
    after: str = field(default="", repr=False)
    other: str = field(default="", repr=False)
    pauses: bool = False


def roll_changes(
    old: Sequence[Person], new: Sequence[Person], merged: Mapping[str, str] | None = None
) -> tuple[Change, ...]:
    """Say what has changed from one roll to the next, by the order of the new one.

    Args:
        old: everybody on the roll before.
        new: everybody on this one.
        merged: numbers that became one with another, and that other.
    """
    now = merged or {}
    before = {}
    for each in old:
        number = now.get(each.prison_number, each.prison_number)
        before[number] = standing(replace(each, prison_number=number))
    after = {each.prison_number: standing(each) for each in new}
    found: list[Change] = []
    for number, is_ in after.items():
        was = before.get(number)
        found += _came(number, is_) if was is None else _between(number, was, is_)
    found += [
        Change(number=number, kind=Kind.LEFT, before=was.where.establishment)
        for number, was in before.items()
        if number not in after
    ]
    return tuple(found)


def _came(number: str, is_: Standing) -> Iterable[Change]:
    """Tell of somebody new: his alerts are opened alerts, for a case may have waited for him."""
    nobody = Standing(number=number, where=replace(is_.where, establishment=""))
    if not is_.where.away:
        yield Change(number=number, kind=Kind.CAME, after=is_.where.establishment)
    yield from _flags(number, nobody, is_)


def _between(number: str, was: Standing, is_: Standing) -> Iterable[Change]:
    yield from _places(number, was, is_)
    yield from _flags(number, was, is_)


def _places(number: str, was: Standing, is_: Standing) -> Iterable[Change]:
    one, other = was.where, is_.where
    if other.away:
        if one.away != other.away:
            kind = Kind.OUT if other.away == "out" else Kind.TRANSFER
            yield Change(number=number, kind=kind, before=one.establishment)
    elif one.away:
        yield Change(number=number, kind=Kind.CAME, after=other.establishment)
    elif one.establishment != other.establishment:
        yield Change(
            number=number,
            kind=Kind.MOVED_PRISON,
            before=one.establishment,
            after=other.establishment,
        )
    elif one.wing != other.wing:
        yield Change(number=number, kind=Kind.MOVED_WING, before=one.wing, after=other.wing)
    elif one.cell != other.cell:
        yield Change(number=number, kind=Kind.MOVED_CELL, before=one.cell, after=other.cell)


def _flags(number: str, was: Standing, is_: Standing) -> Iterable[Change]:
    for code in sorted(is_.codes - was.codes):
        alone = standing(_with_alert(number, code))
        yield Change(number=number, kind=Kind.ALERT_OPENED, after=code, pauses=bool(alone.pauses))
    for code in sorted(was.codes - is_.codes):
        yield Change(number=number, kind=Kind.ALERT_CLOSED, before=code)
    if was.acct != is_.acct:
        kind = Kind.ACCT_OPENED if is_.acct else Kind.ACCT_CLOSED
        yield Change(number=number, kind=kind, pauses=is_.acct)
    csip = ["csip" in each.patterns for each in (was, is_)]
    if csip[0] != csip[1]:
        yield Change(number=number, kind=Kind.CSIP_OPENED if csip[1] else Kind.CSIP_CLOSED)


def _with_alert(number: str, code: str) -> Person:
    return Person(
        prison_number=number,
        surname="",
        forenames="",
        cell="",
        establishment="",
        extra={"alerts": code},
    )


def apart_changes(old: KeepApart, new: KeepApart) -> tuple[Change, ...]:
    """Say what has changed from one list to the next; each change tells of the pair's first."""
    found = []
    for each in new.pairs():
        was = old.find(*each.numbers)
        was_open = was is not None and was.open
        if each.open and not was_open:
            kind = Kind.APART_OPENED
        elif was_open and not each.open:
            kind = Kind.APART_CLOSED
        elif was is None or not each.open or was.restriction == each.restriction:
            continue
        else:
            wider = each.restriction > was.restriction
            kind = Kind.APART_WIDENED if wider else Kind.APART_NARROWED
        found.append(
            Change(
                number=each.first,
                other=each.second,
                kind=kind,
                before=was.restriction.name.lower() if was is not None and was_open else "",
                after=each.restriction.name.lower() if each.open else each.close_reason,
            )
        )
    found += [
        Change(
            number=was.first,
            other=was.second,
            kind=Kind.APART_GONE,
            before=was.restriction.name.lower(),
        )
        for was in old.pairs()
        if was.open and new.find(*was.numbers) is None
    ]
    return tuple(found)


def count(changes: Iterable[Change]) -> dict[str, int]:
    """Count changes by kind: all that is shown of a file before somebody has confirmed it."""
    found: dict[str, int] = {}
    for each in changes:
        found[each.kind.value] = found.get(each.kind.value, 0) + 1
    return dict(sorted(found.items()))


def is_mass_of_roll(changes: Sequence[Change], old: Sequence[Person], limits: Limits) -> bool:
    """Say whether a roll changes so much that a person has to confirm it.

    People who are gone or moved count against everybody; those who lose an alert, an ACCT or a
    CSIP count against those who had any. A file without its alerts would else take everybody's
    protection away in one night.
    """
    gone = {each.number for each in changes if each.kind in GONE}
    moved = {each.number for each in changes if each.kind in MOVED}
    eased = {each.number for each in changes if each.kind in EASED} - gone
    guarded = sum(_guarded(standing(each)) for each in old)
    return limits.is_mass(len(gone | moved), len(old)) or limits.is_mass(len(eased), guarded)


def is_mass_of_list(
    changes: Sequence[Change], old: KeepApart | None, new: KeepApart, limits: Limits
) -> bool:
    """Say whether a list changes so much that a person has to confirm it.

    One that keeps nobody apart any more always is, and so is the first one if it names nobody.

    Args:
        changes: from the old list to the new.
        old: the list in force; None when there is none yet.
        new: the list that came.
        limits: what is too much here.
    """
    is_ = sum(each.open for each in new.pairs())
    if old is None:
        return not is_
    was = sum(each.open for each in old.pairs())
    return bool(was and not is_) or limits.is_mass(len(changes), was)


def _guarded(each: Standing) -> bool:
    return bool(each.codes or each.acct or "csip" in each.patterns)
