"""The round trip: print, fill in, scan crookedly, read, and compare with the truth.

    python -m bench.round_trip --n 200

Every figure comes with its n. A run ends with status 1 when a promise is broken: a page read as
another page, a clearly meant tick read wrong in silence on a clean page, a scan, a page upside
down or a copy, a page lost, or a page set aside for anything but its true cause.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from bench.held_out import held_out_glyphs
from bench.paper.damage import CONDITIONS, MEASURED
from bench.paper.files import USUAL_FORMAT, write_images
from bench.paper.hands import FileGlyphs, FontGlyphs, Glyphs
from bench.paper.people import Somebody, invent_people, roll_csv
from bench.paper.sheets import ROLL_SIZE, Leaf, Order, arrive, fill_leaves
from bench.paper.spoil import SPOILS, spoil_leaf
from bench.reader import Read, open_reader
from bench.score import Outcome, Tally, score_picture
from forms.published import published

FORMS = ("rj-1", "rj-2", "rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-5", "rj-6", "rj-7", "rj-8")
PROMISED = ("clean", "scan", "upside_down", "copy")
"""Where no clearly meant tick may be read wrong without a person being asked."""

_CHUNK = 4
"""Copies filled at a time by one process."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A few copies of one form, through every condition."""

    form: str
    first: int
    n: int
    seed: int
    conditions: tuple[str, ...]
    spoils: tuple[str, ...]
    glyphs: Path | None = None
    keep: Path | None = None
    """Where to keep the pictures of which something was read wrong."""
    held_out: bool = False
    """Write only as training never saw; `glyphs` is then a folder, see `bench.held_out`."""
    drafts: bool = True
    """Suggest what free text says as well; nothing here depends on it."""
    raw: bool = False
    """Leave confidences as the readers say them."""


def run_job(job: Job) -> dict[tuple[str, str], Tally]:
    """Fill a few copies in, and read them as every condition leaves them.

    Returns:
        What was counted, by form and condition ("spoiled: ..." for paper that came to harm).
    """
    people = invent_people(ROLL_SIZE, np.random.default_rng([job.seed, 0]))
    glyphs = _glyphs(job)
    seed = job.seed * 1_000_003 + job.first
    order = Order(form=job.form, n=job.n, seed=seed, glyphs=glyphs, people=people)
    found: dict[tuple[str, str], Tally] = {}
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as name:
        folder = Path(name)
        read = open_reader(_roll_file(folder, people), drafts=job.drafts, raw=job.raw)
        before: Leaf | None = None
        for number, leaf in enumerate(fill_leaves(order)):
            for condition in job.conditions:
                tally = found.setdefault((job.form, condition), Tally())
                tally += _one(leaf, condition, (seed, number), folder, read, job)
            if before is not None:
                for spoil in job.spoils:
                    tally = found.setdefault((job.form, f"spoiled: {spoil}"), Tally())
                    tally += _one_spoiled(leaf, before, spoil, (seed, number), folder, read, job)
            before = leaf
    return found


def _glyphs(job: Job) -> Glyphs:
    if job.held_out:
        return held_out_glyphs(job.glyphs)
    return FileGlyphs.load(job.glyphs) if job.glyphs else FontGlyphs()


def _roll_file(folder: Path, people: tuple[Somebody, ...]) -> Path:
    path = folder / "roll.csv"
    path.write_text(roll_csv(people), encoding="utf-8")
    return path


def _one(
    leaf: Leaf, condition: str, seed: tuple[int, ...], folder: Path, read: Read, job: Job
) -> Tally:
    """Damage one leaf in one way, read it, and compare."""
    sheet = arrive(leaf, condition, seed)
    files = write_images(folder, "sheet", sheet.images, USUAL_FORMAT[condition])
    found = Tally()
    for at, (pages, outcomes) in enumerate(zip(sheet.truth, _read(files, read), strict=True)):
        where = f"{job.form} {condition} {job.first}+{seed[-1]} p{at + 1}"
        found += score_picture(pages, outcomes, where)
    _clear(files, found, f"{job.form}-{condition}-{job.first}-{seed[-1]}", job)
    return found


