"""What a verified form says to a case: each form becomes the acts that it stands for.

A form says nothing that nobody has verified. What it does not say is left open, and whatever is
doubtful is taken the safe way: a withdrawal slip on which something stands, but no wish that could
be told, stops everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.case_acts import (
    Act,
    Agreement,
    Assessed,
    BriefBack,
    ConsentTaken,
    Done,
    FollowedUp,
    Level,
    Mode,
    OnTheSpot,
    Party,
    Pause,
    Paused,
    Promise,
    Received,
    Role,
    SenderConfirmed,
    SlipWasNone,
    Stage,
    Urged,
    Wish,
    Withdrew,
)
from pipeline.cases import LIMITS, Limits
from pipeline.kept import Answer, KeptRecord
from pipeline.promises import day_of
from pipeline.stages import State

REFERRALS = frozenset({"rj-1", "rj-2"})
"""Forms that somebody asks with: each opens a case, or is one more ask in it."""

OF_A_CASE = frozenset({"rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-5", "rj-6", "rj-7", "rj-8"})
"""Forms that belong to a case there is already."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """The answers of a verified record.

    Attributes:
        record: its id.
        form: form id and version, such as "rj-3h/1".
        answers: by field, each with who decided on it.
        at, by: when it was verified, and by whom.
    """

    record: str
    form: str
    version: int
    language: str
    answers: Mapping[str, Answer]
    urgent: bool
    confidential: bool
    at: datetime
    by: str

    def one(self, field: str) -> str:
        """Give the only thing ticked, or what is written; "" for nothing or several."""
        value = self._value(field)
        if isinstance(value, tuple | list):
            return str(value[0]) if len(value) == 1 else ""
        return value if isinstance(value, str) else ""

    def many(self, field: str) -> tuple[str, ...]:
        """Give all that is ticked."""
        value = self._value(field)
        if isinstance(value, tuple | list):
            return tuple(str(each) for each in value)
        return (value,) if isinstance(value, str) else ()

    def day(self, field: str) -> date | None:
        """Give a date."""
        value = self._value(field)
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None

    def signed(self, field: str) -> bool:
        """Say whether something stands in a signature's box."""
        return self._value(field) is True

    def face(self, field: str) -> int | None:
        """Give the face that was ticked: 1 to 5."""
        said = self.one(field).removeprefix("face_")
        return int(said) if said.isdecimal() else None

    def written(self, field: str) -> bool:
        """Say whether something is written there; nobody reads it for that."""
        answer = self.answers.get(field)
        if answer is None:
            return False
        return bool(answer.value) or answer.reading.state is State.FILLED

    def blank(self, field: str) -> bool:
        """Say whether surely nothing stands there: what cannot be read is something."""
        answer = self.answers.get(field)
        if answer is None:
            return True
        return not answer.cannot_read and not self.written(field)

    def seen_by(self, fields: Iterable[str]) -> str:
        """Give who looked at some fields; "" when nobody looked at one of them."""
        who = [self.answers[each].by for each in fields if each in self.answers]
        return who[0] if who and all(who) else ""

    def _value(self, field: str) -> object:
        answer = self.answers.get(field)
        return None if answer is None else answer.value


def said_by(record: KeptRecord) -> Said:
    """Give what a verified record says."""
    return Said(
        record=record.id,
        form=record.form,
        version=record.version,
        language=record.language,
        answers=record.answers,
        urgent=record.urgent,
        confidential=record.confidential,
        at=record.verified_at or record.opened_at,
        by=record.verified_by or "counterfoil",
    )


# Referrals

_ROLES: Mapping[str, Role] = {
    "harmed": Role.HARMED,
    "responsible": Role.RESPONSIBLE,
    "both": Role.BOTH,
    "saw": Role.WITNESS,
}
_AGAINST: Mapping[Role, Role] = {
    Role.HARMED: Role.RESPONSIBLE,
    Role.RESPONSIBLE: Role.HARMED,
    Role.BOTH: Role.BOTH,
}


