"""The kiosk's terminals: who may be served, told by a certificate that this house has issued.

Staff invite one and are shown a one-time code. Whoever sets the terminal up types it there; the
terminal makes a key of its own and asks, by a letter through the mailbox, for a certificate of its
public half. A worker issues it and the kiosk's process hands it on, so that nothing which issues
one can be reached from the wing. A terminal renews with a proof made by its old key, whose
certificate is served for three days more. Revoked, it is out of the status book, which a kiosk
looks into at each request, within seconds.

The authority's key is made out of a data key, so it is in every backup and rotates with the rest,
and only a worker can open it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from forms.page_id import new_serial, parse_serial
from pipeline.promises import day_of
from storage.data_keys import Keys
from storage.enrolment import COPIED, ENROL, RequestOdd, key_mark, read_request
from storage.events import MACHINE, Events
from storage.mailbox import Letter
from storage.models import ClosedDayRow, TerminalRow
from storage.status_book import Enrolled, Issued

State = Literal["invited", "enrolled", "revoked"]

CODE_LASTS = timedelta(minutes=10)
CERTIFICATE_LASTS = timedelta(days=90)
RENEWS_FROM = timedelta(days=60)
"""How old a certificate is when its terminal should ask for the next one."""

OLD_SERVED = timedelta(days=3)
"""How long the certificate before is served beside a renewed one: a browser holds a copy of it
until nobody is before the glass, and a terminal that missed the answer asks again the next day."""

SILENT_AFTER = timedelta(minutes=2)
"""A terminal that was not heard of for so long is told of as dead."""

AUTHORITY_SCOPE = "kiosk/terminals"

_AUTHORITY_LASTS = timedelta(days=365 * 30)
_AUTHORITY_NAME = "counterfoil terminals"
_ID = re.compile(r"t-[0-9a-f]{8}")
_MOST_PULSES = 5000


class TerminalUnknown(UserError):
    """No such terminal."""

    code = "terminal-unknown"
    message = "There is no such terminal here."
    remedy = "Run `counterfoil terminal list` to see those there are."
    status = 404


class TerminalNameOdd(UserError):
    """A terminal is called what cannot be shown."""

    code = "terminal-name-odd"
    message = "A terminal needs a name of 1 to 80 characters that says where it stands."
    remedy = 'Name it by its place, such as "B wing, by the servery".'


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A kiosk's terminal.

    Attributes:
        id: as letters carry it.
        name: where it stands, in words.
        establishment, wing: whose requests it takes.
        state: whether it may be served.
        added_at, added_by: who invited it, and when.
        enrolled_at: when its newest certificate was issued.
        until: when that ends.
        seen_at: when it was last heard of.
    """

    id: str
    name: str
    establishment: str
    wing: str
    state: State
    added_at: datetime
    added_by: str
    enrolled_at: datetime | None = None
    until: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    seen_at: datetime | None = None

    def served(self, at: datetime) -> bool:
        """Say whether it may be served now."""
        return self.state == "enrolled" and self.until is not None and self.until > at

    def silent(self, at: datetime) -> bool:
        """Say whether it should be heard of and is not."""
        return self.served(at) and (self.seen_at is None or at - self.seen_at > SILENT_AFTER)


def mark_of(certificate: x509.Certificate) -> str:
    """Name a certificate, as the status book does."""
    return certificate.fingerprint(hashes.SHA256()).hex()


class Authority:
    """What issues certificates to terminals.

    Args:
        secret: 32 bytes, from which its key is made: the same give the same authority.
        made_at: when they were made, UTC.
    """

    def __init__(self, secret: bytes, made_at: datetime) -> None:
        drawn = HKDF(hashes.SHA256(), 48, salt=None, info=b"counterfoil terminals 1").derive(secret)
        # 128 bits more than the order: no scalar is noticeably likelier than another.
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        scalar = int.from_bytes(drawn, "big") % (order - 1) + 1
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        self._made_at = made_at.replace(microsecond=0)

    def certificate(self) -> str:
        """Give the authority's own certificate, PEM, for whoever checks its terminals'."""
        public = self._key.public_key()
        serial = int(key_mark(public)[:30], 16)
        ca = x509.BasicConstraints(ca=True, path_length=0)
        made = (
            x509.CertificateBuilder()
            .subject_name(self._name())
            .issuer_name(self._name())
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(self._made_at - timedelta(days=1))
            .not_valid_after(self._made_at + _AUTHORITY_LASTS)
            .add_extension(ca, critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(made)

    def issue(self, request: x509.CertificateSigningRequest, *, terminal: str, at: datetime) -> str:
        """Issue a certificate for a request's public key; what else the request says counts not.

        Args:
            request: checked before.
            terminal: id of the terminal, which becomes its name.
            at: now, UTC.
        """
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, _AUTHORITY_NAME),
                x509.NameAttribute(NameOID.COMMON_NAME, terminal),
            ]
        )
        mine = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        issued = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name())
            .public_key(cast("ec.EllipticCurvePublicKey", request.public_key()))
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(minutes=5))
            .not_valid_after(at + CERTIFICATE_LASTS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(mine, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(issued)

    def _name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY_NAME)])


