"""Answers on the staff site: by a code, on a slip, and the list of those whom nobody has told."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pdfplumber
import pytest

from forms.page_id import show_serial
from pipeline import case_acts as on
from pipeline.cases import Word
from storage.case_intake import take_up_cases


def text_of(pdf: bytes) -> str:
    with pdfplumber.open(io.BytesIO(pdf)) as paper:
        return "\n".join(page.extract_text() or "" for page in paper.pages)


@pytest.fixture
def asked(prison: Any, samples: Any) -> Any:
    """Bring in a self-referral that a case has taken up."""
    prison.roll(samples.person)
    prison.record = prison.verified(samples.self_referral)
    prison.takes_up()
    prison.case = prison.cases()[0]
    return prison


def waiting(browser: Any) -> str:
    return str(browser.get("/answers/slips").text)


def prints(browser: Any, *cases: str, **more: str) -> Any:
    csrf = browser.token("/answers/slips")
    return browser.post("/answers/slips", data={"csrf": csrf, "case": list(cases), **more})


def looks_up(browser: Any, code: str) -> Any:
    return browser.post("/answers", data={"csrf": browser.token("/answers"), "code": code})


def test_a_code_gives_the_word_and_the_day_and_nothing_else(asked: Any, visitor: Any) -> None:
    vera, serial = visitor("vera"), asked.record.rpartition("-")[0]
    answer = looks_up(vera, show_serial(serial).lower())
    assert "Someone will come to see you. By 26 November 2026" in answer.text
    for private in ("A1234BC", "Example", "EXAMPLE", "RADIO", asked.case):
        assert private not in answer.text
    asked.clock.move(timedelta(days=8))
    vera = visitor("vera")
    late = looks_up(vera, serial).text
    assert "We are late." in late
    assert "New day" not in late, "nobody has named one"
    asked.does(on.Seen, party="a")
    assert "We are working on it with you." in looks_up(vera, serial).text
    asked.does(on.Closed, reason=on.Reason.OTHER_NO)
    over = looks_up(vera, serial).text
    assert "We have finished." in over
    assert "did not want" not in over


def test_an_officer_is_told_of_his_own_slips_alone_and_no_day(
    asked: Any, visitor: Any, samples: Any
) -> None:
    olu = visitor("olu")
    assert looks_up(olu, asked.record.rpartition("-")[0]).status_code == 422
    his, others = asked.files("olu"), asked.files("vera")
    answer = looks_up(olu, his)
    assert answer.status_code == 200
    assert "It has been received." in answer.text
    assert "By " not in answer.text.partition("<h1")[0].rpartition("Skip")[2]
    assert looks_up(olu, others).status_code == 422
    assert looks_up(olu, "0000-0000").status_code == 422


def test_a_slip_says_word_day_and_whom_it_is_for_and_is_told_once(asked: Any, visitor: Any) -> None:
    petra = visitor("petra")
    assert asked.case in waiting(petra)
    paper = prints(petra, asked.case)
    assert paper.headers["content-type"] == "application/pdf"
    said = text_of(paper.content)
    for part in ("Talk It Through", "Someone will come to see you.", "26 November", "B-2-014"):
        assert part in said
    assert "Jon Example" in said
    for private in ("A1234BC", "RADIO", "debt", "fight", asked.case, "harmed"):
        assert private not in said
    assert asked.case not in waiting(petra), "he knows now"
    with asked.store.look() as kept:
        acts = kept.cases.get(asked.case).acts
    assert [(a.what, a.by) for a in acts][-1] == ("answered", "petra")
    asked.does(on.Seen, party="a")
    assert asked.case not in waiting(petra), "whoever saw him told him"
    asked.does(on.Closed, reason=on.Reason.TALKED)
    assert "We have finished." in waiting(petra)


def test_a_quiet_slip_says_nothing_of_what_it_is_for(
    prison: Any, visitor: Any, samples: Any
) -> None:
    prison.roll(samples.person)
    quiet = {**samples.self_referral.answers, "quiet": ("yes",), "lang": "POLISH"}
    prison.verified(replace(samples.self_referral, answers=quiet))
    prison.takes_up()
    said = text_of(prints(visitor("petra"), *prison.cases()).content)
    assert "dla ciebie" in said
    assert "Talk" not in said
    assert "26 listopada" in said


def test_who_waits_too_long_stands_out_and_gets_a_new_day_that_is_told(
    asked: Any, visitor: Any
) -> None:
    asked.clock.move(timedelta(days=8))
    petra = visitor("petra")
    page = waiting(petra)
    assert "has waited too long" in page
    assert "We are late." in page
    assert "New day for Jon Example" in page
    form = {"csrf": petra.token("/answers/slips"), "case": asked.case}
    assert petra.post("/answers/day", data={**form, "day": "2026-11-02"}).status_code == 422
    assert petra.post("/answers/day", data={**form, "day": "2026-12-03"}).status_code == 303
    assert "We are late. New day: 3 December 2026" in waiting(petra)
    said = text_of(prints(petra, asked.case).content)
    assert "We are late." in said
    assert re.search(r"New day:\s+Thursday\s+3\s+December", said)


def test_a_slip_of_which_he_does_not_know_is_never_printed(prison: Any, visitor: Any) -> None:
    serial = prison.files("olu")
    with prison.store.look() as kept:
        (record,) = kept.records.of_serial(serial)
    prison.decides(record.id)
    prison.takes_up()
    petra = visitor("petra")
    assert "Talk to him; send nothing." in waiting(petra).replace("&#39;", "'")
    assert prints(petra, *prison.cases()).status_code == 422


def test_nobody_prints_for_a_case_of_another_prison(asked: Any, visitor: Any) -> None:
    asked.lets_in("lena", "practitioner", at="LEI")
    lena = visitor("lena")
    assert asked.case not in waiting(lena)
    assert prints(lena, asked.case).status_code in (404, 422)
    with asked.store.look() as kept:
        assert len(kept.cases.get(asked.case).acts) == 1


def test_the_kiosk_tells_the_same_five_words_as_the_case(prison: Any, samples: Any) -> None:
    """From received to finished, late ones and a second visit included."""
    record = prison.asks(me_number="A1234BC")
    serial = record.rpartition("-")[0]

    def says() -> tuple[str, str, str]:
        with prison.store.begin() as kept:
            kept.submissions.refresh()
            (line,) = kept.submissions.lines()
        day = line.renewed or line.promised
        return line.word, str(line.promised), str(day)

    assert says()[0] == "received"
    with prison.store.begin() as kept:
        page = kept.records.get(record).pages[0]
        waits = page.undecided[0]
        kept.decisions.add(page.decide(waits.field, waits.value, by="petra", at=prison.clock()))
    assert says()[0] in ("reading", "visit")
    prison.decides(record)
    assert says()[0] == "visit"
    prison.takes_up()
    prison.case = prison.cases()[0]
    assert prison.answer().word is Word.VISIT
    assert str(prison.answer().day) == says()[1]
    prison.clock.move(timedelta(days=8))
    with prison.store.begin() as kept:
        case = kept.cases.get(prison.case)
        day = prison.clock().date() + timedelta(days=2)
        kept.answers.promise(case, day, by="petra", at=prison.clock())
    assert says() == ("visit", "2026-11-26", day.isoformat())
    assert (prison.answer().day, prison.answer().late) == (day, True)
    prison.does(on.Seen, party="a")
    assert says()[0] == prison.answer().word == "working"
    prison.does(on.Withdrew, party="a", wish=on.Wish.SEE_ME, how="in-person")
    assert says()[0] == prison.answer().word == "visit"
    assert str(prison.answer().day) == says()[2]
    prison.does(on.Seen, party="a")
    assert says()[0] == "working"
    prison.does(on.Closed, reason=on.Reason.TALKED)
    assert says()[0] == prison.answer().word == "finished"
    prison.does(on.Reopened, why="asked")
    assert says()[0] == prison.answer().word == "working"
    assert serial


def test_a_worker_makes_kiosks_tell_what_whoever_acted_could_not(prison: Any) -> None:
    record = prison.asks(me_number="A1234BC")
    prison.decides(record)
    prison.takes_up()
    case = prison.cases()[0]
    serial = record.rpartition("-")[0]

    def told_after(*acts: Any) -> str:
        with prison.store.begin() as kept:
            for act, what in acts:
                prison.clock.move(timedelta(minutes=5))
                kept.cases.do(case, act(at=prison.clock(), by="petra", **what))
        take_up_cases(prison.store, at=prison.clock())
        with prison.store.look() as kept:
            assert kept.case_intake.behind() == (), "once"
            return str(kept.submissions.find(serial).state)

    assert told_after() == "open"
    assert told_after((on.Seen, {"party": "a"})) == "working"
    see_me = {"party": "a", "wish": on.Wish.SEE_ME, "how": "in-person"}
    assert told_after((on.Withdrew, see_me)) == "open"
    assert told_after((on.Seen, {"party": "a"})) == "working"
    assert told_after((on.Closed, {"reason": on.Reason.TALKED})) == "finished"
    assert told_after((on.Reopened, {"why": "asked"})) == "working"
