"""RJ-4: the practitioner's risk and suitability checklist for one party, dated anew at each stage.

Nothing on it is for a wing office or a verifier: every field is for the practitioner's eyes.
"""

from __future__ import annotations

from forms.fields import (
    ALPHANUMERIC,
    Choice,
    Date,
    FormDefinition,
    FreeText,
    Need,
    Option,
    Printed,
    Signature,
    Text,
    Visibility,
    any_of,
    section,
)

LABEL = 26.0
"""Width of the column in which the labels of a row's first question stand, mm."""
SEALED = Visibility.SEALED

LEVELS = (
    Option(name="low", label="Low", width=19),
    Option(name="medium", label="Medium", width=26),
    Option(name="high", label="High", urgent=True, width=20),
)
PROCEEDINGS = (
    Option(name="none", label="None", width=20),
    Option(name="pending", label="Pending", width=26),
    Option(name="done", label="Done", width=20),
)
SCALE = tuple(Option(name=f"score_{n}", label=str(n), width=12.6) for n in range(1, 6))


def _ask(
    name: str,
    label: str,
    *options: Option,
    many: bool = False,
    needed: Need = Need.HARD,
    columns: int = 0,
    gutter: float = LABEL,
    width: float = 0.0,
) -> Choice:
    return Choice(
        name=name,
        label=label,
        options=options,
        many=many,
        needed=needed,
        columns=columns,
        gutter=gutter,
        width=width,
        visibility=SEALED,
    )


def _each(width: float, **labels: str) -> tuple[Option, ...]:
    """Give options of one width, by key."""
    return tuple(Option(name=name, label=label, width=width) for name, label in labels.items())


def _words(
    name: str,
    label: str,
    lines: int,
    *,
    hint: str = "",
    needed: Need = Need.NO,
    gutter: float = LABEL,
    width: float = 0.0,
) -> FreeText:
    return FreeText(
        name=name,
        label=label,
        hint=hint,
        lines=lines,
        needed=needed,
        gutter=gutter,
        width=width,
        visibility=SEALED,
    )


def _on(
    name: str,
    label: str,
    *,
    width: float = 0.0,
    gutter: float = LABEL,
    needed: Need = Need.NO,
    ahead: bool = False,
) -> Date:
    return Date(
        name=name,
        label=label,
        width=width,
        gutter=gutter,
        needed=needed,
        not_future=not ahead,
        earliest_days=0 if ahead else None,
        visibility=SEALED,
    )


def _signs(
    name: str, label: str, *, width: float = 0.0, gutter: float = LABEL, needed: Need = Need.NO
) -> Signature:
    return Signature(
        name=name, label=label, width=width, gutter=gutter, needed=needed, visibility=SEALED
    )


