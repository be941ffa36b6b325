"""ICR: rows of character boxes and dates, with how likely each reading is (alone with the net).

Every box gives probabilities, never a single letter. What a box may hold, the calendar and (in
`pipeline.roll`) the people of the establishment choose among them; doubt lowers the confidence
and leaves a `why`, so nothing is silently wrong.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forms.fields import Date, Text
from forms.layout import Rect
from pipeline.readers.glyphs import CLASSES, JUNK, SIDE, Glyph, glyph_of
from pipeline.readers.network import open_network
from pipeline.readers.second import LOWER, second_opinion
from pipeline.stages import Crop, Reading, State

Floats = NDArray[np.float64]

FILLED_FROM = 0.18
"""Ink score from which a box is filled (real comb boxes: 0 of 7,745 filled ones lay below)."""

BLANK_BELOW = 0.05
"""Ink score below which a box is blank; between the two a person looks."""

FAINT_BELOW = 0.2
"""Mean darkness below which writing is called faint."""

JUNK_FROM = 0.5
"""Probability from which a box is called crossed out."""

LOOKALIKES = {
    "O": "0QD", "0": "ODQ", "I": "1LJ", "1": "I7J", "S": "5", "5": "SJ", "Z": "27", "2": "Z",
    "B": "8", "8": "B", "G": "6C9", "6": "GBC", "Q": "092", "9": "GQPY", "D": "0O", "T": "71",
    "L": "1I6", "J": "13", "A": "4", "4": "AYH", "Y": "49", "7": "TZYF1", "H": "4", "F": "7",
    "C": "6", "U": "0V", "V": "U", "3": "JB", "P": "9", "E": "6", "R": "2", "-": "1I", "'": "1I",
}  # fmt: skip
"""Characters of another sort that look the same: a box for letters forgives a nought for an O."""

SECOND_DOUBT = 0.02
"""What the second reader gives to a character that it did not see."""

KEPT_CANDIDATES = 3
OLDEST_YEAR = 1900


@lru_cache(maxsize=256)
def parse_allowed(allowed: str) -> str:
    """Spell out what a box may hold: "A-C '-" is "ABC '-".

    Args:
        allowed: ranges and single characters; a hyphen at the end stands for itself.
    """
    out: list[str] = []
    k = 0
    while k < len(allowed):
        if k + 2 < len(allowed) and allowed[k + 1] == "-":
            out += (chr(c) for c in range(ord(allowed[k]), ord(allowed[k + 2]) + 1))
            k += 3
        else:
            out.append(allowed[k])
            k += 1
    return "".join(dict.fromkeys(out))


@dataclass(frozen=True, eq=False)
class BoxRead:
    """What one box was read as.

    Attributes:
        chances: probability of each character it may hold, "" for blank; they sum to 1.0 less
            what is none of them (crossed out, two in one box).
        filled: whether there is ink; None when it is unclear.
        why: codes for a person.
    """

    chances: dict[str, float] = field(repr=False)
    filled: bool | None
    why: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        """Give the likeliest character, "" for blank."""
        return max(self.chances, key=self.chances.__getitem__)


@dataclass(frozen=True)
class Fusion:
    """How much each reader counts; fitted with the network by `training.end_to_end --fit`.

    Attributes:
        temperature: of the network's logits in boxes for letters or for digits.
        mixed: the same in boxes that may hold either.
        second: weight of the second reader's log odds beside the network's.
    """

    temperature: float
    mixed: float
    second: float

    @classmethod
    @lru_cache(maxsize=1)
    def shipped(cls) -> Fusion:
        """Read what was fitted with the network that we ship."""
        told = resources.files("pipeline.readers") / "models" / "charnet.json"
        kept = json.loads(told.read_text("utf-8"))
        return cls(kept["temperature"], kept["mixed"], kept["second"])


@dataclass(frozen=True, eq=False)
class BoxSeen:
    """What the readers saw in one box, before anything is made of it.

    Attributes:
        glyph: what was written, cleaned.
        logits: of the network, shape (JUNK + 1,); None for a blank box.
        second: how strongly the second reader saw each of `CLASSES`, shape (len(CLASSES) + 1,), see
            `second_opinion`; None when it was not asked.
        allowed: what the box may hold.
        crossed: whether a scanner's streak runs through it.
    """

    glyph: Glyph = field(repr=False)
    logits: Floats | None = field(repr=False)
    second: Floats | None = field(repr=False)
    allowed: str
    crossed: bool = False


class CharacterReader:
    """Reads printed characters one to a box.

    The network is loaded at first use and runs on one thread, so that a page's boxes go through
    it in one call and pages can be read side by side.

    Args:
        fusion: how much each reader counts; None for what was fitted with the network.
        second: weigh a second reader's opinion in, see `pipeline.readers.second`.
    """

    def __init__(self, *, fusion: Fusion | None = None, second: bool = True) -> None:
        self._fusion = fusion or Fusion.shipped()
        self._second = second

    def read(
        self, crops: Sequence[Crop], field: Text | Date, *, scanned_on: date | None = None
    ) -> Reading:
        """Read one field.

        Args:
            crops: its boxes, in the order of their index.
            field: what it asks.
            scanned_on: the day the page was scanned, against which a date is judged.
        """
        return self.read_page([(field, crops)], scanned_on=scanned_on)[0]

    def read_page(
        self,
        fields: Sequence[tuple[Text | Date, Sequence[Crop]]],
        *,
        scanned_on: date | None = None,
    ) -> tuple[Reading, ...]:
        """Read every field of a page with one call of the network.

        Args:
            fields: each with its boxes, in the order of their index.
            scanned_on: the day the page was scanned.
        """
        readings = []
        rows = self.look([crops for _, crops in fields])
        for (asked, crops), row in zip(fields, rows, strict=True):
            boxes = [box_chances(seen, self._fusion) for seen in row]
            bounds = _around([crop.box.box for crop in crops])
            match asked:
                case Text():
                    lower = _in_lower_case(boxes, [seen.second for seen in row])
                    readings.append(_text(asked, boxes, bounds, lower=lower))
                case Date():
                    readings.append(_date(asked, boxes, bounds, scanned_on))
        return tuple(readings)

    def look(self, rows: Sequence[Sequence[Crop]]) -> Sequence[Sequence[BoxSeen]]:
        """Look at rows of boxes with both readers, the network in one call."""
        glyphs = [[glyph_of(crop) for crop in crops] for crops in rows]
        logits = self._logits([g.pixels for row in glyphs for g in row if g.score >= BLANK_BELOW])
        each = iter(logits)
        return [
            [
                BoxSeen(
                    glyph,
                    next(each) if glyph.score >= BLANK_BELOW else None,
                    opinion,
                    crop.box.allowed or CLASSES,
                    crop.crossed,
                )
                for crop, glyph, opinion in zip(crops, row, self._opinions(row), strict=True)
            ]
            for crops, row in zip(rows, glyphs, strict=True)
        ]

    def _opinions(self, row: Sequence[Glyph]) -> Sequence[Floats | None]:
        """Ask the second reader about a row's boxes; of a blank one it says nothing."""
        if not self._second:
            return [None] * len(row)
        return list(second_opinion([g if g.score >= BLANK_BELOW else None for g in row]))

    def _logits(self, glyphs: Sequence[NDArray[np.uint8]]) -> Floats:
        if not glyphs:
            return np.zeros((0, JUNK + 1))
        batch = np.asarray(glyphs, np.float32).reshape(-1, 1, SIDE, SIDE) / np.float32(255.0)
        return np.asarray(self._session.run(None, {"glyphs": batch})[0], np.float64)

    @cached_property
    def _session(self) -> Any:
        model = resources.files("pipeline.readers") / "models" / "charnet.onnx"
        return open_network(model.read_bytes())


