"""Bytes kept by their own SHA-256 in S3-compatible storage, for an installation of many machines.

A key is `ab/abcd...` under the prefix. Bytes are sent with their checksum and never over others:
`mode="create"`, where "it is there already" is success once its size was looked at. What is
longer than one piece goes up in parts, out of a temporary file without a name, because the hash
must be known before the key. The only module that knows obstore.
"""

from __future__ import annotations

import errno
import hashlib
import io
import ipaddress
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import obstore
from obstore import exceptions as told
from obstore.store import S3Store

from forms.errors import UserError
from storage.blobs import (
    DAY_SECONDS,
    PIECE,
    BlobDamaged,
    BlobMissing,
    BlobsAway,
    DiskFull,
    Stored,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta

PART = 8 << 20
"""Bytes of one part, and of one fetch: so much is in memory a few times, however long a file."""

PARTS_AT_ONCE = 2
CONNECT_SECONDS, ANSWER_SECONDS = 3, 60
"""How long one request may take; a part over a line of 2 Mbit/s takes 34 s."""

RETRIES, RETRY_SECONDS = 3, 8
"""Of one request, with growing waits. Workers then go on trying until the store is back."""

GIVEN_UP_SECONDS = 600.0
"""A file that cannot be fetched for so long while the store answers is damaged itself."""

YOUNG = timedelta(seconds=DAY_SECONDS / 2)
"""What is older is sent again when it is put again, so that no sweep takes it."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")
_NOT_FOUND = (FileNotFoundError, told.NotFoundError)
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_OTHER_CREDENTIALS = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class BlobsRefused(BlobsAway):
    """The server answers, and does not let us in."""

    code = "blobs-refused"
    message = "The store of files refuses this system: its key or its bucket is not right."
    remedy = (
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket in COUNTERFOIL_BLOBS_URL. "
        "What was kept before is safe, and waiting work goes on by itself."
    )


class BlobsUrlOdd(UserError):
    """The address of the store is none that we understand."""

    code = "blobs-url-odd"
    message = "COUNTERFOIL_BLOBS_URL does not name a store of files."
    remedy = "Write it as s3://BUCKET/PREFIX, or unset it: files are then kept in a folder."


class S3AccessMissing(UserError):
    """Nothing says who we are to the server."""

    code = "s3-access-missing"
    message = "The key to the store of files is not set."
    remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY beside COUNTERFOIL_BLOBS_URL."


class S3Unprotected(UserError):
    """The way to the server is not encrypted, and leaves this computer."""

    code = "s3-unprotected"
    message = "AWS_ENDPOINT_URL begins with http://, so others could read along on the way."
    remedy = "Use an https:// address; on a network of your own, set AWS_ALLOW_HTTP=true."


@dataclass(frozen=True, kw_only=True)
class S3Place:
    """Where the bucket is and how to get in.

    Attributes:
        bucket: its name.
        prefix: what every key begins with; may be empty.
        endpoint: the server's address; None for Amazon's own.
        region: as the server calls it.
        key: who we are; None when the credentials come from the platform.
        secret: the key's other half.
        token: a temporary key's third part.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def s3_place(url: str, environment: Mapping[str, str]) -> S3Place:
    """Read where the bucket is out of its address and the usual AWS variables.

    Raises:
        BlobsUrlOdd: it is no `s3://bucket/prefix`.
        S3AccessMissing: there are no credentials.
        S3Unprotected: plain HTTP to another computer, and nobody said that it may be.
    """
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query:
        raise BlobsUrlOdd
    if prefix and not _PREFIX.fullmatch(prefix):
        raise BlobsUrlOdd
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not (key and secret) and not any(environment.get(each) for each in _OTHER_CREDENTIALS):
        raise S3AccessMissing
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    allowed = environment.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    if endpoint and not (endpoint.startswith("https://") or allowed or _is_here(endpoint)):
        raise S3Unprotected
    return S3Place(
        bucket=parts.netloc,
        prefix=prefix,
        endpoint=endpoint or None,
        region=environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or S3Place.region,
        key=key or None,
        secret=secret or None,
        token=environment.get("AWS_SESSION_TOKEN") or None,
    )


class S3Blobs:
    """A bucket of blobs that fits `storage.blobs.BlobStore`."""

    def __init__(self, place: S3Place, spool: Path) -> None:
        """Open a bucket; nothing is asked of it yet.

        Args:
            place: where it is.
            spool: a folder on this machine's own disk, in which long files wait without a name
                until their hash is known.
        """
        self.place = place
        self._spool = spool
        self._store = _open(place)
        self._failing: dict[str, float] = {}

    def put(self, data: bytes) -> str:
        """Keep bytes durably and give their SHA-256 in hex; the same bytes are kept once.

        Raises:
            BlobsAway: the server does not answer, or refuses; nothing is kept.
        """
        return self.put_stream(io.BytesIO(data)).digest

    def put_stream(self, source: BinaryIO) -> Stored:
        """Keep a stream's bytes durably, however many, in flat memory.

        Raises:
            BlobsAway: the server does not answer, or refuses; nothing is kept.
            DiskFull: a long file has no room to wait in; nothing is kept.
            OSError: the source cannot be read.
        """
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(max_size=PART, dir=str(self._spool)) as file:
            while piece := source.read(PIECE):
                digest.update(piece)
                size += len(piece)
                with _room():
                    file.write(piece)
            with _room():
                file.seek(0)
            stored = Stored(digest=digest.hexdigest(), size=size)
            with _answered():
                self._keep(stored, file)
        return stored

    def get(self, digest: str) -> bytes:
        """Give bytes back.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there.
            BlobsAway: the server does not answer, or refuses.
        """
        whole = io.BytesIO()
        for piece in self.stream(digest):
            whole.write(piece)
        return whole.getvalue()

    def stream(self, digest: str) -> Iterator[bytes]:
        """Give bytes back a piece at a time, in flat memory.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there; told after the last piece.
            BlobsAway: the server does not answer, or refuses.
        """
        if not _DIGEST.fullmatch(digest):
            raise BlobMissing
        found = hashlib.sha256()
        try:
            for piece in self._fetch(digest):
                found.update(piece)
                yield piece
        except BlobsAway:
            self._note_failure(digest)
            raise
        self._failing.pop(digest, None)
        if found.hexdigest() != digest:
            raise BlobDamaged

    def has(self, digest: str) -> bool:
        """Say whether bytes of that digest are kept.

        Raises:
            BlobsAway: the server does not answer, or refuses.
        """
        if not _DIGEST.fullmatch(digest):
            return False
        with _answered():
            return self._about(_key(digest)) is not None

    def names(self) -> Iterator[Stored]:
        """Give the digest and the size of everything kept, in no order, in flat memory.

        Raises:
            BlobsAway: the server does not answer, or refuses.
        """
        with _answered():
            for about in self._list():
                name = about["path"].rpartition("/")[2]
                if about["path"] == _key(name):
                    yield Stored(digest=name, size=about["size"])

    def remove(self, digest: str) -> None:
        """Delete bytes at once; nothing happens when there are none.

        Raises:
            BlobsAway: the server does not answer, or refuses.
        """
        if _DIGEST.fullmatch(digest):
            with _answered():
                for key in (_key(digest), _aside(digest)):
                    if self._about(key) is not None:
                        obstore.delete(self._store, key)

    def sweep(self, keep: Iterable[str]) -> int:
        """Put aside what nothing refers to and is a day old; give how many went.

        Ages are told by the server's clock alone. What is aside comes back when it is asked for.

        Raises:
            BlobsAway: the server does not answer, or refuses.
        """
        wanted, gone = frozenset(keep), 0
        with _answered():
            before = self._clock() - timedelta(seconds=DAY_SECONDS)
            for about in self._list(_ASIDE):
                name = about["path"].rpartition("/")[2]
                if name in wanted:
                    self._take_back(name)
                elif about["last_modified"] < before:
                    obstore.delete(self._store, about["path"])
            for about in self._list():
                name = about["path"].rpartition("/")[2]
                kept = about["path"] == _key(name)
                if kept and name not in wanted and about["last_modified"] < before:
                    obstore.copy(self._store, about["path"], _aside(name))
                    obstore.delete(self._store, about["path"])
                    gone += 1
        return gone

    def _keep(self, stored: Stored, file: Any) -> None:
        """Send what is not there yet, and what is there cut short or is about to be swept."""
        key = _key(stored.digest)
        if stored.size <= PART:
            data = file.read()
            try:
                obstore.put(self._store, key, data, mode="create")
            except told.AlreadyExistsError:
                if not self._is_well(key, stored.size):
                    obstore.put(self._store, key, data, mode="overwrite")
            return
        if self._is_well(key, stored.size):
            return
        obstore.put(
            self._store,
            key,
            _parts(file),
            use_multipart=True,
            chunk_size=PART,
            max_concurrency=PARTS_AT_ONCE,
        )
        about = self._about(key)
        if about is None or about["size"] != stored.size:
            raise BlobsAway

    def _is_well(self, key: str, size: int) -> bool:
        """Say whether an object is whole, and too young for a sweep to take it."""
        about = self._about(key)
        if about is None or about["size"] != size:
            return False
        return bool(self._clock() - about["last_modified"] < YOUNG)

    def _fetch(self, digest: str) -> Iterator[bytes]:
        """Fetch an object part by part, each part a request of its own that may be tried again."""
        with _answered():
            try:
                first = obstore.get(self._store, _key(digest))
            except _NOT_FOUND as problem:
                if "NoSuchBucket" in str(problem):
                    raise BlobsRefused from None
                if not self._take_back(digest):
                    raise BlobMissing from None
                first = obstore.get(self._store, _key(digest))
            size = first.meta["size"]
            if size <= PART:
                data = bytes(first.bytes())
        if size <= PART:
            yield data
            return
        del first
        for start in range(0, size, PART):
            with _answered():
                data = bytes(
                    obstore.get_range(
                        self._store, _key(digest), start=start, end=min(start + PART, size)
                    )
                )
            yield data

    def _note_failure(self, digest: str) -> None:
        """Say that a file is damaged when it alone cannot be fetched for a long time."""
        now = time.monotonic()
        since = self._failing.setdefault(digest, now)
        if len(self._failing) > 10_000:
            self._failing.clear()
        if now - since < GIVEN_UP_SECONDS:
            return
        with _answered():
            self._clock()
        raise BlobDamaged("A kept file cannot be fetched, though its store answers.") from None

    def _take_back(self, digest: str) -> bool:
        """Bring back what a sweep put aside."""
        try:
            obstore.copy(self._store, _aside(digest), _key(digest))
        except _NOT_FOUND:
            return False
        obstore.delete(self._store, _aside(digest))
        return True

    def _about(self, key: str) -> ObjectMeta | None:
        try:
            return obstore.head(self._store, key)
        except _NOT_FOUND:
            return None

    def _list(self, prefix: str | None = None) -> Iterator[ObjectMeta]:
        for some in obstore.list(self._store, prefix, chunk_size=1000):
            yield from some

    def _clock(self) -> datetime:
        """Ask the server what time it is, by a small object of its own making."""
        obstore.put(self._store, _CLOCK, b"", mode="overwrite", use_multipart=False)
        return obstore.head(self._store, _CLOCK)["last_modified"]


_ASIDE, _CLOCK = "swept", "clock"


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _aside(digest: str) -> str:
    return f"{_ASIDE}/{digest}"


def _parts(file: Any) -> Iterator[bytes]:
    while part := file.read(PART):
        yield part


def _open(place: S3Place) -> S3Store:
    config: dict[str, Any] = {
        "region": place.region,
        "endpoint": place.endpoint,
        "access_key_id": place.key,
        "secret_access_key": place.secret,
        "session_token": place.token,
        "checksum_algorithm": "SHA256",
    }
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config={name: value for name, value in config.items() if value is not None},  # type: ignore[arg-type]
        client_options={
            "allow_http": bool(place.endpoint and place.endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=ANSWER_SECONDS),
        },
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {
                "init_backoff": timedelta(milliseconds=150),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        },
    )


def _is_here(endpoint: str) -> bool:
    """Say whether an address is this computer's own."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _answered() -> Iterator[None]:
    """Tell people that the store is away, instead of what the library says: it names keys.

    Raises:
        BlobsRefused, BlobsAway: in place of the library's own error.
    """
    try:
        yield
    except (told.PermissionDeniedError, told.UnauthenticatedError):
        raise BlobsRefused from None
    except _NOT_FOUND:
        raise BlobsRefused from None
    except told.BaseError:
        raise BlobsAway from None


@contextmanager
def _room() -> Iterator[None]:
    """Tell people that the disk on which long files wait is full or away."""
    try:
        yield
    except OSError as problem:
        raise (DiskFull if problem.errno in _FULL else BlobsAway) from None
