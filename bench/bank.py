r"""What the reader truly says of single boxes, kept to be drawn from again and again.

    python -m bench.bank --writers 100 --leaves 2 --conditions clean scan [--glyphs FOLDER]

Writers of the paper simulator write their whole alphabet on RJ-1, some of it in rows where it
does not belong; the pages are damaged and read by the product's own recipe; and what it says of
each box is kept. `bench.roll_match` composes sheets of it by the ten thousand.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.held_out import held_out_glyphs
from bench.paper.damage import CONDITIONS
from bench.paper.files import USUAL_FORMAT, write_images
from bench.paper.fill import fill_page
from bench.paper.hands import Glyphs, Writer
from bench.paper.pens import Rng
from bench.paper.people import LETTERS, Somebody, invent_people
from bench.paper.prints import print_sheets
from bench.paper.sheets import Leaf, Side, arrive
from bench.paper.truth import FieldTruth, Habits, PageTruth, invent_answers
from bench.reader import Read, open_reader
from forms.fields import Date, Need, Text
from forms.published import Published, published
from pipeline.stages import PageRead

Box = Mapping[str, float]
"""What a box may hold, with how likely each is; "" is blank."""

READERS = ("charnet.onnx", "charnet.json", "pp-ocrv6-rec-small.onnx")
"""Files that say how a box is read: a bank made with others is out of date."""

KEPT = Path(__file__).parent / "assets" / "box-readings.npz"

DIGITS = "0123456789"
SORTS = {"0-9": "digit", "A-Z": "letter", "A-Z '-": "name", "A-Z0-9-": "cell"}
"""What a row's boxes may hold, and how the bank calls that sort of box."""

_FORM = "rj-1"
_WRONG_ROW = 0.35
"""Share of leaves on which number and name stand in each other's row."""


def readers_digest() -> str:
    """Give the SHA-256 of the readers that we ship, to tell which of them a bank was made with."""
    models, digest = resources.files("pipeline.readers") / "models", hashlib.sha256()
    for name in READERS:
        digest.update((models / name).read_bytes())
    return digest.hexdigest()


def sort_of(allowed: str, before: str) -> str:
    """Name a box's sort; in a cell the character before it counts, for the reader looks at it."""
    sort = SORTS[allowed]
    if sort != "cell":
        return sort
    kind = "letter" if before.isalpha() else "digit" if before.isdigit() else "hyphen"
    return f"cell after {kind if before.strip() else 'nothing'}"


@dataclass(frozen=True, eq=False)
class Bank:
    """Boxes as they were read, by condition, sort, character and writer.

    Attributes:
        boxes: everything that was kept: (condition, sort, character written, writer) -> reads.
    """

    boxes: Mapping[tuple[str, str, str], Mapping[int, Sequence[Box]]] = field(repr=False)

    @cached_property
    def writers(self) -> Mapping[str, tuple[int, ...]]:
        """Give the writers whom each condition holds."""
        found: dict[str, set[int]] = {}
        for (condition, _, _), by_writer in self.boxes.items():
            found.setdefault(condition, set()).update(by_writer)
        return {condition: tuple(sorted(some)) for condition, some in found.items()}

    def __len__(self) -> int:
        return sum(len(some) for by in self.boxes.values() for some in by.values())

    def draw(self, condition: str, sort: str, character: str, writer: int, rng: Rng) -> Box:
        """Draw what the reader said when a writer wrote a character in a box of a sort.

        Somebody else's is taken when this writer never wrote it.

        Raises:
            KeyError: nobody did.
        """
        by_writer = self.boxes[condition, sort, character]
        if writer not in by_writer:
            others = tuple(by_writer)
            writer = others[int(rng.integers(len(others)))]
        some = by_writer[writer]
        return some[int(rng.integers(len(some)))]

    def save(self, path: Path) -> None:
        """Keep the bank in a file."""
        texts, writers, ends, held, chances = [], [], [0], "", []
        for (condition, sort, character), by_writer in sorted(self.boxes.items()):
            for writer, some in by_writer.items():
                for box in some:
                    texts.append("|".join((condition, sort, character)))
                    writers.append(writer)
                    for one, chance in box.items():
                        held += one or " "
                        chances.append(chance)
                    ends.append(len(held))
        names, which = np.unique(np.array(texts), return_inverse=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            names=names,
            which=which.astype(np.int16),
            writers=np.array(writers, np.int16),
            ends=np.array(ends, np.int32),
            held=np.frombuffer(held.encode("ascii"), np.uint8),
            logs=np.log(np.maximum(chances, 1e-9)).astype(np.float16),
            readers=np.array(readers_digest()),
        )

    @classmethod
    def load(cls, path: Path = KEPT) -> Bank:
        """Read a bank that `save` wrote."""
        with np.load(path) as data:
            names, which, writers = data["names"], data["which"], data["writers"]
            ends, held = data["ends"], data["held"].tobytes().decode("ascii")
            chances: NDArray[np.float64] = np.exp(data["logs"].astype(np.float64))
        found: dict[tuple[str, str, str], dict[int, list[Box]]] = {}
        for at, writer in enumerate(writers.tolist()):
            begin, end = int(ends[at]), int(ends[at + 1])
            box = {
                one.strip(): float(chance)
                for one, chance in zip(held[begin:end], chances[begin:end], strict=True)
            }
            condition, sort, character = str(names[which[at]]).split("|")
            by_writer = found.setdefault((condition, sort, character), {})
            by_writer.setdefault(writer, []).append(box)
        return cls(found)


