import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from kiosk.access import EVERY_ROLE
from kiosk.staff import rights
from kiosk.staff.rights import VERIFIERS
from kiosk.staff.signing import user_from
from pipeline.case_acts import Party, Received
from pipeline.case_erasing import without
from pipeline.keep_apart import KeepApart, pair
from pipeline.ports import Person, page_scope
from pipeline.rights import may_see_file
from pipeline.stages import Quarantined
from storage.data_keys import roll_scope, sheet_scope, staff_scope
from storage.key_desk import (
    AskedOpener,
    DeskTaken,
    KeyDesk,
    KeyRefused,
    KeysCapped,
    asking_for,
)
from storage.keys import CannotOpen, KeyFolder, KeyGone, Locked, Vault
from storage.models import PageRow
from storage.store import Store, rows_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Name the socket: shorter than the system's limit of 108 bytes."""
    return tmp_path / "desk" / "keys.sock"


@pytest.fixture
def desk_of_keys(store: Store, place: Path, clock: Clock) -> Iterator[KeyDesk]:
    with KeyDesk(store, place, users={os.geteuid()}, a_minute=20, now=clock) as opened:
        yield opened


@pytest.fixture
def shut_folder(key_folder: KeyFolder, tmp_path: Path) -> KeyFolder:
    """Give the keys as a web process sees them: without the private halves."""
    folder = tmp_path / "keys of the site"
    shutil.copytree(key_folder.folder, folder, ignore=shutil.ignore_patterns("opening"))
    return KeyFolder(folder)


@pytest.fixture
def site(store: Store, place: Path, shut_folder: KeyFolder, desk_of_keys: KeyDesk) -> Store:
    """Give the store as a web process has it."""
    assert not shut_folder.can_open()
    return Store(store.url, Vault(shut_folder, AskedOpener(place)))


def signed_in(store: Store, username: str, **to: Any) -> str:
    to = {"roles": ["verifier"], **to}
    with store.begin() as kept:
        kept.staff.add(username, PASSWORD, name="Pat", by="x", at=NOW, **to)
        return kept.sessions.open(username, at=NOW)


def a_page(desk: Any, **issued: object) -> str:
    (serial,) = desk.issue(**issued)
    (page,) = desk.bring(desk.read(serial))
    return str(page)


def test_a_process_without_the_private_keys_shows_a_page_for_somebody_signed_in(
    desk: Any, site: Store
) -> None:
    page, secret = a_page(desk, person="A1234BC"), signed_in(desk.store, "pat")
    with site.look() as kept:
        with pytest.raises(CannotOpen):
            kept.pages.get(page)
        with asking_for("not a session"), pytest.raises(KeyRefused):
            kept.pages.get(page)
        with asking_for(secret):
            seen = kept.pages.get(page)
            session = kept.sessions.find(secret, at=NOW)
    assert (seen.reading("me_number").value, seen.issued_to) == ("A1234BC", "A1234BC")
    assert session is not None
    assert session.staff.name == "Pat"


SCRIPT = """
import sys
from pathlib import Path
from storage.key_desk import AskedOpener, asking_for
from storage.keys import KeyFolder, Vault
from storage.store import Store

url, keys, desk, page, secret = sys.argv[1:]
folder = KeyFolder(Path(keys))
assert not folder.can_open()
with asking_for(secret), Store(url, Vault(folder, AskedOpener(Path(desk)))).look() as kept:
    print(kept.pages.get(page).reading("me_number").value)
"""


def test_another_process_without_the_private_keys_gets_them_at_the_desk(
    desk: Any, desk_of_keys: KeyDesk, place: Path, shut_folder: KeyFolder
) -> None:
    page, secret = a_page(desk), signed_in(desk.store, "pat")
    given = [desk.store.url, str(shut_folder.folder), str(place), page, secret]
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, *given],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert told.stdout == "A1234BC\n"


def test_a_session_that_is_over_idle_or_whose_holder_was_switched_off_opens_nothing(
    desk: Any, site: Store, clock: Clock
) -> None:
    page = a_page(desk)
    over, idle, off, closed = (signed_in(desk.store, name) for name in ("oa", "ib", "oc", "cd"))
    with desk.store.begin() as kept:
        kept.sessions.close(closed, at=NOW)
        kept.staff.change("oc", by="x", at=NOW, active=False)
        session = kept.sessions.find(over, at=NOW)
        assert session is not None
        kept.sessions.touch(session, at=NOW + timedelta(hours=8))
    for secret, later in (
        (over, timedelta(hours=8)),
        (idle, timedelta(minutes=17)),
        (off, timedelta()),
        (closed, timedelta()),
    ):
        clock.at = NOW + later
        with site.look() as kept, asking_for(secret), pytest.raises(KeyRefused):
            kept.pages.get(page)


