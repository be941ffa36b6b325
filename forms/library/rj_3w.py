"""RJ-3W: stop, or take a break. Handed out with every consent, tied to one person already."""

from __future__ import annotations

from forms.fields import (
    Choice,
    Counterfoil,
    Date,
    FormDefinition,
    Need,
    Option,
    Printed,
    Signature,
    section,
)

WITHDRAWAL = FormDefinition(
    id="rj-3w",
    version=1,
    title="Withdrawal slip",
    heading="I want to stop",
    intro="Or take a break. You do not have to say why.",
    bound=True,
    sections=(
        section(
            "",
            Printed(name="person_name", label="Name", stamp="person_name", width=110),
            Printed(name="person_number", label="Prison number", stamp="person_number"),
        ),
        section(
            "",
            Choice(
                name="stop",
                label="What do you want? Tick one.",
                needed=Need.HARD,
                consent=True,
                always_seen=True,
                options=(
                    Option(name="stop", label="I want to stop", icon="hand-stop", urgent=True),
                    Option(name="break", label="I want a break", icon="player-pause", urgent=True),
                    Option(
                        name="letters_only",
                        label="Stop the meeting but letters are OK",
                        icon="mail",
                        urgent=True,
                    ),
                    Option(
                        name="see_me", label="Come and see me", icon="message-circle", urgent=True
                    ),
                ),
                columns=1,
            ),
            Signature(name="mark", label="Sign or make a mark", icon="signature", width=95),
            Date(name="date", label="Today's date", icon="calendar"),
            Printed(
                name="told",
                label="What we say",
                style="notice",
                text=(
                    "Post this form. We stop the same working day. "
                    "We tell the other person only this: it will not go ahead now."
                ),
            ),
        ),
    ),
    counterfoil=Counterfoil(text="Keep this bit. Your code is {code}.\nDate: {date}"),
)
