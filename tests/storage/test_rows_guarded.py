"""PostgreSQL guards rows by itself: each prison's own, and what is only ever added."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from forms.page_id import new_serial
from pipeline.case_acts import Party, Received
from pipeline.kept import Status
from pipeline.packs import Left
from pipeline.promises import promised_day
from storage import backup, dump, recovery
from storage.blobs import FolderBlobs
from storage.cases import Whose
from storage.database import Database, DatabaseForbidden, roles
from storage.jobs import Jobs
from storage.keys import Vault
from storage.mailbox import Letter, Mailbox, TableSlot
from storage.paper import PageUnknown
from storage.places import shown_to
from storage.restore import Target, finish, restore
from storage.status_book import StatusBook, TableSource, Told, hash_of
from storage.store import Store, rows_of
from storage.terminals import TablePulses

TABLES = ("sheets", "records", "pages", "intakes", "readings", "decisions", "drafts", "drafts_due")


@pytest.fixture(scope="module")
def prepared(postgres: Any, key_folder: Any) -> str:
    """Give the name of a database made by the roles alone, to be copied."""
    url = str(postgres.fresh())
    name = url.partition("@/")[2].partition("?")[0]
    for _ in range(2):  # again does no harm
        postgres.run(roles(), name)
    store = Store(as_role(url, "migrator"), Vault(key_folder))
    store.upgrade()
    jobs = Jobs(store)
    jobs.prepare()
    jobs.close()
    store.close()
    return name


@pytest.fixture
def made(postgres: Any, prepared: str) -> str:
    url = str(postgres.fresh(prepared))
    name = url.partition("@/")[2].partition("?")[0]
    # A copy leaves out what was granted on the database itself.
    postgres.run(roles(), name)
    return url


def as_role(url: str, role: str) -> str:
    return url.replace("postgres@", f"counterfoil_{role}@")


@pytest.fixture
def worker(made: str, vault: Vault) -> Iterator[Store]:
    store = Store(as_role(made, "worker"), vault)
    yield store
    store.close()


@pytest.fixture
def staff(made: str, vault: Vault) -> Iterator[Store]:
    store = Store(as_role(made, "staff"), vault)
    yield store
    store.close()


def test_staff_see_their_own_prisons_rows_and_no_others_with_every_filter_left_off(
    worker: Store, staff: Store, make_desk: Any
) -> None:
    desk = make_desk(worker)
    page = {}
    for prison in ("MTI", "LEI"):
        (serial,) = desk.issue(establishment=prison)
        (page[prison],) = desk.bring(desk.read(serial))
        desk.decide(page[prison])
    seen: dict[str, list[int]] = {}
    for name, prisons in (("", None), ("MTI", ["MTI"]), ("both", ["MTI", "LEI"]), ("all", [])):
        with staff.look(prisons) as kept:
            counts = kept.pages.counts()
            rows = kept.pages._rows
            seen[name] = [rows.scalar(text(f"SELECT count(*) FROM {t}")) or 0 for t in TABLES]
        assert sum(counts.values()) == seen[name][TABLES.index("pages")]
    # Sheets, records, pages, files, readings, decisions; nothing here waits for drafts.
    assert seen == {
        "": [0] * 8,
        "MTI": [1, 1, 1, 1, 1, 1, 0, 0],
        "both": [2, 2, 2, 2, 2, 2, 0, 0],
        "all": [2, 2, 2, 2, 2, 2, 0, 0],
    }
    with staff.look(["MTI"]) as kept:
        found = kept.pages.with_status(Status.AWAITING) + kept.pages.with_status(Status.VERIFIED)
        assert [each.id for each in found] == [page["MTI"]]


def test_where_there_is_one_prison_its_staff_see_what_names_none(
    worker: Store, staff: Store, make_desk: Any
) -> None:
    desk = make_desk(worker)
    (serial,) = desk.issue(establishment="MTI")
    desk.bring(desk.read(serial))
    (unread,) = desk.take(1)
    for prisons, seen in ((("MTI",), ("MTI", "")), (("LEI",), ("LEI",)), ((), ())):
        with staff.look(["none"]) as kept:
            assert shown_to(kept.pages._rows, prisons) == seen
    with staff.look(["MTI", ""]) as kept:
        assert kept.pages.get(unread).id == unread
    with staff.look(["MTI"]) as kept, pytest.raises(PageUnknown):
        kept.pages.get(unread)
    desk.issue(establishment="LEI")
    with staff.look(["MTI"]) as kept:
        assert shown_to(kept.pages._rows, ["MTI"]) == ("MTI",)
        assert kept.sheets.count() == 1


def test_staff_can_neither_change_nor_add_to_what_is_another_prisons(
    worker: Store, staff: Store, make_desk: Any
) -> None:
    desk = make_desk(worker)
    (page_id,) = desk.bring(desk.read(*desk.issue(establishment="LEI")))
    with staff.begin(["MTI"]) as kept:
        rows = kept.pages._rows
        rows.execute(text("UPDATE pages SET warnings = '[1]' WHERE id = :p"), {"p": page_id})
    assert desk.page(page_id).warnings == ()
    added = text(
        "INSERT INTO decisions (page, field, number, cannot_read, by, at, sealed) "
        "VALUES (:p, 'me_number', 1, false, 'x', now(), '')"
    )
    with pytest.raises(DatabaseForbidden), staff.begin(["MTI"]) as kept:
        kept.pages._rows.execute(added, {"p": page_id})


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events",
        "UPDATE events SET by = by",
        "DELETE FROM data_keys",
        "UPDATE data_keys SET locked = ''",
        "INSERT INTO keks VALUES ('mine', now())",
        "SELECT sealed FROM mailbox",
        "SELECT * FROM letters",
        "DELETE FROM staff",
        "UPDATE staff SET sealed = ''",
        "INSERT INTO holds (kind, subject, reason, at, by) VALUES ('serial', 'x', 'x', now(), 'x')",
        "DELETE FROM holds",
        "SELECT * FROM erasures",
        "DELETE FROM pages",
        "UPDATE sheets SET establishment = 'MTI'",
        "INSERT INTO records (id, serial, occurrence, state, opened_at) "
        "VALUES ('x', 'x', 1, 'open', now())",
        "UPDATE readings SET by = by",
        "DELETE FROM dbos.workflow_status",
        "CREATE TABLE mine (x int)",
        "SET ROLE counterfoil_owner",
    ],
)
def test_staff_may_not_do_what_their_site_never_does(staff: Store, statement: str) -> None:
    with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
        kept.pages._rows.execute(text(statement))


ASKED = """
    INSERT INTO people_asks (id, username, kind, roles, establishments, wings, password, asked_at,
        asked_by, ended_by, outcome)
    VALUES ('x', 'vera', 'roles', '["admin"]', '["MTI"]', '[]', '', now(), 'x', '', '')