def received(said: Said, at: datetime) -> Received:
    """Turn a referral into the act that opens a case.

    Raises:
        ValueError: it is no referral.
    """
    if said.form == "rj-1":
        return _by_himself(said, at)
    if said.form == "rj-2":
        return _by_an_officer(said, at)
    raise ValueError("no referral")


def _by_himself(said: Said, at: datetime) -> Received:
    role = _ROLES.get(said.one("role"), Role.UNKNOWN)
    sender = Party(
        key="a",
        role=role,
        number=said.one("me_number"),
        name=said.one("me_name"),
        needs=said.many("help"),
        no_rep=bool(said.many("no_rep")),
        rep_first=said.one("first_contact") in ("rj_rep", "do_not_mind"),
        quiet=bool(said.many("quiet")),
        language=said.one("lang"),
    )
    other = Party(key="b", role=_AGAINST.get(role, Role.UNKNOWN))
    return Received(
        at=at,
        by=said.by,
        record=said.record,
        parties=(sender, other),
        sender="a",
        urgent=said.urgent,
        confidential=said.confidential,
    )


def _by_an_officer(said: Said, at: datetime) -> Received:
    parties = []
    for key, who in (("a", "p1"), ("b", "p2")):
        number, name = said.one(f"{who}_number"), said.one(f"{who}_name")
        role = _ROLES.get(said.one(f"{who}_role"), Role.UNKNOWN)
        needs = said.many("need") if key == "a" else ()
        parties.append(Party(key=key, role=role, number=number, name=name, needs=needs))
    done = said.many("done_already")
    pauses = [
        pause
        for code, pause in (("acct", Pause.ACCT), ("on_report", Pause.PROCEEDINGS))
        if code in done
    ]
    return Received(
        at=at,
        by=said.by,
        record=said.record,
        parties=tuple(parties),
        urgent=said.urgent,
        confidential=said.confidential,
        hide_sender=bool(said.many("conf_ref")),
        aware=said.one("told") == "yes",
        pauses=tuple(pauses),
    )


# What comes later

_WISHES: Mapping[str, Wish] = {
    "stop": Wish.STOP,
    "break": Wish.BREAK,
    "letters_only": Wish.LETTERS_ONLY,
    "see_me": Wish.SEE_ME,
}


def acts_of(
    said: Said, party: str, at: datetime, limits: Limits = LIMITS, *, stage: str = ""
) -> tuple[Act, ...]:
    """Turn a form of a case into what it says; nothing when it says nothing to a case.

    Args:
        said: a verified form.
        party: key of whose it is; "" for all together.
        at: when it is taken up, UTC.
        limits: how long consents and assessments hold.
        stage: follow-up that the copy was made out for, where nobody ticks which it was.
    """
    match said.form:
        case "rj-3h" | "rj-3r":
            return (_consent(said, party, at, limits),)
        case "rj-3w":
            return (_withdrawal(said, party, at),)
        case "rj-4":
            return (
                *_confirming(said, party, at),
                _assessment(said, party, at, limits),
                *_ticked(said, party, at),
            )
        case "rj-5":
            return (_agreement(said, party, at),)
        case "rj-6":
            return _follow_up(said, party, at, stage)
        case "rj-8":
            return _on_the_spot(said, party, at)
        case _:
            return ()


def _consent(said: Said, party: str, at: datetime, limits: Limits) -> ConsentTaken:
    lines = [name for name in said.answers if name.startswith("c_") or name in _ALSO]
    told = {name: said.one(name) for name in lines}
    told["teach_back"] = " ".join(said.many("teach_back"))
    told["c_share_agree"] = " ".join(said.many("c_share_agree"))
    if "interp_free" in said.answers:
        told["interp_free"] = "yes" if said.many("interp_free") else ""
    signed = said.day("date") if said.signed("sign") and said.signed("prac_sign") else None
    longest = (signed or at.date()) + timedelta(days=limits.consent_days)
    consents = [name for name in lines if name.startswith("c_") and name != "c_supporter"]
    return ConsentTaken(
        at=at,
        by=said.by,
        record=said.record,
        party=party,
        said={name: value for name, value in told.items() if name != "c_supporter"},
        wording=f"{said.form}/{said.version}",
        language=said.language,
        how_read=said.many("how_read"),
        signed_on=signed,
        until=min(said.day("review_on") or longest, longest),
        seen_by=said.seen_by(consents),
    )


