"""Makes the screens. Alone here with Jinja2.

A screen is in one language or in another, never in two: when a single string of it cannot be said
in the language that was picked, all of it is in English.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Literal, cast

from jinja2 import ChainableUndefined, ChoiceLoader, Environment, PackageLoader, PrefixLoader
from markupsafe import Markup, escape

from forms import wording
from forms.fields import Choice, FreeText, Text
from forms.page_id import show_serial
from kiosk.wing import pads, voice, words
from kiosk.wing.drafts import IDLE, STILL, TO_ANSWER
from kiosk.wing.journey import RULES, steps_of
from kiosk.wing.pictures import option_picture, picture
from kiosk.wing.questions import (
    ASKED,
    NUMBER,
    OTHER_LANGUAGE,
    Question,
    asked,
    number_field,
    question_named,
    spoken,
)
from kiosk.wing.visit import REST, Visit

CONSENT = frozenset({"rules"})
"""Screens on which something is agreed to: no draft of a translation does there."""

NEARLY_UP_SECONDS = 120
"""From when on he is told that the screen will clear whatever he does."""

_TITLES: Mapping[str, str] = {
    "rest": words.REST_HELLO,
    "language": words.LANGUAGE_TITLE,
    "signposts": words.HELP_TITLE,
    "about": words.ABOUT_TITLE,
    "private": words.PRIVATE_TITLE,
    "paper": words.PAPER_TITLE,
    "danger": words.DANGER_TITLE,
    "number-help": words.NUMBER_HELP_TITLE,
    "rules": words.RULES_TITLE,
    "notes": words.PLEASE_NOTE,
    "check": words.CHECK_TITLE,
    "done": words.DONE_TITLE,
    "not-kept": words.NOT_KEPT_TITLE,
    "code": words.CODE_TITLE,
    "status": words.STATUS_TITLE,
    "word": words.WORD_TITLE,
    "time": words.IDLE_TITLE,
    "cover": words.COVER_TITLE,
    "wrong": words.WRONG_TITLE,
    "not-enrolled": words.NOT_ENROLLED_TITLE,
}

_SURE: Mapping[str, tuple[str, str]] = {
    "stop-request": (words.STOP_SURE, words.STOP_MEANS),
    "come": (words.SEE_ME_SURE, words.SEE_ME_MEANS),
    "withdraw": (words.WITHDRAW_SURE, words.WITHDRAW_MEANS),
}

_WORDS: Mapping[str, str] = {
    "stop-request": words.WORD_STOP,
    "come": words.WORD_COME,
    "withdraw": words.WORD_WITHDRAW,
}

STATUS: Mapping[str, str] = {
    "received": words.STATUS_RECEIVED,
    "reading": words.STATUS_READING,
    "visit": words.STATUS_VISIT,
    "working": words.STATUS_WORKING,
    "finished": words.STATUS_FINISHED,
}

_NOTICES: Mapping[str, tuple[str, ...]] = {
    "wiped": (words.WIPED,),
    "number-short": (words.NUMBER_SHORT, words.NUMBER_SHAPE),
    "code-short": (words.CODE_SHORT, words.CODE_SHAPE),
    "code-wrong": (words.CODE_WRONG, words.CODE_STAFF),
    "code-wait": (words.CODE_WAIT, words.CODE_STAFF),
    "status-away": (words.STATUS_AWAY,),
}

_RULES: Mapping[str, str] = {
    "choice": words.RULE_CHOICE,
    "stop": words.RULE_STOP,
    "rep": words.RULE_REP,
}
_RULE_PICTURES = {"choice": "thumb-up", "stop": "hand-stop", "limits": "alert-triangle"}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Something to press.

    Attributes:
        value: what is sent.
        text: the English; "" when `own` says it.
        picture: beside it.
        own: a word that is not translated.
        language: of `own`.
        chosen: pressed already.
        name: of the input that is sent.
    """

    value: str
    text: str = ""
    picture: str = ""
    own: str = ""
    language: str = ""
    chosen: bool = field(default=False, repr=False)
    name: str = "pick"


