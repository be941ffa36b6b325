"""The forms: one module each. A published version is never edited; new words, new version."""

from __future__ import annotations

from forms.errors import UserError
from forms.fields import FormDefinition
from forms.library.rj_0 import SEED_SHEET
from forms.library.rj_1 import SELF_REFERRAL
from forms.library.rj_2 import OFFICER_REFERRAL
from forms.library.rj_3h import CONSENT_HARMED
from forms.library.rj_3r import CONSENT_RESPONSIBLE
from forms.library.rj_3w import WITHDRAWAL
from forms.library.rj_4 import RISK
from forms.library.rj_5 import AGREEMENT
from forms.library.rj_6 import FOLLOW_UP
from forms.library.rj_7 import BRIEFING
from forms.library.rj_8 import ON_THE_SPOT


class FormUnknown(UserError):
    """Nobody wrote a form of that name."""

    code = "form-unknown"
    message = "There is no form of that name."
    remedy = "Run `counterfoil forms` to see the forms there are."


FORMS: tuple[FormDefinition, ...] = (
    SELF_REFERRAL,
    OFFICER_REFERRAL,
    CONSENT_HARMED,
    CONSENT_RESPONSIBLE,
    WITHDRAWAL,
    RISK,
    AGREEMENT,
    FOLLOW_UP,
    BRIEFING,
    ON_THE_SPOT,
    SEED_SHEET,
)
"""Every version of every form, oldest version first."""


def definition(form: str, version: int | None = None) -> FormDefinition:
    """Find a form by id; its newest version when none is named.

    Raises:
        FormUnknown: no such form or version.
    """
    found = [f for f in FORMS if f.id == form.lower() and version in (None, f.version)]
    if not found:
        raise FormUnknown
    return found[-1]
