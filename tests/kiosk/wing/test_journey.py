"""The journey from screen to screen, by a browser without scripts and by the pure function."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.visits.house import CODE, NUMBER, Told, Wing
from forms.fields import Choice, FreeText, Text
from forms.library import definition
from forms.page_id import parse_serial
from kiosk.wing import pads, questions
from kiosk.wing.journey import Journey, Touch, steps_of
from kiosk.wing.sending import Sender
from kiosk.wing.showing import show
from kiosk.wing.tries import Tries
from kiosk.wing.visit import Visit
from pipeline.submissions import Danger, Submission, Word
from storage.mailbox import MailboxMissing
from storage.status_book import StatusAway

from .conftest import Glass


def test_every_field_of_the_form_is_asked_or_left_out_for_a_reason() -> None:
    asked = {name for each in questions.ASKED for name in each.fields} | {questions.NUMBER}
    fields = {each.name for each in definition("rj-1").fillable()}
    assert asked | set(questions.NOT_ASKED) == fields
    assert not asked & set(questions.NOT_ASKED)


def test_every_option_of_every_question_has_a_picture_of_its_own() -> None:
    from kiosk.wing.pictures import OPTIONS, picture

    for each in questions.ASKED:
        for name in each.fields:
            field = questions.asked(name)
            if isinstance(field, Choice):
                drawn = [OPTIONS[name][o.name] for o in field.options]
                assert len(set(drawn)) == len(drawn)
                assert all(picture(d) for d in drawn)


def test_come_to_me_is_three_touches_and_the_number(wing, glass) -> None:
    touches = 0
    for act in ("ask", "come"):
        glass.touch(act)
        touches += 1
    assert glass.screen == "number"
    glass.type(NUMBER)
    assert wing.box.letters == {}
    glass.touch("on")
    touches += 1
    assert glass.screen == "done"
    assert touches <= 6
    (said,) = wing.box.said
    assert isinstance(said, Submission)
    assert (said.asks, said.answers) == ("come", {"me_number": NUMBER})
    assert (said.form, said.version, said.language) == ("rj-1", 1, "en")
    assert said.terminal == "wing-b-1"
    assert said.at == wing.clock.at
    assert said.promised == date(2026, 11, 26)
    shown = re.search(r'id="code">([^<]+)<', glass.html)
    assert shown
    assert parse_serial(shown[1]) == said.code
    assert "Thursday 26 November" in glass.html
    assert NUMBER not in glass.html


def test_the_whole_form_is_answered_and_comes_out_as_the_form_has_it(wing, glass) -> None:
    glass.to_number()
    glass.type(NUMBER)
    glass.touch("on")
    assert glass.screen == "role"
    glass.touch(pick="both")
    glass.touch("on", picks=["kind:fight", "kind:staff"])
    glass.type("DAVE")
    glass.touch("on", typed=glass.input("typed"))
    glass.touch(pick="this_week")
    assert glass.screen == "want"  # not whether he is safe: nobody is there to hear it
    glass.touch("on", picks=["want:talk"])
    glass.touch(pick="meet")
    glass.touch(pick="rj_worker")
    glass.touch("on", picks=["quiet:yes"])
    glass.touch("on", picks=["help:reading", "help:taking_in"])
    glass.touch(pick="POLISH")
    glass.touch("on", picks=[])
    glass.touch(pick="prisoner")
    glass.touch("on", picks=["choice", "limits"])
    assert glass.screen == "check"
    assert wing.box.letters == {}
    glass.touch("on")
    assert glass.screen == "done"
    (said,) = wing.box.said
    assert isinstance(said, Submission)
    assert said.asks == "full"
    assert said.answers == {
        "me_number": NUMBER,
        "role": "both",
        "kind": ("fight", "staff"),
        "other_who": "DAVE",
        "when": "this_week",
        "want": ("talk",),
        "how": "meet",
        "first_contact": "rj_worker",
        "quiet": ("yes",),
        "help": ("reading", "taking_in"),
        "lang": "POLISH",
        "helped_by": "prisoner",
        "know_limits": ("yes",),
    }
    for name, value in said.answers.items():
        field = definition("rj-1").field_named(name)
        match field:
            case Choice():
                chosen = {value} if isinstance(value, str) else set(value)
                assert chosen <= {o.name for o in field.options}
                assert isinstance(value, tuple) is field.many
            case Text():
                assert isinstance(value, str)
                assert field.pattern.written(value) == value
            case _:
                assert isinstance(field, FreeText)


def test_everything_can_be_skipped_but_the_number(wing, glass) -> None:
    glass.to_number()
    glass.touch("skip")
    assert glass.screen == "number"
    glass.touch("on")
    assert glass.screen == "number"
    assert "not all there yet" in glass.html
    glass.type(NUMBER)
    glass.touch("on")
    while glass.screen != "check":
        glass.touch("skip")
    glass.touch("on")
    (said,) = wing.box.said
    assert isinstance(said, Submission)
    assert said.answers == {"me_number": NUMBER}


def test_an_answer_is_changed_from_the_list_and_leads_back_to_it(wing, glass) -> None:
    glass.to_check()
    assert glass.touch("change:role") == "role"
    assert glass.touch(pick="harmed") == "check"
    assert "Someone hurt or upset me" in glass.html
    assert glass.touch("change:number") == "number"
    assert glass.input("typed") == NUMBER
    assert glass.touch("back") == "check"
    glass.touch("on")
    (said,) = wing.box.said
    assert isinstance(said, Submission)
    assert said.answers["role"] == "harmed"


def test_the_pad_follows_the_pattern_and_takes_nothing_else(glass) -> None:
    glass.to_number()
    for key, stands in (("1", ""), ("A", "A"), ("B", "A"), ("1", "A1"), ("\u0661", "A1")):
        glass.touch(key=key, typed=glass.input("typed"))
        assert glass.input("typed") == stands
    glass.touch("rub", typed="A1")
    assert glass.input("typed") == "A"


def test_what_is_typed_or_ticked_survives_help_and_another_language(glass) -> None:
    glass.to_number()
    glass.touch("help", typed="A12")
    assert glass.screen == "signposts"
    glass.touch("on")
    assert (glass.screen, glass.input("typed")) == ("number", "A12")
    glass.touch("language", typed="A12")
    glass.touch(pick="pl")
    assert (glass.screen, glass.input("typed")) == ("number", "A12")
    assert 'lang="pl"' in glass.html
    glass.touch("on", typed=NUMBER)
    glass.touch("skip")
    glass.touch("dark", picks=["kind:debt"])
    assert glass.screen == "kind"
    assert re.search(r'value="kind:debt"\s+checked', glass.html)


def test_danger_is_not_asked_about_where_nobody_would_hear(glass) -> None:
    glass.touch("ask")
    assert glass.touch("on") == "number"
    assert "danger" not in steps_of(Visit(asks="full"))
    assert "safe" not in steps_of(Visit(asks="full"))


@pytest.mark.parametrize("answer", ["yes", "not_sure"])
def test_an_alert_is_raised_at_once_and_again_with_the_number(answer) -> None:
    wing = Wing()
    wing.book.staffed = True
    glass = Glass(wing)
    glass.touch("ask")
    glass.touch("on")
    assert glass.screen == "danger"
    glass.touch(pick=answer)
    assert glass.screen == "signposts"
    assert "We sent word to staff" in glass.html
    assert "116 123" in glass.html
    (said,) = wing.box.said
    assert said == Danger(answer=answer, terminal="wing-b-1", at=wing.clock.at, number=None)
    assert glass.touch("on") == "number"
    glass.type(NUMBER)
    glass.touch("on")
    assert [d.number for d in wing.box.said if isinstance(d, Danger)] == [None, NUMBER]


def test_not_feeling_safe_raises_the_alert_with_the_number() -> None:
    wing = Wing()
    wing.book.staffed = True
    glass = Glass(wing)
    glass.to_number()
    glass.type(NUMBER)
    glass.touch("on")
    while glass.screen != "safe":
        glass.touch("skip")
    glass.touch(pick="no")
    assert glass.screen == "signposts"
    (said,) = wing.box.said
    assert isinstance(said, Danger)
    assert (said.answer, said.number) == ("yes", NUMBER)
    assert glass.touch("on") == "want"


def test_nobody_is_told_that_staff_know_when_they_do_not() -> None:
    wing = Wing()
    wing.book.staffed = True
    wing.box.problem = MailboxMissing()
    glass = Glass(wing)
    glass.touch("ask")
    glass.touch("on")
    glass.touch(pick="yes")
    assert "We sent word" not in glass.html
    assert "We could not send word to staff. Tell an officer now." in glass.html
    assert glass.touch("on") == "number"
    glass.touch("on", typed=NUMBER)
    assert glass.screen == "signposts"
    assert "We could not send word to staff. Tell an officer now." in glass.html
    assert glass.touch("on") == "role"


def test_no_receipt_is_given_until_the_letter_is_left(wing, glass, disk_full) -> None:
    glass.to_check()
    for problem in (MailboxMissing(), disk_full, RuntimeError("a bug")):
        wing.box.problem = problem
        glass.touch("on")
        assert glass.screen == "not-kept"
        assert "We did not get it" in glass.html
        assert 'id="code"' not in glass.html
        assert "a bug" not in glass.html
    wing.box.problem = None
    assert glass.touch("on") == "done"
    assert wing.box.posts == 4
    assert len(wing.box.letters) == 1


def test_sending_again_after_a_failure_is_the_same_letter(wing, glass) -> None:
    glass.to_check()
    wing.box.problem, wing.box.keeps_before_failing = MailboxMissing(), True
    glass.touch("on")
    wing.box.problem = None
    wing.clock.move(seconds=20)
    glass.touch("on")
    assert glass.screen == "done"
    assert len(wing.box.letters) == 1


def test_answers_changed_after_a_failure_are_another_letter(wing, glass) -> None:
    glass.to_check()
    wing.box.problem, wing.box.keeps_before_failing = MailboxMissing(), True
    glass.touch("on")
    wing.box.problem = None
    assert glass.touch("back") == "check"
    glass.touch("change:role")
    glass.touch(pick="saw")
    glass.touch("on")
    keys = {each.key for each in wing.box.letters.values()}
    assert len(keys) == 2


def test_a_second_touch_of_send_does_nothing(wing, glass) -> None:
    glass.to_check()
    before = glass.html
    glass.touch("on")
    glass.html = before
    assert glass.touch("on") == "done"
    assert wing.box.posts == 1


def test_a_code_tells_a_word_and_a_day_and_nothing_else(wing, glass) -> None:
    wing.book.lines[CODE] = Told(word="visit", day=date(2026, 11, 30), late=True)
    glass.touch("status")
    glass.type(CODE)
    glass.touch("on")
    assert glass.screen == "status"
    assert "Someone will come to see you." in glass.html
    assert "Monday 30 November" in glass.html
    assert "We are late. We are sorry." in glass.html
    assert CODE not in glass.html


@pytest.mark.parametrize(
    ("act", "says"), [("stop-request", "stop"), ("come", "come"), ("withdraw", "withdraw")]
)
def test_word_is_left_with_a_code_after_asking_once_more(wing, glass, act, says) -> None:
    glass.touch("status")
    glass.type(CODE)
    glass.touch("on")
    glass.touch(act)
    assert glass.screen == "sure"
    assert wing.box.letters == {}
    assert glass.touch("back") == "status"
    glass.touch(act)
    assert glass.touch("on") == "word"
    assert wing.box.said == [Word(code=CODE, says=says, terminal="wing-b-1", at=wing.clock.at)]


def test_word_that_was_not_left_is_not_thanked_for(wing, glass, disk_full) -> None:
    glass.touch("status")
    glass.type(CODE)
    glass.touch("on")
    glass.touch("withdraw")
    wing.box.problem = disk_full
    assert glass.touch("on") == "not-kept"
    wing.box.problem = None
    assert glass.touch("on") == "word"
    assert len(wing.box.letters) == 1


def test_a_wrong_code_is_slowed_at_its_terminal_and_nowhere_else(wing) -> None:
    wrong = "00000000"
    glass = Glass(wing)
    glass.touch("status")
    glass.type(wrong)
    for _ in range(3):
        glass.touch("on", typed=wrong)
        assert "We do not know that code" in glass.html
    glass.touch("on", typed=wrong)
    assert "tried too often" in glass.html
    assert wing.book.looks == 3
    glass.touch("on", typed=CODE)
    assert glass.screen == "status"
    tries = wing.app.state.glass.tries
    assert tries.must_wait("wing-b-1", wrong)
    assert not tries.must_wait("wing-c-1", wrong)
    wing.clock.move(seconds=16)
    assert not tries.must_wait("wing-b-1", wrong)


def test_asking_for_help_never_waits_for_anything(wing, glass) -> None:
    tries = Tries(wing.clock)
    for n in range(200):
        tries.wrong("wing-b-1", f"{n:08}")
    for n in range(30):
        other = Glass(wing)
        other.touch("ask")
        other.touch("come")
        other.touch("on", typed=NUMBER)
        assert other.screen == "done", n
    assert len(wing.box.letters) == 30


def test_a_book_that_cannot_be_read_is_said_plainly(wing, glass) -> None:
    wing.book.away = StatusAway()
    glass.touch("status")
    glass.touch("on", typed=CODE)
    assert glass.screen == "code"
    assert "We cannot look now" in glass.html


def test_the_screen_says_the_same_whoever_the_number_belongs_to() -> None:
    pages = set()
    for number in (NUMBER, "Z9999ZZ"):
        glass = Glass(Wing())
        glass.to_number("come")
        glass.touch("on", typed=number)
        page = re.sub(r'(name="csrf" value=")[^"]*', r"\1", glass.html)
        pages.add(re.sub(r'(id="code">)[^<]*', r"\1", page))
    assert len(pages) == 1


_ACTS = (
    "",
    "on",
    "skip",
    "back",
    "help",
    "language",
    "come",
    "paper",
    "status",
    "stop-request",
    "withdraw",
    "rub",
    "space",
    "page",
    "dark",
    "unknown",
    "change:role",
    "change:number",
    "change:rules",
    "about",
    "bigger",
    "ask",
)
_PICKS = ("", "yes", "no", "not_sure", "harmed", "meet", "pl", "ar", "POLISH", "today")
_TOUCHES = st.builds(
    Touch,
    step=st.just(""),
    act=st.sampled_from(_ACTS),
    pick=st.sampled_from(_PICKS),
    picks=st.sampled_from([(), ("kind:fight",), ("limits",), ("no_rep:yes", "quiet:yes")]),
    key=st.sampled_from(["", "A", "1", "B", "-"]),
    typed=st.sampled_from([None, "", NUMBER, CODE, "A1", "x" * 90]),
)


@settings(max_examples=25, deadline=None)
@given(touches=st.lists(_TOUCHES, max_size=25), staffed=st.booleans())
def test_no_row_of_touches_breaks_a_visit_or_sends_without_a_number(touches, staffed) -> None:
    wing = Wing()
    wing.book.staffed = staffed
    kit = wing.kit()
    journey = Journey(kit=kit, sender=Sender(kit, "t"), tries=Tries(wing.clock), terminal="t")
    visit = Visit()
    for touch in touches:
        made = Touch(
            step=visit.screen,
            act=touch.act,
            pick=touch.pick,
            picks=touch.picks,
            key=touch.key,
            typed=touch.typed,
        )
        journey.take(visit, made)
        visit = Visit.unpack(visit.pack())
    show(visit, csrf="")
    for said in wing.box.said:
        if isinstance(said, Submission):
            assert re.fullmatch("[A-Z][0-9]{4}[A-Z]{2}", str(said.answers["me_number"]))
        if isinstance(said, Danger):
            assert staffed


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_nickname_is_short_tidy_and_of_printing_characters(typed) -> None:
    kept = pads.nickname(typed)
    assert len(kept) <= pads.LONGEST_NICKNAME
    assert kept == " ".join(kept.split())
    assert kept.isprintable()
