from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from forms.fields import FormDefinition
from forms.page_id import new_serial
from pipeline.kept import KeptRecord, KioskAsk, RecordState, Status
from pipeline.promises import promised_day
from pipeline.stages import PersonMatch, Reading
from pipeline.submissions import Danger, Submission, Word, to_letter
from pipeline.triage import triage
from storage import retention
from storage.alerts import Alert
from storage.blobs import FolderBlobs
from storage.erasure import erase
from storage.holds import Held
from storage.keys import KeyFolder, Vault
from storage.mailbox import FolderSlot, Letter, LetterRefused, Mailbox
from storage.models import (
    AlertRow,
    KioskWordRow,
    LetterRow,
    ReceiptRow,
    RecordRow,
    StatusWordRow,
    SubmissionRow,
)
from storage.purge import Purge
from storage.status_book import FileSource, Page, StatusBook, Told, hash_of, write_book
from storage.store import Store, rows_of
from storage.submissions import KioskLetters, NotThatDay, SubmissionUnknown

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ME = {"me_number": "A1234BC", "safe": "yes", "kind": ("threats", "debt"), "role": "harmed"}


def judge(
    form: FormDefinition, readings: Sequence[Reading]
) -> tuple[Sequence[Reading], Sequence[PersonMatch]]:
    return triage(form, readings), ()


def submission(answers: Mapping[str, Any] = ME, **changed: Any) -> Submission:
    asked = Submission(
        form="rj-1",
        version=1,
        language="en",
        terminal="t-0000beef",
        code=new_serial(),
        promised=promised_day(NOW),
        asks="full",
        at=NOW,
        answers=answers,
    )
    return replace(asked, **changed)


