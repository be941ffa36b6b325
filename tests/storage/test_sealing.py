import random
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from forms import library
from forms.fields import Choice, FormDefinition
from forms.layout import Rect
from forms.page_id import new_serial
from pipeline import work
from pipeline.case_acts import Party, Received, Urged
from pipeline.keep_apart import KeepApart, pair
from pipeline.ports import Person, file_scope, page_scope
from pipeline.roll_changes import Change, Kind
from pipeline.stages import Draft, Mark, MarkState, PersonMatch, Reading, State
from pipeline.submissions import Submission, to_letter
from storage import rows as convert
from storage.blobs import FolderBlobs
from storage.cases import Whose
from storage.data_keys import sheet_scope
from storage.intake_box import IntakeBox
from storage.keys import CannotOpen, KeyFolder, KeyGone, KeysMissing, NoOpener, SealBroken, Vault
from storage.mailbox import Letter
from storage.models import Base, DataKeyRow, DecisionRow, PageRow
from storage.sealed_blobs import SealedBlobs
from storage.sealing import Private, Sealed, keys_of, seal_box
from storage.store import Store, rows_of
from storage.submissions import KioskLetters

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

WORDS = {
    "sheets.person": "CANARYAA",
    "sheets.filled": "CANARYAS",
    "intakes.name": "CANARYAB",
    "pages.people": "CANARYAC",
    "readings.value": "CANARYAD",
    "readings.candidates": "CANARYAE",
    "readings.options": "CANARYAF",
    "readings.suggestion": "CANARYAG",
    "drafts.words": "CANARYAH",
    "decisions.value": "CANARYAI",
    "roll_people.person": "CANARYAJ",
    "staff.name": "CANARYAK",
    "readings.why": "CANARYAL",
    "a file": "CANARYAM",
    "a picture": "CANARYAN",
    "submissions.extra": "CANARYAO",
    "alerts.number": "CANARYAP",
    "export_asks.why": "CANARYAQ",
    "second_factors.label": "CANARYAR",
    "apart_pairs.pair": "CANARYAS",
    "roll_changes.changes": "CANARYAT",
    "number_aliases.numbers": "Q4321ZX",
    "deliveries.file": "CANARYAV",
    "packs.why": "CANARYBA",
    "packs.number": "Q7349ZX",
    "packs.more": "CANARYBC",
    "case_parties.person": "CANARYBD",
    "case_acts.body": "CANARYBE",
    "reps.number": "Q5127ZX",
    "reps.name": "CANARYBF",
    "reps.assessor": "CANARYBG",
}


