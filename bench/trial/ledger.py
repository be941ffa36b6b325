"""What must be true after a trial: everything acknowledged is there, once, and as it was said.

Counted from what was acknowledged outside, and from the list of events, which has no unique key
to hide a second time behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from bench.trial.paper import FIELDS, File, Leaf, says
from bench.trial.parts import DECIDED, SEEN, TAKEN, Trial
from forms.errors import UserError
from kiosk.compose import House
from pipeline.kept import KeptPage, Status
from pipeline.ports import file_scope


@dataclass
class Found:
    """What a trial came to.

    Attributes:
        counts: what was counted, by name.
        lost: each thing that was acknowledged and is not there.
        doubled: each thing that is there more than once.
        wrong: whatever else must not be.
    """

    counts: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Say whether nothing at all is amiss."""
        return not (self.lost or self.doubled or self.wrong)


def check(trial: Trial, house: House, files: Sequence[File], *, all_done: bool = True) -> Found:
    """Hold what is kept against what was acknowledged.

    Args:
        trial: with the lists of what was acknowledged.
        house: what is kept.
        files: the files that were put into the inbox.
        all_done: everything has had time to be read and verified.
    """
    found = Found()
    by_name = {each.name: each for each in files}
    taken = [words[0] for words in trial.acknowledged(TAKEN)]
    decided = [tuple(words) for words in trial.acknowledged(DECIDED)]
    _check_files(found, house, [by_name[name] for name in taken if name in by_name])
    _check_pages(
        found,
        house,
        [leaf for name in taken if name in by_name for leaf in by_name[name].leaves],
        all_done=all_done,
    )
    _check_decisions(found, house, decided)
    _check_seen(found, house, {(words[0], words[1]) for words in trial.acknowledged(SEEN)})
    _check_events(found, house)
    found.counts |= {"files acknowledged": len(taken), "decisions acknowledged": len(decided)}
    found.doubled += [f"acknowledged twice: {name}" for name in _twice(taken)]
    return found


def _check_files(found: Found, house: House, files: Sequence[File]) -> None:
    with house.store.look() as kept:
        intakes = Counter(each.name for each in kept.intakes.last(1_000_000))
        kept_files = {each.name: each for each in kept.intakes.last(1_000_000)}
    for file in files:
        intake = kept_files.get(file.name)
        if intake is None:
            found.lost.append(f"intake {file.name}")
            continue
        try:
            if house.blobs.get(intake.blob, file_scope(intake.id)) != file.data:
                found.lost.append(f"bytes of {file.name} changed")
        except UserError as problem:
            found.lost.append(f"bytes of {file.name}: {problem.code}")
    found.doubled += [f"intake {name}" for name in _twice(intakes.elements())]
    found.counts["intakes"] = intakes.total()


def _check_pages(found: Found, house: House, leaves: Sequence[Leaf], *, all_done: bool) -> None:
    pages: dict[tuple[str, int], list[KeptPage]] = {}
    with house.store.look() as kept:
        for status in Status:
            for page in kept.pages.with_status(status, limit=1_000_000):
                if page.what is not None:
                    pages.setdefault((page.what.serial, page.what.page), []).append(page)
                if page.reason is not None and page.reason.code in _OUR_FAULT:
                    found.counts["set aside by us"] = found.counts.get("set aside by us", 0) + 1
    poison = sum(leaf.poison for leaf in leaves)
    aside = found.counts.get("set aside by us", 0)
    if all_done and aside != poison:
        found.wrong.append(f"{aside} pages were set aside as stopping workers, {poison} do")
    for leaf in leaves:
        there = pages.get((leaf.serial, leaf.number), [])
        if leaf.poison:
            continue
        if all_done and not there:
            found.lost.append(f"page {leaf.serial}/{leaf.number}")
        if len(there) > 1:
            found.doubled.append(f"page {leaf.serial}/{leaf.number}")
        for page in there:
            if all_done and page.status != Status.VERIFIED:
                found.lost.append(f"page {leaf.serial}/{leaf.number} ended {page.status}")
            for name in FIELDS:
                if page.reading(name).value != says(leaf.serial, leaf.number, name):
                    found.wrong.append(f"page {leaf.serial}/{leaf.number} says another's words")
    found.counts["pages"] = len(leaves)
    found.counts["poison"] = poison


def _check_decisions(found: Found, house: House, decided: Iterable[tuple[str, ...]]) -> None:
    there: Counter[tuple[str, str, str]] = Counter()
    with house.store.look() as kept:
        read = [
            page
            for status in (Status.AWAITING, Status.VERIFIED)
            for page in kept.pages.with_status(status, limit=1_000_000)
        ]
    for page in read:
        for each in page.decisions:
            assert page.what is not None  # it was read
            there[page.what.serial, str(page.what.page), each.field] += 1
            serial, number = page.what.serial, page.what.page
            if each.field in FIELDS and each.value != says(serial, number, each.field):
                found.wrong.append(f"decision on {serial}/{number} says another's words")
    for place in decided:
        if there[place[0], place[1], place[2]] == 0:
            found.lost.append(f"decision {' '.join(place)}")
    found.doubled += [f"decision {' '.join(place)}" for place, n in there.items() if n > 1]
    found.counts["decisions"] = there.total()


def _check_seen(found: Found, house: House, seen: set[tuple[str, str]]) -> None:
    """Look for pages that somebody was shown and that are unread again."""
    with house.store.look() as kept:
        read = {
            (page.what.serial, str(page.what.page))
            for status in (Status.AWAITING, Status.VERIFIED)
            for page in kept.pages.with_status(status, limit=1_000_000)
            if page.what is not None
        }
    found.lost += [f"page {serial}/{number} is unread again" for serial, number in seen - read]
    found.counts["pages seen"] = len(seen)


_ONCE = ("file-taken-in", "file-split", "page-read", "record-opened", "record-verified")


def _check_events(found: Found, house: House) -> None:
    """Look for acts that happened twice, for records without an act, and at the chain itself."""
    with house.store.database.engine.connect() as rows:
        for what in _ONCE:
            again = rows.execute(
                text(
                    "SELECT subject FROM events WHERE what = :what "
                    "GROUP BY subject HAVING count(*) > 1"
                ),
                {"what": what},
            )
            found.doubled += [f"{what} {subject}" for (subject,) in again]
        again = rows.execute(
            text(
                "SELECT subject, code FROM events WHERE what = 'field-decided' "
                "GROUP BY subject, code HAVING count(*) > 1"
            )
        )
        found.doubled += [f"field-decided {subject} {code}" for subject, code in again]
        again = rows.execute(
            text(
                "SELECT serial, number FROM pages WHERE duplicate_of IS NULL AND serial <> '' "
                "GROUP BY serial, number HAVING count(*) > 1"
            )
        )
        found.doubled += [f"row of page {serial}/{number}" for serial, number in again]
        for table in ("records", "decisions", "readings", "pages", "events"):
            number = rows.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            found.counts[f"rows of {table}"] = number
        told = rows.execute(
            text("SELECT count(*) FROM events WHERE what = 'field-decided'")
        ).scalar_one()
        rows.rollback()
    if told != found.counts["rows of decisions"]:
        found.wrong.append("as many decisions are told of as there are not")
    try:
        house.store.verify_events()
    except UserError as problem:
        found.wrong.append(f"events: {problem.code}")


_OUR_FAULT = ("reading-failed", "reading-stopped")


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, n in Counter(names).items() if n > 1)