def box_chances(seen: BoxSeen, fusion: Fusion) -> BoxRead:
    """Turn ink and what both readers saw into probabilities over what the box may hold."""
    glyph, logits = seen.glyph, seen.logits
    if logits is None:
        return BoxRead({"": _blank_chance(glyph.score)}, filled=False)
    may = [c for c in parse_allowed(seen.allowed) if c in CLASSES]
    places = np.array([CLASSES.index(c) for c in may])
    mixed = any(c.isdigit() for c in may) and any(c.isalpha() for c in may)
    temperature = fusion.mixed if mixed else fusion.temperature
    odds = np.exp((logits - logits.max()) / temperature)
    odds /= odds.sum()
    size = _size_odds(may, glyph)
    fused = logits[places] / temperature + fusion.second * _second_odds(seen.second, places)
    masked = np.exp(fused - fused.max()) * size
    masked /= masked.sum()
    best = may[int(masked.argmax())]
    junk = float(odds[JUNK])
    known = float(odds[places].sum()) + sum(
        float(odds[CLASSES.index(c)]) for c in LOOKALIKES.get(best, "") if c not in may
    )
    surprise = max(0.0, 1.0 - junk - known)
    trust = max(1e-6, (1.0 - junk) * (1.0 - 0.95 * max(0.0, 2.0 * surprise - 1.0)))
    why = []
    mark = best in "-'" and masked.max() > 0.8
    filled: bool | None = True if glyph.score >= FILLED_FROM or mark else None
    blank = 0.0 if filled else _blank_chance(glyph.score)
    if glyph.ruled:
        filled, blank = None, 0.5
        why.append("streak")
    if filled is None:
        why.append("unclear-box")
    if junk >= JUNK_FROM:
        why.append("crossed-out")
    elif surprise > 0.7:
        why.append("unexpected")
    if glyph.contrast < FAINT_BELOW:
        why.append("faint")
    if glyph.touching:
        why.append("touching")
    if seen.crossed and not glyph.ruled:
        why.append("streak")
    chances = {
        c: float(p) * trust * (1.0 - blank) for c, p in zip(may, masked, strict=True) if p > 1e-9
    }
    return BoxRead({**chances, "": blank}, filled=filled, why=tuple(why))


