"""What the papers of a pack say."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from forms import library
from forms.fields import Fillable
from forms.pack_paper import PackPaper, PaperPart
from kiosk.staff import wording
from kiosk.staff.speech import _
from kiosk.widgets import say
from pipeline.case_acts import Done, Role, Stage
from pipeline.cases import Consent, Step
from pipeline.packs import (
    Attendance,
    CaseOfHis,
    HandedOver,
    Happened,
    Kept,
    Left,
    RecordOfHis,
    Subject,
)

KINDS: Mapping[str, str] = {
    "hearing": "Confirmation of attendance",
    "handover": "Handover to another prison",
    "subject": "What is kept about somebody",
}

REASONS: Mapping[str, str] = {
    "request": "He asked for it himself",
    "complaint": "A complaint, or the ombudsman",
    "solicitor": "His solicitor, with his written consent",
    "other": "Another reason",
}

LEFT: Mapping[Left, str] = {
    Left.OTHER_PARTY: "It is about another person, or another person's.",
    Left.WHO_REFERRED: "It says who referred him.",
    Left.NOT_TOLD: "He has not been told of it yet: talk to the data protection officer.",
    Left.OWN_WORDS: "He wrote it himself. Look at the picture; give what names nobody else.",
    Left.OFFICER_WORDS: "An officer or a rep wrote it, and it may name others.",
    Left.RISK: "It weighs risk, for both sides.",
    Left.SECURITY: "It comes from alerts, security or keep-apart lists.",
    Left.PAUSE: "It says why a case rested, which may be the other person's reason.",
    Left.REASON: "It says why a case was to be closed, which may be the other person's reason.",
    Left.REP: "It is about a rep, who is a prisoner.",
    Left.ELSEWHERE: "It is kept under another prison or wing: ask there.",
}

STEPS: Mapping[Step, str] = {
    Step.RECEIVED: "Received; nobody has looked at it yet",
    Step.TRIAGED: "Looked at by a practitioner",
    Step.SENDER_CONFIRMED: "Asked face to face whether he wants it",
    Step.OFFERED: "Offered, waiting for consents",
    Step.CONSENTED: "All have consented",
    Step.ASSESSED: "Risk has been weighed",
    Step.PREPARING: "Being prepared",
    Step.BOOKED: "A time is booked",
    Step.IN_PROGRESS: "Under way",
    Step.AGREED: "It took place, and there is a plan",
    Step.NO_AGREEMENT: "It took place, without a plan",
    Step.FOLLOW_UP: "Being followed up",
    Step.CLOSED: "Closed",
}

_EARLY = frozenset({Step.CONSENTED, Step.ASSESSED, Step.PREPARING, Step.OFFERED})
"""Steps that would say what the other side has answered: told as one."""
EARLY = "Consents and risk are being worked on"

ROLES: Mapping[Role, str] = {
    Role.HARMED: "Harmed",
    Role.RESPONSIBLE: "Responsible",
    Role.BOTH: "Both",
    Role.WITNESS: "Witness",
    Role.UNKNOWN: "Not known",
}

STAGES: Mapping[Stage, str] = {
    Stage.SAME_DAY: "The same day",
    Stage.DAYS_7: "After 7 days",
    Stage.DAYS_28: "After 28 days",
    Stage.DAYS_84: "After 84 days",
}

DONE: Mapping[Done, str] = {
    Done.DONE: "Done",
    Done.PART: "In part",
    Done.NOT_DONE: "Not done",
    Done.CHANGED: "Changed",
}

HAPPENED: Mapping[str, str] = {
    "asked": "You asked for it.",
    "asked-again": "You asked again.",
    "triaged": "A practitioner took it on.",
    "party-named": "Somebody wrote down who you are.",
    "seen": "Somebody went to see you.",
    "sender-confirmed": "You were asked face to face whether you want it.",
    "offered": "You were told of it, and asked whether you want to take part.",
    "consent-taken": "You said yes and no on the consent form.",
    "withdrew": "You asked to stop, or for something less.",
    "slip-was-none": "A slip of yours was no withdrawal.",
    "prepared": "You were prepared.",
    "booked": "A time was booked.",
    "unbooked": "That time was cancelled.",
    "begun": "It began.",
    "met": "You came.",
    "agreement": "A plan was written down.",
    "followed-up": "Somebody went back to see how you were.",
    "urgency-met": "Somebody was with you the same day.",
    "moved": "You moved.",
    "released": "You were released.",
    "on-the-spot": "Somebody helped at once.",
    "answered": "You were told how far it was.",
    "promised": "You were given a new day.",
    "closed": "It was closed.",
    "reopened": "It was opened again.",
}
"""What happened to whoever is given what is kept about him."""

NEEDS: Mapping[str, str] = {
    "reading": "Help with reading",
    "help_reading": "Help with reading",
    "writing": "Help with writing",
    "hearing": "Help with hearing",
    "seeing": "Help with seeing",
    "taking_in": "Time to take things in",
    "interpreter": "An interpreter",
    "other": "Another need: ask him",
}

LEFT_OUT = "[left out]"


def hearing(
    came: Attendance, name: str, number: str, more: Mapping[str, str], foot: str
) -> PackPaper:
    """Confirm that somebody came, and how many times. Nothing else."""
    days = ", ".join(wording.day(each) for each in came.days) or _("None")
    rows = (
        (_("Name"), name),
        (_("Prison number"), number),
        (_("Activity"), more.get("activity", "")),
        (_("Who monitors it"), more.get("monitor", "")),
        (_("Sessions attended"), str(len(came.days))),
        (_("Dates"), days),
    )
    parts = (PaperPart(rows=rows, signs=(_("Signed, name and date"),)),)
    return PackPaper(title=_(KINDS["hearing"]), foot=foot, parts=parts)


def handover(
    handed: Sequence[HandedOver],
    name: str,
    number: str,
    to: str,
    names: Mapping[str, str],
    foot: str,
) -> PackPaper:
    """Tell the next prison where somebody's cases stand: his side alone."""
    first = PaperPart(
        rows=((_("Name"), name), (_("Prison number"), number), (_("To"), to)),
        lines=(
            _("This is his side alone. Whoever else is part of it is not named here."),
            _("See him within three working days, alone, and ask him whether he wants to go on."),
        ),
    )
    parts = [first]
    for each in handed:
        parts.append(_handed(each, names))
        if each.due:
            parts.append(_letter(each))
    if not handed:
        parts.append(PaperPart(lines=(_("No case of his is open that he knows of."),)))
    parts.append(PaperPart(signs=(_("Handed over by, name and date"), _("Taken over by"))))
    return PackPaper(title=_(KINDS["handover"]), foot=foot, parts=tuple(parts))


