"""The chain that holds the list of events together: each event's hash covers the one before it.

Whoever changes, removes, adds or swaps an event breaks the chain at that place, and whoever cuts
off the newest ones no longer ends at the head. The hashes are keyed (HMAC), with a key that lies
outside the database, so that nobody who has the database alone can write the chain anew. What is
left is to put an older copy of all of it back; the heads noted outside tell (`storage.heads`).

A list from before there was a key stays as it was written. An event `KEYED` follows it, binds its
head, and from there on every hash is keyed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, String, event, func, insert, select, type_coerce
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.heads import Head, NotedHead, NotedHeads, Witness
from storage.models import EventHeadRow, EventRow

START = "0" * 64
"""What stands in the place of a hash before the first event."""

KEYED = "events-keyed"
"""What the event is called from which on hashes are keyed; its subject is the head before it."""

AT_LEAST = 12
"""Hex digits of a head that must have been noted."""

LOOKED_AT = 1000
"""Of so many of the newest noted heads the signatures are looked at."""

_AT_ONCE = 500
"""Events looked up together."""

_NOTED = re.compile(rf"(\d{{1,18}}):([0-9a-f]{{{AT_LEAST},64}})")


class EventsBroken(UserError):
    """The list of events is not as it was written.

    Attributes:
        number: the first event that does not fit.
    """

    code = "events-broken"
    remedy = (
        "Keep this database and its backups as they are, and tell the person who answers for data "
        "protection: somebody or something changed the list outside this system."
    )

    def __init__(self, number: int, message: str) -> None:
        self.number = number
        super().__init__(message)


class HeadsForged(UserError):
    """A head was noted outside that this installation did not sign."""

    code = "heads-forged"
    message = "Among the heads noted outside the database is one that this system did not sign."
    remedy = EventsBroken.remedy


class HeadMistyped(UserError):
    """What was given is no head of a list of events."""

    code = "head-mistyped"
    message = "That is not a head as `audit head` writes it."
    remedy = f"Type the number, a colon and at least {AT_LEAST} of the digits, such as 120:1f9a..."


class AuditKeyMissing(UserError):
    """The list of events is keyed, and the key is not here."""

    code = "audit-key-missing"
    message = "The key that the list of who did what is written with is not here."
    remedy = (
        "COUNTERFOIL_KEYS names the folder it lies in. Put that folder back from its backup; "
        "nothing was changed."
    )


class AuditKeyWrong(AuditKeyMissing):
    """The key that is here is another one."""

    code = "audit-key-wrong"
    message = "The list of who did what was written with another key than the one that is here."


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What checking the whole list came to.

    Attributes:
        head: its newest event.
        looked_at: how many events were computed anew.
        outside: how many heads noted outside were found in it.
        since: number of the oldest of them; 0 when there is none.
        odd: lines of the file of heads that are none.
        put_back: a head for each time that a backup was put back on purpose.
    """

    head: Head
    looked_at: int
    outside: int = 0
    since: int = 0
    odd: int = 0
    put_back: tuple[NotedHead, ...] = ()


def chained(
    previous: str,
    number: int,
    at: datetime,
    by: str,
    what: str,
    subject: str,
    code: str,
    *,
    key: bytes = b"",
) -> str:
    """Give the hash of an event.

    Args:
        previous: the hash of the event before it, or `START`.
        number: its place in the list, see `pipeline.kept.Event` for it and what follows.
        at: when.
        by: user name.
        what: code of the act.
        subject: id of what it was done to.
        code: one more code.
        key: of the chain; empty for events from before there was one.

    Returns:
        HMAC-SHA256 (without a key SHA-256), hex, over the hash before it and everything the event
        says, as JSON in ASCII. Revision 0003 has the same rule; changing it is a new revision.
    """
    return _hashed(key, previous, number, _moment(at), by, what, subject, code)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _moment_of_text(at: object) -> str:
    """Write the text of a moment, "2026-11-23 09:30:15.123456", as `_moment` does.

    Text of another length is none: it gives a hash that nothing has, and cannot run into what
    follows it.
    """
    text = str(at).removesuffix(" AD")
    return f"{text[:10]}T{text[11:]}+00:00" if len(text) == 26 else ""