def _second_odds(second: Floats | None, places: NDArray[np.intp]) -> Floats:
    """Weigh what the second reader saw among the characters that a box may hold, as log odds."""
    if second is None:
        return np.zeros(len(places))
    strength = second[places] + SECOND_DOUBT
    return np.asarray(np.log(strength / strength.sum()))


CASED = frozenset("ABDEFGHMNQRT")
"""Letters whose small shape is another than their large one."""

_LOWER_SHARE = 0.1
"""Of what the second reader saw in those letters, from which a row is in small ones."""


def _in_lower_case(boxes: Sequence[BoxRead], seconds: Sequence[Floats | None]) -> bool:
    """Say whether the second reader saw a row in lower case, where an l is read as an I.

    Of what it saw in `CASED` letters more than a tenth was lower case in 72 of 72 rows in lower
    case, and at most 0.016 in 245 rows of capitals (faces and pens that training never saw).
    """
    pairs = [(box.best, s) for box, s in zip(boxes, seconds, strict=True) if s is not None]
    seen, share = [s for best, s in pairs if best in CASED], _LOWER_SHARE
    if not seen:  # "will", of letters that look alike in both: only most of them tell
        seen, share = [s for best, s in pairs if best.isalpha()], 0.5
    lower = sum(float(s[LOWER]) for s in seen)
    return lower > share * sum(float(s[:LOWER].max()) for s in seen)


def _blank_chance(score: float) -> float:
    """Say how likely a box with this ink score was left blank: one half at 0.11."""
    return float(1.0 / (1.0 + np.exp((score - 0.11) / 0.012)))


def _size_odds(may: Sequence[str], glyph: Glyph) -> Floats:
    """Tell a hyphen and an apostrophe from an I by their size and place in the box.

    The network sees every glyph at the same size, so it cannot.
    """
    if "-" not in may and "'" not in may:
        return np.ones(len(may))
    tall = _step((max(glyph.height, glyph.width) - 0.30) / 0.04)
    hyphen = _step((0.30 - glyph.height) / 0.04) * _step((glyph.width - glyph.height) / 0.05)
    quote = _step((0.45 - glyph.height) / 0.04) * _step((0.45 - glyph.middle) / 0.05)
    return np.array([hyphen if c == "-" else quote if c == "'" else tall for c in may]) + 1e-4


def _step(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(x, -30, 30))))


def _around(boxes: Sequence[Rect]) -> Rect | None:
    if not boxes:
        return None
    x, y = min(b.x for b in boxes), min(b.y for b in boxes)
    return Rect(x, y, max(b.right for b in boxes) - x, max(b.bottom for b in boxes) - y)


def _reasons(boxes: Sequence[BoxRead]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for box in boxes for code in box.why))


def _characters(boxes: Sequence[BoxRead]) -> tuple[dict[str, float], ...]:
    return tuple(
        {c: p for c, p in box.chances.items() if p >= 1e-6} or {box.best: box.chances[box.best]}
        for box in boxes
    )


def _text(
    asked: Text, boxes: Sequence[BoxRead], bounds: Rect | None, *, lower: bool = False
) -> Reading:
    """Join boxes to a text: blanks inside are spaces, blanks at the ends are dropped."""
    if not any(box.filled for box in boxes):
        return _nothing(asked.name, "comb", boxes, bounds)
    fixed = len(set(asked.pattern.allowed)) > 1
    if asked.places or asked.identifies == "cell":
        boxes = _settled(boxes)
    likeliest: dict[str, float] = {}
    for chance, characters in _beam(boxes):
        text = " ".join("".join(c or " " for c in characters).split())
        likeliest[text] = likeliest.get(text, 0.0) + chance
    ordered = sorted(likeliest.items(), key=lambda pair: -pair[1])[:KEPT_CANDIDATES]
    value, confidence = ordered[0]
    why = _reasons(boxes)
    if fixed and len(value.replace(" ", "")) != len(asked.pattern.allowed):
        why = (*why, "incomplete")
    if lower and set(value) & set("IL"):
        why = (*why, "lower-case")
    return Reading(
        field=asked.name,
        kind="comb",
        state=State.FILLED,
        value=value,
        confidence=confidence,
        why=why,
        candidates=tuple(ordered),
        bounds=bounds,
        characters=_characters(boxes),
    )


