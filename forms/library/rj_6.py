"""RJ-6: how a person is after it: the same day, and 7, 28 and 84 days later."""

from __future__ import annotations

from forms.fields import (
    Choice,
    Date,
    Field,
    FormDefinition,
    FreeText,
    Need,
    Option,
    Printed,
    Visibility,
    section,
)

PROMISES = 5

FACES = ("mood-cry", "mood-sad", "mood-empty", "mood-smile", "mood-happy")
"""From the worst to the best."""


def _faces(
    name: str, label: str, words: tuple[str, ...], *, urgent: int = 0, needed: Need = Need.SOFT
) -> Choice:
    """Ask for one of five faces, of which the worst `urgent` ones put the page at the head."""
    return Choice(
        name=name,
        label=label,
        needed=needed,
        options=tuple(
            Option(name=f"face_{n}", label=says, icon=face, urgent=n <= urgent)
            for n, (face, says) in enumerate(zip(FACES, words, strict=True), start=1)
        ),
    )


HOW_MUCH = ("No", "A bit", "OK", "Mostly", "Yes")
HOW_WELL = ("Very bad", "Bad", "OK", "Good", "Very good")


def _promise(number: int) -> tuple[Field, ...]:
    return (
        Printed(
            name=f"promise_{number}",
            label=f"Promise {number}",
            stamp=f"promise_{number}",
            gutter=30,
        ),
        Choice(
            name=f"f_done_{number}",
            label=f"Was promise {number} kept?",
            needed=Need.SOFT if number == 1 else Need.NO,
            silent=True,
            options=(
                Option(name="done", label="Done"),
                Option(name="part", label="In part"),
                Option(name="not_done", label="Not done"),
                Option(name="changed", label="Changed"),
            ),
        ),
    )


FOLLOW_UP = FormDefinition(
    id="rj-6",
    version=1,
    title="Follow-up",
    heading="How is it now?",
    intro="There is no wrong answer. Only RJ workers see this.",
    bound=True,
    gap=4.0,
    sections=(
        section(
            "",
            Printed(name="person_name", label="Name", stamp="person_name", width=80),
            Printed(name="person_number", label="Prison number", stamp="person_number", width=46),
            Printed(name="f_when_due", label="Asked after", stamp="follow_up"),
        ),
        section(
            "",
            _faces(
                "f_safe",
                "Do you feel safe with this now?",
                HOW_MUCH,
                urgent=2,
                needed=Need.HARD,
            ),
            _faces("f_well", "How are you today?", HOW_WELL),
            Choice(
                name="f_again",
                label="Any more trouble?",
                hint="Tick any.",
                icon="alert-triangle",
                needed=Need.HARD,
                many=True,
                options=(
                    Option(name="no", label="No"),
                    Option(name="words", label="Words"),
                    Option(name="threats", label="Threats", urgent=True),
                    Option(name="fight", label="Fight", urgent=True),
                    Option(name="others", label="Others joined in"),
                ),
            ),
            _faces("f_fair", "Was it fair to you?", HOW_MUCH),
            _faces("f_heard", "Were you heard?", HOW_MUCH),
            _faces("f_friend", "Would you tell a friend to use it?", HOW_MUCH),
            Choice(
                name="f_support",
                label="I want more help with:",
                hint="Tick any.",
                icon="lifebuoy",
                needed=Need.NO,
                many=True,
                options=(
                    Option(name="talk", label="Talk"),
                    Option(name="debt", label="Debt"),
                    Option(name="mental_health", label="Mental health"),
                    Option(name="move", label="Move"),
                    Option(name="nothing", label="Nothing"),
                ),
            ),
        ),
        section(
            "Did we keep our plan?",
            *(each for number in range(1, PROMISES + 1) for each in _promise(number)),
            page_break=True,
        ),
        section(
            "RJ worker fills in this part",
            Choice(
                name="f_when",
                label="How long after?",
                needed=Need.HARD,
                staff_only=True,
                options=(
                    Option(name="same_day", label="Same day"),
                    Option(name="day_7", label="7 days"),
                    Option(name="day_28", label="28 days"),
                    Option(name="day_84", label="84 days"),
                ),
            ),
            FreeText(
                name="f_who",
                label="Who asked",
                needed=Need.HARD,
                staff_only=True,
                visibility=Visibility.IDENTITY,
                lines=1,
                person="other",
                width=84,
            ),
            Date(name="f_date", label="Date", needed=Need.HARD, staff_only=True),
            FreeText(
                name="f_where",
                label="Where",
                needed=Need.HARD,
                staff_only=True,
                lines=1,
                width=84,
            ),
            Choice(
                name="f_private",
                label="In private?",
                needed=Need.HARD,
                staff_only=True,
                options=(Option(name="yes", label="Yes"), Option(name="no", label="No")),
            ),
            staff_only=True,
        ),
    ),
)
