"""Sixty days of one prison, through the real stores: is anybody lost?

400 men ask, on paper, at the kiosk and through officers; some are moved or let out, some stop, some
slips never come back, one of two practitioners is ill for a week, the roll is late for some days.
Each working day people do what their board says, as far as they get. At the end every asker has
been answered or stands on the late list, every blank is accounted for, the list of events holds,
and every case is what its acts say.

    python -m bench.sixty_days --days 60 --asks 400
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from forms import library
from forms.fields import Choice, Date, FormDefinition, Signature
from forms.page_id import PageId, new_serial
from pipeline import case_acts as on
from pipeline import work
from pipeline.case_acts import Act, Kind, Party, Reason, Role
from pipeline.case_guards import NotAllowed, needs_second
from pipeline.case_tasks import What
from pipeline.cases import Case, Side, Step, replay
from pipeline.ports import Sheet
from pipeline.promises import day_of, is_working_day, promised_day
from pipeline.stages import PageRead, PersonMatch, Reading, State
from pipeline.submissions import Submission, Word, to_letter
from pipeline.triage import triage
from storage.case_intake import take_up_cases
from storage.cases import Whose
from storage.keys import KeyFolder, Vault
from storage.mailbox import FolderSlot, Letter, Mailbox
from storage.roll_file import import_keep_apart, import_roll
from storage.store import Store
from storage.submissions import KioskLetters

EVERYBODY = Whose(confidential=True)
_FIRST = frozenset({What.URGENT, What.MEETING, What.OUTCOME, What.BOOK, What.ASSESS, What.VISIT})
PRISON = "MTI"
WINGS = "ABCD"
START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


def readings(form: FormDefinition, answers: Mapping[str, Any]) -> tuple[Reading, ...]:
    """Give what a form says as it was read: who must look at what is the form's own rule."""
    found = []
    for asked in form.fillable():
        value = answers.get(asked.name)
        kind = "text"
        if isinstance(asked, Choice):
            kind, value = "choice", (value,) if isinstance(value, str) else tuple(value or ())
        elif isinstance(asked, Signature):
            kind, value = "signature", bool(value)
        elif isinstance(asked, Date):
            kind = "date"
        filled = bool(value)
        found.append(
            Reading(
                field=asked.name,
                kind=kind,
                state=State.FILLED if filled else State.BLANK,
                value=value if filled or kind == "signature" else None,
                confidence=1.0,
                review=isinstance(asked, Choice) and asked.consent,
                why=("consent",) if isinstance(asked, Choice) and asked.consent else (),
            )
        )
    return tuple(found)


def judge(
    form: FormDefinition, read: Sequence[Reading]
) -> tuple[Sequence[Reading], Sequence[PersonMatch]]:
    """Say what a person must see, without a roll."""
    return triage(form, read), ()


@dataclass
class Man:
    """Somebody on the roll."""

    number: str
    surname: str
    wing: str
    prison: str = PRISON
    alerts: str = ""
    here: bool = True

    def line(self, n: int) -> str:
        """Give his line of the roll."""
        cell = f"{self.wing}-1-{n % 40 + 1:03}"
        return f"{self.number},{self.surname},JO,{cell},{self.prison},1990-01-01,{self.alerts}"


