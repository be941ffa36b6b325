"""What of a page or record somebody may see, beyond which addresses their role may open.

From the table of who may see what: a verifier sees identity and ticks but never sealed free
text, and of a record that is verified no longer who else it names; a manager sees what is ticked
on a risk checklist, and words only when they have opened them; a form that names staff leaves the
ordinary queue; everybody is kept to their own establishments and wings. What is not allowed
here is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from forms.fields import Fillable, FormDefinition, FreeText, Text, Visibility
from kiosk.access import Role, User
from pipeline.rights import may_open, may_see_unread

__all__ = ["VERIFIERS", "Sight", "hidden_fields", "may_open", "may_see", "may_see_unread"]

VERIFIERS = (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)
"""Who sees pages and records at all, and decides what the paper says."""

_FIRST = frozenset({"sender", "person_1"})
"""The person a form is from or about; any other is the other party."""


def may_see(user: User, asked: Fillable, *, settled: bool = False, opened: bool = False) -> bool:
    """Say whether somebody may see the pixels and the value of one field.

    Args:
        user: who.
        asked: the field.
        settled: its record is verified: a verifier has no more to do with whom else it names.
        opened: they have opened the record's sealed words, for a reason that is kept.
    """
    if asked.visibility is Visibility.SEALED:
        ticks = not isinstance(asked, FreeText)
        return user.has(Role.PRACTITIONER) or (user.has(Role.MANAGER) and (opened or ticks))
    if user.has(Role.PRACTITIONER, Role.MANAGER):
        return True
    return user.has(Role.VERIFIER) and not (settled and _is_other(asked))


def _is_other(asked: Fillable) -> bool:
    """Say whether a field says who the other party is: in boxes, or written out."""
    if not isinstance(asked, Text | FreeText):
        return False
    return asked.visibility is Visibility.IDENTITY and asked.person not in _FIRST


@dataclass(frozen=True, kw_only=True)
class Sight:
    """How far somebody sees one record; see `may_see`."""

    user: User
    settled: bool = False
    opened: bool = False

    def sees(self, asked: Fillable) -> bool:
        """Say whether they may see the pixels and the value of one field."""
        return may_see(self.user, asked, settled=self.settled, opened=self.opened)

    def hidden(self, form: FormDefinition) -> tuple[str, ...]:
        """Name the fields that are to be painted over for them."""
        return hidden_fields(self.user, form, settled=self.settled, opened=self.opened)


def hidden_fields(
    user: User, form: FormDefinition, *, settled: bool = False, opened: bool = False
) -> tuple[str, ...]:
    """Name the fields of a form that are to be painted over for somebody; see `may_see`."""
    return tuple(
        f.name for f in form.fillable() if not may_see(user, f, settled=settled, opened=opened)
    )