_ALSO = frozenset({"limits", "capacity", "rep_not_listener"})


def _withdrawal(said: Said, party: str, at: datetime) -> Withdrew | SlipWasNone:
    ticked = said.many("stop")
    who = {"at": at, "by": said.by, "record": said.record, "party": party}
    if not ticked and all(said.blank(name) for name in ("stop", "mark", "date")):
        return SlipWasNone(**who)  # type: ignore[arg-type]
    wishes = [_WISHES.get(each, Wish.STOP) for each in ticked] or [Wish.STOP]
    wish = min(wishes, key=list(Wish).index)
    return Withdrew(wish=wish, how="slip", **who)  # type: ignore[arg-type]


_LEVELS: Mapping[str, Level] = {
    "low": Level.LOW,
    "medium": Level.MEDIUM,
    "high": Level.HIGH,
    "not_suitable": Level.NOT_NOW,
}
_MODES: Mapping[str, Mode] = {
    "rep_talk": Mode.REP_TALK,
    "shuttle": Mode.SHUTTLE,
    "letter": Mode.LETTER,
    "practitioner": Mode.MEETING,
    "conference": Mode.CONFERENCE,
}


def _confirming(said: Said, party: str, at: datetime) -> Iterator[Act]:
    """Say whether the sender was asked face to face; only a whole answer counts as a yes."""
    told = set(said.many("r_sender"))
    if not party or not said.many("r_id") or not told:
        return
    sent = "sent" in told and "not_sent" not in told
    whole = {"alone", "no_pressure"} <= told
    if sent and not whole:
        return
    yield SenderConfirmed(
        at=at,
        by=said.by,
        record=said.record,
        party=party,
        sent=sent,
        alone="alone" in told,
        pressed="no_pressure" not in told,
    )


def _assessment(said: Said, party: str, at: datetime, limits: Limits) -> Assessed:
    """Turn a checklist into an assessment; what it leaves open counts against it."""
    dated = said.day("r_date")
    if dated is not None and dated > day_of(at):  # read or written wrongly: nobody knows the day
        dated = None
    signed = dated or day_of(at)
    longest = signed + timedelta(days=limits.assessment_days)
    until = min(said.day("r_valid_to") or longest, longest)
    if not said.signed("r_sign"):
        until = signed - timedelta(days=1)
    na_signed = said.signed("r_na_manager") and said.signed("r_na_security")
    return Assessed(
        at=at,
        by=said.by,
        record=said.record,
        party=party,
        level=_LEVELS.get(said.one("r_level"), Level.NOT_NOW),
        mode=_MODES.get(said.one("r_mode")),
        until=until,
        own_part=said.one("r_resp"),
        plan=said.written("r_safe_plan"),
        apart_signed=na_signed and dated is not None,
        supervised=said.signed("r_super"),
        rep=said.one("r_rep") == "yes",
        hold_facts=any(said.one(each) == "pending" for each in _PROCEEDINGS),
        senior_only="sexual_domestic" in said.many("r_power"),
        day=signed,
        apart_open=said.one("r_na") == "yes" and not (na_signed and dated is not None),
        confidential=said.confidential or "staff_prisoner" in said.many("r_power"),
    )


def _ticked(said: Said, party: str, at: datetime) -> Iterator[Act]:
    """Do what ticks of a checklist ask for at once: rest for an ACCT, see somebody today."""
    if said.one("r_acct") in ("open", "post_closure"):
        yield Paused(at=at, by=said.by, record=said.record, reason=Pause.ACCT)
    if said.urgent and party:
        yield Urged(at=at, by=said.by, record=said.record, party=party, why="checklist")


