"""What whoever asked is told: five words and a day, and lateness said as it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pipeline import case_acts as on
from pipeline.answers import Answer, No, answer_of, last_told, no_slip, owed
from pipeline.case_acts import Act, Party, Reason, Received, Wish
from pipeline.cases import Word, replay

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
FIRST = date(2026, 11, 26)
HIM = Party(key="a", number="A1234BC", name="BO LEE")


def asked(**more: object) -> Received:
    what = {"parties": (HIM, Party(key="b")), "sender": "a"} | more
    return Received(at=NOW, by="vera", **what)  # type: ignore[arg-type]


def later(days: int) -> datetime:
    return NOW + timedelta(days=days)


def told(*acts: Act, on_day: date = MONDAY, first: date | None = None) -> Answer:
    return answer_of(replay((asked(), *acts)), on_day, first=first)


def test_whoever_asked_is_told_a_day_until_somebody_has_come() -> None:
    assert told() == Answer(word=Word.VISIT, day=FIRST)
    seen = on.Seen(at=later(1), by="petra", party="a")
    assert told(seen) == Answer(word=Word.WORKING)
    not_found = on.Seen(at=later(1), by="petra", party="a", found=False)
    assert told(not_found) == Answer(word=Word.VISIT, day=FIRST)
    closed = on.Closed(at=later(2), by="petra", reason=Reason.OTHER_NO)
    assert told(seen, closed) == Answer(word=Word.FINISHED)


def test_a_missed_day_is_late_and_no_new_day_is_made_up() -> None:
    missed = FIRST + timedelta(days=1)
    assert told(on_day=FIRST) == Answer(word=Word.VISIT, day=FIRST)
    assert told(on_day=missed) == Answer(word=Word.VISIT, day=None, late=True)
    new = on.Promised(at=later(4), by="milan", day=missed + timedelta(days=3), late=True)
    assert told(new, on_day=missed) == Answer(word=Word.VISIT, day=new.day, late=True)
    after = new.day + timedelta(days=1)
    assert told(new, on_day=after) == Answer(word=Word.VISIT, day=None, late=True)


def test_the_day_that_the_kiosk_told_is_the_one_that_counts() -> None:
    earlier = date(2026, 11, 24)
    assert told(first=earlier).day == earlier
    assert told(first=earlier, on_day=date(2026, 11, 25)).late


def test_who_has_to_be_seen_once_more_is_told_a_day_again() -> None:
    seen = on.Seen(at=later(1), by="petra", party="a")
    come = on.Withdrew(at=later(8), by="x", party="a", wish=Wish.SEE_ME, how="kiosk")
    again = told(seen, come, on_day=later(8).date())
    assert (again.word, again.day, again.late) == (Word.VISIT, date(2026, 12, 2), False)
    assert told(seen, come, on_day=date(2026, 12, 3)).late
    assert told(seen, come, on.Seen(at=later(9), by="p", party="a")).word is Word.WORKING


def test_a_slip_is_owed_when_the_state_has_changed_since_the_last_one_and_not_before() -> None:
    acts: list[Act] = [asked()]
    assert owed(acts, MONDAY) is not None, "nobody told him anything"
    assert owed(acts, MONDAY, told_when_asked=True) is None, "the kiosk did"
    acts.append(on.Answered(at=later(0), by="petra", party="a", how="slip"))
    assert owed(acts, MONDAY) is None
    late = owed(acts, FIRST + timedelta(days=1))
    assert late is not None
    assert late.now.late
    acts.append(on.Seen(at=later(2), by="petra", party="b"))
    assert owed(acts, MONDAY) is None, "that was the other one"
    acts.append(on.Seen(at=later(2), by="petra", party="a"))
    assert last_told(acts) == 4
    assert owed(acts, MONDAY) is None, "whoever was with him told him"
    acts.append(on.Closed(at=later(9), by="petra", reason=Reason.TALKED))
    over = owed(acts, MONDAY)
    assert over is not None
    assert (over.now.word, over.since) == (Word.FINISHED, later(9))


def test_nobody_gets_a_slip_who_does_not_know_of_it_or_is_elsewhere() -> None:
    assert no_slip(replay([asked()])) is None
    assert no_slip(replay([asked(sender="", aware=False)])) is No.NOT_AWARE
    assert no_slip(replay([asked(parties=(Party(key="a"),))])) is No.NOBODY
    staff = Party(key="a", kind=on.Kind.STAFF, name="OLU")
    assert no_slip(replay([asked(parties=(staff,))])) is No.NO_PRISONER
    moved = on.Moved(at=later(1), by="x", party="a", establishment="LEI", wing="")
    assert no_slip(replay([asked(), moved])) is No.AWAY
