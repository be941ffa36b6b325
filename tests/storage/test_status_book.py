from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from forms.page_id import new_serial, show_serial
from pipeline.promises import day_of, promised_day
from storage.status_book import (
    Enrolled,
    FileSource,
    Issued,
    Line,
    Page,
    StatusAway,
    StatusBook,
    StatusWord,
    Told,
    hash_of,
    write_book,
)

PEPPER, OTHER = bytes(range(32)), bytes(range(1, 33))
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
TODAY = date(2026, 11, 24)
MARK = "ab" * 32


def book_of(folder: Path, *, now: datetime = NOW) -> StatusBook:
    return StatusBook(FileSource(folder), folder, clock=lambda: now)


def line(code: str, word: StatusWord = "visit", day: date | None = TODAY) -> Line:
    return Line(code=hash_of(code, PEPPER), word=word, promised=day)


def written(folder: Path, *lines: Line) -> StatusBook:
    write_book(folder, Page(lines=lines), PEPPER, at=NOW)
    return book_of(folder)


def test_a_code_gives_its_word_and_day(tmp_path: Path) -> None:
    code = new_serial()
    book = written(tmp_path, line(code))
    assert book.look(code) == Told(word="visit", day=TODAY, late=False)


def test_a_code_may_be_typed_as_it_is_printed(tmp_path: Path) -> None:
    code = new_serial()
    book = written(tmp_path, line(code))
    assert book.look(f" {show_serial(code).lower()} ") == book.look(code)


@pytest.mark.parametrize("typed", ["", "A", "not a code at all", "00000001"])
def test_what_is_no_code_is_nobodys_and_no_error(tmp_path: Path, typed: str) -> None:
    assert written(tmp_path, line(new_serial())).look(typed) is None


def test_an_unknown_code_is_nobodys(tmp_path: Path) -> None:
    assert written(tmp_path, line(new_serial())).look(new_serial()) is None


def test_a_missed_day_is_late_and_stays_on_the_screen_until_there_is_a_new_one(
    tmp_path: Path,
) -> None:
    code, missed, new = new_serial(), date(2026, 11, 23), date(2026, 11, 27)
    book = written(tmp_path, line(code, day=missed))
    assert book.look(code) == Told(word="visit", day=missed, late=True)
    book = written(tmp_path, replace(line(code, day=missed), renewed=new))
    assert book.look(code) == Told(word="visit", day=new, late=True)


def test_nobody_is_late_on_the_day_itself(tmp_path: Path) -> None:
    code = new_serial()
    written(tmp_path, line(code))
    evening = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    told = book_of(tmp_path, now=evening).look(code)
    assert told is not None
    assert not told.late


@pytest.mark.parametrize("word", ["working", "finished"])
def test_who_has_been_seen_is_told_no_day(tmp_path: Path, word: StatusWord) -> None:
    code = new_serial()
    book = written(tmp_path, line(code, word, date(2026, 1, 5)))
    assert book.look(code) == Told(word=word, day=None, late=False)


def test_a_book_is_replaced_whole_while_it_is_read(tmp_path: Path) -> None:
    first, second = new_serial(), new_serial()
    book = written(tmp_path, line(first))
    write_book(tmp_path, Page(lines=(line(second),)), PEPPER, at=NOW)
    assert book.look(first) is None
    assert book.look(second) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pepper", "status.sqlite"]


def test_a_book_without_its_pepper_says_nothing_of_any_code(tmp_path: Path) -> None:
    code = new_serial()
    book = written(tmp_path, line(code))
    (tmp_path / "pepper").write_text(OTHER.hex())
    assert book.look(code) is None
    (tmp_path / "pepper").unlink()
    with pytest.raises(StatusAway):
        book.look(code)


def test_a_book_that_is_not_there_is_said_to_be_away(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "status.sqlite").unlink()
    with pytest.raises(StatusAway):
        book_of(tmp_path).look(new_serial())
    assert not book_of(tmp_path).alarmed()


def test_no_code_stands_in_the_file(tmp_path: Path) -> None:
    code = new_serial()
    written(tmp_path, line(code))
    held = (tmp_path / "status.sqlite").read_bytes()
    assert hash_of(code, PEPPER).encode() in held
    assert code.encode() not in held


