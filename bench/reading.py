r"""How well hand-filled pages are read: one table of every kind of field under every condition.

    python -m bench.reading --sheets 300 --glyphs FOLDER --json one.json
    python -m bench.reading --add one.json two.json

Sheets are printed, filled in with writing that training never saw, damaged, read and compared
with their truth. "wrong" is said as certain; "silent" is wrong while nothing in the ink gives a
person a reason to look; "asked" is the share that somebody is asked to look at; "error" is the
share of wrong ones among the others, which go straight through. Every figure comes with its n;
of n without a fault, up to 3 in n may still be wrong (95 %). Files that `--json` kept add up.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bench.held_out import held_out_glyphs, how_much
from bench.paper.damage import CONDITIONS, MEASURED
from bench.reading_speed import Speed, lines, measure
from bench.round_trip import Job, run
from bench.score import BINS, KINDS, Reliability, Tally

FORMS = ("rj-1", "rj-2")
CLEAN = ("clean", "scan")
NOT_FAX = ("clean", "scan", "upside_down", "copy", "phone")
TEXTS = ("prison number", "name", "wing and cell", "other text", "date")

_CHUNK = 4
Found = dict[str, Tally]
"""What was counted, by condition."""


def measure_sheets(asked: argparse.Namespace) -> Found:
    """Read so many sheets of each form under each condition."""
    todo = [
        Job(
            form=form,
            first=first,
            n=min(_CHUNK, asked.sheets - first),
            seed=asked.seed,
            conditions=tuple(asked.conditions),
            spoils=(),
            glyphs=asked.glyphs,
            keep=asked.keep,
            held_out=True,
            drafts=False,
            raw=asked.raw,
        )
        for first, form in product(range(0, asked.sheets, _CHUNK), asked.forms)
    ]
    found: Found = {}
    for (_, condition), tally in run(todo, asked.processes).items():
        kept = found.setdefault(condition, Tally())
        kept += tally
    return found


def whole(found: Found, conditions: Sequence[str] | None = None) -> Tally:
    """Add conditions up; all of them unless some are named."""
    total = Tally()
    for condition, tally in found.items():
        if conditions is None or condition in conditions:
            total += tally
    return total


def table(found: Found) -> str:
    """Lay out n, wrong, silent, asked and error of every kind, condition by condition."""
    rows = [["condition", "kind", "n", "wrong", "silent", "asked %", "error %"]]
    rows += [
        [condition, *row] for condition, tally in _each(found) for row in _rows_of_kinds(tally)
    ]
    return _laid_out(rows)


def _each(found: Found) -> Iterator[tuple[str, Tally]]:
    yield from found.items()
    if len(found) > 1:
        yield "all", whole(found)


def _rows_of_kinds(tally: Tally) -> Iterator[list[str]]:
    for kind in KINDS:
        n, wrong, silent, asked = (
            tally.reads[kind, what] for what in ("n", "wrong", "silent", "asked")
        )
        if n:
            straight = n - asked
            error = f"{100 * silent / straight:.2f}" if straight else "-"
            yield [kind, str(n), str(wrong), str(silent), f"{100 * asked / n:.2f}", error]


def blanks_table(found: Found) -> str:
    """Lay out how often a written box was taken as blank, and a blank one as written."""
    rows = [["condition", "written", "as blank", "%", "blank", "as written", "%"]]
    for condition, tally in _each(found):
        cells = [condition]
        for whole_, part in (("characters", "filled_wrong"), ("blanks", "blanks_wrong")):
            share = f"{100 * tally.share(part, whole_):.3f}"
            cells += [str(tally.counts[whole_]), str(tally.counts[part]), share]
        rows.append(cells)
    return _laid_out(rows)


def reasons_table(found: Found) -> str:
    """Lay out why people were asked, for each kind of field."""
    total = whole(found)
    rows = [["kind", "why people are asked"]]
    for kind in KINDS:
        some = [(n, code) for (of, code), n in total.reasons.items() if of == kind]
        if some:
            told = ", ".join(f"{code} {n}" for n, code in sorted(some, reverse=True))
            rows.append([kind, told])
    return _laid_out(rows)


def pages_table(found: Found) -> str:
    """Lay out what became of the pages."""
    rows = [["condition", "pages", "read", "set aside", "as another", "lost", "s a page"]]
    for condition, tally in _each(found):
        said = max(1, tally.counts["read"] + tally.counts["aside"])
        counts = [str(tally.counts[name]) for name in ("pages", "read", "aside", "another", "lost")]
        rows.append([condition, *counts, f"{tally.seconds / said:.2f}"])
    return _laid_out(rows)


def reliability_table(found: Found) -> str:
    """Lay out, for each kind, the calibration error and how each band of confidence came true."""
    bands = [f"{at / BINS:.1f}-" for at in range(BINS)]
    rows = [["kind", "n", "error %", *bands]]
    total = whole(found)
    for kind, some in groups_of_sure(total).items():
        told = [
            f"{100 * right / n:.1f}/{n}" if n else "."
            for n, right in zip(some.n.tolist(), some.right.tolist(), strict=True)
        ]
        rows.append([kind, str(int(some.n.sum())), f"{100 * some.error():.2f}", *told])
    return _laid_out(rows)


def groups_of_sure(tally: Tally) -> Mapping[str, Reliability]:
    """Give the confidences of each kind, and those of all characters and all text fields."""
    found: dict[str, Reliability] = {}
    for name, kinds in (("characters", ("digits", "capitals", "either")), ("texts", TEXTS)):
        found[f"all {name}"] = total = Reliability()
        for kind in kinds:
            total += tally.sure.get(kind, Reliability())
    return {**{kind: tally.sure[kind] for kind in KINDS if kind in tally.sure}, **found}


@dataclass(frozen=True)
class Target:
    """One promise, what was found, and whether that keeps it."""

    what: str
    found: str
    promised: str
    kept: bool


def targets(found: Found, speeds: Sequence[Speed]) -> Iterator[Target]:
    """Hold what was counted against what was promised; nothing is said where nothing was read."""
    for conditions, most, flagged, name in (
        (NOT_FAX, 0.0, 0.01, "not fax"),
        (("fax",), 1 / 2000, 0.04, "fax"),
    ):
        tally = whole(found, conditions)
        if tally.reads["marks", "n"]:
            yield _share(
                f"marks wrong in silence, {name}", tally.reads, "marks", "silent", most, most=True
            )
            yield from _beside(tally, name)
            yield _share(f"marks asked, {name}", tally.reads, "marks", "asked", flagged, most=True)
    every, good = whole(found), whole(found, CLEAN)
    for kind, least in (("digits", 0.995), ("capitals", 0.985), ("prison number", 0.95)):
        if every.reads[kind, "n"]:
            yield _share(f"{kind} right", every.reads, kind, "wrong", least, most=False)
    for name, whole_, part, limit in (
        ("written boxes taken as blank", "characters", "filled_wrong", 0.001),
        ("blank boxes taken as written", "blanks", "blanks_wrong", 0.002),
    ):
        if n := every.counts[whole_]:
            yield _told(name, every.counts[part], n, limit)
    n, asked, silent = (
        sum(good.reads[kind, what] for kind in TEXTS) for what in ("n", "asked", "silent")
    )
    if n:
        yield _told(
            "text fields straight through and wrong, clean and scan", silent, n - asked, 1e-3
        )
        yield Target(
            "text fields straight through, clean and scan",
            f"{100 * (n - asked) / n:.1f} % of {n}",
            "at least 75 %",
            (n - asked) / n >= 0.75,
        )
    if n := every.reads["person", "n"]:
        yield _told("wrong person matched", every.reads["person", "wrong"], n, 0.0)
    if n := good.reads["person", "n"]:
        share = 1 - (good.reads["person", "asked"] + good.reads["person", "wrong"]) / n
        yield Target(
            "right person without a human, clean and scan",
            f"{100 * share:.1f} % of {n}",
            "at least 95 %",
            share >= 0.95,
        )
    for kind, some in groups_of_sure(every).items():
        if int(some.n.sum()):
            yield Target(
                f"calibration error, {kind}",
                f"{100 * some.error():.2f} % of {int(some.n.sum())}",
                "under 1 %",
                some.error() < 0.01,
            )
    for speed in speeds:
        least = {"both readers": 8.0, "without the second": 14.0}.get(speed.way, 0.0)
        if least:
            told = f"{speed.pages_per_s:.1f} ({speed.pages} pages)"
            promised = f"at least {least:.0f}"
            kept = speed.pages_per_s >= least
            yield Target(f"pages/s, {speed.way}", told, promised, kept)
        kept = speed.peak_mb < 400
        yield Target(f"memory, {speed.way}", f"{speed.peak_mb:.0f} MB", "under 400 MB", kept)


def _beside(tally: Tally, name: str) -> Iterator[Target]:
    """Say of marks what no promise covers: ink that never arrived, and whole questions asked."""
    silent, gone, doubted = (tally.reads["marks", part] for part in ("silent", "gone", "doubted"))
    if silent:
        told = f"{gone} of {silent}"
        yield Target(f"of these with no more than specks in the scan, {name}", told, "-", kept=True)
    if doubted:
        told = f"{doubted} of {tally.reads['marks', 'n']}"
        yield Target(f"marks in unanswered questions that are asked, {name}", told, "-", kept=True)


def _share(
    what: str,
    reads: Mapping[tuple[str, str], int],
    kind: str,
    part: str,
    limit: float,
    *,
    most: bool,
) -> Target:
    n, some = reads[kind, "n"], reads[kind, part]
    if most:
        return _told(what, some, n, limit)
    promised = f"at least {100 * limit:g} %"
    return Target(what, f"{100 * (1 - some / n):.2f} % of {n}", promised, 1 - some / n >= limit)


def _told(what: str, some: int, n: int, limit: float) -> Target:
    promised = f"at most {100 * limit:g} %" if limit else "none"
    share = some / n if n else 0.0
    return Target(what, f"{some} of {n} = {100 * share:.3f} %", promised, share <= limit)


def targets_table(some: Sequence[Target]) -> str:
    """Lay promises out, those that were missed marked."""
    rows = [["promise", "found", "promised", ""]]
    rows += [[t.what, t.found, t.promised, "kept" if t.kept else "MISSED"] for t in some]
    return _laid_out(rows, left=4)


def _laid_out(rows: Sequence[Sequence[str]], left: int = 2) -> str:
    """Set rows in columns; the first ones lean left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def keep(path: Path, asked: argparse.Namespace, found: Found, speeds: Sequence[Speed]) -> None:
    """Keep everything counted, so that runs add up."""
    kept = {
        "sheets": asked.sheets,
        "writing": how_much(held_out_glyphs(asked.glyphs)),
        "forms": list(asked.forms),
        "seed": asked.seed,
        "conditions": {condition: tally.to_json() for condition, tally in found.items()},
        "speeds": [each.to_json() for each in speeds],
    }
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def add_up(paths: Sequence[Path]) -> tuple[Found, list[Speed], str]:
    """Add up what runs kept; of their speeds the last ones count.

    Raises:
        ValueError: two of them read the same sheets.
    """
    found: Found = {}
    speeds: list[Speed] = []
    seen: set[tuple[int, str, str]] = set()
    told = []
    for path in paths:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for form, condition in product(kept["forms"], kept["conditions"]):
            if (kept["seed"], form, condition) in seen:
                raise ValueError(f"{path.name} reads sheets that another run has read")
            seen.add((kept["seed"], form, condition))
        for condition, tally in kept["conditions"].items():
            total = found.setdefault(condition, Tally())
            total += Tally.from_json(tally)
        speeds = [Speed(**each) for each in kept["speeds"]] or speeds
        told.append(_told_of(kept["seed"], kept["sheets"], kept["forms"], kept["writing"]))
    return found, speeds, "; ".join(told)


