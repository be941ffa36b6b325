"""A watched folder: nothing lost, nothing twice, whatever happens and whenever it stops."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from forms.errors import UserError
from pipeline.kept import Fate
from pipeline.ports import file_scope
from storage import open_folders, watch
from storage.blobs import DiskFull, FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.sealed_blobs import Fresh, SealedBlobs
from storage.store import Store
from storage.watch import Ended, FolderMissing, FolderUnfit, Watch

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Post:
    """A watched folder and whoever watches it."""

    folder: Path
    store: Store
    box: IntakeBox
    clock: Clock = field(default_factory=Clock)
    ended: list[Ended] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)

    def watch(self, **other: Any) -> Watch:
        return Watch(
            self.folder,
            self.store,
            other.pop("box", self.box),
            by="pat",
            told=self.ended.append,
            trouble=lambda problem: self.troubles.append(problem.code if problem else "over"),
            bug=self.bugs.append,
            clock=self.clock,
            **other,
        )

    def look(self, watching: Watch, times: int = 4, seconds: float = 3.0) -> None:
        for _ in range(times):
            watching.look()
            self.clock.at += seconds

    def put(self, name: str | bytes, data: bytes = b"scan") -> None:
        place = self.folder / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def fates(self) -> dict[str, int]:
        with self.store.look() as kept:
            counted = kept.ledger.sum()
            assert counted.adds_up
            return {str(fate): n for fate, n in counted.fates.items() if n}

    def here(self) -> dict[str, list[str]]:
        """Say what lies where: in the folder itself, and in each of ours."""
        found: dict[str, list[str]] = {}
        for each in sorted(self.folder.rglob("*")):
            if each.is_dir() and not each.is_symlink():
                continue
            top, *rest = each.relative_to(self.folder).parts
            if rest and rest[-1].startswith(watch.FOLDER_ID):
                continue
            where = top if top in (watch.TAKING, watch.DONE, watch.ASIDE) else "."
            name = "/".join(rest) if where != "." else "/".join((top, *rest))
            found.setdefault(where, []).append(name)
        return found


@pytest.fixture
def post(store: Store, box: IntakeBox, tmp_path: Path) -> Post:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return Post(folder, store, box)


def test_files_are_taken_in_and_their_originals_moved_to_done(post: Post) -> None:
    post.put("a.pdf", b"a")
    post.put("wing b/b.pdf", b"b")
    post.put("wing b/same as a.pdf", b"a")
    post.look(post.watch())
    assert post.here() == {"done": ["a.pdf", "wing b/b.pdf", "wing b/same as a.pdf"]}
    assert post.fates() == {"accepted": 2, "duplicate": 1}
    assert [each.intake.kind for each in post.ended if each.intake] == ["watch"] * 3
    assert (post.folder / "done" / "wing b" / "b.pdf").read_bytes() == b"b"
    assert post.troubles == []


def test_a_file_that_still_grows_is_left_alone_until_it_has_settled(post: Post) -> None:
    watching = post.watch()
    for length in range(1, 8):
        post.put("a.pdf", b"x" * length)
        post.look(watching, 1)
    assert post.here() == {".": ["a.pdf"]}
    post.look(watching)
    assert post.here() == {"done": ["a.pdf"]}
    assert post.fates() == {"accepted": 1}


def test_a_few_quick_looks_are_not_enough_and_neither_is_time_alone(post: Post) -> None:
    post.put("a.pdf")
    watching = post.watch()
    post.look(watching, 10, seconds=0.1)
    post.look(watching, 1, seconds=60)
    assert post.here() == {".": ["a.pdf"]} or post.fates() == {}
    other = post.watch()
    post.look(other, 2, seconds=60)
    assert post.here() == {".": ["a.pdf"]}


@pytest.mark.parametrize("name", ["a.pdf.part", "a.tmp", ".a.pdf", "~$a.docx", "a.pdf~", "empty"])
def test_what_looks_unfinished_waits_and_is_then_set_aside_with_a_reason(
    post: Post, name: str
) -> None:
    post.put(name, b"" if name == "empty" else b"half")
    watching = post.watch()
    post.look(watching, 10, seconds=60)
    assert post.here() == {".": [name]}
    post.look(watching, 10, seconds=60)
    assert post.here() == {"set-aside": [name]}
    assert post.fates() == {"set-aside": 1}
    assert [each.problem.code for each in post.ended if each.problem] == ["file-unfinished"]


def test_a_file_that_somebody_has_open_for_writing_waits(post: Post) -> None:
    post.put("a.pdf", b"half")
    watching = post.watch()
    with (post.folder / "a.pdf").open("ab") as writer:
        post.look(watching, 8)
        assert post.here() == {".": ["a.pdf"]}
        writer.write(b"whole")
    post.look(watching)
    assert post.here() == {"done": ["a.pdf"]}


def test_an_open_file_is_found_without_leases_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(handle: int, what: int, *_: int) -> int:
        raise OSError(errno.EACCES, "not the owner")

    monkeypatch.setattr(open_folders.fcntl, "fcntl", refused)
    with (tmp_path / "x").open("wb") as writer, (tmp_path / "x").open("rb") as reader:
        assert open_folders.being_written(reader.fileno())
        writer.close()
        assert not open_folders.being_written(reader.fileno())


def test_a_file_that_never_stops_changing_does_not_wait_for_ever(post: Post) -> None:
    watching = post.watch()
    for hour in range(7):
        post.put("log", b"x" * (hour + 1))
        post.look(watching, 1, seconds=3600)
    assert post.here()["set-aside"] == ["log"]


def test_links_pipes_and_sockets_are_never_opened_and_are_set_aside(
    post: Post, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"not a scan")
    (post.folder / "link.pdf").symlink_to(tmp_path / "secret")
    (post.folder / "folder").symlink_to(tmp_path)
    os.mkfifo(post.folder / "pipe.pdf")
    os.mknod(post.folder / "device.pdf", 0o600 | 0o140000)
    post.look(post.watch())
    names = ["device.pdf", "folder", "link.pdf", "pipe.pdf"]
    assert post.here() == {"set-aside": names}
    assert {each.line.reason for each in post.ended} == {"path-odd"}
    assert (tmp_path / "secret").read_bytes() == b"not a scan"


@pytest.mark.parametrize(
    "name",
    [
        b"line\nbreak.pdf",
        "\u202efdp.exe".encode(),
        b"not utf-8 \xff\xfe.pdf",
        b"x" * 251 + b".pdf",
        b"-rf ..pdf",
        b"..hidden? no/..a/x.pdf"[8:],
        b"*",
        "é/ü/日本.pdf".encode(),
    ],
)
def test_no_name_is_too_odd_and_none_is_told(
    post: Post, name: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    post.put(name, b"1")
    watching = post.watch()
    post.look(watching)
    post.put(name, b"2")
    post.look(watching)
    assert post.fates() == {"accepted": 2}
    contents = {each.read_bytes() for each in (post.folder / "done").rglob("*") if each.is_file()}
    assert contents == {b"1", b"2"}
    assert len(post.here()["done"]) == 2
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
    with post.store.look() as kept:
        subjects = {each.subject for each in kept.events.last()}
    assert all(each.isalnum() for each in subjects)


def test_folders_without_end_are_set_aside_whole(post: Post) -> None:
    deep = post.folder.joinpath(*["d"] * (open_folders.DEEPEST + 5))
    deep.mkdir(parents=True)
    (deep / "a.pdf").write_bytes(b"a")
    post.look(post.watch())
    assert post.fates() == {"set-aside": 1}
    assert list((post.folder / "set-aside").rglob("a.pdf"))


def test_a_folder_swapped_for_a_link_leads_nowhere(post: Post, tmp_path: Path) -> None:
    post.put("sub/a.pdf", b"mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.pdf").write_bytes(b"theirs")
    watching = post.watch()
    post.look(watching, 2)
    shutil.rmtree(post.folder / "sub")
    (post.folder / "sub").symlink_to(tmp_path / "other")
    post.look(watching, 8)
    assert (tmp_path / "other" / "a.pdf").read_bytes() == b"theirs"
    assert post.fates() == {"set-aside": 1}


def test_a_file_of_the_same_name_never_takes_anothers_place(post: Post) -> None:
    watching = post.watch()
    for data in (b"1", b"2", b"3"):
        post.put("scan.pdf", data)
        post.look(watching)
    done = post.folder / "done"
    assert {each.name: each.read_bytes() for each in done.iterdir()} == {
        "scan.pdf": b"1",
        "scan.2.pdf": b"2",
        "scan.3.pdf": b"3",
    }


def test_where_the_system_cannot_rename_carefully_nothing_is_overwritten_either(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> int:
        open_folders.ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(open_folders, "_renameat2", cannot)
    test_a_file_of_the_same_name_never_takes_anothers_place(post)


class Failing(SealedBlobs):
    """Blobs that fail as told, then work."""

    def __init__(self, blobs: SealedBlobs, *problems: BaseException) -> None:
        super().__init__(blobs.raw, blobs._store)
        self.problems = list(problems)

    def put_new(self, source: BinaryIO) -> Fresh:
        if self.problems:
            source.read(1)
            raise self.problems.pop(0)
        return super().put_new(source)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (DiskFull(), "disk-full"),
        (OperationalError("x", {}, Exception()), "keeping-stopped"),
        (OSError(errno.EIO, "x"), "keeping-stopped"),
    ],
)
def test_when_nothing_can_be_kept_files_wait_one_sentence_is_said_and_it_goes_on(
    post: Post, jobs: Jobs, blobs: SealedBlobs, problem: Exception, code: str
) -> None:
    failing = Failing(blobs, problem, problem)
    for name in "abc":
        post.put(name, name.encode())
    watching = post.watch(box=IntakeBox(post.store, failing, jobs))
    post.look(watching, 6)
    assert post.troubles == [code]
    assert set(post.fates()) == {"appeared"}
    post.put("d", b"d")
    post.look(watching, 10)
    assert post.troubles == [code, "over"]
    assert post.fates() == {"accepted": 4}
    assert post.here() == {"done": ["a", "b", "c", "d"]}


def test_a_share_that_goes_away_is_waited_for_and_nothing_is_made_in_its_place(
    post: Post, tmp_path: Path
) -> None:
    post.put("a.pdf", b"a")
    watching = post.watch()
    post.look(watching, 2)
    post.folder.rename(tmp_path / "away")
    post.look(watching, 3)
    post.folder.mkdir()
    post.look(watching, 3)
    assert list(post.folder.iterdir()) == []
    post.folder.rmdir()
    (tmp_path / "away").rename(post.folder)
    post.look(watching)
    assert post.troubles == ["watch-folder-away", "over"]
    assert post.here() == {"done": ["a.pdf"]}


def test_our_own_mistake_with_one_file_holds_no_other_up_and_is_set_aside_at_last(
    post: Post, jobs: Jobs, raw: FolderBlobs
) -> None:
    class Odd(SealedBlobs):
        def put_new(self, source: BinaryIO) -> Fresh:
            data = source.read()
            if data == b"bad":
                raise ValueError("the answer was A1234BC")
            return super().put_new(io.BytesIO(data))

    post.put("1.pdf", b"bad")
    post.put("2.pdf", b"good")
    watching = post.watch(box=IntakeBox(post.store, Odd(raw, post.store), jobs))
    post.look(watching, 4)
    assert post.here()["done"] == ["2.pdf"]
    post.look(watching, 12)
    assert post.here() == {"done": ["2.pdf"], "set-aside": ["1.pdf"]}
    assert len(post.bugs) == watch.TRIES
    assert post.fates() == {"accepted": 1, "set-aside": 1}


def test_a_file_that_changes_while_it_is_read_is_not_taken_in(
    post: Post, jobs: Jobs, raw: FolderBlobs
) -> None:
    class Late(SealedBlobs):
        def put_new(self, source: BinaryIO) -> Fresh:
            if late:
                (claimed,) = (post.folder / ".taking").rglob("a.pdf")
                with claimed.open("ab") as file:
                    file.write(late.pop())
            return super().put_new(source)

    late = [b" and more"]
    post.put("a.pdf", b"half")
    watching = post.watch(box=IntakeBox(post.store, Late(raw, post.store), jobs))
    post.look(watching, 4)
    assert post.fates() == {"appeared": 1}
    post.look(watching, 4)
    assert post.fates() == {"accepted": 1}
    with post.store.look() as kept:
        (intake,) = kept.intakes.last()
    blobs = SealedBlobs(raw, post.store)
    assert blobs.get(intake.blob, file_scope(intake.id)) == b"half and more"


def test_a_file_taken_away_from_under_our_hands_is_told_as_gone(
    post: Post, jobs: Jobs, blobs: SealedBlobs
) -> None:
    failing = Failing(blobs, DiskFull())
    post.put("a.pdf")
    watching = post.watch(box=IntakeBox(post.store, failing, jobs))
    post.look(watching, 3)
    (claimed,) = (post.folder / ".taking").rglob("a.pdf")
    claimed.unlink()
    post.look(watching, 6)
    assert post.fates() == {"set-aside": 1}
    assert post.ended[-1].line.reason == "file-gone"


def test_whatever_was_set_aside_can_be_tried_again(post: Post) -> None:
    post.put("wing b/half.part", b"whole after all")
    watching = post.watch()
    post.look(watching, 20, seconds=60)
    with post.store.begin() as kept:
        (aside,) = kept.ledger.aside()
        kept.ledger.again(aside.number, by="pat", at=aside.seen_at)
    post.look(watching, 6)
    assert post.fates() == {"accepted": 1}
    assert post.here() == {"done": ["half.part"]}
    with post.store.look() as kept:
        assert kept.ledger.aside() == ()
        assert "file-again" in {each.what for each in kept.events.last()}


def test_what_is_no_folder_of_its_own_is_not_watched(post: Post, tmp_path: Path) -> None:
    with pytest.raises(FolderMissing):
        Post(tmp_path / "none", post.store, post.box).watch()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderMissing):
        Post(tmp_path / "file", post.store, post.box).watch()
    (post.folder / "done").symlink_to(tmp_path)
    with pytest.raises(FolderUnfit):
        post.watch()


def test_two_watchers_share_a_folder_and_take_each_file_once(post: Post) -> None:
    for number in range(30):
        post.put(f"{number}.pdf", b"%d" % number)
    stop, watchers = threading.Event(), [post.watch(settle_seconds=0.0) for _ in range(2)]
    threads = [
        threading.Thread(target=each.run, args=(stop,), kwargs={"every": 0.02, "until_idle": True})
        for each in watchers
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert post.fates() == {"accepted": 30}
    assert len(post.here()["done"]) == 30
    assert Counter(each.line.id for each in post.ended).most_common(1)[0][1] == 1
    assert post.troubles == []


def test_two_watchers_of_one_claim_keep_it_once(post: Post, jobs: Jobs, blobs: SealedBlobs) -> None:
    """Where a share has no locks, both see to what a third has left behind."""
    left = Failing(blobs, KeyboardInterrupt())
    post.put("a.pdf", b"a")
    dead = post.watch(box=IntakeBox(post.store, left, jobs))
    with pytest.raises(KeyboardInterrupt):
        post.look(dead)
    one, other = post.watch(), post.watch()
    for _ in range(6):
        post.look(one, 1)
        post.look(other, 1)
    assert post.fates() == {"accepted": 1}
    assert post.here() == {"done": ["a.pdf"]}


class Crash(BaseException):
    """The power goes."""


class Power:
    """Goes at the so-manieth step that changes anything, before or after it; then all is dead."""

    def __init__(self) -> None:
        self.steps, self.until, self.after = 0, 10**9, False

    def on(self) -> None:
        self.steps, self.until = 0, 10**9

    def goes(self, until: int, *, after: bool) -> None:
        self.steps, self.until, self.after = 0, until, after

    def counted(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **named: Any) -> Any:
            self.steps += 1
            if self.steps < self.until:
                return act(*given, **named)
            if self.steps == self.until and self.after:
                act(*given, **named)
            raise Crash

        return step


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Iterator[Power]:
    from sqlalchemy.engine.default import DefaultDialect

    made = Power()
    for where, name in (
        (watch.os, "rename"),
        (watch.os, "mkdir"),
        (open_folders, "_renameat2"),
        (FolderBlobs, "put_stream"),
        (DefaultDialect, "do_commit"),
    ):
        monkeypatch.setattr(where, name, made.counted(getattr(where, name)))
    yield made
    made.on()


class Trial:
    """A folder with files of some kinds, in a store that others have used before."""

    def __init__(self, store: Store, jobs: Jobs, folder: Path, kinds: list[str]) -> None:
        blobs = SealedBlobs(FolderBlobs(folder.with_name(f"{folder.name}-blobs")), store)
        self.post = Post(folder, store, IntakeBox(store, blobs, jobs))
        self.kinds = kinds
        self.before = self._counted()
        salt = os.urandom(8)
        for number, kind in enumerate(kinds):
            if kind == "link":
                (folder / f"{number}").symlink_to("/etc/hostname")
            elif kind == "half":
                self.post.put(f"{number}.part", salt + b"%d" % number)
            else:
                data = b"same" if kind == "same" else b"%d" % number
                self.post.put(f"{number}.pdf", salt + data)

    def run(self, looks: int) -> None:
        """Start the watcher, as after a restart."""
        self.post.look(self.post.watch(unfinished_seconds=5.0), looks)

    def check(self) -> None:
        """Make sure that each file has the one end that it should have."""
        found = self._counted() - self.before
        same, links = self.kinds.count("same"), self.kinds.count("link")
        halves = self.kinds.count("half")
        twice = max(0, same - 1)
        assert found == +Counter(
            {
                "accepted": len(self.kinds) - links - halves - twice,
                "duplicate": twice,
                "path-odd": links,
                "file-unfinished": halves,
            }
        )
        lies = self.post.here()
        assert len(lies.get("done", ())) == len(self.kinds) - links - halves
        assert len(lies.get("set-aside", ())) == links + halves
        assert set(lies) <= {"done", "set-aside"}

    def _counted(self) -> Counter[str]:
        with self.post.store.look() as kept:
            added = kept.ledger.sum()
            assert added.adds_up
            ends = Counter({str(fate): n for fate, n in added.fates.items()})
            del ends[Fate.SET_ASIDE]
            return ends + Counter(each.reason for each in kept.ledger.aside(10_000))


def test_a_crash_at_each_single_step_leaves_every_file_one_end(
    store: Store,
    jobs: Jobs,
    tmp_path_factory: pytest.TempPathFactory,
    power: Power,
) -> None:
    kinds = ["same", "same", "link", "half"]
    whole = Trial(store, jobs, tmp_path_factory.mktemp("inbox"), kinds)
    power.on()
    whole.run(8)
    steps = power.steps
    whole.check()
    assert steps > 20
    for step in range(1, steps + 1):
        trial = Trial(store, jobs, tmp_path_factory.mktemp("inbox"), kinds)
        power.goes(step, after=False)  # After one is before the next.
        with suppress(Crash):
            trial.run(8)
        power.on()
        trial.run(8)
        trial.check()


KINDS = st.sampled_from(["a", "b", "c", "same", "link", "half"])


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(KINDS, min_size=1, max_size=7),
    crashes=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=4),
)
def test_after_any_crashes_every_file_has_exactly_one_end(
    store: Store,
    jobs: Jobs,
    tmp_path_factory: pytest.TempPathFactory,
    power: Power,
    kinds: list[str],
    crashes: list[tuple[int, bool]],
) -> None:
    power.on()
    trial = Trial(store, jobs, tmp_path_factory.mktemp("inbox"), kinds)
    for step, after in crashes:
        power.goes(step, after=after)
        with suppress(Crash):
            trial.run(6)
    power.on()
    trial.run(10)
    trial.check()


def test_a_line_that_has_ended_is_never_ended_by_a_second_watcher(post: Post) -> None:
    with post.store.begin() as kept:
        kept.ledger.appear({"a" * 32: 1}, way="watch", place="p", at=NOW)
    first, second = (
        post.box.take_stream(io.BytesIO(b"1"), name="", by="pat", at=NOW, sighting="a" * 32)
        for _ in range(2)
    )
    assert (first.duplicate, second.duplicate) == (False, False)
    assert first.intake == second.intake
    assert post.fates() == {"accepted": 1}


def test_a_watcher_killed_at_any_moment_loses_nothing_and_takes_nothing_twice(
    post: Post, raw: FolderBlobs
) -> None:
    rng, number = random.Random(4), 0
    for _ in range(6):
        for _ in range(8):
            number += 1
            post.put(f"{number}.pdf", b"%d" % (number - number % 10))  # some are the same
        child = os.fork()
        if not child:
            with suppress(BaseException):
                store = Store(post.store.url, post.store.vault)
                box = IntakeBox(store, SealedBlobs(raw, store), Jobs(store))
                alone = Post(post.folder, store, box).watch(settle_seconds=0.0)
                alone.run(threading.Event(), every=0.005)
            os._exit(0)
        time.sleep(rng.uniform(0.05, 0.35))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    post.look(post.watch(), 8)
    fates = post.fates()
    distinct = len({n - n % 10 for n in range(1, number + 1)})
    assert fates == {"accepted": distinct, "duplicate": number - distinct}
    assert len(post.here()["done"]) == number
    assert set(post.here()) == {"done"}


def test_a_line_that_ended_well_cannot_be_ended_otherwise(post: Post) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import IntegrityError

    post.put("a.pdf")
    post.look(post.watch())
    with (
        pytest.raises(IntegrityError, match="stays accepted"),
        post.store.database.engine.begin() as connection,
    ):
        connection.execute(text("UPDATE ledger SET state='set-aside', intake=NULL"))


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    from storage.ledger import REASONS

    for problem in REASONS.values():
        told: UserError = problem()
        assert told.message.endswith(".")
        assert told.remedy.endswith(".")


def test_what_was_moved_to_done_goes_in_its_time_and_nothing_else_there(post: Post) -> None:
    now = [NOW]
    watching = post.watch(done_days=30, now=lambda: now[0])
    post.put("a.pdf", b"one")
    post.put("wing/a.pdf", b"two")
    post.put("again.pdf", b"one")
    post.look(watching)
    assert post.here()["done"] == ["a.pdf", "again.pdf", "wing/a.pdf"]
    post.put("done/theirs.pdf", b"somebody put it there")
    (post.folder / "done" / "wing" / "a.pdf").write_bytes(b"somebody else's")
    post.put("b.pdf", b"three")
    now[0] += timedelta(days=29)
    post.clock.at += watch.SWEEP_SECONDS
    post.look(watching)
    assert len(post.here()["done"]) == 5
    now[0] += timedelta(days=1)
    post.clock.at += watch.SWEEP_SECONDS
    post.look(watching)
    assert post.here()["done"] == ["b.pdf", "theirs.pdf", "wing/a.pdf"]
    assert post.fates() == {"accepted": 3, "duplicate": 1}
    with post.store.look() as kept:
        assert [each.what for each in kept.events.last(2)] == ["file-done-deleted"] * 2
    assert post.troubles == []


def test_what_was_moved_to_done_stays_where_nobody_set_a_time(post: Post) -> None:
    now = [NOW]
    watching = post.watch(now=lambda: now[0])
    post.put("a.pdf")
    post.look(watching)
    now[0] += timedelta(days=9999)
    post.clock.at += 2 * watch.SWEEP_SECONDS
    post.look(watching)
    assert post.here()["done"] == ["a.pdf"]


def test_two_files_of_one_name_in_a_batch_both_lie_in_done_and_both_go(post: Post) -> None:
    now = [NOW]
    watching = post.watch(done_days=1, now=lambda: now[0])
    for data in (b"one", b"two"):
        post.put("a.pdf", data)
        post.look(watching)
    assert len(post.here()["done"]) == 2
    now[0] += timedelta(days=1)
    post.clock.at += watch.SWEEP_SECONDS
    post.look(watching)
    assert "done" not in post.here()


def test_a_certificate_says_that_scans_lie_in_done_when_a_folder_is_watched(post: Post) -> None:
    def elsewhere() -> str:
        with post.store.begin() as kept:
            number = kept.certificates.begin("retention", by="pat", at=NOW)
            kept.certificates.end(number, at=NOW)
            return kept.certificates.seal(number, by="pat", at=NOW).to_text()

    assert "done/" not in elsewhere()
    post.put("a.pdf")
    post.look(post.watch())
    assert "lie in done/ of the watched folder" in elsewhere()
