"""Files and pictures, sealed before any store of bytes sees them.

The store below keeps bytes by their SHA-256, and those bytes are ciphertext: a header with a
salt, then chunks of 64 KiB, each sealed with AES-256-GCM under a key that HKDF derives from the
scope's data key and the salt. A chunk's nonce is its number and whether it is the last (the
STREAM construction), so that chunks which were swapped, left out, added or cut off are found.
Memory stays flat however large a file is.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.blobs import BlobDamaged, BlobMissing, BlobStore
from storage.keys import KEY_BYTES, DataKey, SealBroken, new_secret
from storage.store import Store

CHUNK = 64 * 1024
"""Bytes sealed together."""

MAGIC = b"CFB1"
_SALT, _TAG = 16, 16
_HEADER = len(MAGIC) + _SALT


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """A file that was sealed before anything else was known of it.

    Attributes:
        blob: name of its sealed bytes.
        size: bytes before they were sealed.
        digest: SHA-256 of them, hex.
        secret: the data key, which is nowhere else yet.
    """

    blob: str
    size: int
    digest: str = field(repr=False)
    secret: bytes = field(repr=False)


class SealedBlobs:
    """Files and pictures under the keys of what they belong to (fits `pipeline.ports.Blobs`)."""

    def __init__(self, raw: BlobStore, store: Store) -> None:
        self.raw, self._store = raw, store

    def put(self, data: bytes, scope: str) -> str:
        """Seal bytes under a scope's key, keep them durably and give their name.

        The key may come later: it is then made when the scope's own row is kept.

        Raises:
            StoreAway: not just now; nothing is kept.
            CannotOpen: this process cannot open the scope's key.
        """
        return self.put_stream(io.BytesIO(data), scope)

    def put_stream(self, source: BinaryIO, scope: str) -> str:
        """Seal a stream's bytes under a scope's key, as `put` does, in flat memory."""
        with self._store.look() as kept:
            key = kept.keys.find(scope)
        key = key or self._store.vault.expect(scope)
        return self.raw.put_stream(_stream(Sealing(source, key.secret, key.site))).digest

    def put_new(self, source: BinaryIO) -> Fresh:
        """Seal a file under a key of its own, of which it is not known yet whose it is.

        Raises:
            StoreAway: not just now; nothing is kept.
        """
        secret = new_secret()
        sealing = Sealing(source, secret, self._store.vault.site, hashed=True)
        stored = self.raw.put_stream(_stream(sealing))
        return Fresh(
            blob=stored.digest, size=sealing.size, digest=sealing.sha256.hexdigest(), secret=secret
        )

    def get(self, name: str, scope: str) -> bytes:
        """Give bytes back.

        Raises:
            BlobMissing, BlobDamaged: they are not there, or not what was put there.
            KeyGone: their key was destroyed.
            SealBroken: they were sealed under another key.
        """
        return b"".join(opened([self.raw.get(name)], self._key(scope)))

    def copy(self, name: str, scope: str, target: BinaryIO) -> int:
        """Write bytes elsewhere in flat memory and give how many; what is broken ends it.

        Nothing is written that was not sealed here, but when this raises, the rest is missing.

        Raises:
            BlobMissing, BlobDamaged, KeyGone, SealBroken: see `get`.
        """
        size = 0
        for piece in opened(self.raw.stream(name), self._key(scope)):
            size += target.write(piece)
        return size

    def whole(self, name: str) -> bool:
        """Say whether sealed bytes are there and are what was put there; needs no key.

        Raises:
            StoreAway: not just now.
        """
        try:
            for _ in self.raw.stream(name):
                pass
        except (BlobMissing, BlobDamaged):
            return False
        return True

    def remove(self, name: str) -> None:
        """Delete sealed bytes that nothing refers to."""
        self.raw.remove(name)

    def _key(self, scope: str) -> DataKey:
        with self._store.look() as kept:
            return kept.keys.get(scope)


class Sealing:
    """A stream's bytes, sealed as they are read.

    Args:
        source: what to seal.
        secret: the data key.
        site: the installation.
        hashed: `sha256` is wanted, which costs more than the sealing.

    Attributes:
        sha256, size: of the bytes before they were sealed, as far as they were read.
    """

    def __init__(self, source: BinaryIO, secret: bytes, site: str, *, hashed: bool = False) -> None:
        self._hashed = hashed
        self.sha256, self.size = hashlib.sha256(), 0
        self._source = source
        self._ready = bytearray(MAGIC + os.urandom(_SALT))
        self._header = bytes(self._ready)
        self._cipher = _cipher(secret, self._header, site)
        self._number = 0
        self._next: bytes | None = None
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Give so many sealed bytes, or all that are left; fewer only at the end."""
        while (size < 0 or len(self._ready) < size) and not self._ended:
            self._seal_one()
        if size < 0 or size >= len(self._ready):
            whole, self._ready = bytes(self._ready), bytearray()
            return whole
        some = bytes(self._ready[:size])
        del self._ready[:size]
        return some

    def _seal_one(self) -> None:
        chunk = self._next if self._next is not None else self._chunk()
        self._next = self._chunk() if len(chunk) == CHUNK else b""
        self._ended = not self._next
        nonce = _nonce(self._number, last=self._ended)
        self._ready += self._cipher.encrypt(nonce, chunk, self._header)
        self._number += 1

    def _chunk(self) -> bytes:
        pieces, missing = [], CHUNK
        while missing and (piece := self._source.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        chunk = b"".join(pieces)
        if self._hashed:
            self.sha256.update(chunk)
        self.size += len(chunk)
        return chunk


def opened(pieces: Iterable[bytes], key: DataKey) -> Iterator[bytes]:
    """Open what `Sealing` sealed; each chunk comes out only after it was found whole.

    Args:
        pieces: the sealed bytes, in pieces of any size.
        key: the scope's data key.

    Raises:
        SealBroken: it was changed, cut off or put together anew, or is another key's.
    """
    waiting, number = bytearray(), 0
    header, cipher = b"", None
    for piece in pieces:
        waiting += piece
        if cipher is None:
            if len(waiting) < _HEADER:
                continue
            header = bytes(waiting[:_HEADER])
            if not header.startswith(MAGIC):
                raise SealBroken
            cipher = _cipher(key.secret, header, key.site)
            del waiting[:_HEADER]
        at = 0
        while len(waiting) - at > CHUNK + _TAG:
            sealed = waiting[at : at + CHUNK + _TAG]
            yield _open_chunk(cipher, _nonce(number, last=False), sealed, header)
            at += CHUNK + _TAG
            number += 1
        del waiting[:at]
    if cipher is None:
        raise SealBroken
    yield _open_chunk(cipher, _nonce(number, last=True), waiting, header)


def _open_chunk(cipher: AESGCM, nonce: bytes, sealed: bytes | bytearray, header: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, header)
    except (InvalidTag, ValueError):
        raise SealBroken from None


def _cipher(secret: bytes, header: bytes, site: str) -> AESGCM:
    derive = HKDF(
        algorithm=SHA256(),
        length=KEY_BYTES,
        salt=header[len(MAGIC) :],
        info=f"counterfoil blob 1|{site}".encode(),
    )
    return AESGCM(derive.derive(secret))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _stream(sealing: Sealing) -> BinaryIO:
    return cast("BinaryIO", sealing)  # Of a stream, no store needs more than `read`.
