"""From inside the sandbox nothing of this machine is to be seen, reached or changed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline import decoder, sandbox
from pipeline.intake import FileDamaged, OpenFile, count_pages, open_file
from pipeline.sandbox import OF_THE_MACHINE, STRICT, Sandbox, SandboxMissing
from pipeline.stages import Quarantined, Scan


def inside(script: str, file: Path | None = None) -> str:
    """Run a script of ours where the decoder runs, as confined as it is; give what it says."""
    before = "import os, sys, decoder; decoder.confine(decoder.ADDRESS_SPACE)\n"
    walls, python = list(sandbox._walls()), list(sandbox._python())
    python[python.index("-c") + 1] = before + script
    reading, writing = os.pipe()
    os.write(writing, sandbox._filter())
    os.close(writing)
    with (file or Path(os.devnull)).open("rb") as given:
        told = subprocess.run(
            [*walls, "--seccomp", str(reading), "--", *python],
            stdin=given,
            capture_output=True,
            text=True,
            pass_fds=(reading,),
            env={"SECRET": "from outside"},
            timeout=60,
        )
    os.close(reading)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


def test_the_sandbox_holds_here() -> None:
    assert STRICT.holds(), "bubblewrap and libseccomp must be installed for the tests"
    assert STRICT.check() == "holds"


def test_nothing_is_there_but_python_and_what_decodes() -> None:
    assert inside("print(sorted(os.listdir('/')))") in (
        "['cell', 'dev', 'lib', 'lib64', 'tmp', 'usr']",
        "['cell', 'dev', 'lib', 'tmp', 'usr']",
    )
    assert inside("print(os.listdir('/dev'), os.listdir('/tmp'))") == "['urandom'] []"
    assert inside("print('/usr/bin' in os.listdir('/usr'), os.path.exists('/usr/bin'))").endswith(
        "False"
    )
    held = set(inside("print(*os.listdir('/cell/packages'))").split())
    assert {"PIL", "pikepdf", "pypdfium2", "decoder.py"} <= held
    assert not held & {"numpy", "cv2", "sqlalchemy", "cryptography", "kiosk", "storage", "forms"}


@pytest.mark.parametrize("name", ["/etc/passwd", "/proc", "/home", "/root", "/sys", "/var"])
def test_no_file_of_this_machine_is_there(name: str) -> None:
    assert inside(f"print(os.path.exists({name!r}))") == "False"


def test_this_source_and_its_data_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for each in (tmp_path / "secret", Path(__file__)):
        assert inside(f"print(os.path.exists({str(each)!r}))") == "False"


@pytest.mark.parametrize(
    "act",
    [
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(('1.1.1.1', 80))",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('1.1.1.1', 53))",
        "import socket; socket.socket(socket.AF_UNIX)",
        "os.fork()",
        "open('/tmp/x', 'w')",
        "os.mkdir('/tmp/x')",
        "open('/cell/packages/decoder.py', 'a')",
        "os.symlink('/x', '/tmp/y')",
        "os.kill(1, 9) or os.kill(5000, 0)",
        "os.setuid(0)",
        "os.chroot('/cell')",
        "import socket; socket.sethostname('x')",
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1, 1))",
    ],
)
def test_nothing_can_be_reached_or_changed(act: str) -> None:
    outcome = inside(
        f"try:\n {act}\n print('done')\nexcept (OSError, ValueError) as e: print('refused')"
    )
    assert outcome == "refused"


def test_of_three_hundred_forks_and_threads_none_works() -> None:
    script = (
        "import threading\ndone = 0\n"
        "for _ in range(300):\n"
        " try:\n"
        "  if os.fork() == 0: os._exit(0)\n"
        "  done += 1\n"
        " except OSError: pass\n"
        " try:\n"
        "  threading.Thread(target=print).start()\n"
        "  done += 1\n"
        " except RuntimeError: pass\n"
        "print(done)"
    )
    assert inside(script) == "0"


def test_who_and_where_it_is_stays_hidden() -> None:
    told = inside(
        "print(os.uname().nodename, os.getuid(), os.getgid(), os.getpid() < 5,"
        " sorted(os.environ), os.getcwd())"
    )
    assert told == "cell 65534 65534 True ['LD_LIBRARY_PATH', 'PWD', 'PYTHONPATH', 'PYTHONUTF8'] /"
    assert inside("print(sys.prefix, [p for p in sys.path if not p.startswith('/cell')])") == (
        "/cell []"
    )


def test_no_capability_is_left_and_none_can_be_had() -> None:
    script = (
        "import ctypes; c = ctypes.CDLL(None)\n"
        "print([c.prctl(23, n, 0, 0, 0) for n in range(38)].count(1), c.prctl(39, 0, 0, 0, 0))"
    )
    assert inside(script) == "0 1"  # bounding set empty, no new privileges


def test_only_the_file_and_the_two_ends_of_pipes_are_open() -> None:
    script = (
        "def there(n):\n"
        " try: return os.fstat(n) is not None\n"
        " except OSError: return False\n"
        "print([n for n in range(1024) if there(n)])"
    )
    assert inside(script) == "[0, 1, 2]"


def test_the_file_can_be_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"scan")
    script = (
        "print(os.read(0, 9))\n"
        "try: os.write(0, b'x')\n"
        "except OSError: print('refused')\n"
        "import mmap\n"
        "try: mmap.mmap(0, 4, prot=mmap.PROT_WRITE); print('mapped')\n"
        "except (OSError, ValueError): print('refused')"
    )
    assert inside(script, tmp_path / "f").split("\n") == ["b'scan'", "refused", "refused"]


def test_bytes_are_handed_over_read_only_too() -> None:
    held: list[str] = []

    class Looks(Sandbox):
        def start(self, arguments: object, *, file: int, requests: int) -> subprocess.Popen[bytes]:
            held.append(Path(f"/proc/self/fdinfo/{file}").read_text())
            raise SandboxMissing

    list(open_file(b"%PDF-", "x", sandbox=Looks()))
    flags = next(line.split()[1] for line in held[0].splitlines() if line.startswith("flags"))
    assert int(flags, 8) & os.O_ACCMODE == os.O_RDONLY


def test_more_memory_than_allowed_is_not_had() -> None:
    script = "try: bytearray(800 * 1024 * 1024); print('had')\nexcept MemoryError: print('no')"
    assert inside(script) == "no"


def test_what_looks_round_says_nothing_where_it_is_not_shut_in() -> None:
    told = subprocess.run(
        [sys.executable, "-I", decoder.__file__, decoder.LOOK], capture_output=True, timeout=60
    )
    assert told.stdout == b""


# ------------------------------------------------------------------ with no sandbox


def png() -> bytes:
    out = io.BytesIO()
    Image.new("L", (60, 80), 240).save(out, "PNG")
    return out.getvalue()


def test_with_no_sandbox_a_file_is_set_aside_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "_LOOKED", sandbox._Looked())
    monkeypatch.setattr(sandbox, "_look", lambda: False)
    monkeypatch.setattr(sandbox, "_start", lambda *_: pytest.fail("something was started"))
    (item,) = open_file(png(), "x")
    assert isinstance(item, Quarantined)
    assert item.code == "sandbox-missing"
    assert item.code in OF_THE_MACHINE
    with pytest.raises(SandboxMissing):
        count_pages(png())
    with pytest.raises(SandboxMissing):
        STRICT.check()


def test_only_the_setting_of_developers_opens_files_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "_LOOKED", sandbox._Looked())
    monkeypatch.setattr(sandbox, "_look", lambda: False)
    open_house = Sandbox(required=False)
    (item,) = open_file(png(), "x", sandbox=open_house)
    assert isinstance(item, Scan)
    assert "without" in open_house.check()


def test_a_sandbox_that_comes_back_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True, False])
    monkeypatch.setattr(sandbox, "_LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(sandbox, "_look", lambda: next(answers))
    looked = sandbox._Looked()
    assert [looked.holds() for _ in range(4)] == [False, True, True, True]


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_without_bubblewrap_the_look_says_no(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(sandbox, "_walls", lambda: (f"{path}/bwrap-that-is-not-there",))
    assert not sandbox._look()


# ------------------------------------------------------------------ the end of a process


def test_the_thread_that_asked_may_end_and_the_process_lives_on() -> None:
    got: list[Scan | Quarantined] = []
    file = OpenFile(png(), "x")
    threads = [threading.Thread(target=lambda: got.append(file.read(0))) for _ in range(2)]
    for each in threads:
        each.start()
        each.join()
    child = file._child
    assert child is not None
    assert child._process.poll() is None
    assert [type(each) for each in got] == [Scan, Scan]
    file.close()


def test_when_this_program_is_killed_the_processes_it_opened_files_in_end_too() -> None:
    script = (
        "import sys, time; from pipeline.intake import OpenFile\n"
        f"f = OpenFile({png()!r}, 'x'); f.read(0)\n"
        "print(f._child._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(sandbox.__file__).parents[1],
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        below = Path(f"/proc/{child}/task/{child}/children").read_text().split()
        parent.kill()
    end = time.monotonic() + 10
    while any(_runs(int(each)) for each in (child, *below)):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_damaged_file_says_the_same_in_the_sandbox() -> None:
    (item,) = open_file(b"%PDF-1.7\n", "x")
    assert isinstance(item, Quarantined)
    assert item.code == FileDamaged.code
