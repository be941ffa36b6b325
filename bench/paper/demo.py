"""The demo's batch, made again: `python -m bench.paper.demo [--out demo]`.

A mixed morning's post: forms from several writers, a sheet of slips that nobody cut, a page fed
upside down, one on which tea was spilt, a blank one, a fax, a phone photo, and a photo of a
letter that is no form at all. Everybody in it is invented.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from bench.paper.damage import Arrived, fax, phone, scan, to_grey
from bench.paper.files import truth_lines, write_images
from bench.paper.marks import MarkKind
from bench.paper.people import Somebody, invent_people, roll_csv
from bench.paper.prints import seeded_serial
from bench.paper.sheets import Leaf, Order, Side, fill_leaves
from bench.paper.spoil import codes_blotted, foreign, identity_gone
from bench.paper.truth import Habits, PageTruth
from forms.published import published

SEED = 2026
PEOPLE = 60
MOST_BYTES = 3_000_000
"""What all the scans together may weigh."""

ORDINARY = Habits(
    dot=0.01,
    stray=0.01,
    blacked_out=0.04,
    staff=1.0,
    ways=(
        MarkKind.TICK,
        MarkKind.TICK,
        MarkKind.TICK,
        MarkKind.BIG_TICK,
        MarkKind.CROSS,
        MarkKind.CROSS,
        MarkKind.LIGHT_TICK,
        MarkKind.FILL,
    ),
    own_way=0.9,
)
"""Most people tick, some make crosses, one in eight fills the box."""


@dataclass(eq=False)
class Tray:
    """Pictures that go into one file."""

    images: list[Arrived] = field(default_factory=list)
    truth: list[tuple[PageTruth, ...]] = field(default_factory=list)

    def add(self, image: Arrived, pages: tuple[PageTruth, ...] = ()) -> None:
        """Lay one more picture in."""
        self.images.append(image)
        self.truth.append(pages)


@dataclass(eq=False)
class Post:
    """The morning's post, being made.

    Attributes:
        people: everybody on the roll.
        issued: every copy printed for it, as the register of copies needs it.
    """

    people: tuple[Somebody, ...]
    issued: list[dict[str, str]] = field(default_factory=list)
    _seed: int = SEED

    def leaves(self, form: str, n: int, *, cut: bool = True) -> Iterator[Leaf]:
        """Print and fill in n copies."""
        self._seed += 1
        chance = np.random.default_rng([self._seed, 9])
        serials = tuple(seeded_serial(chance) for _ in range(n + n % 2))
        order = Order(
            form=form,
            n=n,
            seed=self._seed,
            people=self.people,
            habits=ORDINARY,
            serials=serials,
            cut=cut,
        )
        version = published(form).definition
        for leaf in fill_leaves(order):
            for page in leaf.sides[0].pages:
                self.issued.append(
                    {
                        "serial": page.serial,
                        "form": form,
                        "version": str(version.version),
                        "language": page.language,
                        "pages": str(len(published(form).layout.pages)),
                        "establishment": "MTI",
                        "wing": page.wing,
                        "person": page.bound_to,
                    }
                )
            yield leaf


def office_scan(side: Side, number: int, *, turned: bool = False) -> Arrived:
    """Scan as the demo's office machine does: 200 dpi, grey, JPEG."""
    rng = np.random.default_rng([SEED, 1, number])
    soft = scan(side.paper, np.random.default_rng([SEED, 3]), rng, dpi=200.0)
    pixels = to_grey(soft.pixels)
    if turned:
        pixels = np.ascontiguousarray(np.rot90(pixels, 2))
    return Arrived(pixels, (200.0, 200.0), 8, 32)


