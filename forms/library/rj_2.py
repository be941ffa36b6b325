"""RJ-2: an officer refers two people, in under two minutes. Two slips to an A4 sheet."""

from __future__ import annotations

from forms.fields import (
    A5_SLIP,
    ALPHANUMERIC,
    CELL_CHARACTERS,
    PRISON_NUMBER,
    Choice,
    Date,
    FormDefinition,
    FreeText,
    Need,
    Option,
    Pattern,
    Printed,
    Signature,
    Text,
    Visibility,
    any_of,
    section,
)

YES = (Option(name="yes", label="Yes"),)
COLUMN = 27.4
"""Width of one of the six columns in which tick boxes stand, mm."""

ROLES = (
    Option(name="harmed", label="Harmed"),
    Option(name="responsible", label="Responsible"),
    Option(name="both", label="Both"),
    Option(name="not_known", label="Not known"),
)
CELL = Pattern(allowed=(CELL_CHARACTERS,) * 10, example="B-2-014")


def _person(person: str, says: str, *, needed: Need) -> tuple[FreeText, Choice, Text, Text]:
    """Ask who one of the two people is: a row of the table."""
    return (
        FreeText(
            name=f"{person}_name",
            label=f"{says}: name",
            short="Name",
            needed=needed,
            visibility=Visibility.IDENTITY,
            lines=1,
            width=40.4,
        ),
        Choice(
            name=f"{person}_role",
            label=f"{says}: role",
            short="Role",
            options=ROLES,
            width=37.5,
        ),
        Text(
            name=f"{person}_number",
            label=f"{says}: prison number",
            short="Prison number",
            needed=needed,
            visibility=Visibility.IDENTITY,
            boxes=7,
            pattern=PRISON_NUMBER,
            identifies="number",
            person=f"person_{person[1]}",
            width=43,
        ),
        Text(
            name=f"{person}_cell",
            label=f"{says}: wing and cell",
            short="Wing and cell",
            needed=needed,
            visibility=Visibility.IDENTITY,
            boxes=10,
            pattern=CELL,
            places=True,
            identifies="cell",
            person=f"person_{person[1]}",
        ),
    )


OFFICER_REFERRAL = FormDefinition(
    id="rj-2",
    version=1,
    title="Officer referral slip",
    heading="Referral slip",
    style="staff",
    page=A5_SLIP,
    sections=(
        section(
            "",
            Printed(name="prison", label="Prison", stamp="establishment", width=42),
            Printed(name="wing", label="Wing", stamp="wing"),
            Choice(
                name="about_staff",
                label="A member of staff is part of this",
                needed=Need.NO,
                many=True,
                options=(Option(name="yes", label="Yes", confidential=True),),
                width=40,
                new_row=True,
            ),
            Choice(
                name="conf_ref",
                label="Do not say who referred",
                needed=Need.NO,
                many=True,
                options=YES,
                width=34,
            ),
            Choice(
                name="need",
                label="Needs",
                needed=Need.NO,
                many=True,
                options=(
                    Option(name="interpreter", label="Interpreter"),
                    Option(name="help_reading", label="Help reading"),
                    Option(name="other", label="Other", asks_words=True),
                ),
            ),
            place="head",
        ),
        section(
            "",
            *_person("p1", "Person 1", needed=Need.HARD),
            *_person("p2", "Person 2", needed=Need.NO),
            rows=("Person 1", "Person 2 if known"),
        ),
        section(
            "",
            Choice(
                name="type",
                label="What? Tick any.",
                needed=Need.HARD,
                many=True,
                options=(
                    Option(name="argument", label="Argument", width=COLUMN),
                    Option(name="threat", label="Threat", width=COLUMN),
                    Option(name="fight", label="Fight", width=COLUMN),
                    Option(name="assault", label="Assault", width=COLUMN),
                    Option(name="bullying", label="Bullying", width=COLUMN),
                    Option(name="debt", label="Debt", width=COLUMN),
                    Option(name="property", label="Property", width=COLUMN),
                    Option(name="cell_mate", label="Cell mate", width=COLUMN),
                    Option(
                        name="staff_prisoner",
                        label="Staff and prisoner",
                        confidential=True,
                        width=COLUMN,
                    ),
                    Option(name="tension", label="Tension, no incident yet", width=2 * COLUMN),
                ),
                columns=6,
            ),
            Date(name="when", label="When?", width=66.9),
            Choice(
                name="when_part",
                label="Part of the day",
                silent=True,
                needed=Need.NO,
                options=(
                    Option(name="am", label="AM"),
                    Option(name="pm", label="PM"),
                    Option(name="ed", label="Eve"),
                ),
                width=45.2,
            ),
            Text(
                name="refs",
                label="IR / charge no.",
                gutter=9.2,
                needed=Need.NO,
                boxes=10,
                pattern=any_of(ALPHANUMERIC, 10),
            ),
            Choice(
                name="where",
                label="Where?",
                options=(
                    Option(name="cell", label="Cell", width=COLUMN),
                    Option(name="landing", label="Wing or landing", width=COLUMN),
                    Option(name="yard_gym", label="Yard or gym", width=COLUMN),
                    Option(name="work_classes", label="Work or classes", width=COLUMN),
                    Option(name="visits", label="Visits", width=COLUMN),
                    Option(name="other", label="Other", asks_words=True, width=COLUMN),
                ),
                columns=6,
            ),
            Choice(
                name="done_already",
                label="Done already?",
                needed=Need.HARD,
                many=True,
                options=(
                    Option(name="ir", label="IR raised", width=COLUMN),
                    Option(name="on_report", label="Placed on report", width=COLUMN),
                    Option(name="csip", label="CSIP", width=COLUMN),
                    Option(name="acct", label="ACCT opened", width=COLUMN),
                    Option(name="security", label="Security told", width=COLUMN),
                    Option(name="none", label="None yet", width=COLUMN),
                ),
                columns=6,
            ),
            Choice(
                name="risk_now",
                label="Risk today?",
                needed=Need.HARD,
                options=(
                    Option(name="none_seen", label="None seen", width=COLUMN),
                    Option(name="some", label="Some", width=18),
                    Option(
                        name="high",
                        label="High - I have told the Orderly Officer",
                        urgent=True,
                        width=36,
                    ),
                ),
                width=16 + 3 * COLUMN,
            ),
            Choice(
                name="told",
                label="Person 1 knows about this slip",
                gutter=23,
                needed=Need.HARD,
                options=(
                    Option(name="yes", label="Yes", width=15),
                    Option(name="no", label="No", width=14),
                    Option(name="not_safe", label="Not yet safe to ask", width=29),
                ),
            ),
            FreeText(
                name="line",
                label="One line: what you saw or heard (facts only)",
                gutter=37,
                needed=Need.NO,
                lines=1,
                limit=160,
            ),
        ),
        section(
            "",
            FreeText(
                name="off_name",
                label="Your name",
                needed=Need.HARD,
                visibility=Visibility.IDENTITY,
                lines=1,
                width=84,
            ),
            Text(
                name="off_id",
                label="Staff no.",
                needed=Need.HARD,
                visibility=Visibility.IDENTITY,
                boxes=8,
                pattern=any_of(ALPHANUMERIC, 8),
            ),
            Signature(name="off_sign", label="Sign", needed=Need.HARD, width=84, new_row=True),
            Date(name="off_date", label="Date", needed=Need.HARD),
            place="foot",
        ),
    ),
    footer=(
        "Not for emergencies. Does not replace IR, CSIP or ACCT. "
        "Post in RJ box or scan at wing office."
    ),
)
