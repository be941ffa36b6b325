"""What the pipeline needs kept, as Protocols; `storage` fits them, tests use fakes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from forms.errors import UserError
from forms.published import Published


class StoreAway(UserError):
    """What is kept cannot be reached or added to just now: no fault of the page in hand.

    Whoever meets it waits and tries again; nothing is set aside for it.
    """

    code = "store-away"
    message = "The store of files cannot be reached."
    remedy = (
        "What was kept before is safe, and work that waits goes on by itself. See that the store "
        "runs and that this computer reaches it, then do this again."
    )


@dataclass(frozen=True, kw_only=True)
class Person:
    """One line of the roll."""

    prison_number: str = field(repr=False)
    surname: str = field(repr=False)
    forenames: str = field(repr=False)
    cell: str = field(repr=False)
    establishment: str
    date_of_birth: date | None = field(default=None, repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One issued copy of a form: who it was printed for and what became of it.

    `state` is "issued" or "void". `person` is set when the copy is bound to somebody.
    """

    serial: str
    form: str
    version: int
    language: str
    large_print: bool
    pages: int
    issued_at: datetime
    establishment: str = ""
    wing: str = ""
    person: str | None = field(default=None, repr=False)
    state: str = "issued"
    pad: str = ""
    """The print run it came from."""
    issued_by: str = ""
    void_reason: str = ""


class Layouts(Protocol):
    """Finds published versions."""

    def find(self, form: str, version: int, language: str, *, large_print: bool) -> Published:
        """Find one, or raise `forms.published.VersionUnknown`."""
        ...


class Sheets(Protocol):
    """The register of issued copies."""

    def issue(self, sheets: Sequence[Sheet]) -> None:
        """Keep new copies, all or none."""
        ...

    def find(self, serial: str) -> Sheet | None:
        """Find a copy by serial."""
        ...


class Roll(Protocol):
    """The people of the establishment, as of the last good import."""

    def people(self) -> Sequence[Person]:
        """Give everybody on the roll in force."""
        ...


class Blobs(Protocol):
    """Bytes kept by their own hash."""

    def put(self, data: bytes) -> str:
        """Keep bytes durably and give their SHA-256 in hex; the same bytes are kept once.

        Raises:
            StoreAway: not just now; nothing is kept.
        """
        ...

    def get(self, digest: str) -> bytes:
        """Give bytes back, or raise `storage.blobs.BlobMissing`.

        Raises:
            StoreAway: not just now.
        """
        ...

    def sweep(self, keep: Iterable[str]) -> int:
        """Delete what nothing refers to and is a day old; give how many went."""
        ...