def _one_spoiled(
    leaf: Leaf,
    other: Leaf,
    spoil: str,
    seed: tuple[int, ...],
    folder: Path,
    read: Read,
    job: Job,
) -> Tally:
    """Spoil one page, scan it, and see whether its true cause is named."""
    rng = np.random.default_rng([*seed, 4])
    spoiled = spoil_leaf(spoil, leaf, published(job.form).layout.pages, other, rng)
    arrived = CONDITIONS["scan"](spoiled.side.paper, np.random.default_rng([*seed, 5]), rng)
    files = write_images(folder, "sheet", [arrived], "jpeg")
    where = f"{job.form} {spoil} {job.first}+{seed[-1]}"
    found = score_picture(spoiled.side.pages, _read(files, read)[0], where)
    found.counts["spoiled"] += 1
    for code, times in found.causes.items():
        if code not in spoiled.codes:
            found.counts["wrong_cause"] += times
            found.oddities.append(f"{where}: set aside as {code}")
    if found.counts["read"] and not spoiled.readable:
        found.counts["should_not_read"] += found.counts["read"]
        found.oddities.append(f"{where}: read, and should not have been")
    _clear(files, found, f"{job.form}-{spoil}-{job.first}-{seed[-1]}", job)
    return found


def _read(files: Sequence[Path], read: Read) -> list[list[Outcome]]:
    """Read files, and sort what was said of them by picture."""
    outcomes: list[list[Outcome]] = [[] for _ in files]
    for path in dict.fromkeys(files):
        pictures = [at for at, each in enumerate(files) if each == path]
        for outcome in read(path):
            outcomes[pictures[outcome.page_index]].append(outcome)
    return outcomes


def _clear(files: Sequence[Path], found: Tally, stem: str, job: Job) -> None:
    """Put the files away: kept when something was odd and somebody wants to see it."""
    for at, path in enumerate(dict.fromkeys(files)):
        if found.oddities and job.keep is not None:
            job.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, job.keep / f"{stem}-{at}{path.suffix}")
        path.unlink()


COLUMNS: tuple[tuple[str, Callable[[Tally], str]], ...] = (
    ("pages", lambda t: str(t.counts["pages"])),
    ("read", lambda t: str(t.counts["read"])),
    ("aside", lambda t: str(t.counts["aside"])),
    ("another", lambda t: str(t.counts["another"])),
    ("boxes", lambda t: str(t.counts["boxes"])),
    ("silent", lambda t: str(t.counts["boxes_silent"])),
    ("wrong", lambda t: str(t.counts["boxes_wrong"])),
    ("asked %", lambda t: f"{100 * t.share('boxes_asked', 'boxes'):.2f}"),
    ("stray", lambda t: f"{t.counts['strays_silent']}/{t.counts['strays']}"),
    ("black", lambda t: f"{t.counts['blacked_silent']}/{t.counts['blacked']}"),
    ("chars", lambda t: str(t.counts["characters"])),
    ("wrong %", lambda t: f"{100 * t.share('characters_wrong', 'characters'):.2f}"),
    ("b/f err", lambda t: f"{t.counts['blanks_wrong']}/{t.counts['filled_wrong']}"),
    ("combs", lambda t: str(t.counts["combs"])),
    ("wrong", lambda t: str(t.counts["combs_wrong"])),
    ("silent", lambda t: str(t.counts["combs_silent"])),
    ("dates", lambda t: f"{t.counts['dates_silent']}/{t.counts['dates']}"),
    ("sign", lambda t: f"{t.counts['signatures_wrong']}/{t.counts['signatures']}"),
    ("text", lambda t: f"{t.counts['texts_wrong']}/{t.counts['texts']}"),
    (
        "who",
        lambda t: f"{t.counts['people_wrong']}/{t.counts['people_matched']}/{t.counts['people']}",
    ),
    ("s/page", lambda t: f"{t.seconds / max(1, t.counts['read'] + t.counts['aside']):.2f}"),
)
"""The table: silent = wrong and nobody is asked; who = wrong/matched/people."""


