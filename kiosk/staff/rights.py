"""What of a page or record somebody may see, beyond which addresses their role may open.

From the table of who may see what: a verifier sees identity and ticks but never sealed free
text; a form that names staff leaves the ordinary queue; everybody is kept to their own
establishments and wings. What is not allowed here is refused.
"""

from __future__ import annotations

from forms.fields import Fillable, FormDefinition, Visibility
from kiosk.access import Role, User
from pipeline.rights import may_open, may_see_unread

__all__ = ["hidden_fields", "may_open", "may_see", "may_see_unread"]


def may_see(user: User, asked: Fillable) -> bool:
    """Say whether somebody may see the pixels and the value of one field."""
    if asked.visibility is Visibility.SEALED:
        return user.has(Role.PRACTITIONER)
    return user.has(Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)


def hidden_fields(user: User, form: FormDefinition) -> tuple[str, ...]:
    """Name the fields of a form that are to be painted over for somebody."""
    return tuple(f.name for f in form.fillable() if not may_see(user, f))
