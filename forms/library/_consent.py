"""What the two consent forms share: the same promise, asked of the harmed and the responsible."""

from __future__ import annotations

from forms.fields import (
    Choice,
    Date,
    Fillable,
    FreeText,
    Need,
    Option,
    Printed,
    Section,
    Signature,
    Visibility,
    section,
)

YES = Option(name="yes", label="Yes")
NO = Option(name="no", label="No")
YES_NO = (YES, NO)

TOLD_THE_HEARING = "You may tell the hearing that I came, and how many times. Not what I said."


def line(
    name: str,
    label: str,
    *more: Option,
    needed: Need = Need.HARD,
    statement: tuple[str, ...] = (),
    hint: str = "",
) -> Choice:
    """Ask for agreement to one named thing: a person always opens the image."""
    return Choice(
        name=name,
        label=label,
        hint=hint,
        needed=needed,
        options=(*YES_NO, *more),
        lines=True,
        consent=True,
        always_seen=True,
        statement=statement,
    )


def who() -> Section:
    """Say whose form it is: stamped when the copy is issued."""
    return section(
        "",
        Printed(name="person_name", label="Name", stamp="person_name", width=110),
        Printed(name="person_number", label="Prison number", stamp="person_number"),
    )


def limits() -> Section:
    """Say what cannot be kept private, before anything is agreed to."""
    return section(
        "What we must tell staff",
        line(
            "limits",
            "I understand what you must tell staff.",
            statement=(
                "We keep it private. But we must tell staff if:",
                "- someone may be badly hurt;",
                "- a child is at risk;",
                "- there is a plan to escape;",
                "- there is a weapon or drugs plan;",
                "- there is a serious crime we did not know of;",
                "- or the law says so.",
            ),
        ),
    )


def share(*extra: Choice) -> Section:
    """Ask who may be told what."""
    return section(
        "Who may know",
        line("c_share_safer", "You may tell Safer Custody that I take part.", needed=Need.SOFT),
        *extra,
        Choice(
            name="c_share_agree",
            label="You may show our plan to:",
            hint="Tick any.",
            many=True,
            consent=True,
            always_seen=True,
            options=(
                Option(name="pom", label="POM"),
                Option(name="key_worker", label="Key worker"),
                Option(name="wing_manager", label="Wing manager"),
                Option(name="no_one", label="No one"),
            ),
            columns=4,
        ),
        line(
            "c_research",
            "You may use my answers, with no name, to make this better.",
            needed=Need.NO,
        ),
    )


def kept() -> Section:
    """Say how long answers are kept, before anything is signed."""
    return section(
        "",
        Printed(
            name="keep",
            label="How long we keep this",
            style="notice",
            stamp="keep_years",
            text="We keep this for {keep_years} years. You can ask to see it.",
        ),
    )


def steps() -> tuple[Fillable, ...]:
    """Ask about each step, one by one."""
    return (
        line("c_contact", "You may ask the other person if they want to take part."),
        line("c_name", "You may tell them my name.", needed=Need.SOFT),
        line("c_msg", "You may pass on what I say, when I say it is OK.", needed=Need.SOFT),
        line("c_letter", "You may read my letter first and pass it on.", needed=Need.SOFT),
        line(
            "c_meet",
            "I may be in one room with them, with help.",
            Option(name="not_yet", label="Not yet"),
            needed=Need.SOFT,
            hint="We will ask you again on the day.",
        ),
    )


def helpers() -> tuple[Fillable, ...]:
    """Ask who may help."""
    return (
        line("c_rep", "A prisoner rep may help.", needed=Need.SOFT),
        line(
            "c_rep_what",
            "The rep may know only: my name, where I am, and that I want to talk.",
            needed=Need.SOFT,
        ),
        line(
            "rep_not_listener",
            "I understand what a rep is.",
            needed=Need.SOFT,
            statement=(
                "A rep is not a Listener. A rep must pass on danger. "
                "For private talk ask for a Listener.",
            ),
        ),
        FreeText(
            name="c_supporter",
            label="I want this person with me:",
            needed=Need.NO,
            visibility=Visibility.IDENTITY,
            lines=1,
        ),
    )


def signed() -> Section:
    """End the person's own part."""
    return section(
        "Sign",
        Signature(name="sign", label="Sign or make a mark", needed=Need.HARD, width=98),
        Date(name="date", label="Today's date", needed=Need.HARD),
    )


def staff_part() -> Section:
    """Keep what the practitioner answers, in the shaded part."""
    return section(
        "RJ worker fills in this part",
        Choice(
            name="teach_back",
            label="Said back in own words:",
            hint="Tick what was said.",
            needed=Need.HARD,
            staff_only=True,
            many=True,
            options=(
                Option(name="choice", label="Choice"),
                Option(name="stop", label="Stop"),
                Option(name="limits", label="Limits"),
            ),
            columns=3,
        ),
        Choice(
            name="capacity",
            label="Calm, sober, able to follow today",
            hint="If No: stop, and book another day.",
            needed=Need.HARD,
            staff_only=True,
            lines=True,
            options=YES_NO,
        ),
        Choice(
            name="how_read",
            label="How was it read?",
            hint="Tick any.",
            needed=Need.HARD,
            staff_only=True,
            many=True,
            options=(
                Option(name="alone", label="Read alone"),
                Option(name="aloud", label="Read aloud"),
                Option(name="easy_read", label="Easy Read"),
                Option(name="audio", label="Audio"),
                Option(name="interpreter", label="Interpreter"),
            ),
            columns=3,
        ),
        FreeText(
            name="interp",
            label="Interpreter: name or ID",
            needed=Need.NO,
            staff_only=True,
            visibility=Visibility.IDENTITY,
            lines=1,
            width=84,
        ),
        FreeText(
            name="interp_language",
            label="Language",
            needed=Need.NO,
            staff_only=True,
            lines=1,
        ),
        Choice(
            name="interp_how",
            label="The interpreter was",
            needed=Need.NO,
            staff_only=True,
            options=(
                Option(name="phone", label="By phone"),
                Option(name="in_person", label="In person"),
            ),
            width=84,
        ),
        Choice(
            name="interp_free",
            label="Not a prisoner, not linked to the case",
            needed=Need.NO,
            staff_only=True,
            many=True,
            options=(YES,),
        ),
        Signature(
            name="prac_sign",
            label="RJ worker signs",
            needed=Need.HARD,
            staff_only=True,
            width=84,
        ),
        Date(
            name="review_on",
            label="Ask again by",
            hint="Within 28 days.",
            needed=Need.HARD,
            staff_only=True,
            not_future=False,
            earliest_days=0,
        ),
        staff_only=True,
        page_break=True,
    )