class Wing:
    """A kiosk and the worker that keeps what it leaves."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.now = store, folder, NOW
        self.keys: KeyFolder = store.vault.folder
        self.mailbox = Mailbox(FolderSlot(folder / "letters"), self.keys, site="local")
        self.mailbox.make()
        self.letters = KioskLetters(judge, clock=lambda: self.now)
        self._number = 0

    def post(self, said: Submission | Word | Danger, key: str = "") -> None:
        self._number += 1
        kind, body = to_letter(said)
        key = key or f"key-of-a-test-{self._number:04}"
        self.mailbox.post(Letter(key=key, kind=kind, body=body))

    def collect(self) -> None:
        self.mailbox.collect(self.store, self.letters, at=self.now, ready=self.letters.ready)

    def bring(self, said: Submission | Word | Danger) -> None:
        self.post(said)
        self.collect()

    def records(self) -> tuple[KeptRecord, ...]:
        with self.store.look() as kept:
            return kept.records.newest()

    def record(self) -> KeptRecord:
        (only,) = self.records()
        return only

    def alerts(self) -> tuple[Alert, ...]:
        with self.store.look() as kept:
            return kept.alerts.waiting()

    def ask(self) -> KioskAsk:
        asked = self.record().asked
        assert asked is not None
        return asked

    def count(self, table: Any) -> int:
        with self.store.look() as kept:
            return rows_of(kept).scalar(select(func.count()).select_from(table)) or 0

    def told(self, code: str) -> Told | None:
        """Say what a kiosk tells of a code now."""
        with self.store.begin() as kept:
            kept.submissions.refresh()
            page, pepper = Page(lines=kept.submissions.lines()), kept.submissions.pepper()
        book = self.folder / "status"
        write_book(book, page, pepper, at=self.now)
        return StatusBook(FileSource(book), book, clock=lambda: self.now).look(code)

    def decide_all(self) -> None:
        with self.store.begin() as kept:
            for page in self.record().pages:
                for reading in page.undecided:
                    kept.decisions.add(
                        kept.pages.get(page.id).decide(
                            reading.field, reading.value, by="pat", at=self.now
                        )
                    )


@pytest.fixture
def wing(store: Store, tmp_path: Path) -> Wing:
    return Wing(store, tmp_path)


both = pytest.mark.both_databases


# Kept once, whole


@both
def test_a_request_becomes_an_issued_copy_a_page_readings_and_a_record(wing: Wing) -> None:
    wing.bring(submission())
    record = wing.record()
    (page,) = record.pages
    assert (record.form, record.expected, record.missing) == ("rj-1", 1, ())
    assert (page.status, page.by, page.upright) == (Status.AWAITING, "kiosk", None)
    assert page.answer("kind").value == ("threats", "debt")
    assert page.answer("today").value == "2026-11-23"
    assert {(r.by, r.confidence) for r in page.readings} == {("kiosk", 1.0)}
    assert wing.ask().promised == date(2026, 11, 26)
    with wing.store.look() as kept:
        assert kept.ledger.sum().adds_up
        assert kept.pages.backlog().nowhere == 0
        assert kept.sheets.missing() == ()
        assert kept.drafts.due() == ()


@both
def test_a_letter_that_is_posted_and_collected_twice_is_one_record(wing: Wing) -> None:
    said = submission()
    wing.post(said, key="one-and-the-same-key")
    wing.collect()
    wing.post(said, key="one-and-the-same-key")
    wing.collect()
    assert (wing.count(RecordRow), wing.count(LetterRow)) == (1, 1)
    assert wing.ask().times == 1


def _die(url: str, keys: Path, letters: Path, before: str) -> None:
    """Be a worker that is killed while it keeps a letter."""
    store = Store(url, Vault(KeyFolder(keys)))
    slot = FolderSlot(letters)
    handler = KioskLetters(judge, clock=lambda: NOW)
    kill = os.kill, os.getpid(), signal.SIGKILL

    def keep(kept: Any, letter: Letter) -> None:
        handler(kept, letter)
        rows_of(kept).flush()
        if before == "commit":
            kill[0](kill[1], kill[2])

    if before == "removal":
        slot.remove = lambda _name: kill[0](kill[1], kill[2])  # type: ignore[method-assign]
    Mailbox(slot, store.vault.folder, site="local").collect(store, keep, at=NOW)


@pytest.mark.parametrize("before", ["commit", "removal"])
def test_a_worker_killed_while_it_keeps_a_letter_leaves_one_record_in_the_end(
    wing: Wing, before: str
) -> None:
    wing.post(submission({**ME, "safe": "no"}))
    args = (wing.store.url, wing.keys.folder, wing.folder / "letters", before)
    worker = multiprocessing.get_context("spawn").Process(target=_die, args=args)
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    assert wing.mailbox.waiting() == 1
    assert wing.count(RecordRow) == (1 if before == "removal" else 0)
    wing.collect()
    wing.collect()
    assert wing.mailbox.waiting() == 0
    tables = RecordRow, SubmissionRow, ReceiptRow, LetterRow, AlertRow
    assert [wing.count(table) for table in tables] == [1, 1, 1, 1, 1]
    with wing.store.look() as kept:
        assert kept.ledger.sum().adds_up


@both
def test_a_request_of_an_unknown_form_is_put_aside_and_nothing_of_it_is_half_kept(
    wing: Wing,
) -> None:
    wing.post(submission(version=99))
    for _ in range(9):
        wing.collect()
    assert list(wing.mailbox.aside().values()) == [LetterRefused.code]
    assert [wing.count(t) for t in (RecordRow, SubmissionRow, ReceiptRow, LetterRow)] == [0] * 4


# What a person must see


@both
def test_who_he_is_always_needs_a_person(wing: Wing) -> None:
    wing.bring(submission({"me_number": "A1234BC", "me_name": "SMITH JOHN", "me_cell": "B-2-014"}))
    (page,) = wing.record().pages
    claimed = {r.field for r in page.readings if "claimed" in r.why}
    assert claimed == {"me_number", "me_name", "me_cell"}
    assert all(page.reading(name).review for name in claimed)
    assert wing.record().state is RecordState.OPEN


@both
@pytest.mark.parametrize("answer", ["no", "not_sure"])
def test_whoever_is_not_safe_stands_first_and_is_told_of_at_once(wing: Wing, answer: str) -> None:
    wing.bring(submission({**ME, "safe": answer}))
    (page,) = wing.record().pages
    assert page.urgent
    assert page.reading("safe").review
    (alert,) = wing.alerts()
    assert (alert.kind, alert.number, alert.serial) == ("unsafe", "A1234BC", wing.record().serial)
    assert alert.at_once


def test_two_answers_where_one_is_asked_count_as_unsafe_when_one_of_them_is(wing: Wing) -> None:
    wing.bring(submission({**ME, "safe": ("yes", "no")}))
    (page,) = wing.record().pages
    assert page.urgent
    assert page.reading("safe").why[0] == "two-ticks"
    assert [each.kind for each in wing.alerts()] == ["unsafe"]


def test_who_names_staff_leaves_the_ordinary_queue(wing: Wing) -> None:
    wing.bring(submission({**ME, "kind": ("staff",)}))
    with wing.store.look() as kept:
        assert kept.pages.queue("verifier") == ()
        assert len(kept.pages.queue("senior")) == 1


def test_an_option_that_the_form_does_not_have_is_asked_about_and_not_lost(wing: Wing) -> None:
    wing.bring(submission({**ME, "how": "carrier pigeon"}))
    reading = wing.record().pages[0].reading("how")
    assert (reading.state, reading.suggestion, reading.review) == (
        "unclear",
        "carrier pigeon",
        True,
    )


@both
def test_what_the_form_does_not_ask_is_kept_beside_it(wing: Wing) -> None:
    wing.bring(submission({**ME, "born": "12-03"}))
    assert wing.ask().beside == {"born": ("12-03",)}
    assert "said-more" in wing.record().flags
    with wing.store.look() as kept:
        assert "12-03" not in repr(wing.record())
        sealed = rows_of(kept).scalars(select(SubmissionRow.sealed)).one()
    assert b"12-03" not in (sealed or b"")


def test_come_to_me_with_a_number_alone_is_kept(wing: Wing) -> None:
    wing.bring(submission({"me_number": "a1234bc"}, asks="come"))
    (page,) = wing.record().pages
    assert page.answer("me_number").value == "A1234BC"
    assert [r.field for r in page.undecided] == ["me_number"]


def test_a_request_without_anybody_to_find_is_kept_and_asked_about(wing: Wing) -> None:
    wing.bring(submission({"safe": "yes"}))
    assert wing.record().pages[0].undecided[0].why[-1:] == ("missing",)


@both
def test_where_a_terminal_stands_says_whose_a_request_is(wing: Wing) -> None:
    with wing.store.begin() as kept:
        terminal, _ = kept.terminals.invite(
            "B wing, by the servery", establishment="MTI", wing="B", by="pat", at=NOW
        )
    wing.bring(submission(terminal=terminal.id))
    wing.bring(Danger(answer="yes", terminal=terminal.id, at=NOW))
    assert (wing.record().establishment, wing.record().wing) == ("MTI", "B")
    assert (wing.alerts()[0].establishment, wing.alerts()[0].wing) == ("MTI", "B")


@both
def test_a_day_is_promised_as_the_prison_counts_its_days(wing: Wing) -> None:
    with wing.store.begin() as kept:
        terminal, _ = kept.terminals.invite("B wing", establishment="MTI", by="pat", at=NOW)
        kept.cases.set_limit("first_visit", 2, by="pat", at=NOW)
        kept.cases.close_day("MTI", promised_day(NOW, 1), by="pat", at=NOW)
    asked = submission(terminal=terminal.id, promised=promised_day(NOW, 9))
    wing.bring(asked)
    told = wing.told(asked.code)
    assert told is not None
    assert told.day == promised_day(NOW, 9), "he is told what he was told"
    assert wing.ask().promised == promised_day(NOW, 3)


@both
def test_a_terminal_that_nobody_knows_is_the_only_prisons(wing: Wing, make_desk: Any) -> None:
    make_desk(wing.store).issue(establishment="MTI")
    wing.bring(submission(terminal="../../etc"))
    assert (wing.record().establishment, wing.ask().terminal) == ("MTI", "")


# Merged, never blocked


@both
def test_the_same_request_again_is_the_same_record_and_both_codes_are_good(wing: Wing) -> None:
    first, again = submission(), submission(at=NOW + timedelta(hours=1))
    wing.now = NOW + timedelta(hours=2)
    wing.bring(first)
    wing.bring(again)
    assert (wing.ask().times, wing.ask().last_at) == (2, NOW + timedelta(hours=1))
    assert "asked-again" in wing.record().flags
    assert wing.told(first.code) == wing.told(again.code)
    assert wing.told(first.code) is not None


@both
def test_another_request_of_the_same_man_is_a_record_that_says_so(wing: Wing) -> None:
    wing.bring(submission())
    wing.bring(submission({**ME, "when": "today"}))
    newest, oldest = sorted(wing.records(), key=lambda r: "asked-before" not in r.flags)
    assert newest.asked is not None
    assert newest.asked.follows == oldest.serial
    assert oldest.flags == ()


@both
def test_come_to_me_after_a_whole_form_is_not_swallowed_by_it(wing: Wing) -> None:
    wing.bring(submission())
    wing.bring(submission({"me_number": "A1234BC"}, asks="come"))
    assert len(wing.records()) == 2


@both
def test_every_answer_that_somebody_is_not_safe_alarms_though_its_record_is_one(wing: Wing) -> None:
    for _ in range(3):
        wing.bring(submission({**ME, "safe": "no"}))
    assert len(wing.records()) == 1
    assert len(wing.alerts()) == 3


def test_whoever_gave_no_name_is_never_taken_for_another(wing: Wing) -> None:
    wing.bring(submission({"safe": "yes"}))
    wing.bring(submission({"safe": "yes"}))
    assert len(wing.records()) == 2


def test_a_request_that_was_seen_to_does_not_swallow_the_next(wing: Wing) -> None:
    wing.bring(submission())
    with wing.store.begin() as kept:
        kept.submissions.finish(wing.record().serial, by="pat", at=NOW)
    wing.bring(submission())
    assert len(wing.records()) == 2


@both
def test_a_code_got_by_typing_another_mans_number_moves_nothing_of_his(wing: Wing) -> None:
    his, other = submission(), submission()
    wing.bring(his)
    wing.decide_all()
    wing.now = NOW + timedelta(minutes=2)
    wing.bring(replace(other, at=NOW + timedelta(minutes=1)))
    told = wing.told(other.code)
    assert told is not None
    assert told.word == "received"
    before = wing.told(his.code)
    wing.bring(Word(code=other.code, says="stop", terminal="", at=NOW))
    assert wing.told(his.code) == before
    with wing.store.look() as kept:
        assert kept.submissions.late(at=NOW + timedelta(days=30)) == 1


@both
def test_a_code_that_two_have_is_good_for_neither(wing: Wing) -> None:
    first = submission()
    wing.bring(first)
    wing.bring(submission({**ME, "me_number": "B7777BB"}, code=first.code))
    wing.bring(Word(code=first.code, says="stop", terminal="", at=NOW))
    assert len(wing.records()) == 2
    assert wing.told(first.code) is None
    assert [(a.kind, a.serial) for a in wing.alerts()] == [("stop", "")]


def test_a_day_far_off_in_a_letter_is_late_all_the_same(wing: Wing) -> None:
    wing.bring(submission(promised=date(2036, 1, 1)))
    with wing.store.look() as kept:
        assert kept.submissions.late(at=NOW + timedelta(days=30)) == 1


@both
def test_the_same_from_another_wing_is_a_record_of_its_own_and_alarms_there(wing: Wing) -> None:
    with wing.store.begin() as kept:
        one, two = (
            kept.terminals.invite("a", establishment=prison, wing="B", by="pat", at=NOW)[0].id
            for prison in ("MTI", "LEI")
        )
    for terminal in (one, two):
        wing.bring(submission({**ME, "safe": "no"}, terminal=terminal))
    assert {r.establishment for r in wing.records()} == {"MTI", "LEI"}
    assert {a.establishment for a in wing.alerts()} == {"MTI", "LEI"}


# What is told with a code


@both
def test_a_code_goes_through_its_words(wing: Wing) -> None:
    asked = submission()
    wing.bring(asked)
    day = date(2026, 11, 26)
    assert wing.told(asked.code) == Told(word="received", day=day, late=False)
    with wing.store.begin() as kept:
        page = kept.pages.get(wing.record().pages[0].id)
        kept.decisions.add(page.decide("more", None, by="pat", at=NOW))
    assert wing.told(asked.code) == Told(word="reading", day=day, late=False)
    wing.decide_all()
    assert wing.told(asked.code) == Told(word="visit", day=day, late=False)
    serial = wing.record().serial
    with wing.store.begin() as kept:
        kept.submissions.seen(serial, by="pat", at=NOW)
    assert wing.told(asked.code) == Told(word="working", day=None, late=False)
    with wing.store.begin() as kept:
        kept.submissions.finish(serial, by="pat", at=NOW)
    assert wing.told(asked.code) == Told(word="finished", day=None, late=False)


@both
def test_a_day_that_was_missed_is_told_and_a_new_one_can_be_named(wing: Wing) -> None:
    asked = submission()
    wing.bring(asked)
    wing.now = NOW + timedelta(days=4)
    assert wing.told(asked.code) == Told(word="received", day=date(2026, 11, 26), late=True)
    with wing.store.begin() as kept:
        assert kept.submissions.late(at=wing.now) == 1
        kept.submissions.renew(wing.record().serial, date(2026, 12, 1), by="pat", at=wing.now)
    assert wing.told(asked.code) == Told(word="received", day=date(2026, 12, 1), late=True)


@pytest.mark.parametrize("day", [date(2026, 11, 23), date(2026, 11, 1), date(2028, 1, 1)])
def test_a_new_day_is_one_that_can_be_kept(wing: Wing, day: date) -> None:
    wing.bring(submission())
    with wing.store.begin() as kept, pytest.raises(NotThatDay):
        kept.submissions.renew(wing.record().serial, day, by="pat", at=NOW)
    with wing.store.begin() as kept, pytest.raises(SubmissionUnknown):
        kept.submissions.seen("00000000", by="pat", at=NOW)


@both
def test_the_database_holds_no_receipt_code(wing: Wing) -> None:
    asked = submission()
    wing.bring(asked)
    with wing.store.look() as kept:
        (code,) = rows_of(kept).scalars(select(ReceiptRow.code))
        assert code == hash_of(asked.code, kept.submissions.pepper())
        for table in (ReceiptRow, SubmissionRow, StatusWordRow):
            for row in rows_of(kept).execute(select(*table.__table__.columns)):
                assert asked.code not in json.dumps(list(row), default=repr)


# What is said with a code


@both
@pytest.mark.parametrize("says", ["stop", "withdraw"])
def test_whoever_stops_is_told_that_it_is_finished_and_is_seen_alone(wing: Wing, says: Any) -> None:
    asked = submission()
    wing.bring(asked)
    wing.bring(Word(code=asked.code, says=says, terminal="t-0000beef", at=NOW))
    told = wing.told(asked.code)
    assert told == Told(word="finished", day=None, late=False)
    (alert,) = wing.alerts()
    assert (alert.kind, alert.serial) == (says, wing.record().serial)
    flag = {"stop": "asked-to-stop", "withdraw": "consent-withdrawn"}[says]
    assert flag in wing.record().flags


@both
def test_whoever_stopped_and_asks_for_somebody_is_promised_a_day_again(wing: Wing) -> None:
    asked = submission()
    wing.bring(asked)
    wing.bring(Word(code=asked.code, says="stop", terminal="", at=NOW))
    wing.now = NOW + timedelta(days=7)
    wing.bring(Word(code=asked.code, says="come", terminal="", at=wing.now))
    assert wing.told(asked.code) == Told(word="received", day=date(2026, 12, 3), late=False)
    assert [each.kind for each in wing.alerts()] == ["stop", "come"]


def test_asking_again_does_not_hide_that_we_are_late(wing: Wing) -> None:
    asked = submission()
    wing.bring(asked)
    wing.now = NOW + timedelta(days=7)
    wing.bring(Word(code=asked.code, says="come", terminal="", at=wing.now))
    assert wing.told(asked.code) == Told(word="received", day=date(2026, 12, 3), late=True)


@both
def test_a_word_that_comes_before_its_request_is_told_of_and_heeded_when_it_comes(
    wing: Wing,
) -> None:
    asked = submission()
    wing.bring(Word(code=asked.code, says="withdraw", terminal="t-0000beef", at=NOW))
    assert [(a.kind, a.serial) for a in wing.alerts()] == [("withdraw", "")]
    wing.bring(asked)
    assert "consent-withdrawn" in wing.record().flags
    assert wing.told(asked.code) == Told(word="finished", day=None, late=False)


# Danger


@both
def test_danger_is_told_of_with_the_number_he_gave_and_without_one(wing: Wing) -> None:
    wing.bring(Danger(answer="yes", terminal="t-0000beef", at=NOW))
    wing.bring(Danger(answer="not_sure", terminal="t-0000beef", at=NOW, number="A1234BC"))
    assert {(a.kind, a.answer, a.number) for a in wing.alerts()} == {
        ("danger", "yes", None),
        ("danger", "not_sure", "A1234BC"),
    }
    assert "A1234BC" not in repr(wing.alerts())


@both
def test_an_alert_is_sent_again_until_somebody_takes_it_on_and_the_first_who_does_stays(
    wing: Wing,
) -> None:
    wing.bring(Danger(answer="yes", terminal="", at=NOW))
    (alert,) = wing.alerts()
    with wing.store.begin() as kept:
        assert [a.id for a in kept.alerts.due(at=NOW)] == [alert.id]
        kept.alerts.sent(alert.id, at=NOW)
        assert kept.alerts.due(at=NOW + timedelta(minutes=9)) == ()
        assert len(kept.alerts.due(at=NOW + timedelta(minutes=10))) == 1
        assert kept.alerts.see(alert.id, by="pat", at=NOW).seen_by == "pat"
    with wing.store.begin() as kept:
        assert kept.alerts.see(alert.id, by="sam", at=NOW).seen_by == "pat"
        assert kept.alerts.due(at=NOW + timedelta(days=1)) == ()
        assert kept.alerts.count() == (0, 0)


def test_danger_stands_before_what_can_wait_and_other_prisons_alerts_are_left_out(
    wing: Wing,
) -> None:
    with wing.store.begin() as kept:
        kept.alerts.sound("stop", at=NOW, establishment="MTI")
        kept.alerts.sound("danger", at=NOW + timedelta(minutes=5), establishment="MTI")
        kept.alerts.sound("danger", at=NOW, establishment="LEI")
        kept.alerts.sound("lost", at=NOW + timedelta(minutes=9))
        seen = kept.alerts.waiting(establishments=["MTI"])
        assert [a.kind for a in seen] == ["danger", "lost", "stop"]
        assert kept.alerts.count(establishments=["MTI"]) == (2, 1)


def test_odd_letters_are_put_aside_and_do_not_stop_the_others(wing: Wing) -> None:
    for body in (b"", b"[]", b'{"v":1}', b"\xff"):
        key = f"odd-letter-of-a-test-{body.hex()}"
        wing.mailbox.post(Letter(key=key, kind="referral", body=body))
    wing.post(submission())
    for _ in range(6):
        wing.collect()
    assert len(wing.records()) == 1
    assert list(wing.mailbox.aside().values()) == [LetterRefused.code] * 4


@both
def test_an_erased_person_is_erased_out_of_alerts_too(wing: Wing) -> None:
    blobs = FolderBlobs(wing.folder / "blobs")
    wing.bring(submission({**ME, "safe": "no"}))
    wing.bring(Danger(answer="yes", terminal="", at=NOW, number="A1234BC"))
    wing.bring(Danger(answer="yes", terminal="", at=NOW, number="B7777BB"))
    with wing.store.begin() as kept:
        number = kept.erasures.ask("A1234BC", reason="asked", by="pat", at=NOW)
        digest = kept.people_index.digest("A1234BC")
    erase(wing.store, blobs, number, by="sam", at=NOW)
    assert [alert.number for alert in wing.alerts()] == ["B7777BB"]
    assert wing.records() == ()
    with wing.store.look() as kept:
        assert not kept.erasures.theirs(digest).anything
        assert kept.ledger.sum().adds_up


def test_alerts_go_a_year_after_somebody_took_them_on_and_codes_when_their_time_is_over(
    wing: Wing,
) -> None:
    asked = submission()
    wing.bring(asked)
    wing.bring(Danger(answer="yes", terminal="", at=NOW, number="A1234BC"))
    wing.bring(Danger(answer="yes", terminal="", at=NOW))
    with wing.store.begin() as kept:
        first, _ = kept.alerts.waiting()
        kept.alerts.see(first.id, by="pat", at=NOW)
        kept.submissions.finish(wing.record().serial, by="pat", at=NOW)
    assert wing.told(asked.code) is not None
    spans = retention.clocks(wing.folder / "none.toml", keep_years=7)
    soon = retention.run(wing.store, spans, by="night", at=NOW + timedelta(days=80))
    assert not soon.counts
    ran = retention.run(wing.store, spans, by="night", at=NOW + timedelta(days=370))
    assert (ran.counts["alerts"], ran.counts["receipts"]) == (1, 1)
    assert wing.told(asked.code) is None
    assert [each.seen_at for each in wing.alerts()] == [None]
    assert len(wing.records()) == 1


def test_nothing_is_left_of_a_request_when_its_record_is_purged(wing: Wing) -> None:
    asked = submission({**ME, "safe": "no", "born": "12-03"})
    wing.bring(asked)
    wing.bring(Word(code=asked.code, says="come", terminal="", at=NOW))
    assert wing.told(asked.code) is not None
    with wing.store.begin() as kept:
        purge = Purge(kept, Held(), by="pat", at=NOW, certificate=0, why="test")
        purge.record(wing.record().id)
        assert Counter({"alerts": 2, "copies": 1, "records": 1}) <= purge.counts
    tables = SubmissionRow, ReceiptRow, StatusWordRow, KioskWordRow, AlertRow, RecordRow
    assert [wing.count(table) for table in tables] == [0] * 6
    assert wing.told(asked.code) is None
    with wing.store.look() as kept:
        assert kept.ledger.sum().adds_up
        assert set(kept.keys.count().values()) == {1}  # what hashes the codes