@dataclass
class World:
    """A prison, its paper and its people.

    Args:
        folder: an empty one.
        seed: draws everything.
        url: the database; an embedded one in the folder where none is given.
    """

    folder: Path
    seed: int = 7
    url: str = ""
    men: list[Man] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    serials: list[str] = field(default_factory=list)
    free: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    records: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Open the place."""
        self.draw = random.Random(self.seed)
        self.now = START
        self.files = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = self._open()
        self.store.upgrade()
        self.mailbox = Mailbox(
            FolderSlot(self.folder / "letters"), self.store.vault.folder, site="local"
        )
        self.mailbox.make()
        self.letters = KioskLetters(judge, clock=lambda: self.now)
        with self.store.begin() as kept:
            pepper = kept.submissions.pepper()
        self.letters.meet(pepper)
        used: set[str] = set()
        while len(self.men) < 160:
            number = (
                f"{self.draw.choice(LETTERS)}{self.draw.randrange(1000, 9999)}"
                f"{self.draw.choice(LETTERS)}{self.draw.choice(LETTERS)}"
            )
            if number not in used:
                used.add(number)
                surname = "".join(self.draw.choices(LETTERS, k=6))
                self.men.append(Man(number, surname, self.draw.choice(WINGS)))
        self.pads()

    def _open(self) -> Store:
        keys = KeyFolder(self.folder / "keys")
        return Store(self.url or f"sqlite:///{self.folder}/c.sqlite", Vault(keys))

    def again(self) -> None:
        """Switch everything off and on."""
        self.store.close()
        self.store = self._open()

    # Paper

    def pads(self) -> None:
        """Print pads of blanks for every wing."""
        for form in ("rj-1", "rj-2"):
            for wing in WINGS:
                made = self.issue(form, 90, wing=wing, pad=f"pad-{form}-{wing}")
                self.free[form, wing] = made

    def issue(self, form: str, count: int, **more: Any) -> list[str]:
        """Issue copies."""
        with self.store.begin() as kept:
            serials = list(kept.sheets.draw(count))
            values = {"establishment": PRISON, "wing": "A"} | more
            kept.sheets.issue(
                [
                    Sheet(
                        serial=serial,
                        form=form,
                        version=1,
                        language="en",
                        large_print=False,
                        pages=1,
                        issued_at=self.now,
                        **values,
                    )
                    for serial in serials
                ]
            )
        self.serials += serials
        return serials

    def blank(self, form: str, wing: str) -> str:
        """Take the next blank of a pad; some blanks are lost before anybody writes on them."""
        while True:
            free = self.free.setdefault((form, wing), [])
            if not free:
                free += self.issue(form, 40, wing=wing, pad=f"pad-{form}-{wing}")
            serial = free.pop(0)
            if self.draw.random() < 0.06:
                self.lost.add(serial)
                continue
            return serial

    def comes(self, serial: str, form: str, answers: Mapping[str, Any], verify: bool = True) -> str:
        """Have a filled sheet come in through the scanner, and people look at it."""
        self.files += 1
        digest = hashlib.sha256(f"{self.seed}/{self.files}".encode()).hexdigest()
        definition = library.definition(form)
        read = PageRead(
            source="file",
            page_index=0,
            id=PageId(form=form, version=1, language="en", serial=serial, page=1),
            pages=1,
            readings=readings(definition, answers),
            rotation_deg=0.0,
            scale=1.0,
            residual_mm=0.1,
            digest=digest,
        )
        with self.store.begin() as kept:
            taken = kept.intakes.take(digest, 1000, by="scanner", at=self.now)
            (page,) = kept.intakes.split(taken.intake.id, work.Split(pages=1), at=self.now)
            kept.pages.start(page, 1)
            kept.pages.keep(page, 1, [work.Outcome(read)], at=self.now)
            if verify:
                for by in ("vera", "victor"):
                    each = kept.pages.get(page)
                    for reading in each.undecided:
                        word = each.decide(reading.field, reading.value, by=by, at=self.now)
                        kept.decisions.add(word)
            return str(kept.pages.get(page).record)

    # People who ask

    def ask(self) -> None:
        """Have somebody ask, one way or another."""
        man = self.draw.choice([each for each in self.men if each.here])
        way = self.draw.random()
        if way < 0.5:
            record = self.comes(
                self.blank("rj-1", man.wing),
                "rj-1",
                {
                    "me_number": man.number,
                    "role": self.draw.choice(["harmed", "responsible", "both"]),
                    "kind": self.draw.choice(["fight", "debt", "threats"]),
                    "safe": self.draw.choices(["yes", "not_sure"], [9, 1])[0],
                },
            )
            self.records.append(record)
        elif way < 0.8:
            other = self.draw.choice(self.men)
            record = self.comes(
                self.blank("rj-2", man.wing),
                "rj-2",
                {
                    "p1_number": man.number,
                    "p1_role": "harmed",
                    "p2_number": other.number if other is not man else "",
                    "p2_role": "responsible",
                    "type": "debt",
                    "done_already": self.draw.choice(["none", "on_report", "acct"]),
                    "risk_now": self.draw.choice(["none_seen", "some", "high"]),
                    "told": "yes",
                },
            )
            self.records.append(record)
        else:
            said = Submission(
                form="rj-1",
                version=1,
                language="en",
                terminal="t-0000beef",
                code=new_serial(),
                promised=promised_day(self.now),
                asks="full",
                at=self.now,
                answers={"me_number": man.number, "role": "harmed", "kind": ("debt",)},
            )
            self._post(said)
            self.codes.append(said.code)
        self.asked["asks"] += 1

    def _post(self, said: Submission | Word) -> None:
        self.files += 1
        kind, body = to_letter(said)
        self.mailbox.post(Letter(key=f"key-of-a-day-{self.files:06}", kind=kind, body=body))
        self.mailbox.collect(self.store, self.letters, at=self.now, ready=self.letters.ready)
        with self.store.begin() as kept:  # a person looks at whatever the kiosk's form needs
            for record in kept.records.newest(1):
                for page in record.pages:
                    for by in ("vera", "victor"):
                        each = kept.pages.get(page.id)
                        for reading in each.undecided:
                            word = each.decide(reading.field, reading.value, by=by, at=self.now)
                            kept.decisions.add(word)

    # Days

    def day(self, *, asks: int, ill: bool, roll: bool) -> None:
        """Live through one day."""
        day = day_of(self.now)
        if roll:
            self._night()
        for _ in range(asks):
            self.now += timedelta(minutes=self.draw.randrange(1, 9))
            self.ask()
        self._stop_some()
        self.take_up()
        if is_working_day(day):
            self.now = self.now.replace(hour=10, minute=0)
            self._work(4 if ill else 24)
        self.take_up()
        with self.store.look() as kept:
            late = kept.cases.unanswered(EVERYBODY, day_of(self.now), 500)
        self.told["days with somebody on the late list"] += bool(late)
        self.now = (self.now + timedelta(days=1)).replace(hour=7, minute=0)

    def take_up(self) -> None:
        """Run the chore until it has nothing to do."""
        while take_up_cases(self.store, at=self.now):
            pass

    def _night(self) -> None:
        """Bring in a roll and a keep-apart list: some have moved, some are out."""
        for man in self.draw.sample(self.men, 4):
            if man.here:
                man.wing = self.draw.choice(WINGS)
        if self.draw.random() < 0.4:
            self.draw.choice(self.men).here = False
        for man in self.draw.sample(self.men, 2):
            man.alerts = self.draw.choice(["", "", "HA", "XGANG", "VLES", "ONCR"])
        if self.draw.random() < 0.2:
            self.draw.choice(self.men).prison = "BWI"
        lines = ["prison_number,surname,forenames,cell,establishment,date_of_birth,alerts"]
        lines += [man.line(n) for n, man in enumerate(self.men) if man.here]
        import_roll(self.store, [f"{e}\n" for e in lines], by="night", at=self.now, confirmed=True)
        head = "prison_number_1,role_1,prison_number_2,role_2,reason,restriction,state,close_reason"
        pairs = [head]
        pairs += [
            f"{a.number},not relevant,{b.number},not relevant,threat,wing,open,"
            for a, b in zip(self.men[:20], self.men[20:40], strict=True)
        ]
        import_keep_apart(
            self.store, [f"{e}\n" for e in pairs], by="night", at=self.now, confirmed=True
        )

    def _stop_some(self) -> None:
        """Have a man stop now and then: at the kiosk, or with a slip that nobody has read yet."""
        if self.codes and self.draw.random() < 0.25:
            code = self.draw.choice(self.codes)
            self._post(Word(code=code, says="stop", terminal="t-0000beef", at=self.now))
            self.told["stopped at the kiosk"] += 1
        if self.draw.random() < 0.3:
            with self.store.look() as kept:
                lines = kept.cases.listed(EVERYBODY, 400)
                some = [e for e in lines if e.step in (Step.CONSENTED, Step.BOOKED, Step.OFFERED)]
                if not some:
                    return
                case_id = self.draw.choice(some).id
                sides = [s for s in kept.cases.get(case_id).case.between if s.party.number]
            side = self.draw.choice(sides)
            serial = self.paper(case_id, side, "rj-3w")
            wish = self.draw.choice(["stop", "break", "letters_only", "see_me"])
            self.comes(serial, "rj-3w", {"stop": wish, "mark": True})
            self.told[f"slip: {wish}"] += 1

    def paper(self, case_id: str, side: Side, form: str) -> str:
        """Make a copy out for a party of a case."""
        (serial,) = self.issue(form, 1, person=side.party.number or None, pad=f"case-{case_id}")
        with self.store.begin() as kept:
            kept.cases.add_paper(serial, case_id, side.key, form, by="petra", at=self.now)
        return serial

    # What practitioners do

    def _work(self, capacity: int) -> None:
        with self.store.look() as kept:
            today = day_of(self.now)
            tasks = kept.cases.tasks(EVERYBODY, 2000, until=today + timedelta(days=40))
        soon = sorted(tasks, key=lambda each: each.task.what not in _FIRST)
        for line in soon[:capacity]:
            self.now += timedelta(minutes=4)
            with self.store.look() as kept:
                case = kept.cases.get(line.case).case
            side = case.side(line.task.party) or case.asker
            if side is None:
                continue
            self.do[line.task.what](self, line.case, case, side, line.task.more)

    def act(self, case_id: str, act: type[Any], **what: Any) -> bool:
        """Do something with a case, unless something speaks against it."""
        done = act(at=self.now, by="petra", **what)
        with self.store.begin() as kept:
            try:
                kept.cases.do(case_id, done)
            except NotAllowed as problem:
                self.refused.update(problem.blocks)
                return False
            kept.case_intake.tell(case_id, at=self.now)
        return True

    def _triage(self, case_id: str, _case: Case, _side: Side, _more: str) -> None:
        self.act(case_id, on.Triaged, practitioner="petra")

    def _urgent(self, case_id: str, _case: Case, side: Side, _more: str) -> None:
        self.act(case_id, on.UrgencyMet, party=side.key)

    def _visit(self, case_id: str, case: Case, side: Side, _more: str) -> None:
        if side.gone == "released":
            self._close(case_id, case, Reason.GONE)
            return
        self.act(case_id, on.Seen, party=side.key)
        asks = case.asker
        if asks is None or asks.key != side.key or side.confirmed_at or side.stopped_at:
            return
        if self.draw.random() < 0.12:
            self._close(case_id, case, Reason.SENDER_STOPPED)
            return
        self.act(case_id, on.SenderConfirmed, party=side.key, sent=True, alone=True, pressed=False)

    def _who(self, case_id: str, case: Case, _side: Side, _more: str) -> None:
        unknown = [s for s in case.sides if not s.party.number and s.party.kind is Kind.PRISONER]
        other = unknown[0].party if unknown else Party(key="b", role=Role.RESPONSIBLE)
        if other.key == (case.asker.key if case.asker else ""):
            self._close(case_id, case, Reason.NOT_FOUND)
            return
        taken = {s.party.number for s in case.sides}
        man = self.draw.choice([m for m in self.men if m.here and m.number not in taken])
        named = Party(key=other.key, role=Role.RESPONSIBLE, number=man.number)
        self.act(case_id, on.PartyNamed, party=named)
        with self.store.begin() as kept:
            kept.case_roll.heed(case_id, at=self.now)

    def _offer(self, case_id: str, case: Case, side: Side, _more: str) -> None:
        if side.standing and side.standing.manager_needed:
            self.act(case_id, on.ManagerAgreed, party=side.key)
        if not self.act(case_id, on.Offered, party=side.key) and side.gone:
            self._close(case_id, case, Reason.GONE)

    def _consent(self, case_id: str, case: Case, side: Side, _more: str) -> None:
        way = self.draw.random()
        if side.gone == "released" or way < 0.1:
            reason = Reason.GONE if side.gone else Reason.OTHER_NO
            self._close(case_id, case, reason)
            return
        form = "rj-3r" if side.party.role is Role.RESPONSIBLE else "rj-3h"
        serial = self.paper(case_id, side, form)
        if way < 0.18:
            self.lost.add(serial)
            return
        names = [each.name for each in library.definition(form).fillable()]
        said: dict[str, Any] = {n: "yes" for n in names if n.startswith("c_")}
        said |= {
            "c_supporter": None,
            "c_share_agree": "no_one",
            "limits": "yes",
            "rep_not_listener": "yes",
            "capacity": "yes",
            "teach_back": ("choice", "stop", "limits"),
            "how_read": "aloud",
            "sign": way > 0.22,
            "prac_sign": True,
            "date": day_of(self.now).isoformat(),
        }
        self.comes(serial, form, said)
        self.take_up()

    def _assess(self, case_id: str, _case: Case, _side: Side, _more: str) -> None:
        level = self.draw.choices([on.Level.LOW, on.Level.MEDIUM, on.Level.HIGH], [6, 3, 1])[0]
        self.act(
            case_id,
            on.Assessed,
            level=level,
            mode=on.Mode.MEETING,
            until=day_of(self.now) + timedelta(days=14),
            plan=True,
            supervised=level is on.Level.HIGH,
        )

    def _book(self, case_id: str, case: Case, _side: Side, _more: str) -> None:
        keys = tuple(each.key for each in case.between)
        day = day_of(self.now) + timedelta(days=1)
        while not is_working_day(day):
            day += timedelta(days=1)
        starts = datetime(day.year, day.month, day.day, 8, 0, tzinfo=UTC)
        with self.store.look() as kept:
            check = kept.case_roll.look(case_id, keys, at=self.now)
        booked = self.act(
            case_id,
            on.Booked,
            booking=new_serial(),
            mode=on.Mode.LETTER if check.apart or check.away else on.Mode.MEETING,
            room="RJ room",
            starts=starts,
            ends=starts + timedelta(hours=1),
            parties=keys,
            lead="petra",
            check=check,
        )
        if not booked and self.draw.random() < 0.3:
            self._close(case_id, case, Reason.NOT_SAFE)

    def _meeting(self, case_id: str, case: Case, _side: Side, more: str) -> None:
        booking = next(each for each in case.bookings if each.id == more)
        if self.now < booking.starts:
            return
        with self.store.look() as kept:
            check = kept.case_roll.look(case_id, booking.parties, at=self.now)
        begun = self.act(case_id, on.Begun, booking=more, asked_again=booking.parties, check=check)
        if not begun:
            self.act(case_id, on.Unbooked, booking=more, reason="not-now")
            return
        outcome = self.draw.choice([on.Outcome.AGREED, on.Outcome.NO_AGREEMENT])
        self.act(case_id, on.Met, booking=more, attended=booking.parties, outcome=outcome)
        self.told["met"] += 1

    def _outcome(self, case_id: str, case: Case, _side: Side, more: str) -> None:
        booking = next(each for each in case.bookings if each.id == more)
        self.act(
            case_id, on.Met, booking=more, attended=booking.parties, outcome=on.Outcome.STOPPED
        )

    def _follow(self, case_id: str, _case: Case, side: Side, more: str) -> None:
        face = self.draw.choices([5, 4, 2], [6, 3, 1])[0]
        self.act(case_id, on.FollowedUp, party=side.key, stage=on.Stage(more), safe=face, well=4)

    def _pause(self, case_id: str, case: Case, _side: Side, _more: str) -> None:
        for reason in case.pauses:
            self.act(case_id, on.Resumed, reason=reason)

    def _end(self, case_id: str, case: Case, _side: Side, _more: str) -> None:
        self._close(case_id, case, Reason.KEPT if case.happened_at else Reason.SENDER_STOPPED)

    def _renew(self, case_id: str, case: Case, side: Side, more: str) -> None:
        if more == "consent":
            self._consent(case_id, case, side, more)
        else:
            self._assess(case_id, case, side, more)

    def _second(self, case_id: str, case: Case, _side: Side, _more: str) -> None:
        asked = case.closing
        if asked is None:
            return
        with self.store.begin() as kept:
            act = on.Closed(at=self.now, by="milan", reason=asked.reason, asked_by=asked.asked_by)
            kept.cases.do(case_id, act)
            kept.case_intake.tell(case_id, at=self.now)

    def _close(self, case_id: str, case: Case, reason: Reason) -> None:
        act = on.CloseAsked if needs_second(case, reason) else on.Closed
        self.act(case_id, act, reason=reason)

    def _nothing(self, case_id: str, case: Case, side: Side, more: str) -> None:
        """Leave what is somebody else's: verifiers read the slips."""

    do: Mapping[What, Callable[..., None]] = field(
        default_factory=lambda: {
            What.URGENT: World._urgent,
            What.SLIP: World._nothing,
            What.VISIT: World._visit,
            What.RECHECK: World._visit,
            What.BRIEF_BACK: World._nothing,
            What.TRIAGE: World._triage,
            What.FIRST_VISIT: World._visit,
            What.CONFIRM: World._visit,
            What.MEETING: World._meeting,
            What.OUTCOME: World._outcome,
            What.FOLLOW_UP: World._follow,
            What.PROMISE: World._nothing,
            What.SECOND_PERSON: World._second,
            What.WHO: World._who,
            What.OFFER: World._offer,
            What.CONSENT: World._consent,
            What.RENEW: World._renew,
            What.ASSESS: World._assess,
            What.BOOK: World._book,
            What.PAUSE: World._pause,
            What.LOOK: World._visit,
            What.CLOSE: World._end,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is wrong in the end; nothing where all is well."""

    asks: int
    cases: int
    lost_askers: tuple[str, ...]
    lost_records: tuple[str, ...]
    lost_blanks: tuple[str, ...]
    broken_cases: tuple[str, ...]
    bad_meetings: tuple[str, ...]
    steps: Mapping[str, int]
    late: int
    met: int

    @property
    def well(self) -> bool:
        """Say whether nobody and nothing is lost."""
        return not (
            self.lost_askers
            or self.lost_records
            or self.lost_blanks
            or self.broken_cases
            or self.bad_meetings
        )


def live(world: World, *, days: int, asks: int) -> None:
    """Live through some days on which so many ask."""
    spread = Counter(world.draw.choices(range(days), k=asks))
    for n in range(days):
        ill = days // 3 <= n < days // 3 + 7
        no_roll = days // 2 <= n < days // 2 + 3
        world.day(asks=spread[n], ill=ill, roll=not no_roll and n % 2 == 0)
        if n == days // 2:
            world.again()


def look(world: World) -> Found:
    """Look for whoever, and whatever, is lost; by the bare acts, not by what the cases say."""
    store, today = world.store, day_of(world.now)
    store.verify_events()
    lost_askers: list[str] = []
    lost_records: list[str] = []
    broken: list[str] = []
    bad: list[str] = []
    steps: Counter[str] = Counter()
    with store.look() as kept:
        lines = kept.cases.listed(EVERYBODY, 10_000, open_only=False)
        late = {e.id for e in kept.cases.unanswered(EVERYBODY, today, 10_000)}
        due = {e.case for e in kept.cases.tasks(EVERYBODY, 100_000)}
        waits = {e.record for e in kept.case_intake.unplaced(EVERYBODY, 10_000)}
        lost_records += [
            record.id
            for record in kept.records.newest(10_000)
            if not kept.case_intake.case_of(record.id) and record.id not in waits
        ]
        for line in lines:
            held = kept.cases.get(line.id)
            case = replay(held.acts)
            steps[case.step] += 1
            if (case.step, case.acts) != (line.step, len(held.acts)) or case != held.case:
                broken.append(line.id)
            asker = case.asker
            answered = asker is not None and asker.met_at is not None
            ended = not case.open
            told = case.promised or promised_day(held.acts[0].at)
            if not (answered or ended or line.id in late or told >= today or case.stopped):
                lost_askers.append(line.id)
            if case.open and line.id not in due:
                lost_askers.append(line.id)
            bad += [line.id for _ in _bad_meetings(held.acts)]
        back = {s for s in world.serials if kept.sheets.is_back(s)}
        out = {each.serial for each in kept.sheets.missing()}
        lost_blanks = [s for s in world.serials if s not in back and s not in out]
        lost_blanks += [s for s in world.lost if s not in out]
    return Found(
        asks=world.asked["asks"],
        cases=len(lines),
        lost_askers=tuple(lost_askers),
        lost_records=tuple(lost_records),
        lost_blanks=tuple(lost_blanks),
        broken_cases=tuple(broken),
        bad_meetings=tuple(bad),
        steps=dict(steps),
        late=len(late),
        met=world.told["met"],
    )


def _bad_meetings(acts: Sequence[Act]) -> list[Act]:
    """Find what was booked or begun without all that it takes, by the acts before it alone."""
    bad: list[Act] = []
    for n, act in enumerate(acts):
        if not isinstance(act, on.Booked | on.Begun):
            continue
        before, day = acts[:n], day_of(act.at)
        fresh = timedelta(0) <= act.at - act.check.at < timedelta(hours=24)
        rolls = act.check.roll_at is not None and act.check.list_at is not None
        free = {
            each.party
            for m, each in enumerate(before)
            if isinstance(each, on.ConsentTaken) and _says_yes(each, before[m + 1 :], day)
        }
        if not (fresh and rolls and {"a", "b"} <= free):
            bad.append(act)
    return bad


def _says_yes(consent: on.ConsentTaken, later: Sequence[Act], day: date) -> bool:
    if consent.until < day or not consent.seen_by:
        return False
    return not any(
        isinstance(each, on.Withdrew)
        and each.party == consent.party
        and each.wish in (on.Wish.STOP, on.Wish.BREAK)
        for each in later
    )


def main() -> None:
    """Print what became of everybody."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--days", type=int, default=60)
    asked.add_argument("--asks", type=int, default=400)
    asked.add_argument("--seed", type=int, default=7)
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), chosen.seed)
        began = time.monotonic()
        live(world, days=chosen.days, asks=chosen.asks)
        found = look(world)
        world.store.close()
    print(f"days {chosen.days}  asks {found.asks}  cases {found.cases}  met {found.met}")
    print(f"seconds {time.monotonic() - began:.0f}")
    print("steps  " + "  ".join(f"{step} {n}" for step, n in sorted(found.steps.items())))
    print("told   " + "  ".join(f"{what} {n}" for what, n in sorted(world.told.items())))
    print("refused " + "  ".join(f"{what} {n}" for what, n in world.refused.most_common()))
    print(f"on the late list {found.late}")
    print(f"askers lost {len(found.lost_askers)}  records lost {len(found.lost_records)}")
    print(f"blanks lost {len(found.lost_blanks)} of {len(world.serials)}")
    print(f"cases that are not what their acts say {len(found.broken_cases)}")
    print(f"meetings without all that they take {len(found.bad_meetings)}")
    sys.exit(0 if found.well else 1)


if __name__ == "__main__":
    main()