def fill(desk: Any, box: IntakeBox, blobs: SealedBlobs, folder: Path) -> str:
    """Put a word of its own into every private place; give the page's id."""
    (serial,) = desk.issue(person=WORDS["sheets.person"], filled={"case": WORDS["sheets.filled"]})
    scan = folder / f"{WORDS['intakes.name']}.pdf"
    scan.write_bytes(WORDS["a file"].encode() * 100)
    (taken,) = box.take_in([scan], by="pat", at=NOW)
    scan.unlink()
    assert taken.intake is not None
    reading = Reading(
        field="me_number",
        kind="comb",
        state=State.FILLED,
        value=WORDS["readings.value"],
        review=True,
        why=(WORDS["readings.why"],),
        candidates=((WORDS["readings.candidates"], 0.9),),
        options={WORDS["readings.options"]: Mark(state=MarkState.MARKED, score=0.4)},
        suggestion=WORDS["readings.suggestion"],
    )
    more = Reading(field="more", kind="free_text", state=State.FILLED)
    match = PersonMatch(
        person="person_1",
        match=WORDS["pages.people"],
        confidence=0.9,
        agreed=(),
        candidates=((WORDS["pages.people"], 0.9),),
    )
    read = desk.read(serial, readings=[reading, more])
    with desk.store.begin() as kept:
        (page,) = kept.intakes.split(taken.intake.id, work.Split(pages=1), at=NOW)
    picture = blobs.put(WORDS["a picture"].encode() * 100, page_scope(page))
    with desk.store.begin() as kept:
        read = replace(read, people=(match,))
        kept.pages.keep(page, 1, [work.Outcome(read, picture)], at=NOW)
        kept.drafts.keep(
            page, 1, [Draft(field="more", words=WORDS["drafts.words"], score=0.5, by="r")], at=NOW
        )
    desk.decide(page, "me_number", WORDS["decisions.value"])
    person = Person(
        prison_number=WORDS["roll_people.person"],
        surname="x",
        forenames="y",
        cell="z",
        establishment="MTI",
        date_of_birth=date(1990, 1, 2),
    )
    with desk.store.begin() as kept:
        left = Change(number="x", kind=Kind.LEFT, before=WORDS["roll_changes.changes"])
        kept.roll.replace([person], by="pat", at=NOW, changes=[left])
        why = WORDS["apart_pairs.pair"]
        two = pair("B2345CD", "B2345CE", open=False, close_reason=why)
        kept.keep_apart.replace(KeepApart([two]), by="pat", at=NOW)
        kept.roll.merge(WORDS["number_aliases.numbers"], "B2345CD", by="pat", at=NOW)
        kept.deliveries.add("roll", WORDS["deliveries.file"].encode(), by="pat", at=NOW)
        kept.staff.add(
            "pat",
            "correct horse battery",
            name=WORDS["staff.name"],
            roles=["verifier"],
            by="x",
            at=NOW,
        )
    _say_at_a_kiosk(desk)
    return page


def _say_at_a_kiosk(desk: Any) -> None:
    said = Submission(
        form="rj-1",
        version=1,
        language="en",
        terminal="t-1",
        code=new_serial(),
        promised=NOW.date(),
        asks="full",
        at=NOW,
        answers={"me_number": "B2345CD", "beside_the_form": WORDS["submissions.extra"]},
    )
    kind, body = to_letter(said)
    keep = KioskLetters(lambda _form, readings: (readings, ()), clock=lambda: NOW)
    with desk.store.begin() as kept:
        keep(kept, Letter(key="drawn-at-random-1", kind=kind, body=body))
        kept.alerts.sound(
            "danger",
            at=NOW,
            terminal="t-1",
            establishment="",
            wing="",
            answer="yes",
            number=WORDS["alerts.number"],
        )
        kept.factors.add_passkey(
            "pat",
            credential="c",
            public_key=b"k",
            count=0,
            label=WORDS["second_factors.label"],
            at=NOW,
        )
        kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=NOW.date(),
            until=NOW.date(),
            reason="report",
            why=f"{WORDS['export_asks.why']} is what it is for.",
            records=1,
            by="pat",
            at=NOW,
        )
        kept.packs.ask(
            "handover",
            number=WORDS["packs.number"],
            why=WORDS["packs.why"],
            more={"to": WORDS["packs.more"]},
            by="pat",
            at=NOW,
        )
        who = {"at": NOW, "by": "pat"}
        party = Party(key="a", name=WORDS["case_parties.person"])
        case = kept.cases.open(Received(parties=(party,), **who), establishment="MTI", wing="B")
        kept.cases.do(case, Urged(party="a", why=WORDS["case_acts.body"], **who))
        rep = kept.reps.add(
            WORDS["reps.number"],
            WORDS["reps.name"],
            establishment="MTI",
            wing="B",
            check_due=NOW.date(),
            **who,
        )
        days = dict.fromkeys(("trained_on", "assessed_on", "signed_on", "today"), NOW.date())
        kept.reps.train(rep.id, assessor=WORDS["reps.assessor"], **days, **who)