"""
ADDED = """
    INSERT INTO staff (username, password, roles, establishments, wings, active, added_at)
    VALUES ('nora', 'x', '["{}"]', '["MTI"]', '[]', true, now())
"""


@pytest.mark.parametrize(
    ("statement", "may"),
    [
        ("UPDATE staff SET roles = '[\"admin\"]'", False),
        ('UPDATE staff SET roles = \'["verifier", "auditor"]\'', False),
        ("UPDATE staff SET establishments = '[]'", False),
        ('UPDATE staff SET establishments = \'["MTI", "LEI"]\'', False),
        (ADDED.format("practitioner"), False),
        (ADDED.format("officer"), True),
        ("UPDATE staff SET roles = '[\"officer\"]', active = false", True),
        (f"{ASKED}; UPDATE staff SET roles = '[\"admin\"]'", True),
        (f"{ASKED}; UPDATE staff SET roles = '[\"admin\"]', establishments = '[]'", False),
        (
            f"{ASKED}; UPDATE people_asks SET ended_at = now(); "
            "UPDATE staff SET roles = '[\"admin\"]'",
            False,
        ),
    ],
)
def test_the_site_gives_nobody_a_role_or_prison_that_was_not_asked_for(
    worker: Store, staff: Store, statement: str, may: bool
) -> None:
    with worker.begin() as kept:
        kept.staff.add(
            "vera",
            "four unrelated words do",
            name="Vera",
            roles=["verifier"],
            establishments=["MTI"],
            by="x",
            at=datetime.now(UTC),
        )
    refused = nullcontext() if may else pytest.raises(DatabaseForbidden)
    with refused, staff.begin([]) as kept:
        for each in statement.split("; "):
            kept.pages._rows.execute(text(each))


def test_tables_of_a_later_revision_are_not_the_staff_sites_by_themselves(
    made: str, vault: Vault, staff: Store
) -> None:
    owner = Store(as_role(made, "migrator"), vault)
    with owner.begin() as kept:
        kept.pages._rows.execute(text("CREATE TABLE later (x int)"))
    owner.close()
    with pytest.raises(DatabaseForbidden), staff.look([]) as kept:
        kept.pages._rows.execute(text("SELECT * FROM later"))


@pytest.mark.parametrize("table", ["readings", "decisions", "events", "drafts"])
@pytest.mark.parametrize("attack", ["UPDATE {0} SET by = by", "DELETE FROM {0}", "TRUNCATE {0}"])
def test_what_is_only_ever_added_cannot_be_changed_or_removed_on_a_server(
    made: str, vault: Vault, make_desk: Any, table: str, attack: str
) -> None:
    owner = Store(as_role(made, "migrator"), vault)
    desk = make_desk(owner)
    (page_id,) = desk.bring(desk.read(*desk.issue()))
    desk.decide(page_id)
    add = text(
        "INSERT INTO drafts (page, attempt, field, score, by, at, sealed) "
        "VALUES (:page, 1, 'more', 0.5, 'x', now(), '')"
    )
    with owner.begin() as kept:
        kept.pages._rows.execute(add, {"page": page_id})
    attack = attack.format(table) + (" CASCADE" if "TRUNCATE" in attack else "")
    with pytest.raises(IntegrityError, match="only ever added"), owner.begin() as kept:
        kept.pages._rows.execute(text(attack))
    owner.close()


def test_rows_of_a_page_go_when_it_is_purged_and_its_key_is_destroyed_and_not_before(
    made: str, vault: Vault, make_desk: Any
) -> None:
    owner = Store(as_role(made, "migrator"), vault)
    desk = make_desk(owner)
    (page_id,) = desk.bring(desk.read(*desk.issue()))
    page = {"page": page_id}
    gone = text("DELETE FROM readings WHERE page = :page")
    with owner.begin() as kept:
        rows = kept.pages._rows
        rows.execute(text("INSERT INTO purging VALUES (:page)"), page)
        with pytest.raises(IntegrityError, match="only ever added"), rows.begin_nested():
            rows.execute(gone, page)
        rows.execute(text("DELETE FROM purging"))
    with owner.begin() as kept:
        kept.pages._rows.execute(text("INSERT INTO purging VALUES (:page)"), page)
        kept.keys.delete(f"page/{page_id}")
        assert kept.pages._rows.execute(gone, page).rowcount == 1
    owner.close()


KIOSKS = (
    "terminals",
    "submissions",
    "receipts",
    "kiosk_words",
    "status_words",
    "kiosk_house",
    "alerts",
    "mailbox",
    "letters",
)
"""Tables of what kiosks leave and are told."""


def test_the_kiosk_may_ask_about_one_code_and_one_terminal_and_read_no_table(
    made: str, vault: Vault, tmp_path: Path
) -> None:
    at, code, mark = datetime.now(UTC), new_serial(), "ab" * 32
    worker = Store(as_role(made, "worker"), vault)
    with worker.begin() as kept:
        terminal, _ = kept.terminals.invite("B wing", establishment="MTI", by="pat", at=at)
        pepper = kept.submissions.pepper()
        kept.submissions.looked_after(alarmed=True, at=at)
        rows_of(kept).execute(
            text("INSERT INTO status_words VALUES (:code, 'visit', '2999-12-31', '')"),
            {"code": hash_of(code, pepper)},
        )
        rows_of(kept).execute(
            text("UPDATE terminals SET state = 'enrolled', until = '2999-12-31', mark = :mark"),
            {"mark": mark},
        )
    (tmp_path / "pepper").write_text(pepper.hex())
    kiosk = create_engine(as_role(made, "kiosk").replace("postgresql://", "postgresql+psycopg://"))
    book = StatusBook(TableSource(kiosk), tmp_path)
    assert book.look(code) == Told(word="visit", day=date(2999, 12, 31), late=False)
    assert book.look(new_serial()) is None
    assert (book.terminal(mark), book.terminal("cd" * 32)) == (terminal.id, None)
    old = "ef" * 32
    assert (book.terminal(old), book.terminal("")) == (None, None)
    for until, told in ((at + timedelta(days=1), terminal.id), (at, None)):
        with worker.begin() as kept:
            rows_of(kept).execute(
                text("UPDATE terminals SET old_mark = :mark, old_until = :until"),
                {"mark": old, "until": until},
            )
        assert (book.terminal(old), book.terminal(mark)) == (told, terminal.id)
    assert book.certificate(mark) is None
    assert book.alarmed()
    first = promised_day(at)
    assert book.promise(at, terminal.id) == first
    with worker.begin() as kept:
        kept.cases.set_limit("first_visit", 1, by="pat", at=at)
        kept.cases.close_day("MTI", promised_day(at, 1), by="pat", at=at)
        kept.cases.close_day("BWI", promised_day(at, 2), by="pat", at=at)
    assert book.promise(at, terminal.id) == promised_day(at, 2)
    assert book.promise(at, "elsewhere") == promised_day(at, 1)
    TablePulses(kiosk).beat(terminal.id)
    with worker.begin() as kept:
        (known,) = kept.terminals.list()
        assert known.seen_at is not None
        kept.terminals.revoke(terminal.id, by="pat", at=at)
    assert (book.terminal(mark), book.terminal(old)) == (None, None)
    for table in KIOSKS:
        with pytest.raises(ProgrammingError, match="permission denied"), kiosk.begin() as asking:
            asking.execute(text(f"SELECT * FROM {table}"))
    kiosk.dispose()
    worker.close()


def test_what_the_kiosk_posts_it_cannot_read_and_the_functions_are_nobody_elses(
    made: str, vault: Vault, staff: Store
) -> None:
    kiosk = create_engine(as_role(made, "kiosk").replace("postgresql://", "postgresql+psycopg://"))
    box = Mailbox(TableSlot(kiosk), vault.folder, site="local")
    box.post(Letter(key="key-of-a-test-0001", kind="referral", body=b"KESTREL"))
    for asked in (
        "SELECT sealed FROM mailbox",
        "SELECT * FROM status_words",
        "DELETE FROM mailbox",
        "UPDATE mailbox SET aside = ''",
        "SET ROLE counterfoil_worker",
        "COPY mailbox TO STDOUT",
        "INSERT INTO mailbox (name, sealed) VALUES ('x', '') RETURNING sealed",
    ):
        with pytest.raises(ProgrammingError), kiosk.begin() as asking:
            asking.execute(text(asked))
    with pytest.raises(DatabaseForbidden), staff.look([]) as kept:
        rows_of(kept).execute(text("SELECT * FROM status_word('x')"))
    kiosk.dispose()


def test_alerts_and_requests_are_guarded_and_danger_nobody_knows_where_is_everybodys(
    worker: Store, staff: Store
) -> None:
    at = datetime.now(UTC)
    with worker.begin() as kept:
        for prison in ("MTI", "LEI", ""):
            kept.alerts.sound("danger", at=at, establishment=prison)
    with staff.look(["MTI"]) as kept:
        assert sorted(each.establishment for each in kept.alerts.waiting()) == ["", "MTI"]
    with staff.begin(["MTI"]) as kept:
        mine = next(each for each in kept.alerts.waiting() if each.establishment)
        assert kept.alerts.see(mine.id, by="pat", at=at).seen_by == "pat"
    for statement in (
        "UPDATE alerts SET kind = 'stop'",
        "DELETE FROM alerts",
        "UPDATE submissions SET promised = ''",
        "UPDATE terminals SET mark = 'x'",
        "SELECT * FROM receipts",
        "SELECT * FROM status_words",
        "SELECT * FROM kiosk_words",
        "UPDATE filings SET serial = ''",
        "UPDATE box_log SET what = 'void'",
        "DELETE FROM box_log",
        "UPDATE replacements SET became = 'replaced'",
        "DELETE FROM sent_files",
    ):
        with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
            rows_of(kept).execute(text(statement))


def test_staff_act_on_cases_and_keep_packs_and_a_worker_tells_the_kiosk(
    worker: Store, staff: Store
) -> None:
    at = datetime.now(UTC)
    him = Party(key="a", number="A1234BC")
    with staff.begin(["MTI"]) as kept:
        act = Received(at=at, by="petra", parties=(him, Party(key="b")), sender="a")
        case = kept.cases.open(act, establishment="MTI", wing="A")
        kept.case_intake.tell(case, at=at)
        assert kept.answers.of_case(kept.cases.get(case), at.date()).day is not None
        assert len(kept.answers.debts(Whose(), at, 9)) == 1
        pack = kept.packs.ask("handover", number="A1234BC", by="petra", at=at, establishment="MTI")
        kept.packs.fetched(pack.id, "0" * 64, {Left.RISK: 1}, by="petra", at=at)
    with staff.look(["LEI"]) as kept:
        assert kept.packs.listed(9) == ()
    with worker.begin([]) as kept:
        assert kept.case_intake.behind() == ()
    for statement in ("DELETE FROM packs", "UPDATE packs SET kind = 'x'"):
        with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
            rows_of(kept).execute(text(statement))


def test_staff_set_terminals_up_and_take_them_away_but_make_no_certificate(
    worker: Store, staff: Store
) -> None:
    at = datetime.now(UTC)
    for _ in range(2):
        with staff.begin(["MTI"]) as kept:
            made, _ = kept.terminals.invite("A wing", establishment="MTI", wing="A", by="p", at=at)
            kept.terminals.invite_again(made.id, by="p", at=at)
            kept.terminals.revoke(made.id, by="p", at=at)
    with worker.look() as kept:
        assert [each.state for each in kept.terminals.list()] == ["revoked", "revoked"]
    for statement in (
        "UPDATE terminals SET until = '2999-12-31'",
        "UPDATE terminals SET establishment = 'LEI'",
        "DELETE FROM terminals",
    ):
        with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
            rows_of(kept).execute(text(statement))


def test_staff_cannot_take_back_that_a_terminal_is_revoked(worker: Store, staff: Store) -> None:
    at = datetime.now(UTC)
    with worker.begin() as kept:
        made, _ = kept.terminals.invite("A wing", establishment="MTI", wing="A", by="p", at=at)
        rows_of(kept).execute(
            text(
                "UPDATE terminals SET state = 'enrolled', until = '2999-12-31', mark = :m, "
                "asked = :m, certificate = 'x', old_mark = :m, old_certificate = 'x'"
            ),
            {"m": "ab" * 32},
        )
    with staff.begin(["MTI"]) as kept:
        kept.terminals.revoke(made.id, by="p", at=at)
    with worker.look() as kept:
        (left,) = rows_of(kept).execute(
            text(
                "SELECT mark || asked || certificate || old_mark || old_certificate FROM terminals"
            )
        )
        assert left[0] == ""
    for state in ("enrolled", "invited"):
        with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
            rows_of(kept).execute(
                text("UPDATE terminals SET state = :s, revoked_at = NULL"), {"s": state}
            )
    with worker.look() as kept:
        assert kept.terminals.published(at=at)[0] == ()


@pytest.mark.parametrize(
    ("state", "mark"), [("enrolled", "ab"), ("invited", "ab"), ("revoked", "")]
)
def test_staff_add_no_terminal_but_an_invited_one(staff: Store, state: str, mark: str) -> None:
    added = text(
        "INSERT INTO terminals (id, name, establishment, wing, state, code, asked, mark, "
        "certificate, old_mark, old_certificate, added_at, added_by, revoked_by, until) VALUES "
        "('t-0', 'x', 'MTI', '', :s, '', '', :m, '', '', '', now(), 'x', '', '2999-12-31')"
    )
    with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
        rows_of(kept).execute(added, {"s": state, "m": mark})


def test_staff_make_no_key_of_the_kiosks(worker: Store, staff: Store) -> None:
    for scope in ("kiosk/terminals", "kiosk/pepper"):
        with pytest.raises(DatabaseForbidden), staff.begin([]) as kept:
            kept.keys.make(scope)
    with worker.begin() as kept:
        kept.terminals.authority()
    with staff.begin([]) as kept:
        kept.keys.make("page/of-their-own")


def test_the_kiosk_may_read_nothing(made: str) -> None:
    kiosk = Store(as_role(made, "kiosk"))
    for table in (*TABLES, "staff", "events", "data_keys"):
        with pytest.raises(DatabaseForbidden), kiosk.look() as kept:
            kept.pages._rows.execute(text(f"SELECT * FROM {table}"))
    kiosk.close()


def test_the_workers_role_may_write_a_backup_with_every_counter(
    made: str, worker: Store, make_desk: Any, key_folder: Any, tmp_path: Path
) -> None:
    desk = make_desk(worker)
    (serial,) = desk.issue()
    desk.bring(desk.read(serial))
    keys = tmp_path / "keys"
    shutil.copytree(key_folder.folder, keys)
    recovery.make(keys, tmp_path / "key.txt")
    written = backup.write(
        tmp_path / "a.backup",
        id=backup.new_id(),
        store=worker,
        blobs=FolderBlobs(tmp_path / "blobs"),
        keys=keys,
        files={},
        site="local",
        at=desk.now,
    )
    assert written.manifest.counters["intakes"] == 1
    owner = Database(made)
    with owner.engine.connect() as connection:
        assert dump.counters(connection) == written.manifest.counters
        found = connection.execute(text("SELECT last_value, is_called FROM readings_id_seq")).one()
    owner.close()
    assert written.manifest.counters["readings"] == found[0]
    assert found[1]


def test_a_role_that_may_make_no_tables_is_told_so_when_it_restores_and_the_migrators_role_may(
    postgres: Any, worker: Store, key_folder: Any, tmp_path: Path
) -> None:
    home, there = tmp_path / "home", tmp_path / "there"
    shutil.copytree(key_folder.folder, home / "keys")
    key = recovery.make(home / "keys", tmp_path / "key.txt")
    backup.write(
        tmp_path / "a.backup",
        id=backup.new_id(),
        store=worker,
        blobs=FolderBlobs(home / "blobs"),
        keys=home / "keys",
        files={},
        site="local",
        at=datetime.now(UTC),
    )
    url = str(postgres.fresh())
    postgres.run(roles(), url.partition("@/")[2].partition("?")[0])

    def put_back(role: str) -> None:
        target = Target(
            url=as_role(url, role),
            blobs=FolderBlobs(there / "blobs"),
            data=there,
            keys=there / "keys",
            site="local",
        )
        restore(tmp_path / "a.backup", key, target)
        finish(there)

    with pytest.raises(DatabaseForbidden):
        put_back("worker")
    put_back("migrator")


def test_only_the_owner_of_the_tables_says_that_they_were_written_anew(
    made: str, worker: Store, vault: Vault
) -> None:
    owner = Store(as_role(made, "migrator"), vault)

    def file_of(table: str) -> int:
        with owner.look() as kept:
            found = kept.pages._rows.scalar(text(f"SELECT pg_relation_filenode('{table}')"))
        return int(found or 0)

    before = file_of("readings")
    assert not worker.database.wipe()
    assert file_of("readings") == before
    assert owner.database.wipe()
    assert file_of("readings") != before
    owner.close()
