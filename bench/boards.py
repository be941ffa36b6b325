"""Speed: the boards of the day over the cases of years.

    python -m bench.boards [--cases 50000] [--open 8000] [--times 30] [--seed 7] [--json FILE]
                           [--folder FOLDER]

A store is filled with cases of 10 prisons and 60 wings. Each case is a history of acts, and what is
found by is worked out of it by the very functions that the service itself uses (`replay`,
`tasks_of`); only the rows are written many at a time instead of one by one. So that this is no
other thing, `--checked` of the open cases are worked out anew by the service afterwards: the rows
must come out the same. Acts and people are sealed, each case under its own key. Forms that wait to
be put to a case are lines of that list alone: no pages are behind them.

Then the pages are asked for through the whole app, in this process: by a practitioner of one prison
and by a manager of all. The clock goes on a minute after each, so that each view is noted. "First"
is the first time. With `--folder` the store is kept there, and one that is there is measured again.
Status 1 when a p95 is 300 ms or more.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select

from bench.wing_load import percentile
from kiosk.serving import settle
from kiosk.staff.app import create_app
from kiosk.staff.kit import StaffKit
from pipeline import case_acts as on
from pipeline.case_acts import Act, KeepApart, Party, Role
from pipeline.case_tasks import tasks_of
from pipeline.cases import Case, Step, replay
from pipeline.ports import Person
from storage import case_renewal
from storage.blobs import FolderBlobs
from storage.cases import _ACT, _PARTY, RANK, _once
from storage.intake_box import IntakeBox
from storage.keys import KeyFolder, Vault
from storage.models import (
    CaseActRow,
    CaseBookingRow,
    CasePartyRow,
    CaseRecordRow,
    CaseRow,
    CaseTaskRow,
    case_scope,
)
from storage.sealed_blobs import SealedBlobs
from storage.sealing import add_all
from storage.store import Kept, Store, rows_of

PROMISED_MS = 300.0
NOW = datetime(2026, 11, 24, 8, 40, tzinfo=UTC)
PASSWORD = "four unrelated words do"

PRISONS = ("MTI", "CLI", "ISI", "LEI", "MDI", "BWI", "CFI", "WII", "HII", "DAI")
WINGS = ("A", "B", "C", "D", "E", "F")
PEOPLE = 600
"""On the roll of each prison."""

FILE = "boards.db"

AT_ONCE = 500
"""Cases written in one transaction."""

PATHS = (
    "/",
    "/cases",
    "/cases?who=mine",
    "/cases?who=all",
    "/cases?part=late&who=all",
    "/late",
    "/late?list=unseen",
    "/late/proof",
    "/visits",
    "/visits?who=all",
    "/unplaced",
)

STAGES = (
    ("received", 10),
    ("triaged", 14),
    ("confirmed", 14),
    ("offered", 14),
    ("consented", 9),
    ("assessed", 8),
    ("booked", 8),
    ("happened", 16),
    ("stopped", 3),
    ("paused", 4),
)
"""How far open cases are, in percent."""


@dataclass
class Clock:
    """A clock that goes on when it is told."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        """Give the time."""
        return self.at


@dataclass(kw_only=True)
class Made:
    """What a store was filled with."""

    store: Store
    clock: Clock
    cases: int = 0
    tasks: int = 0
    acts: int = 0
    seconds: float = 0.0
    open_ids: list[str] = field(default_factory=list)
    late: int = 0


# Histories


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a case is, between whom, and who works on it."""

    prison: str
    wing: str
    by: str
    first: Person
    second: Person


def history(rng: random.Random, stage: str, place: _Place, *, closed: bool) -> list[Act]:
    """Make the acts of a case that got so far; the last of them is some days old.

    Args:
        rng: chance.
        stage: how far an open case is, or how far a closed one was.
        place: where it is.
        closed: it is over, some time in the last years.
    """
    gap = timedelta(days=rng.expovariate(1 / 6.0))
    if closed:
        gap = timedelta(days=rng.uniform(0.5, 1400))
    return list(_history(rng, stage, place, NOW - gap, closed=closed))


