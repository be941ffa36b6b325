"""Readings against the truth: what was right, what was asked, and what was wrong in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.paper.marks import MarkKind
from bench.paper.truth import FieldTruth, PageTruth
from pipeline.stages import MarkState, PageRead, Quarantined, Reading, State

Outcome = PageRead | Quarantined

ALWAYS = frozenset({"always-seen", "consent", "identity", "free-text", "sealed"})
"""Reasons for a person to look that stand in the form, not in the ink.

A mark that such a field holds counts as wrong in silence when its state is wrong, even though
somebody opens the image: the figures are about the reader.
"""


@dataclass
class Tally:
    """What was counted over some pages; `+=` adds another.

    Attributes:
        counts: everything countable, by name; see `scored`.
        causes: pages set aside, by code.
        kinds: for each kind of mark, how its boxes were read: "right", "asked" or "wrong".
        seconds: the product's own time.
        oddities: short notes of what went wrong, with no answer in them.
    """

    counts: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    oddities: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.counts += other.counts
        self.causes += other.causes
        self.kinds += other.kinds
        self.seconds += other.seconds
        self.oddities += other.oddities
        return self

    def share(self, part: str, whole: str) -> float:
        """Give one count as a share of another; 0.0 when there is nothing to share."""
        return self.counts[part] / self.counts[whole] if self.counts[whole] else 0.0


def score_picture(pages: Sequence[PageTruth], outcomes: Iterable[Outcome], where: str) -> Tally:
    """Compare what came of one picture with the pages that it shows.

    Args:
        pages: the truth; empty when the picture shows no page of ours.
        outcomes: everything the product said of this picture.
        where: how the picture is called in notes (form, condition, number).

    Returns:
        Counts: "pages", "read", "aside", "lost" (nothing said), "another" (read as a page that
        it is not), and those of `score_page`.
    """
    found = Tally()
    left = {(p.form, p.version, p.serial, p.page): p for p in pages}
    found.counts["pages"] += len(pages)
    for outcome in outcomes:
        found.seconds += outcome.seconds
        if isinstance(outcome, Quarantined):
            found.counts["aside"] += 1
            found.causes[outcome.code] += 1
            continue
        id_ = outcome.id
        truth = left.pop((id_.form, id_.version, id_.serial, id_.page), None)
        if truth is None:
            found.counts["another"] += 1
            found.oddities.append(f"{where}: read as another page")
            continue
        found.counts["read"] += 1
        found += score_page(truth, outcome, where)
    said = found.counts["read"] + found.counts["aside"] + found.counts["another"]
    if said < len(pages):
        found.counts["lost"] += len(pages) - said
        found.oddities.append(f"{where}: said nothing of a page")
    return found


def score_page(truth: PageTruth, read: PageRead, where: str) -> Tally:
    """Compare one page's readings with its truth.

    Counts, each with its whole: "boxes" (tick boxes that have a truth), "boxes_wrong" (a wrong
    state, said as certain), "boxes_silent" (wrong and no person is asked), "boxes_asked"
    (unclear or taken back), "strays" and "strays_silent" (neighbours' strokes), "blacked" and
    "blacked_silent" (blacked-out boxes on which nobody is asked), "words_only" and
    "words_only_silent" (words beside an empty box that asks for them), "no_words" and
    "no_words_asked" (choices with no words, and those asked about as if there were),
    "choices", "choices_review",
    "characters", "characters_wrong", "blanks", "blanks_wrong" (empty boxes read as written),
    "filled_wrong" (written boxes read as empty), "combs", "combs_wrong", "combs_silent",
    "combs_review", "dates", "dates_wrong", "dates_silent", "signatures", "signatures_wrong",
    "texts", "texts_wrong", "people", "people_matched", "people_wrong".
    """
    found = Tally()
    readings = {reading.field: reading for reading in read.readings}
    for name, told in truth.fields.items():
        reading = readings.get(name)
        if reading is None:
            found.counts["fields_missing"] += 1
            found.oddities.append(f"{where}: no reading of {name}")
            continue
        match told.kind:
            case "choice":
                _score_choice(found, told, reading, f"{where} {name}")
            case "comb" | "date":
                _score_characters(found, told, reading)
            case "signature":
                found.counts["signatures"] += 1
                found.counts["signatures_wrong"] += _state_wrong(told, reading)
            case "free_text":
                found.counts["texts"] += 1
                found.counts["texts_wrong"] += _state_wrong(told, reading)
            case _:
                raise ValueError(f"no truth of kind {told.kind}")
    for person in read.people:
        if person.person in truth.people and person.match is not None:
            found.counts["people_matched"] += 1
            found.counts["people_wrong"] += person.match != truth.people[person.person]
    asked_for = {p.person for p in read.people}
    found.counts["people"] += sum(role in asked_for for role in truth.people)
    return found


def _state_wrong(told: FieldTruth, reading: Reading) -> bool:
    """Say whether presence was read wrong; unclear is not wrong."""
    wanted = State.FILLED if told.filled else State.BLANK
    return reading.state not in (wanted, State.UNCLEAR)


def _score_choice(found: Tally, told: FieldTruth, reading: Reading, where: str) -> None:
    """Compare a choice's boxes one by one."""
    asked = reading.review and not set(reading.why) <= ALWAYS
    found.counts["choices"] += 1
    found.counts["choices_review"] += asked
    options = reading.options or {}
    flagged = "writing-no-tick" in reading.why
    if set(told.words) - set(told.value if isinstance(told.value, tuple) else ()):
        found.counts["words_only"] += 1
        found.counts["words_only_silent"] += not asked
        if not flagged:
            found.oddities.append(f"{where}: words beside an empty box not seen")
    elif not told.words:
        found.counts["no_words"] += 1
        found.counts["no_words_asked"] += flagged
        if flagged:
            found.oddities.append(f"{where}: no words beside a box, and asked")
    for option, mark in told.marks.items():
        if option not in options:
            found.counts["boxes_missing"] += 1
            found.oddities.append(f"{where}: no state of {option}")
            continue
        state = options[option].state
        unsure = state in (MarkState.UNCLEAR, MarkState.TAKEN_BACK)
        if mark.kind is MarkKind.BLACKED_OUT:
            found.counts["blacked"] += 1
            silent = not asked and not unsure
            found.counts["blacked_silent"] += silent
            found.kinds[mark.kind, "wrong" if silent else "asked"] += 1
            if silent:
                found.oddities.append(f"{where}.{option}: {mark.kind} read as {state}, in silence")
            continue
        if mark.meant is None:
            found.kinds[mark.kind, state] += 1
            continue
        wanted = MarkState.MARKED if mark.meant else MarkState.BLANK
        group = "strays" if mark.kind is MarkKind.STRAY else "boxes"
        found.counts[group] += 1
        if unsure:
            found.counts[f"{group}_asked"] += 1
            found.kinds[mark.kind, "asked"] += 1
        elif state is wanted:
            found.kinds[mark.kind, "right"] += 1
        else:
            found.counts[f"{group}_wrong"] += 1
            found.counts[f"{group}_silent"] += not asked
            found.kinds[mark.kind, "wrong"] += 1
            hush = "" if asked else ", in silence"
            found.oddities.append(f"{where}.{option}: {mark.kind} read as {state}{hush}")


def _score_characters(found: Tally, told: FieldTruth, reading: Reading) -> None:
    """Compare a row of character boxes, box by box and as a whole."""
    group = "combs" if told.kind == "comb" else "dates"
    value = reading.value if isinstance(reading.value, str) else None
    right = _same(told.value if isinstance(told.value, str) else None, value)
    found.counts[group] += 1
    found.counts[f"{group}_wrong"] += not right
    found.counts[f"{group}_silent"] += not right and not reading.review
    found.counts[f"{group}_review"] += reading.review and not set(reading.why) <= ALWAYS
    for character, guesses in zip(told.characters, reading.characters, strict=False):
        best = max(guesses, key=lambda each: guesses[each]) if guesses else ""
        if character == " ":
            found.counts["blanks"] += 1
            found.counts["blanks_wrong"] += best.strip() != ""
        else:
            found.counts["characters"] += 1
            found.counts["characters_wrong"] += best != character
            found.counts["filled_wrong"] += best.strip() == ""


def _same(told: str | None, value: str | None) -> bool:
    """Compare two texts, spaces at the ends and doubled ones aside."""
    return (told or "").split() == (value or "").split()
