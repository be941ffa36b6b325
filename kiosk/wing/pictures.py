"""The picture beside each option and button: Tabler's outline icons, one style throughout.

They stand in the page itself: a browser that fetched them one by one would tell its cache, and
whoever watches the wire, what somebody has answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from markupsafe import Markup

OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "role": {
            "harmed": "mood-cry",
            "responsible": "mood-angry",
            "both": "messages-off",
            "saw": "eye",
            "in_person": "messages",
        },
        "kind": {
            "fight": "swords",
            "threats": "alert-triangle",
            "bullying": "users-minus",
            "debt": "coins",
            "my_things": "backpack",
            "gang_or_area": "map-pin",
            "cell_mate": "bed",
            "family": "home-heart",
            "race_faith_self": "fingerprint",
            "staff": "id-badge-2",
            "other": "dots",
        },
        "when": {
            "today": "sun",
            "this_week": "calendar-week",
            "this_month": "calendar-month",
            "long_ago": "hourglass",
        },
        "safe": {"yes": "shield-check", "no": "shield-x", "not_sure": "shield-question"},
        "want": {
            "talk": "message-circle",
            "sort_out": "heart-handshake",
            "say_sorry": "message-heart",
            "hear_sorry": "ear",
            "ask_why": "question-mark",
            "stay_apart": "arrows-move-horizontal",
            "not_sure": "help-circle",
        },
        "how": {
            "meet": "users",
            "messages": "arrows-exchange",
            "letter": "mail",
            "not_sure": "help-circle",
        },
        "first_contact": {
            "rj_worker": "user-heart",
            "rj_rep": "user-star",
            "chaplain": "candle",
            "do_not_mind": "thumb-up",
        },
        "no_rep": {"yes": "user-off"},
        "quiet": {"yes": "mail-off"},
        "help": {
            "reading": "book",
            "writing": "pencil",
            "hearing": "ear",
            "seeing": "eye",
            "taking_in": "brain",
        },
        "best_time": {
            "morning": "sunrise",
            "afternoon": "sun-high",
            "evening": "moon",
            "not_at_work": "briefcase-off",
        },
        "helped_by": {"no": "user", "staff": "id-badge-2", "prisoner": "users"},
        "know_limits": {"yes": "alert-triangle"},
        "lang": {},
        "other_who": {},
    }
)
"""By field and option of the form."""


_TURNS = frozenset({"arrow-left", "arrow-right", "arrow-back-up", "backspace", "walk"})
"""Pictures that point the way of reading; they are mirrored where it is from right to left."""


def option_picture(field: str, option: str) -> str:
    """Name the picture of an option."""
    return OPTIONS.get(field, {}).get(option, "dots")


@lru_cache(maxsize=256)
def picture(name: str) -> Markup:
    """Give a picture as part of a page; the words beside it say the same.

    Raises:
        KeyError: there is none of that name.
    """
    file = resources.files("kiosk.wing") / "static" / "pictures" / f"{name}.svg"
    if not file.is_file():
        raise KeyError(name)
    drawn = file.read_text(encoding="utf-8")
    inside = drawn.partition(">")[2].rpartition("</svg>")[0]
    if drawn.startswith("<!--"):
        inside = drawn.partition("<svg")[2].partition(">")[2].rpartition("</svg>")[0]
    body = " ".join(inside.split())
    look = "picture picture--turns" if name in _TURNS else "picture"
    return Markup(
        f'<svg class="{look}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" '
        f'aria-hidden="true" focusable="false">{body}</svg>'
    )
