import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters

from forms.errors import UserError
from storage import people
from storage.people import PasswordShort, StaffUnknown, UsernameOdd, UsernameTaken
from storage.roll_file import import_roll
from storage.store import RollInForce, Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"
GOOD = [
    "prison_number,surname,forenames,cell,establishment,date_of_birth,language\n",
    "A1234BC,SMITH,JOHN,B-1-001,MTI,1990-02-03,cy\n",
    "A5678DE,JONES,OWEN,B-1-002,MTI,1985-12-31,\n",
]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash quickly in the tests that are not about hashing."""
    monkeypatch.setattr(people, "_ARGON2", PasswordHasher(time_cost=1, memory_cost=64))
    return


@pytest.fixture
def staffed(store: Store) -> Store:
    with store.begin() as kept:
        kept.staff.add(
            "Pat.Jones",
            PASSWORD,
            name="Pat Jones",
            roles=["verifier"],
            by="setup",
            at=NOW,
            wings=["B"],
        )
    return store


def test_staff_sign_in_with_their_own_password_only(staffed: Store) -> None:
    with staffed.look() as kept:
        found = kept.staff.authenticate(" pat.JONES ", PASSWORD)
        assert found is not None
        assert (found.username, found.roles, found.wings) == (
            "pat.jones",
            frozenset(["verifier"]),
            frozenset("B"),
        )
        assert kept.staff.authenticate("pat.jones", PASSWORD + "x") is None
        assert kept.staff.authenticate("nobody", PASSWORD) is None


def test_an_unknown_user_costs_as_much_as_a_wrong_password(
    staffed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            checked.append(hashed)
            raise people.VerificationError

    monkeypatch.setattr(people, "_ARGON2", Counting())
    with staffed.look() as kept:
        kept.staff.authenticate("pat.jones", "wrong")
        kept.staff.authenticate("nobody", "wrong")
    assert len(checked) == 2
    assert checked[1] == people._NOBODY


def test_nobodys_hash_is_made_like_everybodys_and_fits_no_password() -> None:
    real = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
    nobody, somebody = (extract_parameters(h) for h in (people._NOBODY, real.hash(PASSWORD)))
    for cost in ("type", "version", "time_cost", "memory_cost", "parallelism", "hash_len"):
        assert getattr(nobody, cost) == getattr(somebody, cost)
    with pytest.raises(people.VerificationError):
        real.verify(people._NOBODY, "")


def test_a_password_is_kept_as_argon2id_only(staffed: Store, tmp_path: Path) -> None:
    (kept,) = sqlite3.connect(tmp_path / "counterfoil.db").execute("SELECT password FROM staff")
    assert kept[0].startswith("$argon2id$")
    everything = b"".join(p.read_bytes() for p in tmp_path.glob("counterfoil.db*"))
    assert PASSWORD.encode() not in everything


def test_weak_passwords_odd_and_taken_names_are_refused(staffed: Store) -> None:
    for username, password, problem in (
        ("sam", "short", PasswordShort),
        ("sam smith", PASSWORD, UsernameOdd),
        ("PAT.JONES", PASSWORD, UsernameTaken),
    ):
        with pytest.raises(problem), staffed.begin() as kept:
            kept.staff.add(username, password, name="", roles=[], by="setup", at=NOW)
    with pytest.raises(StaffUnknown), staffed.begin() as kept:
        kept.staff.change("nobody", by="setup", at=NOW, active=False)


def test_a_session_ends_by_time_idleness_or_sign_out(staffed: Store) -> None:
    with staffed.begin() as kept:
        secret = kept.sessions.open("pat.jones", at=NOW, lasts=timedelta(hours=8))
        session = kept.sessions.find(secret, at=NOW)
        assert session is not None
        assert session.staff.username == "pat.jones"
        assert kept.sessions.find("guess", at=NOW) is None
        assert kept.sessions.find(secret, at=NOW + timedelta(minutes=20)) is None
        for minutes in range(10, 500, 10):
            at = NOW + timedelta(minutes=minutes)
            found = kept.sessions.find(secret, at=at)
            assert (found is None) == (at >= NOW + timedelta(hours=8))
            kept.sessions.touch(session, at=at)
        assert kept.sessions.sweep(at=NOW + timedelta(days=1)) == 1
        other = kept.sessions.open("pat.jones", at=NOW)
        kept.sessions.close(other, at=NOW)
        assert kept.sessions.find(other, at=NOW) is None


def test_the_secret_of_a_session_is_kept_only_as_its_hash(staffed: Store, tmp_path: Path) -> None:
    with staffed.begin() as kept:
        secret = kept.sessions.open("pat.jones", at=NOW)
    everything = b"".join(p.read_bytes() for p in tmp_path.glob("counterfoil.db*"))
    assert secret.encode() not in everything
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in everything


def test_switching_somebody_off_ends_their_sessions_at_once(staffed: Store) -> None:
    with staffed.begin() as kept:
        secret = kept.sessions.open("pat.jones", at=NOW)
        kept.staff.change("pat.jones", by="setup", at=NOW, active=False)
        assert kept.sessions.find(secret, at=NOW) is None
        assert kept.staff.authenticate("pat.jones", PASSWORD) is None


def test_a_roll_comes_back_as_it_was_and_a_new_one_replaces_it(store: Store) -> None:
    roll = RollInForce(store)
    assert roll.people() == ()
    import_roll(store, GOOD, by="nightly", at=NOW)
    assert [p.surname for p in roll.people()] == ["SMITH", "JONES"]
    assert roll.people()[0].date_of_birth is not None
    assert roll.people()[0].extra["language"] == "cy"
    import_roll(store, GOOD[:2], by="nightly", at=NOW)
    assert [p.surname for p in roll.people()] == ["SMITH"]


def test_a_roll_that_is_sealed_anew_stays_as_old_as_what_it_says(store: Store) -> None:
    import_roll(store, GOOD, by="nightly", at=NOW)
    with store.begin() as kept:
        kept.roll.replace(kept.roll.people()[:1], by="pat", at=NOW + timedelta(days=9), dated=NOW)
    with store.look() as kept:
        current = kept.roll.current()
        assert current is not None
        assert (current.at, current.people) == (NOW, 1)
        assert kept.events.last(1)[0].at == NOW + timedelta(days=9)


@pytest.mark.parametrize(
    "bad",
    [
        [*GOOD, "not-a-number,X,Y,B-1-003,MTI,\n"],
        [],
        GOOD[:1],
    ],
)
def test_a_bad_roll_is_noted_and_the_one_in_force_stays(store: Store, bad: list[str]) -> None:
    import_roll(store, GOOD, by="nightly", at=NOW)
    with pytest.raises(UserError):
        import_roll(store, bad, by="nightly", at=NOW)
    with store.look() as kept:
        assert len(kept.roll.people()) == 2
        newest, first = kept.roll.imports()
        assert newest.refused
        assert "not-a-number" not in newest.refused
        assert not newest.in_force
        assert first.in_force
        assert kept.roll.current() == first