class Terminals:
    """The terminals, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def invite(
        self, name: str, *, establishment: str = "", wing: str = "", by: str, at: datetime
    ) -> tuple[Terminal, str]:
        """Let a terminal enrol within ten minutes; give it, and the one-time code.

        Args:
            name: where it stands, in words.
            establishment: prison code.
            wing: whose requests it takes.
            by: user name.
            at: when, UTC.

        Raises:
            TerminalNameOdd: the name cannot be shown.
        """
        called = " ".join(name.split())
        if not 1 <= len(called) <= 80 or not called.isprintable():
            raise TerminalNameOdd
        code = new_serial()
        row = TerminalRow(
            id=f"t-{os.urandom(4).hex()}",
            name=called,
            establishment=establishment,
            wing=wing,
            state="invited",
            code=self._hash(code),
            code_until=at + CODE_LASTS,
            asked="",
            mark="",
            certificate="",
            old_mark="",
            old_certificate="",
            added_at=at,
            added_by=by,
            revoked_by="",
        )
        self._rows.add(row)
        self._rows.flush()
        self._events.add("terminal-invited", row.id, by=by, at=at)
        return _terminal(row), code

    def invite_again(self, terminal: str, *, by: str, at: datetime) -> tuple[Terminal, str]:
        """Let a terminal that is known enrol anew: its disk was replaced, say.

        What it has now stays good until the new certificate is issued.

        Raises:
            TerminalUnknown: there is none of that id.
        """
        row = self._row(terminal)
        code = new_serial()
        row.code, row.code_until = self._hash(code), at + CODE_LASTS
        self._events.add("terminal-invited", row.id, by=by, at=at, code="again")
        return _terminal(row), code

    def enrol(self, code: str, request: str, *, at: datetime) -> Terminal | None:
        """Issue a certificate to whoever has a one-time code; None when that is not to be done.

        Args:
            code: as it was typed; good once.
            request: certificate signing request, PEM.
            at: now, UTC.
        """
        try:
            hashed = self._hash(parse_serial(code))
        except UserError:
            return self._refuse("terminals", "code", at)
        row = self._rows.scalar(select(TerminalRow).where(TerminalRow.code == hashed))
        if row is None or row.code_until is None or row.code_until <= at:
            return self._refuse("terminals", "code", at)
        try:
            self._issue(row, read_request(request), at)
        except RequestOdd as odd:
            return self._refuse(row.id, str(odd), at)
        row.old_mark, row.old_certificate, row.old_until = "", "", None
        row.code, row.code_until = "", None
        row.revoked_at, row.revoked_by = None, ""
        self._events.add("terminal-enrolled", row.id, by=MACHINE, at=at)
        return _terminal(row)

    def renew(self, terminal: str, request: str, proof: bytes, *, at: datetime) -> Terminal | None:
        """Issue the next certificate to a terminal that shows its old key; None: not to be done.

        The old one is served for a while longer, and its key may ask as long: the answer may have
        been lost. For a key that has a certificate the same request gives no other.

        Args:
            terminal: its id.
            request: certificate signing request, PEM.
            proof: signature of the request's bytes by its old key.
            at: now, UTC.
        """
        row = self._rows.get(TerminalRow, terminal)
        if row is None or row.revoked_at is not None or not _terminal(row).served(at):
            return self._refuse(terminal if row else "terminals", "not-enrolled", at)
        try:
            wanted = read_request(request)
        except RequestOdd as odd:
            return self._refuse(row.id, str(odd), at)
        if not _proves(row.certificate, request, proof):
            if not (_old_served(row, at) and _proves(row.old_certificate, request, proof)):
                return self._refuse(row.id, "proof", at)
            if row.asked == key_mark(wanted.public_key()):
                return _terminal(row)
        else:
            row.old_mark, row.old_certificate = row.mark, row.certificate
            row.old_until = min(at + OLD_SERVED, row.until or at)
        self._issue(row, wanted, at)
        self._events.add("terminal-renewed", row.id, by=MACHINE, at=at)
        return _terminal(row)

    def revoke(self, terminal: str, *, by: str, at: datetime) -> Terminal:
        """Serve a terminal no longer, and let it renew no longer.

        Raises:
            TerminalUnknown: there is none of that id.
        """
        row = self._row(terminal)
        row.state, row.code, row.code_until = "revoked", "", None
        row.revoked_at, row.revoked_by = at, by
        self._events.add("terminal-revoked", row.id, by=by, at=at)
        return _terminal(row)

    def copied(self, terminal: str, *, at: datetime) -> None:
        """Note that a terminal's certificate is used in two places at once."""
        if self._rows.get(TerminalRow, terminal) is not None:
            self._events.add("terminal-copied", terminal, by=MACHINE, at=at)

    def copies(self, *, since: datetime) -> tuple[Terminal, ...]:
        """Give the terminals whose certificates were noted as used in two places.

        One that was enrolled anew meanwhile has another certificate, and is left out.
        """
        return tuple(
            each
            for each in self.list()
            if each.state == "enrolled"
            and self._events.count(
                "terminal-copied", each.id, since=max(since, each.enrolled_at or since)
            )
        )

    def find(self, terminal: str) -> Terminal | None:
        """Find a terminal by id, whatever has become of it."""
        row = self._rows.get(TerminalRow, terminal)
        return _terminal(row) if row else None

    def list(self) -> tuple[Terminal, ...]:
        """Give every terminal, those that were invited first first."""
        found = select(TerminalRow).order_by(TerminalRow.added_at, TerminalRow.id)
        return tuple(_terminal(row) for row in self._rows.scalars(found))

    def heard(self, pulses: Mapping[str, datetime]) -> None:
        """Note when terminals were last heard of."""
        enrolled = select(TerminalRow).where(TerminalRow.state == "enrolled")
        for row in self._rows.scalars(enrolled):
            beat = pulses.get(row.id)
            if beat is not None and (row.seen_at is None or beat > row.seen_at):
                row.seen_at = beat

    def published(self, *, at: datetime) -> tuple[tuple[Enrolled, ...], tuple[Issued, ...]]:
        """Give what the status book says of terminals: who is served, and their certificates."""
        found = select(TerminalRow).where(
            TerminalRow.state == "enrolled",
            TerminalRow.revoked_at.is_(None),
            TerminalRow.until > at,
        )
        rows = self._rows.scalars(found.order_by(TerminalRow.id)).all()
        served = [Enrolled(id=r.id, mark=r.mark, until=r.until) for r in rows if r.until]
        served += [
            Enrolled(id=r.id, mark=r.old_mark, until=r.old_until)
            for r in rows
            if r.old_until and _old_served(r, at)
        ]
        return tuple(served), tuple(Issued(asked=r.asked, pem=r.certificate) for r in rows)

    def closed(self, *, at: datetime) -> frozenset[tuple[str, date]]:
        """Give the days from today on which nobody works where a terminal stands, by its id.

        "" stands for every terminal.
        """
        ahead = ClosedDayRow.day >= day_of(at)
        everywhere = select(ClosedDayRow.day).where(ahead, ClosedDayRow.establishment == "")
        here = (
            select(TerminalRow.id, ClosedDayRow.day)
            .join(ClosedDayRow, ClosedDayRow.establishment == TerminalRow.establishment)
            .where(ahead, TerminalRow.establishment != "", TerminalRow.state == "enrolled")
        )
        return frozenset(
            [
                *(("", day) for day in self._rows.scalars(everywhere)),
                *((terminal, day) for terminal, day in self._rows.execute(here)),
            ]
        )

    def authority(self) -> str:
        """Give the certificate of what issues terminals theirs, PEM.

        Raises:
            CannotOpen: this process cannot open keys.
        """
        return self._authority().certificate()

    def _issue(
        self, row: TerminalRow, request: x509.CertificateSigningRequest, at: datetime
    ) -> None:
        pem = self._authority().issue(request, terminal=row.id, at=at)
        issued = x509.load_pem_x509_certificate(pem.encode())
        row.state, row.enrolled_at, row.until = "enrolled", at, issued.not_valid_after_utc
        row.asked, row.mark, row.certificate = (
            key_mark(request.public_key()),
            mark_of(issued),
            pem,
        )

    def _authority(self) -> Authority:
        key = self._keys.make(AUTHORITY_SCOPE)
        return Authority(key.secret, self._keys.made_at(AUTHORITY_SCOPE))

    def _refuse(self, subject: str, why: str, at: datetime) -> Terminal | None:
        self._events.add("terminal-refused", subject, by=MACHINE, at=at, code=why)
        return None

    def _hash(self, code: str) -> str:
        return self._keys.lookup("terminal code", code)

    def _row(self, terminal: str) -> TerminalRow:
        row = self._rows.get(TerminalRow, terminal)
        if row is None:
            raise TerminalUnknown
        return row