@dataclass(frozen=True, kw_only=True)
class AnswerShown:
    """One line of what he has answered."""

    screen: str
    label: str
    icon: str
    texts: tuple[str, ...] = field(repr=False)
    pictures: tuple[str, ...] = field(repr=False)
    own: str = field(default="", repr=False)


_PHONE = "116 123"
"""A number in two parts, which must not change places where one reads from right to left."""


class Speech:
    """Says strings in one language, and notes which were said and which can be heard."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.said: list[str] = []
        self.heard: list[str] = []

    def say(self, text: str, **values: object) -> str:
        """Say a string, its braces filled in."""
        self.said.append(text)
        found = wording.words(text, self.language)
        if _PHONE in text and wording.direction(self.language) == "rtl":
            found = found.replace(_PHONE, f"\u2066{_PHONE}\u2069")
        return found.format(**values) if values else found

    def hear(self, text: str, **values: object) -> Markup:
        """Say a string where it can be seen; Listen reads it out when there is a sound of it."""
        shown = self.say(text, **values)
        if values or not voice.has(text, self.language):
            return escape(shown)
        self.heard.append(text)
        return Markup('<span data-hear="{}">{}</span>').format(len(self.heard) - 1, shown)

    def day(self, day: date) -> str:
        """Say a day."""
        return self.say(
            words.DATE,
            weekday=self.say(words.WEEKDAYS[day.weekday()]),
            day=day.day,
            month=self.say(words.MONTHS[day.month - 1]),
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A screen as it was made.

    Attributes:
        html: the page.
        language: the one it is in.
        heard: strings of it that can be heard, in order.
    """

    html: str = field(repr=False)
    language: str
    heard: Sequence[str] = field(repr=False)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("kiosk.wing"),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # or every screen looks a hundred times whether a template has changed
    )
    made.globals.update(w=words, picture=picture, made=_made, choice_made=_choice_made)
    return made


def _choice_made(component: str, told: Mapping[str, Any]) -> Markup:
    """Make a component of the design system that shows what somebody has chosen."""
    return _component(component)(told)


def _made(component: str, told: Mapping[str, Any]) -> Markup:
    """Make a component that says nothing of anybody, or give it as it was made before."""
    return _made_once(component, json.dumps(told))


@lru_cache(maxsize=4096)
def _made_once(component: str, told: str) -> Markup:
    return _component(component)(json.loads(told))


@lru_cache(maxsize=16)
def _component(name: str) -> Callable[[Mapping[str, Any]], Markup]:
    template = _environment().get_template(f"govuk_frontend_jinja/components/{name}/macro.html")
    found = getattr(template.module, "govuk" + name.title().replace("-", ""))
    return cast("Callable[[Mapping[str, Any]], Markup]", found)


def show(
    visit: Visit,
    *,
    csrf: str,
    screen: str = "",
    left: float = IDLE.total_seconds(),
    over: float | None = None,
    reference: str = "",
) -> Shown:
    """Make the screen a visit is at.

    Args:
        visit: what he has said so far.
        csrf: the token that the page sends back.
        screen: another screen than the visit's own.
        left: seconds until his draft is wiped unless he touches the glass.
        over: seconds until it is wiped in any case; None where there is none.
        reference: finds a bug in the log.
    """
    at = screen or visit.screen
    values = _values(visit, at) | {
        "visit": visit,
        "screen": at,
        "csrf": csrf,
        "still": max(1, int(min(STILL.total_seconds(), left - TO_ANSWER.total_seconds()))),
        "left": max(1, int(left)),
        "nearly_up": over is not None and over < NEARLY_UP_SECONDS and at not in _BARE,
        "bare": at in _BARE,
        "resets": at in _BARE and (at != REST or visit != Visit()),
        "reference": reference,
    }
    first = _render(visit.language, values)
    chosen = wording.language_of_all(first.said, visit.language, consent=at in CONSENT)
    if chosen == visit.language:
        return _shown(first)
    return _shown(_render(chosen, values | {"offer": _offer(visit.language, at)}))


_BARE = frozenset({"rest", "done", "word", "time", "cover", "wrong", "not-enrolled"})
"""Screens with nothing on them that a man would miss."""


