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
from storage.people_asks import AskNotTheirs
from storage.roll_file import import_roll
from storage.sessions import HALF_LASTS, MOST_SESSIONS
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


def test_a_half_open_session_is_nobodys_until_its_step_is_done(staffed: Store) -> None:
    with staffed.begin() as kept:
        secret = kept.sessions.open("pat.jones", at=NOW, step="factor")
        assert kept.sessions.find(secret, at=NOW) is None
        assert kept.sessions.holder(secret, at=NOW) is None
        assert kept.sessions.of("pat.jones", at=NOW, idle=timedelta(minutes=15)) == ()
        assert kept.sessions.renew(secret, at=NOW, means="password") is None
        half = kept.sessions.half(secret, at=NOW)
        assert half is not None
        assert (half.username, half.step) == ("pat.jones", "factor")
        assert kept.sessions.half(secret, at=NOW + HALF_LASTS) is None
        open_one = kept.sessions.open("pat.jones", at=NOW)
        assert kept.sessions.half(open_one, at=NOW) is None
        kept.sessions.drop(open_one)
        assert kept.sessions.find(open_one, at=NOW) is not None


def test_a_fresh_proof_gives_a_new_secret_and_no_more_time(staffed: Store) -> None:
    later = NOW + timedelta(minutes=10)
    with staffed.begin() as kept:
        old = kept.sessions.open("pat.jones", at=NOW)
        before = kept.sessions.find(old, at=NOW)
        fresh = kept.sessions.renew(old, at=later, means="totp")
        assert fresh is not None
        after = kept.sessions.find(fresh, at=later)
        assert kept.sessions.find(old, at=later) is None
    assert before is not None
    assert after is not None
    assert (after.opened_at, after.expires_at) == (before.opened_at, before.expires_at)
    assert (before.proved_at, after.proved_at) == (NOW, later)


def test_a_session_that_was_left_alone_is_not_counted_among_the_three(staffed: Store) -> None:
    with staffed.begin() as kept:
        first = kept.sessions.open("pat.jones", at=NOW)
        for minute in (1, 2):
            kept.sessions.open("pat.jones", at=NOW + timedelta(minutes=minute))
        later = NOW + timedelta(minutes=30)
        session = kept.sessions.find(first, at=NOW)
        assert session is not None
        kept.sessions.touch(session, at=later)
        for _ in range(MOST_SESSIONS - 1):
            kept.sessions.open("pat.jones", at=later)
        assert kept.sessions.find(first, at=later) is not None
        kept.sessions.open("pat.jones", at=later)
        assert kept.sessions.find(first, at=later) is None


def test_what_was_asked_of_a_browser_is_answered_once_and_by_it_alone(staffed: Store) -> None:
    with staffed.begin() as kept:
        kept.challenges.put("get", "mine", {"challenge": "aa"}, at=NOW)
        assert kept.challenges.take("get", "another", at=NOW) is None
        assert kept.challenges.take("create", "mine", at=NOW) is None
        assert kept.challenges.take("get", "mine", at=NOW) == {"challenge": "aa"}
        assert kept.challenges.take("get", "mine", at=NOW) is None
        kept.challenges.put("get", "mine", {"challenge": "bb"}, at=NOW)
        late = NOW + timedelta(minutes=5)
        assert kept.challenges.take("get", "mine", at=late) is None


def test_only_an_administrator_or_a_manager_confirms(staffed: Store) -> None:
    with staffed.begin() as kept:
        for username, role in (("ann", "admin"), ("may", "manager"), ("vic", "practitioner")):
            kept.staff.add(username, PASSWORD, name="x", roles=[role], by="setup", at=NOW)
        ask = kept.people_asks.ask("pat.jones", "roles", by="ann", at=NOW, roles=["auditor"])
        for nobody in ("ann", "pat.jones", "vic"):
            with pytest.raises(AskNotTheirs):
                kept.people_asks.confirm(ask.id, by=nobody, at=NOW)
        kept.staff.change("may", by="ann", at=NOW, active=False)
        with pytest.raises(AskNotTheirs):
            kept.people_asks.confirm(ask.id, by="may", at=NOW)
        kept.staff.change("may", by="ann", at=NOW, active=True)
        kept.people_asks.confirm(ask.id, by="may", at=NOW)
        found = kept.staff.find("pat.jones")
    assert found is not None
    assert found.roles == {"auditor"}
