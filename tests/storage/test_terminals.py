"""Terminals: enrolled by a one-time code, renewed by their old key, revoked alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import text

from storage.enrolment import asked_of, enrol_letter, renew_letter
from storage.store import Store, rows_of
from storage.terminals import (
    AUTHORITY_SCOPE,
    CODE_LASTS,
    OLD_SERVED,
    Authority,
    FilePulses,
    Terminal,
    TerminalNameOdd,
    TerminalUnknown,
    mark_of,
    take_letter,
)

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=1)

both = pytest.mark.both_databases


class Machine:
    """A terminal's own side: its key, and what it asks for with it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def request(self, name: str = "I choose my own name") -> str:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return _pem(made.sign(self.key, hashes.SHA256()))

    def proof(self, request: str) -> bytes:
        return self.key.sign(request.encode(), ec.ECDSA(hashes.SHA256()))


def _pem(made: x509.CertificateSigningRequest) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()


def invite(store: Store, name: str = "B wing") -> tuple[Terminal, str]:
    with store.begin() as kept:
        return kept.terminals.invite(name, establishment="MTI", wing="B", by="pat", at=NOW)


def enrol(store: Store, code: str, request: str, *, at: datetime = NOW) -> Terminal | None:
    with store.begin() as kept:
        return kept.terminals.enrol(code, request, at=at)


def served(store: Store, *, at: datetime = NOW) -> list[str]:
    with store.look() as kept:
        return [each.id for each in kept.terminals.published(at=at)[0]]


def certificate(store: Store, request: str) -> x509.Certificate:
    with store.look() as kept:
        (pem,) = (
            c.pem for c in kept.terminals.published(at=NOW)[1] if c.asked == asked_of(request)
        )
    return x509.load_pem_x509_certificate(pem.encode())


def marks(store: Store, *, at: datetime = NOW) -> list[str]:
    with store.look() as kept:
        return [each.mark for each in kept.terminals.published(at=at)[0]]


def renew(store: Store, terminal: str, request: str, proof: bytes, *, at: datetime) -> bool:
    with store.begin() as kept:
        return kept.terminals.renew(terminal, request, proof, at=at) is not None


def authority(store: Store) -> x509.Certificate:
    with store.begin() as kept:
        return x509.load_pem_x509_certificate(kept.terminals.authority().encode())


@both
def test_whoever_types_the_code_is_served_for_ninety_days(store: Store) -> None:
    terminal, code = invite(store)
    assert served(store) == []
    asked = Machine().request()
    enrolled = enrol(store, f" {code.lower()} ", asked)
    assert enrolled is not None
    assert served(store) == [terminal.id]
    assert served(store, at=NOW + timedelta(days=89)) == [terminal.id]
    assert served(store, at=NOW + timedelta(days=91)) == []
    with store.look() as kept:
        (told,) = kept.terminals.published(at=NOW)[0]
    assert told.mark == mark_of(certificate(store, asked))


@both
def test_a_certificate_says_what_we_say_and_nothing_of_what_was_asked(store: Store) -> None:
    terminal, code = invite(store)
    asked = Machine().request("admin")
    enrol(store, code, asked)
    issued, root = certificate(store, asked), authority(store)
    issued.verify_directly_issued_by(root)
    assert terminal.id in issued.subject.rfc4514_string()
    assert "admin" not in issued.subject.rfc4514_string()
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_copied_certificate_is_told_of_until_the_terminal_has_another(store: Store) -> None:
    terminal, code = invite(store)
    enrol(store, code, Machine().request())
    week_ago = NOW - timedelta(days=7)
    with store.begin() as kept:
        assert kept.terminals.copies(since=week_ago) == ()
        kept.terminals.copied(terminal.id, at=NOW)
        kept.terminals.copied("t-00000000", at=NOW)
        assert [each.id for each in kept.terminals.copies(since=week_ago)] == [terminal.id]
        assert kept.terminals.copies(since=NOW + timedelta(hours=1)) == ()
        _, again = kept.terminals.invite_again(terminal.id, by="pat", at=NOW)
        later = NOW + timedelta(minutes=5)
        assert kept.terminals.enrol(again, Machine().request(), at=later)
        assert kept.terminals.copies(since=week_ago) == ()


