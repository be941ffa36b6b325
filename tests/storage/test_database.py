import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipeline.keep_apart import KeepApart, pair
from pipeline.verification import Look
from storage import database
from storage.database import (
    Database,
    DatabaseBusy,
    DatabaseForbidden,
    DatabaseNewer,
    _config,
    _script,
    connect,
)
from storage.figures import Scope
from storage.keys import Vault
from storage.looks import Whose
from storage.models import (
    Base,
    CaseActRow,
    CasePartyRow,
    CaseRow,
    DecisionRow,
    ExportedRow,
    RecordRow,
)
from storage.store import Store, rows_of
from storage.tokens import SCOPES


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 30_000),
        ("recursive_triggers", 1),
        ("secure_delete", 1),
        ("trusted_schema", 0),
    ],
)
def test_every_connection_has_the_durable_settings(
    store: Store, setting: str, value: object
) -> None:
    engine = store.database.engine.execution_options(reading=True)
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            assert connection.execute(text(f"PRAGMA {setting}")).scalar() == value


@pytest.mark.both_databases
def test_the_revisions_make_exactly_the_tables_of_the_models(store: Store) -> None:
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


@pytest.mark.both_databases
def test_a_newer_database_is_refused_with_a_sentence_and_not_changed(store: Store) -> None:
    with store.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewer, match="newer version"):
        Database(store.url).upgrade()
    assert Database(store.url).revision() == "9999"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_upgrading_twice_or_from_two_processes_at_once_is_the_same_as_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/two.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").fresh()
    problems: list[BaseException] = []

    def upgrade() -> None:
        try:
            Database(url).upgrade()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert Database(url).revision() == _script().get_current_head()


def test_the_group_may_write_to_a_new_database_if_the_umask_lets_it(tmp_path: Path) -> None:
    before = os.umask(0o007)
    try:
        store = Store(f"sqlite:///{tmp_path}/shared.db")
        store.upgrade()
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes["shared.db"] == modes["shared.db-wal"] == modes["shared.db-shm"] == 0o660


def test_who_may_not_write_to_the_file_is_told_so(store: Store, vault: Vault) -> None:
    shut = Store(f"sqlite:///file:{store.database.file}?mode=ro&uri=true", vault)
    told = pytest.raises(DatabaseForbidden, match="may not write to the data folder")
    with told, shut.begin() as kept:
        kept.events.add("a", "b", by="pat", at=_NOW)
    shut.close()


_NOW = datetime(2026, 11, 23, tzinfo=UTC)

REVISION_1 = """
INSERT INTO sheets VALUES ('7KQ4M2XD','rj-1',1,'en',0,2,'MTI','B',NULL,'',
    '2026-11-23 09:00:00','pat','issued','');
INSERT INTO intakes (number,id,digest,size,kind,received_at,"by",state,pages,priority,name)
    VALUES (1,'aa','aaaa',9,'scan','2026-11-23 09:01:00','pat','split',1,1,'x.pdf');
INSERT INTO arrivals VALUES (1,'aa','2026-11-23 09:01:00','pat',0);
INSERT INTO records VALUES ('7KQ4M2XD-1','7KQ4M2XD',1,'open','2026-11-23 09:02:00',NULL,'','');
INSERT INTO pages (id,intake,page_index,slot,status,attempt,received_at,digest,form,version,
    language,large_print,serial,number,pages,record,reason_code,reason_message,reason_remedy,
    seconds,"by",warnings,urgent,confidential)
    VALUES ('aa-0','aa',0,0,'awaiting',1,'2026-11-23 09:01:00','d1','rj-1',1,
    'en',0,'7KQ4M2XD',1,2,'7KQ4M2XD-1','','','',0.3,'code','[]',0,0);
INSERT INTO readings (id,page,attempt,place,field,kind,state,value,confidence,review,why,"by")
    VALUES (1,'aa-0',1,0,'me_number','comb','filled','"A1234BC"',0.9,1,'["identity"]','scan');
INSERT INTO decisions VALUES (1,'aa-0','me_number',1,'"A1234BD"',0,'pat',
    '2026-11-23 09:05:00',NULL);
INSERT INTO roll_imports VALUES (1,'2026-11-23 06:00:00','pat',1,'',1);
INSERT INTO roll_people VALUES (1,1,'MTI','{"prison_number":"A1234BC","surname":"S",
    "forenames":"F","cell":"B-1-001","establishment":"MTI","date_of_birth":null,"extra":{}}');
INSERT INTO staff VALUES ('pat','Pat','hash','["verifier"]','[]','[]',1,'2026-11-23 08:00:00');
INSERT INTO sessions VALUES ('s','pat','2026-11-23 09:00:00','2026-11-23 09:00:00',
    '2026-11-23 17:00:00');
INSERT INTO events (number,at,"by",what,subject,code)
    VALUES (1,'2026-11-23 09:00:00','pat','sheet-issued','7KQ4M2XD','rj-1');
"""