TWINS = {
    ("O", "0"): (0.5, 0.3, 0.1),
    ("I", "1"): (0.2, 0.1, 0.1),
    ("S", "5"): (1.0, 0.4, 0.2),
    ("Z", "2"): (0.1, 0.1, 0.1),
    ("B", "8"): (10.0, 1.0, 0.3),
    ("G", "6"): (5.0, 0.3, 0.2),
}
"""A letter and the digit that many people write the same way, and how much likelier the letter
is in a cell or wing such as B-2-014, RES1 or HB4: first of all, after a letter, after a hyphen.
"""

AFTER_DIGIT = 0.03
"""The same after a digit, for every pair."""


def _settled(boxes: Sequence[BoxRead]) -> Sequence[BoxRead]:
    """Let the box before help to tell an O from a nought where both may stand."""
    out: list[BoxRead] = []
    before = ""
    for box in boxes:
        chances = dict(box.chances)
        for (letter, digit), (first, after_letter, after_hyphen) in TWINS.items():
            if letter not in chances or digit not in chances:
                continue
            both = chances[letter] + chances[digit]
            odds = after_hyphen if before == "-" else after_letter if before else first
            weight = chances[letter] * (AFTER_DIGIT if before.isdigit() else odds)
            if weight + chances[digit] > 0:
                chances[letter] = both * weight / (weight + chances[digit])
                chances[digit] = both - chances[letter]
        out.append(BoxRead(chances, box.filled, box.why))
        before = out[-1].best
    return out


def _nothing(name: str, kind: str, boxes: Sequence[BoxRead], bounds: Rect | None) -> Reading:
    """Say that nothing was written, or that only specks were."""
    unclear = any(box.filled is None for box in boxes)
    blank = float(np.prod([box.chances.get("", 0.0) for box in boxes]))
    return Reading(
        field=name,
        kind=kind,
        state=State.UNCLEAR if unclear else State.BLANK,
        value=None,
        confidence=blank,
        why=_reasons(boxes),
        bounds=bounds,
        characters=_characters(boxes),
    )


def _beam(boxes: Sequence[BoxRead], width: int = 12) -> list[tuple[float, tuple[str, ...]]]:
    """Find the likeliest ways to read a row, best first."""
    rows: list[tuple[float, tuple[str, ...]]] = [(1.0, ())]
    for box in boxes:
        some = sorted(box.chances.items(), key=lambda pair: -pair[1])[:4]
        grown = [(chance * p, (*before, c)) for chance, before in rows for c, p in some if p > 0]
        rows = sorted(grown, key=lambda row: -row[0])[:width]
    return rows


PARTS = (slice(0, 2), slice(2, 4), slice(4, 8))
"""The boxes of day, month and year."""

SHORT_PART = 0.3
"""How often "5" is written for "05", against "05", once a box is seen to be blank."""

SHORT_YEAR = 0.05

WRONG_DATES = 0.02
"""Share of dates that people write that are impossible, to come, or too old."""

OVERRULED = 0.02
"""A digit this much less likely than the box's best is not taken because the calendar likes it."""


