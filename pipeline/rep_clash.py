"""What speaks against one prisoner rep in one case: codes, worked out of what is known of both.

A rep with any of them does not help in that case; nobody has to weigh one against another, and
neither the rep nor a party is ever told which it was.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum


class RepClash(StrEnum):
    """One thing that speaks against a rep."""

    PARTY = "party"
    """He is in the case himself."""
    SAME_WING = "same-wing"
    """He lives where a party lives."""
    KEEP_APART = "keep-apart"
    """He has to be kept apart from a party."""
    SAME_INCIDENT = "same-incident"
    """He and a party are in another case together."""
    CO_ACCUSED = "co-accused"
    DEBT = "debt"
    FRIEND = "friend"


TICKED = (RepClash.CO_ACCUSED, RepClash.DEBT, RepClash.FRIEND)
"""What no list says: a practitioner who knows of it ticks it."""


@dataclass(frozen=True, kw_only=True)
class RepFacts:
    """What is known of a rep beside a case.

    Attributes:
        in_case: he is a party of it.
        wing: where he lives; "" when that is not known.
        wings: where its parties live, as far as that is known.
        apart: he has to be kept apart from one of them.
        elsewhere: he and one of them are in another case that is open.
        ticked: what a practitioner knows of, as `RepClash` values.
    """

    in_case: bool = False
    wing: str = ""
    wings: Collection[str] = field(default=(), repr=False)
    apart: bool = False
    elsewhere: bool = False
    ticked: Collection[str] = ()


def rep_clashes(facts: RepFacts) -> tuple[RepClash, ...]:
    """Say what speaks against a rep, in one order; nothing when he may help."""
    holds = {
        RepClash.PARTY: facts.in_case,
        RepClash.SAME_WING: bool(facts.wing) and facts.wing in facts.wings,
        RepClash.KEEP_APART: facts.apart,
        RepClash.SAME_INCIDENT: facts.elsewhere,
        **{each: each in facts.ticked for each in TICKED},
    }
    return tuple(each for each in RepClash if holds[each])