def _hashed(
    key: bytes, previous: str, number: int, moment: str, by: str, what: str, subject: str, code: str
) -> str:
    said = (
        f'["{previous}",{number},"{moment}",{_quoted(by)},{_quoted(what)},{_quoted(subject)},'
        f"{_quoted(code)}]"
    ).encode()
    if key:
        return hmac.digest(key, said, "sha256").hex()
    return hashlib.sha256(said).hexdigest()


_quoted = json.encoder.encode_basestring_ascii
"""Writes a string as JSON in ASCII; five times as quick as an encoder for the whole list."""


class Chain:
    """Adds events at the end of a transaction, so that others wait for the head only then.

    Args:
        rows: the transaction.
        witness: holds the key; None leaves a list unkeyed that is so by now.
    """

    def __init__(self, rows: Rows, witness: Witness | None = None) -> None:
        self._rows, self._witness = rows, witness
        self._new: list[dict[str, Any]] = []
        self._head: Head | None = None

    def add(self, *, at: datetime, by: str, what: str, subject: str, code: str) -> None:
        """Note an event; it is numbered and chained when the transaction commits."""
        if not self._new:
            event.listen(self._rows, "before_commit", self._before_commit, once=True)
            event.listen(self._rows, "after_rollback", self._after_rollback, once=True)
        self._new.append({"at": at, "by": by, "what": what, "subject": subject, "code": code})

    def settle(self) -> None:
        """Number and chain what was noted, holding the head until the transaction ends.

        Raises:
            AuditKeyMissing: the list is keyed, and there is no key or another one.
        """
        if not self._new:
            return
        self._rows.flush()
        head = self._rows.get_one(EventHeadRow, 1, with_for_update=True, populate_existing=True)
        key = self._key(head)
        number, digest = head.number, head.hash
        new = [each for each in self._new if each["what"] != KEYED]
        if key and not head.keyed_from:
            new.insert(0, _boundary(Head(number=number, hash=digest), self._new[0]))
            head.keyed_from = number + 1
        self._new = []
        if not new:
            return
        for each in new:
            number += 1
            digest = chained(digest, number, **each, key=key)
            each.update(number=number, hash=digest)
        self._rows.execute(insert(EventRow), new)
        head.number, head.hash = number, digest
        self._rows.flush()
        if self._witness is not None:
            if self._head is None:
                event.listen(self._rows, "after_commit", self._after_commit, once=True)
            self._head = Head(number=number, hash=digest)

    def _key(self, head: EventHeadRow) -> bytes:
        """Give the key, having made sure that the newest event was written with it."""
        if self._witness is None:
            if head.keyed_from:
                raise AuditKeyMissing
            return b""
        if head.keyed_from and not self._witness.known:
            if not written_with(self._rows, self._witness.key, head):
                raise AuditKeyWrong
            self._witness.known = True
        return self._witness.key

    def _before_commit(self, _rows: Rows) -> None:
        self.settle()

    def _after_commit(self, _rows: Rows) -> None:
        if self._witness is not None and self._head is not None:
            self._witness.committed(self._head)
        self._head = None

    def _after_rollback(self, _rows: Rows) -> None:
        self._new, self._head = [], None


def _boundary(head: Head, first: dict[str, Any]) -> dict[str, Any]:
    """Make the event that binds the list from before there was a key."""
    return {"at": first["at"], "by": "counterfoil", "what": KEYED, "subject": head.told, "code": ""}


_LISTED = (
    EventRow.number,
    EventRow.at,
    EventRow.by,
    EventRow.what,
    EventRow.subject,
    EventRow.code,
    EventRow.hash,
)


