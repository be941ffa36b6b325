"""A prison with a rep, and a case of two who both said yes to him; for the tests of his pages."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from kiosk.rep_sheet import issue_sheet
from pipeline import case_acts as on
from pipeline.briefing import Why
from pipeline.keep_apart import KeepApart
from pipeline.ports import Person

PEOPLE = {
    "A1234BC": ("BO", "LEE", "B-2-014"),
    "B2345CD": ("CY", "ROE", "C-1-009"),
    "C3456DE": ("DEV", "SHAH", "D-3-021"),
    "D4567EF": ("ED", "WU", "E-1-003"),
}
YES = {
    **dict.fromkeys(("c_know", "c_free", "c_no_harm", "c_no_gain", "c_stop"), "yes"),
    **dict.fromkeys(("c_contact", "limits", "capacity", "c_rep", "c_rep_what"), "yes"),
    "teach_back": "choice stop limits",
}


def with_roll(prison: Any, **alerts: str) -> None:
    """Bring in today's roll and an empty list of who is kept apart."""
    prison.roll(
        *(
            Person(
                prison_number=number,
                forenames=first,
                surname=last,
                cell=cell,
                establishment="MTI",
                extra={"alerts": alerts.get(number, "")},
            )
            for number, (first, last, cell) in PEOPLE.items()
        )
    )
    with prison.store.begin() as kept:
        kept.keep_apart.replace(KeepApart([]), by="x", at=prison.clock())


def with_rep(prison: Any, number: str = "C3456DE", wing: str = "D") -> str:
    """Put an active rep on the register."""
    at, day = prison.clock(), date(2026, 9, 1)
    with prison.store.begin() as kept:
        rep = kept.reps.add(
            number,
            " ".join(PEOPLE[number][:2]),
            establishment="MTI",
            wing=wing,
            check_due=at.date() + timedelta(days=28),
            by="x",
            at=at,
        )
        kept.reps.train(
            rep.id,
            trained_on=day,
            assessor="R. Assessor",
            assessed_on=day,
            signed_on=day,
            today=at.date(),
            by="x",
            at=at,
        )
        kept.reps.begin(rep.id, by="x", at=at)
    return str(rep.id)


def with_case(prison: Any, rep: str = "", *, wing: str = "B", confidential: bool = False) -> str:
    """Open a case of two who said yes to a rep; he is chosen when one is named."""
    who = {"at": prison.clock(), "by": "petra"}
    a = on.Party(key="a", role=on.Role.HARMED, number="A1234BC", needs=("reading",))
    b = on.Party(key="b", role=on.Role.RESPONSIBLE, number="B2345CD")
    today = prison.clock().date()
    with prison.store.begin() as kept:
        case_id = kept.cases.open(
            on.Received(parties=(a, b), sender="a", confidential=confidential, **who),
            establishment="MTI",
            wing=wing,
        )
        acts: list[Any] = [
            on.Triaged(practitioner="petra", **who),
            on.SenderConfirmed(party="a", sent=True, alone=True, pressed=False, **who),
        ]
        acts += [
            on.ConsentTaken(
                party=key,
                said=YES,
                wording="1",
                language="en",
                how_read=("aloud",),
                signed_on=today,
                until=today + timedelta(days=20),
                seen_by="vera",
                **who,
            )
            for key in ("a", "b")
        ]
        if rep:
            acts.append(on.RepChosen(rep=rep, **who))
        for act in acts:
            kept.cases.record_fact(case_id, act)
    return str(case_id)


def with_sheet(prison: Any, by: str = "petra") -> str:
    """Make a sheet out for the rep, of the one case; give its serial."""
    with prison.store.begin() as kept:
        return issue_sheet(
            kept,
            kept.reps.get(prison.rep),
            {(prison.case, "a"): Why.CHECK_IN},
            day=prison.clock().date(),
            back_by=prison.clock() + timedelta(hours=5),
            worker="Petra Practitioner",
            by=by,
            at=prison.clock(),
        )
