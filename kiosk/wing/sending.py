"""Handing in: what is said becomes a letter, and a receipt is given only once it is safely left."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from datetime import date

from forms.errors import UserError
from forms.page_id import new_serial
from kiosk.problems import note_bug
from kiosk.wing.parts import WingKit
from kiosk.wing.questions import NUMBER, form
from kiosk.wing.visit import Visit
from pipeline.submissions import Danger, Said, Says, Submission, Word, to_letter
from storage.mailbox import Letter


class Sender:
    """Leaves letters for a terminal.

    Args:
        kit: what the kiosk was given.
        terminal: id of the terminal that asks.
    """

    def __init__(self, kit: WingKit, terminal: str) -> None:
        self._kit, self._terminal = kit, terminal

    def hand_in(self, visit: Visit) -> bool:
        """Hand in a request; say whether it is safely left.

        The letter is drawn up once: sending again after a failure sends the same one, so that
        a man who tries twice has asked once. Its code is his only when this returns True.
        """
        if not visit.letter:
            now = self._kit.now()
            promised = self._kit.promise(now, self._terminal)
            said = Submission(
                form=form().id,
                version=form().version,
                language=visit.language,
                terminal=self._terminal,
                code=new_serial(),
                promised=promised,
                asks="come" if visit.asks == "come" else "full",
                at=now,
                answers={
                    name: value if isinstance(value, str) else tuple(value)
                    for name, value in visit.answers.items()
                },
            )
            visit.letter = _drawn_up(said)
            visit.letter["code"] = said.code
            visit.letter["promised"] = promised.isoformat()
        if not self._post(visit.letter):
            return False
        visit.code, visit.promised = visit.letter["code"], visit.letter["promised"]
        return True

    def say(self, visit: Visit, says: Says) -> bool:
        """Leave word about a request that was made before."""
        if not visit.letter:
            said = Word(code=visit.code, says=says, terminal=self._terminal, at=self._kit.now())
            visit.letter = _drawn_up(said)
        return self._post(visit.letter)

    def alarm(self, visit: Visit) -> None:
        """Have staff alarmed at once, with his number as soon as he has given it.

        `visit.alert` says what came of it: nobody is told that staff know when they do not.
        """
        number = visit.answers.get(NUMBER)
        said = Danger(
            answer="yes" if visit.danger == "yes" else "not_sure",
            terminal=self._terminal,
            at=self._kit.now(),
            number=number if isinstance(number, str) else None,
        )
        visit.alert = "sent" if self._post(_drawn_up(said)) else "failed"

    def _post(self, letter: dict[str, str]) -> bool:
        try:
            self._kit.mailbox.post(
                Letter(key=letter["key"], kind=letter["kind"], body=b64decode(letter["body"]))
            )
        except UserError:
            return False
        except Exception as error:  # He needs a plain sentence whatever it was.
            note_bug(error, "kiosk post")
            return False
        return True


def _drawn_up(said: Said) -> dict[str, str]:
    kind, body = to_letter(said)
    return {
        "key": secrets.token_urlsafe(24),
        "kind": kind,
        "body": b64encode(body).decode(),
    }


def promised_day(visit: Visit) -> date | None:
    """Give the day he was told."""
    return date.fromisoformat(visit.promised) if visit.promised else None