def _listed(rows: Rows) -> tuple[ColumnElement[Any], ...]:
    """Name what is read of an event, its moment as text such as "2026-11-23 09:30:15.123456".

    SQLite keeps that text. Making a moment of it and text of that again takes longer than all the
    rest, on a server's database too.
    """
    at: ColumnElement[Any] = type_coerce(EventRow.at, String)
    if rows.get_bind().dialect.name != "sqlite":
        utc = func.timezone("UTC", EventRow.at)
        at = func.to_char(utc, "YYYY-MM-DD HH24:MI:SS.US BC", type_=String)
    return tuple(at if column is EventRow.at else column.expression for column in _LISTED)


def written_with(rows: Rows, key: bytes, head: EventHeadRow) -> bool:
    """Say whether the newest event follows from the one before it by this key."""
    upto = select(*_listed(rows)).where(EventRow.number <= head.number)
    found = rows.execute(upto.order_by(EventRow.number.desc()).limit(2)).all()
    if not found:
        return False
    before = found[1][-1] if len(found) > 1 else START
    return _follows(before, found[0], key)


def _follows(previous: str, listed: Sequence[Any], key: bytes) -> bool:
    """Say whether an event, as `_listed` gives it, follows from the hash before it."""
    number, at, by, what, subject, code, kept = listed
    try:
        said = _hashed(key, previous, number, _moment_of_text(at), by, what, subject, code)
    except TypeError:  # SQLite keeps bytes and numbers in a column of text too.
        return False
    return bool(said == kept)


def verify(
    rows: Rows,
    noted: str = "",
    *,
    witness: Witness | None = None,
    outside: NotedHeads | None = None,
    newest: int = 0,
) -> Verified:
    """Compute the whole chain anew, and look for every head that was noted.

    Args:
        rows: one moment's view of the database, begun after `outside` was read.
        noted: a head noted before ("120:1f9a..."), which must still be in the chain.
        witness: holds the key, which a keyed list needs.
        outside: the heads noted outside.
        newest: only so many of the newest events; 0 for all.

    Raises:
        EventsBroken: an event was changed, removed, added or swapped, or an older list was put
            back; names the first that does not fit.
        HeadsForged: a head outside is not ours.
        HeadMistyped: `noted` is no head.
        AuditKeyMissing: the list is keyed, and there is no key or another one.
    """
    asked = _NOTED.fullmatch("".join(noted.split()).lower()) if noted else None
    if noted and asked is None:
        raise HeadMistyped
    head = rows.get_one(EventHeadRow, 1, populate_existing=True)
    key = _key_for(head, witness)
    heads = _Outside(outside or NotedHeads(), witness)
    number, digest, looked_at = 0, START, 0
    found = select(*_listed(rows)).order_by(EventRow.number)
    if newest and head.number > newest and not asked:
        before = found.where(EventRow.number == head.number - newest)
        if (start := rows.execute(before).one_or_none()) is not None:
            number, digest = start.number, start.hash
            found = found.where(EventRow.number > number)
    heads.skip(number)
    keyed_from = head.keyed_from if number >= head.keyed_from else 0
    keyed, met = bool(keyed_from), False
    for listed in rows.execute(found.execution_options(yield_per=5000)):
        looked_at += 1
        each, what, kept = listed[0], listed[3], listed[6]
        if key and what == KEYED and not keyed:
            keyed, keyed_from = listed[4] == f"{number}:{digest}", each
        fits = _follows(digest, listed, key if keyed else b"")
        first = each == keyed_from or (keyed and looked_at == 1)
        if not fits and first and not written_with(rows, key, head):
            raise AuditKeyWrong
        if not fits or (keyed and what == KEYED and each != keyed_from):
            raise EventsBroken(
                each,
                f"Event {each} does not follow from the one before it: one of the two was "
                "changed, or something was taken out or put in between them.",
            )
        number, digest = each, kept
        heads.meet(number, digest)
        if asked is not None and number == int(asked[1]):
            met = digest.startswith(asked[2])
    if (number, digest, keyed_from) != (head.number, head.hash, head.keyed_from):
        raise EventsBroken(
            number + 1,
            f"The list of events ends at number {number}, and was written up to number "
            f"{head.number}: the newest events were changed or taken out.",
        )
    heads.end(number)
    if asked is not None and not met:
        raise EventsBroken(int(asked[1]), _NOT_NOTED.format(int(asked[1])))
    return Verified(
        head=Head(number=number, hash=digest),
        looked_at=looked_at,
        outside=heads.met,
        since=heads.since,
        odd=outside.odd if outside else 0,
        put_back=tuple(heads.put_back),
    )