def table(found: dict[tuple[str, str], Tally]) -> str:
    """Lay the counts out, a line for each form and condition, and a sum for each condition."""
    lines = [["form", "condition", *(name for name, _ in COLUMNS)]]
    sums: dict[str, Tally] = {}
    for (form, condition), tally in found.items():
        lines.append([form, condition, *(show(tally) for _, show in COLUMNS)])
        total = sums.setdefault(condition, Tally())
        total += tally
    for condition, tally in sums.items():
        lines.append(["all", condition, *(show(tally) for _, show in COLUMNS)])
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if i > 1 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def broken_promises(found: dict[tuple[str, str], Tally]) -> list[str]:
    """Say which promises a run broke, one line each."""
    broken = []
    for (form, condition), tally in found.items():
        promises = {
            "read as another page": tally.counts["another"],
            "said nothing of": tally.counts["lost"],
            "set aside for a wrong cause": tally.counts["wrong_cause"],
            "read but should not have been": tally.counts["should_not_read"],
            "matched with a wrong person": tally.counts["people_wrong"],
        }
        if condition in PROMISED:
            promises["boxes wrong in silence"] = tally.counts["boxes_silent"]
            promises["strokes of a neighbour read as marks in silence"] = tally.counts[
                "strays_silent"
            ]
        if condition in ("clean", "scan", "upside_down"):
            promises["set aside though nothing was wrong"] = tally.counts["aside"]
        broken += [f"{form} {condition}: {n} {what}" for what, n in promises.items() if n]
    return broken


def jobs(asked: argparse.Namespace) -> Iterator[Job]:
    """Cut the work into pieces."""
    for form, first in product(asked.forms, range(0, asked.n, _CHUNK)):
        yield Job(
            form=form,
            first=first,
            n=min(_CHUNK, asked.n - first),
            seed=asked.seed,
            conditions=tuple(asked.conditions),
            spoils=tuple(SPOILS) if first < asked.spoiled else (),
            glyphs=asked.glyphs,
            keep=asked.keep,
        )


def run(todo: list[Job], processes: int) -> dict[tuple[str, str], Tally]:
    """Do every job and add up, in the order of the forms and conditions."""
    found: dict[tuple[str, str], Tally] = {}
    start = time.monotonic()
    if processes <= 1:
        results: Iterator[dict[tuple[str, str], Tally]] = map(run_job, todo)
        return _add_up(results, found, len(todo), start)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return _add_up(pool.imap(run_job, todo), found, len(todo), start)


def _add_up(
    results: Iterator[dict[tuple[str, str], Tally]],
    found: dict[tuple[str, str], Tally],
    n: int,
    start: float,
) -> dict[tuple[str, str], Tally]:
    for done, result in enumerate(results, 1):
        for key, tally in result.items():
            kept = found.setdefault(key, Tally())
            kept += tally
        if sys.stderr.isatty():
            spent = time.monotonic() - start
            print(f"\r{done}/{n}, {spent:.0f} s", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found


def main() -> int:
    """Run the bench and print the table."""
    say = argparse.ArgumentParser(prog="python -m bench.round_trip", description=__doc__)
    say.add_argument("--n", type=int, default=200, help="copies of each form (default 200)")
    say.add_argument("--forms", nargs="+", default=list(FORMS))
    say.add_argument("--conditions", nargs="*", default=list(MEASURED), choices=sorted(CONDITIONS))
    say.add_argument(
        "--spoiled", type=int, default=24, help="of these, spoil so many in every way (default 24)"
    )
    say.add_argument("--keep", type=Path, help="keep the pictures of which something went wrong")
    say.add_argument("--glyphs", type=Path, help="real glyphs: .npz with X (n, 32, 32) and Y")
    say.add_argument("--seed", type=int, default=1)
    say.add_argument("--processes", type=int, default=2)
    say.add_argument("--json", type=Path, help="keep every count in a file")
    asked = say.parse_args()
    start = time.monotonic()
    found = run(list(jobs(asked)), asked.processes)
    print(table(found))
    print("\nMarks, by kind:")
    kinds: Tally = Tally()
    for (_, condition), tally in found.items():
        if condition in PROMISED:
            kinds += tally
    for (kind, how), times in sorted(kinds.kinds.items()):
        print(f"  {kind:12} {how:10} {times}")
    print("\nSet aside, by cause:")
    for (form, condition), tally in found.items():
        if tally.causes:
            causes = ", ".join(f"{code} {n}" for code, n in sorted(tally.causes.items()))
            print(f"  {form} {condition}: {causes}")
    notes = [note for tally in found.values() for note in tally.oddities]
    for note in notes[:60]:
        print(f"  {note}")
    broken = broken_promises(found)
    print("\nPromises kept." if not broken else "\nPromises broken:")
    for line in broken:
        print(f"  {line}")
    print(f"{time.monotonic() - start:.0f} s")
    if asked.json:
        _keep(asked.json, found)
    return 1 if broken else 0


def _keep(path: Path, found: dict[tuple[str, str], Tally]) -> None:
    kept = [
        {"form": form, "condition": condition, **tally.to_json()}
        for (form, condition), tally in found.items()
    ]
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