REVISION_2 = f"""{REVISION_1}
INSERT INTO readings (id,page,attempt,place,field,kind,state,confidence,review,why,"by")
    VALUES (2,'aa-0',1,1,'more','free_text','filled',0.9,1,'["free-text"]','scan');
INSERT INTO drafts VALUES (1,'aa-0',1,'more','he took it',0.6,'reader-1','2026-11-23 09:03:00');
INSERT INTO drafts_due (page,attempt) VALUES ('aa-0',1);
"""


NEWEST = """
INSERT INTO intakes (number,id,digest,size,kind,received_at,"by",state,pages,priority,begun)
    VALUES (1,'aa','aaaa',9,'scan','2026-11-23 09:01:00','pat','split',1,1,0);
INSERT INTO pages (id,intake,page_index,slot,status,attempt,received_at,digest,form,version,
    language,large_print,serial,number,pages,reason_code,reason_message,reason_remedy,
    seconds,"by",warnings,urgent,confidential)
    VALUES ('aa-0','aa',0,0,'awaiting',1,'2026-11-23 09:01:00','d1','rj-1',1,
    'en',0,'7KQ4M2XD',1,2,'','','',0.3,'code','[]',0,0);
INSERT INTO readings (id,page,attempt,place,field,kind,review,"by",sealed)
    VALUES (1,'aa-0',1,0,'me_number','comb',1,'scan',x'01');
INSERT INTO decisions (id,page,field,number,cannot_read,"by",at)
    VALUES (1,'aa-0','me_number',1,0,'pat','2026-11-23 09:05:00');
INSERT INTO events (number,at,"by",what,subject,code,hash)
    VALUES (1,'2026-11-23 09:00:00','pat','sheet-issued','7KQ4M2XD','rj-1','');
INSERT INTO drafts (id,page,attempt,field,score,"by",at)
    VALUES (1,'aa-0',1,'more',0.6,'reader-1','2026-11-23 09:03:00');
"""


# On PostgreSQL, numbers stand for truths only where somebody said so.
_AS_TRUTHS = (
    "UPDATE pg_cast SET castcontext = 'a' "
    "WHERE castsource = 'int4'::regtype AND casttarget = 'bool'::regtype"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def keep_at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], str]:
    """Give a way to keep rows in a new database at an old revision; it gives the URL."""

    def keep(revision: str, rows: str) -> str:
        url = f"sqlite:///{tmp_path}/old.db"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgres").fresh()
        engine = connect(url)
        with engine.begin() as connection:
            command.upgrade(_config(connection), revision)
            if request.param == "postgresql":
                connection.exec_driver_sql(_AS_TRUTHS)
            for each in rows.split(";\n"):
                if each.strip():
                    connection.exec_driver_sql(each)
        engine.dispose()
        return str(url)

    return keep


