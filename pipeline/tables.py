"""Tables of text that other systems export: CSV as they and spreadsheets write it, line by line.

What a line holds is judged by whoever asks for it; here is only told which lines cannot be read
at all. Nothing is computed: a cell that a spreadsheet would take for a formula is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

Problem = tuple[int, str]
"""Number of a line, from 1, and what is wrong with it; never what it holds."""

MOST_LINES = 250_000
"""More than anybody exports in a night: all of England and Wales is under 90,000 people."""

_SAYS_SEPARATOR = re.compile(r"\"?sep=([,;\t])\"?\s*", re.IGNORECASE)
"""The line that spreadsheets put before the header."""

_HALF = re.compile("[\ud800-\udfff\ufffd]")

_BREAK = re.compile(r"[\t\r\n]+")
"""Where a cell of a spreadsheet goes on in a line of its own: a space."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
"""Control characters, ends of lines, and what turns the writing round."""

_FORMULA = re.compile(r"[=+@]|-.")
"""How a cell begins that a spreadsheet computes."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What could be read of a table, and what could not.

    Attributes:
        columns: the header, in lower case; none when there was none.
        rows: number of the line and what it holds, by column.
        problems: lines that cannot be read, in order.
    """

    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[int, Mapping[str, str]]] = field(default=(), repr=False)
    problems: Sequence[Problem] = ()


def read_table(
    lines: Iterable[str], *, needed: Collection[str], what: str, most: int = MOST_LINES
) -> Table:
    """Read the lines of a table.

    What spreadsheets make of CSV is read too: semicolons or tabs for commas, a "sep=" line first.

    Args:
        lines: text lines, a byte order mark allowed. Bytes that are no UTF-8 come as halves of
            characters (`errors="surrogateescape"`).
        needed: columns it must have; more are kept as they are.
        what: what the file is, such as "roll".
        most: lines that it may have.
    """
    not_utf8 = f'this is not UTF-8 text; save the {what} as "CSV UTF-8"'
    coming = iter(lines)
    first = next(coming, "").removeprefix("\ufeff")
    told, skipped = _SAYS_SEPARATOR.fullmatch(first), 0
    if told:
        first, skipped = next(coming, ""), 1
    separator = told[1] if told else _separator(first)
    if first.startswith("%PDF") or "\0" in first:
        said = f'this is not a table of text; save the {what} as "CSV UTF-8"'
        return Table(problems=[(1 + skipped, said)])
    reader = csv.reader(chain([first], coming), strict=True, delimiter=separator)
    rows: list[tuple[int, Mapping[str, str]]] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    started = 1 + skipped
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except UnicodeDecodeError:
            problems.append((started, not_utf8))
            break
        except csv.Error:
            problems.append((started, "its quotation marks do not close"))
            break
        line, started = started, reader.line_num + 1 + skipped
        if line > most:
            problems.append((line, f"the {what} has more than {most:,} lines"))
            break
        if any(_HALF.search(cell) for cell in row):
            problems.append((line, not_utf8))
            if header is None:
                break
            continue
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = [name.strip().lower() for name in row]
            if odd := _odd_header(header, needed, what):
                return Table(problems=[(line, reason) for reason in odd])
            continue
        if len(row) != len(header):
            problems.append((line, f"{len(row)} columns where the header has {len(header)}"))
            continue
        cells = (_BREAK.sub(" ", cell.strip()) for cell in row)
        rows.append((line, dict(zip(header, cells, strict=True))))
    if header is None and not problems:
        problems.append((1, "the file is empty"))
    return Table(columns=tuple(header or ()), rows=rows, problems=problems)


def odd_cells(row: Mapping[str, str], columns: Iterable[str]) -> list[str]:
    """Say which of a line's columns hold what no list of people holds."""
    reasons = []
    for name in columns:
        if _UNPRINTABLE.search(row.get(name, "")):
            reasons.append(f"{name} holds a character that cannot be printed")
        elif _FORMULA.match(row.get(name, "")):
            reasons.append(f"{name} begins like a formula of a spreadsheet")
    return reasons


def tell(problems: Sequence[Problem], at_most: int) -> str:
    """Put bad lines in a sentence, the first of them one by one."""
    told = "; ".join(f"line {line}: {reason}" for line, reason in problems[:at_most])
    more = len(problems) - at_most
    return f"{told}; and {more} more" if more > 0 else told


def _separator(header: str) -> str:
    """Tell what parts the columns: a comma, or what spreadsheets put there in its place."""
    return max(",;\t", key=header.count)


def _odd_header(header: Sequence[str], needed: Collection[str], what: str) -> list[str]:
    missing = [name for name in needed if name not in header]
    if len(missing) == len(needed):
        return [f"this is not the header of a {what}: {', '.join(needed)}"]
    if missing:
        return [f"no column called {name}" for name in missing]
    return ["two columns of the same name"] if len(set(header)) != len(header) else []
