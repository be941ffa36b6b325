"""RJ-3H: the harmed person says yes or no to each step; the RJ worker reads it out."""

from __future__ import annotations

from forms.fields import FormDefinition, Need, section
from forms.library._consent import (
    helpers,
    kept,
    limits,
    line,
    share,
    signed,
    staff_part,
    steps,
    who,
)

CONSENT_HARMED = FormDefinition(
    id="rj-3h",
    version=1,
    title="Consent (harmed)",
    heading="Talk It Through",
    intro="Your choice. We read each line to you. Say yes or no to each one.",
    bound=True,
    gap=5.5,
    sections=(
        who(),
        section(
            "It is your choice",
            line("c_know", "Someone told me what this is. I could ask things."),
            line("c_free", "It is my choice. No one made me."),
            line("c_no_harm", "If I say no, it will not be held against me."),
            line(
                "c_no_gain",
                "It will not by itself change my sentence, my level or a charge.",
                needed=Need.NO,
            ),
            line("c_stop", "I can stop at any time. I do not have to say why."),
        ),
        limits(),
        section("What we may do", *steps(), page_break=True),
        share(),
        section("Who may help", *helpers(), page_break=True, large_break=True),
        kept(),
        signed(),
        staff_part(),
    ),
)