def test_data_kept_at_revision_0002_is_all_there_at_the_newest(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0002", REVISION_2), vault)
    store.upgrade()
    with store.begin() as kept:
        (draft,) = kept.pages.get("aa-0").drafts
        assert (draft.field, draft.words, draft.by) == ("more", "he took it", "reader-1")
        assert kept.drafts.due() == (("aa-0", 1),)
        job = kept.drafts.start("aa-0", 1)
        assert job is not None
        assert (job.begun, kept.intakes.start("aa")) == (1, 1)  # counted since revision 0004


def test_data_kept_at_revision_0001_is_all_there_at_the_newest(
    keep_at: Callable[[str, str], str], tmp_path: Path, vault: Vault
) -> None:
    store = Store(keep_at("0001", REVISION_1), vault)
    store.upgrade()
    with store.look() as kept:
        page = kept.pages.get("aa-0")
        assert page.answer("me_number").value == "A1234BD"
        assert page.reading("me_number").why == ("identity",)
        assert kept.records.get("7KQ4M2XD-1").missing == (2,)
        assert [p.prison_number for p in kept.roll.people()] == ["A1234BC"]
        assert kept.staff.find("pat") is not None
        assert [e.what for e in kept.events.last()] == ["sheet-issued"]
        assert kept.intakes.get("aa").name == "x.pdf"
    assert list(tmp_path.glob("*.before-*")) == []


REVISION_9 = """
INSERT INTO sheets (serial, form, version, language, large_print, pages, establishment, wing, pad,
    issued_at, issued_by, state, void_reason) VALUES ('7KQ4M2XD', 'rj-1', 1, 'en', false, 2, 'MTI',
    'B', '', '2026-11-23 09:30:00', 'pat', 'issued', '');
INSERT INTO letters (key, content, collected_at) VALUES ('aa', 'bb', '2026-11-23 09:30:00')
"""


def test_data_kept_at_revision_0009_is_all_there_and_kiosks_can_be_kept_beside_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0009", REVISION_9), vault)
    store.upgrade()
    with store.begin() as kept:
        sheet = kept.sheets.find("7KQ4M2XD")
        assert sheet is not None
        assert (sheet.establishment, sheet.pages) == ("MTI", 2)
        assert kept.submissions.find("7KQ4M2XD") is None
        assert (kept.alerts.waiting(), kept.terminals.list()) == ((), ())
        assert kept.submissions.house() is None
        terminal, _ = kept.terminals.invite("B wing", by="pat", at=_NOW)
        kept.alerts.sound("danger", at=_NOW, terminal=terminal.id, number="A1234BC")
    with store.look() as kept:
        (alert,) = kept.alerts.waiting()
        assert alert.number == "A1234BC"
    store.close()


REVISION_11 = """
INSERT INTO staff (username, password, roles, establishments, wings, active, added_at) VALUES
    ('pat', 'x', '["verifier"]', '["MTI"]', '[]', true, '2026-11-20 09:30:00');
INSERT INTO sessions (id, username, opened_at, seen_at, expires_at) VALUES
    ('043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89', 'pat',
    '2026-11-23 09:30:00', '2026-11-23 09:40:00', '2026-11-23 17:30:00')
"""


def test_data_kept_at_revision_0011_is_all_there_and_whoever_is_signed_in_stays_so(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0011", REVISION_11), vault)
    store.upgrade()
    opened = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    with store.begin() as kept:
        session = kept.sessions.find("s", at=opened + timedelta(minutes=11))
        assert session is not None
        assert (session.opened_at, session.proved_at) == (opened, opened)
        assert (session.staff.active, session.staff.must_change) == (True, False)
        assert kept.factors.kinds("pat") == frozenset()
        assert kept.people_asks.waiting(at=opened) == ()
        secret = kept.factors.begin_totp("pat", at=opened)
    with store.look() as kept:
        assert kept.factors.begun_totp("pat") == secret


def test_data_kept_at_revision_0009_is_all_there_and_the_office_can_work_beside_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0009", REVISION_9), vault)
    store.upgrade()
    with store.begin() as kept:
        assert kept.sheets.find_bare("7KQ4M2XD") is not None
        assert kept.filings.filed("7KQ4M2XD") is None
        assert (kept.sendings.last(), kept.box_rounds.last()) == ((), ())
        found = kept.box_rounds.begin(establishment="MTI", wing="B", by="pat", at=_NOW)
        word = kept.box_rounds.log(found, "7KQ4M2XD", theirs=(), by="pat", at=_NOW).word
        assert word == "mistyped"  # the serial of these rows has no right check symbol
        kept.sendings.add("ab" * 16, by="pat", at=_NOW, establishment="MTI", wing="B", intake=None)
    with store.look() as kept:
        sending = kept.sendings.find("ab" * 16)
        assert sending is not None
        assert sending.counts["refused"] == 1
    store.close()


REVISION_18_CASE = f"""{REVISION_9};
INSERT INTO cases (id, opened_at, changed_at, establishment, wing, step, acts, confidential, urgent,
    paused, stopped, seen, practitioner, reason) VALUES ('C-AAAAAA', '2026-11-23 09:30:00',
    '2026-11-23 09:30:00', 'MTI', 'B', 'received', 0, false, false, false, false, false, '', '')
"""


def test_data_kept_at_revision_0018_is_all_there_and_reps_can_be_kept_beside_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0018", REVISION_18_CASE), vault)
    store.upgrade()
    told = {"by": "pat", "at": _NOW}
    with store.begin() as kept:
        assert kept.cases.line("C-AAAAAA").establishment == "MTI"
        assert (kept.reps.listed(), kept.rep_sheets.listed()) == ((), ())
        rep = kept.reps.add(
            "A1234BC", "BO LEE", establishment="MTI", wing="B", check_due=_NOW.date(), **told
        )
        kept.reps.give(rep.id, _NOW.date(), 60, today=_NOW.date(), **told)
        assert kept.rep_sheets.cases_of(rep) == ()
    with store.look() as kept:
        found = kept.reps.of_number("a1234bc")
        assert found is not None
        assert (found.name, kept.reps.minutes(found.id)) == ("BO LEE", 60)
    store.close()


REVISION_12 = f"""{REVISION_9};
INSERT INTO intakes (number, id, digest, size, kind, received_at, "by", state, pages, priority,
    begun) VALUES (1, 'aa', 'aaaa', 9, 'scan', '2026-11-23 09:31:00', 'pat', 'split', 1, 1, 0);
INSERT INTO records (id, serial, occurrence, state, opened_at, verified_by, without_missing_by)
    VALUES ('7KQ4M2XD-1', '7KQ4M2XD', 1, 'open', '2026-11-23 09:32:00', '', '');
INSERT INTO pages (id, intake, page_index, slot, status, attempt, begun, received_at, digest, form,
    version, language, large_print, serial, number, pages, record, reason_code, reason_message,
    reason_remedy, seconds, "by", warnings, urgent, confidential) VALUES ('aa-0', 'aa', 0, 0,
    'awaiting', 1, 0, '2026-11-23 09:31:00', 'd1', 'rj-1', 1, 'en', false, '7KQ4M2XD', 1, 2,
    '7KQ4M2XD-1', '', '', '', 0.3, 'code', '[]', false, false);
INSERT INTO readings (page, attempt, place, field, kind, review, "by")
    VALUES ('aa-0', 1, 0, 'me_number', 'comb', true, 'scan');
INSERT INTO readings (page, attempt, place, field, kind, review, "by")
    VALUES ('aa-0', 1, 1, 'me_name', 'comb', true, 'scan');
INSERT INTO decisions (page, field, number, cannot_read, "by", at)
    VALUES ('aa-0', 'me_number', 1, true, 'pat', '2026-11-23 09:35:00')
"""


def test_words_kept_at_revision_0012_are_the_last_ones_and_fields_can_be_given_beside_them(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0012", REVISION_12), vault)
    store.upgrade()
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    names = {Look.KEYED: {"rj-1": ("me_number", "me_name")}}
    whose = Whose(by="vera", role="verifier", hidden={}, no_longer={}, looks=names)
    with store.begin() as kept:
        row = rows_of(kept).scalars(select(DecisionRow)).one()
        assert (row.settles, row.agrees, row.cannot_read) == (True, None, True)
        given = kept.looks.give(whose, at=at, most=9)
        assert [(each.page, each.field) for each in given] == [("aa-0", "me_name")]
        assert kept.looks.how_well(at) == {}
        kept.openings.open("7KQ4M2XD-1", "safety", by="milan", at=at)
    with store.look() as kept:
        assert kept.looks.holder("aa-0", "me_name", at=at) == "vera"
        assert kept.openings.is_open("7KQ4M2XD-1", "milan", at=at)
        assert kept.figures.errors(since=_NOW, of=Scope()) == ()
    store.close()


REVISION_14 = f"""{REVISION_12};
INSERT INTO looks (page, field, "by", until)
    VALUES ('aa-0', 'me_name', 'vera', '2026-11-23 10:02:00');
INSERT INTO openings (record, "by", reason, at, until)
    VALUES ('7KQ4M2XD-1', 'milan', 'safety', '2026-11-23 10:00:00', '2026-11-23 10:15:00');
INSERT INTO exports (at, "by", form, shape, records, digest)
    VALUES ('2026-11-23 10:00:00', 'pat', 'rj-1', 'csv', 1, 'abc');
INSERT INTO exported (export, record) VALUES (1, '7KQ4M2XD-1')
"""


def test_data_kept_at_revision_0014_is_all_there_and_programs_can_be_let_in_beside_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0014", REVISION_14), vault)
    store.upgrade()
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    with store.begin() as kept:
        assert kept.looks.holder("aa-0", "me_name", at=at) == "vera"
        assert kept.openings.is_open("7KQ4M2XD-1", "milan", at=at)
        rows = rows_of(kept)
        assert rows.scalars(select(ExportedRow.record)).all() == ["7KQ4M2XD-1"]
        assert kept.exports.asks(9) == ()
        maker = kept.staff.add(
            "milan", "four unrelated words do", name="Milan", roles=["manager"], by="x", at=at
        )
        _, secret = kept.tokens.make(maker, "robot", SCOPES, days=9, at=at)
        ask = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=at.date(),
            until=at.date(),
            reason="audit",
            why="An inspection of this month.",
            records=1,
            by="pat",
            at=at,
        )
    with store.look() as kept:
        assert kept.exports.why(ask.id) == "An inspection of this month."
        token = kept.tokens.holder(secret, at=at)
        assert token is not None
        assert token.username == "token:robot"
        assert rows_of(kept).get_one(RecordRow, "7KQ4M2XD-1").state == "open"
    store.close()


REVISION_16 = """
INSERT INTO roll_imports (number, at, "by", people, refused, in_force)
    VALUES (1, '2026-11-22 06:10:00', 'nightly', 0, 'a bad line', false);
INSERT INTO roll_imports (number, at, "by", people, refused, in_force)
    VALUES (2, '2026-11-23 06:10:00', 'nightly', 1, '', true)
"""


def test_a_roll_kept_at_revision_0016_is_as_old_as_it_was_and_lists_can_be_kept_beside_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0016", REVISION_16), vault)
    store.upgrade()
    came = datetime(2026, 11, 23, 6, 10, tzinfo=UTC)
    with store.begin() as kept:
        current = kept.roll.current()
        assert current is not None
        assert (current.number, current.as_of, current.dated) == (2, came, None)
        assert [each.refused for each in kept.roll.imports()] == ["", "a bad line"]
        assert kept.roll.find("A1234BC") is None
        assert (kept.keep_apart.current(), kept.deliveries.due()) == (None, ())
        kept.keep_apart.replace(KeepApart([pair("A1234BC", "A5678DE")]), by="pat", at=came)
        assert kept.keep_apart.are_apart("A5678DE", "A1234BC")
        assert kept.people_index.digest("A1234BC") == kept.people_index.bare_digest("A1234BC")
    store.close()


REVISION_18 = """
INSERT INTO holds (kind, subject, reason, at, "by", lifted_by)
    VALUES ('record', '7KQ4M2XD-1', 'inquest', '2026-11-23 09:00:00', 'pat', '');
INSERT INTO cases VALUES ('C-7KQ4M2','2026-11-23 09:00:00','2026-11-23 09:00:00','MTI','B',
    'received',1,0,0,0,0,0,'','2026-11-24',NULL,'');
INSERT INTO case_acts VALUES ('C-7KQ4M2',1,'2026-11-23 09:00:00','pat','received','',NULL);
INSERT INTO case_parties VALUES ('C-7KQ4M2','a','abc',1,'B',NULL)
"""


def test_data_kept_at_revision_0018_is_all_there_and_a_case_can_be_held(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0018", REVISION_18), vault)
    store.upgrade()
    with store.begin() as kept:
        held = kept.holds.add(case="C-7KQ4M2", reason="inquest", by="pat", at=_NOW)
        assert [(e.number, e.kind) for e in kept.holds.list()] == [(1, "record"), (2, "case")]
        assert kept.holds.held().cases == {held.subject}
        rows = rows_of(kept)
        found = [
            rows.get_one(CaseRow, "C-7KQ4M2"),
            rows.get_one(CaseActRow, ("C-7KQ4M2", 1)),
            rows.get_one(CasePartyRow, ("C-7KQ4M2", "a")),
        ]
        assert [each.edition for each in found] == [1, 1, 1]
        assert {found[1].sealed_scope, found[2].sealed_scope} == {"case/C-7KQ4M2"}
        assert kept.cases.line("C-7KQ4M2").due == date(2026, 11, 24)
        kept.keys.make("case/C-7KQ4M2")
    if store.database.file is not None:  # on a server, rights say who may not
        with pytest.raises(IntegrityError, match="only ever added"), store.begin() as kept:
            rows_of(kept).execute(text("DELETE FROM case_acts"))
    store.close()


REVISION_18_PACK = """
INSERT INTO cases (id, opened_at, changed_at, establishment, wing, step, acts, confidential,
        urgent, paused, stopped, seen, practitioner, reason)
    VALUES ('C-7KQ4M2', '2026-11-23 10:00:00', '2026-11-23 10:00:00', 'MTI', 'B', 'received', 0,
        0, 0, 0, 0, 0, '', '')
"""


def test_cases_kept_at_revision_0018_are_all_there_and_packs_can_be_kept_beside_them(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    store = Store(keep_at("0018", REVISION_18_PACK), vault)
    store.upgrade()
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    with store.begin() as kept:
        case = kept.cases.get("C-7KQ4M2")
        pack = kept.packs.ask(
            "handover", number="A1234BC", case=case, party="a", more={"to": "x"}, by="pat", at=at
        )
        kept.packs.fetched(pack.id, "0" * 64, {}, by="pat", at=at)
    with store.look() as kept:
        (found,) = kept.packs.listed(9, establishments=["MTI"])
        assert (found.id, found.case, found.fetched_at) == (pack.id, "C-7KQ4M2", at)
        assert kept.packs.why(pack.id).number == "A1234BC"
        assert kept.packs.listed(9, establishments=["LEI"]) == ()
    store.close()


def test_what_came_in_before_there_was_a_ledger_stands_in_it(
    keep_at: Callable[[str, str], str], vault: Vault
) -> None:
    again = "INSERT INTO arrivals VALUES (2,'aa','2026-11-23 09:30:00','pat',1);"
    store = Store(keep_at("0002", f"{REVISION_2} {again}"), vault)
    store.upgrade()
    with store.look() as kept:
        added = kept.ledger.sum()
        assert added.adds_up
        assert {str(fate): n for fate, n in added.fates.items() if n} == {
            "accepted": 1,
            "duplicate": 1,
        }
    with store.begin() as kept:
        assert kept.ledger.aside(here=False) == ()
        kept.ledger.refuse("path-odd", way="scan", size=1, by="pat", at=_NOW)


@pytest.mark.parametrize("table", ["readings", "decisions", "events", "drafts"])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE {0} SET id = id",
        "DELETE FROM {0}",
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0}",
    ],
)
def test_what_is_only_ever_added_cannot_be_changed_or_removed(
    tmp_path: Path, table: str, attack: str
) -> None:
    store = Store(f"sqlite:///{tmp_path}/c.db")
    store.upgrade()
    raw = sqlite3.connect(tmp_path / "c.db")
    raw.executescript(NEWEST)
    raw.close()
    sql = attack.format(table)
    if table == "events":
        sql = sql.replace("id = id", "number = number")
    with pytest.raises(IntegrityError, match="only ever added"), store.database.engine.begin() as c:
        c.execute(text(sql))


@pytest.mark.both_databases
def test_looking_neither_waits_for_a_writer_nor_sees_half_of_its_work(store: Store) -> None:
    with store.begin() as writing:
        writing.staff.add(
            "pat", "correct horse battery", name="Pat", roles=["verifier"], by="x", at=_NOW
        )
        seen: list[int] = []

        def look() -> None:
            with store.look() as kept:
                seen.append(len(kept.staff.list()))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join(5)
        assert seen == [0]
    with store.look() as kept:
        assert len(kept.staff.list()) == 1


def patience_of(engine: Engine) -> int:
    with engine.execution_options(reading=True).connect() as connection:
        return int(connection.execute(text("PRAGMA busy_timeout")).scalar() or 0)


def test_a_writer_waits_its_turn_gives_up_when_told_and_keeps_nobody_behind_it_waiting(
    tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    Store(url, vault).upgrade()
    monkeypatch.setattr(database, "_SETTINGS", ("PRAGMA busy_timeout=1500",))
    holder, other = Store(url, vault), Store(url, vault)
    with holder.begin() as kept:
        rows_of(kept).connection()
        began = time.monotonic()
        with pytest.raises(DatabaseBusy), other.begin() as waiting:
            rows_of(waiting).connection()
        waited = time.monotonic() - began
    assert 1.4 <= waited < 2.8, "as long as it was told to, and once"
    began = time.monotonic()
    with other.begin() as kept:
        rows_of(kept).connection()
    assert time.monotonic() - began < 1.2, "whoever gave up has left the line"
    assert patience_of(other.database.engine) == 1500

    held, done = threading.Event(), list[str]()

    def hold() -> None:
        with holder.begin() as kept:
            rows_of(kept).connection()
            held.set()
            time.sleep(0.1)
            done.append("holder")

    first = threading.Thread(target=hold)
    first.start()
    assert held.wait(10)
    with other.begin() as kept:
        rows_of(kept).connection()
        done.append("other")
    first.join(10)
    assert done == ["holder", "other"]
    for each in (holder, other):
        each.close()


def test_many_writers_of_one_process_all_come_to_their_turn(store: Store) -> None:
    together, done = threading.Barrier(8), list[int]()

    def write(number: int) -> None:
        together.wait(10)
        for _ in range(5):
            with store.begin() as kept:
                kept.events.add("list-viewed", "queue", by=str(number), at=datetime.now(UTC))
            done.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(done) == sorted(list(range(8)) * 5)


def test_what_goes_wrong_while_a_writer_begins_is_said_as_any_other_fault(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins_and_fails(raw: sqlite3.Connection, _until: float) -> bool:
        raw.execute("BEGIN")
        return False

    monkeypatch.setattr(database, "_began", begins_and_fails)
    with pytest.raises(SQLAlchemyError, match="within a transaction"), store.begin() as kept:
        rows_of(kept).connection()
    monkeypatch.undo()
    with store.begin() as kept:
        rows_of(kept).connection()


@pytest.mark.both_databases
def test_an_exception_undoes_everything_in_the_unit_of_work(store: Store) -> None:
    def take_and_fail() -> None:
        with store.begin() as kept:
            kept.intakes.take("ab" * 32, 3, by="pat", at=_NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        take_and_fail()
    with store.look() as kept:
        assert sum(kept.pages.counts().values()) == 0
        assert kept.events.last() == ()


@pytest.mark.both_databases
def test_a_statement_that_fails_never_tells_the_values(store: Store) -> None:
    with pytest.raises(IntegrityError) as caught, store.database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO staff (username, password) VALUES (:u, :n)"),
            {"u": "pat", "n": "CANARY-9"},
        )
    assert "CANARY-9" not in str(caught.value)