@both
def test_a_code_is_good_once_and_for_ten_minutes(store: Store) -> None:
    _, code = invite(store)
    assert enrol(store, code, Machine().request(), at=NOW + CODE_LASTS) is None
    assert enrol(store, code, Machine().request()) is not None
    assert enrol(store, code, Machine().request()) is None
    with store.look() as kept:
        refused = [each.code for each in kept.events.last() if each.what == "terminal-refused"]
    assert refused == ["code", "code"]


@pytest.mark.parametrize("code", ["", "00000000", "nonsense", "\x00"])
def test_another_code_enrols_nobody(store: Store, code: str) -> None:
    invite(store)
    assert enrol(store, code, Machine().request()) is None
    assert served(store) == []


def _other_kinds() -> Iterator[str]:
    yield ""
    yield "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    yield "x" * 100_000
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name)
    yield _pem(made.sign(rsa.generate_private_key(65537, 2048), hashes.SHA256()))
    yield _pem(made.sign(ec.generate_private_key(ec.SECP521R1()), hashes.SHA256()))
    lines = Machine().request().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-3] ^= 1
    middle = base64.encodebytes(bytes(der)).decode()
    yield f"{lines[0]}\n{middle}{lines[-1]}\n"


@pytest.mark.parametrize("request_", list(_other_kinds()), ids=range(6))
def test_an_odd_request_is_refused_and_leaves_the_code_good(store: Store, request_: str) -> None:
    _, code = invite(store)
    assert enrol(store, code, request_) is None
    assert enrol(store, code, Machine().request()) is not None


@both
def test_one_is_revoked_and_the_others_go_on(store: Store) -> None:
    (one, code), (two, other) = invite(store), invite(store, "C wing")
    enrol(store, code, Machine().request())
    enrol(store, other, Machine().request())
    assert set(served(store)) == {one.id, two.id}
    with store.begin() as kept:
        kept.terminals.revoke(one.id, by="pat", at=NOW)
    assert served(store) == [two.id]


@both
def test_a_terminal_renews_with_its_old_key_alone(store: Store) -> None:
    terminal, code = invite(store)
    machine, new, thief = Machine(), Machine(), Machine()
    enrol(store, code, machine.request())
    asked = new.request()
    with store.begin() as kept:
        assert kept.terminals.renew(terminal.id, asked, thief.proof(asked), at=LATER) is None
        assert kept.terminals.renew(terminal.id, asked, new.proof(asked), at=LATER) is None
        assert kept.terminals.renew(terminal.id, asked, machine.proof(asked), at=LATER) is not None
    assert certificate(store, asked).not_valid_after_utc > NOW + timedelta(days=90)
    with store.begin() as kept:
        kept.terminals.revoke(terminal.id, by="pat", at=LATER)
        again = machine.request()
        assert kept.terminals.renew(terminal.id, again, new.proof(again), at=LATER) is None
    assert served(store) == []


@both
def test_the_old_certificate_is_served_beside_the_new_one_for_a_while(store: Store) -> None:
    terminal, code = invite(store)
    machine, new = Machine(), Machine()
    enrol(store, code, machine.request())
    (old,) = marks(store)
    asked = new.request()
    assert renew(store, terminal.id, asked, machine.proof(asked), at=LATER)
    assert set(marks(store, at=LATER)) == {old, mark_of(certificate(store, asked))}
    assert set(served(store, at=LATER)) == {terminal.id}
    assert old not in marks(store, at=LATER + OLD_SERVED)
    with store.begin() as kept:
        kept.terminals.revoke(terminal.id, by="pat", at=LATER)
    assert marks(store, at=LATER) == []


@both
def test_a_terminal_that_never_got_its_answer_can_ask_again(store: Store) -> None:
    terminal, code = invite(store)
    machine, lost, new = Machine(), Machine(), Machine()
    enrol(store, code, machine.request())
    (old,) = marks(store)
    asked = lost.request()
    assert renew(store, terminal.id, asked, machine.proof(asked), at=LATER)
    issued = certificate(store, asked)
    # The same once more is the certificate that it has.
    assert renew(store, terminal.id, asked, machine.proof(asked), at=LATER)
    assert certificate(store, asked) == issued
    # With a key of its own that is another one, by the key that is still served.
    again = new.request()
    day_on = LATER + timedelta(days=1)
    assert renew(store, terminal.id, again, machine.proof(again), at=day_on)
    assert set(marks(store, at=day_on)) == {old, mark_of(certificate(store, again))}
    # Asking again does not prolong the old one.
    assert old not in marks(store, at=LATER + OLD_SERVED)
    third = Machine().request()
    assert not renew(store, terminal.id, third, machine.proof(third), at=LATER + OLD_SERVED)


