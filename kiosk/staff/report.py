"""The quarter: what the service came to, on a page to be printed and as CSV.

A count from one to four is not told, nor what it could be computed from; wings are not compared.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.wording import ENGLISH_NAMES
from kiosk.access import Role, SignedIn, User, router_for
from kiosk.staff import figures, wording
from kiosk.staff.answers import whose
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pack_words import DONE, NEEDS
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from pipeline.case_acts import Act, Mode, Reason
from pipeline.case_report import STEPS, Group, Quarter, Report, report_of
from pipeline.promises import day_of
from storage.case_figures import Plain
from storage.key_desk import KeysCapped

READS = (Role.MANAGER,)
"""Who reads a quarter."""

OFFERED = 8
"""So many quarters back are offered."""

ENOUGH = 10
"""Of so few it is not told within how long nine tenths were seen."""

_AT_ONCE = 50
_PATIENCE = timedelta(minutes=2)

STEP_WORDS: Mapping[str, str] = {
    "asked": "Asked",
    "seen": "Somebody was with whoever asked",
    "offered": "Contact was made with the other person",
    "consented": "Both consented",
    "met": "It took place",
    "agreed": "A plan was made",
}

MODES: Mapping[Mode, str] = {
    Mode.REP_TALK: "A talk with a rep",
    Mode.SHUTTLE: "Passing messages",
    Mode.LETTER: "Letters",
    Mode.MEETING: "A meeting",
    Mode.CONFERENCE: "A conference",
}

REASONS: Mapping[Reason, str] = {
    Reason.KEPT: "Agreement kept",
    Reason.PART_KEPT: "Agreement part kept",
    Reason.TALKED: "Talked, no plan wanted",
    Reason.ONE_SIDE: "One-side support only",
    Reason.OTHER_NO: "The other did not want to",
    Reason.SENDER_STOPPED: "The sender stopped",
    Reason.NOT_FOUND: "Could not find",
    Reason.GONE: "Moved or released",
    Reason.NOT_SAFE: "Not safe",
    Reason.PASSED: "Passed on",
    Reason.IN_ERROR: "Sent in error",
}

SAFER: Mapping[str, str] = {"better": "Safer", "same": "The same", "worse": "Less safe"}

GROUPS: Mapping[str, str] = {
    "": "None named",
    "several": "More than one",
    "learning": "Help with learning",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it is told.

    Attributes:
        note: what has to be known to read it.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def routers() -> tuple[APIRouter, ...]:
    """Make the router of these pages."""
    people = router_for(*READS)

    @people.get("/report")
    def report(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show a quarter, the one before this one unless another is asked for."""
        quarter, tables = _told(request, user, office)
        shown("list-viewed", "report", quarter.name)
        this = Quarter.of(day_of(office.kit.now()))
        offered = [this]
        while len(offered) < OFFERED:
            offered.append(offered[-1].before)
        return show(
            request,
            "report.html",
            title=_("Report of a quarter"),
            quarter=quarter.name,
            days=_days(quarter),
            tables=tables,
            running=quarter == this,
            items=[
                {"value": each.name, "text": each.name, "selected": each == quarter}
                for each in offered
            ],
        )

    @people.get("/report/figures.csv")
    def as_csv(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give the same as CSV: what is not told on the page is not in the file."""
        quarter, tables = _told(request, user, office)
        shown("list-viewed", "report", quarter.name)
        made = io.StringIO()
        writer = csv.writer(made)
        writer.writerow(["quarter", "table", "line", "what", "told"])
        for table in tables:
            for name, *told in table.rows:
                for head, each in zip(table.heads[1:], told, strict=True):
                    writer.writerow([quarter.name, table.title, name, head, each])
        headers = {"Content-Disposition": f'attachment; filename="report-{quarter.name}.csv"'}
        return Response(made.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    return (people,)


def _told(request: Request, user: User, office: Office) -> tuple[Quarter, list[Table]]:
    now = office.kit.now()
    today = day_of(now)
    asked = Quarter.named(request.query_params.get("quarter", ""))
    quarter = asked or Quarter.of(today).before
    mine = whose(user)
    with office.kit.store.look() as kept:
        plain = kept.case_figures.plain(quarter, today, mine)
        ids = kept.case_figures.of_quarter(quarter, mine)
        limits, closed = kept.cases.limits(), kept.cases.closed_days("")
    cases = _acts(office, ids)
    counted = report_of(cases, quarter, today, limits=limits, closed=closed)
    return quarter, _tables(counted, plain)


def _acts(office: Office, ids: Sequence[str]) -> Iterator[tuple[Act, ...]]:
    """Open some cases at a time; wait where keys are given out only so many a minute."""
    gives_up = time.monotonic() + _PATIENCE.total_seconds()
    for start in range(0, len(ids), _AT_ONCE):
        while True:
            try:
                with office.kit.store.look() as kept:
                    now = ids[start : start + _AT_ONCE]
                    kept.cases.ready(now)
                    some = [kept.cases.get(each).acts for each in now]
                break
            except KeysCapped:
                if time.monotonic() > gives_up:
                    raise
                time.sleep(2)
        yield from some


def _days(quarter: Quarter) -> str:
    last = day_of(quarter.ends - timedelta(hours=1))
    return f"{wording.day(day_of(quarter.begins))} - {wording.day(last)}"


# What is told


def hidden(rows: Sequence[Sequence[int]]) -> frozenset[tuple[int, int]]:
    """Name the places of a table that are not told, by row and column.

    The total of each column may be known, and each count of a row is of those of the one before
    it: neither a small count nor a small difference is told, nor what either could be computed
    from.
    """
    out: set[tuple[int, int]] = set()
    while True:
        before = len(out)
        for column in range(len(rows[0]) if rows else 0):
            counts = [row[column] for row in rows]
            out |= {(at, column) for at in _column(counts, {r for r, c in out if c == column})}
        for at, row in enumerate(rows):
            last: int | None = None
            for column, count in enumerate(row):
                if (at, column) in out:
                    continue
                if last is not None and 0 < abs(last - count) < figures.SMALL:
                    out.add((at, column))
                    continue
                last = count
        if len(out) == before:
            return frozenset(out)


def _column(counts: Sequence[int], forced: set[int]) -> set[int]:
    gone = {at for at, n in enumerate(counts) if 0 < n < figures.SMALL} | forced
    rest = sorted(
        (at for at, n in enumerate(counts) if at not in gone and n >= figures.SMALL),
        key=lambda at: (counts[at], at),
    )
    while gone and _tells([counts[at] for at in gone]):
        if not rest:
            return set(range(len(counts)))
        gone.add(rest.pop(0))
    return gone


def _tells(counts: Sequence[int]) -> bool:
    """Say whether counts that are not told can be told from their number and their sum."""
    some = [each for each in counts if each]
    return len(some) <= 1 or sum(some) in {len(some), len(some) * (figures.SMALL - 1)}


def _table(
    title: str,
    heads: tuple[str, ...],
    lines: Sequence[tuple[str, Sequence[int]]],
    note: str = "",
    *,
    nested: bool = False,
) -> Table:
    rows = [tuple(numbers) for _name, numbers in lines]
    if nested or (rows and len(rows[0]) == 1):
        out = hidden(rows)
    else:
        out = frozenset(
            (at, c)
            for c in range(len(rows[0]) if rows else 0)
            for at in _column([row[c] for row in rows], set())
        )
    few = _("too few to tell")
    told = tuple(
        (name, *(few if (at, c) in out else str(n) for c, n in enumerate(rows[at])))
        for at, (name, _numbers) in enumerate(lines)
    )
    return Table(title=title, heads=heads, rows=told, note=note)


def steps_told(steps: Mapping[str, int]) -> list[tuple[str, str]]:
    """Tell how far cases came; a step is not told when it, or what it differs by, is small."""
    told, last, few = [], None, _("too few to tell")
    for step in STEPS:
        count = steps[step]
        small = 0 < count < figures.SMALL
        if small or (last is not None and 0 < abs(last - count) < figures.SMALL):
            told.append((_(STEP_WORDS[step]), few))
            continue
        told.append((_(STEP_WORDS[step]), str(count)))
        last = count
    return told


def _tables(counted: Report, plain: Plain) -> list[Table]:
    cases, people, number = _("Cases"), _("People"), _("Number")
    no_control = _(
        "The same people before and after, with no control group: what changed may have other "
        "causes."
    )
    found = [
        Table(
            title=_("Cases that began in the quarter, and how far they have come"),
            heads=(_("Step"), cases),
            rows=tuple(steps_told(counted.steps)),
            note=_(
                "Who asked again while a case was open: {count}.", count=_few(plain.asked_again)
            ),
        ),
        Table(
            title=_("From asking to the first visit"),
            heads=(_("What"), _("Told")),
            rows=tuple(_waits(counted)),
        ),
        Table(
            title=_("Late, and never answered"),
            heads=(_("What"), cases),
            rows=(
                (_("Open now, the day has passed, nobody has come"), _few(plain.waiting)),
                (_("Closed in the quarter and nobody was ever seen"), _few(plain.unseen)),
            ),
        ),
        _table(
            _("How it took place in the quarter"),
            (_("How"), number),
            [(_(MODES[mode]), (n,)) for mode, n in counted.modes.items()],
        ),
        _table(
            _("What became of what was promised, in plans made in the quarter"),
            (_("What became of it"), _("Promises")),
            [
                (_(DONE[done]) if done else _("Nobody has looked yet"), (n,))
                for done, n in counted.promises.items()
            ],
            _("Done: {share}.", share=_done(counted)),
        ),
        _table(
            _("Feeling safe: the last follow-up against the first"),
            (_("How"), people),
            [(_(SAFER[how]), (n,)) for how, n in counted.safer.items()],
            no_control,
        ),
        Table(
            title=_("Any more trouble, as they said it themselves"),
            heads=(_("When"), _("Share of people"), _("Of people")),
            rows=(
                (_("At the first follow-up"), *_share(counted.trouble[0], counted.followed)),
                (_("At the last follow-up"), *_share(counted.trouble[1], counted.followed)),
            ),
            note=no_control,
        ),
        _table(
            _("Why cases were closed in the quarter"),
            (_("Reason"), cases),
            [(_(REASONS[reason]), (n,)) for reason, n in plain.reasons.items()],
        ),
    ]
    heads = (_("Asked"), _("Seen in time"), _("It took place"))
    for title, name, groups in (
        (_("By the language they speak best"), _("Language"), counted.languages),
        (_("By what they need help with"), _("Help"), counted.needs),
    ):
        found.append(
            _table(
                title,
                (name, *heads),
                [(_group(key), _of(each)) for key, each in groups.items()],
                _("Look for groups that are seen later or helped less often than others."),
                nested=True,
            )
        )
    return found


def _of(each: Group) -> tuple[int, int, int]:
    return each.asked, each.in_time, each.met


def _group(key: str) -> str:
    if key in ENGLISH_NAMES:
        return _(ENGLISH_NAMES[key])
    if key == "other":
        return _("Another language")
    return _(GROUPS.get(key) or NEEDS.get(key, "Another need: ask him"))


def _few(number: int) -> str:
    if 0 < number < figures.SMALL:
        return _("under {few}", few=figures.SMALL)
    return str(number)


def _share(part: int, whole: int) -> tuple[str, str]:
    """Tell a part of a whole; neither it nor what is left of it is told when it is few."""
    few = _("too few to tell")
    if whole < figures.SMALL or any(0 < n < figures.SMALL for n in (part, whole - part)):
        return few, _few(whole)
    return f"{100 * part / whole:.0f} %", str(whole)


def _done(counted: Report) -> str:
    known = {done: n for done, n in counted.promises.items() if done is not None}
    done = next((n for each, n in known.items() if each.value == "done"), 0)
    return _share(done, sum(known.values()))[0]


def _waits(counted: Report) -> list[tuple[str, str]]:
    waits, few = counted.waits, _("too few to tell")
    half = nine = few
    if len(waits) >= figures.SMALL:
        half = _("{days} days", days=waits[(len(waits) - 1) // 2])
    if len(waits) >= ENOUGH:
        nine = _("{days} days", days=waits[-(-9 * len(waits) // 10) - 1])
    return [
        (_("Half within"), half),
        (_("Nine tenths within"), nine),
        (_("Seen by the day they were told"), _share(counted.in_time, counted.due)[0]),
    ]