def test_the_file_holds_a_hash_a_word_and_days_of_a_request_and_nothing_else(
    tmp_path: Path,
) -> None:
    written(tmp_path, line(new_serial()))
    with closing(sqlite3.connect(tmp_path / "status.sqlite")) as file:
        columns = [row[1] for row in file.execute("PRAGMA table_info(words)")]
        tables = {row[0] for row in file.execute("SELECT name FROM sqlite_master")}
    assert columns == ["code", "word", "promised", "renewed"]
    assert tables == {"words", "terminals", "certificates", "house", "counts", "closed"}


def test_whoever_reads_the_book_cannot_write_it(tmp_path: Path) -> None:
    written(tmp_path, line(new_serial()))
    source = FileSource(tmp_path)
    with pytest.raises(StatusAway):
        source._first("DELETE FROM words RETURNING code")
    assert oct((tmp_path / "status.sqlite").stat().st_mode & 0o777) == "0o640"
    assert oct((tmp_path / "pepper").stat().st_mode & 0o777) == "0o640"


def test_somebody_is_alarmed_only_while_the_book_is_fresh(tmp_path: Path) -> None:
    write_book(tmp_path, Page(alarmed=True), PEPPER, at=NOW)
    assert book_of(tmp_path, now=NOW + timedelta(seconds=60)).alarmed()
    assert not book_of(tmp_path, now=NOW + timedelta(minutes=5)).alarmed()
    assert not book_of(tmp_path, now=NOW - timedelta(minutes=5)).alarmed()  # the clock was set back
    write_book(tmp_path, Page(alarmed=False), PEPPER, at=NOW)
    assert not book_of(tmp_path).alarmed()


def test_an_old_book_says_of_no_code_that_there_is_none(tmp_path: Path) -> None:
    code = new_serial()
    written(tmp_path, line(code))
    old = book_of(tmp_path, now=NOW + timedelta(minutes=5))
    assert old.look(code) is not None
    with pytest.raises(StatusAway):
        old.look(new_serial())


def test_a_book_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    first, second = new_serial(), new_serial()
    book = written(tmp_path, line(first))
    assert book.look(first) is not None
    written(tmp_path, line(second))
    assert book.look(first) is None
    assert book.look(second) is not None


def test_a_terminal_is_served_until_its_certificate_ends(tmp_path: Path) -> None:
    known = Enrolled(id="t-1", mark=MARK, until=NOW + timedelta(days=1))
    write_book(tmp_path, Page(terminals=(known,)), PEPPER, at=NOW)
    assert book_of(tmp_path).terminal(MARK.upper()) == "t-1"
    assert book_of(tmp_path).terminal("cd" * 32) is None
    assert book_of(tmp_path, now=NOW + timedelta(days=1)).terminal(MARK) is None


def test_a_day_is_counted_as_the_prison_counts_it_where_a_terminal_stands(tmp_path: Path) -> None:
    today = day_of(NOW)
    plain, book = promised_day(NOW, 2), book_of(tmp_path)
    assert book.promise(NOW, "t-1") == promised_day(NOW), "no book yet: what we propose"
    write_book(tmp_path, Page(first_visit=2), PEPPER, at=NOW)
    assert book.promise(NOW, "t-1") == plain
    closed = frozenset({("t-1", plain), ("", today), ("t-2", date(2030, 1, 1))})
    write_book(tmp_path, Page(first_visit=2, closed=closed), PEPPER, at=NOW)
    assert book.promise(NOW, "t-2") == plain
    assert book.promise(NOW, "t-1") == promised_day(NOW, 3)
    everywhere = frozenset({("", plain)})
    write_book(tmp_path, Page(first_visit=2, closed=everywhere), PEPPER, at=NOW)
    assert book.promise(NOW, "t-2") == book.promise(NOW, "") == promised_day(NOW, 3)


def test_a_certificate_is_fetched_by_the_key_it_was_asked_with(tmp_path: Path) -> None:
    write_book(tmp_path, Page(certificates=(Issued(asked=MARK, pem="PEM"),)), PEPPER, at=NOW)
    assert book_of(tmp_path).certificate(MARK) == "PEM"
    assert book_of(tmp_path).certificate("cd" * 32) is None


def test_a_book_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    code = new_serial()
    book = written(tmp_path, line(code))
    twice = Page(lines=(line(code), line(code)))
    with pytest.raises(OSError, match="cannot be written"):
        write_book(tmp_path, twice, PEPPER, at=NOW)
    assert book.look(code) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pepper", "status.sqlite"]