def everything(kept: Any, blobs: SealedBlobs, page_id: str) -> str:
    """Give all that is kept privately, opened."""
    page = kept.pages.get(page_id)
    intake = kept.intakes.get(page.intake)
    (person,) = kept.roll.people()
    return repr(
        [
            page.issued_to,
            kept.sheets.find(kept.records.get(page.record).serial).filled,
            intake.name,
            [(p.match, p.candidates) for p in page.people],
            [(r.value, r.why, r.candidates, r.options, r.suggestion) for r in page.readings],
            [d.words for d in page.drafts],
            [d.value for d in page.decisions],
            person.prison_number,
            kept.staff.find("pat").name,
            [each.asked.beside for each in kept.records.newest() if each.asked],
            [each.number for each in kept.alerts.waiting()],
            [each.label for each in kept.factors.of("pat")],
            [each.close_reason for each in kept.keep_apart.list().pairs()],
            [each.before for each in kept.roll.changes_since(0)],
            kept.roll.merged(),
            [kept.deliveries.file(each) for each in kept.deliveries.due()],
            [kept.exports.why(each.id) for each in kept.exports.asks(9)],
            [vars(kept.packs.why(each.id)) for each in kept.packs.listed(9)],
            [kept.cases.get(each.id).acts[1:] for each in kept.cases.listed(Whose(), 9)],
            [
                party.name
                for each in kept.cases.listed(Whose(), 9)
                for party in kept.cases.parties([each.id])[each.id].values()
            ],
            [(each.number, each.name, each.assessor) for each in kept.reps.listed()],
            blobs.get(page.blob, file_scope(page.intake)),
            blobs.get(page.upright, page_scope(page.id)),
        ]
    )


def test_no_private_word_is_in_any_byte_of_what_is_kept(
    desk: Any,
    box: IntakeBox,
    blobs: SealedBlobs,
    raw: FolderBlobs,
    key_folder: KeyFolder,
    tmp_path: Path,
) -> None:
    page = fill(desk, box, blobs, tmp_path)
    with desk.store.look() as kept:
        said = everything(kept, blobs, page)
    assert [word for word in WORDS.values() if word not in said] == []
    files = [
        each
        for folder in (tmp_path, key_folder.folder)
        for each in folder.rglob("*")
        if each.is_file()
    ]
    names = {each.name for each in files}
    assert {"counterfoil.db", "counterfoil.db-wal"} <= names
    assert sum(each.is_relative_to(raw.folder) for each in files) == 2
    for each in files:
        held = each.read_bytes()
        found = [
            w for w in WORDS.values() for how in ("utf-8", "utf-16-le") if w.encode(how) in held
        ]
        assert found == [], each.name
        assert not any(word in str(each) for word in WORDS.values())


def test_the_words_of_the_test_above_cover_every_private_value() -> None:
    named = {
        f"{mapper.class_.__tablename__}.{name}"
        for mapper in Base.registry.mappers
        for name, value in vars(mapper.class_).items()
        if isinstance(value, Private)
    }
    plain = {"readings.state", "readings.confidence", "readings.bounds"}
    plain.add("second_factors.secret")  # drawn anew each time, and tried in its own tests
    assert named - plain == {each for each in WORDS if "." in each}


def test_database_and_files_without_the_folder_of_keys_give_nothing(
    desk: Any, box: IntakeBox, blobs: SealedBlobs, key_folder: KeyFolder, tmp_path: Path
) -> None:
    page = fill(desk, box, blobs, tmp_path)
    shut = Store(desk.store.url, Vault(key_folder, NoOpener()))
    with shut.look() as kept:
        counts = kept.pages.counts()
        for ask in (
            lambda: kept.pages.get(page),
            lambda: kept.roll.people(),
            lambda: kept.keep_apart.list(),
            lambda: kept.roll.merged(),
            lambda: kept.roll.changes_since(0),
            lambda: kept.deliveries.file(kept.deliveries.due()[0]),
            lambda: kept.staff.find("pat"),
            lambda: kept.intakes.last(),
        ):
            with pytest.raises(CannotOpen, match="no key to open it"):
                ask()
    assert sum(counts.values()) == 2  # the page of the file, and what was said at a kiosk
    other = KeyFolder(tmp_path / "other keys")
    with pytest.raises(KeysMissing):
        Store(desk.store.url, Vault(other)).upgrade()
    assert not other.folder.exists()
    shut.close()


