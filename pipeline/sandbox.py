"""Where untrusted files are opened: a process that sees nothing of this machine.

`pipeline.intake` decodes nothing itself; it has `pipeline.decoder` started here, once a file and
slice of its pages. Bubblewrap gives that process namespaces of its own: no network, no other
process, no user, no file but Python and the packages that decode, under neutral names and
read-only. It holds the file (read-only), a pipe it is asked by and a pipe it answers on; no
capability, no environment, no /proc, no device but the random one, no home, an empty /tmp. A
filter of system calls made by libseccomp is a second layer, the decoder's own limits
(`decoder.confine`) a third.

The first start looks whether all that holds, from inside. Where it does not, nothing is opened.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path

from forms.errors import UserError
from pipeline import decoder


class SandboxMissing(UserError):
    """Nothing is opened where it cannot be shut in."""

    code = "sandbox-missing"
    message = "Files cannot be opened safely on this computer, so this one was not opened."
    remedy = (
        "Ask the person who looks after this computer to run `counterfoil doctor`; once its "
        "sandbox holds, what was set aside for this is read by itself."
    )


class OpenerMissing(UserError):
    """The process that opens files cannot be started, though its sandbox holds."""

    code = "opener-missing"
    message = "The part of this system that opens files safely could not be started."
    remedy = (
        "Ask the person who looks after this system to run `counterfoil doctor`, then try again."
    )


OF_THE_MACHINE: frozenset[str] = frozenset((SandboxMissing.code, OpenerMissing.code))
"""Codes that say nothing of the file: tried again, it may well be read."""

_PACKAGES = ("pillow", "pikepdf", "pypdfium2")
"""What decodes; what they need comes with them."""

_LOOK_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 15.0
"""A sandbox that did not hold may be there after a while: somebody installs it."""

_REFUSED_CALLS = (
    # no further process or thread
    *("clone", "clone3", "fork", "vfork", "execveat"),
    # no other namespace, no mount
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "sethostname", "setdomainname"),
    # no talk but over the pipes
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendmsg"),
    *("sendto", "sendmmsg", "recvmsg", "mq_open", "msgget", "semget", "shmget"),
    # no look into others
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open", "pidfd_getfd"),
    *("process_madvise", "open_by_handle_at", "name_to_handle_at"),
    # no corner of the kernel that decoding has no use for
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "keyctl", "add_key", "request_key", "kexec_load", "kexec_file_load"),
    *("init_module", "finit_module", "delete_module", "acct", "quotactl", "reboot", "syslog"),
    *("swapon", "swapoff", "iopl", "ioperm", "modify_ldt", "personality", "vmsplice"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "fanotify_init"),
)

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0), of seccomp.h


class Sandbox:
    """Starts the decoder, shut in.

    Args:
        required: open nothing where the sandbox does not hold. Only developers set this to
            False; files are then opened in a process whose resources are limited.
    """

    def __init__(self, *, required: bool = True) -> None:
        self.required = required

    def start(
        self, arguments: Sequence[str], *, file: int, requests: int
    ) -> subprocess.Popen[bytes]:
        """Start the decoder on a file.

        Args:
            arguments: the decoder's, after the number of the pipe it is asked by.
            file: a descriptor of the file, open for reading only.
            requests: the reading end of a pipe that it is asked by.

        Returns:
            The process; its standard output is a pipe.

        Raises:
            SandboxMissing: the sandbox does not hold here.
            OpenerMissing: the process does not start.
        """
        told = [str(requests), *arguments]
        if self.holds():
            return _start_shut_in(told, file, (requests,))
        if self.required:
            raise SandboxMissing
        command = [sys.executable, "-I", decoder.__file__, *told]
        return _start(command, file, (requests,), {"LANG": "C.UTF-8"})

    def holds(self) -> bool:
        """Say whether files are shut in here; looked at once, and again while the answer is no."""
        return _LOOKED.holds()

    def check(self) -> str:
        """Say in a few words how files are opened here.

        Raises:
            SandboxMissing: nothing is opened.
        """
        if self.holds():
            return "holds" if _filter() else "holds, without the filter of system calls"
        if self.required:
            raise SandboxMissing
        return "not there: files are opened without it"


STRICT = Sandbox()


class _Looked:
    """What this process has found out about the sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: bool | None = None
        self._until = 0.0

    def holds(self) -> bool:
        """Give what was found, or look."""
        with self._lock:
            if self._holds is None or (not self._holds and time.monotonic() >= self._until):
                self._holds = _look()
                self._until = time.monotonic() + _LOOK_AGAIN_SECONDS
            return self._holds


_LOOKED = _Looked()