def _history(
    rng: random.Random, stage: str, place: _Place, last: datetime, *, closed: bool
) -> Iterator[Act]:
    how_far = [name for name, _share in STAGES].index(stage)
    step = timedelta(days=rng.uniform(0.6, 2.5))
    began = last - step * how_far
    named = rng.random() < 0.012
    first = Party(
        key="a",
        role=Role.HARMED,
        number=place.first.prison_number,
        needs=("reading",) if rng.random() < 0.3 else (),
        quiet=rng.random() < 0.1,
    )
    second = Party(key="b", role=Role.RESPONSIBLE, number=place.second.prison_number)
    known = how_far >= 2 and rng.random() < 0.9
    other = second if known else Party(key="b", role=Role.RESPONSIBLE)
    who: dict[str, Any] = {"by": place.by}
    yield on.Received(
        at=began, parties=(first, other), sender="a", confidential=named, urgent=False, **who
    )
    if how_far >= 1:
        yield on.Triaged(at=began + step * 0.4, practitioner=place.by, **who)
    if how_far >= 2:
        yield on.Seen(at=began + step * 1.9, party="a", **who)
        yield on.SenderConfirmed(
            at=began + step * 2, party="a", sent=True, alone=True, pressed=False, **who
        )
    if how_far >= 3 and stage != "paused":
        yield on.Offered(at=began + step * 3, party="b", **who)
    if stage in ("consented", "assessed", "booked", "happened", "stopped"):
        yield _consent(began + step * 3.8, "a", who)
        yield _consent(began + step * 4, "b", who)
    if stage in ("assessed", "booked", "happened"):
        at = began + step * 5
        yield on.Assessed(
            at=at,
            level=on.Level.LOW,
            mode=on.Mode.MEETING,
            until=at.date() + timedelta(days=14),
            own_part="full",
            plan=True,
            **who,
        )
    if stage in ("booked", "happened"):
        yield from _meeting(rng, stage, place, began + step * 6, who)
    if stage == "stopped":
        yield on.Withdrew(at=last, party="b", wish=on.Wish.STOP, how="slip", **who)
    if stage == "paused":
        yield on.Paused(at=last, reason=on.Pause.REGIME, **who)
    if closed:
        if stage == "stopped":
            yield on.Seen(at=last + timedelta(hours=1), party="b", **who)
        yield from _closing(rng, stage, last + timedelta(hours=2), place.by, named)
    elif rng.random() < 0.012:
        yield on.Urged(
            at=NOW - timedelta(minutes=rng.randint(5, 300)), party="a", why="form", **who
        )
    elif rng.random() < 0.012:
        at = NOW - timedelta(hours=rng.uniform(1, 30))
        yield on.Moved(at=at, by="counterfoil", party="b", establishment="", wing="C")
    elif rng.random() < 0.01 and how_far >= 2:
        yield on.Briefed(at=last, party="a", sheet="0000001B", line=1, why="check-in", **who)


def _consent(at: datetime, party: str, who: dict[str, Any]) -> Act:
    said = dict.fromkeys(
        ("c_know", "c_free", "c_no_harm", "c_stop", "c_contact", "c_meet", "limits", "capacity"),
        "yes",
    )
    return on.ConsentTaken(
        at=at,
        party=party,
        said={**said, "c_no_gain": "yes", "c_msg": "yes", "teach_back": "choice stop limits"},
        wording="rj-3h/1",
        language="en",
        how_read=("aloud",),
        signed_on=at.date(),
        until=at.date() + timedelta(days=28),
        seen_by=who["by"],
        **who,
    )


