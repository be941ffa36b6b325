"""RJ-2: an officer refers two people, in under two minutes.

Two slips to an A4 sheet, printed on both sides; a stub with the serial stays with the officer.
"""

from __future__ import annotations

from forms.fields import (
    A5_SLIP,
    ALPHANUMERIC,
    CELL_CHARACTERS,
    DIGIT,
    PRISON_NUMBER,
    Choice,
    Counterfoil,
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
MARGIN = 16.0
"""Width of the column in which the labels stand, mm."""
COLUMN = 33.0
"""Width of one of the five columns in which tick boxes stand, mm."""

ROLES = (
    Option(name="harmed", label="Harmed", width=COLUMN),
    Option(name="responsible", label="Responsible", width=COLUMN),
    Option(name="both", label="Both", width=COLUMN),
    Option(name="not_known", label="Not known", width=COLUMN),
)
CELL = Pattern(allowed=(CELL_CHARACTERS,) * 10, example="B-2-014")
CLOCK = Pattern(allowed=(DIGIT,) * 4, example="1430")


def _person(person: str, says: str, *, needed: Need) -> tuple[FreeText, Text, Text, Choice]:
    """Ask who one of the two people is: a row of the table, and the role on a line below it."""
    return (
        FreeText(
            name=f"{person}_name",
            label=f"{says}: name",
            short="Name",
            needed=needed,
            visibility=Visibility.IDENTITY,
            lines=1,
            person=f"person_{person[1]}",
            width=57.5,
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
            width=46,
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
        Choice(
            name=f"{person}_role",
            label=f"{says}: role",
            short="Role",
            options=ROLES,
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
            Printed(name="prison", label="Prison", stamp="establishment", width=46),
            Printed(name="wing", label="Wing", stamp="wing"),
            place="head",
        ),
        section(
            "",
            Choice(
                name="about_staff",
                label="A member of staff is part of this",
                needed=Need.NO,
                many=True,
                options=(Option(name="yes", label="Yes", confidential=True),),
                width=MARGIN + 2 * COLUMN,
            ),
            Choice(
                name="conf_ref",
                label="Do not say who referred",
                needed=Need.NO,
                many=True,
                options=YES,
            ),
            place="top",
        ),
        section(
            "",
            *_person("p1", "Person 1", needed=Need.HARD),
            *_person("p2", "Person 2", needed=Need.NO),
            rows=("Person 1", "Person 2\n(if known)"),
        ),
        section(
            "",
            Choice(
                name="told",
                label="Person 1 knows about this slip",
                gutter=MARGIN + COLUMN,
                needed=Need.HARD,
                options=(
                    Option(name="yes", label="Yes", width=COLUMN),
                    Option(name="no", label="No", width=COLUMN),
                    Option(name="not_safe", label="Not yet safe to ask", width=2 * COLUMN),
                ),
            ),
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
                        label="Staff-prisoner",
                        confidential=True,
                        width=COLUMN,
                    ),
                    Option(name="tension", label="Tension, no incident yet", width=COLUMN),
                ),
                columns=5,
            ),
        ),
        section(
            "",
            Choice(
                name="need",
                label="Needs",
                gutter=12,
                needed=Need.NO,
                many=True,
                options=(
                    Option(name="interpreter", label="Interpreter", width=COLUMN),
                    Option(name="help_reading", label="Help reading", width=COLUMN),
                    Option(name="other", label="Other", asks_words=True, width=2 * COLUMN),
                ),
            ),
            Printed(
                name="not_for",
                label="Not for emergencies",
                style="footer",
                text=(
                    "Not for emergencies. Does not replace IR, CSIP or ACCT. "
                    "Post in RJ box or scan at wing office; keep stub."
                ),
            ),
            place="foot",
        ),
        section(
            "",
            Date(name="when", label="When?", width=MARGIN + 2 * COLUMN),
            Choice(
                name="when_part",
                label="Part of the day",
                silent=True,
                needed=Need.NO,
                options=(
                    Option(name="am", label="AM", width=22),
                    Option(name="pm", label="PM", width=22),
                    Option(name="ed", label="ED", width=22),
                ),
            ),
            page_break=True,
            place="top",
        ),
        section(
            "",
            Choice(
                name="where",
                label="Where?",
                options=(
                    Option(name="cell", label="Wing cell", width=COLUMN),
                    Option(name="landing", label="Wing landing", width=COLUMN),
                    Option(name="yard", label="Yard", width=COLUMN),
                    Option(name="gym", label="Gym", width=COLUMN),
                    Option(name="education", label="Education", width=COLUMN),
                    Option(name="workshop", label="Workshop", width=COLUMN),
                    Option(name="kitchen", label="Kitchen", width=COLUMN),
                    Option(name="visits", label="Visits", width=COLUMN),
                    Option(name="healthcare", label="Healthcare", width=COLUMN),
                    Option(name="reception", label="Reception", width=COLUMN),
                    Option(name="library", label="Library", width=COLUMN),
                    Option(name="faith", label="Multi-faith", width=COLUMN),
                    Option(name="other", label="Other", asks_words=True, width=3 * COLUMN),
                ),
                columns=5,
            ),
            Choice(
                name="done_already",
                label="Done already?",
                needed=Need.HARD,
                many=True,
                options=(
                    Option(name="ir", label="IR raised", width=27.5),
                    Option(name="on_report", label="Placed on report", width=27.5),
                    Option(name="csip", label="CSIP", width=27.5),
                    Option(name="acct", label="ACCT opened", width=27.5),
                    Option(name="security", label="Security told", width=27.5),
                    Option(name="none", label="None yet", width=27.5),
                ),
            ),
            Text(
                name="refs",
                label="IR / charge no.",
                gutter=MARGIN + COLUMN,
                needed=Need.NO,
                boxes=10,
                pattern=any_of(ALPHANUMERIC, 10),
            ),
            Choice(
                name="risk_now",
                label="Risk today?",
                needed=Need.HARD,
                options=(
                    Option(name="none_seen", label="None seen", width=COLUMN),
                    Option(name="some", label="Some", width=COLUMN),
                    Option(
                        name="high",
                        label="High - I have told the Orderly Officer",
                        urgent=True,
                        width=3 * COLUMN,
                    ),
                ),
            ),
            FreeText(
                name="line",
                label="One line: what you saw or heard (facts only)",
                gutter=MARGIN + COLUMN,
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
                gutter=18,
                needed=Need.HARD,
                visibility=Visibility.IDENTITY,
                lines=1,
                width=86,
            ),
            Text(
                name="off_id",
                label="Staff no.",
                gutter=15,
                needed=Need.HARD,
                visibility=Visibility.IDENTITY,
                boxes=8,
                pattern=any_of(ALPHANUMERIC, 8),
            ),
            Signature(
                name="off_sign", label="Sign", gutter=18, needed=Need.HARD, width=55.5, new_row=True
            ),
            Date(name="off_date", label="Date", gutter=9, needed=Need.HARD, width=62.5),
            Text(
                name="off_time",
                label="Time",
                gutter=9,
                needed=Need.NO,
                boxes=4,
                pattern=CLOCK,
            ),
            place="foot",
        ),
    ),
    counterfoil=Counterfoil(text="Keep this stub. The code of this slip is {code}."),
)