RISK = FormDefinition(
    id="rj-4",
    version=1,
    title="Risk and suitability checklist",
    heading="Risk and suitability",
    style="staff",
    bound=True,
    gap=0.9,
    sections=(
        section(
            "",
            Printed(name="person_name", label="Name", stamp="person_name", width=86, gutter=14),
            Printed(name="person_number", label="Number", stamp="person_number", gutter=18),
            Printed(name="case", label="Case", stamp="case", width=86, gutter=14),
            Printed(name="prison", label="Prison", stamp="establishment", gutter=18),
            place="head",
        ),
        section(
            "",
            _on("r_date", "Seen on", needed=Need.HARD, width=80),
            _ask(
                "r_stage",
                "Stage",
                Option(name="first", label="First", width=19),
                Option(name="before_meeting", label="Before meeting", width=36),
                Option(name="change", label="Change", width=25),
                gutter=12,
            ),
            _ask(
                "r_id",
                "Identity checked face to face",
                Option(name="yes", label="Yes"),
                many=True,
                width=58,
            ),
            _ask(
                "r_sender",
                "Sender",
                Option(name="sent", label="Sent it", width=22),
                Option(name="not_sent", label="Not sent", urgent=True, width=25.5),
                Option(name="alone", label="Was alone", width=27),
                Option(name="no_pressure", label="No pressure", width=30.5),
                many=True,
                gutter=13,
            ),
        ),
        section(
            "",
            _ask(
                "r_na",
                "Keep-apart open?",
                *_each(19, no="No"),
                Option(name="yes", label="Yes", width=19),
                width=70,
            ),
            _ask(
                "r_na_level",
                "Level",
                *_each(24, cell="Cell", landing="Landing", wing="Wing"),
                needed=Need.NO,
                gutter=13,
            ),
            _on("r_na_roll", "Roll of", needed=Need.HARD, width=80),
            _signs("r_na_manager", "If open: manager", gutter=18, width=50),
            _signs("r_na_security", "Security", gutter=15),
        ),
        section(
            "",
            Printed(name="r_alerts_list", label="Alerts", stamp="alerts", gutter=LABEL, lines=2),
            _words("r_alerts", "What we do about each", 3, needed=Need.SOFT),
            _ask(
                "r_acct",
                "ACCT",
                Option(name="none", label="None", width=20),
                Option(name="open", label="Open", width=20),
                Option(name="post_closure", label="Post-closure", width=32),
                width=102,
            ),
            _ask("r_csip", "CSIP", *_each(21, none="None", open="Open"), gutter=13),
            _words("r_case_manager", "Case manager spoken to", 1, width=96),
            _on("r_case_manager_on", "On", gutter=13),
        ),
        section(
            "",
            _ask("r_proc_police", "Police", *PROCEEDINGS, width=93),
            _ask("r_proc_hearing", "Hearing", *PROCEEDINGS, gutter=16),
            _ask("r_proc_other", "Investigation", *PROCEEDINGS, width=93),
            Text(
                name="r_charge",
                label="Charge no.",
                boxes=10,
                pattern=any_of(ALPHANUMERIC, 10),
                needed=Need.NO,
                gutter=16,
                visibility=SEALED,
            ),
        ),
        section(
            "",
            _ask(
                "r_loc",
                "Where they are",
                *_each(
                    38,
                    same_wing="Same wing",
                    same_work="Same work",
                    same_education="Same education",
                    other_prison="Other prison",
                    segregation="Segregation",
                    own_protection="Own protection",
                    apart="None of these",
                ),
                many=True,
                columns=4,
            ),
            _on("r_loc_until", "Release or move", ahead=True),
        ),
        section(
            "",
            _ask(
                "r_power",
                "Power",
                Option(name="debt", label="Debt", width=30.4),
                Option(name="gang", label="Gang", width=30.4),
                Option(name="cell_mate", label="Cell mate", width=30.4),
                Option(name="disability", label="Disability", width=30.4),
                Option(name="age_gap", label="Age gap", width=30.4),
                Option(name="hate", label="Hate motive", width=30.4),
                Option(
                    name="staff_prisoner", label="Staff-prisoner", confidential=True, width=30.4
                ),
                Option(name="sexual_domestic", label="Sexual or domestic", width=30.4),
                Option(name="many_on_one", label="Many on one", width=30.4),
                Option(name="none", label="None", width=30.4),
                many=True,
                columns=5,
            ),
            _ask(
                "r_resp",
                "Accepts part",
                *_each(21, full="Full", some="Some", none="None"),
                width=92,
            ),
            _ask(
                "r_resp_how",
                "Shows",
                Option(name="remorse", label="Remorse", width=24),
                Option(name="blame", label="Blame", width=20.5),
                Option(name="minimising", label="Minimising", width=27),
                many=True,
                needed=Need.NO,
                gutter=12,
            ),
        ),
        section(
            "",
            _words("r_motive_h", "Harmed: why? What is hoped for?", 2, width=96, needed=Need.SOFT),
            _ask("r_motive_h_real", "Realistic?", *SCALE, needed=Need.NO, gutter=16),
            _words(
                "r_motive_r", "Responsible: why? What is hoped for?", 2, width=96, needed=Need.SOFT
            ),
            _ask("r_motive_r_real", "Realistic?", *SCALE, needed=Need.NO, gutter=16),
        ),
        section(
            "",
            _ask("r_emot", "Strain now", *LEVELS),
            _ask(
                "r_emot_what",
                "Part of it",
                Option(name="trauma", label="Trauma", width=30.4),
                Option(name="sleep", label="Sleep", width=30.4),
                Option(name="self_harm", label="Self-harm thoughts", urgent=True, width=30.4),
                Option(name="substances", label="Substances", width=30.4),
                Option(name="medication", label="Medication", width=30.4),
                many=True,
                needed=Need.NO,
            ),
            _ask(
                "r_needs",
                "Needs",
                *_each(
                    30.4,
                    language="Language",
                    interpreter="Interpreter",
                    reading="Reading",
                    neurodiversity="Neuro-diversity",
                    hearing="Hearing",
                    sight="Sight",
                    timing="Timing",
                    room="Room",
                    none="None",
                ),
                many=True,
                columns=5,
            ),
            page_break=True,
        ),
        section(
            "",
            _ask("r_retal", "Threat from other party", *LEVELS, width=92),
            _ask("r_retal_others", "From others", *LEVELS, gutter=17),
            _ask("r_retal_seen", "If seen with us", *LEVELS),
            _words("r_retal_why", "Why", 2),
            _words(
                "r_safe_plan",
                "Safety plan",
                5,
                hint="Moves, staff near, exits, seats, arrival, stop word, 72 h after-care.",
                needed=Need.SOFT,
            ),
        ),
        section(
            "",
            _ask("r_rep", "Rep allowed?", *_each(19, yes="Yes", no="No"), width=70),
            _words("r_rep_who", "Which rep", 1, gutter=16),
            _ask(
                "r_rep_clash",
                "Rep clash",
                *_each(
                    38,
                    none="None",
                    same_wing="Same wing",
                    friend="Friend",
                    co_accused="Co-accused",
                    debt="Debt",
                    keep_apart="Keep-apart",
                    same_incident="Same incident",
                ),
                many=True,
                needed=Need.SOFT,
                columns=4,
            ),
        ),
        section(
            "",
            _ask(
                "r_mode",
                "How",
                Option(name="rep_talk", label="Rep-led talk", width=30.4),
                Option(name="shuttle", label="Messages", width=30.4),
                Option(name="letter", label="Letter", width=30.4),
                Option(name="practitioner", label="Practitioner meeting", width=30.4),
                Option(name="conference", label="Conference (two lead)", width=30.4),
            ),
            _ask(
                "r_level",
                "Level of risk",
                *_each(
                    38, low="Low", medium="Medium", high="High", not_suitable="Not suitable now"
                ),
            ),
            _words("r_support", "Support offered", 1),
            _words(
                "r_benefit", "Does it outweigh the risk of going, and of not?", 2, needed=Need.HARD
            ),
            _signs("r_sign", "Practitioner", needed=Need.HARD, width=89),
            _signs("r_super", "Supervisor", gutter=20),
            _on("r_valid_to", "Valid to", needed=Need.HARD, ahead=True, width=89),
            Printed(
                name="valid",
                label="How long it holds",
                style="footer",
                text="At most 14 days, or until anything changes.",
            ),
        ),
    ),
)
