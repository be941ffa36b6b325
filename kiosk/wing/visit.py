"""What one man has said and seen so far at the glass; it lives in `kiosk.wing.drafts` and nowhere.

It is turned into bytes to be sealed between his touches, and back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Size = Literal["ordinary", "large"]
Light = Literal["light", "dark"]
Asks = Literal["", "full", "come"]

REST = "rest"

ASIDES = frozenset({"language", "signposts", "number-help"})
"""Screens that are reached from anywhere and left to where he was."""


@dataclass(kw_only=True)
class Visit:
    """One person's visit.

    Attributes:
        language: code of the language he has picked.
        size: of the words.
        light: dark words on light, or light on dark.
        screen: where he is.
        trail: screens he came from, the last one last.
        changing: he came from the list of his answers and goes back there.
        asks: what he does: the whole form, or only "come to me".
        watched: somebody is there to be alarmed, so he is asked whether he is in danger.
        notice: code of what is wrong with his last touch.
        answers: by field name, as letters carry them.
        told: fields that he has answered or skipped.
        typed: what stands on the pad of the screen he is at.
        ticked: rules that he has pressed.
        page: which of the keyboard's pages he is on.
        danger: that he is not safe, while staff have not been told with his number.
        alert: what became of the word to staff.
        letter: what is to be handed in, from the first try on: trying again sends the same.
        promised: the day he was told.
        code: the receipt code, drawn here or typed in.
        word: what he says with that code.
        status: what the book said of it.
    """

    language: str = "en"
    size: Size = "ordinary"
    light: Light = "light"
    screen: str = REST
    trail: list[str] = field(default_factory=list)
    changing: bool = False
    asks: Asks = ""
    watched: bool = False
    notice: str = ""
    answers: dict[str, str | list[str]] = field(default_factory=dict, repr=False)
    told: list[str] = field(default_factory=list)
    typed: str = field(default="", repr=False)
    ticked: list[str] = field(default_factory=list, repr=False)
    page: int = 0
    danger: str = field(default="", repr=False)
    alert: str = ""
    letter: dict[str, str] = field(default_factory=dict, repr=False)
    promised: str = ""
    code: str = field(default="", repr=False)
    word: str = ""
    status: dict[str, str | bool] = field(default_factory=dict, repr=False)

    def pack(self) -> bytes:
        """Turn it into bytes."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Visit:
        """Turn bytes of `pack` back."""
        return cls(**json.loads(packed))

    def go(self, screen: str) -> None:
        """Go on to a screen; Back comes back to this one."""
        if screen != self.screen:
            self.trail.append(self.screen)
        self.screen, self.notice, self.typed, self.page = screen, "", "", 0

    def back(self) -> None:
        """Go back to where he came from, or to the rest screen."""
        self.screen = self.trail.pop() if self.trail else REST
        self.notice, self.typed, self.page, self.changing = "", "", 0, False

    def aside(self, screen: str) -> None:
        """Look at something for a moment; what is typed stays."""
        if self.screen not in ASIDES:
            self.trail.append(self.screen)
        self.screen, self.notice = screen, ""

    def leave_aside(self) -> None:
        """Go back to where he was."""
        self.screen = self.trail.pop() if self.trail else REST
        self.alert = ""

    def anew(self) -> None:
        """Forget everything but the language and the look of the screen."""
        fresh = Visit(language=self.language, size=self.size, light=self.light)
        self.__dict__.update(fresh.__dict__)