def _meeting(
    rng: random.Random, stage: str, place: _Place, at: datetime, who: dict[str, Any]
) -> Iterator[Act]:
    booking = f"b-{rng.randrange(10**8):08d}"
    starts = at + timedelta(days=1)
    if stage == "booked":
        day = NOW.date() + timedelta(days=rng.choice((0, 0, 1, 1, 2, 3, 4, 7, 8, 9)))
        starts = datetime(day.year, day.month, day.day, rng.randint(9, 16), 0, tzinfo=UTC)
    check = KeepApart(at=at, list_at=at, roll_at=at)
    yield on.Booked(
        at=at,
        booking=booking,
        mode=on.Mode.MEETING,
        room=f"{place.prison} room {rng.randint(1, 4)}",
        starts=starts,
        ends=starts + timedelta(hours=1),
        parties=("a", "b"),
        lead=place.by,
        check=check,
        **who,
    )
    if stage == "booked":
        return
    yield on.Begun(at=starts, booking=booking, asked_again=("a", "b"), check=check, **who)
    ended = starts + timedelta(hours=1)
    yield on.Met(at=ended, booking=booking, attended=("a", "b"), outcome=on.Outcome.AGREED, **who)
    for stage_ in list(on.Stage)[: rng.randint(1, 4)]:
        for party in ("a", "b"):
            yield on.FollowedUp(
                at=ended + timedelta(hours=2), party=party, stage=stage_, safe=4, well=4, **who
            )


def _closing(rng: random.Random, stage: str, at: datetime, by: str, named: bool) -> Iterator[Act]:
    unseen = stage in ("received", "triaged")
    reason = on.Reason.NOT_FOUND if unseen else rng.choice(list(on.Reason))
    if not (unseen or named or reason is on.Reason.NOT_SAFE):
        yield on.Closed(at=at, by=by, reason=reason)
        return
    yield on.CloseAsked(at=at, by=by, reason=reason)
    yield on.Closed(at=at + timedelta(hours=5), by="milan", reason=reason, asked_by=by)


# Filling a store


def roll_of(rng: random.Random) -> dict[str, list[Person]]:
    """Make the roll of each prison."""
    found: dict[str, list[Person]] = {}
    number = 0
    for prison in PRISONS:
        people = []
        for _ in range(PEOPLE):
            number += 1
            letters = "ABCDEFGHJK"[number % 10] + "ABCDEFGHJK"[number // 10 % 10]
            wing = rng.choice(WINGS)
            people.append(
                Person(
                    prison_number=f"A{number:04d}{letters}",
                    surname=rng.choice(("LEE", "KHAN", "NOVAK", "JONES", "OKORO", "SMITH")),
                    forenames=rng.choice(("BO", "AL", "SAM", "IVAN", "LUKE", "OMAR")),
                    cell=f"{wing}-{rng.randint(1, 4)}-{rng.randint(1, 40):03d}",
                    establishment=prison,
                )
            )
        found[prison] = people
    return found


def fill(folder: Path, *, cases: int, still_open: int, seed: int = 7) -> Made:
    """Make a store with so many cases, of which some are open."""
    rng, clock = random.Random(seed), Clock()
    store = _store(folder)
    store.upgrade()
    made = Made(store=store, clock=clock)
    began = time.monotonic()
    roll = roll_of(rng)
    everybody = [each for people in roll.values() for each in people]
    with store.begin() as kept:
        kept.roll.replace(everybody, by="bench", at=NOW)
        _staff(kept)
    numbers = iter(range(cases))
    opens = set(rng.sample(range(cases), still_open))
    while some := [n for _, n in zip(range(AT_ONCE), numbers, strict=False)]:
        batch = [_one(rng, roll, n, closed=n not in opens) for n in some]
        with store.begin() as kept:
            _write(kept, made, batch)
    with store.begin() as kept:
        rows_of(kept).execute(insert(CaseRecordRow), _loose(rng))
    made.seconds = time.monotonic() - began
    return made


def _store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder / FILE}", Vault(KeyFolder(folder / "keys")))


def opened(folder: Path) -> Made:
    """Open a store that was filled before."""
    made = Made(store=_store(folder), clock=Clock())
    with made.store.look() as kept:
        rows = rows_of(kept)
        made.open_ids = list(rows.scalars(select(CaseRow.id).where(CaseRow.step != Step.CLOSED)))
        made.cases = rows.scalar(select(func.count()).select_from(CaseRow)) or 0
        made.acts = rows.scalar(select(func.count()).select_from(CaseActRow)) or 0
        made.tasks = rows.scalar(select(func.count()).select_from(CaseTaskRow)) or 0
        late = select(func.count()).select_from(CaseTaskRow).where(CaseTaskRow.due < NOW.date())
        made.late = rows.scalar(late) or 0
    return made