def _told_of(seed: int, sheets: int, forms: Sequence[str], writing: str) -> str:
    return f"seed {seed}: {sheets} of {' and '.join(forms)}, written with {writing}"


def main() -> int:
    """Run the bench, or add runs up, and print."""
    say = argparse.ArgumentParser(
        prog="python -m bench.reading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("--sheets", type=int, default=300, help="of each form (default 300)")
    say.add_argument("--forms", nargs="+", default=list(FORMS))
    say.add_argument("--conditions", nargs="+", default=list(MEASURED), choices=sorted(CONDITIONS))
    say.add_argument("--glyphs", type=Path, help="folder of glyph files; the held-out part is used")
    say.add_argument("--seed", type=int, default=1)
    say.add_argument("--processes", type=int, default=2)
    say.add_argument("--speed-sheets", type=int, default=6, help="0 leaves speed and memory out")
    say.add_argument("--raw", action="store_true", help="for `bench.confidence`: see there")
    say.add_argument("--keep", type=Path, help="keep the pictures of which something went wrong")
    say.add_argument("--json", type=Path, help="keep every count in a file")
    say.add_argument("--add", type=Path, nargs="+", help="read nothing, add these files up")
    asked = say.parse_args()
    start = time.monotonic()
    if asked.add:
        found, speeds, told = add_up(asked.add)
    else:
        speeds = measure(asked.speed_sheets, asked.processes) if asked.speed_sheets else []
        found = measure_sheets(asked)
        writing = how_much(held_out_glyphs(asked.glyphs))
        told = _told_of(asked.seed, asked.sheets, asked.forms, writing)
        if asked.json:
            keep(asked.json, asked, found, speeds)
    print(f"The same sheets under every condition. {told}\n")
    print(table(found))
    print(f"\nBoxes:\n{blanks_table(found)}")
    print(f"\nPages:\n{pages_table(found)}")
    print(f"\nAsked, all conditions:\n{reasons_table(found)}")
    print("\nConfidence, all conditions: per cent right / n by confidence, and calibration error")
    print(reliability_table(found))
    if speeds:
        print("\nSpeed and memory, RJ-1, 300 dpi grey:")
        print("\n".join(lines(speeds)))
    print(f"\nPromises:\n{targets_table(list(targets(found, speeds)))}")
    print("\nWrong or odd, up to 40:")
    for note in [note for tally in found.values() for note in tally.oddities][:40]:
        print(f"  {note}")
    print(f"\n{time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