def take_letter(terminals: Terminals, letter: Letter, *, at: datetime) -> None:
    """Do what a terminal's letter asks, if it may.

    Raises:
        ValueError: it is no such letter.
    """
    told = json.loads(letter.body)
    if not isinstance(told, dict) or told.get("v") != 1:
        raise ValueError("not a terminal's letter")
    request = str(told.get("request", ""))
    if letter.kind == COPIED:
        terminals.copied(str(told.get("terminal", ""))[:40], at=at)
    elif letter.kind == ENROL:
        terminals.enrol(str(told.get("code", "")), request, at=at)
    else:
        proof = base64.b64decode(str(told.get("proof", "")), validate=True)
        terminals.renew(str(told.get("terminal", ""))[:40], request, proof, at=at)


class FilePulses:
    """When each terminal was last heard of, on one box: an empty file each, by its time.

    Args:
        folder: which the kiosk may write to and the worker reads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make the folder where it is missing; the worker does."""
        with suppress(FileExistsError):
            self._folder.mkdir(parents=True)
            self._folder.chmod(0o3770)

    def beat(self, terminal: str) -> None:
        """Note that a terminal is alive now; what cannot be noted is left."""
        if not _ID.fullmatch(terminal):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with suppress(OSError):
            handle = os.open(self._folder / terminal, flags, 0o660)
            try:
                os.utime(handle)
            finally:
                os.close(handle)

    def heard(self) -> dict[str, datetime]:
        """Give when each was last heard of, UTC; never a time to come."""
        found: dict[str, datetime] = {}
        now = datetime.now(UTC)
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if len(found) >= _MOST_PULSES:
                    break
                with suppress(OSError):
                    seen = entry.stat(follow_symlinks=False).st_mtime
                    if _ID.fullmatch(entry.name):
                        found[entry.name] = min(now, datetime.fromtimestamp(seen, UTC))
        return found


class TablePulses:
    """The same for a database server: a function that the kiosk's role may call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self) -> None:
        """Do nothing: the function is made with the tables."""

    def beat(self, terminal: str) -> None:
        """Note that a terminal is alive now; what cannot be noted is left."""
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(text("SELECT terminal_seen(:terminal)"), {"terminal": terminal})

    def heard(self) -> dict[str, datetime]:
        """Give nothing: the function has noted it where it belongs."""
        return {}


Pulses = FilePulses | TablePulses


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _proves(certificate: str, request: str, proof: bytes) -> bool:
    """Say whether a request was signed by a certificate's key."""
    public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    key = cast("ec.EllipticCurvePublicKey", public)
    try:
        key.verify(proof, request.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _old_served(row: TerminalRow, at: datetime) -> bool:
    return bool(row.old_mark) and row.old_until is not None and row.old_until > at


def _terminal(row: TerminalRow) -> Terminal:
    return Terminal(
        id=row.id,
        name=row.name,
        establishment=row.establishment,
        wing=row.wing,
        state=cast("State", row.state),
        added_at=row.added_at,
        added_by=row.added_by,
        enrolled_at=row.enrolled_at,
        until=row.until,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        seen_at=row.seen_at,
    )