def _staff(kept: Kept) -> None:
    def add(username: str, name: str, role: str, *prisons: str) -> None:
        kept.staff.add(
            username,
            PASSWORD,
            name=name,
            roles=(role,),
            establishments=prisons,
            by="bench",
            at=NOW,
        )

    add("milan", "Milan Manager", "manager")
    for prison in PRISONS:
        for n in range(6):
            add(_worker(prison, n), f"Worker {n} of {prison}", "practitioner", prison)


def _worker(prison: str, n: int) -> str:
    return f"{prison.lower()}.{n}"


def _one(
    rng: random.Random, roll: dict[str, list[Person]], n: int, *, closed: bool
) -> tuple[str, _Place, list[Act]]:
    prison = PRISONS[n % len(PRISONS)]
    first, second = rng.sample(roll[prison], 2)
    place = _Place(
        prison=prison,
        wing=first.cell[0],
        by=_worker(prison, rng.randrange(6)),
        first=first,
        second=second,
    )
    names, shares = zip(*STAGES, strict=True)
    (stage,) = rng.choices(names, shares)
    return _code(n), place, history(rng, stage, place, closed=closed)


def _code(n: int) -> str:
    symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    scrambled, said = n * 48271 % 2**30, ""
    for _ in range(6):
        scrambled, place = divmod(scrambled, 32)
        said += symbols[place]
    return f"C-{said}"


def _write(kept: Kept, made: Made, batch: Sequence[tuple[str, _Place, list[Act]]]) -> None:
    """Write some cases: what is kept is what `storage.cases` would have kept of them."""
    rows = rows_of(kept)
    kept.keys.make_all([case_scope(code, 1) for code, *_ in batch])
    cases: list[dict[str, Any]] = []
    acts: list[CaseActRow] = []
    parties: list[CasePartyRow] = []
    tasks: list[dict[str, Any]] = []
    bookings: list[dict[str, Any]] = []
    for code, place, done in batch:
        case = replay(done)
        owed = _once(tasks_of(case, kept.cases.limits(), kept.cases.closed_days(place.prison)))
        cases.append(_case_row(code, place, case, owed))
        acts += [
            CaseActRow(
                case=code,
                edition=1,
                number=n,
                at=each.at,
                by=each.by,
                what=each.what,
                record="",
                body=_ACT.dump_python(each, mode="json"),
            )
            for n, each in enumerate(done, start=1)
        ]
        lives = {"a": place.first.cell[0], "b": place.second.cell[0]}
        for side in case.sides:
            wing = side.wing or (lives[side.key] if side.party.number else "")
            lives[side.key] = wing
            parties.append(
                CasePartyRow(
                    case=code,
                    edition=1,
                    key=side.key,
                    digest=kept.cases.digest(side.party.number),
                    asked=side.key == case.sender,
                    wing=wing,
                    person=_PARTY.dump_python(side.party, mode="json"),
                )
            )
        asker = case.asker.key if case.asker else ""
        tasks += [
            {
                "case": code,
                "what": each.what,
                "party": each.party,
                "more": each.more,
                "rank": RANK[each.what],
                "due": each.due,
                "at": each.at,
                "establishment": place.prison,
                "wing": lives.get(each.party or asker) or place.wing,
                "confidential": case.confidential,
                "practitioner": case.practitioner,
            }
            for each in owed
        ]
        bookings += [_booking_row(code, place, each) for each in case.bookings]
        if case.open:
            made.open_ids.append(code)
    rows.execute(insert(CaseRow), cases)
    add_all(rows, acts)
    add_all(rows, parties)
    if tasks:
        rows.execute(insert(CaseTaskRow), tasks)
    if bookings:
        rows.execute(insert(CaseBookingRow), bookings)
    made.cases += len(cases)
    made.tasks += len(tasks)
    made.acts += len(acts)
    made.late += sum(each["due"] < NOW.date() for each in tasks)


