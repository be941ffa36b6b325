"""From screen to screen: what a touch does to a visit. It knows nothing of the web."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from forms.errors import UserError
from forms.fields import Choice, FreeText, Text
from forms.wording import LANGUAGES
from kiosk.wing import pads
from kiosk.wing.parts import WingKit
from kiosk.wing.questions import (
    ASKED,
    NUMBER,
    ONLY_WATCHED,
    OTHER_LANGUAGE,
    Question,
    asked,
    is_nickname,
    number_field,
    question_named,
    spoken,
)
from kiosk.wing.sending import Sender
from kiosk.wing.tries import Tries
from kiosk.wing.visit import ASIDES, REST, Visit
from pipeline.submissions import Says

RULES = ("choice", "stop", "limits", "rep")
"""What the rules screen has him press; only `limits` is an answer of the form."""

KEEPING = frozenset({"help", "language", "bigger", "smaller", "dark", "light", "hide"})
"""Buttons that are always there; what is on the screen is kept when one is pressed."""

_SAYS: dict[str, Says] = {"stop-request": "stop", "come": "come", "withdraw": "withdraw"}


@dataclass(frozen=True, kw_only=True)
class Touch:
    """What one touch sent.

    Attributes:
        step: the screen it was made on.
        act: what the button stands for.
        pick: the one option that was pressed.
        picks: the options that are pressed.
        key: a key of a pad, where no script runs.
        typed: what stands on a pad, where a script runs.
    """

    step: str
    act: str = ""
    pick: str = field(default="", repr=False)
    picks: tuple[str, ...] = field(default=(), repr=False)
    key: str = field(default="", repr=False)
    typed: str | None = field(default=None, repr=False)


def steps_of(visit: Visit) -> tuple[str, ...]:
    """Give the screens of what he does, in order; what follows the last one is the receipt."""
    first = ("private", *(("danger",) if visit.watched else ()), "number")
    if visit.asks == "come":
        return first
    questions = (q.name for q in ASKED if visit.watched or q.name not in ONLY_WATCHED)
    return (*first, *questions, "check")


@dataclass(frozen=True, kw_only=True)
class Journey:
    """Leads one visit on.

    Attributes:
        kit: what the kiosk was given.
        sender: hands in for this terminal.
        tries: slows guessing.
        terminal: its id.
    """

    kit: WingKit
    sender: Sender
    tries: Tries
    terminal: str

    def take(self, visit: Visit, touch: Touch) -> None:
        """Do what a touch asks for; one that does not belong to the screen does nothing."""
        if touch.step == visit.screen and touch.act in KEEPING:
            self.keep(visit, touch)
        match touch.act:
            case "bigger" | "smaller":
                visit.size = "large" if touch.act == "bigger" else "ordinary"
                return
            case "dark" | "light":
                visit.light = "dark" if touch.act == "dark" else "light"
                return
            case "help" | "language":
                visit.aside("signposts" if touch.act == "help" else "language")
                return
        if touch.step != visit.screen:
            return
        if touch.act == "back":
            self._back(visit)
            return
        act = self._acts().get(visit.screen)
        if act is not None:
            act(visit, touch)
        elif (question := question_named(visit.screen)) is not None:
            self._question(visit, touch, question)

    def _acts(self) -> dict[str, Callable[[Visit, Touch], None]]:
        return {
            REST: self._rest,
            "language": self._language,
            "signposts": self._signposts,
            "about": self._leave,
            "paper": self._leave,
            "private": self._private,
            "danger": self._danger,
            "number": self._number,
            "number-help": self._number_help,
            "rules": self._rules,
            "check": self._check,
            "not-kept": self._not_kept,
            "code": self._code,
            "status": self._status,
            "sure": self._sure,
        }

    # Before the questions

    def _rest(self, visit: Visit, touch: Touch) -> None:
        match touch.act:
            case "ask":
                visit.anew()
                visit.watched = self.kit.book.alarmed()
                visit.go("private")
            case "status":
                visit.anew()
                visit.go("code")
            case "about":
                visit.go("about")
            case _:
                self._language(visit, touch)

    def _language(self, visit: Visit, touch: Touch) -> None:
        if touch.pick in LANGUAGES:
            visit.language = touch.pick
            visit.page = 0
            if visit.screen == "language":
                visit.leave_aside()

    def _signposts(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "on":
            visit.leave_aside()

    def keep(self, visit: Visit, touch: Touch) -> None:
        """Keep what is pressed or typed on a screen that is left aside for a moment."""
        question = question_named(visit.screen)
        if visit.screen == "number":
            _press(visit, touch, pads.sorts(number_field().pattern))
        elif visit.screen == "code":
            _press(visit, touch, pads.CODE_SORTS)
        elif question is not None and is_nickname(question.name):
            visit.typed = pads.nickname(touch.typed or "")
        elif question is not None and touch.picks:
            if question.name == "rules":
                visit.ticked = [each for each in RULES if each in touch.picks]
            else:
                for name in question.fields:
                    self._tick(visit, name, touch.picks)

    def _back(self, visit: Visit) -> None:
        if visit.screen in ASIDES:
            visit.leave_aside()
            return
        visit.back()
        self._fill(visit)

    def _leave(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "ask":
            self._rest(visit, touch)
        elif touch.act == "on":
            visit.anew()

    def _private(self, visit: Visit, touch: Touch) -> None:
        match touch.act:
            case "on" | "come":
                visit.asks = "come" if touch.act == "come" else "full"
                self._next(visit)
            case "paper":
                visit.go("paper")

    def _danger(self, visit: Visit, touch: Touch) -> None:
        match touch.pick:
            case "yes" | "not_sure":
                self._next(visit)
                self._alarm(visit, touch.pick)
            case "no":
                visit.danger = ""
                self._next(visit)

    def _alarm(self, visit: Visit, answer: str) -> None:
        """Raise the alert at once, then show where help is, and go on from there."""
        visit.danger = answer
        self.sender.alarm(visit)
        visit.aside("signposts")

    # The number

    def _number(self, visit: Visit, touch: Touch) -> None:
        places = pads.sorts(number_field().pattern)
        _press(visit, touch, places)
        if touch.act == "unknown":
            visit.aside("number-help")
        elif touch.act == "on":
            if len(visit.typed) < len(places):
                visit.notice = "number-short"
                return
            if visit.answers.get(NUMBER) != visit.typed:
                self._answer(visit, NUMBER, visit.typed)
                if visit.danger:
                    self.sender.alarm(visit)
            failed = visit.alert == "failed"
            if visit.asks == "come":
                self._hand_in(visit)
            else:
                self._next(visit)
            if failed:
                visit.alert = "failed"
                visit.aside("signposts")

    def _number_help(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "paper":
            visit.go("paper")

    # The questions

    def _question(self, visit: Visit, touch: Touch, question: Question) -> None:
        if touch.act == "skip":
            for name in question.fields:
                self._answer(visit, name, None)
            self._next(visit)
            return
        first = asked(question.fields[0])
        match first:
            case Choice(many=False) if touch.pick in {o.name for o in first.options}:
                self._answer(visit, first.name, touch.pick)
                urgent = any(o.urgent for o in first.options if o.name == touch.pick)
                self._next(visit)
                if urgent and visit.watched:
                    self._alarm(visit, "yes" if touch.pick == "no" else "not_sure")
            case Choice(many=True) if touch.act == "on":
                for name in question.fields:
                    self._tick(visit, name, touch.picks)
                self._next(visit)
            case Text() if touch.pick in {*spoken(), OTHER_LANGUAGE}:
                self._answer(visit, first.name, touch.pick)
                self._next(visit)
            case FreeText():
                self._nickname(visit, touch, first.name)

    def _tick(self, visit: Visit, name: str, picks: Sequence[str]) -> None:
        """Keep what is ticked of one field; each box is sent as its field and option."""
        choice = asked(name)
        assert isinstance(choice, Choice)
        ticked = [o.name for o in choice.options if f"{name}:{o.name}" in picks]
        self._answer(visit, name, ticked or None)

    def _nickname(self, visit: Visit, touch: Touch, name: str) -> None:
        if touch.typed is not None:
            visit.typed = pads.nickname(touch.typed)
        if touch.key:
            visit.typed = pads.type_key(visit.typed, touch.key, visit.language)
        match touch.act:
            case "rub":
                visit.typed = visit.typed[:-1]
            case "space":
                visit.typed = (visit.typed + " ")[: pads.LONGEST_NICKNAME]
            case "page":
                visit.page = (visit.page + 1) % len(pads.keyboard(visit.language))
            case "on":
                self._answer(visit, name, pads.nickname(visit.typed) or None)
                self._next(visit)

    def _rules(self, visit: Visit, touch: Touch) -> None:
        if touch.act not in ("on", "skip"):
            return
        knows = touch.act == "on" and "limits" in touch.picks
        visit.ticked = [each for each in RULES if touch.act == "on" and each in touch.picks]
        self._answer(visit, "know_limits", ["yes"] if knows else None)
        self._next(visit)

    def _check(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "on":
            self._hand_in(visit)
        elif touch.act.startswith("change:"):
            screen = touch.act.removeprefix("change:")
            if screen in steps_of(visit):
                visit.go(screen)
                visit.changing = True
                self._fill(visit)

    def _answer(self, visit: Visit, name: str, value: str | list[str] | None) -> None:
        """Keep an answer, or that there is none; what was drawn up before is drawn up anew."""
        if value is None:
            visit.answers.pop(name, None)
        else:
            visit.answers[name] = value
        if name not in visit.told:
            visit.told.append(name)
        visit.letter = {}

    def _next(self, visit: Visit) -> None:
        steps = steps_of(visit)
        if visit.changing:
            visit.changing = False
            visit.trail = [each for each in visit.trail if each != "check"]
            visit.screen, visit.typed, visit.notice = "check", "", ""
            return
        at = steps.index(visit.screen) if visit.screen in steps else len(steps)
        visit.go(steps[min(at + 1, len(steps) - 1)])
        self._fill(visit)

    def _fill(self, visit: Visit) -> None:
        """Show on the pad what he typed there before."""
        question = question_named(visit.screen)
        name = NUMBER if visit.screen == "number" else question.fields[0] if question else ""
        known = visit.answers.get(name, "")
        typing = visit.screen == "number" or isinstance(asked(name) if name else None, FreeText)
        visit.typed = known if typing and isinstance(known, str) else ""

    def _hand_in(self, visit: Visit) -> None:
        if NUMBER not in visit.answers:
            visit.go("number")
        elif self.sender.hand_in(visit):
            code, promised = visit.code, visit.promised
            visit.anew()
            visit.code, visit.promised, visit.screen = code, promised, "done"
        else:
            visit.go("not-kept")

    def _not_kept(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "on":
            if visit.word:
                visit.screen = "sure"
                self._say(visit)
            else:
                came_from = visit.trail.pop() if visit.trail else "check"
                visit.screen = came_from
                self._hand_in(visit)
        elif touch.act == "paper":
            visit.go("paper")

    # Check my form

    def _code(self, visit: Visit, touch: Touch) -> None:
        _press(visit, touch, pads.CODE_SORTS)
        if touch.act != "on":
            return
        if len(visit.typed) < len(pads.CODE_SORTS):
            visit.notice = "code-short"
            return
        code = visit.typed
        if self.tries.must_wait(self.terminal, code):
            visit.notice = "code-wait"
            return
        try:
            told = self.kit.book.look(code)
        except UserError:
            visit.notice = "status-away"
            return
        if told is None:
            self.tries.wrong(self.terminal, code)
            visit.notice = "code-wrong"
            return
        self.tries.right(self.terminal, code)
        visit.go("status")
        visit.trail = []
        visit.code = code
        visit.status = {
            "word": told.word,
            "day": told.day.isoformat() if told.day else "",
            "late": told.late,
        }

    def _status(self, visit: Visit, touch: Touch) -> None:
        if touch.act in _SAYS:
            visit.letter = {}
            visit.go("sure")
            visit.word = touch.act
        elif touch.act == "on":
            visit.anew()

    def _sure(self, visit: Visit, touch: Touch) -> None:
        if touch.act == "on":
            self._say(visit)

    def _say(self, visit: Visit) -> None:
        if self.sender.say(visit, _SAYS[visit.word]):
            word = visit.word
            visit.anew()
            visit.word, visit.screen = word, "word"
        else:
            visit.go("not-kept")


def _press(visit: Visit, touch: Touch, places: Sequence[pads.Sort]) -> None:
    """Change what stands on a pad."""
    if touch.typed is not None:
        visit.typed = pads.fitting(touch.typed, places)
    if touch.key:
        visit.typed = pads.press(visit.typed, touch.key, places)
        visit.notice = ""
    if touch.act == "rub":
        visit.typed = visit.typed[:-1]
        visit.notice = ""
