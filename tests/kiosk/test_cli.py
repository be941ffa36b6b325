"""The command line, as people and scripts use it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf
import pypdfium2
import pytest
from PIL import ImageDraw
from typer.testing import CliRunner, Result

from forms.page_id import parse_serial
from forms.published import published
from kiosk import compose
from kiosk.cli import _print_json, app
from pipeline.work import Priority
from storage.sealed_blobs import Fresh, SealedBlobs

ROLL = "prison_number,surname,forenames,cell,establishment,date_of_birth\n"
LINE = "A1234BC,SMITH,JOHN,B-2-014,MTI,1990-05-01\n"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("COUNTERFOIL_DATA", str(folder))
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    monkeypatch.delenv("COUNTERFOIL_BLOBS_URL", raising=False)
    return folder


def run(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given)


def missing() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("missing", "--json").stdout)
    return found


def as_png(pdf: Path, page: int, to: Path) -> Path:
    document = pypdfium2.PdfDocument(pdf)
    document[page].render(scale=200 / 72, grayscale=True).to_pil().save(to, dpi=(200, 200))
    document.close()
    return to


def test_forms_are_listed_with_their_pages(data: Path) -> None:
    listed = json.loads(run("forms", "--json").stdout)
    assert {each["id"]: each["pages"] for each in listed} == {
        "rj-1": 2,
        "rj-2": 2,
        "rj-3h": 4,
        "rj-3r": 4,
        "rj-3w": 1,
        "rj-4": 2,
        "rj-5": 4,
        "rj-6": 2,
        "rj-7": 1,
        "rj-8": 1,
        "rj-0": 1,
    }
    assert not data.exists()


def test_a_layout_needs_no_data_folder_and_describes_one_slip(data: Path) -> None:
    told = run("layout", "rj-2")
    assert json.loads(told.stdout) == published("rj-2").layout.to_json()
    assert json.loads(told.stdout)["page_mm"] == [210.0, 148.5]
    assert not data.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rj-2", "--language", "cy"], "not printed in that language, only in: en."),
        (["rj-1", "--version", "9"], "a version that this system does not know"),
        (["rj-9"], "no form of that name"),
    ],
)
def test_a_layout_that_there_is_not_is_refused_for_what_is_wrong_with_it(
    data: Path, words: list[str], told: str
) -> None:
    refused = run("layout", *words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr


def test_what_is_printed_is_registered_and_missing_until_it_comes_back(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pad.pdf"
    told = run("print", "rj-2", "--out", out, "--copies", 3, "--wing", "B")
    assert told.exit_code == 0, told.stderr
    serials = told.stdout.split()
    assert [parse_serial(each) for each in serials] == serials
    assert {each["serial"] for each in missing()} == set(serials)
    assert json.loads(run("missing", "--wing", "C", "--json").stdout) == []
    assert len(pypdfium2.PdfDocument(out)) == 4  # two sheets, both sides


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["rj-9"], 1, "no form of that name"),
        (["rj-1", "--language", "xx"], 1, "not printed in that language, only in: en, en-easy,"),
        (["rj-1", "--person", "A12"], 1, "not a prison number"),
        (["rj-1", "--establishment", "no such place at all"], 1, "too long"),
        (["rj-1", "--copies", "0"], 2, "--copies"),
        (["rj-1", "--copies", "2", "--fillable"], 2, "one copy"),
        (["rj-1", "--colour"], 2, "--colour"),
        (["rj-5"], 1, "printed from a case"),
        (["rj-7", "--fillable"], 1, "printed from a case"),
    ],
)
def test_what_cannot_be_printed_is_refused_and_nothing_is_issued(
    data: Path, tmp_path: Path, words: list[str], status: int, told: str
) -> None:
    out = tmp_path / "never.pdf"
    refused = run("print", *words, "--out", out)
    assert (refused.exit_code, refused.stdout) == (status, "")
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not out.exists()
    assert missing() == []


def test_a_file_that_cannot_be_written_issues_nothing(data: Path, tmp_path: Path) -> None:
    refused = run("print", "rj-1", "--out", tmp_path / "no" / "folder.pdf")
    assert refused.exit_code == 1
    assert "could not be written" in refused.stderr
    assert missing() == []


def test_a_pad_that_is_there_is_kept_under_another_name(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pad.pdf"
    assert run("print", "rj-1", "--out", out).exit_code == 0
    first = out.read_bytes()
    again = run("print", "rj-1", "--out", out)
    assert again.exit_code == 0
    assert "pad.1.pdf" in again.stderr
    second = out.read_bytes()
    assert run("print", "rj-1", "--out", out, "--fillable").exit_code == 0
    assert (tmp_path / "pad.1.pdf").read_bytes() == first != second
    assert (tmp_path / "pad.2.pdf").read_bytes() == second
    assert run("print", "rj-1", "--out", out, "--force").exit_code == 0
    (tmp_path / "empty.pdf").touch()
    assert run("print", "rj-1", "--out", tmp_path / "empty.pdf").exit_code == 0
    names = sorted(each.name for each in tmp_path.glob("*.pdf"))
    assert names == ["empty.pdf", "pad.1.pdf", "pad.2.pdf", "pad.pdf"]
    assert len(missing()) == 5


def test_an_old_pad_has_its_name_back_when_the_new_one_fails(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> int:
        raise OSError(28, "no room")

    out = tmp_path / "pad.pdf"
    out.write_bytes(b"mine")
    monkeypatch.setattr("kiosk.issue.print_to", no_room)
    assert run("print", "rj-1", "--out", out).exit_code == 1
    assert out.read_bytes() == b"mine"
    assert [each.name for each in tmp_path.glob("*.pdf")] == ["pad.pdf"]


@pytest.mark.parametrize(
    "words", [("print", "rj-1"), ("print", "rj-1", "--fillable"), ("records",)]
)
def test_a_device_a_pipe_or_a_link_to_one_is_never_replaced_by_a_file(
    data: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    pipe, link, astray = (tmp_path / name for name in ("pipe", "link", "astray"))
    os.mkfifo(pipe)
    link.symlink_to(os.devnull)
    astray.symlink_to(tmp_path / "nowhere")
    command = ("records", "export") if words == ("records",) else words
    for place in (pipe, link, astray):
        refused = run(*command, "--out", place, "--force")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "a device, a pipe, a folder or a broken link" in refused.stderr
    assert pipe.is_fifo()
    assert link.is_char_device()
    assert astray.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir() if each != data) == [
        "astray",
        "link",
        "pipe",
    ]
    assert missing() == []


def test_an_export_keeps_a_file_that_is_there_unless_told_to_replace_it(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "records.csv"
    out.write_text("mine")
    assert run("records", "export", "--out", out).exit_code == 0
    assert (tmp_path / "records.1.csv").read_text() == "mine"
    assert out.read_text().startswith("record,form,")
    assert run("records", "export", "--out", out, "--force").exit_code == 0
    assert not (tmp_path / "records.2.csv").exists()


def test_copies_whose_file_failed_halfway_are_cancelled(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> int:
        raise OSError(28, "no room")

    monkeypatch.setattr("kiosk.issue.print_to", no_room)
    assert run("print", "rj-1", "--out", tmp_path / "pad.pdf").exit_code == 1
    assert missing() == []


def test_seed_sheets_have_serials_and_are_never_waited_for(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "seed.pdf"
    done = run("print", "rj-0", "--out", out, "--copies", 2)
    assert done.exit_code == 0, done.stderr
    assert len(set(done.stdout.split())) == 2
    assert missing() == []
    page = json.loads(run("read", as_png(out, 1, tmp_path / "page.png")).stdout)
    assert (page["form"], page["serial"]) == ("rj-0", done.stdout.split()[1])
    assert {each["state"] for each in page["fields"].values()} == {"blank"}


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--person", "A1234BC"], "stays unnamed"), (["--fillable"], "written by hand")],
)
def test_a_seed_sheet_is_neither_for_a_person_nor_typed(
    data: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    refused = run("print", "rj-0", "--out", tmp_path / "seed.pdf", *words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert "A1234BC" not in refused.stderr
    assert not (tmp_path / "seed.pdf").exists()


def test_a_copy_is_bound_to_somebody_on_the_roll_only(data: Path, tmp_path: Path) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE, encoding="utf-8")
    assert run("roll", "import", roll).exit_code == 0
    stranger = run("print", "rj-3w", "--out", tmp_path / "a.pdf", "--person", "A9999ZZ")
    assert stranger.exit_code == 1
    assert "Nobody on the roll" in stranger.stderr
    assert "A9999ZZ" not in stranger.stderr
    done = run("print", "rj-3w", "--out", tmp_path / "b.pdf", "--person", "a1234bc")
    assert done.exit_code == 0, done.stderr
    words = pypdfium2.PdfDocument(tmp_path / "b.pdf")[0].get_textpage().get_text_bounded()
    assert "JOHN SMITH" in words
    assert "A1234BC" in words


@pytest.mark.parametrize("fillable", [False, True])
def test_a_self_referral_for_somebody_shows_their_number_and_name_and_reads_so(
    data: Path, tmp_path: Path, fillable: bool
) -> None:
    roll, out = tmp_path / "roll.csv", tmp_path / "one.pdf"
    roll.write_text(
        ROLL
        + LINE.replace("SMITH", "Dupr\u00e9")
        + LINE.replace("A1234BC,SMITH,JOHN,B-2-014", "B9876ZY,JONES,KIT,C-1-001")
        + LINE.replace("A1234BC,SMITH,JOHN,B-2-014", "G5508QX,WALKER,SAM,A-3-020"),
        encoding="utf-8",
    )
    assert run("roll", "import", roll).exit_code == 0
    words = ["print", "rj-1", "--person", "A1234BC", "--out", out]
    done = run(*words, *(["--fillable"] if fillable else []))
    assert (done.exit_code, len(done.stderr.splitlines())) == (0, 1), done.stderr
    scan = out if fillable else as_png(out, 0, tmp_path / "page.png")
    page = json.loads(run("read", scan, "--roll", roll).stdout.splitlines()[0])
    assert page["person"]["match"] == "A1234BC"
    filled = {k: v["value"] for k, v in page["fields"].items() if v["state"] == "filled"}
    assert filled == {"me_number": "A1234BC", "me_name": "JOHN DUPRE"}


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["rj-2", "--person", "A1234BC"], "no place for a printed name"),
        (["rj-3w"], "say nobody's name"),
        (["rj-3h", "--copies", "2"], "say nobody's name"),
        (["rj-3r", "--fillable"], "say nobody's name"),
        (["rj-3w", "--person", "A1234BC"], "no roll yet"),
        (["rj-1", "--person", "A1234BC"], "no roll yet"),
        (["rj-1"], ""),
        (["rj-2"], ""),
    ],
)
def test_what_the_paper_does_not_say_is_noted_when_it_is_printed(
    data: Path, tmp_path: Path, words: list[str], note: str
) -> None:
    done = run("print", *words, "--out", tmp_path / "pad.pdf")
    assert done.exit_code == 0, done.stderr
    said = done.stderr.splitlines()
    assert len(said) == (2 if note else 1)
    assert note in said[-1]
    assert "--person A1234BC" in said[-1] or "A1234BC" not in done.stderr
    assert len(done.stdout.split()) == len(missing())


@pytest.mark.parametrize(
    ("surname", "note"),
    [
        ("Wolfeschlegelsteinhausenberger", "does not go into the boxes"),
        ("\u0110or\u0111evi\u0107", ""),
        ("O\u2019Brien", ""),
    ],
)
def test_a_name_that_does_not_go_into_the_boxes_is_noted(
    data: Path, tmp_path: Path, surname: str, note: str
) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE.replace("SMITH", surname), encoding="utf-8")
    assert run("roll", "import", roll).exit_code == 0
    done = run("print", "rj-1", "--person", "A1234BC", "--out", tmp_path / "one.pdf")
    assert done.exit_code == 0, done.stderr
    said = done.stderr.splitlines()
    assert len(said) == (2 if note else 1)
    assert note in said[-1]
    assert surname not in done.stderr


def test_a_copy_for_somebody_is_not_printed_for_another_establishment(
    data: Path, tmp_path: Path
) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE, encoding="utf-8")
    assert run("roll", "import", roll).exit_code == 0
    words = ("print", "rj-3w", "--person", "A1234BC", "--out", tmp_path / "a.pdf")
    refused = run(*words, "--establishment", "ISI")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "another establishment" in refused.stderr
    assert "A1234BC" not in refused.stderr
    assert not (tmp_path / "a.pdf").exists()
    assert missing() == []
    assert run(*words, "--establishment", "mti").exit_code == 0
    assert [each["establishment"] for each in missing()] == ["MTI"]


def test_a_bad_roll_is_refused_by_line_and_exit_status(data: Path, tmp_path: Path) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE + LINE.replace("1990", "19x0"), encoding="utf-8")
    refused = run("roll", "import", roll)
    assert refused.exit_code == 1
    assert "line 3" in refused.stderr
    assert run("roll", "import", tmp_path / "none.csv").exit_code == 1


def test_a_roll_that_most_people_are_gone_from_waits_until_it_is_confirmed(
    data: Path, tmp_path: Path
) -> None:
    roll = tmp_path / "roll.csv"
    everybody = [LINE.replace("1234", str(1000 + n)) for n in range(60)]
    for people in (everybody, everybody[12:]):
        roll.write_text(ROLL + "".join(people), encoding="utf-8")
        done = run("roll", "import", roll)
        assert done.exit_code == 0
        assert done.stdout.startswith(f"The roll in force now holds {len(people)} people")
    roll.write_text(ROLL + "".join(everybody[40:]), encoding="utf-8")
    waits = run("roll", "import", roll)
    assert (waits.exit_code, waits.stdout) == (1, "")
    assert "It would change: 28 left." in waits.stderr
    assert "--confirm" in waits.stderr
    doctor = {each["what"]: each for each in json.loads(run("doctor", "--json").stdout)}
    assert not doctor["files of the roll"]["ok"]
    done = run("roll", "import", roll, "--confirm")
    assert done.stdout.startswith("The roll in force now holds 20 people")


def test_a_keep_apart_list_is_brought_in_or_refused_by_line(data: Path, tmp_path: Path) -> None:
    header = "prison_number_1,role_1,prison_number_2,role_2,reason,restriction,state,close_reason\n"
    line = "A1234BC,victim,A5678DE,unknown,threat,cell,open,\n"
    file = tmp_path / "keep-apart.csv"
    file.write_text(header + line, encoding="utf-8")
    done = run("keep-apart", "import", file)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "The keep-apart list in force now holds 1 open pair.\n"
    file.write_text(header + line + line.replace("A5678DE", "A1234BC"), encoding="utf-8")
    refused = run("keep-apart", "import", file)
    assert refused.exit_code == 1
    assert "line 3: both prison numbers are the same" in refused.stderr
    assert "A1234BC" not in refused.stderr
    assert run("keep-apart", "import", tmp_path / "none.csv").exit_code == 1
    assert "not a keep-apart list" in run("keep-apart", "import", tmp_path).stderr
    file.write_text(header, encoding="utf-8")
    nobody = run("keep-apart", "import", file)
    assert nobody.exit_code == 1
    assert "1 apart-gone" in nobody.stderr
    assert run("keep-apart", "import", file, "--yes-really").exit_code == 0


def test_a_file_that_lay_there_for_days_is_taken_in_and_said_to_be_old(
    data: Path, tmp_path: Path
) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE, encoding="utf-8")
    old = time.time() - 3 * 86400
    os.utime(roll, (old, old))
    done = run("roll", "import", roll)
    assert done.exit_code == 0
    assert "out of date already" in done.stderr
    doctor = {each["what"]: each for each in json.loads(run("doctor", "--json").stdout)}
    assert not doctor["roll"]["ok"]
    assert doctor["keep-apart list"]["found"].startswith("none yet")


def test_two_numbers_of_one_person_are_merged_by_hand(data: Path, tmp_path: Path) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(ROLL + LINE, encoding="utf-8")
    assert run("roll", "import", roll).exit_code == 0
    assert run("roll", "merge", "B9999ZZ", "A1234BC").exit_code == 0
    assert "same person already" in run("roll", "merge", "B9999ZZ", "A1234BC").stderr
    assert "two people" in run("roll", "merge", "A1234BC", "B8888ZZ").stderr


@pytest.mark.parametrize(
    ("holds", "told"),
    [
        (ROLL + LINE.replace("1990", "19x0"), "cannot be used, so nothing was read: line 2: date"),
        (ROLL, "nobody under it"),
        (None, "no roll file of that name"),
    ],
)
def test_a_roll_to_read_by_is_refused_in_words_about_reading(
    data: Path, tmp_path: Path, holds: str | None, told: str
) -> None:
    scan, roll = tmp_path / "scan.png", tmp_path / "roll.csv"
    scan.write_bytes(b"not a picture")
    if holds is not None:
        roll.write_text(holds, encoding="utf-8")
    refused = run("read", scan, "--roll", roll)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert "in force" not in refused.stderr
    assert "import" not in refused.stderr


@pytest.mark.parametrize("words", [("read", "scan.png", "--roll"), ("roll", "import")])
def test_a_folder_is_no_roll_and_that_is_what_is_said(
    data: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    refused = run(*words, tmp_path)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "This is a folder, not a roll file. Name the file itself, such as roll.csv.\n"
    )


def test_a_folder_to_read_is_set_aside_as_a_folder_and_not_as_a_page(
    data: Path, tmp_path: Path
) -> None:
    folder, bad = tmp_path / "scans", tmp_path / "scan.tif"
    folder.mkdir()
    (folder / "never.png").write_bytes(b"not a picture")
    bad.write_bytes(b"")
    told = run("read", folder, bad)
    first, second = (json.loads(line) for line in told.stdout.splitlines())
    assert told.exit_code == 1
    assert (first["source"], first["status"]) == ("scans", "set-aside")
    assert first["reason"]["code"] == "not-a-file"
    assert "folder" in first["reason"]["message"]
    assert second["reason"]["code"] == "file-empty"
    about_folder, about_file = told.stderr.splitlines()
    assert about_folder.startswith("scans: This is a folder")
    assert about_file.startswith("scan.tif: This file is empty")


@pytest.mark.parametrize("kind", ["gone", "pipe"])
def test_read_and_scan_say_the_same_of_what_is_no_file(
    data: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "scan.png"
    if kind == "pipe":
        os.mkfifo(path)
    said = {run(command, path).stderr.rpartition("scan.png: ")[2] for command in ("read", "scan")}
    wanted = {
        "gone": "There is no such file or folder. "
        "Look at the spelling, and whether the disk or share is there.\n",
        "pipe": "This is a link, a device or a pipe, not a file with a scan in it. "
        "Name the file itself.\n",
    }
    assert said == {wanted[kind]}


def test_status_counts_every_page_once(data: Path, tmp_path: Path) -> None:
    scan = tmp_path / "scan.png"
    scan.write_bytes(b"not a picture")
    taken = run("scan", scan, scan, tmp_path / "none.png")
    assert taken.exit_code == 1
    assert "no such file" in taken.stderr
    counts = json.loads(run("status", "--json").stdout)
    assert counts == {
        "received": 1,
        "reading": 0,
        "awaiting": 0,
        "verified": 0,
        "set-aside": 0,
        "duplicate": 1,
    }


def test_an_archive_is_taken_in_after_the_days_work_and_once(data: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for number in range(3):
        (tmp_path / "old" / f"{number}.png").write_bytes(str(number).encode())
    assert run("scan", "--bulk", tmp_path / "old").stdout.count("taken in as file") == 3
    assert run("scan", "--bulk", tmp_path / "old").stdout.count("here already") == 3
    with compose.open_house().store.look() as kept:
        assert {each.priority for each in kept.intakes.last()} == {Priority.BULK}


def test_a_move_asks_where_to_and_refuses_while_something_runs_or_waits(
    data: Path, tmp_path: Path
) -> None:
    assert run("move").exit_code == 2
    (tmp_path / "a.png").write_bytes(b"a")
    run("scan", tmp_path / "a.png")
    waiting = run("move", "--to-database", "postgresql://nobody@127.0.0.1:9/none")
    assert waiting.exit_code == 1
    assert "counterfoil work --until-idle" in waiting.stderr
    house = compose.open_house()
    running = run("move", "--to-database", "postgresql://nobody@127.0.0.1:9/none")
    house.close()
    assert "Stop the staff site" in running.stderr


@pytest.mark.parametrize(
    "address",
    ["postgresql://nobody:S3CRET@127.0.0.1:9/none", "postgresql://127.0.0.1:9/x?password=S3CRET"],
)
def test_a_password_is_not_to_be_typed_where_everybody_can_read_it(
    data: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = run("move", "--to-database", address)
    assert typed.exit_code == 1
    assert "COUNTERFOIL_MOVE_TO_DATABASE" in typed.stderr
    assert "S3CRET" not in typed.output
    monkeypatch.setenv("COUNTERFOIL_MOVE_TO_DATABASE", address)
    assert "a password in a command" not in run("move").stderr


def test_our_own_mistake_with_one_scan_is_told_and_the_others_are_taken_in(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = [tmp_path / f"{n}.png" for n in (1, 2, 3)]
    for scan in scans:
        scan.write_bytes(scan.name.encode())
    whole = SealedBlobs.put_new

    def broken(box: SealedBlobs, source: BinaryIO) -> Fresh:
        if Path(source.name).name == "2.png":
            raise ValueError("the answer was A1234BC")
        return whole(box, source)

    monkeypatch.setattr(SealedBlobs, "put_new", broken)
    told = run("scan", *scans)
    assert told.exit_code == 1
    assert len(told.stdout.splitlines()) == 2
    (sentence,) = told.stderr.splitlines()
    assert "2.png: This file could not be taken in. It is still where it was." in sentence
    reference = sentence.rpartition(" ")[2]
    noted = (data / "problems.log").read_text("utf-8")
    assert reference in noted
    assert "A1234BC" not in sentence + noted
    assert scans[1].exists()


def test_a_printed_blank_reads_as_blank_and_a_bad_file_as_set_aside(
    data: Path, tmp_path: Path
) -> None:
    pdf, bad = tmp_path / "blank.pdf", tmp_path / "bad.png"
    serial = run("print", "rj-1", "--out", pdf).stdout.strip()
    bad.write_bytes(b"not a picture")
    scan = as_png(pdf, 0, tmp_path / "page.png")
    told = run("read", scan, bad, tmp_path / "none.png")
    first, second, third = (json.loads(line) for line in told.stdout.splitlines())
    assert told.exit_code == 1
    assert (first["status"], first["serial"], first["page"]) == ("read", serial, 1)
    assert {each["state"] for each in first["fields"].values()} == {"blank"}
    assert (second["source"], second["status"]) == ("bad.png", "set-aside")
    assert (third["status"], third["reason"]["code"]) == ("set-aside", "file-missing")
    assert len(told.stderr.splitlines()) == 2


def through_dirty_glass(pdf: Path, to: Path) -> Path:
    """Scan every page of a PDF into one file, with a dark line down each at the same place."""
    document, pictures = pypdfium2.PdfDocument(pdf), []
    for page in document:
        picture = page.render(scale=200 / 72, grayscale=True).to_pil()
        ImageDraw.Draw(picture).line([(1150, 0), (1150, picture.height)], fill=90, width=2)
        pictures.append(picture)
    document.close()
    pictures[0].save(to, save_all=True, append_images=pictures[1:], dpi=(200, 200))
    return to


def test_a_dirty_glass_is_said_once_of_its_file_by_read_and_work(
    data: Path, tmp_path: Path
) -> None:
    pdf = tmp_path / "blank.pdf"
    assert run("print", "rj-3w", "--copies", 3, "--out", pdf).exit_code == 0
    scans = through_dirty_glass(pdf, tmp_path / "scans.tiff")
    told = run("read", scans, as_png(pdf, 0, tmp_path / "clean.png"))
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert ["streak" in line["warnings"] for line in lines] == [True, True, True, False]
    said = (
        "A dark line runs down 3 of 3 pages at the same place, between the middle and the right "
        "edge: there is dirt on the scanner's glass. Wipe the scanner's glass"
    )
    assert told.exit_code == 0
    assert told.stderr.startswith(f"scans.tiff: {said}")
    assert len(told.stderr.splitlines()) == 1
    assert run("scan", scans).exit_code == 0
    worked = run("work", "--until-idle")
    assert worked.exit_code == 0
    assert worked.stderr.startswith(f"file 1: {said}")
    assert len(worked.stderr.splitlines()) == 1


ODD_NAMES = (b"a\x1b[2J\nb.png", b"page\xff.png", "\u202egnp.\u0442".encode(), b"x" * 250 + b".png")


@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        ("read", "utf-8:strict"),
        ("read", "ascii:strict"),
        ("read", "latin-1:strict"),
        ("scan", "latin-1:strict"),
    ],
)
def test_odd_file_names_neither_stop_the_work_nor_reach_the_terminal(
    data: Path, tmp_path: Path, command: str, encoding: str
) -> None:
    folder = os.fsencode(tmp_path)
    for name in ODD_NAMES:
        Path(os.fsdecode(os.path.join(folder, name))).write_bytes(name)  # noqa: PTH118  bytes
    named = [os.path.join(folder, each) for each in (*ODD_NAMES, b"gone\x1b\xfe" * 100)]  # noqa: PTH118
    told = subprocess.run(
        [sys.executable, "-m", "kiosk.cli", command, *named],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert told.returncode == 1
    assert b"Traceback" not in told.stderr
    assert b"our end" not in told.stderr
    # A stream that claims ASCII is written to in UTF-8 all the same: nobody's terminal is that old.
    written = encoding.partition(":")[0].replace("ascii", "utf-8")
    for line in (told.stdout + told.stderr).decode(written).splitlines():
        assert line.isprintable()
    if command == "read":
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        assert [each["reason"]["code"] for each in lines] == ["not-a-scan"] * 4 + ["file-missing"]
        assert lines[0]["source"] == "a?[2J?b.png"
        assert len(told.stderr.splitlines()) == 5
    else:
        assert len(told.stdout.splitlines()) == 4
        (missing_one,) = told.stderr.splitlines()
        assert b"There is no such file or folder." in missing_one
        assert len(missing_one) < 600


def test_json_escapes_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {"value": "\x9b2J \u202e \ud800 \x7f \u0141ukasz"}
    _print_json(odd)
    told = capsys.readouterr().out
    assert json.loads(told) == odd
    assert all(line.isprintable() for line in told.splitlines())
    assert "\u0141ukasz" in told


@pytest.mark.parametrize("jobs", [1, 2])
def test_read_suggests_what_free_text_says_unless_told_not_to(data: Path, jobs: int) -> None:
    scans = Path(__file__).parents[2] / "demo" / "scans"
    files = [scans / "fax.tif", scans / "phone.jpg"]
    given = ["read", *files, "--jobs", jobs]
    with_them = [json.loads(line) for line in run(*given).stdout.splitlines()]
    without = [json.loads(line) for line in run(*given, "--no-drafts").stdout.splitlines()]
    assert any(suggestions(with_them))
    assert not any(suggestions(without))
    assert len(suggestions(without)) == len(suggestions(with_them))
    for one, other in zip(with_them, without, strict=True):
        assert one["fields"].keys() == other["fields"].keys()
        assert all(
            field == other["fields"][name]
            for name, field in one["fields"].items()
            if field["kind"] != "free_text"
        )


def suggestions(lines: list[dict[str, Any]]) -> list[str | None]:
    return [
        field["suggestion"]
        for line in lines
        for field in line["fields"].values()
        if field["kind"] == "free_text"
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_line_says_who_it_is_when_a_roll_is_given_and_none_without(
    data: Path, tmp_path: Path, jobs: int
) -> None:
    roll, pdf, bad = tmp_path / "roll.csv", tmp_path / "one.pdf", tmp_path / "bad.png"
    roll.write_text(ROLL + LINE, encoding="utf-8")
    bad.write_bytes(b"not a picture")
    run("print", "rj-2", "--out", pdf)
    scan = as_png(pdf, 0, tmp_path / "page.png")
    files = ("read", scan, bad, tmp_path / "none.png", "--jobs", jobs)
    with_roll = [json.loads(line) for line in run(*files, "--roll", roll).stdout.splitlines()]
    assert [each["status"] for each in with_roll] == ["read", "set-aside", "set-aside"]
    for each in with_roll:
        assert each["person"]["match"] is None
        assert set(each["person"]) >= {"match", "confidence", "agreed", "candidates"}
        assert list(each)[-1] == "seconds"
    for line in run(*files).stdout.splitlines():
        assert "person" not in json.loads(line)


def test_several_processes_give_the_pages_in_input_order(data: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.png" for n in range(7)]
    for file in files:
        file.write_bytes(b"not a picture")
    told = run("read", *files, "--jobs", 2)
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [each["source"] for each in lines] == [file.name for file in files]
    assert {each["status"] for each in lines} == {"set-aside"}


def test_staff_are_added_with_a_password_from_standard_input(data: Path) -> None:
    words = ("staff", "add", "j.smith", "--role", "verifier", "--establishment", "mti")
    assert run(*words, "--password-stdin", given="short\n").exit_code == 1
    assert run(*words, "--password-stdin", given="correct horse battery\n").exit_code == 0
    house = compose.open_house()
    with house.store.look() as kept:
        found = kept.staff.authenticate("j.smith", "correct horse battery")
    house.close()
    assert found is not None
    assert (found.roles, found.establishments) == ({"verifier"}, {"MTI"})
    wrong = run("staff", "add", "x.y", "--role", "king", "--password-stdin", given="x\n")
    assert wrong.exit_code == 2


def test_an_only_administrator_who_lost_phone_and_password_is_helped_in(data: Path) -> None:
    first = ("staff", "add", "adam", "--role", "admin", "--establishment", "mti", "--wing", "A")
    assert run(*first, "--password-stdin", given="correct horse battery\n").exit_code == 0
    house = compose.open_house()
    at = datetime.now(UTC)
    with house.store.begin() as kept:
        kept.factors.add_passkey("adam", credential="x", public_key=b"", count=0, label="", at=at)
        kept.factors.new_codes("adam", at=at)
        secret = kept.sessions.open("adam", at=at)
    house.close()
    assert run("staff", "reset", "adam").exit_code == 2
    assert run("staff", "reset", "nobody", "--second-factor").exit_code == 1
    assert run("staff", "reset", "adam", "--second-factor").exit_code == 0
    given = "five unrelated words do\n"
    assert run("staff", "reset", "adam", "--password-stdin", given=given).exit_code == 0
    house = compose.open_house()
    with house.store.look() as kept:
        found = kept.staff.authenticate("adam", given.strip())
        assert kept.factors.kinds("adam") == frozenset()
        assert kept.factors.codes_left("adam") == 0
        assert kept.sessions.find(secret, at=at) is None
    house.close()
    assert found is not None
    assert (found.establishments, found.wings, found.must_change) == ({"MTI"}, {"A"}, True)


def test_an_export_of_nothing_has_a_heading(data: Path, tmp_path: Path) -> None:
    told = run("records", "export", "--form", "rj-1")
    assert told.exit_code == 0, told.stderr
    assert told.stdout.startswith("record,form,version,serial,occurrence,flags,")
    assert "me_number" in told.stdout
    assert run("records", "export", "--format", "xls").exit_code == 2
    out = tmp_path / "records.parquet"
    assert run("records", "export", "--format", "parquet", "--out", out).exit_code == 0
    assert out.stat().st_size > 0


def test_the_list_of_events_is_checked_and_what_was_done_to_it_is_told(
    data: Path, tmp_path: Path
) -> None:
    assert run("print", "rj-2", "--out", tmp_path / "pad.pdf", "--copies", 3).exit_code == 0
    well = run("audit", "verify")
    assert (well.exit_code, well.stderr) == (
        0,
        "2 heads noted outside, back to event 1: all are in the list.\n",
    )
    assert well.stdout.startswith("4 events, as written. Head: 4:")
    head = well.stdout.split()[-1]
    assert run("audit", "verify", "--noted", head).exit_code == 0
    unlike = run("audit", "verify", "--head", head.replace("4:", "2:"))
    assert (unlike.exit_code, unlike.stdout) == (1, "")
    assert "not the one that was noted" in unlike.stderr
    assert run("audit", "verify", "--noted", "yesterday").exit_code == 1
    with sqlite3.connect(data / "counterfoil.sqlite") as raw:
        raw.execute("DROP TRIGGER events_no_delete")
        raw.execute("DELETE FROM events WHERE number = 2")
    broken = run("audit", "verify")
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "Event 3 does not follow from the one before it" in broken.stderr
    assert len(broken.stderr.splitlines()) == 1
    house = compose.open_house()
    with house.store.look() as kept:
        told = [(each.what, each.code) for each in kept.events.last(5)]
    house.close()
    assert told == [
        ("audit-failed", "events-broken"),
        ("audit-failed", "head-mistyped"),
        ("audit-failed", "events-broken"),
        ("audit-verified", ""),
        ("audit-verified", ""),
    ]


def test_the_head_is_noted_outside_and_goes_on_paper_to_be_typed_again_later(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = tmp_path / "other disk" / "heads.log"
    monkeypatch.setenv("COUNTERFOIL_AUDIT_HEADS", str(heads))
    told = run("audit", "head", "--out", tmp_path / "sheet.pdf")
    assert told.exit_code == 0, told.stderr
    head = told.stdout.strip()
    assert json.loads(heads.read_text().splitlines()[-1])["head"] == head
    document = pypdfium2.PdfDocument(tmp_path / "sheet.pdf")
    words = document[0].get_textpage().get_text_range()
    document.close()
    number, _, digits = head.partition(":")
    typed = f"{number}: {digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:16]}"
    assert typed in words
    assert run("print", "rj-2", "--out", tmp_path / "pad.pdf").exit_code == 0
    assert run("audit", "verify", "--head", typed).exit_code == 0
    older = tmp_path / "older.db"
    with sqlite3.connect(data / "counterfoil.sqlite") as now, sqlite3.connect(older) as copy:
        now.backup(copy)
    assert run("print", "rj-2", "--out", tmp_path / "more.pdf").exit_code == 0
    with sqlite3.connect(older) as copy, sqlite3.connect(data / "counterfoil.sqlite") as now:
        copy.backup(now)
    back = run("audit", "verify")
    assert back.exit_code == 1
    assert "an older list was put in its place" in back.stderr


def test_our_own_mistake_gives_a_reference_and_no_word_of_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the answer was A1234BC")

    monkeypatch.setattr(compose, "open_house", broken)
    data.mkdir()
    told = run("status")
    assert told.exit_code == 1
    assert "reference" in told.stderr
    assert "A1234BC" not in told.stderr + (data / "problems.log").read_text("utf-8")
    assert "Traceback" not in told.stderr


def test_the_doctor_looks_at_everything_and_names_a_remedy(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiosk.doctor.shutil.which", lambda _: None)
    told = run("doctor", "--json")
    found = {each["what"]: each for each in json.loads(told.stdout)}
    assert told.exit_code == 1
    assert {what for what, each in found.items() if not each["ok"]} == {"tesseract"}
    assert "apt-get install" in found["tesseract"]["remedy"]
    assert {"sqlalchemy", "model charnet", "disk", "clock", "database"} <= set(found)


def test_help_loads_nothing_heavy() -> None:
    look = (
        "import sys; import kiosk.cli; "
        "print(*{'cv2', 'numpy', 'sqlalchemy', 'fastapi', 'dbos', 'rich', 'pikepdf'}"
        " & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == ""


def test_a_consent_form_in_a_draft_language_comes_in_english_with_an_interpreter_offered(
    data: Path, tmp_path: Path
) -> None:
    done = run("print", "rj-3h", "--language", "pl", "--out", tmp_path / "consent.pdf")
    assert done.exit_code == 0, done.stderr
    assert "printed in English" in done.stderr
    assert "interpreter" in done.stderr
    assert "Mo\u017cesz mie\u0107 t\u0142umacza." in done.stderr
    with pikepdf.open(tmp_path / "consent.pdf") as pdf:
        assert pdf.Root.Lang == "en"
    refused = run("print", "rj-3h", "--language", "xx", "--out", tmp_path / "no.pdf")
    assert refused.exit_code == 1


def test_the_self_referral_is_issued_in_the_language_asked_for(data: Path, tmp_path: Path) -> None:
    done = run("print", "rj-1", "--language", "ar", "--out", tmp_path / "a.pdf", "--copies", 2)
    assert done.exit_code == 0, done.stderr
    with pikepdf.open(tmp_path / "a.pdf") as pdf:
        assert (str(pdf.Root.Lang), len(pdf.pages)) == ("ar", 4)