def _look() -> bool:
    """Have the decoder look round from inside, and believe it only when all is shut."""
    with tempfile.TemporaryFile() as nothing:
        try:
            process = _start_shut_in([decoder.LOOK], nothing.fileno(), ())
        except OpenerMissing:
            return False
        try:
            told, _ = process.communicate(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False
        return process.returncode == 0 and told == decoder.SHUT_IN


# ------------------------------------------------------------------ starting


def _start_shut_in(
    arguments: list[str], file: int, pass_on: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    program = _filter()
    if not program:
        # The filter also refuses namespaces within; containers do not let bubblewrap do that.
        command = [*_walls(), "--disable-userns", "--", *_python(), *arguments]
        return _start(command, file, pass_on, {})
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        os.write(writing, program)
        os.close(writing)
        command = [*_walls(), "--seccomp", str(reading), "--", *_python(), *arguments]
        return _start(command, file, (*pass_on, reading), {})
    finally:
        os.close(reading)


def _start(
    command: list[str], file: int, pass_on: tuple[int, ...], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=pass_on,
            env=environment,
            cwd="/",
            bufsize=0,
        )

    try:
        return _starter().submit(start).result()
    except OSError:
        raise OpenerMissing from None


@lru_cache(maxsize=1)
def _starter() -> ThreadPoolExecutor:
    """Give the one thread that starts every child: the system ends them with their starter."""
    return ThreadPoolExecutor(1, thread_name_prefix="opener")


# ------------------------------------------------------------------ walls


@lru_cache(maxsize=1)
def _walls() -> tuple[str, ...]:
    """Give bubblewrap's command line, but for what it runs.

    Python stands under `/cell` whatever its place outside, so that it runs the same from a
    virtual environment, an image or the system, and no name of this machine is to be seen.
    """
    walls = [
        *(shutil.which("bwrap") or "bwrap", "--unshare-user"),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"),
        *("--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "cell"),
        *("--dir", "/tmp", "--dev-bind", "/dev/urandom", "/dev/urandom"),
    ]
    for where, what in _system_libraries():
        walls += ["--symlink" if where.startswith(">") else "--ro-bind", what, where.lstrip(">")]
    for place, part in _parts():
        walls += ["--ro-bind", str(part), place]
    for name, value in {
        "LD_LIBRARY_PATH": "/cell/lib",
        "PYTHONPATH": "/cell/packages",
        "PYTHONUTF8": "1",
    }.items():
        walls += ["--setenv", name, value]
    return (*walls, "--chdir", "/", "--remount-ro", "/")


def _python() -> tuple[str, ...]:
    """Give the command inside: no site, no user's packages, no byte code written."""
    run = "import sys, decoder; sys.exit(decoder.main(sys.argv[1:]))"  # its byte code is there
    return ("/cell/bin/python3", "-s", "-S", "-P", "-B", "-c", run)


def _parts() -> list[tuple[str, Path]]:
    """Give each part of Python that decoding needs, and where it stands inside."""
    standard = Path(sysconfig.get_path("stdlib"))
    script = Path(decoder.__file__)
    parts = [
        ("/cell/packages/decoder.py", script),
        ("/cell/bin/python3", Path(sys.executable).resolve()),
        (f"/cell/lib/{standard.name}", standard),
    ]
    parts += [(f"/cell/lib/{each.name}", each) for each in _libpython()]
    code = Path(cache_from_source(script))
    if code.exists():
        parts.append((f"/cell/packages/__pycache__/{code.name}", code))
    parts += [(f"/cell/packages/{each.name}", each) for each in _packages(_PACKAGES)]
    return parts


def _libpython() -> list[Path]:
    """Give the library that this Python's own code is in; most have none."""
    name = re.compile(r"(/\S*/libpython3[\w.]*\.so[\w.]*)$")
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    found = {match[1] for line in mapped.splitlines() if (match := name.search(line))}
    return [Path(each) for each in sorted(found)]


def _packages(names: Sequence[str]) -> list[Path]:
    """Give the folders and modules of installed packages and of all that those require."""
    found: dict[Path, None] = {}
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        package = metadata.distribution(name)
        for file in package.files or ():
            top = Path(str(package.locate_file(file.parts[0])))
            if not top.name.startswith(("_", ".")) and top.suffix in ("", ".libs"):
                found[top] = None
        waiting += [
            re.split(r"[^\w.-]", each, maxsplit=1)[0].lower()
            for each in package.requires or ()
            if "extra ==" not in each
        ]
    return [each for each in found if each.exists()]


def _system_libraries() -> list[tuple[str, str]]:
    """Give the folders of the system's own libraries; a name after `>` is a link."""
    shared = str(sysconfig.get_config_var("MULTIARCH") or "")
    found = []
    for top in ("/lib", "/lib64"):
        if Path(top).is_symlink():
            found.append((f">{top}", str(Path(top).readlink())))
        elif Path(top, shared).is_dir() and top == "/lib":
            found.append((f"{top}/{shared}".rstrip("/"),) * 2)
        elif Path(top).is_dir():
            found.append((top, top))
    own = (f"/usr/lib/{shared}" if shared else "/usr/lib", "/usr/lib64")
    return found + [(each, each) for each in own if Path(each).is_dir()]


@lru_cache(maxsize=1)
def _filter() -> bytes:
    """Have libseccomp write the filter of system calls; nothing where it is not installed."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return b""
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_exact.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int]
    library.seccomp_rule_add_exact.argtypes += [ctypes.c_uint]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    rules = library.seccomp_init(_ALLOW)
    try:
        for name in _REFUSED_CALLS:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:  # below are calls that this processor does not have
                library.seccomp_rule_add_exact(rules, _REFUSE | errno.EPERM, number, 0)
        with tempfile.TemporaryFile() as written:
            library.seccomp_export_bpf(rules, written.fileno())
            written.seek(0)
            return written.read()
    finally:
        library.seccomp_release(rules)
