"""What the pipeline needs kept, as Protocols; `storage` fits them, tests use fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    formerly: tuple[str, ...] = field(default=(), repr=False)
    """Prison numbers that were found to be this person's too."""


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
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was stamped in the form's own places (`forms.stamps.CopyToPrint`)."""


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
    """Bytes kept sealed, each under the key of what it belongs to.

    A scope names that key: `file_scope` of a file as it came in, `page_scope` of a page's picture.
    """

    def put(self, data: bytes, scope: str) -> str:
        """Seal bytes, keep them durably and give the name they are found by.

        Raises:
            StoreAway: not just now; nothing is kept.
        """
        ...

    def get(self, name: str, scope: str) -> bytes:
        """Give bytes back.

        Raises:
            StoreAway: not just now.
            UserError: they are not there, were changed, or their key was destroyed.
        """
        ...


def file_scope(intake_id: str) -> str:
    """Name the key of a file and of its name."""
    return f"file/{intake_id}"


def page_scope(page_id: str) -> str:
    """Name the key of what a page says and of its picture."""
    return f"page/{page_id}"