def _date(
    asked: Date, boxes: Sequence[BoxRead], bounds: Rect | None, scanned_on: date | None
) -> Reading:
    """Read DDMMYYYY, weighing every day that it can sensibly be."""
    if not any(box.filled for box in boxes):
        return _nothing(asked.name, "date", boxes, bounds)
    raw_chance, raw = _beam(boxes, width=1)[0]
    raw_text = "".join(c or " " for c in raw).strip()
    days = _sensible_days(asked, boxes, scanned_on)
    why = _reasons(boxes)
    meant = _as_date(raw)
    outside = WRONG_DATES / 3000.0 * raw_chance
    total = sum(chance for _, chance in days) + outside + 1e-300
    known = float(np.prod([sum(box.chances.values()) for box in boxes]))
    ordered = [(day.isoformat(), known * chance / total) for day, chance in days[:KEPT_CANDIDATES]]
    value: str | None
    if days and not _overrules(days[0][0], boxes):
        value, confidence = ordered[0]
        if any(not c for c in raw[4:]):
            why = (*why, "short-year")
        if any(not c for c in raw[:4]):
            why = (*why, "short-day")
    elif meant is not None:
        value, confidence = meant.isoformat(), raw_chance
        future = scanned_on is not None and meant > scanned_on
        why = (*why, "date-future" if future else "date-too-old")
    else:
        value, confidence = None, ordered[0][1] * 0.5 if ordered else 0.0
        why = (*why, "incomplete" if any(not c for c in raw) else "date-impossible")
    candidates = [pair for pair in ordered if pair[0] != value][: KEPT_CANDIDATES - 1]
    if value is not None:
        candidates.insert(0, (value, confidence))
    if meant is None or meant.isoformat() != value:
        candidates.append((raw_text, raw_chance))
    return Reading(
        field=asked.name,
        kind="date",
        state=State.UNCLEAR if value is None else State.FILLED,
        value=value,
        confidence=confidence,
        why=why,
        candidates=tuple(candidates[:KEPT_CANDIDATES]),
        bounds=bounds,
        characters=_characters(boxes),
    )


def _sensible_days(
    asked: Date, boxes: Sequence[BoxRead], scanned_on: date | None
) -> list[tuple[date, float]]:
    """Give the likeliest days that the field's rules allow, best first, with their weights."""
    last = scanned_on if asked.not_future and scanned_on else date(2099, 12, 31)
    first = date(OLDEST_YEAR, 1, 1)
    if asked.earliest_days is not None and scanned_on is not None:
        first = scanned_on - timedelta(days=asked.earliest_days)
    day = [_part(boxes[PARTS[0]], d) for d in range(1, 32)]
    month = [_part(boxes[PARTS[1]], m) for m in range(1, 13)]
    year = {y: _year(boxes[PARTS[2]], y) for y in range(first.year, last.year + 1)}
    found: list[tuple[date, float]] = []
    for y, of_year in sorted(year.items(), key=lambda pair: -pair[1])[:6]:
        for m, of_month in sorted(enumerate(month, 1), key=lambda pair: -pair[1])[:6]:
            for d, of_day in sorted(enumerate(day, 1), key=lambda pair: -pair[1])[:8]:
                if d > calendar.monthrange(y, m)[1]:
                    continue
                chance = of_year * of_month * of_day
                if chance > 1e-12 and first <= (when := date(y, m, d)) <= last:
                    found.append((when, chance))
    return sorted(found, key=lambda pair: -pair[1])


def _chance(box: BoxRead, character: str) -> float:
    return box.chances.get(character, 0.0)


def _part(boxes: Sequence[BoxRead], number: int) -> float:
    """Say how likely two boxes hold a day or month, written "05", " 5" or "5 "."""
    one, two = boxes
    tens, units = divmod(number, 10)
    full = _chance(one, str(tens)) * _chance(two, str(units))
    if tens:
        return full
    short = _chance(one, "") * _chance(two, str(units))
    short += _chance(one, str(units)) * _chance(two, "")
    return full + SHORT_PART * short


def _year(boxes: Sequence[BoxRead], year: int) -> float:
    """Say how likely four boxes hold a year, in full or as its last two digits."""
    text = str(year)
    full = float(np.prod([_chance(b, c) for b, c in zip(boxes, text, strict=True)]))
    if year < 2000:
        return full
    left = _chance(boxes[0], text[2]) * _chance(boxes[1], text[3])
    right = _chance(boxes[2], text[2]) * _chance(boxes[3], text[3])
    left *= _chance(boxes[2], "") * _chance(boxes[3], "")
    right *= _chance(boxes[0], "") * _chance(boxes[1], "")
    return full + SHORT_YEAR * (left + right)


def _as_date(raw: Sequence[str]) -> date | None:
    """Read eight digits as a day of the calendar, when they are one."""
    text = "".join(raw)
    if len(text) != 8 or not text.isdigit():
        return None
    try:
        return date(int(text[4:]), int(text[2:4]), int(text[:2]))
    except ValueError:
        return None


def _overrules(day: date, boxes: Sequence[BoxRead]) -> bool:
    """Say whether a day contradicts what a box plainly holds."""
    text = day.strftime("%d%m%Y")
    full = all(box.filled is not False for box in boxes)
    if not full:
        return False
    return any(
        _chance(box, c) < OVERRULED * box.chances[box.best]
        for box, c in zip(boxes, text, strict=True)
    )