def test_a_process_that_cannot_open_may_still_issue_take_in_and_add(
    desk: Any, box: IntakeBox, blobs: SealedBlobs, key_folder: KeyFolder, tmp_path: Path
) -> None:
    writer = Store(desk.store.url, Vault(key_folder, NoOpener()))
    shut = SealedBlobs(blobs.raw, writer)
    with writer.begin() as kept:
        (serial,) = kept.sheets.draw(1)
    fresh = shut.put_new((tmp_path / "counterfoil.db").open("rb"))
    with writer.begin() as kept:
        taken = kept.intakes.take(
            fresh.digest,
            fresh.size,
            by="pat",
            at=NOW,
            name="n",
            blob=fresh.blob,
            secret=fresh.secret,
        )
        again = kept.intakes.take(fresh.digest, fresh.size, by="pat", at=NOW)
    assert (taken.duplicate, again.duplicate, again.intake.name) == (False, True, "")
    with desk.store.look() as kept:
        assert kept.intakes.get(taken.intake.id).name == "n"
    assert len(blobs.get(fresh.blob, file_scope(taken.intake.id))) == fresh.size
    assert serial
    writer.close()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("readings", "UPDATE readings SET sealed = (SELECT sealed FROM readings WHERE id = 2)"),
        ("readings", "UPDATE readings SET field = 'other' WHERE id = 1"),
        ("readings", "UPDATE readings SET page = (SELECT max(id) FROM pages), field = 'x'"),
        ("decisions", "UPDATE decisions SET number = number + 1"),
        ("pages", "UPDATE pages SET sealed = (SELECT sealed FROM pages ORDER BY id DESC)"),
        ("readings", "UPDATE readings SET sealed = (SELECT sealed FROM decisions)"),
        ("readings", "UPDATE readings SET sealed = x'01'"),
        ("readings", "UPDATE readings SET sealed = x''"),
        ("data_keys", "UPDATE data_keys SET locked = (SELECT locked FROM data_keys LIMIT 1)"),
        ("data_keys", "UPDATE data_keys SET site = 'other'"),
    ],
)
def test_a_box_moved_to_another_row_table_or_key_is_found(
    desk: Any, table: str, change: str
) -> None:
    for serial in desk.issue(2):
        (page,) = desk.bring(desk.read(serial))
        desk.decide(page)
    desk.store.vault.forget()
    with desk.store.database.engine.begin() as connection:
        if table in ("readings", "decisions"):
            connection.execute(text(f"DROP TRIGGER {table}_no_update"))
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        change = change.replace("UPDATE", "UPDATE OR IGNORE")
        connection.execute(text(change))
    with desk.store.look() as kept:
        ids = rows_of(kept).scalars(select(PageRow.id)).all()

        def ask() -> None:
            for page in ids:
                kept.pages.get(page)

        with pytest.raises(SealBroken):
            ask()


def test_what_was_erased_is_said_to_be_and_the_rest_is_as_it_was(desk: Any) -> None:
    first, second = (desk.bring(desk.read(serial))[0] for serial in desk.issue(2))
    with desk.store.begin() as kept:
        assert kept.keys.delete(page_scope(first)) == 1
    with desk.store.look() as kept:
        with pytest.raises(KeyGone, match="erased"):
            kept.pages.get(first)
        assert kept.pages.get(second).reading("me_number").value == "A1234BC"
        assert sum(kept.pages.counts().values()) == 2