def test_nobody_opens_what_belongs_to_another_prison_or_wing(desk: Any, site: Store) -> None:
    mine, theirs = a_page(desk), a_page(desk, establishment="LEI")
    other_wing = a_page(desk, wing="C")
    (my_sheet,) = desk.issue(person="A1234BC")
    (their_sheet,) = desk.issue(person="A1234BC", establishment="LEI")
    person = Person(
        prison_number="A1234BC", surname="x", forenames="y", cell="z", establishment="LEI"
    )
    with desk.store.begin() as kept:
        kept.roll.replace([person], by="pat", at=NOW)
    secret = signed_in(desk.store, "pat", establishments=["MTI"], wings=["B"])
    signed_in(desk.store, "sam", establishments=["LEI"])
    allowed = {
        page_scope(mine): True,
        page_scope(theirs): False,
        page_scope(other_wing): False,
        sheet_scope(my_sheet): True,
        sheet_scope(their_sheet): False,
        roll_scope(1): False,
        staff_scope("sam"): True,
    }
    with site.look() as kept, asking_for(secret):
        found = {}
        for scope in allowed:
            try:
                found[scope] = kept.keys.get(scope) is not None
            except KeyRefused:
                found[scope] = False
    assert found == allowed


@pytest.mark.parametrize(
    ("role", "establishment", "given"),
    [
        ("practitioner", "MTI", True),
        ("manager", "MTI", True),
        ("manager", "CLI", False),
        ("verifier", "MTI", False),
        ("auditor", "MTI", False),
    ],
)
def test_who_must_be_kept_apart_opens_for_whoever_works_cases_of_a_prison_on_the_roll(
    desk: Any, site: Store, role: str, establishment: str, given: bool
) -> None:
    person = Person(
        prison_number="A1234BC", surname="x", forenames="y", cell="z", establishment="MTI"
    )
    with desk.store.begin() as kept:
        kept.roll.replace([person], by="pat", at=NOW)
        kept.keep_apart.replace(KeepApart([pair("A1234BC", "A5678DE")]), by="pat", at=NOW)
        kept.deliveries.add("roll", b"x", by="pat", at=NOW)
        (file,) = kept.deliveries.scopes()
    secret = signed_in(desk.store, "pat", roles=[role], establishments=[establishment])
    with site.look() as kept, asking_for(secret):
        assert kept.keep_apart.are_apart("A5678DE", "A1234BC")
        if given:
            assert kept.keep_apart.apart("A5678DE", "A1234BC") is not None
        else:
            with pytest.raises(KeyRefused):
                kept.keep_apart.apart("A5678DE", "A1234BC")
        with pytest.raises(KeyRefused):
            kept.keys.get(file)


def test_a_second_factor_opens_for_its_owner_only_and_that_on_the_way_in_too(
    desk: Any, site: Store
) -> None:
    signed_in(desk.store, "pat")
    sam = signed_in(desk.store, "sam")
    with desk.store.begin() as kept:
        app_secret = kept.factors.begin_totp("pat", at=NOW)
        half = kept.sessions.open("pat", at=NOW, step="factor")
    with site.look() as kept, asking_for(sam), pytest.raises(KeyRefused):
        kept.factors.begun_totp("pat")
    with site.look() as kept, asking_for(half):
        assert kept.factors.begun_totp("pat") == app_secret
        with pytest.raises(KeyRefused):
            kept.keys.get(staff_scope("sam"))
    page = a_page(desk)
    with site.look() as kept, asking_for(half), pytest.raises(KeyRefused):
        kept.pages.get(page)


ROLES = (*EVERY_ROLE, "none of ours")


