"""A worker keeps files open between their pages: each in a process of its own, and few at once."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from forms.errors import UserError
from pipeline import read_page, sandbox
from pipeline.read_page import FileRecipe, Kit, _OpenFiles
from pipeline.sandbox import Sandbox
from pipeline.stages import Quarantined, Scan


class Counted(Sandbox):
    """Keeps what it starts; with a script, runs that where the decoder should be."""

    def __init__(self, script: str = "") -> None:
        super().__init__()
        self.script = script
        self.started: list[subprocess.Popen[bytes]] = []

    def start(
        self, arguments: Sequence[str], *, file: int, requests: int
    ) -> subprocess.Popen[bytes]:
        if self.script:
            line = [sys.executable, "-I", "-c", self.script, str(requests), *arguments]
            process = sandbox._start(line, file, (requests,), {})
        else:
            process = super().start(arguments, file=file, requests=requests)
        self.started.append(process)
        return process

    @property
    def running(self) -> int:
        return sum(each.poll() is None for each in self.started)


def tiff(shade: int, pages: int = 3) -> bytes:
    images = [Image.new("L", (30 + n, 40), shade) for n in range(pages)]
    out = io.BytesIO()
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:])
    return out.getvalue()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def files(counted: Counted) -> Iterator[_OpenFiles]:
    opened = _OpenFiles(counted)
    yield opened
    opened.close()


def read(files: _OpenFiles, data: bytes, index: int) -> Scan | Quarantined:
    with files.lent(data, "file 1", last=index) as file:
        return file.read(index)


def test_counting_a_file_and_reading_its_pages_takes_one_process_which_then_ends(
    files: _OpenFiles, counted: Counted
) -> None:
    data = tiff(200, pages=20)
    with files.lent(data, "file 1") as file:
        assert file.pages == 20
    for index in range(20):
        item = read(files, data, index)
        assert isinstance(item, Scan)
        assert item.pixels.shape == (40, 30 + index)
    assert (len(counted.started), counted.running) == (1, 0)


def test_pages_of_several_files_by_turns_come_each_out_of_its_own_file_and_process(
    files: _OpenFiles, counted: Counted
) -> None:
    shades = (140, 180, 220)
    for index in (1, 0):
        for shade in shades:
            item = read(files, tiff(shade), index)
            assert isinstance(item, Scan)
            assert set(np.unique(item.pixels)) == {shade}
    assert (len(counted.started), counted.running) == (3, 3)


def test_no_more_than_a_few_files_are_open_at_once(files: _OpenFiles, counted: Counted) -> None:
    for shade in range(120, 128):
        read(files, tiff(shade), 0)
        assert counted.running <= read_page._KEEP_OPEN
    files.close()
    assert counted.running == 0


def test_a_file_of_which_no_page_is_asked_for_is_let_go(
    files: _OpenFiles, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_page, "_KEEP_OPEN_SECONDS", 0.1)
    read(files, tiff(200), 0)
    end = time.monotonic() + 10
    while counted.running:
        assert time.monotonic() < end, "it is still open"
        time.sleep(0.02)
    assert isinstance(read(files, tiff(200), 1), Scan)


def test_a_file_that_cannot_be_opened_is_not_kept(files: _OpenFiles, counted: Counted) -> None:
    with pytest.raises(UserError), files.lent(b"words", "file 1") as file:
        assert file.pages
    assert counted.running == 0


STOPS = (
    "import os,struct; os.write(1, struct.pack('<4sB3xIIIfI', b'CFD1', 1, 9, 0, 0, 0, 0));"
    " os.kill(os.getpid(), 24)"
)


def test_a_file_of_bombs_is_given_up_though_it_was_let_go_in_between() -> None:
    counted = Counted(STOPS)
    files = _OpenFiles(counted)
    tried = []
    for index in range(9):
        item = read(files, b"bombs", index)
        assert isinstance(item, Quarantined)
        assert (item.code, item.page_index) == ("file-too-heavy", index)
        files.close()
        tried.append(len(counted.started))
    assert tried[4] > tried[3]
    assert tried[8] == tried[4]


def test_a_recipe_can_open_files_where_the_sandbox_holds_or_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kit() -> Kit:
        raise NotImplementedError

    assert FileRecipe(kit).can_open()
    monkeypatch.setattr(Sandbox, "holds", lambda _: False)
    assert not FileRecipe(kit).can_open()
    assert FileRecipe(kit, Sandbox(required=False)).can_open()