def make_bank(
    *, writers: int, leaves: int, conditions: Sequence[str], glyphs: Glyphs, seed: int
) -> Bank:
    """Let so many writers fill in so many leaves each, and read them under every condition."""
    form = published(_FORM)
    rng = np.random.default_rng([seed, 7])
    people = invent_people(40, rng)
    found: dict[tuple[str, str, str], dict[int, list[Box]]] = {}
    read = open_reader()
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as name:
        for writer in range(writers):
            hand = Writer.any(rng, glyphs)
            for number, leaf in enumerate(_leaves(form, hand, leaves, people, rng)):
                for condition in conditions:
                    where = (seed, writer, number)
                    for truth, page in _read(leaf, condition, where, Path(name), read):
                        _keep(found, form, condition, writer, truth, page)
    return Bank(found)


def _leaves(
    form: Published, hand: Writer, count: int, people: tuple[Somebody, ...], rng: Rng
) -> Iterator[Leaf]:
    """Write the first pages of some copies, all in one hand."""
    layout = form.layout.pages[0]
    for sheet in print_sheets(form, count, people, rng):
        nothing = Habits(dot=0, stray=0, blank=dict.fromkeys(Need, 1.0), signature=0)
        answers = dict(invent_answers(form.definition, people, hand, rng, nothing).fields)
        wrong_row = rng.random() < _WRONG_ROW
        for asked in form.definition.fillable():
            if isinstance(asked, Text | Date):
                answers[asked.name] = _row(asked, wrong_row, people, rng)
        paper = sheet.sides[0]
        told = fill_page(paper, layout, form.definition, answers, hand, hand, rng)
        truth = PageTruth(
            form=form.layout.form,
            version=form.layout.version,
            language=form.layout.language,
            serial=sheet.copies[0].serial,
            page=layout.page,
            fields=told,
        )
        yield Leaf((Side(paper, (truth,)),))


def _row(asked: Text | Date, wrong_row: bool, people: Sequence[Somebody], rng: Rng) -> FieldTruth:
    """Say what stands in one row: as many different characters as it takes."""
    if isinstance(asked, Date):
        characters = "".join(str(d) for d in rng.permutation(10)[:8])
        return FieldTruth(kind="date", filled=True, characters=tuple(characters))
    letters = "".join(LETTERS[int(i)] for i in rng.permutation(26))
    digits = "".join(str(int(d)) for d in rng.integers(0, 10, 4))
    match asked.identifies:
        case "number":
            text = letters[:7] if wrong_row else f"{letters[0]}{digits}{letters[1:3]}"
        case "name" if wrong_row:
            text = f"A{digits}{letters[:2]} {letters[2:9]}-{letters[9:14]}'"
        case "name":
            cuts = sorted(int(i) for i in rng.choice(np.arange(2, 18), 3, replace=False))
            parts = (letters[a:b] for a, b in zip([0, *cuts], [*cuts, 20], strict=True))
            text = "{} {}-{}'{}".format(*parts)
        case "cell":
            text = people[int(rng.integers(len(people)))].cell
            text = text.replace("-", "") if rng.random() < 0.4 else text
            text = f"{LETTERS[int(rng.integers(26))]}{text[1:]}"
        case _:
            text = letters[: asked.boxes - 2]
    padded = text.ljust(asked.boxes)[: asked.boxes]
    return FieldTruth(kind="comb", filled=True, value=text, characters=tuple(padded))


def _read(
    leaf: Leaf, condition: str, seed: tuple[int, ...], folder: Path, read: Read
) -> Iterator[tuple[PageTruth, PageRead]]:
    sheet = arrive(leaf, condition, seed)
    files = write_images(folder, "sheet", sheet.images, USUAL_FORMAT[condition])
    for path in dict.fromkeys(files):
        for outcome in read(path):
            if isinstance(outcome, PageRead):
                yield sheet.truth[outcome.page_index][0], outcome
        path.unlink()


def _keep(
    found: dict[tuple[str, str, str], dict[int, list[Box]]],
    form: Published,
    condition: str,
    writer: int,
    truth: PageTruth,
    page: PageRead,
) -> None:
    """Sort a page's boxes into the bank."""
    for reading in page.readings:
        asked = form.definition.field_named(reading.field)
        if not isinstance(asked, Text | Date):
            continue
        allowed = asked.pattern.allowed if isinstance(asked, Text) else ("0-9",) * 8
        written = truth.fields[reading.field].characters
        before = ""
        if not set(allowed) <= set(SORTS):
            continue
        for may, character, box in zip(allowed, written, reading.characters, strict=False):
            key = condition, sort_of(may, before), character
            found.setdefault(key, {}).setdefault(writer, []).append(box)
            before = character


def main() -> None:
    """Make a bank."""
    say = argparse.ArgumentParser(prog="python -m bench.bank", description=__doc__)
    say.add_argument("--writers", type=int, default=100)
    say.add_argument("--leaves", type=int, default=2, help="that each writer fills in")
    say.add_argument("--conditions", nargs="+", default=["clean", "scan"], choices=CONDITIONS)
    say.add_argument("--glyphs", type=Path, help="folder of glyph files; the held-out part is used")
    say.add_argument("--seed", type=int, default=1)
    say.add_argument("--out", type=Path, default=KEPT)
    asked = say.parse_args()
    bank = make_bank(
        writers=asked.writers,
        leaves=asked.leaves,
        conditions=asked.conditions,
        glyphs=held_out_glyphs(asked.glyphs),
        seed=asked.seed,
    )
    bank.save(asked.out)
    print(f"{len(bank)} boxes, {asked.out.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