def _handed(each: HandedOver, names: Mapping[str, str]) -> PaperPart:
    rows = [
        (_("How far it is"), _(EARLY) if each.step in _EARLY else _(STEPS[each.step])),
        (_("Since"), wording.day(each.since)),
        (_("His part"), _(ROLES[each.role])),
        (_("Practitioner"), names.get(each.practitioner, each.practitioner) or _("Nobody yet")),
        (_("Seen first"), wording.day(each.seen_first) if each.seen_first else _("Not yet")),
        (_("Consent"), consent_in_words(each.consent)),
    ]
    wants = [
        text
        for holds, text in (
            (each.urgent, _("He has to be seen today.")),
            (each.stopped, _("He does not want to go on. Do not ask him to.")),
            (each.letters_only, _("He wants letters only.")),
            (each.quiet, _("Send him plain slips.")),
            (each.no_rep, _("Tell no prisoner rep.")),
        )
        if holds
    ]
    if wants:
        rows.append((_("What he wants"), " ".join(wants)))
    needs = [_(NEEDS[need]) for need in each.needs if need in NEEDS]
    if each.language:
        needs.append(_("Speaks best: {language}", language=each.language.capitalize()))
    rows.append((_("Needs"), ", ".join(dict.fromkeys(needs)) or _("None named")))
    rows += [(_("A promise of his"), promise_in_words(promise)) for promise in each.promises]
    return PaperPart(heading=_("Case {case}", case=each.case), rows=tuple(rows))


