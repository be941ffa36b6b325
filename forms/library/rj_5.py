"""RJ-5: what two people agree on, and who does what by when. It belongs to a case.

Whose names stand on it is for the consents to say: where a name may not be told, the copy is
stamped "Me" and "The other person".
"""

from __future__ import annotations

from forms.fields import (
    Choice,
    Date,
    FormDefinition,
    FreeText,
    Need,
    Option,
    Printed,
    Section,
    Signature,
    Visibility,
    section,
)
from forms.library._consent import line

PROMISES = 5

WHO = (
    Option(name="me", label="Me"),
    Option(name="them", label="Them"),
    Option(name="both", label="Both of us"),
)


def _promise(number: int, *, page_break: bool = False) -> Section:
    """Ask for one promise: one owner, one date."""
    needed = Need.SOFT if number == 1 else Need.NO
    return section(
        "",
        FreeText(
            name=f"a{number}_what",
            label=f"{number}. What will be done?",
            needed=needed,
            visibility=Visibility.SEALED,
            lines=2,
        ),
        Choice(
            name=f"a{number}_who", label=f"{number}. Who?", needed=needed, options=WHO, width=98
        ),
        Date(
            name=f"a{number}_when",
            label=f"{number}. By when?",
            needed=needed,
            not_future=False,
            earliest_days=0,
        ),
        FreeText(
            name=f"a{number}_known",
            label=f"{number}. How will we know?",
            needed=needed,
            visibility=Visibility.SEALED,
            lines=1,
        ),
        page_break=page_break,
        place="ruled",
    )


AGREEMENT = FormDefinition(
    id="rj-5",
    version=1,
    title="Agreement",
    heading="Our plan",
    intro="You do not have to make a plan. It is your choice.",
    from_case=True,
    gap=4.4,
    sections=(
        section(
            "",
            Printed(name="case", label="Code", stamp="case", width=40),
            Printed(name="party_me", label="Me", stamp="party_me", width=70),
            Printed(name="party_them", label="The other person", stamp="party_them"),
        ),
        section(
            "",
            Choice(
                name="a_mode",
                label="How did we talk?",
                icon="messages",
                needed=Need.HARD,
                options=(
                    Option(name="meet", label="We met"),
                    Option(name="messages", label="Messages"),
                    Option(name="letter", label="Letter"),
                ),
                width=98,
            ),
            Date(name="a_date", label="When did we talk?", needed=Need.HARD),
        ),
        *(_promise(number, page_break=number == 3) for number in range(1, PROMISES + 1)),
        section(
            "On the wing",
            Choice(
                name="a_space",
                label="If we meet on the wing we will:",
                hint="Tick any.",
                icon="users",
                many=True,
                options=(
                    Option(name="nod", label="Nod"),
                    Option(name="walk", label="Keep walking"),
                    Option(name="staff", label="Tell staff"),
                ),
            ),
            FreeText(
                name="a_space_more",
                label="Or:",
                needed=Need.NO,
                visibility=Visibility.SEALED,
                lines=1,
            ),
            Choice(
                name="a_if",
                label="If it goes wrong, I will tell:",
                hint="Tick any.",
                icon="lifebuoy",
                needed=Need.HARD,
                many=True,
                options=(
                    Option(name="rj_worker", label="RJ worker"),
                    Option(name="rep", label="Rep"),
                    Option(name="officer", label="Officer"),
                    Option(name="chaplain", label="Chaplain"),
                ),
            ),
            page_break=True,
        ),
        section(
            "Who gets a copy?",
            Choice(
                name="a_copy",
                label="A copy goes to:",
                hint="Tick any.",
                icon="mail",
                needed=Need.HARD,
                many=True,
                consent=True,
                always_seen=True,
                options=(
                    Option(name="me", label="Me"),
                    Option(name="them", label="Them"),
                    Option(name="no_one", label="No one else"),
                    Option(name="shown", label="Others"),
                ),
            ),
            FreeText(
                name="a_copy_shown",
                label="Show it to:",
                needed=Need.NO,
                visibility=Visibility.IDENTITY,
                lines=1,
                person="other",
            ),
            Printed(
                name="a_keep_safe",
                label="Keeping it safe",
                style="notice",
                text="Is it safe to keep this? We can hold it for you. Just ask.",
            ),
            Choice(
                name="a_hold",
                label="Hold my copy for me.",
                needed=Need.NO,
                many=True,
                options=(Option(name="yes", label="Yes"),),
            ),
        ),
        section(
            "Sign",
            Choice(
                name="a_na",
                label="Ask staff to look again at keeping us apart?",
                hint="Only staff can change it.",
                needed=Need.NO,
                lines=True,
                options=(Option(name="yes", label="Yes"), Option(name="no", label="No")),
            ),
            line("a_free_me", "Me: I agree. No one made me."),
            line("a_free_them", "The other person: I agree. No one made me."),
            page_break=True,
        ),
        section(
            "",
            Signature(
                name="a_sign_me", label="Me: sign or make a mark", needed=Need.HARD, width=98
            ),
            Date(name="a_sign_me_on", label="Today's date", needed=Need.HARD),
            Signature(
                name="a_sign_them",
                label="The other person: sign or make a mark",
                needed=Need.HARD,
                width=98,
            ),
            Date(name="a_sign_them_on", label="Today's date", needed=Need.HARD),
        ),
        section(
            "RJ worker fills in this part",
            Signature(
                name="a_prac_sign",
                label="RJ worker signs",
                needed=Need.HARD,
                staff_only=True,
                width=84,
            ),
            Date(name="a_prac_on", label="Date", needed=Need.HARD, staff_only=True),
            staff_only=True,
        ),
    ),
)