def parted(rows: Rows, witness: Witness, outside: NotedHeads) -> int:
    """Give the number of the first event that was noted outside and is another in the list.

    0 where there is none. Everything from there on is of what came after a backup that was put
    back, as far as the heads outside can tell.
    """
    heads = _Outside(outside, witness)
    for start in range(0, len(heads.numbers), _AT_ONCE):
        some = heads.numbers[start : start + _AT_ONCE]
        found = select(EventRow.number, EventRow.hash).where(EventRow.number.in_(some))
        here = dict(rows.execute(found).all())
        for number in some:
            if heads.differ(number, here.get(number)):
                return number
    return 0


_NOT_NOTED = (
    "Event {} is not the one that was noted: the list was written anew, or an older one was put in "
    "its place."
)


def _key_for(head: EventHeadRow, witness: Witness | None) -> bytes:
    """Give the key that a list is to be checked with.

    Where there is a key, a list that is not keyed is one that somebody put there: a store that
    holds a key has every list keyed before anything else (`Store.upgrade`).
    """
    if witness is None:
        if head.keyed_from:
            raise AuditKeyMissing
        return b""
    if not head.keyed_from:
        raise EventsBroken(
            head.number,
            f"The list of events, {head.number} long, is not written with this system's key: "
            "another list was put in its place.",
        )
    return witness.key


class _Outside:
    """The heads noted outside, met one after the other while the chain is computed."""

    def __init__(self, noted: NotedHeads, witness: Witness | None) -> None:
        self._file = witness.heads if witness else None
        self._heads: dict[int, list[NotedHead]] = {}
        self.put_back: list[NotedHead] = []
        for each in noted.heads:
            # A line copied to the end would excuse what was noted since.
            if each.put_back and each.head not in {mark.head for mark in self.put_back}:
                self._signed(each)
                self.put_back.append(each)
                self.skip(each.put_back - 1, higher=True)
            self._heads.setdefault(each.head.number, []).append(each)
        self._newest = noted.heads[-LOOKED_AT:]
        self.met = 0
        self.since = min(self._heads, default=0)

    def skip(self, number: int, *, higher: bool = False) -> None:
        """Leave out those up to a number, or those that are higher."""
        self._heads = {n: each for n, each in self._heads.items() if (n > number) != higher}

    @property
    def numbers(self) -> tuple[int, ...]:
        """Give the numbers of those that have to be in the list, in order."""
        return tuple(sorted(self._heads))

    def differ(self, number: int, digest: str | None) -> bool:
        """Say whether one of ours was noted that is not what the list has there."""
        return any(
            each.head.hash != digest and (self._file is None or self._file.ours(each))
            for each in self._heads.get(number, ())
        )

    def meet(self, number: int, digest: str) -> None:
        """Compare an event's hash with what was noted of it.

        Raises:
            EventsBroken: another one was noted.
        """
        for each in self._heads.pop(number, ()):
            if each.head.hash != digest:
                self._signed(each)
                raise EventsBroken(number, _NOT_NOTED.format(number))
            self.met += 1

    def end(self, number: int) -> None:
        """Say that the list ends here.

        Raises:
            EventsBroken: more was noted than there is.
            HeadsForged: one of the newest heads is not ours.
        """
        for each in sorted(self._heads):
            self._signed(self._heads[each][0])
            raise EventsBroken(
                number + 1,
                f"The list of events ends at number {number}, and number {max(self._heads)} was "
                "noted outside the database: an older list was put in its place.",
            )
        for noted in self._newest:
            self._signed(noted)

    def _signed(self, noted: NotedHead) -> None:
        if self._file is not None and not self._file.ours(noted):
            raise HeadsForged
