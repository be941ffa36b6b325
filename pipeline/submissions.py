"""What is handed in at a kiosk, and how it is written in a letter.

A kiosk seals these and cannot open them again; the worker opens and keeps them. A body is JSON in
UTF-8. Nothing here is looked up: whether there is such a prison number, or such a code, is found
out by the worker, never told at the kiosk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

VERSION = 1

Answers = Mapping[str, "str | tuple[str, ...]"]
"""By field name: an option's name or typed words; a tuple of option names where many may be."""

Says = Literal["stop", "come", "withdraw"]
"""Stop my request; come and see me; I take my consent back."""


class SubmissionOdd(ValueError):
    """A letter that opens and is none of these; its words are not in the message."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request for help.

    Attributes:
        form: form id, such as "rj-1"; its version and the language it was answered in.
        terminal: id of the kiosk.
        code: the receipt code, as `forms.serials` writes it, without hyphens.
        promised: the day by which the man was told that somebody would come.
        asks: "come" when only "come to me" was asked for; "full" for the whole form.
        at: when it was handed in, UTC.
    """

    form: str
    version: int
    language: str
    terminal: str
    code: str = field(repr=False)
    promised: date
    asks: Literal["full", "come"]
    at: datetime
    answers: Answers = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Word:
    """Something said with a receipt code."""

    code: str = field(repr=False)
    says: Says
    terminal: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Danger:
    """An answer that somebody is not safe; raised at once, whatever comes of the rest."""

    answer: Literal["yes", "not_sure"]
    terminal: str
    at: datetime
    number: str | None = field(default=None, repr=False)


Said = Submission | Word | Danger


def to_letter(said: Said) -> tuple[str, bytes]:
    """Give the kind and the body of the letter that says it."""
    body: dict[str, Any] = {"v": VERSION, "terminal": said.terminal, "at": said.at.isoformat()}
    match said:
        case Submission():
            body |= {
                "form": said.form,
                "version": said.version,
                "language": said.language,
                "code": said.code,
                "promised": said.promised.isoformat(),
                "asks": said.asks,
                "answers": {
                    k: v if isinstance(v, str) else list(v) for k, v in said.answers.items()
                },
            }
            return "referral", _packed(body)
        case Word():
            return "word", _packed(body | {"code": said.code, "says": said.says})
        case Danger():
            return "danger", _packed(body | {"answer": said.answer, "number": said.number})


def from_letter(kind: str, body: bytes) -> Said:
    """Read a letter.

    Raises:
        SubmissionOdd: it is none of these.
    """
    try:
        told = json.loads(body)
        if told["v"] != VERSION:
            raise SubmissionOdd("unknown version")
        at, terminal = datetime.fromisoformat(told["at"]), str(told["terminal"])
        if kind == "word" and told["says"] in ("stop", "come", "withdraw"):
            return Word(code=str(told["code"]), says=told["says"], terminal=terminal, at=at)
        if kind == "danger" and told["answer"] in ("yes", "not_sure"):
            number = told["number"]
            return Danger(
                answer=told["answer"],
                number=None if number is None else str(number),
                terminal=terminal,
                at=at,
            )
        if kind == "referral" and told["asks"] in ("full", "come"):
            return Submission(
                form=str(told["form"]),
                version=int(told["version"]),
                language=str(told["language"]),
                terminal=terminal,
                code=str(told["code"]),
                promised=date.fromisoformat(told["promised"]),
                asks=told["asks"],
                at=at,
                answers={
                    str(k): v if isinstance(v, str) else tuple(map(str, v))
                    for k, v in told["answers"].items()
                },
            )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SubmissionOdd("not written as it must be") from None
    raise SubmissionOdd("of no known kind")


def _packed(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
