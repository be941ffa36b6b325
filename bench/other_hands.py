r"""Writing that the paper does not ask for: small letters, and words joined up over their boxes.

    python -m bench.other_hands --sheets 24 [--conditions scan phone]

Such rows need not be read right; they must be asked about when they are not. Rows with a letter,
read without a roll, with both readers; "silent" is wrong while nobody is asked. Capitals stand
beside them, and `lower-case` is how many rows are asked about as if in small letters.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from bench.paper.damage import CONDITIONS
from bench.paper.hands import FontGlyphs
from bench.paper.sheets import Order
from bench.paper.truth import TODAY
from forms.published import published
from pipeline.calibration import Calibration
from pipeline.readers.characters import CharacterReader
from pipeline.triage import triage
from training.end_to_end import SHIPPED_FACES, pages_of

HANDS = {
    "capitals": FontGlyphs(SHIPPED_FACES),
    "small letters": FontGlyphs(SHIPPED_FACES, lower=True),
    "joined up": FontGlyphs(SHIPPED_FACES, joined=True),
}
COUNTED = ("right", "asked", "silent", "lower-case")


def measure(order: Order, condition: str, reader: CharacterReader) -> Counter[str]:
    """Read sheets and count their rows that hold a letter: "rows", and what `COUNTED` names."""
    form, found = published(order.form).definition, Counter[str]()
    for page in pages_of(order, condition):
        read = reader.read_page([(w.asked, w.crops) for w in page], scanned_on=TODAY)
        sure = [Calibration.shipped().apply(w.asked, r) for w, r in zip(page, read, strict=True)]
        for written, reading in zip(page, triage(form, sure), strict=True):
            if not any(character.isalpha() for character in written.truth.characters):
                continue
            right = reading.value == written.truth.value
            found["rows"] += 1
            found["right"] += right
            found["asked"] += reading.review
            found["silent"] += not right and not reading.review
            found["lower-case"] += "lower-case" in reading.why
    return found


def main() -> int:
    """Run the measurement and print it."""
    say = argparse.ArgumentParser(
        prog="python -m bench.other_hands",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("--sheets", type=int, default=24)
    say.add_argument("--form", default="rj-1")
    say.add_argument("--conditions", nargs="+", default=["scan"], choices=sorted(CONDITIONS))
    say.add_argument("--seed", type=int, default=91)
    asked = say.parse_args()
    reader = CharacterReader()
    print(f"{'condition':12} {'hand':14} {'rows':>6} " + " ".join(f"{c:>10}" for c in COUNTED))
    for condition in asked.conditions:
        for name, glyphs in HANDS.items():
            order = Order(form=asked.form, n=asked.sheets, seed=asked.seed, glyphs=glyphs)
            some = measure(order, condition, reader)
            counts = " ".join(f"{some[c]:10}" for c in COUNTED)
            print(f"{condition:12} {name:14} {some['rows']:6} {counts}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