def test_a_new_roll_destroys_the_old_rolls_key(desk: Any) -> None:
    person = Person(
        prison_number="A1234BC", surname="x", forenames="y", cell="z", establishment="MTI"
    )
    for _ in range(2):
        with desk.store.begin() as kept:
            kept.roll.replace([person], by="pat", at=NOW)
    with desk.store.look() as kept:
        scopes = rows_of(kept).scalars(select(DataKeyRow.scope)).all()
        assert [each for each in scopes if each.startswith("roll/")] == ["roll/2"]


def test_a_copy_for_nobody_needs_no_key_and_one_for_somebody_has_its_own(desk: Any) -> None:
    (pad_sheet,) = desk.issue()
    (bound,) = desk.issue(person="A1234BC")
    with desk.store.look() as kept:
        assert kept.keys.find(sheet_scope(pad_sheet)) is None
        assert kept.keys.find(sheet_scope(bound)) is not None
        assert kept.sheets.find(pad_sheet).person is None
        assert kept.sheets.find(bound).person == "A1234BC"


def test_a_changed_value_is_sealed_anew_and_a_row_is_closed_until_it_is_asked(desk: Any) -> None:
    (serial,) = desk.issue()
    (page,) = desk.bring(desk.read(serial))
    with desk.store.begin() as kept:
        row = rows_of(kept).get_one(PageRow, page)
        before = row.sealed
        assert "_plain" not in vars(row)
        row.people = [{"person": "sender"}]
        rows_of(kept).flush()
        assert row.sealed not in (before, b"")
    with desk.store.look() as kept:
        assert rows_of(kept).get_one(PageRow, page).people == [{"person": "sender"}]


def test_nothing_private_is_written_without_keys(desk: Any) -> None:
    bare = Store(desk.store.url)

    def write() -> None:
        with bare.begin() as kept:
            rows_of(kept).add(convert.sheet_row(_sheet()))

    with pytest.raises(CannotOpen):
        write()
    bare.close()


def _sheet() -> Any:
    from pipeline.ports import Sheet

    return Sheet(
        serial="7KQ4M2XD",
        form="rj-1",
        version=1,
        language="en",
        large_print=False,
        pages=2,
        issued_at=NOW,
        person="A1234BC",
    )


CHOICES = [
    (form, asked)
    for form in library.FORMS
    for asked in form.fillable()
    if isinstance(asked, Choice)
]


@pytest.mark.parametrize(
    ("form", "asked"), CHOICES, ids=[f"{form.id}-{asked.name}" for form, asked in CHOICES]
)
def test_the_length_of_a_box_does_not_say_what_was_ticked(
    store: Store, form: FormDefinition, asked: Choice
) -> None:
    chance = random.Random(asked.name)
    names = [option.name for option in asked.options]
    with store.begin() as kept:
        kept.keys.make("page/p")
        lengths = set()
        for number in range(40):
            chosen = chance.sample(names, chance.randint(0, len(names)))
            marks = {
                name: Mark(
                    state=MarkState.MARKED if name in chosen else chance.choice(list(MarkState)),
                    score=chance.random(),
                    confidence=chance.random(),
                )
                for name in names
            }
            reading = Reading(
                field=asked.name,
                kind="choice",
                state=State.FILLED if chosen else State.BLANK,
                value=tuple(chosen) or None,
                confidence=chance.random(),
                why=tuple(chance.sample(("consent", "two-marks", "unclear"), chance.randint(0, 3))),
                options=marks,
                bounds=chance.choice([None, Rect(10.21, 20.43, 101.5, 30.26)]),
            )
            read = convert.reading_row("p", number, 0, reading)
            said = DecisionRow(
                page="p", field=asked.name, number=number, value=list(chosen) or None
            )
            rows = rows_of(kept)
            with rows.no_autoflush:
                rows.add_all([read, said])
                lengths.add((_boxed(rows, read), _boxed(rows, said)))
                rows.expunge_all()
        assert len(lengths) == 1
        rows_of(kept).rollback()


def _boxed(rows: Any, row: Sealed) -> int:
    return len(seal_box(row, keys_of(rows).get("page/p")))
