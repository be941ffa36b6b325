"""Finds words in bytes, however a program wrote them: in wide letters, or pressed together."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

_TABLE_END = bytes.fromhex("57fb808b247547db")
"""How a LevelDB table ends."""

_LONGEST = 64 << 20
_CHUNK = 1 << 22


def found_in(data: bytes, words: Iterable[str]) -> set[str]:
    """Say which words lie in bytes: in UTF-8, -16 or -32, in capitals or not, with dashes or not.

    Args:
        data: any bytes.
        words: of seven characters or more, of the ASCII ones.
    """
    plain = {word.replace("-", "").lower().encode(): word for word in words}
    starts = np.zeros(1 << 24, bool)
    starts[[int.from_bytes(word[:3], "little") for word in plain]] = True
    lengths = {len(word) for word in plain}
    low = data.lower().replace(b"\0", b"").replace(b"-", b"")
    found: set[str] = set()
    for at in range(0, len(low), _CHUNK):
        part = np.frombuffer(low, np.uint8, min(_CHUNK + 2, len(low) - at), at).astype(np.uint32)
        heads = part[:-2] | part[1:-1] << 8 | part[2:] << 16
        for here in np.flatnonzero(starts[heads]) + at:
            found |= {plain[w] for n in lengths if (w := low[here : here + n]) in plain}
    return found


def found_in_file(path: Path, words: Sequence[str]) -> set[str]:
    """Say which words lie in a file, or in what is pressed together in it."""
    with suppress(OSError):
        return set().union(*(found_in(each, words) for each in unpacked(path.read_bytes())))
    return set()


def unpacked(data: bytes) -> Iterator[bytes]:
    """Give bytes, and what gzip or a LevelDB table has pressed together in them."""
    yield data
    yield from _gzipped(data)
    if data.endswith(_TABLE_END):
        with suppress(ValueError, IndexError):
            yield from _blocks(data)


def _gzipped(data: bytes) -> Iterator[bytes]:
    at = data.find(b"\x1f\x8b\x08")
    while at >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(data[at:], _LONGEST)
        at = data.find(b"\x1f\x8b\x08", at + 1)


def _blocks(table: bytes) -> Iterator[bytes]:
    """Unpack every block of a LevelDB table, as its index names them."""
    foot = table[-48:]
    _, at = _handle(foot, 0)
    index, _ = _handle(foot, at)
    entries = _block(table, *index)
    end = len(entries) - 4 - 4 * struct.unpack("<I", entries[-4:])[0]
    at = 0
    while at < end:
        _, at = _number(entries, at)
        own, at = _number(entries, at)
        size, at = _number(entries, at)
        at += own
        block, _ = _handle(entries, at)
        yield _block(table, *block)
        at += size


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    start, at = _number(data, at)
    size, at = _number(data, at)
    return (start, size), at


def _block(table: bytes, start: int, size: int) -> bytes:
    raw = table[start : start + size]
    return unsnap(raw) if table[start + size] == 1 else raw


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
        shift += 7


def unsnap(data: bytes) -> bytes:
    """Undo Snappy.

    Raises:
        ValueError: it is none.
        IndexError: it is cut short.

    Source: format_description.txt of google/snappy.
    """
    size, at = _number(data, 0)
    made = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if length > 60:
                wide = length - 60
                length = int.from_bytes(data[at : at + wide], "little") + 1
                at += wide
            made += data[at : at + length]
            at += length
            continue
        if kind == 1:
            length, back = ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            wide = 2 if kind == 2 else 4
            back = int.from_bytes(data[at : at + wide], "little")
            at += wide
        if not 0 < back <= len(made):
            raise ValueError("not Snappy")
        for _ in range(length):
            made.append(made[-back])
    if len(made) != size:
        raise ValueError("not Snappy")
    return bytes(made)


def memory_of(pid: int) -> Iterator[bytes]:
    """Read what a process has in its own memory that it can write, region by region.

    Raises:
        PermissionError: this process may not.
    """
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
            where, rights = line.split()[:2]
            start, end = (int(each, 16) for each in where.split("-"))
            if not rights.startswith("rw"):
                continue
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                yield memory.read(end - start)
