"""What a quarter comes to, counted out of the acts of its cases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pipeline import case_acts as on
from pipeline.case_acts import Act, Done, KeepApart, Mode, Outcome, Party, Received, Stage
from pipeline.case_report import Quarter, report_of

OPENED = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
Q3 = Quarter(year=2026, number=3)
TODAY = date(2026, 10, 5)


def at(days: int) -> datetime:
    return OPENED + timedelta(days=days)


def case(*acts: Act, language: str = "", needs: tuple[str, ...] = ()) -> list[Act]:
    him = Party(key="a", number="A1234BC", language=language, needs=needs)
    first = Received(at=OPENED, by="v", parties=(him, Party(key="b")), sender="a")
    return [first, *acts]


def whole(seen: int) -> list[Act]:
    check = KeepApart(at=at(9), list_at=at(9), roll_at=at(9))
    starts = at(10)
    booked = on.Booked(
        at=at(9), by="p", booking="x", mode=Mode.SHUTTLE, room="R", starts=starts,
        ends=starts + timedelta(hours=1), parties=("a", "b"), lead="p", check=check,
    )  # fmt: skip
    promise = on.Promise(who="a", until=date(2026, 8, 1))
    return case(
        on.Seen(at=at(seen), by="p", party="a"),
        on.Offered(at=at(seen + 1), by="p", party="b"),
        booked,
        on.Met(at=starts, by="p", booking="x", attended=("a", "b"), outcome=Outcome.AGREED),
        on.Agreement(at=starts, by="p", promises=(promise,), free=("a", "b")),
        on.FollowedUp(
            at=at(11), by="p", party="a", stage=Stage.SAME_DAY, safe=2, trouble=("words",)
        ),
        on.FollowedUp(
            at=at(18), by="p", party="a", stage=Stage.DAYS_7, safe=4, trouble=("no",),
            promises=(Done.DONE,),
        ),
        language="POLISH",
        needs=("reading",),
    )  # fmt: skip


def test_a_quarter_tells_how_far_its_cases_came() -> None:
    cases = [whole(1), whole(9), case(), case(on.Seen(at=at(2), by="p", party="b"))]
    told = report_of(cases, Q3, TODAY)
    assert told.steps == {
        "asked": 4, "seen": 2, "offered": 2, "consented": 0, "met": 2, "agreed": 2,
    }  # fmt: skip
    assert told.waits == (1, 9)
    assert (told.in_time, told.due) == (1, 4)
    assert told.modes[Mode.SHUTTLE] == 2
    assert told.promises[Done.DONE] == 2
    assert told.safer == {"better": 2, "same": 0, "worse": 0}
    assert (told.trouble, told.followed) == ((2, 0), 2)
    assert told.languages["pl"].asked == 2
    assert told.languages["pl"].in_time == 1
    assert told.languages[""].met == 0
    assert told.needs["reading"].met == 2


def test_what_happened_in_another_quarter_is_not_counted_in_this_one() -> None:
    told = report_of([whole(1)], Q3.before, TODAY)
    assert set(told.steps.values()) == {0}
    assert set(told.modes.values()) == {0}
    assert told.followed == 0


def test_quarters_begin_at_midnight_in_the_prison() -> None:
    assert Quarter.named("2026-Q3") == Q3
    assert Q3.begins.astimezone(UTC) == datetime(2026, 6, 30, 23, 0, tzinfo=UTC)
    assert Q3.ends == Quarter(year=2026, number=4).begins
    assert Quarter(year=2026, number=1).before == Quarter(year=2025, number=4)
    for odd in ("", "2026", "2026-Q5", "2026-Q12", "0000-Q1", "2026-Q", "x-Q1"):
        assert Quarter.named(odd) is None
