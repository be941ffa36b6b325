"""Files in, scans out: one item a page, one page in memory at a time.

Nothing here decodes an image or a PDF. A child process does (`pipeline.decoder`), shut in by
`pipeline.sandbox`, one for each file and slice of its pages; grey pixels come back over a pipe
behind a header that is checked. A page that breaks the child costs that page: a new child goes on
with the next one. Whatever a file holds, each of its pages ends as a `Scan` or a `Quarantined`.
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
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forms.errors import UserError
from forms.file_names import base_name
from pipeline import decoder
from pipeline.sandbox import OF_THE_MACHINE, STRICT, OpenerMissing, Sandbox, SandboxMissing
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


OF_THE_FILE: frozenset[str] = frozenset(
    each.code
    for each in (
        NotAScan,
        FileEmpty,
        FileLocked,
        FileMissing,
        FileForbidden,
        NotAFile,
        SandboxMissing,
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
_NOBODYS_SCAN = 10
"""A file of so many times the pages that may be read is not read at all."""
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

    pages: int = decoder.MOST_PAGES
    wait_seconds: float = 20.0
    memory_bytes: int = decoder.ADDRESS_SPACE
    file_bytes: int = 1024**3


DEFAULT = Limits()


def open_file(
    path_or_bytes: Path | str | bytes,
    name: str | None = None,
    *,
    limits: Limits = DEFAULT,
    sandbox: Sandbox = STRICT,
) -> Iterator[Scan | Quarantined]:
    """Give every page of a file, in order.

    The sort of file is told by its bytes, not its name. Nothing is raised for a bad file.

    Args:
        path_or_bytes: where it is, or what is in it.
        name: what to call it in messages; only the last part is used.
        limits: how much it may ask for.
        sandbox: where it is opened.

    Yields:
        A `Scan` (grey, at most about 300 dots an inch, dark on light), or a `Quarantined` with
        its reason, for each page; at least one item.
    """
    with OpenFile(path_or_bytes, name, limits=limits, sandbox=sandbox, ahead=True) as file:
        index, item = 0, file.read(0)
        yield item
        while not file.stands_for_the_rest(item):
            index += 1
            if index >= file.pages:
                return
            del item
            item = file.read(index)
            yield item


def count_pages(
    path_or_bytes: Path | str | bytes, *, limits: Limits = DEFAULT, sandbox: Sandbox = STRICT
) -> int:
    """Count a file's pages without decoding any; one beyond the limit when there are more.

    Raises:
        UserError: the file cannot be opened; the same classes as `open_file` sets aside by.
    """
    with OpenFile(path_or_bytes, limits=limits, sandbox=sandbox) as file:
        return file.pages


@dataclass
class Stops:
    """How often a file stopped the child that opened it, why the last time, and its pages."""

    count: int = 0
    why: type[UserError] = FileDamaged
    pages: int = 0
    at: float = 0.0


class OpenFile:
    """One file, whose pages can be had in any order; closing it ends its child.

    Args:
        path_or_bytes: where it is, or what is in it.
        name: what to call it in messages; only the last part is used.
        limits: how much it may ask for.
        sandbox: where it is opened.
        ahead: let the child decode the pages after the one that is read.
        stops: what is known of the file's trouble from before.
    """

    def __init__(
        self,
        path_or_bytes: Path | str | bytes,
        name: str | None = None,
        *,
        limits: Limits = DEFAULT,
        sandbox: Sandbox = STRICT,
        ahead: bool = False,
        stops: Stops | None = None,
    ) -> None:
        given = name or ("" if isinstance(path_or_bytes, bytes) else path_or_bytes)
        self._source = base_name(given) or "scan"
        self._what, self._limits, self._sandbox, self._ahead = path_or_bytes, limits, sandbox, ahead
        self._held = contextlib.ExitStack()
        self._file: int | None = None
        self._child: _Child | None = None
        self._pages: int | None = None
        self._stops = stops or Stops()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child and let go of the file; what was found out of it is remembered."""
        self._drop()
        self._held.close()
        self._file = None

    @property
    def pages(self) -> int:
        """How many items it gives: its pages, and one for all beyond the limit.

        Raises:
            UserError: it cannot be opened.
        """
        if self._pages is None:
            self._start()
        assert self._pages is not None
        return self._pages

    @property
    def pages_known(self) -> int:
        """How many items it gives, as far as anybody has asked; 0 when it was never opened."""
        return self._pages or 0

    def read(self, index: int) -> Scan | Quarantined:
        """Give one page, or why it is set aside; of a file that cannot be opened, always why."""
        try:
            given_up = self._stops.count >= _MAX_STOPS and self._stops.pages > 0
            if index >= (self._stops.pages if given_up else self.pages):
                raise FileDamaged
            if index >= self._limits.pages:
                return _set_aside(self._source, index, TooManyPages, pages=self._stops.pages)
            if given_up:
                rest = self._stops.why(
                    "Too much of this file could not be opened; the rest was not read."
                )
                return _set_aside(self._source, index, rest, pages=self._stops.pages)
            return self._read(index)
        except UserError as problem:
            return _set_aside(self._source, index, problem)

    def stands_for_the_rest(self, item: Scan | Quarantined) -> bool:
        """Say whether nothing else will come of the pages after this item, nor of the file."""
        return self._pages is None or (
            isinstance(item, Quarantined) and "first_page_left" in item.details
        )

    def _read(self, index: int) -> Scan | Quarantined:
        child = self._at(index)
        try:
            said = child.next()
            if said.kind not in (decoder.PAGE, decoder.PROBLEM) or said.page != index:
                raise FileDamaged
        except UserError as problem:
            self._stopped(problem)
            raise
        if said.kind == decoder.PAGE:
            return _scan(said, self._source)
        if said.code == FileTooHeavy.code:
            self._drop()  # it says no more: what memory it has left may not do for a page
        return _set_aside(self._source, index, _BY_CODE[said.code], said.cause)

    def _at(self, index: int) -> _Child:
        """Give a child whose next answer is this page: the one there is, or a fresh one."""
        slice_at = index // decoder.SLICE_PAGES
        child = self._child
        if child is not None and child.slice_at in (None, slice_at):
            if child.coming and child.coming[0] == index:
                return child
            if not child.coming:
                child.rested()
                if child.ask(self._range(index)):
                    return child
        child = self._start()
        child.ask(self._range(index))
        return child

    def _range(self, index: int) -> range:
        if not self._ahead:
            return range(index, index + 1)
        slice_end = (index // decoder.SLICE_PAGES + 1) * decoder.SLICE_PAGES
        return range(index, min(slice_end, self.pages, self._limits.pages))

    def _start(self) -> _Child:
        """Start a child; the first one also tells how many pages there are.

        Raises:
            UserError: it does not open the file.
        """
        self._drop()
        if self._file is None:
            self._file = self._held.enter_context(_descriptor(self._what, self._limits))
        child = self._child = _Child(self._file, self._limits, self._sandbox)
        try:
            started = child.next()
            if started.kind == decoder.PROBLEM:
                raise _BY_CODE[started.code]
            if started.kind != decoder.START:
                raise FileDamaged
        except UserError as problem:
            self._stopped(problem)
            raise
        if self._pages is None:
            if started.page > _NOBODYS_SCAN * self._limits.pages:
                self._drop()
                raise TooManyPages("This file has far more pages than any scan; none was read.")
            self._stops.pages = started.page
            self._pages = max(1, min(started.page, self._limits.pages + 1))
        return child

    def _stopped(self, problem: UserError) -> None:
        self._drop()
        if problem.code not in OF_THE_MACHINE:
            self._stops.count += 1
            self._stops.at = time.monotonic()
            self._stops.why = type(problem)

    def _drop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


@contextlib.contextmanager
def _descriptor(path_or_bytes: Path | str | bytes, limits: Limits) -> Iterator[int]:
    """Open a file, or bytes as a file that has no name and is gone when closed."""
    if isinstance(path_or_bytes, bytes):
        with os.fdopen(os.memfd_create("scan", os.MFD_CLOEXEC), "wb") as held:
            held.write(path_or_bytes)
            held.flush()
            reading = os.open(f"/proc/self/fd/{held.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield _checked(reading, limits)
            finally:
                os.close(reading)
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
    """One run of the decoder on one file; closing it ends it.

    Attributes:
        slice_at: which slice of pages it was asked for; it is asked for no other.
        coming: the pages it was asked for and has not answered.
    """

    def __init__(self, file: int, limits: Limits, sandbox: Sandbox) -> None:
        self.slice_at: int | None = None
        self.coming = range(0)
        self._limits = limits
        self._spoke = False
        self._deadline = time.monotonic() + limits.wait_seconds
        reading, self._requests = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = sandbox.start([str(limits.memory_bytes)], file=file, requests=reading)
        except UserError:
            os.close(self._requests)
            raise
        finally:
            os.close(reading)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._requests)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def rested(self) -> None:
        """Give it its full time for the page it is asked for next."""
        self._deadline = time.monotonic() + self._limits.wait_seconds

    def ask(self, pages: range) -> bool:
        """Ask for pages of one slice, in order; False when it is no more."""
        self.slice_at, self.coming = pages.start // decoder.SLICE_PAGES, pages
        if self._process.poll() is not None:
            return False
        try:
            os.write(self._requests, decoder.REQUEST.pack(pages.start, pages.stop))
        except OSError:
            return False
        return True

    def next(self) -> _Said:
        """Wait for the next record.

        Raises:
            FileTooHeavy: it took too long, or the child ran out of what it may use.
            FileDamaged: the child broke, or said what it may not.
            OpenerMissing: it never came to the file.
        """
        said = self._next(self._deadline)
        if said.kind != decoder.START:
            self.coming = self.coming[1:]
            self.rested()
        return said

    def _next(self, deadline: float) -> _Said:
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