def _case_row(code: str, place: _Place, case: Case, owed: Sequence[Any]) -> dict[str, Any]:
    return {
        "id": code,
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "establishment": place.prison,
        "wing": place.wing,
        "step": case.step,
        "acts": case.acts,
        "confidential": case.confidential,
        "urgent": case.urgent,
        "paused": bool(case.pauses),
        "stopped": bool(case.stopped),
        "seen": bool(case.asker and case.asker.met_at),
        "practitioner": case.practitioner,
        "due": min((each.due for each in owed), default=None),
        "closed_at": case.closed_at,
        "reason": case.reason or "",
    }


def _booking_row(code: str, place: _Place, each: Any) -> dict[str, Any]:
    return {
        "case": code,
        "booking": each.id,
        "establishment": place.prison,
        "room": each.room,
        "starts": each.starts,
        "ends": each.ends,
        "lead": each.lead,
        "second": each.second,
        "rep": each.rep,
        "state": each.state,
        "parties": list(each.parties),
    }


def _loose(rng: random.Random, count: int = 400) -> list[dict[str, Any]]:
    return [
        {
            "record": f"{n:07d}Z-1",
            "case": "",
            "party": "",
            "form": rng.choice(("rj-3h", "rj-3w", "rj-6", "rj-4")),
            "at": NOW - timedelta(hours=n),
            "verified_at": NOW - timedelta(hours=n),
            "establishment": PRISONS[n % len(PRISONS)],
            "wing": rng.choice(WINGS),
            "confidential": n % 50 == 0,
            "outcome": rng.choice(("which-case", "nothing-said", "unsigned", "unread")),
            "done_at": None,
            "done_by": "",
        }
        for n in range(count)
    ]


def differing(made: Made, count: int, seed: int = 1) -> int:
    """Count the open cases of which the service itself would keep other rows, of so many."""
    rng = random.Random(seed)
    some = rng.sample(made.open_ids, min(count, len(made.open_ids)))
    wrong = 0
    for code in some:
        with made.store.begin() as kept:
            before = _kept_of(kept, code)
            kept.cases.renew(code)
            wrong += _kept_of(kept, code) != before
    return wrong


def _kept_of(kept: Kept, code: str) -> list[Any]:
    rows = rows_of(kept)
    rows.expire_all()
    found: list[Any] = []
    for table, key in (
        (CaseRow, CaseRow.id),
        (CaseTaskRow, CaseTaskRow.case),
        (CaseBookingRow, CaseBookingRow.case),
    ):
        whole = select(*table.__table__.columns).where(key == code)
        found += sorted(map(str, rows.execute(whole).all()))
    parties = select(CasePartyRow.key, CasePartyRow.digest, CasePartyRow.asked, CasePartyRow.wing)
    found += sorted(map(str, rows.execute(parties.where(CasePartyRow.case == code)).all()))
    return found


def renewing(made: Made, batches: int = 12) -> list[float]:
    """Say how long the database is held while open cases are worked out anew, seconds a time."""
    after, taken = "", []
    for _ in range(batches):
        with made.store.begin() as kept:
            began = time.perf_counter()
            after = kept.cases.renew_open(after=after, most=case_renewal.AT_ONCE)
        taken.append(time.perf_counter() - began)
        if not after:
            break
    return taken


# Asking for pages


class _NoWork:
    """Reads nothing: no page is taken in here."""

    def again(self, kept: Any, page_id: str, *, by: str, at: datetime) -> None:
        raise NotImplementedError

    def add_file(self, kept: Any, intake: Any) -> None:
        raise NotImplementedError


