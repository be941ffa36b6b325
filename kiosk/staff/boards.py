"""The morning board: what a practitioner has to do today, and where.

Every list is made of what is kept in clear. Names and cells are opened at the end, in one go, for
the lines that are shown and no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from kiosk.access import Role, SignedIn, User, router_for
from kiosk.staff import board_words as words
from kiosk.staff import wording
from kiosk.staff.kit import Given, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline.case_acts import Kind, Party
from pipeline.case_tasks import What
from pipeline.ports import Person
from pipeline.promises import HERE, day_of, is_working_day
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from storage.case_boards import WEEK, Due
from storage.case_intake import Unplaced
from storage.cases import CaseLine, TaskLine, Whose
from storage.store import Kept

WORKS = (Role.PRACTITIONER, Role.MANAGER)
"""Who works cases; who is senior is a practitioner too."""

FEW = 8
"""Lines of a part of the board; the rest is a page of its own."""

WALK = 50
"""Lines of today's walk on the board, and of every part on a page of its own."""

LAST_PAGE = 2000

STOPS = frozenset({What.SLIP, What.VISIT})
APART_FROM_LATE = STOPS | {What.URGENT, What.BRIEF_BACK, What.RENEW}
ANY = frozenset(What) - APART_FROM_LATE
GOES = frozenset(
    {
        What.RECHECK,
        What.FIRST_VISIT,
        What.CONFIRM,
        What.FOLLOW_UP,
        What.OFFER,
        What.CONSENT,
    }
)
"""For these somebody goes to a wing."""
DESK = ANY - GOES - {What.MEETING}
COMING = ANY - {What.FOLLOW_UP, What.MEETING}