@pytest.mark.parametrize("only", [(), ("MTI",)])
def test_each_role_is_given_the_keys_of_what_the_site_shows_it_and_no_other(
    desk: Any, bring_file: Any, place: Path, only: tuple[str, ...]
) -> None:
    desk.issue(establishment="LEI")  # There are two prisons: whose an unread page is, is supposed.
    ordinary, closed, alone = (desk.issue()[0] for _ in range(3))
    aside = Quarantined(
        source="a", page_index=0, code="page-code-missing", message="None.", remedy="Scan it again."
    )
    pages = {
        "ordinary": bring_file(desk.read(ordinary))[0],
        "aside": bring_file(desk.read(alone), aside)[1],
    }
    pages["confidential"], pages["beside"] = bring_file(
        desk.read(closed, 1), desk.read(closed, 2, readings=[])
    )
    with desk.store.begin() as kept:
        rows_of(kept).execute(
            update(PageRow).where(PageRow.id == pages["confidential"]).values(confidential=True)
        )
        kept_pages = {name: kept.pages.get(each) for name, each in pages.items()}
        records = {n: kept.records.get(p.record) for n, p in kept_pages.items() if p.record}
    with KeyDesk(desk.store, place, users={os.geteuid()}, a_minute=500, now=lambda: NOW):
        opener = AskedOpener(place)
        for number, role in enumerate(ROLES):
            with desk.store.begin() as kept:
                kept.staff.add(
                    f"u{number}",
                    PASSWORD,
                    name="Pat",
                    roles=[role],
                    by="x",
                    at=NOW,
                    establishments=only,
                )
                secret = kept.sessions.open(f"u{number}", at=NOW)
                staff = kept.sessions.find(secret, at=NOW).staff
            user = user_from(staff)
            for name, page in kept_pages.items():
                shown = user.has(*VERIFIERS) and rights.may_open(user, page)
                if page.record is None:
                    shown = shown and rights.may_see_unread(user, page)
                else:
                    shown = shown and rights.may_open(user, records[name])
                file = may_see_file(
                    user, [p for p in kept_pages.values() if p.intake == page.intake]
                )
                assert given(opener, secret, page_scope(page.id)) == shown, (role, name)
                if name != "aside":
                    assert given(opener, secret, f"file/{page.intake}") == file, (role, name)
            unread = given(opener, secret, page_scope(pages["aside"]))
            assert given(opener, secret, f"file/{kept_pages['aside'].intake}") == unread
            assert unread == (role in ("practitioner", "senior") and not only)
            assert not given(opener, secret, "backup/x")
            assert not given(opener, secret, "page/none")
            assert given(opener, secret, "sheet/" + closed) == (role in ("senior", "manager")), role


def test_who_works_with_cases_is_given_the_keys_of_those_they_may_see(
    desk: Any, place: Path
) -> None:
    opened: dict[str, str] = {}
    with desk.store.begin() as kept:
        for name, prison, confidential in (
            ("ours", "MTI", False),
            ("theirs", "LEI", False),
            ("staff", "MTI", True),
        ):
            parties = (Party(key="a", number="A1234BC"), Party(key="b", number="B2345CD"))
            act = Received(at=NOW, by="x", parties=parties, confidential=confidential)
            opened[name] = kept.cases.open(act, establishment=prison, wing="B")
        acts = kept.cases.get(opened["ours"]).acts
        kept.cases.seal_anew(opened["ours"], without(acts, "b", by="sam", at=NOW), kept.keys.delete)
    scopes = {name: f"case/{case}" for name, case in opened.items()}
    scopes["ours"] += ".2"
    with KeyDesk(desk.store, place, users={os.geteuid()}, a_minute=500, now=lambda: NOW):
        opener = AskedOpener(place)
        for role in ROLES:
            with desk.store.begin() as kept:
                kept.staff.add(
                    role.replace(" ", ""),
                    PASSWORD,
                    name="Pat",
                    roles=[role],
                    by="x",
                    at=NOW,
                    establishments=("MTI",),
                )
                secret = kept.sessions.open(role.replace(" ", ""), at=NOW)
            got = {name for name, scope in scopes.items() if given(opener, secret, scope)}
            works = {"ours"} if role in ("practitioner", "senior", "manager") else set()
            assert got == works | ({"staff"} if role in ("senior", "manager") else set()), role
            assert not given(opener, secret, "case/C-000000")


def given(opener: AskedOpener, secret: str, scope: str) -> bool:
    """Ask as a site would that somebody else has taken over."""
    try:
        with asking_for(secret):
            return len(opener.open(Locked(scope=scope, site="local", kek="", locked=b""))) == 32
    except KeyRefused:
        return False
    except KeyGone:
        return scope.startswith("sheet/")  # Given, if there were one: it was issued to nobody.