@dataclass(frozen=True, kw_only=True)
class _Rendered:
    html: str = field(repr=False)
    speech: Speech = field(repr=False)

    @property
    def said(self) -> Sequence[str]:
        return self.speech.said


def _render(language: str, values: Mapping[str, Any]) -> _Rendered:
    speech = Speech(language)
    page = _environment().get_template(values["template"])
    html = page.render(
        **values,
        say=speech.say,
        hear=speech.hear,
        day=speech.day,
        lang=wording.html_language(language),
        dir=wording.direction(language),
        voiced=voice.has_voice(language),
    )
    return _Rendered(html=html, speech=speech)


def _shown(rendered: _Rendered) -> Shown:
    speech = rendered.speech
    return Shown(html=rendered.html, language=speech.language, heard=tuple(speech.heard))


@dataclass(frozen=True, kw_only=True)
class Offer:
    """That an interpreter can be had, in the language that he picked."""

    text: str
    language: str
    direction: Literal["ltr", "rtl"]


def _offer(language: str, screen: str) -> Offer | None:
    if screen not in CONSENT or language == "en":
        return None
    return Offer(
        text=wording.words(wording.OFFER, language),
        language=wording.html_language(language),
        direction=wording.direction(language),
    )


# What each screen shows


def _values(visit: Visit, at: str) -> dict[str, Any]:
    title = _TITLES.get(at, "")
    values: dict[str, Any]
    question = question_named(at)
    if question is not None:
        template, title, values = _question(visit, question, title)
    else:
        template = f"{at.replace('-', '_')}.html"
        make = _MAKERS.get(at)
        values = make(visit) if make is not None else {}
        title = values.get("title", title)
    steps = steps_of(visit) if visit.asks else ()
    return {
        "template": template,
        "notices": _NOTICES.get(visit.notice, ()),
        "step": steps.index(at) + 1 if at in steps else 0,
        "steps": len(steps),
        **values,
        "title": title,
    }


def _question(visit: Visit, question: Question, title: str) -> tuple[str, str, dict[str, Any]]:
    first = asked(question.fields[0])
    label = title or first.label
    if question.name == "rules":
        return "rules.html", title, _rules(visit)
    match first:
        case Choice(many=False):
            return "one.html", label, {"tiles": _options(visit, first), "icon": first.icon}
        case Choice():
            fields = [asked(name) for name in question.fields]
            tiles = [t for each in fields for t in _options(visit, each) if isinstance(t, Tile)]
            return "many.html", label, {"tiles": tuple(tiles), "icon": first.icon}
        case Text():
            return "one.html", label, {"tiles": _languages_spoken(visit), "icon": first.icon}
        case FreeText():
            return "nickname.html", label, _nickname(visit)
        case _:
            raise ValueError(f"nothing asks {first.name} at the glass")


def _options(visit: Visit, choice: Any) -> tuple[Tile, ...]:
    assert isinstance(choice, Choice)
    chosen = visit.answers.get(choice.name, ())
    picked = {chosen} if isinstance(chosen, str) else set(chosen)
    alone = choice.many and len(choice.options) == 1
    return tuple(
        Tile(
            value=f"{choice.name}:{each.name}" if choice.many else each.name,
            text=choice.label if alone else each.label,
            picture=option_picture(choice.name, each.name),
            chosen=each.name in picked,
        )
        for each in choice.options
    )


def _languages_spoken(visit: Visit) -> tuple[Tile, ...]:
    chosen = visit.answers.get("lang")
    codes = {own: code for code, own in wording.LANGUAGES.items()}
    known = (
        Tile(value=value, own=own, language=codes[own], chosen=value == chosen)
        for value, own in spoken().items()
    )
    other = Tile(value=OTHER_LANGUAGE, text=words.OTHER_LANGUAGE, chosen=chosen == OTHER_LANGUAGE)
    return (*known, other)


