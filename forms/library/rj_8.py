"""RJ-8: what calmed things down on the spot, in six ticks. No story.

Two notes to an A4 sheet, printed on one side and cut apart.
"""

from __future__ import annotations

from forms.fields import (
    A5_SLIP,
    CELL_CHARACTERS,
    PRISON_NUMBER,
    Choice,
    Date,
    FormDefinition,
    Need,
    Option,
    Printed,
    Text,
    Visibility,
    any_of,
    section,
)

MARGIN, COLUMN = 16.0, 33.0
"""Widths of the labels' column and of one of the five columns of tick boxes, mm."""


def _each(**labels: str) -> tuple[Option, ...]:
    return tuple(Option(name=name, label=label, width=COLUMN) for name, label in labels.items())


ON_THE_SPOT = FormDefinition(
    id="rj-8",
    version=1,
    title="On-the-spot note",
    heading="On-the-spot note",
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
            Text(
                name="n_number",
                label="Who",
                needed=Need.HARD,
                visibility=Visibility.IDENTITY,
                boxes=7,
                pattern=PRISON_NUMBER,
                identifies="number",
                person="person_1",
                width=MARGIN + 48,
            ),
            Text(
                name="n_wing",
                label="Wing",
                gutter=9,
                needed=Need.SOFT,
                boxes=4,
                pattern=any_of(CELL_CHARACTERS, 4),
                places=True,
                width=36,
            ),
            Choice(
                name="n_by",
                label="Who wrote it",
                silent=True,
                needed=Need.SOFT,
                options=(
                    Option(name="rep", label="Rep wrote", width=25),
                    Option(name="officer", label="Officer wrote", width=27),
                ),
            ),
            place="top",
        ),
        section(
            "",
            Choice(
                name="n_helped",
                label="What helped?",
                needed=Need.HARD,
                many=True,
                options=_each(
                    moved="Moved away", talked="Talked", phone="Phone call", time_out="Time out"
                ),
            ),
            Date(name="n_date", label="Date", needed=Need.HARD, width=MARGIN + 2 * COLUMN),
            Choice(
                name="n_when",
                label="Part of the day",
                silent=True,
                options=_each(am="AM", pm="PM", ed="ED"),
            ),
            Choice(
                name="n_where",
                label="Where?",
                options=_each(
                    cell="Wing cell",
                    landing="Wing landing",
                    yard="Yard",
                    gym="Gym",
                    education="Education",
                    workshop="Workshop",
                    kitchen="Kitchen",
                    visits="Visits",
                    healthcare="Healthcare",
                    other="Other",
                ),
                columns=5,
            ),
            Choice(
                name="n_staff",
                label="Staff present",
                options=_each(yes="Yes", no="No"),
                width=MARGIN + 2 * COLUMN,
            ),
            Choice(
                name="n_offered",
                label="RJ offered",
                gutter=COLUMN,
                options=_each(yes="Yes", no="No"),
            ),
            Choice(
                name="n_recheck",
                label="See again",
                options=_each(
                    two_hours="In 2 hours", today="Today", tomorrow="Tomorrow", none="No need"
                ),
            ),
        ),
        section(
            "",
            Printed(
                name="not_for",
                label="Not for emergencies",
                style="footer",
                text=(
                    "Not for emergencies. Six ticks, no story. Does not replace IR, CSIP or ACCT. "
                    "Post in RJ box."
                ),
            ),
            place="foot",
        ),
    ),
)