_PROCEEDINGS = ("r_proc_police", "r_proc_hearing", "r_proc_other")
MOST_PROMISES = 5


def _agreement(said: Said, party: str, at: datetime) -> Agreement:
    """Turn what they agreed into an act; "me" on the paper is whom it was made out to first."""
    me = party or "a"
    them = "b" if me == "a" else "a"
    whose = {"me": me, "them": them}
    promises = []
    for n in range(1, MOST_PROMISES + 1):
        until, who = said.day(f"a{n}_when"), said.one(f"a{n}_who")
        if until is not None or who or said.written(f"a{n}_what"):
            promises.append(Promise(who=whose.get(who, ""), until=until))
    free = [key for word, key in whose.items() if _free(said, word)]
    return Agreement(
        at=at,
        by=said.by,
        record=said.record,
        promises=tuple(promises),
        free=tuple(sorted(free)),
        share_with=said.many("a_copy"),
        review_apart=said.one("a_na") == "yes",
    )


def _free(said: Said, word: str) -> bool:
    """Say whether one of them agreed freely: a yes that a person has seen, and a mark."""
    line = f"a_free_{word}"
    return said.one(line) == "yes" and bool(said.seen_by([line])) and said.signed(f"a_sign_{word}")


_STAGES: Mapping[str, Stage] = {
    "same_day": Stage.SAME_DAY,
    "day_7": Stage.DAYS_7,
    "day_28": Stage.DAYS_28,
    "day_84": Stage.DAYS_84,
}
_DONE: Mapping[str, Done] = {
    "done": Done.DONE,
    "part": Done.PART,
    "not_done": Done.NOT_DONE,
    "changed": Done.CHANGED,
}


def _follow_up(said: Said, party: str, at: datetime, made_for: str) -> tuple[Act, ...]:
    stage = _STAGES.get(said.one("f_when"))
    if stage is None and made_for in set(Stage):
        stage = Stage(made_for)
    safe = said.face("f_safe")
    done = tuple(
        _DONE.get(said.one(f"f_done_{n}"))
        for n in range(1, MOST_PROMISES + 1)
        if f"f_done_{n}" in said.answers
    )
    who = {"at": at, "by": said.by, "record": said.record, "party": party}
    if stage is None:  # somebody was asked, only nobody said which time it was
        stage = Stage.SAME_DAY
    act = FollowedUp(
        stage=stage,
        safe=safe,
        well=said.face("f_well"),
        trouble=tuple(each for each in said.many("f_again") if each != "no"),
        promises=done,
        wants=tuple(each for each in said.many("f_support") if each != "nothing"),
        private=said.one("f_private") == "yes",
        **who,  # type: ignore[arg-type]
    )
    return (act,)


def _on_the_spot(said: Said, party: str, at: datetime) -> tuple[Act, ...]:
    who = {"at": at, "by": said.by, "record": said.record, "party": party}
    note = OnTheSpot(recheck=said.one("n_recheck"), **who)  # type: ignore[arg-type]
    if said.urgent:
        return (note, Urged(why="on-the-spot", **who))  # type: ignore[arg-type]
    return (note,)


def briefs_back(said: Said, sheet: str, lines: Mapping[int, str], at: datetime) -> list[BriefBack]:
    """Give what came back on a rep's sheet, a line at a time.

    Args:
        said: the verified sheet.
        sheet: its serial.
        lines: key of whom each line is about, by the line's number.
        at: when it is taken up, UTC.
    """
    found = []
    for n, party in lines.items():
        seen = said.one(f"line{n}_seen")
        found.append(
            BriefBack(
                at=at,
                by=said.by,
                record=said.record,
                party=party,
                sheet=sheet,
                line=n,
                seen={"yes": True, "no": False}.get(seen),
                goes_on=said.one(f"line{n}_goes_on"),
                worker=bool(said.many(f"line{n}_worker")),
                worry=bool(said.many(f"line{n}_worry")),
                recheck=said.one(f"line{n}_recheck"),
            )
        )
    return found