def _letter(each: HandedOver) -> PaperPart:
    rows = []
    for stage, day in each.due.items():
        late = _(" (late)") if stage in each.late else ""
        rows.append((_(STAGES[stage]), wording.day(day) + late))
    return PaperPart(
        heading=_("Please go back to him"),
        lines=(
            _(
                "He took part. Somebody has to go back to him by these days, alone, and ask how he "
                "is and whether he feels safe."
            ),
        ),
        rows=tuple(rows),
    )


def consent_in_words(consent: Consent | None) -> str:
    """Say from when until when somebody's consent holds, and whether he took it back."""
    if consent is None:
        return _("Not asked yet")
    if consent.ended_at is not None:
        return _("Taken back {day}", day=wording.day(consent.ended_at.date()))
    return _(
        "Signed {day}, holds until {until}",
        day=wording.day(consent.signed_on),
        until=wording.day(consent.until),
    )


def promise_in_words(promise: Kept) -> str:
    """Say until when a promise is to be kept, and what became of it."""
    until = wording.day(promise.until) if promise.until else _("no day")
    done = _(DONE[promise.done]) if promise.done else _("not looked at yet")
    return _("until {day}: {done}", day=until, done=done)


# What is kept about somebody


def subject_data(what: Subject, number: str, today: date) -> dict[str, object]:
    """Put what is kept about somebody into words, as plain data.

    How much was left out and why is for whoever looks it through: it would tell him of cases that
    he has not been told of, and that there are alerts.
    """
    return {
        "prison_number": number,
        "made": today.isoformat(),
        "cases": [_case(each) for each in what.cases],
        "forms": [_record(each) for each in what.records],
        "own_words": bool(what.left.get(Left.OWN_WORDS)),
        "printed_for_you": [
            {"form": _form_title(form), "day": day.isoformat()} for form, day in what.issued
        ],
    }


def _case(each: CaseOfHis) -> dict[str, object]:
    return {
        "case": each.case,
        "your_part": _(ROLES[each.role]),
        "what_happened": [_happened(one) for one in each.happened],
        "consents": [
            {
                "day": (one.signed_on or one.at.date()).isoformat(),
                "until": one.until.isoformat(),
                "language": one.language,
                "said": {_consent_line(one.wording, name): v for name, v in one.said.items() if v},
            }
            for one in each.consents
        ],
        "follow_ups": [
            {
                "day": one.at.date().isoformat(),
                "after": _(STAGES[one.stage]),
                "safe": one.safe,
                "well": one.well,
            }
            for one in each.follow_ups
        ],
        "promises": [promise_in_words(one) for one in each.promises],
    }


def _happened(one: Happened) -> dict[str, object]:
    told: dict[str, object] = {"day": one.day.isoformat(), "what": _(HAPPENED[one.code])}
    if one.until is not None:
        told["for_or_until"] = one.until.isoformat()
    return told


def _record(each: RecordOfHis) -> dict[str, object]:
    asked = {f.name: f for f in library.definition(each.form, each.version).fillable()}
    return {
        "form": _form_title(each.form),
        "code": each.record,
        "day": each.day.isoformat(),
        "answers": [
            {"question": _label(asked[name]), "answer": say(asked[name], value)}  # type: ignore[arg-type]
            for name, value in each.answers
            if name in asked
        ],
    }


def _label(asked: Fillable) -> str:
    return _(asked.label) or asked.name


