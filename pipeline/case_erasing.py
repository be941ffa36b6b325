"""Takes one party out of what happened to a case: what stays is as little as the steps need.

The other side's history stays word for word, and the acts that are left come to the same steps as
before. Of whoever goes it stays that there was somebody, in which role, and when they were seen,
asked, agreed or stopped; who they are, what they need, what they said yes or no to beyond having
agreed, how they were, what was found risky about them, and where they went is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pipeline.case_acts import (
    Act,
    Answered,
    ApartOpened,
    Assessed,
    BriefBack,
    Briefed,
    ConsentTaken,
    FollowedUp,
    ManagerAgreed,
    Moved,
    OnTheSpot,
    Party,
    PartyErased,
    PartyNamed,
    Received,
    Reopened,
    SenderConfirmed,
    Standing,
    Urged,
    Withdrew,
)
from pipeline.cases import ALWAYS, ERASED, GRAVE, SAID_BACK, Case, fold

_GONE = (Assessed, BriefBack, Briefed, ManagerAgreed, OnTheSpot, Standing, Urged)
"""About one party these lead to no step, so nothing of them stays."""


def without(acts: Iterable[Act], party: str, *, by: str, at: datetime) -> tuple[Act, ...]:
    """Give the acts of a case without one of its parties, oldest first.

    Args:
        acts: all that happened.
        party: key of whoever goes.
        by: who takes them out.
        at: when, UTC.
    """
    case, left = Case(), list[Act]()
    for act in acts:
        left += _without(act, party, case)
        case = fold(case, act)
    return (*left, PartyErased(at=at, by=by, party=party))


def _without(act: Act, key: str, before: Case) -> tuple[Act, ...]:
    match act:
        case Received():
            parties = tuple(_nobody(each) if each.key == key else each for each in act.parties)
            return (replace(act, parties=parties),)
        case PartyNamed() if act.party.key == key:
            known = before.side(key)
            number = known.party.number if known is not None else ""
            anew = act.anew or bool(number and number != act.party.number)
            return (replace(act, party=_nobody(act.party), anew=anew),)
        case Reopened():
            return (replace(act, why=""),)
        case ApartOpened() if key in (act.party, act.other):
            return ()
        case _ if getattr(act, "party", "") != key:
            return (act,)
        case _ if isinstance(act, _GONE):
            return ()
        case ConsentTaken():
            return (_agreed(act),)
        case SenderConfirmed() if not act.sent or not act.alone or act.pressed:
            return (replace(act, sent=False, alone=True, pressed=False),)
        case FollowedUp():
            return _went_back(act, before)
        case Withdrew() | Answered():
            return (replace(act, how=""),)
        case Moved():
            return (replace(act, establishment=ERASED if act.establishment else "", wing=""),)
        case _:
            return (act,)


def _nobody(party: Party) -> Party:
    """Leave only what a step may hang on."""
    return Party(key=party.key, role=party.role, kind=party.kind)


def _agreed(act: ConsentTaken) -> ConsentTaken:
    """Leave that they agreed, or that it was not enough, and not what they said to each line."""
    names = (*ALWAYS, "capacity")
    interpreted = "interpreter" not in act.how_read or act.said.get("interp_free") == "yes"
    back = set(act.said.get("teach_back", "").split()) >= SAID_BACK
    enough = interpreted and back and all(act.said.get(name) == "yes" for name in names)
    said = dict.fromkeys(names, "yes") | {"teach_back": " ".join(sorted(SAID_BACK))}
    if act.said.get("c_no_gain") == "yes":
        said["c_no_gain"] = "yes"
    return replace(act, said=said if enough else {}, how_read=(), language="")


def _went_back(act: FollowedUp, before: Case) -> tuple[Act, ...]:
    """Leave that somebody went back, and what became of promises; not how they were."""
    less = replace(act, safe=None, well=None, trouble=(), wants=(), private=True)
    if before.open or not GRAVE & set(act.trouble):
        return (less,)
    return (less, Reopened(at=act.at, by=act.by, why=""))