def test_a_list_is_shown_to_somebody_who_is_given_only_some_of_its_keys(
    desk: Any, site: Store
) -> None:
    ordinary, closed = a_page(desk, person="A1234BC"), a_page(desk, person="A1234BC")
    with desk.store.begin() as kept:
        rows_of(kept).execute(update(PageRow).where(PageRow.id == closed).values(confidential=True))
    secret = signed_in(desk.store, "pat")
    with site.look() as kept, asking_for(secret):
        records = {each.pages[0].id: each for each in kept.records.newest(10)}
    assert (records[ordinary].issued_to, len(records[ordinary].pages[0].readings)) == ("A1234BC", 1)
    assert (records[closed].issued_to, records[closed].pages[0].readings) == (None, ())
    assert records[closed].confidential


def test_a_session_is_given_so_many_keys_a_minute_and_the_cap_is_an_event(
    desk: Any, site: Store, clock: Clock
) -> None:
    secret = signed_in(desk.store, "pat")
    with desk.store.begin() as kept:
        for n in range(25):
            kept.keys.make(f"staff/{n}")

    def ask() -> int:
        site.vault.forget()
        given = 0
        with site.look() as kept, asking_for(secret):
            for n in range(25):
                try:
                    kept.keys.get(f"staff/{n}")
                except KeysCapped:
                    break
                given += 1
        return given

    assert ask() == 20
    assert ask() == 0
    clock.at += timedelta(seconds=61)
    assert ask() == 20
    until = time.monotonic() + 10
    noted: list[str] = []
    while not noted and time.monotonic() < until:
        with desk.store.look() as kept:
            noted = [e.by for e in kept.events.last() if e.what == "keys-capped"]
        time.sleep(0.05)
    assert set(noted) == {"pat"}


def test_the_desk_answers_while_the_one_who_asks_is_writing(desk: Any, site: Store) -> None:
    page, secret = a_page(desk), signed_in(desk.store, "pat")
    with asking_for(secret), site.begin() as kept:
        kept.decisions.add(kept.pages.get(page).decide("me_number", "A1234BD", by="pat", at=NOW))
    assert desk.page(page).answer("me_number").value == "A1234BD"


def test_a_process_of_another_user_is_not_answered(
    store: Store, desk: Any, tmp_path: Path, shut_folder: KeyFolder
) -> None:
    page, secret = a_page(desk), signed_in(store, "pat")
    with KeyDesk(store, tmp_path / "other.sock", users={os.geteuid() + 1}):
        site = Store(store.url, Vault(shut_folder, AskedOpener(tmp_path / "other.sock")))
        with site.look() as kept, asking_for(secret), pytest.raises(CannotOpen):
            kept.pages.get(page)
        site.close()


def test_an_erased_page_is_said_to_be_erased(desk: Any, site: Store) -> None:
    page, secret = a_page(desk), signed_in(desk.store, "pat")
    with site.look() as kept, asking_for(secret):
        kept.keys.fetch([page_scope(page)])
        with desk.store.begin() as other:
            other.keys.delete(page_scope(page))
        with pytest.raises(KeyGone):
            kept.pages.get(page)


@pytest.mark.parametrize(
    "request_", [b"\n", b"x" * 5000, b"[]\n", b'{"secret": 1}\n', b'{"scope": "page/x"}\n', b""]
)
def test_an_odd_request_gets_no_key_and_the_desk_goes_on(
    desk: Any, site: Store, place: Path, request_: bytes
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(5)
        line.connect(str(place))
        line.sendall(request_)
        line.shutdown(socket.SHUT_WR)
        try:
            said = line.recv(1000)
        except ConnectionResetError:
            said = b""
    assert said in (b"", b'{"no": "odd"}\n')
    page, secret = a_page(desk), signed_in(desk.store, "pat")
    with site.look() as kept, asking_for(secret):
        assert kept.pages.get(page).readings


def test_a_desk_left_behind_is_replaced_and_one_that_answers_is_not(
    store: Store, place: Path, desk_of_keys: KeyDesk
) -> None:
    with pytest.raises(DeskTaken):
        KeyDesk(store, place, users=set())
    desk_of_keys.close()
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(place))
    left.close()
    KeyDesk(store, place, users=set()).close()
    assert not place.exists()


def test_without_a_desk_what_is_private_is_not_shown_and_a_sentence_says_why(
    desk: Any, shut_folder: KeyFolder, tmp_path: Path
) -> None:
    page, secret = a_page(desk), signed_in(desk.store, "pat")
    site = Store(desk.store.url, Vault(shut_folder, AskedOpener(tmp_path / "nobody.sock")))
    with site.look() as kept, asking_for(secret), pytest.raises(CannotOpen, match="no key to open"):
        kept.pages.get(page)
    site.close()