def make(folder: Path) -> None:
    """Write the scans, the roll, the register of copies and the truth.

    Raises:
        ValueError: the scans came out too heavy to bundle.
    """
    scans = folder / "scans"
    scans.mkdir(parents=True, exist_ok=True)
    for old in scans.iterdir():
        old.unlink()
    people = invent_people(PEOPLE, np.random.default_rng([SEED, 0]))
    post = Post(people)
    trays = {"batch.pdf": _batch(post), "fax.tif": _fax(post)}
    lines = []
    for name, tray in trays.items():
        kind = "pdf" if name.endswith("pdf") else "tiff"
        files = write_images(scans, name.rpartition(".")[0], tray.images, kind)
        lines += truth_lines(files, tray.truth, "demo")
    for stem, image, pages in _photos(post):
        files = write_images(scans, stem, [image], "jpeg")
        lines += truth_lines(files, [pages], "demo")
    (folder / "roll.csv").write_text(roll_csv(people), encoding="utf-8")
    with (folder / "issued.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(post.issued[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(post.issued)
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    weight = sum(path.stat().st_size for path in scans.iterdir())
    if weight > MOST_BYTES:
        raise ValueError(f"the scans weigh {weight} bytes, more than {MOST_BYTES}")


def _batch(post: Post) -> Tray:
    """What went through the office scanner, in the order it lay in the tray."""
    tray = Tray()
    number = iter(range(1000))

    def feed(leaf: Leaf, *, turned: bool = False) -> None:
        for side in leaf.sides:
            tray.add(office_scan(side, next(number), turned=turned), side.pages)

    first, second, third = post.leaves("rj-1", 3)
    feed(first)
    feed(second)
    feed(next(post.leaves("rj-2", 2, cut=False)))
    feed(third, turned=True)
    feed(next(post.leaves("rj-3h", 1)))
    rng = np.random.default_rng([SEED, 5])
    layout = published("rj-3w").layout.pages[0]
    feed(next(post.leaves("rj-3w", 1)))
    stained, gone = post.leaves("rj-3w", 2)
    feed(Leaf((codes_blotted(stained.sides[0], layout, stained.sides[0], rng).side,)))
    feed(Leaf((identity_gone(gone.sides[0], layout, gone.sides[0], rng).side,)))
    size = third.sides[0].paper
    empty = Side(replace(size, pixels=np.full_like(size.pixels, 252)), ())
    tray.add(office_scan(empty, next(number)))
    return tray


def _fax(post: Post) -> Tray:
    """A slip that came by fax."""
    tray = Tray()
    leaf = next(post.leaves("rj-2", 1))
    rng = np.random.default_rng([SEED, 6])
    for side in leaf.sides:
        tray.add(fax(side.paper, np.random.default_rng([SEED, 8]), rng), side.pages)
    return tray


def _photos(post: Post) -> Iterator[tuple[str, Arrived, tuple[PageTruth, ...]]]:
    """Two phone photos: the front of a form, and somebody's letter."""
    rng = np.random.default_rng([SEED, 7])
    machine = np.random.default_rng([SEED, 11])
    side = next(post.leaves("rj-1", 1)).sides[0]
    yield "phone", _sent(phone(side.paper, machine, rng), quality=60), side.pages
    letter = foreign(side, published("rj-1").layout.pages[0], side, rng).side
    machine = np.random.default_rng([SEED, 12])
    yield "photo-of-a-letter", _sent(phone(letter.paper, machine, rng), quality=40), ()


def _sent(photo: Arrived, *, quality: int) -> Arrived:
    """Make a photo smaller, as mail programs do: 2,400 pixels on its long side."""
    scale = 2400 / max(photo.pixels.shape)
    small = cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return replace(photo, pixels=np.asarray(small, np.uint8), quality=quality)


def main() -> int:
    """Make the demo's batch again."""
    say = argparse.ArgumentParser(prog="python -m bench.paper.demo", description=__doc__)
    say.add_argument("--out", type=Path, default=Path("demo"))
    folder = say.parse_args().out
    make(folder)
    pages = [json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines()]
    print(f"{len(pages)} pages of forms in {folder / 'scans'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
