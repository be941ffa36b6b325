"""What of a page or record somebody may see, beyond which addresses their role may open.

From the table of who may see what: a verifier sees identity and ticks but never sealed free
text; a form that names staff leaves the ordinary queue; everybody is kept to their own
establishments and wings. What is not allowed here is refused.
"""

from __future__ import annotations

from typing import Protocol

from forms.fields import Fillable, FormDefinition, Visibility
from kiosk.access import Role, User
from pipeline.kept import KeptPage


class _Placed(Protocol):
    """A page, a record or a line of the queue."""

    @property
    def establishment(self) -> str:
        """Prison code; "" when it is not known."""
        ...

    @property
    def wing(self) -> str:
        """Wing; "" when it is not known."""
        ...

    @property
    def confidential(self) -> bool:
        """A mark takes it out of the ordinary queue."""
        ...


def may_open(user: User, thing: _Placed) -> bool:
    """Say whether somebody may see a page or record at all."""
    if user.establishments and thing.establishment not in user.establishments:
        return False
    if user.wings and thing.wing not in user.wings:
        return False
    if thing.confidential:
        return user.has(Role.PRACTITIONER, Role.MANAGER)
    return True


def may_see_unread(user: User, page: KeptPage) -> bool:
    """Say whether somebody may see the picture of a page that was set aside.

    Nobody knows what stands on it, so only a practitioner may; and one who is kept to some
    prisons only when it is surely of one of them.
    """
    return user.has(Role.PRACTITIONER) and not (page.supposed and user.establishments)


def may_see(user: User, asked: Fillable) -> bool:
    """Say whether somebody may see the pixels and the value of one field."""
    if asked.visibility is Visibility.SEALED:
        return user.has(Role.PRACTITIONER)
    return user.has(Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)


def hidden_fields(user: User, form: FormDefinition) -> tuple[str, ...]:
    """Name the fields of a form that are to be painted over for somebody."""
    return tuple(f.name for f in form.fillable() if not may_see(user, f))
