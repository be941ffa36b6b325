"""RJ-0: the seed sheet. Volunteers write given characters, and the readers learn from them.

Every letter stands five times or more and every digit and sign four times or more, in the boxes
of RJ-1 (8 x 10 mm, and 6.4 x 9 mm for names) and of RJ-2 (5 x 7 mm): in the usual order, mixed,
and in words, because people write each of them differently. Letters and digits stand apart, so
that nobody takes a nought for an O. There is no place for a name: the serial alone says which
sheets are one writer's.
"""

from __future__ import annotations

from forms.fields import (
    DRAWN,
    Choice,
    FormDefinition,
    Need,
    Option,
    Printed,
    Text,
    section,
    sorts_of,
)
from forms.wording import LANGUAGES

NAME_BOX = (6.4, 9.0)
"""As RJ-1 asks for names, mm."""
SLIP_BOX = (5.0, 7.0)
"""As RJ-2 asks for everything, mm."""
TIMES = 3
"""How often each mark is asked for."""


def _copy(name: str, label: str, *rows: str, box: tuple[float, float] | None = None) -> Text:
    """Ask for rows of characters; a space is a gap."""
    told = "".join(rows).replace(" ", "")
    return Text(
        name=name,
        label=label,
        needed=Need.NO,
        boxes=len(told),
        pattern=sorts_of(told),
        box=box,
        above=rows,
    )


_SHOWN = {
    "tick": ("Tick", "check"),
    "cross": ("Cross", "x"),
    "line": ("Line", "slash"),
    "fill": ("Fill it in", "square-filled"),
}
"""Each mark's word and picture."""


def _marks() -> Choice:
    """Ask for each mark several times, a column to a mark."""
    return Choice(
        name="marks",
        label="5. Last, make these marks in the boxes.",
        needed=Need.NO,
        many=True,
        options=tuple(
            Option(name=f"{mark}_{n}", label=_SHOWN[mark][0], icon=_SHOWN[mark][1], draw=mark)
            for n in range(1, TIMES + 1)
            for mark in DRAWN
        ),
        columns=len(DRAWN),
    )


SEED_SHEET = FormDefinition(
    id="rj-0",
    version=1,
    title="Seed sheet",
    languages=tuple(LANGUAGES),
    heading="Your writing",
    intro="This helps the machine to read handwriting.",
    seed=True,
    gap=3.0,
    sections=(
        section(
            "",
            Printed(
                name="no_name",
                label="No name",
                style="strong",
                text="Write as you always do. Do not write your name.",
            ),
            place="head",
        ),
        section(
            "",
            _copy(
                "in_order",
                "1. Write in each box what stands above it.",
                "ABCDEFGHIJKLMNOPQRS",
                "TUVWXYZ 0123456789 '-",
            ),
            _copy(
                "mixed",
                "2. And again, mixed up.",
                "GWBQNCXIZFMPTAKVHSE",
                "RJYLDUO 4709283615 -'",
            ),
            _copy(
                "words",
                "3. Now some words.",
                "THE QUICK BROWN FOX JUMPS",
                "OVER A LAZY DOG - IT'S OK",
                box=NAME_BOX,
            ),
            _copy(
                "small",
                "4. And all again, two times.",
                "ABCDEFGHIJKLM NOPQRSTUVWXYZ",
                "KXRUCZEJQBWFO YTGNAVPMLSHDI",
                "0123456789 '- 6302917584 -'",
                box=SLIP_BOX,
            ),
            _marks(),
        ),
        section(
            "",
            Printed(
                name="mistakes",
                label="Mistakes",
                text="A mistake? Cross it out. You can leave boxes empty.",
            ),
            Printed(name="thanks", label="Thanks", style="strong", text="Thank you."),
            place="foot",
        ),
    ),
)
