"""Files in, scans out: one item a page, in order, one page in memory at a time.

Nothing here decodes an image or a PDF. A child process does (`pipeline.decoder`), one for each
file, with its memory, processor time and files limited; grey pixels come back over a pipe behind
a header that is checked. A page that breaks the child costs that page: a new child goes on with
the next one. Whatever a file holds, each of its pages ends as a `Scan` or a `Quarantined`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forms.errors import UserError
from forms.file_names import base_name
from pipeline import decoder
from pipeline.stages import Gray, Quarantined, Scan

_SAVE_AGAIN = "Scan the page again and save it as PDF, TIFF, JPEG or PNG."


class NotAScan(UserError):
    """Bytes that are no format we read."""

    code = "not-a-scan"
    message = "This file is not a scan: it is not a PDF, TIFF, JPEG or PNG picture of a page."
    remedy = _SAVE_AGAIN


class FileEmpty(UserError):
    """No bytes at all."""

    code = "file-empty"
    message = "This file is empty."
    remedy = "Scan the page again, and check that the scanner has room to save it."


class FileDamaged(UserError):
    """Cut short, or broken inside."""

    code = "file-damaged"
    message = "This page cannot be opened: the file is damaged or was cut short."
    remedy = "Copy the file again from the scanner, or scan the page again."


class FileLocked(UserError):
    """A PDF that wants a password."""

    code = "file-locked"
    message = "This PDF is locked with a password."
    remedy = "Save it again without a password, or scan the paper."


class ImageTooLarge(UserError):
    """More pixels or a larger page than any form has."""

    code = "image-too-large"
    message = "This page is far larger than any form."
    remedy = "Scan the page again at 300 dots an inch."


class FileTooHeavy(UserError):
    """It used up the memory or the time that one page may have."""

    code = "file-too-heavy"
    message = "Opening this page took too much time or memory, so it was stopped."
    remedy = "Print the page and scan the print, or scan the paper again at 300 dots an inch."


class TooManyPages(UserError):
    """More pages than one file may have."""

    code = "too-many-pages"
    message = "This file has more pages than can be read at once; the rest were not read."
    remedy = "Split the file, and put the pages that were not read in again."


class FileMissing(UserError):
    """Nothing of that name, or not any more."""

    code = "file-missing"
    message = "There is no such file or folder."
    remedy = "Look at the spelling, and whether the disk or share is there."


class FileForbidden(UserError):
    """The operating system does not let us read it."""

    code = "file-forbidden"
    message = "This program is not allowed to read this file or folder."
    remedy = "Ask the person who looks after this computer to allow it, then try again."


class NotAFile(UserError):
    """A folder, a device, a pipe, or a link where links are not followed."""

    code = "not-a-file"
    message = "This is a link, a device or a pipe, not a file with a scan in it."
    remedy = "Name the file itself."


def _a_folder() -> NotAFile:
    return NotAFile(
        "This is a folder, not a file with a scan in it.",
        remedy="Name the scans that are in it, one by one.",
    )


class OpenerMissing(UserError):
    """The child process cannot be started; nothing is decoded without it."""

    code = "opener-missing"
    message = "The part of this system that opens files safely could not be started."
    remedy = "Ask the person who looks after this system to check how it is installed."


OF_THE_FILE: frozenset[str] = frozenset(
    each.code
    for each in (
        NotAScan,
        FileEmpty,
        FileLocked,
        FileMissing,
        FileForbidden,
        NotAFile,
        OpenerMissing,
    )
)
"""Codes that say something of a whole file: nobody got as far as one of its pages."""

_BY_CODE: dict[str, type[UserError]] = {
    each.code: each for each in (NotAScan, FileDamaged, FileLocked, ImageTooLarge, FileTooHeavy)
}
_MAX_EXTRA_BYTES = 8_000_000
_STOPPED = frozenset(
    (signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT, signal.SIGILL, signal.SIGTRAP)
)
"""How a child ends that was out of time or memory (C++ aborts, pdfium traps)."""
_MAX_STOPS = 5
"""After this many children stopped in one file, the rest of it is set aside unread."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one file may ask for.

    Attributes:
        pages: pages read of one file; one item stands for all beyond.
        wait_seconds: how long one page may take, the child's start included.
        memory_bytes: the child's address space.
        file_bytes: the largest file.
    """

    pages: int = 500
    wait_seconds: float = 20.0
    memory_bytes: int = decoder.ADDRESS_SPACE
    file_bytes: int = 1024**3


DEFAULT = Limits()


def open_file(
    path_or_bytes: Path | str | bytes, name: str | None = None, *, limits: Limits = DEFAULT
) -> Iterator[Scan | Quarantined]:
    """Give every page of a file, in order.

    The sort of file is told by its bytes, not its name. Nothing is raised for a bad file.

    Args:
        path_or_bytes: where it is, or what is in it.
        name: what to call it in messages; only the last part is used.
        limits: how much it may ask for.

    Yields:
        A `Scan` (grey, at most about 300 dots an inch, dark on light), or a `Quarantined` with
        its reason, for each page; at least one item.
    """
    given = name or ("" if isinstance(path_or_bytes, bytes) else path_or_bytes)
    source = base_name(given) or "scan"
    try:
        with _descriptor(path_or_bytes, limits) as file:
            yield from _pages(file, source, limits)
    except UserError as problem:
        yield _set_aside(source, 0, problem)


def count_pages(path_or_bytes: Path | str | bytes, *, limits: Limits = DEFAULT) -> int:
    """Count a file's pages without decoding any.

    Raises:
        UserError: the file cannot be opened; the same classes as `open_file` sets aside by.
    """
    with _descriptor(path_or_bytes, limits) as file, _Child(file, 0, 0, limits) as child:
        said = child.next()
        if said.kind == decoder.PROBLEM:
            raise _BY_CODE[said.code]
        return said.page


def command_line(first: int, limit: int, memory_bytes: int) -> list[str]:
    """Build the command that opens one file: the place where a sandbox is put round it.

    The file is its standard input, read only; its standard output is a pipe.
    """
    script = Path(decoder.__file__)
    return [sys.executable, "-I", str(script), str(first), str(limit), str(memory_bytes)]


@contextlib.contextmanager
def _descriptor(path_or_bytes: Path | str | bytes, limits: Limits) -> Iterator[int]:
    """Open a file, or bytes as a file that has no name and is gone when closed."""
    if isinstance(path_or_bytes, bytes):
        with (
            tempfile.TemporaryFile()
            if not hasattr(os, "memfd_create")
            else os.fdopen(os.memfd_create("scan"), "w+b") as held
        ):
            held.write(path_or_bytes)
            held.flush()
            yield _checked(held.fileno(), limits)
        return
    try:
        opened = os.open(path_or_bytes, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise FileForbidden from None
    except IsADirectoryError:
        raise _a_folder() from None
    except (OSError, ValueError):
        raise FileMissing from None
    try:
        yield _checked(opened, limits)
    finally:
        os.close(opened)


def _checked(file: int, limits: Limits) -> int:
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode):
        raise _a_folder() if stat.S_ISDIR(about.st_mode) else NotAFile
    if about.st_size == 0:
        raise FileEmpty
    if about.st_size > limits.file_bytes:
        raise FileTooHeavy
    return file


def _pages(file: int, source: str, limits: Limits) -> Iterator[Scan | Quarantined]:
    """Give the pages, starting another child after each one that had to be stopped."""
    page, stops, known = 0, 0, None
    while known is None or page < min(known, limits.pages):
        with _Child(file, page, limits.pages, limits) as child:
            try:
                started = child.next()
                if started.kind == decoder.PROBLEM:
                    raise _BY_CODE[started.code]
                known = max(known or 0, started.page)
                while page < min(known, limits.pages):
                    said = child.next()
                    if said.kind not in (decoder.PAGE, decoder.PROBLEM) or said.page != page:
                        raise FileDamaged
                    page += 1
                    if said.kind == decoder.PAGE:
                        yield _scan(said, source)
                    else:
                        yield _set_aside(source, said.page, _BY_CODE[said.code], said.cause)
                    del said
            except UserError as problem:
                yield _set_aside(source, page, problem)
                if known is None:
                    return
                page += 1
                stops += 1
                if stops >= _MAX_STOPS and page < known:
                    rest = type(problem)(
                        "Too much of this file could not be opened; the rest was not read."
                    )
                    yield _set_aside(source, page, rest, pages=known)
                    return
    if known > limits.pages:
        yield _set_aside(source, limits.pages, TooManyPages, pages=known)


def _set_aside(
    source: str,
    page: int,
    problem: UserError | type[UserError],
    cause: str = "",
    *,
    pages: int | None = None,
) -> Quarantined:
    """Make the item that stands for a page nobody could open (or for all from it on)."""
    details: dict[str, object] = {"cause": cause} if cause else {}
    if pages is not None:
        details |= {"first_page_left": page, "pages": pages}
    return Quarantined(
        source=source,
        page_index=page,
        code=problem.code,
        message=problem.message,
        remedy=problem.remedy,
        details=details,
    )


def _scan(said: _Said, source: str) -> Scan:
    assert said.pixels is not None
    pixels = dark_on_light(said.pixels)
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    digest.update(pixels.data)
    return Scan(
        source=source,
        page_index=said.page,
        pixels=pixels,
        dpi=said.dpi,
        filled=said.filled,
        digest=digest.hexdigest(),
        bitonal=said.bitonal,
    )


def dark_on_light(pixels: Gray) -> Gray:
    """Turn over a page that came as white writing on black paper; leave any other as it is.

    Most of the middle of a page is paper. When that is dark and what differs from it is
    lighter, the page is inverted; a photograph in bad light has dark paper and darker ink.

    Args:
        pixels: shape (height, width).
    """
    height, width = pixels.shape
    middle = pixels[height // 8 : height - height // 8 : 7, width // 8 : width - width // 8 : 7]
    if middle.size == 0:
        return pixels
    counts = np.bincount(middle.ravel(), minlength=256).astype(np.float64)
    paper = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    if paper >= 112:
        return pixels
    away = np.arange(256.0) - paper
    return np.bitwise_not(pixels) if float((counts * away**3).sum()) > 0 else pixels


@dataclass(frozen=True, eq=False)
class _Said:
    """One record of the child, checked."""

    kind: int
    page: int
    code: str = ""
    cause: str = ""
    dpi: float | None = None
    filled: dict[str, str] | None = None
    pixels: Gray | None = None
    bitonal: bool = False


class _Child:
    """One run of the decoder on one file; closing it ends it."""

    def __init__(self, file: int, first: int, limit: int, limits: Limits) -> None:
        self._limits = limits
        self._spoke = False
        try:
            self._process = subprocess.Popen(
                command_line(first, limit, limits.memory_bytes),
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                bufsize=0,
            )
        except OSError:
            raise OpenerMissing from None
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def next(self) -> _Said:
        """Wait for the next record.

        Raises:
            FileTooHeavy: it took too long, or the child ran out of what it may use.
            FileDamaged: the child broke, or said what it may not.
        """
        deadline = time.monotonic() + self._limits.wait_seconds
        head = bytearray(decoder.HEADER.size)
        self._fill(memoryview(head), deadline)
        self._spoke = True
        magic, kind, bitonal, page, width, height, dpi, extra_bytes = decoder.HEADER.unpack(head)
        if magic != decoder.MAGIC or extra_bytes > _MAX_EXTRA_BYTES:
            raise FileDamaged
        extra = self._extra(extra_bytes, deadline)
        if kind == decoder.PROBLEM:
            code, cause = extra.get("code", ""), extra.get("cause", "")
            if code not in _BY_CODE or not (cause.isidentifier() and len(cause) <= 60):
                raise FileDamaged
            return _Said(kind, page, code=code, cause=cause)
        if kind != decoder.PAGE:
            return _Said(kind, page)
        if not (width > 0 and height > 0 and width * height <= decoder.MAX_PIXELS):
            raise FileDamaged
        pixels = np.empty((height, width), dtype=np.uint8)
        self._fill(pixels.reshape(-1).data, deadline)
        known = dpi if math.isfinite(dpi) and 10.0 <= dpi <= 10_000.0 else None
        return _Said(kind, page, dpi=known, filled=extra or None, pixels=pixels, bitonal=bitonal)

    def _extra(self, size: int, deadline: float) -> dict[str, str]:
        if size == 0:
            return {}
        text = bytearray(size)
        self._fill(memoryview(text), deadline)
        try:
            extra = json.loads(text)
        except (ValueError, RecursionError):
            raise FileDamaged from None
        if not isinstance(extra, dict) or not all(isinstance(v, str) for v in extra.values()):
            raise FileDamaged
        return extra

    def _fill(self, into: memoryview, deadline: float) -> None:
        """Read exactly so many bytes, or say why they do not come."""
        done = 0
        while done < len(into):
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise FileTooHeavy
            got = os.readv(self._pipe, [into[done:]])
            if got == 0:
                raise self._ended()
            done += got

    def _ended(self) -> UserError:
        """Say why the child is no more: stopped for what it used, or broken by the file."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return FileTooHeavy()
        if status > 128:  # a sandbox hands on a signal so
            status = 128 - status
        if status > 0 and not self._spoke:
            return OpenerMissing()
        return FileTooHeavy() if -status in _STOPPED else FileDamaged()