def _form_title(form: str) -> str:
    found = next((each for each in library.FORMS if each.id == form), None)
    return f"{form.upper()} {_(found.title)}" if found else form.upper()


def _consent_line(wording_id: str, name: str) -> str:
    form, _slash, version = wording_id.partition("/")
    try:
        asked = {f.name: f for f in library.definition(form, int(version)).fillable()}
    except (LookupError, ValueError):
        return name
    return _label(asked[name]) if name in asked else name


def without(data: dict[str, object], forbidden: Collection[str]) -> tuple[dict[str, object], int]:
    """Take out of data every string that names somebody else; give it, and how many there were.

    It is the last net: nothing that it catches should have come so far.
    """
    names = [re.escape(each) for each in sorted(forbidden, key=len, reverse=True) if each.strip()]
    if not names:
        return data, 0
    found = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(names)})(?!\w)")
    caught = 0

    def clean(value: object) -> object:
        nonlocal caught
        if isinstance(value, str) and found.search(value):
            caught += 1
            return LEFT_OUT
        if isinstance(value, dict):
            return {key: clean(each) for key, each in value.items()}
        if isinstance(value, list):
            return [clean(each) for each in value]
        return value

    cleaned = {key: clean(each) for key, each in data.items()}
    return cleaned, caught


def left_in_words(left: Mapping[Left, int]) -> list[tuple[str, int]]:
    """Say how much was left out, by why."""
    return [(_(LEFT[why]), left[why]) for why in Left if left.get(why)]


def subject(data: Mapping[str, object], number: str, foot: str) -> PackPaper:
    """Put what is kept about somebody on paper."""
    parts = [
        PaperPart(
            rows=((_("Prison number"), number), (_("Made on"), str(data["made"]))),
            lines=(
                _(
                    "This is what the service keeps about you. What is about other people is left "
                    "out."
                ),
                _("If you think that something is wrong or missing, ask to talk about it."),
            ),
        )
    ]
    for form in _listed(data["forms"]):
        answers = [(str(a["question"]), str(a["answer"])) for a in _listed(form["answers"])]
        heading = f"{form['form']}, {form['day']}"
        parts.append(PaperPart(heading=heading, rows=tuple(answers)))
    for case in _listed(data["cases"]):
        rows = [(str(one["day"]), _dated(one)) for one in _listed(case["what_happened"])]
        for one in _listed(case["consents"]):
            said = one["said"]
            assert isinstance(said, dict)
            until = _("Consent until {day}", day=str(one["until"]))
            words = "; ".join(f"{name}: {value}" for name, value in said.items())
            rows.append((f"{one['day']} {until}", words))
        for one in _listed(case["follow_ups"]):
            faces = _("safe {safe}, well {well} (of 5)", safe=one["safe"], well=one["well"])
            rows.append((f"{one['day']} {one['after']}", faces))
        promises = case["promises"]
        assert isinstance(promises, list)
        rows += [(_("A promise of yours"), str(one)) for one in promises]
        heading = _("Case {case}", case=str(case["case"]))
        parts.append(PaperPart(heading=heading, rows=tuple(rows)))
    printed = [(str(one["day"]), str(one["form"])) for one in _listed(data["printed_for_you"])]
    if printed:
        parts.append(PaperPart(heading=_("Forms printed for you"), rows=tuple(printed)))
    left = [_("What is about other people, or was told to us in confidence, is not in here.")]
    if data["own_words"]:
        left.append(_("Nor is what you wrote or drew yourself: ask, and somebody shows you."))
    parts.append(PaperPart(heading=_("What is left out"), lines=tuple(left)))
    return PackPaper(title=_("What is kept about you"), foot=foot, parts=tuple(parts))


def _dated(one: Mapping[str, object]) -> str:
    until = one.get("for_or_until")
    return f"{one['what']} ({until})" if until else str(one["what"])


def _listed(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value