def browser(made: Made, folder: Path, username: str) -> TestClient:
    """Sign somebody in at a site over the store."""
    blobs = SealedBlobs(FolderBlobs(folder / "blobs"), made.store)
    kit = StaffKit(
        store=made.store,
        blobs=blobs,
        jobs=_NoWork(),
        intake=IntakeBox(made.store, blobs, _NoWork()),  # type: ignore[arg-type]
        now=made.clock,
    )
    site = create_app(kit)
    settle()
    client = TestClient(
        site,
        base_url="http://staff.example",
        headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
        follow_redirects=False,
    )
    page = client.get("/sign-in").text
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    sent = {"name": username, "password": PASSWORD, "csrf": token}
    if client.post("/sign-in", data=sent).status_code != 303:
        raise RuntimeError("nobody could sign in")
    return client


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How long one page took for one person, in seconds.

    Attributes:
        work: processor time of this process, which what else the machine does does not touch.
        size: of the page, bytes.
    """

    who: str
    path: str
    first: float
    times: tuple[float, ...]
    work: tuple[float, ...]
    size: int

    @property
    def p50(self) -> float:
        """Give the middle, milliseconds."""
        return percentile(self.times, 0.5)

    @property
    def p95(self) -> float:
        """Give what 95 of 100 keep to, milliseconds."""
        return percentile(self.times, 0.95)


def ask(made: Made, client: TestClient, who: str, path: str, times: int) -> Asked | None:
    """Ask for a page again and again; None when it is not theirs."""
    taken: list[float] = []
    work: list[float] = []
    size = 0
    for _ in range(times + 1):
        made.clock.at += timedelta(seconds=61)
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(path)
        taken.append(time.perf_counter() - began)
        work.append(time.process_time() - worked)
        if answer.status_code == 403:
            return None
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        size = len(answer.content)
    return Asked(
        who=who, path=path, first=taken[0], times=tuple(taken[1:]), work=tuple(work[1:]), size=size
    )


def measure(made: Made, folder: Path, times: int) -> list[Asked]:
    """Ask for every page as a practitioner of one prison and as a manager of all."""
    found = []
    for who, username in (("practitioner", _worker("MTI", 0)), ("manager", "milan")):
        made.clock.at = NOW
        made.store.vault.forget()
        client = browser(made, folder, username)
        for path in PATHS:
            asked = ask(made, client, who, path, times)
            if asked is not None:
                found.append(asked)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, check, ask, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--open", type=int, default=8_000)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--checked", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        folder.mkdir(exist_ok=True)
        if (folder / FILE).exists():
            made = opened(folder)
        else:
            made = fill(folder, cases=given.cases, still_open=given.open, seed=given.seed)
        size = (folder / FILE).stat().st_size / 1e6
        print(
            f"{made.cases:,} cases, {len(made.open_ids):,} open; {made.acts:,} acts, "
            f"{made.tasks:,} things to do, {made.late:,} of them late; {size:.0f} MB; "
            f"made in {made.seconds:.0f} s"
        )
        wrong = differing(made, given.checked)
        print(f"rows that the service would keep otherwise: {wrong} of {given.checked} cases")
        held = renewing(made)
        print(
            f"working {case_renewal.AT_ONCE} open cases out anew holds the database for "
            f"{percentile(held, 0.5):.0f} ms, at most {1000 * max(held):.0f} ms (n = {len(held)})\n"
        )
        found = measure(made, folder, given.times)
        made.store.close()
    told = io.StringIO()
    print(
        "| who | page | n | first, ms | p50, ms | p95, ms | processor p50, ms | p95, ms | kB |",
        file=told,
    )
    print("|---|---|---|---|---|---|---|---|---|", file=told)
    for each in found:
        print(
            f"| {each.who} | `{each.path}` | {len(each.times)} | "
            f"{1000 * each.first:.0f} | {each.p50:.0f} | {each.p95:.0f} | "
            f"{percentile(each.work, 0.5):.0f} | {percentile(each.work, 0.95):.0f} | "
            f"{each.size / 1000:.0f} |",
            file=told,
        )
    print(told.getvalue())
    if given.json:
        given.json.write_text(json.dumps([vars(each) for each in found]))
    slow = [each for each in found if each.p95 >= PROMISED_MS]
    return 1 if slow or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
