"""A case over any history: what must never be reached is never reached, and nothing is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import case_acts as on
from pipeline.case_acts import Act, KeepApart, Level, Mode, Outcome, Party, Reason, Role, Wish
from pipeline.case_guards import Block, NotAllowed, needs_second, perform, why_not
from pipeline.case_tasks import What, is_late, tasks_of
from pipeline.cases import LIMITS, Case, Step, Word, fold, replay, word_of
from pipeline.promises import ClosedDays, day_of

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
YES = {
    "c_know": "yes",
    "c_free": "yes",
    "c_no_harm": "yes",
    "c_no_gain": "yes",
    "c_stop": "yes",
    "c_contact": "yes",
    "c_resp": "yes",
    "c_msg": "yes",
    "c_letter": "yes",
    "c_meet": "yes",
    "c_rep": "yes",
    "c_rep_what": "yes",
    "limits": "yes",
    "capacity": "yes",
    "teach_back": "choice stop limits",
}
FRESH = KeepApart(at=START, list_at=START, roll_at=START)


class Story:
    """A case that goes on, an hour at a time unless more is said."""

    def __init__(self, **how: Any) -> None:
        self.now = START
        self.acts: list[Act] = []
        self.case = Case()
        known = {"number": "A1234BC", "role": Role.HARMED}
        parties = (
            Party(key="a", **{**known, **how.pop("a", {})}),
            Party(key="b", **{**known, "number": "B2345CD", "role": Role.RESPONSIBLE}),
        )
        self.does(on.Received, parties=parties, sender="a", **how)

    def does(self, act: type[Any], *, hours: float = 1, by: str = "petra", **what: Any) -> Case:
        self.now += timedelta(hours=hours)
        done = act(at=self.now, by=by, **what)
        self.case = perform(self.case, done)
        self.acts.append(done)
        return self.case

    def fails(self, act: type[Any], *, by: str = "petra", **what: Any) -> tuple[Block, ...]:
        done = act(at=self.now + timedelta(hours=1), by=by, **what)
        with pytest.raises(NotAllowed) as refused:
            perform(self.case, done)
        return refused.value.blocks

    def check(self, **how: Any) -> KeepApart:
        at = self.now + timedelta(hours=0.5)
        return replace(KeepApart(at=at, list_at=at, roll_at=at), **how)

    def consent(self, party: str, **said: str) -> dict[str, Any]:
        day = day_of(self.now + timedelta(hours=1))
        return {
            "party": party,
            "said": {**YES, **said},
            "wording": "rj-3h/1",
            "language": "en",
            "how_read": ("aloud",),
            "signed_on": day,
            "until": day + timedelta(days=28),
            "seen_by": "vera",
        }

    def confirmed(self) -> Story:
        self.does(on.Triaged, practitioner="petra")
        self.does(on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
        return self

    def both(self) -> Story:
        self.confirmed()
        self.does(on.Offered, party="b")
        for party in "ab":
            self.does(on.ConsentTaken, **self.consent(party))
        return self

    def assessed(self, **how: Any) -> dict[str, Any]:
        until = day_of(self.now) + timedelta(days=14)
        return {"level": Level.LOW, "mode": Mode.MEETING, "until": until, "plan": True} | how

    def booking(self, hours: float = 24, **how: Any) -> dict[str, Any]:
        starts = self.now + timedelta(hours=hours)
        return {
            "booking": f"x{len(self.acts)}",
            "mode": Mode.MEETING,
            "room": "RJ room",
            "starts": starts,
            "ends": starts + timedelta(hours=1),
            "parties": ("a", "b"),
            "lead": "petra",
            "check": self.check(),
        } | how

    def booked(self) -> Story:
        self.both()
        self.does(on.Assessed, **self.assessed())
        self.does(on.Booked, **self.booking(booking="x"))
        return self

    def held(self) -> Story:
        self.booked()
        self.now += timedelta(hours=22)
        self.does(on.Begun, booking="x", asked_again=("a", "b"), check=self.check())
        self.does(on.Met, booking="x", attended=("a", "b"), outcome=Outcome.AGREED)
        return self

    def has(self, what: What) -> bool:
        return any(each.what is what for each in tasks_of(self.case))


def test_a_case_goes_from_slip_to_settled() -> None:
    story = Story()
    steps = [story.case.step]
    assert word_of(story.case) is Word.VISIT
    for go in ("confirmed", "both"):
        story = Story()
        getattr(story, go)()
        steps.append(story.case.step)
    story.does(on.Assessed, **story.assessed())
    steps.append(story.case.step)
    story.does(on.Prepared, party="b")
    steps.append(story.case.step)
    story.does(on.Booked, **story.booking(booking="x"))
    steps.append(story.case.step)
    story.now += timedelta(hours=22)
    story.does(on.Begun, booking="x", asked_again=("a", "b"), check=story.check())
    steps.append(story.case.step)
    assert word_of(story.case) is Word.WORKING
    story.does(on.Met, booking="x", attended=("a", "b"), outcome=Outcome.AGREED)
    steps.append(story.case.step)
    promise = on.Promise(who="b", until=date(2026, 4, 1))
    story.does(on.Agreement, promises=(promise,), free=("a", "b"))
    for stage in on.Stage:
        for party in "ab":
            story.does(
                on.FollowedUp, party=party, stage=stage, safe=5, well=4, promises=(on.Done.DONE,)
            )
    steps.append(story.case.step)
    assert [each.what for each in tasks_of(story.case)] == [What.CLOSE]
    story.does(on.Closed, reason=Reason.KEPT)
    steps.append(story.case.step)
    assert steps == [
        Step.RECEIVED,
        Step.SENDER_CONFIRMED,
        Step.CONSENTED,
        Step.ASSESSED,
        Step.PREPARING,
        Step.BOOKED,
        Step.IN_PROGRESS,
        Step.AGREED,
        Step.FOLLOW_UP,
        Step.CLOSED,
    ]
    assert tasks_of(story.case) == ()
    assert word_of(story.case) is Word.FINISHED


# G1


def test_nothing_reaches_the_other_before_the_sender_was_asked_face_to_face() -> None:
    assert Block.NOT_CONFIRMED in Story().fails(on.Offered, party="b")
    story = Story()
    story.does(on.Seen, party="a")
    assert story.fails(on.Offered, party="b") == (Block.NOT_CONFIRMED,)
    story.does(on.SenderConfirmed, party="a", sent=False, alone=True, pressed=False)
    assert story.fails(on.Offered, party="b") == (Block.NOT_CONFIRMED,)


@pytest.mark.parametrize(("alone", "pressed"), [(False, False), (True, True)])
def test_who_was_not_alone_or_was_pressed_has_confirmed_nothing(alone: bool, pressed: bool) -> None:
    story = Story()
    blocks = story.fails(on.SenderConfirmed, party="a", sent=True, alone=alone, pressed=pressed)
    assert blocks == (Block.NOT_ALONE,)


def test_the_other_party_cannot_confirm_for_the_sender() -> None:
    story = Story()
    story.does(on.SenderConfirmed, party="b", sent=True, alone=True, pressed=False)
    assert Block.NOT_CONFIRMED in story.fails(on.Offered, party="b")


# G2


def brief(story: Story, party: str) -> dict[str, Any]:
    return {"party": party, "sheet": "s1", "line": 1, "why": "new"}


def test_a_rep_hears_of_the_other_only_when_both_said_yes_to_it() -> None:
    story = Story().confirmed()
    assert Block.REP_CONSENT in story.fails(on.Briefed, **brief(story, "a")), "he did not ask so"
    story = Story(a={"rep_first": True}).confirmed()
    story.does(on.Briefed, **brief(story, "a"))
    assert Block.REP_CONSENT in story.fails(on.Briefed, **brief(story, "b"))
    story.does(on.ConsentTaken, **story.consent("a"))
    story.does(on.Offered, party="b")
    story.does(on.ConsentTaken, **story.consent("b", c_rep="no"))
    assert story.fails(on.Briefed, **brief(story, "b")) == (Block.REP_CONSENT,)
    story.does(on.ConsentTaken, **story.consent("b"))
    story.does(on.Briefed, **brief(story, "b"))
    assert story.has(What.BRIEF_BACK)
    story.does(on.BriefBack, party="b", sheet="s1", line=1, seen=True, worry=True)
    assert story.case.urgent


@pytest.mark.parametrize(
    ("how", "block"),
    [
        ({"a": {"no_rep": True}}, Block.NO_REP),
        ({"confidential": True}, Block.STAFF_NAMED),
    ],
)
def test_no_rep_where_they_or_the_matter_forbid_it(how: dict[str, Any], block: Block) -> None:
    story = Story(**how).confirmed()
    assert block in story.fails(on.Briefed, **brief(story, "a"))


def test_no_rep_for_somebody_of_whom_an_alert_says_practitioner_only() -> None:
    story = Story().confirmed()
    story.does(on.Standing, party="b", practitioner_only=True)
    assert Block.PRACTITIONER_ONLY in story.fails(on.Briefed, **brief(story, "a"))


def test_no_rep_above_low_risk_nor_with_a_clash() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(level=Level.MEDIUM))
    assert Block.REP_LEVEL in story.fails(on.Briefed, **brief(story, "a"))
    other = Story().both()
    assert other.fails(on.RepChosen, rep="r1", clashes=("same-wing",)) == (Block.REP_CLASH,)


# G3


def spoilt(story: Story, **how: Any) -> tuple[Block, ...]:
    return story.fails(on.Booked, **story.booking(**how))


def test_a_time_needs_both_consents() -> None:
    story = Story().confirmed()
    story.does(on.Offered, party="b")
    story.does(on.ConsentTaken, **story.consent("a"))
    story.does(on.Assessed, **story.assessed())
    assert spoilt(story) == (Block.NO_CONSENT,)


LINES = (
    "c_know",
    "c_free",
    "c_no_harm",
    "c_stop",
    "c_contact",
    "limits",
    "capacity",
    "c_meet",
    "teach_back",
)


@pytest.mark.parametrize("line", LINES)
def test_a_no_to_any_line_that_it_takes_stands_in_the_way(line: str) -> None:
    story = Story().confirmed()
    story.does(on.Offered, party="b")
    story.does(on.ConsentTaken, **story.consent("a"))
    story.does(on.ConsentTaken, **story.consent("b", **{line: "no"}))
    story.does(on.Assessed, **story.assessed())
    assert Block.CONSENT_LACKS in spoilt(story)


def test_an_interpreter_who_is_not_free_of_it_makes_no_consent() -> None:
    story = Story().both()
    heard = {**story.consent("b"), "how_read": ("interpreter",)}
    story.does(on.ConsentTaken, **heard)
    story.does(on.Assessed, **story.assessed())
    assert Block.CONSENT_LACKS in spoilt(story)


def test_a_consent_and_an_assessment_hold_until_the_day_itself() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed())
    assert spoilt(story, hours=24 * 27) == (Block.ASSESSMENT_OLD,)
    assert set(spoilt(story, hours=24 * 30)) == {Block.CONSENT_OLD, Block.ASSESSMENT_OLD}


@pytest.mark.parametrize(
    ("how", "block"),
    [
        ({"at": START - timedelta(days=1)}, Block.CHECK_OLD),
        ({"list_at": None}, Block.LIST_OLD),
        ({"list_at": START - timedelta(days=2)}, Block.LIST_OLD),
        ({"roll_at": None}, Block.ROLL_OLD),
        ({"roll_at": START - timedelta(days=2)}, Block.ROLL_OLD),
        ({"apart": True}, Block.APART),
        ({"away": ("b",)}, Block.AWAY),
    ],
)
def test_a_time_needs_a_fresh_look_at_who_is_kept_apart(how: dict[str, Any], block: Block) -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed())
    assert block in spoilt(story, check=story.check(**how))


def test_a_look_of_tomorrow_counts_for_nothing() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed())
    later = story.now + timedelta(hours=5)
    check = KeepApart(at=later, list_at=later, roll_at=later)
    assert Block.CHECK_OLD in spoilt(story, check=check)


def test_who_is_kept_apart_meets_only_with_the_signatures() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.Booked, **story.booking(check=story.check(apart=True)))
    assert story.case.step is Step.BOOKED


def test_what_was_signed_before_the_list_said_so_lets_nobody_meet() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.ApartOpened, party="a", other="b")
    apart = story.check(apart=True)
    assert Block.APART in spoilt(story, check=apart)
    day = day_of(story.now)
    story.does(on.Assessed, **story.assessed(apart_signed=True, day=day))
    assert Block.APART in spoilt(story, check=apart), "nobody knows which came first that day"
    story.now += timedelta(days=1)
    story.does(on.Assessed, **story.assessed(apart_signed=True, day=day + timedelta(days=1)))
    story.does(on.Booked, **story.booking(check=story.check(apart=True)))


def test_what_was_signed_for_somebody_else_lets_nobody_meet() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.PartyNamed, party=Party(key="b", number="C3456DE"))
    assert Block.APART in spoilt(story, check=story.check(apart=True))


def test_a_day_that_has_not_come_yet_makes_no_signature_newer() -> None:
    story = Story().both()
    later = day_of(story.now) + timedelta(days=90)
    story.does(on.Assessed, **story.assessed(apart_signed=True, day=later))
    story.does(on.ApartOpened, party="a", other="b")
    assert Block.APART in spoilt(story, check=story.check(apart=True))


def test_a_day_that_has_not_come_yet_outweighs_nothing() -> None:
    story = Story().both()
    later = day_of(story.now) + timedelta(days=90)
    story.does(on.Assessed, **story.assessed(day=later))
    story.now += timedelta(days=1)
    story.does(on.Assessed, **story.assessed(level=Level.NOT_NOW))
    assert Block.TOO_RISKY in spoilt(story)


def test_a_worry_about_one_of_them_takes_new_signatures() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.now += timedelta(days=1)
    story.does(on.Assessed, **story.assessed(party="b", apart_open=True))
    assert Block.APART in spoilt(story)
    story.now += timedelta(days=1)
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.Booked, **story.booking())


def test_a_time_that_was_cancelled_because_of_the_list_takes_new_signatures() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.Booked, **story.booking(booking="x"))
    story.does(on.Unbooked, booking="x", reason="apart")
    assert Block.APART in spoilt(story, check=story.check(apart=True))


def test_a_signature_from_before_a_case_was_closed_counts_no_more() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_signed=True))
    story.does(on.Closed, reason=Reason.PASSED)
    story.does(on.Reopened, why="again")
    assert Block.APART in spoilt(story, check=story.check(apart=True))


@pytest.mark.parametrize(
    ("how", "block"),
    [
        ({"level": Level.NOT_NOW}, Block.TOO_RISKY),
        ({"level": Level.HIGH}, Block.SUPERVISOR),
        ({"plan": False}, Block.NO_PLAN),
        ({"own_part": "none"}, Block.OWN_PART),
        ({"hold_facts": True}, Block.FACTS_HELD),
    ],
)
def test_an_assessment_can_stand_in_the_way(how: dict[str, Any], block: Block) -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(**how))
    assert spoilt(story) == (block,)


def test_who_owns_no_part_may_still_write_letters() -> None:
    story = Story().confirmed()
    story.does(on.Offered, party="b")
    story.does(on.ConsentTaken, **story.consent("a"))
    story.does(on.ConsentTaken, **story.consent("b", c_resp="no"))
    story.does(on.Assessed, **story.assessed())
    assert spoilt(story) == (Block.OWN_PART,)
    story.does(on.Booked, **story.booking(mode=Mode.LETTER))


def test_what_is_domestic_or_sexual_is_led_by_a_senior() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(senior_only=True))
    assert spoilt(story) == (Block.SENIOR,)
    story.does(on.Booked, **story.booking(senior=True))


def test_a_conference_takes_two_who_lead() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed())
    assert spoilt(story, mode=Mode.CONFERENCE) == (Block.TWO_LEADS,)


def test_on_the_day_everybody_is_asked_again_and_the_list_is_looked_at_again() -> None:
    story = Story().booked()
    stale = story.case.bookings[0]
    story.now += timedelta(hours=30)
    assert Block.CHECK_OLD in story.fails(
        on.Begun, booking=stale.id, asked_again=("a", "b"), check=FRESH
    )
    assert story.fails(on.Begun, booking="x", asked_again=("a",), check=story.check()) == (
        Block.NOT_ASKED_AGAIN,
    )


# G4


def test_a_withdrawal_locks_what_is_booked_at_once() -> None:
    story = Story().booked()
    story.does(on.Withdrew, party="b", wish=Wish.STOP, how="slip")
    assert story.case.booked == ()
    assert story.case.step is Step.OFFERED
    assert story.has(What.VISIT)
    assert Block.STOPPED in spoilt(story)
    assert Block.STOPPED in story.fails(on.Offered, party="b")


def test_an_unread_slip_stops_all_until_somebody_has_read_it() -> None:
    story = Story().booked()
    story.does(on.Withdrew, party="b", wish=Wish.SLIP_CAME, how="slip")
    assert story.case.booked == ()
    assert story.has(What.SLIP)
    assert Block.SLIP_WAITS in spoilt(story)
    story.does(on.SlipWasNone, party="b")
    assert Block.SLIP_WAITS not in why_not(
        story.case, on.Booked(at=story.now, by="petra", **story.booking())
    )
    assert story.case.booked == (), "a time that was cancelled is made anew by a person"


def test_a_consent_signed_before_the_withdrawal_does_not_undo_it() -> None:
    story = Story().booked()
    old = story.consent("b")
    story.does(on.Withdrew, party="b", wish=Wish.STOP, how="kiosk")
    assert story.fails(on.ConsentTaken, **old) == (Block.STOPPED,)
    story.now += timedelta(days=1)
    story.does(on.ConsentTaken, **story.consent("b"))
    assert not story.case.stopped


def test_letters_only_ends_the_meeting_and_nothing_else() -> None:
    story = Story().booked()
    story.does(on.Withdrew, party="a", wish=Wish.LETTERS_ONLY, how="slip")
    assert story.case.booked == ()
    assert Block.LETTERS_ONLY in spoilt(story)
    story.does(on.Booked, **story.booking(mode=Mode.LETTER))


def test_a_break_rests_until_somebody_resumes_and_they_say_yes_anew() -> None:
    story = Story().both()
    story.does(on.Withdrew, party="a", wish=Wish.BREAK, how="slip")
    assert on.Pause.COOLING_OFF in story.case.pauses
    story.does(on.Resumed, reason=on.Pause.COOLING_OFF)
    story.does(on.Assessed, **story.assessed())
    assert Block.STOPPED in spoilt(story)


def slip(story: Story, record: str, party: str = "b") -> None:
    story.does(on.Withdrew, party=party, wish=Wish.SLIP_CAME, how="slip", record=record)


def test_an_older_consent_does_not_undo_an_unread_slip() -> None:
    story = Story().both()
    old = story.consent("b")
    story.now += timedelta(days=1)
    slip(story, "s-1")
    assert Block.SLIP_WAITS in story.fails(on.ConsentTaken, **old)
    kept = fold(story.case, on.ConsentTaken(at=story.now, by="petra", **old))
    assert kept.side("b").slip_waits  # type: ignore[union-attr]
    assert kept.side("b").stopped_at is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("wish", [Wish.SEE_ME, Wish.LETTERS_ONLY])
def test_what_he_says_to_somebody_releases_no_slip(wish: Wish) -> None:
    story = Story().booked()
    slip(story, "s-1")
    story.does(on.Withdrew, party="b", wish=wish, how="in-person")
    assert Block.SLIP_WAITS in spoilt(story)


def test_reading_one_slip_releases_no_other() -> None:
    story = Story().booked()
    slip(story, "s-1")
    slip(story, "s-2")
    story.does(on.SlipWasNone, party="b", record="s-1")
    assert Block.SLIP_WAITS in spoilt(story)
    story.does(on.Withdrew, party="b", wish=Wish.SEE_ME, how="slip", record="s-2")
    assert not story.case.stopped
    slip(story, "s-3")
    story.does(on.Withdrew, party="b", wish=Wish.STOP, how="kiosk", record="k")
    story.does(on.SlipWasNone, party="b", record="s-3")
    assert story.case.stopped, "he stopped at the kiosk meanwhile"


def test_letters_only_and_a_wish_to_be_seen_outlast_an_older_consent() -> None:
    story = Story().booked()
    story.now += timedelta(hours=22)
    story.does(on.Begun, booking="x", asked_again=("a", "b"), check=story.check())
    old = story.consent("a")
    story.does(on.Withdrew, party="a", wish=Wish.LETTERS_ONLY, how="slip")
    assert story.case.bookings[0].state == "cancelled", "a meeting that has begun ends too"
    story.does(on.ConsentTaken, **old)
    assert Block.LETTERS_ONLY in spoilt(story)
    assert story.has(What.VISIT)
    story.now += timedelta(days=1)
    story.does(on.ConsentTaken, **story.consent("a"))
    story.does(on.Booked, **story.booking())


def test_who_says_later_that_he_did_not_send_it_or_was_pressed_has_confirmed_nothing() -> None:
    story = Story().booked()
    story.does(on.SenderConfirmed, party="a", sent=False, alone=True, pressed=True)
    assert story.case.booked == ()
    assert Block.NOT_CONFIRMED in story.fails(on.Offered, party="b")
    assert Block.NOT_CONFIRMED in spoilt(story)


def test_nobody_is_asked_whom_the_sender_does_not_want_asked() -> None:
    story = Story().confirmed()
    story.does(on.ConsentTaken, **story.consent("a", c_contact="no"))
    assert story.fails(on.Offered, party="b") == (Block.CONSENT_LACKS,)


def test_a_second_ask_is_seen_to_and_only_ever_protects_more() -> None:
    story = Story(a={"rep_first": True}).held()
    story.does(on.AskedAgain, no_rep=True, rep_first=False, pauses=(on.Pause.ACCT,))
    assert story.has(What.VISIT)
    assert story.case.side("a").party.no_rep  # type: ignore[union-attr]
    assert on.Pause.ACCT in story.case.pauses
    story.does(on.AskedAgain)
    assert story.case.side("a").party.no_rep  # type: ignore[union-attr]


def test_the_newest_assessment_is_that_of_the_latest_day_and_of_one_day_the_stricter() -> None:
    story = Story().both()
    day = day_of(story.now)
    story.does(on.Assessed, **story.assessed(level=Level.NOT_NOW, day=day))
    story.does(on.Assessed, **story.assessed(day=day - timedelta(days=2)))
    story.does(on.Assessed, **story.assessed(day=day))
    assert Block.TOO_RISKY in spoilt(story)
    story.now += timedelta(days=1)
    story.does(on.Assessed, **story.assessed(day=day + timedelta(days=1)))
    story.does(on.Booked, **story.booking())


def test_what_a_checklist_says_of_keeping_apart_counts_without_the_list() -> None:
    story = Story().both()
    story.does(on.Assessed, **story.assessed(apart_open=True))
    assert spoilt(story) == (Block.APART,)


def test_what_somebody_was_made_to_sign_is_no_agreement() -> None:
    story = Story().both()
    forced = on.Agreement(at=story.now, by="petra", promises=(), free=("a",))
    assert Block.NOT_FREE in why_not(story.case, forced)
    after = fold(story.case, forced)
    assert (after.agreed_on_paper, after.step) == (False, story.case.step)


def test_another_number_is_another_man() -> None:
    story = Story().booked()
    other = Party(key="b", role=Role.RESPONSIBLE, number="D4567EF")
    story.does(on.PartyNamed, party=other)
    assert story.case.booked == ()
    assert story.case.side("b").consent is None  # type: ignore[union-attr]
    assert Block.NO_CONSENT in spoilt(story)


def test_a_new_alert_needs_the_manager_anew() -> None:
    story = Story().confirmed()
    story.does(on.ManagerAgreed, party="b")
    for needed in (True, False, True):
        story.does(on.Standing, party="b", manager_needed=needed)
    assert story.fails(on.Offered, party="b") == (Block.MANAGER,)
    story.does(on.ManagerAgreed, party="b")
    story.does(on.Offered, party="b")


def test_a_pause_cancels_what_is_booked_and_is_looked_at_a_week_after_it_began() -> None:
    story = Story().booked()
    story.does(on.Paused, reason=on.Pause.ACCT)
    assert story.case.booked == ()
    began = day_of(story.now)
    story.now += timedelta(days=5)
    story.does(on.Moved, party="a", establishment="", wing="C")
    due = next(each.due for each in tasks_of(story.case) if each.what is What.PAUSE)
    assert due == began + timedelta(days=7)


def test_no_rep_is_sent_while_somebody_is_not_named_who_might_be_he() -> None:
    story = Story(a={"rep_first": True}).confirmed()
    parties = (story.case.sides[0].party, Party(key="b"))
    unknown = replace(
        story.case,
        sides=tuple(replace(s, party=p) for s, p in zip(story.case.sides, parties, strict=True)),
    )
    asked = on.Briefed(at=story.now, by="petra", **brief(story, "a"))
    assert Block.PARTY_UNKNOWN in why_not(unknown, asked)


def test_what_a_rep_ticks_is_done() -> None:
    story = Story(a={"rep_first": True}).confirmed()
    story.does(on.Briefed, **brief(story, "a"))
    back = {"party": "a", "sheet": "s1", "line": 1, "seen": True}
    story.does(on.BriefBack, **back, goes_on="no", recheck="two_hours")
    assert story.has(What.VISIT)
    assert story.has(What.RECHECK)
    story.does(on.Seen, party="a")
    assert not story.has(What.RECHECK)


# G5


def test_closing_takes_two_when_staff_are_named() -> None:
    story = Story(confidential=True).confirmed()
    assert story.fails(on.Closed, reason=Reason.PASSED) == (Block.SECOND_PERSON,)
    story.does(on.CloseAsked, by="sona", reason=Reason.PASSED)
    assert story.has(What.SECOND_PERSON)
    same = story.fails(on.Closed, by="sona", reason=Reason.PASSED, asked_by="sona")
    assert same == (Block.SAME_PERSON,)
    other = story.fails(on.Closed, by="milan", reason=Reason.IN_ERROR, asked_by="sona")
    assert other == (Block.SECOND_PERSON,)
    story.does(on.Closed, by="milan", reason=Reason.PASSED, asked_by="sona")
    assert story.case.second == "milan"


def test_closing_takes_two_when_nobody_was_seen_or_it_is_not_safe() -> None:
    story = Story()
    assert needs_second(story.case, Reason.NOT_FOUND)
    story.confirmed()
    assert not needs_second(story.case, Reason.SENDER_STOPPED)
    assert needs_second(story.case, Reason.NOT_SAFE)


def test_nothing_urgent_is_closed() -> None:
    story = Story(urgent=True).confirmed()
    assert story.fails(on.Closed, reason=Reason.SENDER_STOPPED) == (Block.URGENT,)
    story.does(on.UrgencyMet, party="a")
    story.does(on.Closed, reason=Reason.SENDER_STOPPED)


# G7


def test_a_consent_counts_only_when_a_person_has_opened_it_and_it_is_signed() -> None:
    story = Story().confirmed()
    assert story.fails(on.ConsentTaken, **{**story.consent("a"), "seen_by": ""}) == (
        Block.NOT_SEEN,
    )
    assert story.fails(on.ConsentTaken, **{**story.consent("a"), "signed_on": None}) == (
        Block.UNSIGNED,
    )
    late = {**story.consent("a"), "until": day_of(START) + timedelta(days=60)}
    assert story.fails(on.ConsentTaken, **late) == (Block.CONSENT_OLD,)


# Afterwards


def test_who_does_not_feel_safe_afterwards_is_seen_the_same_day() -> None:
    story = Story().held()
    story.does(on.FollowedUp, party="a", stage=on.Stage.SAME_DAY, safe=2, well=3)
    assert story.case.urgent
    urgent = next(each for each in tasks_of(story.case) if each.what is What.URGENT)
    assert urgent.at is not None
    assert not is_late(urgent, story.now)
    assert is_late(urgent, story.now + timedelta(hours=3))


def test_threats_after_it_was_closed_open_it_again() -> None:
    story = Story().held()
    story.does(on.Closed, reason=Reason.KEPT)
    story.does(on.FollowedUp, party="a", stage=on.Stage.DAYS_28, safe=4, trouble=("threats",))
    assert story.case.step is Step.FOLLOW_UP
    assert story.case.reopened == 1
    assert story.case.urgent


def test_who_grows_much_sadder_is_called_on() -> None:
    story = Story().held()
    story.does(on.FollowedUp, party="a", stage=on.Stage.SAME_DAY, safe=5, well=5)
    story.does(on.FollowedUp, party="a", stage=on.Stage.DAYS_7, safe=5, well=3)
    assert story.case.urgent


def test_follow_ups_fall_on_working_days() -> None:
    story = Story().held()
    closed = ClosedDays(frozenset({date(2026, 3, 10)}))
    due = {each.more: each.due for each in tasks_of(story.case, closed=closed) if each.party == "a"}
    assert due == {
        "same-day": date(2026, 3, 3),
        "7-days": date(2026, 3, 11),
        "28-days": date(2026, 3, 31),
        "84-days": date(2026, 5, 26),
    }, "the 10th is closed here, and the 25th of May is a bank holiday later on"


def test_who_moved_meets_nobody_but_may_write() -> None:
    story = Story().booked()
    story.does(on.Moved, party="b", establishment="BWI", wing="C")
    assert story.case.booked == ()
    assert Block.GONE in spoilt(story)
    story.does(on.Booked, **story.booking(mode=Mode.LETTER))


# Any history at all

TIMES = st.floats(0.1, 60)
KEYS = st.sampled_from("ab")


TRIED = (
    "confirm",
    "confirm",
    "offer",
    "consent",
    "consent",
    "consent",
    "assess",
    "assess",
    "book",
    "book",
    "begin",
    "begin",
    "met",
    "withdraw",
    "slip",
    "none",
    "urge",
    "calm",
    "pause",
    "resume",
    "move",
    "out",
    "brief",
    "back",
    "close",
    "ask",
    "again",
    "seen",
    "follow",
    "manager",
    "standing",
    "apart",
    "agree",
    "unbook",
    "reopen",
    "triage",
    "named",
)
"""What people try; more often what leads somewhere."""

STOPPING = ("consent", "book", "book", "begin", "offer", "withdraw", "slip", "slip", "none", "none")
"""What is tried where people stop and take part anew."""

SLIPS = st.sampled_from(["", "s-1", "s-2"])
"""Records of withdrawal slips; "" for what was said to somebody."""


@st.composite
def acts(draw: st.DrawFn, now: datetime, what: tuple[str, ...] = TRIED) -> Act:
    """Draw something that somebody tries, whether it makes sense or not."""
    who: dict[str, Any] = {"at": now, "by": draw(st.sampled_from(["petra", "sona", "milan"]))}
    day = day_of(now)
    check = KeepApart(
        at=now - timedelta(hours=draw(st.sampled_from([0, 1, 1, 1, 30]))),
        list_at=now - timedelta(hours=draw(st.sampled_from([2, 2, 2, 70]))),
        roll_at=now - timedelta(hours=draw(st.sampled_from([2, 2, 2, 70]))),
        apart=draw(st.sampled_from([False, False, False, True])),
    )
    key = draw(KEYS)
    kind = draw(st.sampled_from(what))
    match kind:
        case "confirm":
            flags = {k: draw(st.sampled_from(v)) for k, v in CONFIRMING.items()}
            return on.SenderConfirmed(party=key, **flags, **who)
        case "offer":
            return on.Offered(party=key, **who)
        case "consent":
            line = draw(st.sampled_from(["", "", "", "c_meet", "c_rep", "c_know"]))
            signed = day - timedelta(days=draw(st.sampled_from([0, 0, 0, 1, 3])))
            return on.ConsentTaken(
                party=key,
                said=YES | ({line: "no"} if line else {}),
                wording="rj-3h/1",
                language="en",
                how_read=("aloud",),
                signed_on=draw(st.sampled_from([signed, signed, signed, None])),
                until=signed + timedelta(days=draw(st.sampled_from([3, 28, 28, 90]))),
                seen_by=draw(st.sampled_from(["vera", "vera", "vera", ""])),
                **who,
            )
        case "assess":
            return on.Assessed(
                party=draw(st.sampled_from(["", "", "a"])),
                level=draw(st.sampled_from([Level.LOW, Level.LOW, Level.MEDIUM, Level.HIGH])),
                mode=Mode.MEETING,
                until=day + timedelta(days=draw(st.sampled_from([1, 14, 14]))),
                plan=draw(st.sampled_from([True, True, False])),
                apart_signed=draw(st.booleans()),
                supervised=draw(st.booleans()),
                **who,
            )
        case "book":
            starts = now + timedelta(hours=draw(st.sampled_from([-1, 2, 24, 24 * 20])))
            return on.Booked(
                booking=draw(st.sampled_from("xyz")),
                mode=draw(st.sampled_from(Mode)),
                room="r",
                starts=starts,
                ends=starts + timedelta(hours=1),
                parties=draw(st.sampled_from([("a", "b"), ("a", "b"), ("a",)])),
                lead="petra",
                second="sona",
                check=check,
                **who,
            )
        case "begin":
            asked = draw(st.sampled_from([("a", "b"), ("a", "b"), ("a",)]))
            booking = draw(st.sampled_from("xyz"))
            return on.Begun(booking=booking, asked_again=asked, check=check, **who)
        case "met":
            return on.Met(
                booking=draw(st.sampled_from("xyz")),
                attended=("a", "b"),
                outcome=draw(st.sampled_from(Outcome)),
                **who,
            )
        case "withdraw":
            wish = draw(st.sampled_from(Wish))
            return on.Withdrew(party=key, wish=wish, how="kiosk", record=draw(SLIPS), **who)
        case "slip":
            return on.Withdrew(
                party=key, wish=Wish.SLIP_CAME, how="slip", record=draw(SLIPS), **who
            )
        case "none":
            return on.SlipWasNone(party=key, record=draw(SLIPS), **who)
        case "urge":
            return on.Urged(party=key, why="unsafe", **who)
        case "calm":
            return on.UrgencyMet(party=key, **who)
        case "pause":
            return on.Paused(reason=draw(st.sampled_from(on.Pause)), **who)
        case "resume":
            return on.Resumed(reason=draw(st.sampled_from(on.Pause)), **who)
        case "move":
            where = draw(st.sampled_from(["", "BWI"]))
            return on.Moved(party=key, establishment=where, wing="C", **who)
        case "out":
            return on.Released(party=key, **who)
        case "brief":
            return on.Briefed(party=key, sheet="s", line=1, why="new", **who)
        case "back":
            worry = draw(st.booleans())
            return on.BriefBack(party=key, sheet="s", line=1, seen=True, worry=worry, **who)
        case "close":
            reason = draw(st.sampled_from(Reason))
            return on.Closed(reason=reason, asked_by=draw(st.sampled_from(["", "sona"])), **who)
        case "ask":
            return on.CloseAsked(reason=draw(st.sampled_from(Reason)), **who)
        case "again":
            return on.AskedAgain(urgent=draw(st.booleans()), **who)
        case "seen":
            return on.Seen(party=key, found=draw(st.booleans()), **who)
        case "follow":
            return on.FollowedUp(
                party=key,
                stage=draw(st.sampled_from(on.Stage)),
                safe=draw(st.sampled_from([None, 1, 4, 5])),
                trouble=draw(st.sampled_from([(), (), ("threats",)])),
                **who,
            )
        case "manager":
            return on.ManagerAgreed(party=key, **who)
        case "standing":
            return on.Standing(party=key, manager_needed=draw(st.booleans()), **who)
        case "apart":
            return on.ApartOpened(party="a", other="b", **who)
        case "agree":
            free = draw(st.sampled_from([("a", "b"), ("a", "b"), ("a",)]))
            return on.Agreement(promises=(on.Promise(who="b", until=day),), free=free, **who)
        case "unbook":
            return on.Unbooked(booking=draw(st.sampled_from("xyz")), reason="ill", **who)
        case "reopen":
            return on.Reopened(why="trouble", **who)
        case "triage":
            return on.Triaged(practitioner="petra", **who)
    other = draw(st.sampled_from([Party(key="b", number="B2345CD"), Party(key="c")]))
    return on.PartyNamed(party=other, **who)


CONFIRMING = {"sent": [True, True, False], "alone": [True, True, False], "pressed": [False] * 3}


@st.composite
def histories(draw: st.DrawFn, what: tuple[str, ...] = TRIED) -> list[Act]:
    now = START
    sender = draw(st.sampled_from(["a", "a", ""]))
    staff = draw(st.sampled_from([False, False, True]))
    story: list[Act] = [
        on.Received(
            at=now,
            by="counterfoil",
            parties=(
                Party(key="a", number="A1234BC", role=Role.HARMED),
                Party(key="b", number="B2345CD", role=Role.RESPONSIBLE),
            ),
            sender=sender,
            confidential=staff,
        )
    ]
    if draw(st.booleans()):  # begin where it becomes dangerous
        begun = Story().both()
        begun.does(on.Assessed, **begun.assessed())
        story = list(begun.acts)
        now = begun.now
    for _ in range(draw(st.integers(0, 30))):
        now += timedelta(hours=draw(TIMES))
        story.append(draw(acts(now, what)))
    return story


def run(tried: list[Act]) -> tuple[Case, list[Act]]:
    """Do what is allowed of what is tried."""
    case, done = Case(), []
    for act in tried:
        if not why_not(case, act):
            case = fold(case, act)
            done.append(act)
    return case, done


JOINT = (on.Booked, on.Begun)
FINDS = settings(max_examples=int(os.environ.get("HISTORIES", "60")), deadline=None)
"""`HISTORIES=5000 pytest tests/pipeline/test_cases.py` looks at more of them."""


def consent_in_force(before: list[Act], key: str) -> on.ConsentTaken | None:
    """Find by the bare list, not by the case, what somebody said last and has not taken back."""
    found: on.ConsentTaken | None = None
    stopped: date | None = None
    for act in before:
        if isinstance(act, on.Withdrew) and act.party == key:
            if act.wish in (Wish.STOP, Wish.BREAK):
                found, stopped = None, day_of(act.at)
        elif isinstance(act, on.ConsentTaken) and act.party == key:
            if act.signed_on is None or (stopped is not None and act.signed_on <= stopped):
                continue
            if found is None or (found.signed_on or date.min) <= act.signed_on:
                found = act
    return found


@FINDS
@given(histories())
def test_no_history_reaches_a_joint_step_without_all_that_it_takes(tried: list[Act]) -> None:
    _, done = run(tried)
    for n, act in enumerate(done):
        if not isinstance(act, JOINT):
            continue
        before = done[:n]
        for key in "ab":
            consent = consent_in_force(before, key)
            assert consent is not None
            assert consent.seen_by
            assert consent.signed_on is not None
            assert consent.until >= day_of(act.at)
            assert all(consent.said[line] == "yes" for line in ("c_know", "c_free", "c_contact"))
        assert timedelta(0) <= act.at - act.check.at < timedelta(hours=24)
        assert act.check.roll_at is not None
        assert act.check.at - act.check.roll_at <= LIMITS.roll_lasts
        assert any(
            isinstance(each, on.SenderConfirmed) and each.sent and each.alone and not each.pressed
            for each in before
        )
        if act.check.apart:
            joint = [e for e in before if isinstance(e, on.Assessed) and not e.party]
            last = max(day_of(each.at) for each in joint)
            assert any(each.apart_signed for each in joint if day_of(each.at) == last)
            opened = [day_of(e.at) for e in before if isinstance(e, on.ApartOpened)]
            assert not opened or last > opened[-1]


def is_anew(before: list[Act], act: on.PartyNamed) -> bool:
    """Say by the bare list whether somebody else stands for a party from here on."""
    numbers = {"a": "A1234BC", "b": "B2345CD"}
    for each in before:
        if isinstance(each, on.PartyNamed):
            numbers[each.party.key] = each.party.number
    number = numbers.get(act.party.key, "")
    return act.anew or bool(number and number != act.party.number)


def stops(before: list[Act], key: str) -> bool:
    """Say by the bare list, not by the case, whether somebody holds everything up."""
    day: date | None = None
    slips: set[str] = set()
    for n, act in enumerate(before):
        match act:
            case on.Withdrew(party=party, wish=wish) if party == key:
                if wish is Wish.SLIP_CAME:
                    slips.add(act.record)
                    continue
                slips.discard(act.record)
                if wish in (Wish.STOP, Wish.BREAK):
                    day = max(day or date.min, day_of(act.at))
            case on.SlipWasNone(party=party) if party == key:
                slips.discard(act.record)
            case on.ConsentTaken(party=party, signed_on=signed) if party == key:
                if day is not None and signed is not None and signed > day:
                    day = None
            case on.PartyNamed() if act.party.key == key and is_anew(before[:n], act):
                day, slips = None, set()
            case _:
                pass
    return bool(slips) or day is not None


def writes_only(before: list[Act], key: str) -> bool:
    """Say by the bare list whether somebody wants letters and nothing else."""
    only, day = False, date.min
    for n, act in enumerate(before):
        match act:
            case on.Withdrew(party=party, wish=wish) if party == key and wish is not Wish.SLIP_CAME:
                day = max(day, day_of(act.at))
                only = only or wish is Wish.LETTERS_ONLY
            case on.ConsentTaken(party=party, signed_on=signed) if party == key:
                only = only and (signed is None or signed <= day)
            case on.PartyNamed() if act.party.key == key and is_anew(before[:n], act):
                only, day = False, date.min
            case _:
                pass
    return only


def denies(before: list[Act], key: str) -> bool:
    """Say by the bare list whether somebody last said that they did not ask, or not freely."""
    said = [e for e in before if isinstance(e, on.SenderConfirmed) and e.party == key]
    return bool(said) and not (said[-1].sent and said[-1].alone and not said[-1].pressed)


ONWARD = on.Offered | on.Prepared | on.Booked | on.Begun | on.Briefed
ENDS = (Wish.STOP, Wish.BREAK, Wish.SLIP_CAME)


@FINDS
@given(histories() | histories(STOPPING))
def test_a_withdrawal_always_wins(tried: list[Act]) -> None:
    case, done = Case(), list[Act]()
    for act in tried:
        blocks = why_not(case, act)
        if isinstance(act, on.Withdrew):
            assert not blocks, "nothing ever refuses a withdrawal"
        if blocks:
            continue
        if isinstance(act, ONWARD):
            held = [key for key in "abc" if stops(done, key)]
            assert not held, f"{act.what} although {held} stopped"
        if isinstance(act, on.Offered | on.Booked | on.Begun):
            sender = done[0].sender if isinstance(done[0], on.Received) else ""
            assert not (sender and denies(done, sender)), f"{act.what} although they deny it"
        if isinstance(act, on.Booked | on.Begun):
            booked = act if isinstance(act, on.Booked) else last_booked(done, act.booking)
            if booked.mode is not Mode.LETTER:
                assert not [key for key in booked.parties if writes_only(done, key)]
        if isinstance(act, on.Begun):
            since = done[done.index(last_booked(done, act.booking)) :]
            ended = [
                e
                for e in since
                if isinstance(e, on.Withdrew) and e.party in booked.parties and e.wish in ENDS
            ]
            assert not ended, "what was booked before a stop never begins"
        case = fold(case, act)
        done.append(act)
        if isinstance(act, on.Withdrew) and act.wish in ENDS:
            assert not [each for each in case.booked if act.party in each.parties]


def last_booked(before: list[Act], booking: str) -> on.Booked:
    """Find what was booked last under a name."""
    return [e for e in before if isinstance(e, on.Booked) and e.booking == booking][-1]


@FINDS
@given(histories())
def test_the_same_acts_give_the_same_case_on_any_day(tried: list[Act]) -> None:
    case, done = run(tried)
    assert replay(done) == case
    assert case.acts == len(done)
    n = len(done) // 2
    assert replay(done[n:]) != case or n == 0
    assert fold(replay(done[:-1]), done[-1]) == case


def goes_on(done: list[Act]) -> bool:
    """Say by the bare list, not by the case, whether it was not closed, or was opened again."""
    on_it = False
    for act in done:
        match act:
            case on.Received() | on.AskedAgain() | on.Reopened():
                on_it = True
            case on.FollowedUp() if {"threats", "fight"} & set(act.trouble):
                on_it = True
            case on.Closed():
                on_it = False
            case _:
                pass
    return on_it


def to_be_seen_today(done: list[Act], key: str) -> bool:
    """Say by the bare list whether somebody is in danger and nobody was with them since."""
    danger = False
    for act in done:
        match act:
            case on.Urged(party=party) if party == key:
                danger = True
            case on.AskedAgain(urgent=True) if key == "a":  # whoever asked, or stands first
                danger = True
            case on.FollowedUp(party=party) if party == key:
                low = act.safe is not None and act.safe <= 2
                danger = danger or low or bool({"threats", "fight"} & set(act.trouble))
            case on.BriefBack(party=party, worry=True) if party == key:
                danger = True
            case on.UrgencyMet(party=party) if party == key:
                danger = False
            case _:
                pass
    return danger


def to_be_visited(done: list[Act], key: str) -> bool:
    """Say by the bare list whether somebody wants less, or to be seen, and nobody came since."""
    since, wished = False, date.min
    for act in done:
        match act:
            case on.Withdrew(party=party, wish=wish) if party == key and wish is not Wish.SLIP_CAME:
                since, wished = True, max(wished, day_of(act.at))
            case on.Seen(party=party, found=True) if party == key:
                since = False
            case on.ConsentTaken(party=party, signed_on=signed) if party == key:
                since = since and (signed is None or signed <= wished)
            case _:
                pass
    return since


@FINDS
@given(histories())
def test_nobody_is_lost(tried: list[Act]) -> None:
    case, done = run(tried)
    tasks = tasks_of(case)
    found = {(each.what, each.party) for each in tasks}
    assert case.open == goes_on(done)
    if goes_on(done):
        assert tasks, f"an open case ({case.step}) that nobody has to look at"
    for key in {each.key for each in case.sides}:
        assert ((What.URGENT, key) in found) == to_be_seen_today(done, key)
        if to_be_visited(done, key):
            assert (What.VISIT, key) in found, "he asked, and nobody has to go"
    assert word_of(case) in Word


@FINDS
@given(histories())
def test_anything_that_was_written_down_can_be_folded_in_any_order(tried: list[Act]) -> None:
    case = replay(tried[1:])
    assert case.acts == len(tried) - 1
    tasks_of(case)


@FINDS
@given(histories())
def test_staff_named_cases_are_never_closed_by_one(tried: list[Act]) -> None:
    _, done = run(tried)
    closed = [each for each in done if isinstance(each, on.Closed)]
    for act in closed:
        before = replay(done[: done.index(act)])
        if before.confidential or act.reason is Reason.NOT_SAFE or not before.seen:
            assert act.asked_by
            assert act.by != act.asked_by