class PartUnknown(UserError):
    """No such part of the board."""

    code = "part-unknown"
    message = "The board has no such part."
    remedy = "Go back to the board and choose one there."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a part, in words.

    Attributes:
        place: the prison and the wing where it has to be done.
        where: where to find them, as far as it has to be said in the line.
        by: who has taken the case on.
        quiet: slips to them do not say what they are for.
    """

    href: str = ""
    code: str = ""
    who: str = field(default="", repr=False)
    place: str = ""
    where: str = field(default="", repr=False)
    cell: str = field(default="", repr=False)
    what: str
    when: str = ""
    by: str = ""
    late: bool = False
    staff_named: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the board.

    Attributes:
        key: what its address calls it.
        count: how much there is, shown or not.
        more: where the rest is; "" when all is shown.
        walk: its lines stand by wing.
    """

    key: str
    title: str
    count: int
    lines: tuple[Line, ...] = ()
    more: str = ""
    walk: bool = False

    @property
    def groups(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """Give its lines by wing where it is a walk; else all together."""
        if not self.walk:
            return (("", self.lines),)
        return tuple((place, tuple(some)) for place, some in groupby(self.lines, _place_of))


@dataclass(frozen=True, kw_only=True)
class Face:
    """Somebody in a case, as far as the roll and the case know them."""

    name: str = field(repr=False)
    cell: str = field(default="", repr=False)
    party: Party | None = field(default=None, repr=False)
    person: Person | None = field(default=None, repr=False)


def _place_of(line: Line) -> str:
    return line.place


class Faces:
    """Who is in some cases: opened in one go.

    Args:
        kept: the open transaction.
        cases: those that are about to be shown.
    """

    def __init__(self, kept: Kept, cases: Collection[str]) -> None:
        self._parties = kept.cases.parties(cases) if cases else {}
        every = [each for theirs in self._parties.values() for each in theirs.values()]
        numbers = {each.number for each in every if each.number}
        self._people = kept.roll.those(numbers) if numbers else {}

    def keys(self, case: str) -> tuple[str, ...]:
        """Give the keys of everybody in a case."""
        return tuple(self._parties.get(case, {}))

    def of(self, case: str, key: str) -> Face:
        """Give a party of a case; of no party in particular whoever it is about first."""
        theirs = self._parties.get(case, {})
        party = theirs.get(key) if key else next(iter(theirs.values()), None)
        if party is None:
            return Face(name=_("Not known yet"))
        person = self._people.get(party.number)
        name = f"{person.forenames} {person.surname}".strip() if person else party.name
        if not name:
            name = _("Somebody of staff") if party.kind is Kind.STAFF else _("Not known yet")
        return Face(name=name, cell=person.cell if person else "", party=party, person=person)


def routers() -> tuple[APIRouter, ...]:
    """Make the router of the board."""
    working = router_for(*WORKS)

    @working.get("/cases")
    def board(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show the board of the day, or one part of it with all of its lines."""
        asked = request.query_params
        mine = asks_mine(user, asked.get("who", ""))
        key, page = asked.get("part", ""), page_asked(asked.get("page", ""))
        if key and key not in (*_MAKERS, "open"):
            raise PartUnknown
        now = office.kit.now()
        with office.kit.store.look() as kept:
            day = _Day(kept, user, now, mine=mine)
            if key:
                halves = [day.open_cases(page) if key == "open" else day.part(key, page=page)]
            else:
                halves = [day.part(each) for each in _MAKERS]
            parts = day.named(halves)
            tiles = day.tiles()
        shown("list-viewed", "cases", "-".join(filter(None, (key, "mine" if mine else "all"))))
        filled = [each for each in parts if each.count and (each.lines or key)]
        return show(
            request,
            "board.html",
            title=_(TITLES[key]) if key else _("Today"),
            day=wording.day(now.astimezone(HERE)),
            weekday=_(DAYS[now.astimezone(HERE).weekday()]),
            parts=filled,
            empty=[each.title for each in parts if not each.count and not key],
            coming=[each for each in parts if each.count and not each.lines and not key],
            one=key,
            tiles=tiles,
            mine=mine,
            switch={"mine": board_address("mine", key), "all": board_address("all", key)},
            papers=day.papers,
            manager=user.has(Role.MANAGER),
            page=page,
            sooner=board_address(day.who, key, page - 1) if page > 1 else "",
            later=board_address(day.who, key, page + 1) if key and day.goes_on else "",
        )

    return (working,)


def asks_mine(user: User, said: str) -> bool:
    """Say whether only somebody's own are asked for; a manager is shown everybody's at first."""
    return said == "mine" if said else not user.has(Role.MANAGER)


def page_asked(said: str) -> int:
    """Give which page of a list is asked for; the first for anything that is none."""
    number = int(said) if re.fullmatch(r"[0-9]{1,6}", said, re.ASCII) else 1
    return min(max(number, 1), LAST_PAGE)


def board_address(who: str, part: str = "", page: int = 1) -> str:
    """Give the address of the board, or of a page of a part."""
    asked = {"who": who, "part": part, "page": str(page) if page > 1 else ""}
    return "/cases?" + urlencode({name: each for name, each in asked.items() if each})


def whose_of(user: User, *, mine: bool = False) -> Whose:
    """Say which cases somebody may see, and works on if only those are asked for."""
    return Whose(
        establishments=user.establishments,
        wings=user.wings,
        confidential=is_one(user, SEES_CONFIDENTIAL),
        practitioner=user.id if mine else "",
    )


def names_of(kept: Kept, usernames: Iterable[str]) -> dict[str, str]:
    """Find what some people are called, by user name; nobody else's name is opened."""
    wanted = set(usernames) - {""}
    return {each: each for each in wanted} | kept.staff.names(wanted)


def last_working_day(today: date) -> date:
    """Give the working day before a day."""
    day = today - timedelta(days=1)
    while not is_working_day(day):
        day -= timedelta(days=1)
    return day


def begin_of(day: date) -> datetime:
    """Give the moment a day begins in the prison."""
    return datetime.combine(day, datetime.min.time(), HERE)


def walking_key(cell: str) -> tuple[tuple[int, int, str], ...]:
    """Say where a cell stands on the way round: its numbers count as numbers."""
    return tuple(
        (0, int(each), "") if each.isdigit() else (1, 0, each)
        for each in re.findall(r"[0-9]+|[A-Z]+", cell.upper())
    )


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

TITLES: Mapping[str, str] = {
    "urgent": "Urgent now",
    "stops": "Withdrawal slips and private visits",
    "late": "Late",
    "today": "Today, by wing",
    "meetings": "Meetings today",
    "desk": "At the desk today",
    "sheets": "Rep sheets not back",
    "papers": "Paper to be put to a case",
    "follow-ups": "Follow-ups in the next 7 days",
    "ending": "Consents and assessments ending within 7 days",
    "moves": "Moved since the last working day",
    "coming": "Everything else due in the next 7 days",
    "open": "Every open case",
}
"""Parts of the board, in its order; "coming" and "open" are pages of their own."""


@dataclass(frozen=True, kw_only=True)
class _Half:
    """A part whose lines are not in words yet: what each is about, and its other words."""

    part: Part
    lines: tuple[tuple[str, str, Line], ...] = ()
    """Case, party, and the line without who it is."""


class _Day:
    """One person's board of one day, inside one transaction."""

    def __init__(self, kept: Kept, user: User, now: datetime, *, mine: bool) -> None:
        self.kept, self.user, self.now = kept, user, now
        self.who = "mine" if mine else "all"
        self.whose = whose_of(user, mine=mine)
        self.today = day_of(now)
        self.due = kept.case_boards.counts(self.whose, self.today)
        self.papers = kept.case_intake.count_unplaced(whose_of(user))
        self.goes_on = False
        self._lines: dict[str, CaseLine] = {}

    def tiles(self) -> tuple[dict[str, str], ...]:
        """Give the counts that stand on top."""
        return _tiles(board_counts(self.due), self.who)

    def part(self, key: str, *, page: int = 0) -> _Half:
        """Make a part; all of its lines, a page at a time, when a page is asked for."""
        return _MAKERS[key](self, key, page)

    def count(
        self, what: Collection[What], *, late: bool = True, today: bool = True, week: bool = True
    ) -> int:
        """Count what is due of some things."""
        some = [each for w, each in self.due.items() if w in what]
        return sum(e.late * late + e.today * today + e.week * week for e in some)

    def tasks(
        self,
        key: str,
        page: int,
        what: Collection[What],
        count: int,
        *,
        since: date | None = None,
        until: date | None = None,
        walk: bool = False,
        few: int = FEW,
    ) -> _Half:
        """Make a part of what has to be done."""
        skip, most = ((page - 1) * WALK, WALK) if page else (0, few)
        found: tuple[TaskLine, ...] = ()
        if count and most:
            found = self.kept.case_boards.part(
                self.whose, what, most, since=since, until=until, walking=walk, skip=skip
            )
        made = tuple((each.case, each.task.party, self._line(each)) for each in found)
        return self._half(key, page, count, made, skip, walk=walk)

    def meetings(self, key: str, page: int) -> _Half:
        """Make the part of today's meetings."""
        first, last = begin_of(self.today), begin_of(self.today + timedelta(days=1))
        skip, most = ((page - 1) * WALK, WALK) if page else (0, FEW)
        boards = self.kept.case_boards
        count = boards.count_meetings(self.whose, first, last)
        found = boards.meetings(self.whose, first, last, most, skip=skip) if count else ()
        made = []
        for each in found:
            told = [each.room or _("No room"), *([_("has begun")] if each.begun else [])]
            line = Line(
                what=", ".join(told),
                when=f"{words.hour(each.starts)} - {words.hour(each.ends)}",
                by=each.lead,
            )
            made.append((each.case, "", line))
        return self._half(key, page, count, made, skip)

    def moves(self, key: str, page: int) -> _Half:
        """Make the part of who moved."""
        since = begin_of(last_working_day(self.today))
        skip, most = ((page - 1) * WALK, WALK) if page else (0, FEW)
        boards = self.kept.case_boards
        count = boards.count_moves(self.whose, since)
        found = boards.moves(self.whose, since, most, skip=skip) if count else ()
        made = [
            (
                each.case,
                each.party,
                Line(
                    what=words.gone_to(each.to, each.wing),
                    when=wording.clock(each.at, self.now),
                ),
            )
            for each in found
        ]
        return self._half(key, page, count, made, skip)

    def unplaced(self, key: str, page: int) -> _Half:
        """Make the part of forms that wait to be put to a case."""
        skip, most = ((page - 1) * WALK, WALK) if page else (0, FEW)
        found: tuple[Unplaced, ...] = ()
        if self.papers:
            found = self.kept.case_intake.unplaced(whose_of(self.user), most, skip=skip)
        made = [
            (
                "",
                "",
                Line(
                    href=f"/unplaced/{each.record}",
                    code=show_serial(each.record.rpartition("-")[0]),
                    who=title_of(definition(each.form)),
                    what=" ".join(words.why_unplaced(each.why)),
                    when=wording.clock(each.at, self.now),
                    where=" ".join(filter(None, (each.establishment, each.wing))),
                    staff_named=each.confidential,
                ),
            )
            for each in found
            if may_open(self.user, each)
        ]
        return self._half(key, page, self.papers, made, skip)

    def open_cases(self, page: int) -> _Half:
        """Make the list of every open case, those that are due first."""
        skip = (page - 1) * WALK
        found = self.kept.cases.listed(self.whose, WALK + 1, skip=skip)
        self._lines |= {each.id: each for each in found}
        made = [
            (
                each.id,
                "",
                Line(
                    what=_(words.STEPS[each.step]),
                    when=_("due {day}", day=wording.short_day(each.due)) if each.due else "",
                    late=each.due is not None and each.due < self.today,
                    by=each.practitioner,
                ),
            )
            for each in found[:WALK]
        ]
        self.goes_on = len(found) > WALK
        part = Part(key="open", title=_(TITLES["open"]), count=skip + len(found))
        return _Half(part=part, lines=tuple(made))

    def named(self, halves: Sequence[_Half]) -> list[Part]:
        """Put in who each line is about, and where: opened in one go for what is shown."""
        cases = {case for half in halves for case, _key, _line in half.lines if case}
        missing = cases - self._lines.keys()
        if missing:
            self._lines |= self.kept.case_boards.lines(missing)
        theirs = {case for case in cases if may_open(self.user, self._lines[case])}
        faces = Faces(self.kept, theirs)
        staff = {line.by for half in halves for *_rest, line in half.lines}
        staff |= {self._lines[case].practitioner for case in theirs}
        names = names_of(self.kept, staff)
        return [self._whole(half, theirs, faces, names) for half in halves]

    # Inside

    def _line(self, each: TaskLine) -> Line:
        task, today = each.task, self.today
        late = task.due < today
        if task.what is What.URGENT and task.at is not None:
            when, late = words.by_hour(task.at, self.now), task.at < self.now
        elif late and task.what is What.RENEW:
            when = _("ended {day}", day=wording.short_day(task.due))
        elif late:
            closed = self.kept.cases.closed_days(each.establishment)
            when = words.how_late(task.due, today, closed)
        else:
            when = _("today") if task.due == today else wording.short_day(task.due)
        what = words.what(task.what, task.more)
        if task.what is What.BRIEF_BACK:
            sheet = show_serial(task.more.partition("/")[0])
            what = _("Sheet {serial} is not back", serial=sheet)
        return Line(what=what, when=when, late=late, by=each.practitioner, place=_place(each))

    def _half(
        self,
        key: str,
        page: int,
        count: int,
        made: Sequence[tuple[str, str, Line]],
        skip: int,
        *,
        walk: bool = False,
    ) -> _Half:
        self.goes_on = bool(page) and count > skip + WALK
        more = board_address(self.who, key) if not page and count > len(made) else ""
        part = Part(key=key, title=_(TITLES[key]), count=count, more=more, walk=walk)
        return _Half(part=part, lines=tuple(made))

    def _whole(
        self, half: _Half, theirs: Collection[str], faces: Faces, names: Mapping[str, str]
    ) -> Part:
        lines = []
        for case, key, line in half.lines:
            if not case:
                lines.append(line)
                continue
            if case not in theirs:
                continue
            at, face = self._lines[case], faces.of(case, key)
            by = names.get(line.by or at.practitioner, "")
            lines.append(self._filled(line, at, face, by or _("nobody yet")))
        if half.part.walk:
            lines.sort(key=lambda each: (each.place, walking_key(each.cell), each.code))
        return replace(half.part, lines=tuple(lines))

    def _filled(self, line: Line, case: CaseLine, face: Face, by: str) -> Line:
        here = face.cell or case.wing
        if len(self.user.establishments) != 1:
            here = " ".join(filter(None, (case.establishment, here)))
        return replace(
            line,
            href=f"/cases/{case.id}",
            code=case.id,
            who=face.name,
            place=line.place or _place(case),
            where=here,
            cell=face.cell,
            by=by,
            staff_named=case.confidential,
            quiet=bool(face.party and face.party.quiet),
        )


def _place(thing: TaskLine | CaseLine) -> str:
    return " ".join(filter(None, (thing.establishment, thing.wing))) or _("No wing")


TILES: Mapping[str, str] = {
    "urgent": "urgent now",
    "stops": "want to stop, or a private visit",
    "late": "late",
    "today": "visits today",
    "desk": "at the desk today",
}
"""Counts on top of the board."""


def board_counts(due: Mapping[What, Due]) -> dict[str, int]:
    """Count what stands on top of the board."""

    def those(what: Collection[What]) -> list[Due]:
        return [each for w, each in due.items() if w in what]

    return {
        "urgent": sum(e.late + e.today + e.week for e in those({What.URGENT})),
        "stops": sum(e.late + e.today + e.week for e in those(STOPS)),
        "late": sum(e.late for e in those(ANY)),
        "today": sum(e.today for e in those(GOES)),
        "desk": sum(e.today for e in those(DESK)),
    }


_MAKERS: Mapping[str, Callable[[_Day, str, int], _Half]] = {
    "urgent": lambda d, key, page: d.tasks(
        key, page, {What.URGENT}, d.count({What.URGENT}), few=WALK
    ),
    "stops": lambda d, key, page: d.tasks(key, page, STOPS, d.count(STOPS), until=d.today + WEEK),
    "late": lambda d, key, page: d.tasks(
        key,
        page,
        ANY,
        d.count(ANY, today=False, week=False),
        until=d.today - timedelta(days=1),
    ),
    "today": lambda d, key, page: d.tasks(
        key,
        page,
        GOES,
        d.count(GOES, late=False, week=False),
        since=d.today,
        until=d.today,
        walk=True,
        few=WALK,
    ),
    "meetings": lambda d, key, page: d.meetings(key, page),
    "desk": lambda d, key, page: d.tasks(
        key, page, DESK, d.count(DESK, late=False, week=False), since=d.today, until=d.today
    ),
    "sheets": lambda d, key, page: d.tasks(
        key, page, {What.BRIEF_BACK}, d.count({What.BRIEF_BACK}, week=False), until=d.today
    ),
    "papers": lambda d, key, page: d.unplaced(key, page),
    "follow-ups": lambda d, key, page: d.tasks(
        key,
        page,
        {What.FOLLOW_UP},
        d.count({What.FOLLOW_UP}, late=False, today=False),
        since=d.today + timedelta(days=1),
        until=d.today + WEEK,
    ),
    "ending": lambda d, key, page: d.tasks(
        key, page, {What.RENEW}, d.count({What.RENEW}), until=d.today + WEEK
    ),
    "moves": lambda d, key, page: d.moves(key, page),
    "coming": lambda d, key, page: d.tasks(
        key,
        page,
        COMING,
        d.count(COMING, late=False, today=False),
        since=d.today + timedelta(days=1),
        until=d.today + WEEK,
        few=0,
    ),
}


def summary(kept: Kept, user: User, now: datetime) -> tuple[dict[str, str], ...]:
    """Give the counts of somebody's own day for the start page."""
    mine = asks_mine(user, "")
    counts = board_counts(kept.case_boards.counts(whose_of(user, mine=mine), day_of(now)))
    return _tiles(counts, "mine" if mine else "all")


def _tiles(counts: Mapping[str, int], who: str) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "href": board_address(who, key),
            "count": str(counts[key]),
            "words": _(TILES[key]),
            "kind": key if counts[key] else "",
        }
        for key in TILES
    )