def test_a_certificate_that_has_ended_is_not_served_beside_the_new_one(store: Store) -> None:
    terminal, code = invite(store)
    machine = Machine()
    enrol(store, code, machine.request())
    (old,) = marks(store)
    asked, late = Machine().request(), NOW + timedelta(days=89)
    assert renew(store, terminal.id, asked, machine.proof(asked), at=late)
    assert old in marks(store, at=late)
    assert old not in marks(store, at=NOW + timedelta(days=90))


def test_a_revoked_terminal_stays_so_whatever_its_state_is_set_to(store: Store) -> None:
    terminal, code = invite(store)
    enrol(store, code, Machine().request())
    with store.begin() as kept:
        kept.terminals.revoke(terminal.id, by="pat", at=NOW)
        rows_of(kept).execute(text("UPDATE terminals SET state = 'enrolled'"))
    assert served(store) == []
    with store.begin() as kept:
        _, again = kept.terminals.invite_again(terminal.id, by="pat", at=NOW)
    enrol(store, again, Machine().request())
    assert served(store) == [terminal.id]


def test_inviting_makes_no_authority(store: Store) -> None:
    invite(store)
    with store.look() as kept:
        assert not kept.keys.has(AUTHORITY_SCOPE)


@both
def test_letters_enrol_and_renew(store: Store) -> None:
    terminal, code = invite(store)
    machine, new = Machine(), Machine()
    with store.begin() as kept:
        take_letter(kept.terminals, enrol_letter(code, machine.request()), at=NOW)
    asked = new.request()
    with store.begin() as kept:
        letter = renew_letter(terminal.id, asked, machine.proof(asked))
        take_letter(kept.terminals, letter, at=LATER)
    assert certificate(store, asked).subject.rfc4514_string().startswith(f"CN={terminal.id}")


def test_a_disk_that_was_replaced_enrols_anew_as_the_same_terminal(store: Store) -> None:
    terminal, code = invite(store)
    enrol(store, code, Machine().request())
    with store.begin() as kept:
        same, again = kept.terminals.invite_again(terminal.id, by="pat", at=NOW)
    assert same.id == terminal.id
    assert served(store) == [terminal.id]  # the old one, until the new one is there
    assert enrol(store, again, Machine().request()) is not None
    assert served(store) == [terminal.id]


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "B\x1b[2Jwing"])
def test_a_name_that_cannot_be_shown_is_refused(store: Store, name: str) -> None:
    with pytest.raises(TerminalNameOdd):
        invite(store, name)
    with store.begin() as kept, pytest.raises(TerminalUnknown):
        kept.terminals.revoke("t-00000000", by="pat", at=NOW)


def test_the_authority_is_made_out_of_a_data_key_and_is_the_same_each_time(store: Store) -> None:
    authority(store)
    with store.look() as kept:
        secret = kept.keys.get(AUTHORITY_SCOPE).secret
    one = x509.load_pem_x509_certificate(Authority(secret, NOW).certificate().encode())
    assert one.public_key() == authority(store).public_key()
    other = x509.load_pem_x509_certificate(Authority(bytes(32), NOW).certificate().encode())
    assert other.public_key() != one.public_key()


def test_a_terminal_is_silent_two_minutes_after_its_last_beat(store: Store, tmp_path: Path) -> None:
    terminal, code = invite(store)
    enrol(store, code, Machine().request())
    with store.begin() as kept:
        assert kept.terminals.list()[0].silent(NOW)
        kept.terminals.heard({terminal.id: NOW, "t-00000000": NOW})
        (heard,) = kept.terminals.list()
    assert not heard.silent(NOW + timedelta(minutes=1))
    assert heard.silent(NOW + timedelta(minutes=3))


def test_beats_are_files_and_nothing_else_in_their_folder_counts(tmp_path: Path) -> None:
    pulses = FilePulses(tmp_path / "pulses")
    pulses.beat("t-00000001")  # no folder yet: nothing happens
    pulses.make()
    pulses.beat("t-00000001")
    (tmp_path / "pulses" / "odd").touch()
    outside = tmp_path / "outside"
    outside.touch()
    (tmp_path / "pulses" / "t-00000002").symlink_to(outside)
    before = outside.stat().st_mtime_ns
    pulses.beat("t-00000002")
    assert outside.stat().st_mtime_ns == before
    assert "t-00000001" in pulses.heard()
    assert "odd" not in pulses.heard()
