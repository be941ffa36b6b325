"""Whether anything leaks: slips and papers of one person, over random cases.

    python -m bench.slips 10000

Each case is made of acts as they can happen, with numbers and names that stand nowhere else. What
each slip, confirmation, handover and what is kept about him says is looked through for everything
that must not be in it. Prints how many there were and how many leaks were found.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from forms.answer_slip import answer_slip
from forms.pack_paper import PackPaper
from forms.wording import LANGUAGES
from kiosk.staff import pack_words
from pipeline import case_acts as on
from pipeline.answers import answer_of, language_for, no_slip, wants_large
from pipeline.case_acts import (
    Act,
    KeepApart,
    Mode,
    Outcome,
    Party,
    Pause,
    Reason,
    Role,
    Stage,
    Wish,
)
from pipeline.cases import Case, replay
from pipeline.packs import (
    NotShared,
    Subject,
    attendance,
    case_of_his,
    forbidden,
    handed_over,
    knows_of,
)
from pipeline.promises import day_of

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBER = re.compile(r"\b[A-Z]\d{4}[A-Z]{2}\b", re.IGNORECASE)

NEVER = (
    "acct", "non-association", "keep-apart", "keep apart", "alert", "harmed", "responsible",
    "victim", "said no", "did not want", "offence", "fight", "debt", "weapon", "security",
)  # fmt: skip
"""Words that stand on no slip."""

NOT_ON_PLAIN = ("talk it through", "restorative", "rj ")


@dataclass
class Found:
    """What was made, and what leaked."""

    slips: int = 0
    papers: int = 0
    leaks: list[str] = field(default_factory=list)


def acts_of(draw: random.Random) -> tuple[Act, ...]:
    """Make a case as it can happen: two people, or three, and what befell it."""
    n = draw.randrange(10**4)
    parties = [
        Party(
            key=key,
            role=draw.choice(list(Role)),
            number=f"{draw.choice('BCDEFGH')}{(n + 37 * at) % 10**4:04d}{'XYZ'[at]}Q",
            name=f"{draw.choice(('ZORAN', 'QUILL', 'WREN'))} {['HIM', 'THEM', 'OTHER'][at]}{n}",
            needs=tuple(draw.sample(["reading", "seeing", "hearing", "taking_in"], 2))
            if draw.random() < 0.4
            else (),
            quiet=draw.random() < 0.3,
            no_rep=draw.random() < 0.2,
            language=draw.choice(["", "POLISH", "URDU", "ARABIC", "ENGLISH", "KLINGON"]),
        )
        for at, key in enumerate("abc"[: draw.choice((2, 2, 2, 3))])
    ]
    at = BEGAN
    acts: list[Act] = [
        on.Received(
            at=at,
            by="vera",
            parties=tuple(parties),
            sender=draw.choice(["a", "a", ""]),
            confidential=draw.random() < 0.1,
            hide_sender=draw.random() < 0.3,
            aware=draw.random() < 0.8,
        )
    ]
    keys = [each.key for each in parties]
    for _ in range(draw.randrange(14)):
        at += timedelta(hours=draw.randrange(1, 120))
        acts.append(_act(draw, at, draw.choice(keys), keys))
    return tuple(acts)


def _act(draw: random.Random, at: datetime, key: str, keys: Sequence[str]) -> Act:
    who = {"at": at, "by": "petra"}
    check = KeepApart(at=at, list_at=at, roll_at=at, apart=draw.random() < 0.2)
    day = day_of(at)
    said = {
        name: draw.choice(["yes", "yes", "no"])
        for name in ("c_contact", "c_meet", "c_rep", "c_share_adj", "c_stop")
    }
    made: list[Act] = [
        on.Triaged(practitioner="petra", **who),  # type: ignore[arg-type]
        on.Seen(party=key, found=draw.random() < 0.8, **who),  # type: ignore[arg-type]
        on.SenderConfirmed(party=key, sent=True, alone=True, pressed=False, **who),  # type: ignore[arg-type]
        on.Offered(party=key, **who),  # type: ignore[arg-type]
        on.ConsentTaken(
            party=key,
            said=said,
            wording="rj-3h/1",
            language="en",
            how_read=("aloud",),
            signed_on=day,
            until=day + timedelta(days=28),
            seen_by="vera",
            **who,  # type: ignore[arg-type]
        ),
        on.Withdrew(party=key, wish=draw.choice(list(Wish)), how="slip", **who),  # type: ignore[arg-type]
        on.Standing(party=key, practitioner_only=True, **who),  # type: ignore[arg-type]
        on.Paused(reason=draw.choice(list(Pause)), **who),  # type: ignore[arg-type]
        on.Booked(
            booking="x",
            mode=draw.choice(list(Mode)),
            room="ROOMQ",
            starts=at + timedelta(days=2),
            ends=at + timedelta(days=2, hours=1),
            parties=tuple(keys),
            lead="petra",
            rep="REPQ",
            check=check,
            **who,  # type: ignore[arg-type]
        ),
        on.Met(booking="x", attended=tuple(keys[:2]), outcome=draw.choice(list(Outcome)), **who),  # type: ignore[arg-type]
        on.Agreement(
            promises=tuple(on.Promise(who=each, until=day + timedelta(days=9)) for each in keys),
            free=tuple(keys),
            **who,  # type: ignore[arg-type]
        ),
        on.FollowedUp(
            party=key,
            stage=draw.choice(list(Stage)),
            safe=draw.randrange(1, 6),
            well=3,
            trouble=("threats",),
            **who,  # type: ignore[arg-type]
        ),
        on.Urged(party=key, why="alert", **who),  # type: ignore[arg-type]
        on.Moved(party=key, establishment=draw.choice(["", "LEI"]), wing="C", **who),  # type: ignore[arg-type]
        on.RepChosen(rep="REPQ", clashes=("wing",), **who),  # type: ignore[arg-type]
        on.Promised(day=day + timedelta(days=draw.randrange(1, 9)), late=True, **who),  # type: ignore[arg-type]
        on.Answered(party=key, how="slip", **who),  # type: ignore[arg-type]
        on.CloseAsked(reason=draw.choice(list(Reason)), passed_to="CSIP", **who),  # type: ignore[arg-type]
        on.Closed(reason=draw.choice(list(Reason)), passed_to="CSIP", **who),  # type: ignore[arg-type]
        on.Reopened(why="asked", **who),  # type: ignore[arg-type]
    ]
    return draw.choice(made)


def look_through(acts: Sequence[Act], draw: random.Random, found: Found) -> None:
    """Make every paper of everybody in a case, and look for what must not stand there."""
    case = replay(acts)
    last = acts[-1].at
    today = day_of(last) + timedelta(days=draw.randrange(6))
    _slip(case, today, draw, found)
    for side in case.sides:
        _papers(case, acts, side.key, today, found)


def _slip(case: Case, today: date, draw: random.Random, found: Found) -> None:
    asker = case.asker
    if asker is None or no_slip(case) is not None:
        return
    told = answer_of(case, today)
    quiet = asker.party.quiet
    language = draw.choice([language_for(case), *LANGUAGES])
    slip = answer_slip(
        told.word,
        day=told.day,
        late=told.late,
        quiet=quiet,
        language=language,
        large=wants_large(case),
        name=f"{asker.party.name} {asker.party.number if draw.random() < 0.2 else ''}",
        cell="B-2-014",
    )
    found.slips += 1
    inside = " ".join((slip.heading, *slip.lines))
    whole = f"{inside} {slip.name} {slip.cell}"
    _look(whole, list(forbidden([case], [asker.key], ())), "slip", found)
    if NUMBER.search(whole):
        found.leaks.append("slip: a prison number")
    if asker.party.name in inside:
        found.leaks.append("slip: a name inside")
    low = inside.casefold()
    found.leaks += [f"slip: {word}" for word in NEVER if word in low]
    if quiet and slip.language in ("en", "en-easy"):
        found.leaks += [f"plain slip: {word}" for word in NOT_ON_PLAIN if word in low]
    if told.day is not None and told.day < today:
        found.leaks.append("slip: a day that has passed")


def _papers(case: Case, acts: Sequence[Act], key: str, today: date, found: Found) -> None:
    side = case.side(key)
    assert side is not None
    others = list(forbidden([case], [key], ()))
    name, number = side.party.name, side.party.number
    papers: list[tuple[str, str]] = []
    try:
        came = attendance(acts, case, key, today)
    except NotShared:
        consent = side.consent
        if consent and consent.yes("c_share_adj") and consent.until >= today:
            assert consent.ended_at or side.stopped_at, "he had said yes"
    else:
        more = {"activity": "Activity", "monitor": "SO Grey"}
        paper = pack_words.hearing(came, name, number, more, "foot")
        papers.append(("hearing", text_of(paper)))
    if case.open and knows_of(case, key):
        handed = handed_over("C-AAAAAA", case, key, today)
        paper = pack_words.handover([handed], name, number, "HMP Leeds", {}, "foot")
        papers.append(("handover", text_of(paper)))
    his, left = case_of_his("C-AAAAAA", acts, case, key)
    if his is not None and not knows_of(case, key):
        found.leaks.append("subject: a case he has not been told of")
    subject = Subject(cases=(his,) if his else (), records=(), issued=(), left=left)
    data = pack_words.subject_data(subject, number, today)
    _cleaned, caught = pack_words.without(data, frozenset(others))
    if caught:
        found.leaks.append("subject: caught by the last net")
    papers.append(("subject", text_of(pack_words.subject(data, number, "foot"))))
    papers.append(("subject", json.dumps(data)))
    for kind, words in papers:
        found.papers += 1
        _look(words, others, kind, found)
        for word in ("ROOMQ", "REPQ", "did not want", "acct", "CSIP", "not-safe", "alert"):
            if word in words:
                found.leaks.append(f"{kind}: {word}")
        if {each.upper() for each in NUMBER.findall(words)} - {number}:
            found.leaks.append(f"{kind}: somebody else's number")


def _look(words: str, others: Sequence[str], kind: str, found: Found) -> None:
    found.leaks += [f"{kind}: another person" for each in others if each in words]


def text_of(paper: PackPaper) -> str:
    """Give all that a paper says."""
    parts = [paper.title]
    for part in paper.parts:
        parts += [part.heading, *part.lines, *(each for row in part.rows for each in row)]
    return "\n".join(parts)


def run(cases: int, seed: int = 7) -> Found:
    """Make so many cases and look through all their papers."""
    found, draw = Found(), random.Random(seed)
    for _ in range(cases):
        look_through(acts_of(draw), draw, found)
    return found


def main() -> int:
    """Run it as a program."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    found = run(cases)
    sys.stdout.write(
        f"{cases} random cases: {found.slips} slips and {found.papers} papers, "
        f"{len(found.leaks)} leaks\n"
    )
    for each in sorted(set(found.leaks)):
        sys.stdout.write(f"  {each}\n")
    return 1 if found.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
