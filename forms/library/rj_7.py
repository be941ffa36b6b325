"""RJ-7: what a rep is told for one day, and what he tells when he gives it back.

Who, where, why and how to talk are stamped from code lists when a sheet is issued; nothing else
of a case ever stands here. What the rep ticks closes the loop when the sheet is scanned.
"""

from __future__ import annotations

from forms.fields import Choice, FormDefinition, Need, Option, Printed, Section, section

LINES = 6

YES, NO = Option(name="yes", label="Yes", width=20), Option(name="no", label="No", width=19)


def _line(number: int) -> Section:
    """Tell of one person, and ask what came of it; a line that is not used has blank stamps."""
    name = f"line{number}"
    return section(
        "",
        Printed(
            name=f"{name}_who", label=f"{number}. Who", stamp=f"{name}_who", gutter=16, width=66
        ),
        Printed(name=f"{name}_where", label="Where", stamp=f"{name}_where", gutter=14),
        Printed(name=f"{name}_why", label="Why", stamp=f"{name}_why", gutter=16, width=66),
        Printed(name=f"{name}_care", label="Care", stamp=f"{name}_care", gutter=14),
        Choice(
            name=f"{name}_seen",
            label="Seen?",
            needed=Need.NO,
            gutter=16,
            width=62,
            options=(YES, NO),
        ),
        Choice(
            name=f"{name}_goes_on",
            label="Wants to go on?",
            needed=Need.NO,
            gutter=34,
            options=(YES, NO, Option(name="later", label="Later", width=24)),
        ),
        Choice(
            name=f"{name}_worker",
            label="RJ worker today",
            needed=Need.NO,
            many=True,
            options=(Option(name="yes", label="Yes", urgent=True),),
            width=44,
        ),
        Choice(
            name=f"{name}_worry",
            label="Worry",
            needed=Need.NO,
            many=True,
            options=(Option(name="yes", label="Yes", urgent=True),),
            width=28,
        ),
        Choice(
            name=f"{name}_recheck",
            label="See again by",
            needed=Need.NO,
            gutter=27,
            options=(
                Option(name="two_hours", label="2 h", width=20),
                Option(name="today", label="Today", width=25),
                Option(name="tomorrow", label="Tomorrow", width=32),
            ),
        ),
    )


BRIEFING = FormDefinition(
    id="rj-7",
    version=1,
    title="Rep daily sheet",
    heading="Talk It Through",
    style="staff",
    size_pt=11.0,
    gap=0.7,
    from_case=True,
    sections=(
        section(
            "",
            Printed(name="sheet_no", label="Sheet", stamp="serial", width=43, gutter=14),
            Printed(name="rep", label="Rep", stamp="rep", width=56, gutter=12),
            Printed(name="day", label="Date", stamp="day", gutter=11),
            Printed(name="worker", label="RJ worker", stamp="worker", width=80, gutter=22),
            Printed(name="back_by", label="Give back by", stamp="back_by", gutter=27),
            place="head",
        ),
        *(_line(number) for number in range(1, LINES + 1)),
        section(
            "",
            Printed(
                name="b_limit",
                label="Danger",
                style="strong",
                text="Danger, self-harm, weapon, escape: tell RJ worker or officer now.",
            ),
            Printed(
                name="b_apart",
                label="One at a time",
                style="footer",
                text="One at a time. RJ worker sets place and time.",
                width=88,
            ),
            Printed(
                name="do_not",
                label="Rules",
                style="footer",
                text="Do not copy. Do not keep in cell.",
            ),
            place="foot",
        ),
    ),
)