def _rules(visit: Visit) -> dict[str, Any]:
    labels = {**_RULES, "limits": asked("know_limits").label}
    knows = "know_limits" in visit.answers
    tiles = tuple(
        Tile(
            value=name,
            text=labels[name],
            picture=_RULE_PICTURES.get(name, "users"),
            chosen=name in visit.ticked or (name == "limits" and knows),
        )
        for name in RULES
    )
    return {"tiles": tiles}


def _nickname(visit: Visit) -> dict[str, Any]:
    pages = pads.keyboard(visit.language)
    return {
        "pages": pages,
        "page": min(visit.page, len(pages) - 1),
        "longest": pads.LONGEST_NICKNAME,
        "icon": asked("other_who").icon,
    }


def _number(visit: Visit) -> dict[str, Any]:
    asks = number_field()
    title = words.COME_TITLE if visit.asks == "come" else asks.label
    return {
        "title": title,
        "label": asks.label,
        "icon": asks.icon,
        "example": asks.pattern.example,
        **_pad(visit, pads.sorts(asks.pattern)),
    }


def _code(visit: Visit) -> dict[str, Any]:
    return _pad(visit, pads.CODE_SORTS)


def _pad(visit: Visit, places: Sequence[pads.Sort]) -> dict[str, Any]:
    at = len(visit.typed)
    return {
        "places": tuple(places),
        "keys": {sort: tuple(pads.KEYS[sort]) for sort in dict.fromkeys(places)},
        "now": places[at] if at < len(places) else "",
    }


def _check(visit: Visit) -> dict[str, Any]:
    in_steps = steps_of(visit)
    shown = [
        AnswerShown(
            screen="number",
            label=number_field().label,
            icon=number_field().icon,
            texts=(),
            pictures=(),
            own=str(visit.answers.get(NUMBER, "")),
        )
    ]
    shown += [_answer(visit, each) for each in ASKED if each.name in in_steps]
    return {"shown": tuple(shown)}


_SHORT = frozenset({"know_limits"})
"""Consent, which is said in full only where it is asked."""


def _answer(visit: Visit, question: Question) -> AnswerShown:
    first = asked(question.fields[0])
    label = _TITLES.get(question.name, first.label)
    texts: list[str] = []
    pictures: list[str] = []
    own = ""
    for name in question.fields:
        each, value = asked(name), visit.answers.get(name)
        match each:
            case Choice():
                chosen = {value} if isinstance(value, str) else set(value or ())
                found = [o for o in each.options if o.name in chosen]
                alone = len(each.options) == 1
                by_label = alone and name not in _SHORT
                texts += [each.label if by_label else o.label for o in found]
                pictures += [option_picture(name, o.name) for o in found]
            case Text():
                own = spoken().get(str(value), "")
                texts += [words.OTHER_LANGUAGE] if value == OTHER_LANGUAGE else []
            case _:
                own = str(value or "")
    return AnswerShown(
        screen=question.name,
        label=label,
        icon=first.icon or "info-circle",
        texts=tuple(texts),
        pictures=tuple(pictures),
        own=own,
    )


def _done(visit: Visit) -> dict[str, Any]:
    return {"code": show_serial(visit.code), "by": date.fromisoformat(visit.promised)}


def _status(visit: Visit) -> dict[str, Any]:
    day = str(visit.status.get("day", ""))
    return {
        "word": STATUS[str(visit.status["word"])],
        "by": date.fromisoformat(day) if day else None,
        "late": bool(visit.status.get("late")),
        "open": visit.status["word"] != "finished",
    }


def _sure(visit: Visit) -> dict[str, Any]:
    title, means = _SURE[visit.word]
    return {"title": title, "means": means}


_MAKERS: Mapping[str, Callable[[Visit], dict[str, Any]]] = {
    "rest": lambda _: {"languages": wording.LANGUAGES},
    "language": lambda _: {"languages": wording.LANGUAGES},
    "number": _number,
    "code": _code,
    "check": _check,
    "done": _done,
    "status": _status,
    "sure": _sure,
    "word": lambda visit: {"word": _WORDS[visit.word]},
    "not-kept": lambda visit: {"why": words.NOT_KEPT_WORD if visit.word else words.NOT_KEPT_WHY},
}
