"""The practitioner's day and the manager's boards: what stands on them, for whom, and what not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdfium2
import pytest

from bench import boards as years
from pipeline import case_acts as on
from pipeline.case_acts import KeepApart, Party, Role
from pipeline.case_guards import Block
from pipeline.case_tasks import What
from pipeline.ports import Person
from storage import case_renewal
from storage.cases import Cases, Whose
from storage.models import CaseRecordRow
from storage.store import rows_of

EVERYBODY = Whose(confidential=True)
TODAY = date(2026, 11, 23)


def on_roll(number: str, name: str, cell: str, at: str = "MTI", **extra: str) -> Person:
    first, last = name.split()
    return Person(
        prison_number=number,
        surname=last,
        forenames=first,
        cell=cell,
        establishment=at,
        extra=extra,
    )


class Day:
    """A prison with a roll, and short ways to bring cases to where they are wanted."""

    def __init__(self, prison: Any) -> None:
        self.prison, self.store = prison, prison.store
        self.people = [
            on_roll("A1111BC", "BO LEE", "B-2-014"),
            on_roll("A2222BC", "AL KAY", "B-1-003"),
            on_roll("A3333BC", "IVAN NOVAK", "A-1-020", language="pl", interpreter="yes"),
            on_roll("A4444BC", "SAM PAUSED", "B-2-002", alerts="HA"),
            on_roll("L5555BC", "FAR AWAY", "C-1-001", at="LEI"),
        ]
        prison.roll(*self.people)

    def asks(
        self,
        number: str = "A1111BC",
        *,
        days: float = 0,
        at: str = "MTI",
        wing: str = "B",
        staff: bool = False,
        **party: Any,
    ) -> str:
        """Have somebody ask, so many days ago; give the case."""
        asker = Party(key="a", role=Role.HARMED, number=number, **party)
        other = Party(key="b", role=Role.RESPONSIBLE)
        act = on.Received(
            at=self.prison.clock() - timedelta(days=days),
            by="vera",
            parties=(asker, other),
            sender="a",
            confidential=staff,
        )
        with self.store.begin() as kept:
            cell = next((p.cell for p in self.people if p.prison_number == number), "")
            return kept.cases.open(
                act, establishment=at, wing=wing, wings={"a": cell.partition("-")[0]}
            )

    def did(
        self, case: str, act: type[Any], *, days: float = 0, by: str = "petra", **w: Any
    ) -> None:
        at = self.prison.clock() - timedelta(days=days)
        with self.store.begin() as kept:
            kept.cases.record_fact(case, act(at=at, by=by, **w))

    def taken(self, case: str, by: str = "petra", *, days: float = 0) -> str:
        self.did(case, on.Triaged, by=by, practitioner=by, days=days)
        return case

    def confirmed(self, case: str, *, days: float = 0) -> str:
        self.did(
            case, on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False, days=days
        )
        return case

    def loose(
        self,
        record: str,
        form: str = "rj-3h",
        why: str = "which-case",
        at: str = "MTI",
        **more: Any,
    ) -> None:
        """Have a form wait, of which nothing else is kept."""
        now = self.prison.clock()
        with self.store.begin() as kept:
            rows_of(kept).add(
                CaseRecordRow(
                    record=record,
                    form=form,
                    at=now,
                    verified_at=now,
                    establishment=at,
                    wing="B",
                    confidential=more.get("staff", False),
                    outcome=why,
                )
            )

    def tasks(self) -> set[tuple[str, date]]:
        with self.store.look() as kept:
            return {(e.task.what, e.task.due) for e in kept.cases.tasks(EVERYBODY, 500)}


@pytest.fixture
def day(prison: Any) -> Day:
    prison.lets_in("mona", "manager")
    prison.lets_in("pia", "practitioner")
    return Day(prison)


def part(text: str, key: str) -> str:
    """Give one part of the board as it reads; "" when it is not there."""
    found = re.search(rf'(?s)<section class="part" id="{key}".*?</section>', text)
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split()) if found else ""


def plain(text: str) -> str:
    return " ".join(re.sub(r"(?s)<[^>]*>", " ", text.partition("<main")[2]).split())


# The board


def test_the_board_has_each_thing_where_it_belongs(day: Day, visitor: Any) -> None:
    late = day.taken(day.asks(days=7), days=6)
    urgent = day.asks("A2222BC")
    day.did(urgent, on.Urged, party="a", why="form", days=1 / 48)
    stopped = day.confirmed(day.asks("A3333BC", days=3, wing="A"), days=1)
    day.did(stopped, on.Withdrew, party="a", wish=on.Wish.SLIP_CAME, how="slip")
    met = day.confirmed(day.taken(day.asks("A4444BC", days=20)), days=15)
    check = KeepApart(at=day.prison.clock(), list_at=None, roll_at=None)
    starts = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    day.did(
        met,
        on.Booked,
        booking="b1",
        mode=on.Mode.MEETING,
        room="Chapel",
        starts=starts,
        ends=starts + timedelta(hours=1),
        parties=("a", "b"),
        lead="petra",
        check=check,
    )
    day.did(met, on.Moved, party="b", establishment="", wing="D")
    day.did(met, on.Briefed, party="a", sheet="0000001B", line=1, why="check-in", days=4)
    day.loose("0000002X-1")
    text = visitor("petra").get("/cases?who=all").text
    assert part(text, "urgent").count("AL KAY") == 1
    assert f"by 12:00 {urgent}" in part(text, "urgent"), "two hours after it came"
    assert "IVAN NOVAK" in part(text, "stops")
    assert "Read the slip" in part(text, "stops")
    assert f"BO LEE MTI B-2-014 First visit: ask whether he sent it 2 working days {late}" in part(
        text, "late"
    ), "asked on Monday, promised Thursday, and this is the Monday after"
    assert "SAM PAUSED" in part(text, "meetings")
    assert "Chapel 14:00 - 15:00" in part(text, "meetings")
    assert "Now on wing D" in part(text, "moves")
    assert "Sheet 0000-001B is not back" in part(text, "sheets")
    assert "no open case that it surely belongs to" in part(text, "papers")
    assert part(text, "ending") == ""


def test_what_is_due_today_stands_in_walking_order(day: Day, visitor: Any) -> None:
    for number, wing in (("A1111BC", "B"), ("A4444BC", "B"), ("A2222BC", "B"), ("A3333BC", "A")):
        day.taken(day.asks(number, days=5, wing=wing))  # Wednesday: promised for today
    text = part(visitor("petra").get("/cases").text, "today")
    order = [text.index(each) for each in ("MTI A", "IVAN", "MTI B", "AL KAY", "SAM", "BO LEE")]
    assert order == sorted(order)


def test_mine_are_those_i_have_and_those_that_nobody_has(day: Day, visitor: Any) -> None:
    own = day.taken(day.asks(days=7))
    nobodys = day.asks("A2222BC", days=7)
    others = day.taken(day.asks("A3333BC", days=7, wing="A"), by="sona")
    petra = visitor("petra")
    mine, every = petra.get("/cases").text, petra.get("/cases?who=all").text
    assert own in mine
    assert nobodys in mine
    assert others not in mine
    assert others in every
    assert "Sona Senior" in every


def test_a_board_shows_nobody_of_another_prison_or_wing_and_no_case_that_names_staff(
    day: Day, visitor: Any
) -> None:
    day.prison.lets_in("walt", "practitioner", "A")
    here = day.asks(days=7)
    there = day.asks("L5555BC", days=7, at="LEI", wing="C")
    named = day.asks("A2222BC", days=7, staff=True)
    other_wing = day.asks("A3333BC", days=7, wing="A")
    for path in (
        "/cases?who=all",
        "/cases?who=all&part=open",
        "/visits?who=all",
        "/visits/paper.pdf",
    ):
        texts = {who: visitor(who).get(path) for who in ("pia", "walt", "sona", "milan")}
        if path.endswith("pdf"):
            continue
        seen = {
            who: [c in text.text for c in (here, there, named, other_wing)]
            for who, text in texts.items()
        }
        assert seen["pia"] == [True, False, False, True], path
        assert seen["walt"] == [False, False, False, True], path
        assert seen["sona"] == seen["milan"] == [True, True, True, True], path
        assert "AL KAY" not in texts["pia"].text
        assert "FAR AWAY" not in texts["pia"].text


def test_a_task_is_with_whoever_may_open_the_case_wherever_the_man_lives(
    day: Day, visitor: Any
) -> None:
    day.prison.lets_in("walt", "practitioner", "B")
    moved = day.asks("A3333BC", days=7, wing="B")
    assert moved in visitor("walt").get("/cases?who=all").text


def test_only_the_names_that_are_shown_are_opened_and_in_one_go(
    day: Day, visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        day.asks(days=7)
    opened: list[set[str]] = []
    real = Cases.parties

    def noted(self: Cases, cases: Any) -> Any:
        opened.append(set(cases))
        return real(self, cases)

    monkeypatch.setattr(Cases, "parties", noted)
    text = visitor("petra").get("/cases").text
    shown = set(re.findall(r'/cases/(C-\w+)"', text))
    assert opened == [shown]
    assert len(shown) < 12
    assert "Show all 24" in text
    assert (
        len(set(re.findall(r'/cases/(C-\w+)"', visitor("petra").get("/cases?part=late").text)))
        == 12
    )


def test_a_part_there_is_not_is_not_found_and_an_odd_page_is_the_first(visitor: Any) -> None:
    petra = visitor("petra")
    assert petra.get("/cases?part=nothing").status_code == 404
    assert petra.get("/cases?part=late&page=x").status_code == 200
    assert petra.get("/cases?part=late&page=99999999").status_code == 200


def test_the_start_page_begins_with_the_day_of_whoever_works_cases(day: Day, visitor: Any) -> None:
    day.asks(days=7)
    for who in ("petra", "milan"):
        text = visitor(who).get("/").text
        assert text.index("Your day") < text.index("Forms coming in")
        assert 'href="/cases"' in text
        assert re.search(r'tile__count">2</span><span class="tile__what">late', text)
    for who in ("vera", "ada", "adam", "olu"):
        assert "Your day" not in visitor(who).get("/").text


# The visit list


def words_in(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return " ".join(" ".join(page.get_textpage().get_text_bounded().split()) for page in document)


def test_the_visit_list_says_whom_to_see_where_what_for_and_what_he_needs(
    day: Day, visitor: Any
) -> None:
    day.asks("A3333BC", days=7, wing="A")
    both = day.asks(days=7, needs=("reading",), quiet=True)
    day.did(both, on.Urged, party="a", why="form")
    day.asks("A4444BC", days=7)
    page = visitor("petra").get("/visits")
    pdf = visitor("petra").get("/visits/paper.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")
    for text in (plain(page.text), words_in(pdf.content)):
        for said in (
            "Never give it to a prisoner",
            "Petra Practitioner (petra), 23 November 2026, 10:30",
            "Interpreter: Polish",
            "Phone interpreter",
            "Say nothing of what it is for",
            "Read it to him",
            "Ask in the office before you go",
            "Urgent, by 12:30",
        ):
            assert said in text, said
        order = [text.index(each) for each in ("IVAN", "B-2-002", "B-2-014")]
        assert order == sorted(order)
        assert text.count("BO LEE") == 1, "one line for all there is to do"
        for never in ("ACCT", "HA ", "A1111BC", "A4444BC"):
            assert never not in text, never


def test_a_visit_list_keeps_to_the_day_and_the_wings_that_are_chosen(
    day: Day, visitor: Any
) -> None:
    day.asks("A3333BC", days=7, wing="A")
    day.asks(days=7)
    soon = day.asks("A2222BC", days=4)  # Thursday: promised for Tuesday
    petra = visitor("petra")
    today = petra.get("/visits").text
    assert "IVAN" in today
    assert soon not in today
    assert soon in petra.get("/visits?day=2026-11-24").text
    assert soon not in petra.get("/visits?day=2027-11-24").text, "too far off: today"
    chosen = petra.get("/visits?wing=MTI%2FB").text
    assert "BO LEE" in chosen
    assert "IVAN" not in chosen


def test_a_visit_list_notes_each_case_it_tells_of(day: Day, visitor: Any) -> None:
    cases = {day.asks(days=7), day.asks("A2222BC", days=7)}
    visitor("petra").get("/visits/paper.pdf")
    with day.store.look() as kept:
        noted = {e.subject for e in kept.events.last(20) if e.what == "case-viewed"}
    assert noted == cases


# Paper that waits


def consent_comes(day: Day, samples: Any, person: str, *, signed: bool = True) -> str:
    """Have a consent come in, verified, that no case takes up by itself; give its record."""
    hand = {"sign": True, "prac_sign": True, "date": "2026-11-23"} if signed else {}
    filled = replace(samples.consent, answers={**samples.consent.answers, **hand})
    record = day.prison.verified(filled, person=person)
    with day.store.begin() as kept:
        kept.case_intake.take_up(at=day.prison.clock())
    return str(record)


def test_a_form_is_put_to_the_case_that_a_person_chooses(
    day: Day, visitor: Any, samples: Any
) -> None:
    first, second = day.asks(), day.asks()
    record = consent_comes(day, samples, "A1111BC")
    petra = visitor("petra")
    text = petra.get("/unplaced").text
    assert f"/unplaced/{record}" in text
    page = petra.get(f"/unplaced/{record}").text
    assert f'value="{first}/a"' in page
    assert f'value="{second}/a"' in page
    assert "BO LEE, B-2-014" in page
    csrf = petra.token(f"/unplaced/{record}")
    answer = petra.post(
        f"/unplaced/{record}", data={"csrf": csrf, "act": "place", "choice": f"{second}/a"}
    )
    assert answer.headers.get("location") == "/unplaced"
    with day.store.look() as kept:
        assert kept.case_intake.case_of(record) == second
        assert kept.cases.get(second).case.side("a").consent is not None
        assert kept.cases.get(first).case.side("a").consent is None
        assert kept.case_intake.count_unplaced(EVERYBODY) == 0


def test_what_speaks_against_it_is_said_and_the_form_waits_on(
    day: Day, visitor: Any, samples: Any
) -> None:
    case, _other = day.asks(), day.asks()
    record = consent_comes(day, samples, "A1111BC", signed=False)
    petra = visitor("petra")
    where = f"/unplaced/{record}"
    sent = {"csrf": petra.token(where), "act": "place", "choice": f"{case}/a"}
    answer = petra.post(where, data=sent)
    assert answer.status_code == 409
    assert "lacks a signature or a date" in answer.text
    with day.store.look() as kept:
        assert kept.cases.get(case).case.acts == 1
        assert kept.case_intake.count_unplaced(EVERYBODY) == 1


def test_a_form_belongs_to_another_case_by_its_code_or_to_none(
    day: Day, visitor: Any, samples: Any
) -> None:
    other = day.asks("A2222BC")
    far = day.asks("L5555BC", at="LEI", wing="C")
    record = consent_comes(day, samples, "A9999BC")
    pia = visitor("pia")
    where = f"/unplaced/{record}"
    csrf = pia.token(where)
    assert "no open case that you may see" in pia.get(where).text
    for code in (far, "C-000000", "nonsense"):
        answer = pia.post(where, data={"csrf": csrf, "act": "look", "code": code})
        assert answer.status_code == 422, code
        assert far not in answer.text.replace(f'value="{far}"', "")
    found = pia.post(where, data={"csrf": csrf, "act": "look", "code": other.lower()})
    assert found.headers["location"] == f"{where}?case={other}"
    page = pia.get(found.headers["location"]).text
    assert f'value="{other}/a"' in page
    assert f'value="{other}/b"' in page
    assert far not in pia.get(f"{where}?case={far}").text
    assert (
        pia.post(where, data={"csrf": csrf, "act": "place", "choice": f"{far}/a"}).status_code
        == 404
    )
    assert pia.post(where, data={"csrf": csrf, "act": "place"}).status_code == 422
    assert pia.post(where, data={"csrf": csrf, "act": "aside"}).status_code == 303
    assert pia.get(where).status_code == 404
    with day.store.look() as kept:
        assert "case-record-aside" in {e.what for e in kept.events.last(20)}


def test_a_slip_that_nobody_has_read_can_be_put_nowhere(
    day: Day, visitor: Any, samples: Any
) -> None:
    record = consent_comes(day, samples, "A9999BC")
    with day.store.begin() as kept:
        rows_of(kept).get(CaseRecordRow, record).outcome = "unread"
    petra = visitor("petra")
    where = f"/unplaced/{record}"
    assert "Read it first." in petra.get(where).text
    csrf = petra.token("/account")
    for data in ({"act": "aside"}, {"act": "place", "choice": "C-000000/a"}):
        assert petra.post(where, data={"csrf": csrf, **data}).status_code == 409


def test_a_form_of_another_prison_looks_as_if_it_were_not_there(day: Day, visitor: Any) -> None:
    day.loose("0000003X-1", at="LEI")
    day.loose("0000004X-1", staff=True)
    pia = visitor("pia")
    assert "/unplaced/" not in pia.get("/unplaced").text
    csrf = pia.token("/account")
    for record in ("0000003X-1", "0000004X-1", "9999999X-1"):
        assert pia.get(f"/unplaced/{record}").status_code == 404
        answer = pia.post(f"/unplaced/{record}", data={"csrf": csrf, "act": "aside"})
        assert answer.status_code == 404


def test_everything_that_can_speak_against_a_form_has_a_sentence() -> None:
    from kiosk.staff import board_words as words

    assert {*words.WHAT} == {*What}
    assert {*words.REASONS} == {*on.Reason}
    assert {*words.BLOCKS} <= {*Block}
    assert words.why_unplaced("unsigned stopped which-case") == (
        words.BLOCKS["unsigned"],
        words.BLOCKS["stopped"],
        words.WHY["which-case"],
    )
    assert words.why_unplaced("check-old") == (words.OTHER_BLOCK,)


# The manager's lists


def test_a_manager_sees_what_escalates_who_was_never_answered_and_what_was_closed_unseen(
    day: Day, visitor: Any
) -> None:
    late = day.asks(days=7)
    closed = day.asks("A2222BC", days=9)
    day.did(closed, on.CloseAsked, reason=on.Reason.NOT_FOUND)
    day.did(closed, on.Closed, by="milan", reason=on.Reason.NOT_FOUND, asked_by="petra")
    seen = day.confirmed(day.asks("A3333BC", days=9, wing="A"))
    day.did(seen, on.Closed, reason=on.Reason.TALKED)
    text = visitor("milan").get("/late").text
    bare = plain(text)
    assert f"{late} MTI B First visit: ask whether he sent it 2 working days nobody yet" in bare
    assert f"{late} MTI B 16 November 2026 received nobody yet" in bare
    assert (
        f"{closed} MTI B 23 November 2026 he could not be found Petra Practitioner Milan Manager"
        in bare
    )
    assert seen not in text
    assert "BO LEE" not in text, "codes are enough"
    for one in ("late", "unanswered", "unseen"):
        assert visitor("milan").get(f"/late?list={one}").status_code == 200
    assert visitor("milan").get("/late?list=x").status_code == 404


def test_a_manager_of_one_prison_sees_that_one(day: Day, visitor: Any) -> None:
    here, there = day.asks(days=7), day.asks("L5555BC", days=7, at="LEI", wing="C")
    mona = visitor("mona").get("/late").text
    assert here in mona
    assert there not in mona


def test_an_auditor_is_given_proof_of_cases_that_name_staff_and_not_a_name(
    day: Day, visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = day.asks(staff=True)
    done = day.taken(day.asks("A2222BC", staff=True), by="sona")
    day.did(done, on.CloseAsked, by="sona", reason=on.Reason.PASSED)
    day.did(done, on.Closed, by="milan", reason=on.Reason.PASSED, asked_by="sona")
    ordinary = day.asks("A3333BC", wing="A")
    monkeypatch.setattr(Cases, "parties", lambda *_: 1 / 0)
    ada = visitor("ada")
    text = ada.get("/late/proof").text
    bare = plain(text)
    assert re.search(r"2 received 1 taken on by somebody 1 closed", bare)
    assert f"{waits} MTI B 23 November 2026 by nobody yet received" in bare
    assert (
        f"{done} MTI B 23 November 2026 23 November 2026, sona closed 23 November 2026, sona milan"
        in bare
    )
    assert ordinary not in text
    for name in ("BO LEE", "AL KAY", "A1111BC"):
        assert name not in text
    assert ada.get("/late").status_code == 403
    assert ada.get("/cases").status_code == 403
    assert ada.get("/unplaced").status_code == 403


# Limits


def test_a_limit_that_changes_moves_what_open_cases_have_to_be_done_by(
    day: Day, visitor: Any
) -> None:
    day.asks()
    assert (What.FIRST_VISIT, date(2026, 11, 26)) in day.tasks()
    milan = visitor("milan")
    csrf = milan.token("/limits")
    answer = milan.post("/limits", data={"csrf": csrf, "first_visit": "5", "triage": "1"})
    assert answer.status_code == 303
    assert (What.FIRST_VISIT, date(2026, 11, 30)) in day.tasks()
    with day.store.look() as kept:
        assert not case_renewal.waits(kept)
        set_to = [(e.subject, e.code) for e in kept.events.last(20) if e.what == "limit-set"]
    assert set_to == [("first_visit", "5")], "only what differs"
    for odd in ("0", "-1", "366", "x", ""):
        wrong = milan.post("/limits", data={"csrf": csrf, "triage": "2", "first_visit": odd})
        assert wrong.status_code == 422, odd
    with day.store.look() as kept:
        assert (kept.cases.limits().first_visit, kept.cases.limits().triage) == (5, 1)


def test_a_closed_day_counts_as_no_working_day_in_its_prison_alone(day: Day, visitor: Any) -> None:
    day.asks()
    far = day.asks("L5555BC", at="LEI", wing="C")
    mona = visitor("mona")
    csrf = mona.token("/limits")
    closed = {"csrf": csrf, "prison": "mti", "day": "2026-11-25", "act": "close"}
    assert mona.post("/limits/days", data=closed).status_code == 303
    with day.store.look() as kept:
        due = {
            (e.establishment, e.task.due)
            for e in kept.cases.tasks(EVERYBODY, 9, what=[What.FIRST_VISIT])
        }
    assert due == {("MTI", date(2026, 11, 27)), ("LEI", date(2026, 11, 26))}
    assert "25 November 2026" in mona.get("/limits").text
    for wrong in ({"prison": "LEI"}, {"prison": ""}, {"day": "2026-11-01"}, {"day": "x"}):
        assert mona.post("/limits/days", data={**closed, **wrong}).status_code == 422, wrong
    assert mona.post("/limits", data={"csrf": csrf, "triage": "3"}).status_code == 422
    assert mona.post("/limits/days", data={**closed, "act": "open"}).status_code == 303
    assert (What.FIRST_VISIT, date(2026, 11, 26)) in day.tasks()
    assert far


def test_what_is_left_to_work_out_is_done_by_the_workers_even_after_a_restart(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        day.asks()
    with day.store.begin() as kept:
        kept.cases.set_limit("first_visit", 4, by="milan", at=day.prison.clock())
        number = case_renewal.ask(kept)
    monkeypatch.setattr(case_renewal, "AT_ONCE", 2)
    assert not case_renewal.renew(day.store, number, most=2)
    with day.store.look() as kept:
        assert case_renewal.waits(kept), "one of three is left"
    with day.store.begin() as kept:
        kept.cases.set_limit("first_visit", 6, by="milan", at=day.prison.clock())
        case_renewal.ask(kept)
    case_renewal.RenewalChore()(day.store)
    assert (What.FIRST_VISIT, date(2026, 12, 1)) in day.tasks()
    with day.store.look() as kept:
        assert not case_renewal.waits(kept)


# Years of cases


def test_boards_over_two_thousand_cases_are_quick_and_hold_what_the_service_keeps(
    tmp_path: Any,
) -> None:
    made = years.fill(tmp_path, cases=2000, still_open=320)
    try:
        assert years.differing(made, 20) == 0
        found = years.measure(made, tmp_path, 3)
    finally:
        made.store.close()
    assert {each.path for each in found} == set(years.PATHS)
    slow = {each.path: each.work for each in found if sorted(each.work)[1] >= 0.3}
    assert slow == {}, "processor time: whatever else this machine does"
