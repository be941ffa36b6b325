"""Readings against the truth: what was right, what was asked, and what was wrong in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.paper.marks import MarkKind
from bench.paper.truth import FieldTruth, PageTruth
from pipeline.stages import MarkState, PageRead, Quarantined, Reading, State

Outcome = PageRead | Quarantined

ALWAYS = frozenset({"always-seen", "consent", "identity", "free-text", "sealed"})
"""Reasons for a person to look that stand in the form, not in the ink.

A mark that such a field holds counts as wrong in silence when its state is wrong, even though
somebody opens the image: the figures are about the reader.
"""

OF_THE_FORM = frozenset({"pattern", "same-person", "missing", "unclear", "low-confidence"})
"""Reasons that triage finds in what was read, not the reader in the ink."""

KINDS = (
    "marks",
    "strays",
    "digits",
    "capitals",
    "either",
    "prison number",
    "name",
    "wing and cell",
    "other text",
    "date",
    "choice",
    "signature",
    "free text",
    "person",
)
"""What is read, as the table of `bench.reading` lists it.

"strays" are boxes into which only a stroke from outside runs; "digits" and "capitals" stand in
boxes that may hold nothing else, "either" where both may stand; "free text" is whether anything
is written; "person" is somebody of whom the page gives at least two of number, name and cell.
"""

BINS = 10


@dataclass(eq=False)
class Reliability:
    """Confidences against what came true, in bins of equal width from 0.0 to 1.0.

    Attributes:
        n: how many fell into each bin, shape (BINS,).
        right: how many of them were right.
        confidence: the sum of their confidences.
    """

    n: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    right: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    confidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))

    def add(self, confidence: float, right: bool) -> None:
        """Count one reading."""
        place = min(BINS - 1, int(confidence * BINS))
        self.n[place] += 1
        self.right[place] += right
        self.confidence[place] += confidence

    def __iadd__(self, other: Reliability) -> Reliability:
        self.n += other.n
        self.right += other.right
        self.confidence += other.confidence
        return self

    def error(self) -> float:
        """Give the expected calibration error; 0.0 when nothing was counted."""
        total = int(self.n.sum())
        return float(np.abs(self.confidence - self.right).sum() / total) if total else 0.0


@dataclass
class Tally:
    """What was counted over some pages; `+=` adds another.

    Attributes:
        counts: everything countable, by name; see `scored`.
        causes: pages set aside, by code.
        kinds: for each kind of mark, how its boxes were read: "right", "asked" or "wrong".
        seconds: the product's own time.
        oddities: short notes of what went wrong, with no answer in them.
        reads: for each of `KINDS`, "n", "wrong" (said as certain), "silent" (wrong, and the ink
            gives nobody a reason to look) and "asked" (somebody is asked to look). Of marks also
            "gone" (of the silent ones: meant, and the scan holds nothing larger than a speck) and
            "doubted" (said to be empty, with all of their question, and somebody is asked all
            the same, since a fax may have lost a tick).
        reasons: for each kind of field, the codes for which somebody is asked.
        sure: for each of `KINDS`, how sure the reader was and whether it was right.
        rows: of every row of characters, tick box and signature read: its kind (one of
            `pipeline.calibration.KINDS` or `INK`), whether it is doubted (the reader found
            something wrong with a row's ink; the page of a box or signature is black and white),
            how sure it was, and whether it was right.
    """

    counts: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    oddities: list[str] = field(default_factory=list)
    reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    sure: dict[str, Reliability] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[tuple[str, bool, float, bool]] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.counts += other.counts
        self.causes += other.causes
        self.kinds += other.kinds
        self.seconds += other.seconds
        self.oddities += other.oddities
        self.reads += other.reads
        self.reasons += other.reasons
        self.rows += other.rows
        for kind, some in other.sure.items():
            kept = self.sure.setdefault(kind, Reliability())
            kept += some
        return self

    def count(
        self,
        kind: str,
        *,
        wrong: bool,
        asked: bool,
        silent: bool | None = None,
        why: Iterable[str] = (),
    ) -> None:
        """Count one thing read; it is wrong in silence when nobody is asked, unless told else."""
        self.reasons.update((kind, code) for code in why if code not in ALWAYS)
        self.reads[kind, "n"] += 1
        self.reads[kind, "wrong"] += wrong
        self.reads[kind, "asked"] += asked
        self.reads[kind, "silent"] += (wrong and not asked) if silent is None else silent

    def was_sure(self, kind: str, confidence: float, *, right: bool) -> None:
        """Count how sure the reader was of one thing."""
        self.sure.setdefault(kind, Reliability()).add(confidence, right)

    def to_json(self) -> dict[str, Any]:
        """Give everything counted, to be kept and added to other runs."""
        return {
            "counts": dict(self.counts),
            "causes": dict(self.causes),
            "kinds": [[kind, how, n] for (kind, how), n in sorted(self.kinds.items())],
            "reads": [[kind, what, n] for (kind, what), n in sorted(self.reads.items())],
            "sure": {
                kind: [each.n.tolist(), each.right.tolist(), each.confidence.tolist()]
                for kind, each in sorted(self.sure.items())
            },
            "reasons": [[kind, code, n] for (kind, code), n in sorted(self.reasons.items())],
            "rows": [list(row) for row in self.rows],
            "seconds": self.seconds,
            "oddities": self.oddities,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Tally:
        """Take up what `to_json` gave."""
        return cls(
            counts=Counter(kept["counts"]),
            causes=Counter(kept["causes"]),
            kinds=Counter({(kind, how): n for kind, how, n in kept["kinds"]}),
            seconds=kept["seconds"],
            oddities=list(kept["oddities"]),
            reads=Counter({(kind, what): n for kind, what, n in kept["reads"]}),
            reasons=Counter({(kind, code): n for kind, code, n in kept["reasons"]}),
            rows=[(kind, doubted, sure, right) for kind, doubted, sure, right in kept["rows"]],
            sure={
                kind: Reliability(np.array(n), np.array(right), np.array(confidence))
                for kind, (n, right, confidence) in kept["sure"].items()
            },
        )

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
                _score_choice(found, told, reading, f"{where} {name}", bitonal=read.bitonal)
            case "comb" | "date":
                _score_characters(found, told, reading)
            case "signature":
                _score_presence(
                    found, told, reading, "signature", "signatures", bitonal=read.bitonal
                )
            case "free_text":
                _score_presence(found, told, reading, "free text", "texts", bitonal=read.bitonal)
            case _:
                raise ValueError(f"no truth of kind {told.kind}")
    _score_people(found, truth, read)
    return found


def _score_people(found: Tally, truth: PageTruth, read: PageRead) -> None:
    """Compare whom a page was matched with; it must say two things of somebody to match them."""
    for person in read.people:
        if person.person in truth.people and person.match is not None:
            found.counts["people_matched"] += 1
            found.counts["people_wrong"] += person.match != truth.people[person.person]
    asked_for = {p.person: p for p in read.people}
    found.counts["people"] += sum(role in asked_for for role in truth.people)
    if not read.roll_given:
        return
    said = Counter(told.person for told in truth.fields.values() if told.says and told.filled)
    for role, number in truth.people.items():
        if said[role] < 2:
            found.counts["people_half_told"] += said[role]
            continue
        match = asked_for.get(role)
        whom = match.match if match else None
        why = match.why if match else ()
        found.count("person", wrong=whom not in (None, number), asked=whom is None, why=why)
        if match and match.candidates:
            best, chance = match.candidates[0]
            found.was_sure("person", chance, right=best == number)


def _score_presence(
    found: Tally,
    told: FieldTruth,
    reading: Reading,
    kind: str,
    counted: str,
    *,
    bitonal: bool,
) -> None:
    """Compare whether anything was written or drawn."""
    wrong = _state_wrong(told, reading)
    found.counts[counted] += 1
    found.counts[f"{counted}_wrong"] += wrong
    unclear = reading.state is State.UNCLEAR
    found.count(kind, wrong=wrong, asked=unclear or _asked(reading), why=reading.why)
    if kind == "signature" and not unclear:
        found.was_sure(kind, reading.confidence, right=not wrong)
        found.rows.append((kind, bitonal, reading.confidence, not wrong))


def _asked(reading: Reading) -> bool:
    """Say whether the ink, not the form, gives a person a reason to look."""
    return reading.review and not set(reading.why) <= ALWAYS


def _state_wrong(told: FieldTruth, reading: Reading) -> bool:
    """Say whether presence was read wrong; unclear is not wrong."""
    wanted = State.FILLED if told.filled else State.BLANK
    return reading.state not in (wanted, State.UNCLEAR)


def _score_choice(
    found: Tally, told: FieldTruth, reading: Reading, where: str, *, bitonal: bool
) -> None:
    """Compare a choice's boxes one by one."""
    asked = _asked(reading)
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
    _score_answer(found, told, reading, asked)
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
        wrong = not unsure and state is not wanted
        kind = "strays" if mark.kind is MarkKind.STRAY else "marks"
        found.count(kind, wrong=wrong, asked=unsure, silent=wrong and not asked)
        if not unsure:
            found.was_sure(kind, options[option].confidence, right=not wrong)
            found.rows.append((state.value, bitonal, options[option].confidence, not wrong))
            found.reads[kind, "doubted"] += "faint-on-fax" in reading.why
        gone = wrong and not asked and mark.meant and options[option].score == 0.0
        found.reads[kind, "gone"] += gone
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


def _score_answer(found: Tally, told: FieldTruth, reading: Reading, asked: bool) -> None:
    """Compare a choice as a whole; boxes of which nobody can say what was meant do not count."""
    open_ = {option for option, mark in told.marks.items() if mark.meant is None}
    value = reading.value if isinstance(reading.value, tuple) else ()
    wanted = told.value if isinstance(told.value, tuple) else ()
    right = set(value) - open_ == set(wanted) - open_
    unclear = reading.state is State.UNCLEAR
    found.count("choice", wrong=not unclear and not right, asked=unclear or asked, why=reading.why)
    if not unclear:
        found.was_sure("choice", reading.confidence, right=right)


def _score_characters(found: Tally, told: FieldTruth, reading: Reading) -> None:
    """Compare a row of character boxes, box by box and as a whole."""
    group = "combs" if told.kind == "comb" else "dates"
    value = reading.value if isinstance(reading.value, str) else None
    right = _same(told.value if isinstance(told.value, str) else None, value)
    asked = _asked(reading)
    found.counts[group] += 1
    found.counts[f"{group}_wrong"] += not right
    found.counts[f"{group}_silent"] += not right and not reading.review
    found.counts[f"{group}_review"] += asked
    if told.filled or reading.state is not State.BLANK:
        kind = "date" if told.kind == "date" else _TEXTS.get(told.says, "other text")
        found.count(kind, wrong=not right, asked=asked, why=reading.why)
        if value is not None:
            found.was_sure(kind, reading.confidence, right=right)
            row = "date" if told.kind == "date" else told.says or "text"
            doubted = bool(set(reading.why) - ALWAYS - OF_THE_FORM)
            found.rows.append((row, doubted, reading.confidence, right))
    for at, (character, guesses) in enumerate(
        zip(told.characters, reading.characters, strict=False)
    ):
        best = max(guesses, key=lambda each: guesses[each]) if guesses else ""
        if character == " ":
            found.counts["blanks"] += 1
            found.counts["blanks_wrong"] += best.strip() != ""
            continue
        found.counts["characters"] += 1
        found.counts["characters_wrong"] += best != character
        found.counts["filled_wrong"] += best.strip() == ""
        if at < len(told.allowed):
            sort = _sort(told.allowed[at])
            found.count(sort, wrong=best != character, asked=asked)
            found.was_sure(sort, guesses.get(best, 0.0), right=best == character)


_TEXTS = {"number": "prison number", "name": "name", "cell": "wing and cell"}


def _sort(allowed: str) -> str:
    """Say which sort of character a box may hold: "digits", "capitals" or "either"."""
    if "0-9" not in allowed:
        return "capitals"
    return "either" if "A-Z" in allowed else "digits"


def _same(told: str | None, value: str | None) -> bool:
    """Compare two texts, spaces at the ends and doubled ones aside."""
    return (told or "").split() == (value or "").split()
