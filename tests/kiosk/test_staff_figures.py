"""The page of figures: what is drawn is what is told, and few are never told."""

from __future__ import annotations

import re
from datetime import timedelta

from kiosk.staff import wording
from kiosk.staff.figures import _bars, _hands
from storage.figures import Hands


def test_few_are_neither_told_nor_drawn() -> None:
    bars = _bars([("a", (10, 0)), ("b", (4, 1)), ("c", (5, 5))])
    assert [bar.told for bar in bars] == [("10", "0"), ("under 5", "under 5"), ("5", "5")]
    assert [bar.parts for bar in bars] == [(100.0, 0.0), (0.0, 0.0), (50.0, 50.0)]
    assert bars[2].places() == [(0.0, 50.0), (50.0, 50.0)]
    few = _hands(Hands(form="rj-1", fields=4, looked_at=1))
    assert (few.told, few.parts) == (("too few", "under 5"), (0.0,))


def test_nothing_kept_is_no_fault() -> None:
    assert _bars([]) == []
    assert _bars([("a", (0,))])[0].parts == (0.0,)


def test_how_long_is_told_in_words() -> None:
    told = {
        timedelta(seconds=1): "1 minute",
        timedelta(minutes=90): "90 minutes",
        timedelta(hours=3): "3 hours",
        timedelta(days=3): "3 days",
    }
    assert {time: wording.how_long(time) for time in told} == told


def test_the_page_counts_what_came_in_and_names_nobody(prison, visitor, samples) -> None:
    for _ in range(6):
        prison.comes_in(samples.self_referral)
    for _ in range(5):
        prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    prison.asks()
    text = visitor("ada").get("/figures").text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
    assert re.search(r"23 Nov .{0,4}6 under 5", words), words
    assert "The page is blank. 5" in words.replace("  ", " ")
    assert re.search(r"RJ-1 \d+ % \d+", words)
    for answer in ("me_number", "me_name"):
        assert str(samples.self_referral.answers[answer]) not in text
    assert "A1234BC" not in text
