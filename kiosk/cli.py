"""The `counterfoil` command: print, read, scan, work, serve, export, and look after it all.

Data goes to standard output. What is said to people, and progress, goes to standard error.
Exit status: 0 done, 1 something was set aside or refused, 2 wrong use. Whatever is slow to
import is imported inside the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from forms.errors import UserError
from forms.file_names import base_name, shown

if TYPE_CHECKING:
    from kiosk.compose import House
    from kiosk.health import Pulse
    from storage.archive import Manifest
    from storage.erasures import Shown
    from storage.terminals import Terminal

_WRONG_USE: type[Exception] = cast("type[Exception]", typer.BadParameter.__mro__[2])
"""The base of every kind of wrong use; Typer gives it no name of its own."""

_PASS_ON = (typer.Exit, typer.Abort, _WRONG_USE, EOFError, BrokenPipeError)
"""What the command line itself knows how to end with."""


class _Told(TyperGroup):
    """Tells every failure in plain words; nobody sees a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a failure is one sentence and a remedy, and exit status 1."""
        try:
            return super().invoke(ctx)
        except _PASS_ON:
            raise
        except UserError as problem:
            _tell(problem)
        except Exception as bug:
            _tell(_noted(bug, ctx.invoked_subcommand or "start"))
        raise typer.Exit(1)


app = typer.Typer(
    cls=_Told,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Paper forms: print them, read them back, and know of each copy what became of it.",
)
serve = typer.Typer(no_args_is_help=True, help="Run a web app.")
roll = typer.Typer(no_args_is_help=True, help="The people of the establishment.")
keep_apart = typer.Typer(no_args_is_help=True, help="Who must be kept apart.")
staff = typer.Typer(no_args_is_help=True, help="Who may sign in.")
records = typer.Typer(no_args_is_help=True, help="Verified records.")
audit = typer.Typer(no_args_is_help=True, help="The list of who did what.")
hold = typer.Typer(no_args_is_help=True, help="What may not be destroyed, whatever its clock says.")
retention = typer.Typer(no_args_is_help=True, help="What is kept for how long.")
erase = typer.Typer(invoke_without_command=True, help="Erase a person; two people are needed.")
database = typer.Typer(no_args_is_help=True, help="The database, where it is a server's.")
app.add_typer(serve, name="serve")
app.add_typer(roll, name="roll")
app.add_typer(keep_apart, name="keep-apart")
app.add_typer(staff, name="staff")
app.add_typer(records, name="records")
app.add_typer(audit, name="audit")
app.add_typer(hold, name="hold")
app.add_typer(retention, name="retention")
app.add_typer(erase, name="erase")
app.add_typer(database, name="database")
terminal = typer.Typer(no_args_is_help=True, help="The kiosk's terminals: which may be served.")
app.add_typer(terminal, name="terminal")
keys = typer.Typer(no_args_is_help=True, help="The keys that open what is kept.")
app.add_typer(keys, name="keys")

Form = Annotated[str, typer.Argument(help="The form, such as rj-1; see `counterfoil forms`.")]
Language = Annotated[str, typer.Option(help="Language code.")]
LargePrint = Annotated[bool, typer.Option("--large-print", help="The 18 pt variant.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace a file that is there, instead of keeping it under another name."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


LEDGER_WRONG = (
    "The ledger and what is kept do not add up. Keep everything as it is, run `counterfoil audit "
    "verify`, and tell the person who looks after this system."
)


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="counterfoil")


# Forms and paper


@app.command("forms")
def list_forms(as_json: AsJson = False) -> None:
    """List the form types."""
    from forms.library import FORMS
    from forms.published import published

    listed: list[dict[str, Any]] = [
        {
            "id": each.id,
            "version": each.version,
            "title": each.title,
            "languages": list(each.languages),
            "pages": len(published(each.id, each.version, each.languages[0]).layout.pages),
        }
        for each in FORMS
    ]
    if as_json:
        _print_json(listed)
        return
    _table(
        ("id", "version", "title", "languages", "pages"),
        [[*list(each.values())[:3], ",".join(each["languages"]), each["pages"]] for each in listed],
    )


@app.command("layout")
def show_layout(
    form: Form,
    version: Annotated[int | None, typer.Option(help="The newest when left out.")] = None,
    language: Language = "en",
    large_print: LargePrint = False,
) -> None:
    """Say where everything lies on a form, as JSON; rj-2 is one slip, not the sheet."""
    from forms.published import published_as_asked

    found = published_as_asked(form.lower(), version, language.lower(), large_print=large_print)
    _print_json(found.layout.to_json())


@app.command("print")
def print_form(
    form: Form,
    out: Annotated[Path, typer.Option(help="The PDF file to write.", dir_okay=False)],
    copies: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 1,
    establishment: Annotated[str, typer.Option(help="Prison code, such as MTI.")] = "",
    wing: Annotated[str, typer.Option(help="Where the pad belongs, such as B.")] = "",
    language: Language = "en",
    person: Annotated[str, typer.Option(help="Prison number it is bound to.")] = "",
    fillable: Annotated[bool, typer.Option("--fillable", help="To fill in on a screen.")] = False,
    large_print: LargePrint = False,
    force: Force = False,
) -> None:
    """Issue copies of a form, each with its own serial, and write one PDF; gives the serials.

    Whoever takes an rj-1 in writes on its strip, by hand, when the person will be seen; print
    rj-2 on both sides, turned on the long edge.
    """
    if fillable and copies != 1:
        raise typer.BadParameter(
            "One fillable PDF holds one copy: leave --copies out, or print each by itself."
        )
    from kiosk.issue import Order, issue

    order = Order(
        form=form.lower(),
        copies=copies,
        establishment=establishment.strip().upper(),
        wing=wing.strip().upper(),
        language=language.lower(),
        person=person.strip().upper(),
        large_print=large_print,
        fillable=fillable,
    )
    order.check()
    with _house() as house, _progress("Printing", copies) as told:
        issued = issue(
            house.store,
            order,
            out,
            by=_who(),
            at=_now(),
            replace=force,
            keep_years=house.settings.keep_years,
            progress=told,
        )
    for serial in issued.serials:
        typer.echo(serial)
    _say(f"Wrote {_count(copies, 'copy', 'copies')} of {order.form} to {shown(out)}.")
    for note in issued.notes:
        _say(note)


# Reading and keeping


@app.command("read")
def read_scans(
    files: Annotated[list[Path], typer.Argument(help="PDF, TIFF, JPEG or PNG.")],
    roll_file: Annotated[
        Path | None, typer.Option("--roll", help="A roll to match people against.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    drafts: Annotated[
        bool, typer.Option("--drafts/--no-drafts", help="Suggest what free text says.")
    ] = True,
) -> None:
    """Read scans without keeping anything: one JSON object a page, in input order."""
    from kiosk.read_files import read_files
    from pipeline.glass import dirty_batches
    from pipeline.intake import OF_THE_FILE

    refused = False
    noted: list[tuple[Path, list[list[str]]]] = []
    found = read_files(files, roll=roll_file, jobs=jobs, drafts=drafts)
    with _progress("Reading", len(files)) as told:
        for number, pages in enumerate(found, start=1):
            noted.append((files[number - 1], []))
            for line in pages:
                typer.echo(_as_json(line))
                noted[-1][1].append(line["warnings"])
                if line["status"] == "set-aside":
                    refused = True
                    reason = line["reason"]
                    place = line["source"]
                    if reason["code"] not in OF_THE_FILE:
                        place = f"{place}, page {line['page_index'] + 1}"
                    _say(f"{place}: {reason['message']} {reason['remedy']}")
            told(number)
    for file, dirt in dirty_batches(noted):
        _say(f"{base_name(file) if file else 'All files'}: {dirt.message} {dirt.remedy}")
    if refused:
        raise typer.Exit(1)


@app.command("scan")
def take_in(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    bulk: Annotated[
        bool,
        typer.Option(
            "--bulk",
            help="An old archive: read after the day's work, and taken in no faster than it is "
            "read. Stopped, it can be started again.",
        ),
    ] = False,
) -> None:
    """Take scans in for keeping; they are safe when this says so. Originals stay."""
    from storage.bulk import BulkIntake

    refused = False
    with _house() as house:
        way = BulkIntake(house.store, house.intake) if bulk else house.intake
        for taken in way.take_in(paths, by=_who(), at=_now()):
            if taken.problem is not None or taken.intake is None:
                refused = True
                problem = taken.problem or UserError()
                remedy = _noted(taken.bug, "scan").remedy if taken.bug else problem.remedy
                _say(f"{shown(taken.path)}: {problem.message} {remedy}")
            elif taken.duplicate:
                typer.echo(f"{shown(taken.path)}: here already, as {taken.intake.label}")
            else:
                typer.echo(f"{shown(taken.path)}: taken in as {taken.intake.label}")
    if refused:
        raise typer.Exit(1)


@app.command("watch")
def watch(
    folder: Annotated[Path, typer.Argument(help="Where a scanner puts its files.")],
    settle: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="Seconds a file has to be unchanged.")
    ] = 4.0,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing is left in the folder.")
    ] = False,
) -> None:
    """Take in whatever appears in a folder, until told to stop.

    Originals go to `done/` in it when they are safe, and to `set-aside/` with a reason when they
    are no files or not complete. What it moved to `done/` it deletes there after 30 days (set
    COUNTERFOIL_DONE_DAYS; 0 is never), and nothing else; names are not told.
    """
    import threading

    from kiosk import logs
    from kiosk.ways_in import stopped_by_signals, watch_folder

    stop = threading.Event()
    with (
        logs.written_by("watch"),
        _house() as house,
        _pulse(house),
        stopped_by_signals(stop),
    ):
        aside = watch_folder(
            house,
            folder,
            stop,
            by=_who(),
            say=typer.echo,
            warn=_say,
            bug=lambda mistake: _tell(_noted(mistake, "watch")),
            settle_seconds=settle,
            until_idle=until_idle,
        )
    if aside and until_idle:
        raise typer.Exit(1)


@app.command("again")
def again(
    page: Annotated[str, typer.Option(help="Only this page, by its id.")] = "",
    file: Annotated[int, typer.Option(min=0, help="Only this arrival, by its number.")] = 0,
    reason: Annotated[str, typer.Option(help="Only what was set aside for this, a code.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Whatever was set aside.")] = False,
) -> None:
    """Have what was set aside tried again: pages read, files of a watched folder taken in."""
    from kiosk.ways_in import try_again

    if sum(map(bool, (page, file, reason, every))) != 1:
        raise typer.BadParameter("Give one of --page, --file, --reason and --all.")
    by, at = _who(), _now()
    with _house() as house:
        if page or file:
            with house.store.begin() as kept:
                if page:
                    house.jobs.again(kept, page, by=by, at=at)
                else:
                    kept.ledger.again(file, by=by, at=at)
            _say("It is tried again.")
            return
        begun = try_again(house, reason=reason, by=by, at=at)
    if not begun:
        _say("Nothing is set aside for that." if reason else "Nothing is set aside.")
        return
    pages, files = _count(begun.pages, "page", "pages"), _count(begun.files, "file", "files")
    letters = f" and {_count(begun.letters, 'letter', 'letters')}" if begun.letters else ""
    _say(f"Tried again: {pages} and {files}{letters}.")


@app.command("work")
def run_workers(
    processes: Annotated[int, typer.Option(min=1, max=256, help="One a core.")] = 1,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing is left to do.")
    ] = False,
) -> None:
    """Run workers, which read what was taken in, until told to stop."""
    from kiosk import logs
    from kiosk.compose import key_desk
    from kiosk.worker import supervise
    from pipeline.glass import dirty_batches
    from pipeline.kept import Status

    began = _now()
    with logs.written_by("work"), _house() as house:
        with _pulse(house) as pulse, key_desk(house), _progress("Reading", None) as told:
            pulse.workers = processes

            def look(counts: dict[Status, int]) -> None:
                waiting = counts[Status.RECEIVED] + counts[Status.READING]
                told(sum(counts.values()) - waiting)

            def restarted(often: int) -> None:
                pulse.restarts = often

            with suppress(OSError):  # On a box of several users its installer makes it.
                house.mailbox.make()
            supervise(
                house.store,
                house.jobs,
                processes=processes,
                until_idle=until_idle,
                progress=look,
                restarted=restarted,
                chore=house.collect,
            )
        with house.store.look() as kept:
            aside = kept.pages.with_status(Status.SET_ASIDE, limit=1_000_000)
            read = kept.intakes.streaked(began)
    new = [each for each in aside if each.read_at is None or each.read_at >= began]
    for page in new:
        if page.reason is not None:
            _say(f"{page.label}: {page.reason.message} {page.reason.remedy}")
    for file, dirt in dirty_batches(read):
        _say(f"{file.label if file else 'All files'}: {dirt.message} {dirt.remedy}")
    if new:
        raise typer.Exit(1)


@terminal.command("enrol")
def enrol_terminal(
    name: Annotated[
        str, typer.Argument(help='Where it stands, such as "B wing, by the servery".')
    ] = "",
    prison: Annotated[str, typer.Option(help="Code of the prison it stands in.")] = "",
    wing: Annotated[str, typer.Option(help="Wing whose requests it takes.")] = "",
    again: Annotated[
        str, typer.Option(metavar="ID", help="One that is known, after its disk was replaced.")
    ] = "",
) -> None:
    """Show a one-time code, which is typed at the terminal within ten minutes."""
    from forms.page_id import show_serial

    with _house() as house, house.store.begin() as kept:
        if again:
            invited, code = kept.terminals.invite_again(again, by=_who(), at=_now())
        else:
            invited, code = kept.terminals.invite(
                name, establishment=prison.strip().upper(), wing=wing.strip(), by=_who(), at=_now()
            )
    typer.echo(show_serial(code))
    _say(f"Type this at {invited.id} ({invited.name}) within ten minutes. It is good once.")


@terminal.command("revoke")
def revoke_terminal(name: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Serve a terminal no longer; the others go on."""
    with _house() as house, house.store.begin() as kept:
        revoked = kept.terminals.revoke(name, by=_who(), at=_now())
    _say(f"{revoked.id} ({revoked.name}) is served no longer, from within a minute.")


@terminal.command("list")
def list_terminals(as_json: AsJson = False) -> None:
    """Say which terminals there are, and when each was last heard of."""
    with _house() as house, house.store.look() as kept:
        found = kept.terminals.list()
    now = _now()
    if as_json:
        _print_json([{**_told(each), "silent": each.silent(now)} for each in found])
        return
    if not found:
        _say("There is no terminal yet: `counterfoil terminal enrol` adds one.")
        return
    heading = ("terminal", "where", "prison", "wing", "state", "until", "last heard of")
    _table(
        heading,
        [
            (
                each.id,
                each.name,
                each.establishment,
                each.wing,
                "silent" if each.silent(now) else each.state,
                f"{each.until.astimezone():%d %b %Y}" if each.until else "",
                f"{each.seen_at.astimezone():%d %b %Y %H:%M}" if each.seen_at else "",
            )
            for each in found
        ],
    )


@terminal.command("sheet")
def print_off_sheet(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the PDF goes.")],
) -> None:
    """Print the sheet that is hung over a terminal that is off: use paper, in every language."""
    from forms.render import render_notice
    from kiosk.wing import words

    out.write_bytes(render_notice((words.GONE_TITLE, words.GONE_PAPER, words.GONE_NOT_SENT)))
    _say(f"{out}: hang it over the glass, with paper forms and a pen below.")


def _told(each: Terminal) -> dict[str, object]:
    """Tell what is known of a terminal in JSON's own types."""
    return {
        "id": each.id,
        "name": each.name,
        "establishment": each.establishment,
        "wing": each.wing,
        "state": each.state,
        "until": each.until.isoformat() if each.until else None,
        "seen_at": each.seen_at.isoformat() if each.seen_at else None,
    }


@app.command("status")
def show_status(
    as_json: AsJson = False,
    files: Annotated[
        bool, typer.Option("--files", help="Of files that came in sight, instead of pages.")
    ] = False,
) -> None:
    """Say how many pages are in which state; every page taken in is counted once.

    With --files, what became of every file that came in sight, and whether it adds up.
    """
    from storage.jobs import LATE_AFTER

    with _house() as house:
        with house.store.look() as kept:
            if files:
                added = kept.ledger.sum()
                counts = {str(fate): number for fate, number in added.fates.items()}
            else:
                counts = {str(status): number for status, number in kept.pages.counts().items()}
        late = 0 if files else sum(house.jobs.late(at=_now()).values())
    if as_json:
        _print_json(counts)
    else:
        what = "files" if files else "pages"
        _table(("state", what), [[state, number] for state, number in counts.items()])
    if late:
        _say(
            f"{_count(late, 'page waits', 'pages wait')} for longer than "
            f"{LATE_AFTER.seconds // 60} minutes. See that `counterfoil work` runs."
        )
    if files and not added.adds_up:
        _say(LEDGER_WRONG)
        raise typer.Exit(1)


@app.command("missing")
def show_missing(
    wing: Annotated[str | None, typer.Option(help="Only of this wing.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the blanks that were issued and have not come back, oldest first."""
    with _house() as house, house.store.look() as kept:
        found = [
            {
                "serial": each.serial,
                "form": each.form,
                "version": each.version,
                "issued_at": each.issued_at.isoformat(timespec="seconds"),
                "establishment": each.establishment,
                "wing": each.wing,
            }
            for each in kept.sheets.missing(wing.strip().upper() if wing else None)
        ]
    if as_json:
        _print_json(found)
    else:
        heading = ("serial", "form", "version", "issued_at", "establishment", "wing")
        _table(heading, [list(each.values()) for each in found])


# People


Confirmed = Annotated[
    bool,
    typer.Option(
        "--confirm", "--yes-really", help="It is right, however much of the one before it changes."
    ),
]


@roll.command("import")
def import_roll(
    file: Annotated[Path, typer.Argument(help="A roll.csv.")], confirm: Confirmed = False
) -> None:
    """Put a roll in force: all of it or nothing; after a bad one the old roll stays.

    One that would change very much waits until somebody has confirmed it.
    """
    from pipeline.roll import open_roll
    from storage.roll_file import import_roll as bring_in

    with _house() as house, open_roll(file) as lines:
        at, limits = _now(), house.settings.limits
        done = bring_in(
            house.store,
            lines,
            by=_who(),
            at=at,
            of=_made(file, at),
            confirmed=confirm,
            limits=limits,
        )
    _say_age("roll", done.as_of, at, limits.roll)
    typer.echo(f"The roll in force now holds {_count(done.people, 'person', 'people')}.")


@roll.command("merge")
def merge_numbers(
    old: Annotated[str, typer.Argument(help="The number that is used no longer.")],
    new: Annotated[str, typer.Argument(help="The number of the same person now.")],
) -> None:
    """Say that two prison numbers are one person's: what is kept of the old is found by the new."""
    with _house() as house, house.store.begin() as kept:
        kept.roll.merge(old, new, by=_who(), at=_now())
    typer.echo("What is kept under the old number is now found by the new one.")


@keep_apart.command("import")
def import_keep_apart(
    file: Annotated[Path, typer.Argument(help="A keep-apart.csv.")], confirm: Confirmed = False
) -> None:
    """Put a keep-apart list in force: all of it or nothing; after a bad one the old one stays.

    One that would change very much waits until somebody has confirmed it.
    """
    from pipeline.keep_apart import open_keep_apart
    from storage.roll_file import import_keep_apart as bring_in

    with _house() as house, open_keep_apart(file) as lines:
        at, limits = _now(), house.settings.limits
        done = bring_in(
            house.store,
            lines,
            by=_who(),
            at=at,
            of=_made(file, at),
            confirmed=confirm,
            limits=limits,
        )
    _say_age("keep-apart list", done.as_of, at, limits.apart)
    typer.echo(
        f"The keep-apart list in force now holds {_count(done.pairs, 'open pair', 'open pairs')}."
    )


def _made(file: Path, now: datetime) -> datetime:
    """Say from when a file is: one that lay there since last week is not today's."""
    return min(datetime.fromtimestamp(file.stat().st_mtime, UTC), now)


def _say_age(what: str, as_of: datetime, at: datetime, after: timedelta) -> None:
    from pipeline.freshness import is_stale

    if is_stale(as_of, at, after):
        _say(
            f"The file is of {as_of.astimezone():%d %B %Y %H:%M}, so the {what} is out of date "
            "already: nobody can be brought together by it. Look whether the export still runs."
        )


@roll.callback()
def _roll() -> None:
    """The people of the establishment."""


@keep_apart.callback()
def _keep_apart() -> None:
    """Who must be kept apart."""


@staff.command("add")
def add_staff(
    username: Annotated[str, typer.Argument(help="What they sign in with.")],
    role: Annotated[list[str], typer.Option(help="Such as verifier; may be given again.")],
    name: Annotated[str, typer.Option(help="What they are called on the screen.")] = "",
    establishment: Annotated[
        list[str] | None, typer.Option(help="Prison code they are kept to; may be given again.")
    ] = None,
    wing: Annotated[
        list[str] | None, typer.Option(help="Wing they are kept to; may be given again.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Let somebody sign in to the staff site; asks for a password."""
    from kiosk.access import EVERY_ROLE

    roles = {each.strip().lower() for each in role}
    if unknown := sorted(roles - set(EVERY_ROLE)):
        known = ", ".join(EVERY_ROLE)
        raise typer.BadParameter(f"There is no role {', '.join(unknown)}. Roles: {known}.")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with _house() as house, house.store.begin() as kept:
        added = kept.staff.add(
            username,
            password,
            name=name or username,
            roles=roles,
            establishments=[each.strip().upper() for each in establishment or ()],
            wings=wing or (),
            by=_who(),
            at=_now(),
        )
    typer.echo(f"{added.username} can sign in now.")


@staff.command("reset")
def reset_staff(
    username: Annotated[str, typer.Argument(help="Who cannot get in.")],
    second_factor: Annotated[
        bool,
        typer.Option(
            "--second-factor", help="Take away their authenticator app, passkeys and codes."
        ),
    ] = False,
    password: Annotated[
        bool,
        typer.Option("--password", help="Ask for a new password, which they change at once."),
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Help somebody in who lost their phone, or forgot their password; ends their sessions."""
    from storage.people import StaffUnknown

    password = password or password_stdin
    if not (second_factor or password):
        raise typer.BadParameter("Say what they have lost: --second-factor, --password, or both.")
    given = None
    if password_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif password:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with _house() as house, house.store.begin() as kept:
        found = kept.staff.find(username)
        if found is None:
            raise StaffUnknown
        if second_factor:
            kept.factors.remove_all(found.username, by=_who(), at=_now())
        kept.staff.change(
            found.username, by=_who(), at=_now(), password=given, must_change=password
        )
    typer.echo(
        f"{found.username} signs in by password alone now."
        if second_factor
        else f"{found.username} signs in with that password, and chooses another one then."
    )


# Records


@records.command("export")
def export_records(
    form: Annotated[str | None, typer.Option(help="Only this form.")] = None,
    shape: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write.", dir_okay=False)] = None,
    force: Force = False,
) -> None:
    """Give the verified records, one a row, with one column for each field."""
    from forms.library import definition
    from pipeline.records_export import FORMATS, definitions_for, write

    if shape not in FORMATS:
        raise typer.BadParameter(f"The format is one of {', '.join(FORMATS)}.")
    if form is not None:
        form = definition(form).id
    if out is None and shape == "parquet" and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for reading on a screen: name a file with --out.")
    from kiosk.files import OLD_KEPT, old_kept, whole_file
    from storage.exports import Noting, Summing

    asked = definitions_for(form)
    with _house() as house, house.store.look() as kept:

        def note(found: Noting, digest: str) -> None:
            """Note the export before anybody can have its file."""
            with house.store.begin() as noting:
                noting.records.exported(found.ids, form or "all", shape, by=_who(), at=_now())
                noting.exports.add(found.ids, digest, form=form, shape=shape, by=_who(), at=_now())

        found = Noting(kept.records.verified(form))
        if out is None:
            only = Summing()
            write(found, asked, shape, cast("IO[bytes]", only))
            note(found, only.digest)
            again = kept.records.verified(form)
            number = write(again, asked, shape, typer.get_binary_stream("stdout"))
        else:
            with old_kept(out, replace=force) as old, whole_file(out, replace=True) as file:
                summing = Summing(file)
                number = write(found, asked, shape, cast("IO[bytes]", summing))
                note(found, summing.digest)
            if old is not None:
                _say(OLD_KEPT.format(shown(old)))
    _say(f"Gave {_count(number, 'record', 'records')}.")


@records.callback()
def _records() -> None:
    """Verified records."""


# The list of who did what


@audit.command("verify")
def verify_events(
    noted: Annotated[
        str,
        typer.Option(
            "--head", "--noted", help="A head noted before, which must still be in the list."
        ),
    ] = "",
) -> None:
    """Check that the list of who did what is as it was written; gives its head to note down.

    It is compared with the heads noted outside the database too (COUNTERFOIL_AUDIT_HEADS).
    """
    from storage.audit import AuditKeyMissing, EventsBroken

    with _house() as house:
        try:
            found = house.store.verify_events(noted)
        except UserError as problem:
            about = str(problem.number) if isinstance(problem, EventsBroken) else "events"
            with suppress(AuditKeyMissing), house.store.begin() as kept:
                kept.events.add("audit-failed", about, by=_who(), at=_now(), code=problem.code)
            raise
        with house.store.begin() as kept:
            kept.events.add("audit-verified", found.head.short, by=_who(), at=_now())
    head = found.head
    typer.echo(f"{_count(head.number, 'event', 'events')}, as written. Head: {head.told}")
    if found.outside:
        heads = _count(found.outside, "head", "heads")
        _say(f"{heads} noted outside, back to event {found.since}: all are in the list.")
        for each in found.put_back:
            when = datetime.fromisoformat(each.at).astimezone()
            _say(
                f"On {when:%d %B %Y at %H:%M} it was accepted that a backup had been put back: "
                f"what came after event {each.put_back - 1} before that day is lost."
            )
    else:
        _say(
            "No head was noted outside the database, so an older list put back would not show. "
            "Run `counterfoil audit head`, and look later that its file is still there."
        )


@audit.command("head")
def give_head(
    out: Annotated[
        Path | None, typer.Option(help="A PDF to print and lock away.", dir_okay=False)
    ] = None,
    after_restore: Annotated[
        bool,
        typer.Option(
            "--after-restore", help="Accept that this data is a backup that was put back."
        ),
    ] = False,
    force: Force = False,
) -> None:
    """Give the head of the list of who did what, and note it outside the database now.

    On paper it is what nobody who runs this computer can change: print it every day. With
    --after-restore, heads of what was lost with the old data no longer count as missing; every
    `audit verify` tells of it from then on.
    """
    from kiosk.files import OLD_KEPT, old_kept, whole_file
    from kiosk.head_sheet import head_sheet

    with _house() as house:
        if after_restore:
            house.store.accept_put_back(by=_who(), at=_now())
        with house.store.begin() as kept:
            on = "paper" if out else ""
            kept.events.add("head-given", "events", by=_who(), at=_now(), code=on)
            head = kept.events.head()
        if house.store.witness is not None:
            house.store.witness.note()
    typer.echo(head.told)
    if out is not None:
        with old_kept(out, replace=force) as old, whole_file(out, replace=True) as file:
            file.write(head_sheet(head, at=_now(), by=_who()))
        if old is not None:
            _say(OLD_KEPT.format(shown(old)))
        _say(f"Wrote {head.short} to {shown(out)}.")


@database.command("roles")
def show_roles() -> None:
    """Write the SQL that makes the roles on a PostgreSQL server, for its administrator to run."""
    from storage.database import roles

    typer.echo(roles(), nl=False)


@database.callback()
def _database() -> None:
    """The database, where it is a server's."""


@audit.callback()
def _audit() -> None:
    """The list of who did what."""


# Keys


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Give the key pairs, how old they are and how much each locks."""
    from storage.rotation import pairs

    with _house() as house:
        found = pairs(house.store)
    if as_json:
        _print_json(
            [
                {
                    "id": each.id,
                    "made_at": each.made_at.isoformat(),
                    "data_keys": each.data_keys,
                    "newest": each.newest,
                    "opens": each.opens,
                }
                for each in found
            ]
        )
        return
    _table(
        ("key pair", "made", "locks", ""),
        [
            [
                each.id,
                f"{each.made_at:%Y-%m-%d}",
                _count(each.data_keys, "data key", "data keys"),
                ", ".join(
                    word
                    for word, told in (("newest", each.newest), ("opens here", each.opens))
                    if told
                ),
            ]
            for each in found
        ],
    )


@keys.command("rotate")
def rotate_keys() -> None:
    """Lock everything with a new key pair and let the old one go, while everything runs.

    Backups made before hold the old pair, sealed to the recovery key, and can still be restored.
    """
    from storage.rotation import rotate

    with _house() as house:
        done = rotate(
            house.store, by=_who(), at=_now(), may_destroy=lambda: not house.mailbox.holds_any()
        )
    typer.echo(f"{_count(done, 'data key is', 'data keys are')} locked with the new pair.")
    _say(
        "The pair before locks nothing any more. It stays for a day, and while letters from a "
        "kiosk wait; then the next `retention run` or `keys rotate` destroys it. Backups from "
        "before hold it, sealed to the recovery key."
    )


@keys.callback()
def _keys() -> None:
    """The keys that open what is kept."""


# Keeping and letting go


@app.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="The file to write, best on another disk.")],
    check: Annotated[
        bool, typer.Option("--check", help="Look at a backup that is there; write nothing.")
    ] = False,
    force: Force = False,
) -> None:
    """Back everything up into one file while everything runs; the keys in it are sealed.

    The first time it writes a recovery key beside it, which opens this and every later backup:
    print it, put it in a safe apart from the backups, and delete its file.
    """
    from kiosk import keeping
    from kiosk.settings import settings

    if check:
        from storage.backup import check as look_at

        with _progress("Checking", None) as told:
            opens = keeping.recovery_key_at_hand(file)
            found = look_at(file, settings().key_folder, told, key=opens)
        typer.echo(f"{shown(file)} is whole: {_in_backup(found)}.")
        return
    with _house() as house, _steps() as step:
        made = keeping.back_up(
            house,
            file,
            by=_who(),
            at=_now(),
            replace=force,
            shown=lambda done, total: step("Backing up", done, total),
        )
    typer.echo(f"Wrote {_in_backup(made.manifest)}, {made.size / 1e6:.1f} MB, to {shown(file)}.")
    if made.key is not None:
        _say(
            f"The recovery key is in {shown(made.key)}. Print it, put it in a safe apart from the "
            "backups and from this computer, then delete the file: without it no backup can be "
            "read, and with it whoever has a backup can read everything."
        )
    if made.manifest.missing:
        lost = _count(len(made.manifest.missing), "kept file is", "kept files are")
        _say(
            f"{lost} not where they should be, so the backup lacks them. Keep the backups of "
            "before, and run `counterfoil doctor`."
        )
        raise typer.Exit(1)


@app.command("restore")
def put_back(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    key: Annotated[
        Path | None,
        typer.Option(
            help="File of the recovery key; else COUNTERFOIL_RECOVERY_KEY, or FILE.recovery-key."
        ),
    ] = None,
    erased: Annotated[
        list[Path] | None,
        typer.Option(help="A later backup's .erased file; those beside FILE are read anyway."),
    ] = None,
) -> None:
    """Put a backup in place on an empty machine, and look at all of it.

    Everything is checked before anything is changed. When it is cut off, run it again.
    """
    from kiosk import keeping
    from kiosk.settings import settings

    found = keeping.recovery_key(file, key)
    with _steps() as step:
        done = keeping.put_back(
            file, found, settings(), by=_who(), at=_now(), erased=erased or (), shown=step
        )
    pages, records = _count(done.pages, "page", "pages"), _count(done.records, "record", "records")
    typer.echo(f"Restored {pages} and {records} as they were on {_moment(done.manifest.made_at)}.")
    typer.echo(f"The list of events is as it was written. Head: {done.head}")
    if done.waiting:
        typer.echo(f"{done.waiting} wait to be read: run `counterfoil work`.")
    if done.erased:
        _say(
            "Destroyed again, since it was erased after this backup: "
            f"{keeping.told_counts(done.erased)}."
        )
    for each in done.wrong:
        _say(f"{each.what}: {each.found} {each.remedy}")
    if done.manifest.missing:
        _say(f"{len(done.manifest.missing)} kept files were missing when it was backed up.")
    if done.wrong or done.manifest.missing:
        raise typer.Exit(1)


@keys.command("recovery")
def new_recovery_key(
    out: Annotated[Path, typer.Option(help="File to write it to, once.", dir_okay=False)],
) -> None:
    """Make a new recovery key for the backups from now on; the old one opens the older ones."""
    from kiosk import keeping
    from storage.recovery import name_of

    with _house() as house:
        made = keeping.make_recovery_key(house.settings.key_folder, out)
        with house.store.begin() as kept:
            kept.events.add("recovery-key", name_of(made.public), by=_who(), at=_now())
    _say(f"Wrote recovery key {name_of(made.public)} to {shown(out)}. Print it, then delete it.")


@retention.command("run")
def run_retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="You have looked at this computer's date.")
    ] = False,
) -> None:
    """Destroy what is due, and write a certificate of it; a hold wins over every clock.

    For how long things are kept stands in retention.toml in the data folder. When the clock may
    have jumped, nothing is destroyed until somebody says that it is right.
    """
    from kiosk import keeping
    from storage import clock
    from storage.purge import remove_blobs
    from storage.retention import run
    from storage.rotation import destroy_retired

    with _house() as house, _steps() as step:
        spans = keeping.clocks_of(house.settings)
        if clock_is_right:
            clock.checked(house.store, by=_who(), at=_now())
        elif not dry_run:
            clock.check(house.store, at=_now())
        keeping.fill_index(house)
        done = run(
            house.store,
            spans,
            by=_who(),
            at=_now(),
            dry=dry_run,
            told=lambda done, total: step("Looking" if dry_run else "Destroying", done, total),
        )
        if not dry_run:
            remove_blobs(house.store, house.raw)
            destroy_retired(house.store, may_destroy=lambda: not house.mailbox.holds_any())
            written = keeping.write_certificates(house)
    typer.echo(f"{'Due' if dry_run else 'Destroyed'}: {keeping.told_counts(done.counts)}.")
    if done.held:
        _say(f"{done.held} due and on hold: see `counterfoil hold list`.")
    if done.waiting:
        _say(f"{done.waiting} due, but other pages of their files have not been read yet.")
    if done.more:
        _say("More is due than one run does: run it again.")
    if not dry_run:
        for each in written:
            typer.echo(f"Certificate: {shown(each)}")
        if done.counts:
            _say_rotate()


@retention.callback()
def _retention() -> None:
    """What is kept for how long."""


@hold.command("add")
def add_hold(
    reason: Annotated[str, typer.Option(help="A code such as court-order; no names.")],
    serial: Annotated[str, typer.Option(help="A copy's serial.")] = "",
    record: Annotated[str, typer.Option(help="A record's id.")] = "",
    person: Annotated[str, typer.Option(help="A prison number; - reads it from input.")] = "",
    case: Annotated[str, typer.Option(help="A case's id.")] = "",
) -> None:
    """Keep something from being destroyed until the hold is lifted."""
    from kiosk import keeping

    if sum(map(bool, (serial, record, person, case))) != 1:
        raise typer.BadParameter("Name one of --serial, --record, --person and --case.")
    with _house() as house:
        keeping.fill_index(house)
        with house.store.begin() as kept:
            made = kept.holds.add(
                serial=serial.strip().upper(),
                record=record.strip().upper(),
                person=_typed(person),
                case=case.strip().upper(),
                reason=reason,
                by=_who(),
                at=_now(),
            )
    typer.echo(f"Hold {made.number} is set.")


@hold.command("remove")
def remove_hold(number: Annotated[int, typer.Argument(help="See `hold list`.")]) -> None:
    """Lift a hold; it stays on the list of those that were."""
    with _house() as house, house.store.begin() as kept:
        kept.holds.lift(number, by=_who(), at=_now())
    typer.echo(f"Hold {number} is lifted.")


@hold.command("list")
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
) -> None:
    """List the holds in force; a person is told by the beginning of a keyed hash."""
    with _house() as house, house.store.look() as kept:
        found = kept.holds.list(lifted=every)
    _table(
        ("hold", "kind", "of", "reason", "since", "by", "lifted"),
        [
            [
                each.number,
                each.kind,
                each.subject[:12],
                each.reason,
                f"{each.at:%Y-%m-%d}",
                each.by,
                f"{each.lifted_at:%Y-%m-%d} {each.lifted_by}" if each.lifted_at else "",
            ]
            for each in found
        ],
    )


@erase.callback()
def ask_to_erase(
    ctx: typer.Context,
    person: Annotated[str, typer.Option(help="Prison number; - reads it from input.")] = "",
    reason: Annotated[str, typer.Option(help="A code such as asked-by-person; no names.")] = "",
    by: Annotated[str, typer.Option(help="User name of who asks; asks for the password.")] = "",
    also: Annotated[
        list[str] | None,
        typer.Option(help="What goes too: a record of others that names them, a page set aside."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Ask that everything about a person be destroyed; another person has to confirm it."""
    if ctx.invoked_subcommand is not None:
        return
    if not person or not (dry_run or (reason and by)):
        raise typer.BadParameter("Give --person, --reason and --by (--dry-run needs --person).")
    from kiosk import keeping
    from storage.erasure import rehearse

    records = [each.strip() for each in also or ()]
    number = _typed(person)
    with _house() as house:
        keeping.fill_index(house)
        with house.store.look() as kept:
            digest = kept.people_index.digest(number)
            theirs = kept.erasures.theirs(digest, records)
            going = kept.erasures.shown(theirs)
            in_the_way = kept.erasures.in_the_way(theirs)
        for each in in_the_way:
            _say(f"Page {each} of the same file was set aside: try it again, or --also {each}.")
        counts = rehearse(house.store, digest, records, at=_now())
        typer.echo(f"This would destroy: {keeping.told_counts(counts)}.")
        _show_going(going)
        for each in theirs.shared:
            typer.echo(f"Case {each} is another's as well: they are taken out of it.")
        for each in theirs.named:
            typer.echo(f"Record {each} of others names them; --also {each} takes it along.")
        if dry_run:
            return
        with house.store.look() as kept:
            asker = keeping.prove(kept, by, _password(by))
        with house.store.begin() as kept:
            asked = kept.erasures.ask(number, reason=reason, by=asker, at=_now(), also=records)
    typer.echo(
        f"Nothing has gone yet. Another person confirms it: counterfoil erase confirm {asked} "
        "--by THEIR-USER-NAME"
    )


@erase.command("confirm")
def confirm_erasure(
    number: Annotated[int, typer.Argument(help="The number that `erase` gave.")],
    by: Annotated[str, typer.Option(help="User name of who confirms; asks for the password.")],
) -> None:
    """Destroy what was asked for; nobody can undo it. What goes is shown before the password."""
    from kiosk import keeping
    from storage.erasure import erase as erase_person

    with _house() as house:
        keeping.fill_index(house)
        with house.store.look() as kept:
            theirs = kept.erasures.asked(number)
            going = kept.erasures.shown(theirs)
        typer.echo(
            f"This destroys, with {_count(len(theirs.sheets), 'blank copy', 'blank copies')}:"
        )
        _show_going(going)
        for case_id in theirs.cases:
            part = "their part of the case" if case_id in theirs.shared else "the whole case"
            typer.echo(f"  {case_id}  {part}")
        with house.store.look() as kept:
            confirmer = keeping.prove(kept, by, _password(by))
        done = erase_person(house.store, house.raw, number, by=confirmer, at=_now())
        written = keeping.write_certificates(house)
    typer.echo(done.to_text())
    for each in written:
        typer.echo(f"Certificate: {shown(each)}")
    _say_rotate()


def _say_rotate() -> None:
    _say(
        "A copy of the database from before still opens what was destroyed: "
        "`counterfoil keys rotate` ends that."
    )


def _show_going(going: Sequence[Shown]) -> None:
    """List what goes, ids only, so that somebody else's record is seen among it."""
    for each in going:
        unseen = "" if each.verified else ", not verified yet: compare the number on the paper"
        pages = _count(each.pages, "page", "pages")
        typer.echo(f"  {each.record}  {each.form or 'form not known'}  {pages}{unseen}")


def _typed(person: str) -> str:
    return sys.stdin.readline().strip() if person == "-" else person


def _password(username: str) -> str:
    """Ask for a password; one that is piped in is taken from there."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(f"Password of {username}", hide_input=True, err=True))


def _in_backup(manifest: Manifest) -> str:
    pages = _count(sum(manifest.pages.values()), "page", "pages")
    records = _count(sum(manifest.records.values()), "record", "records")
    return f"{pages} and {records} of {_moment(manifest.made_at)}"


def _moment(said: str) -> str:
    return f"{datetime.fromisoformat(said).astimezone():%d %B %Y %H:%M}"


# The running of it


@serve.command("staff")
def serve_staff(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8001,
    tls: Annotated[
        bool, typer.Option("--tls", help="A proxy before it speaks HTTPS with people.")
    ] = False,
) -> None:
    """Run the staff site until told to stop."""
    from kiosk import logs
    from kiosk.serving import addresses_of, listen, server_for, settle
    from kiosk.staff.app import create_app
    from kiosk.staff.kit import StaffKit

    with logs.written_by("staff"), _house() as house:
        proxies = addresses_of(house.settings.proxy)
        house.store.shown = None
        site = create_app(
            StaffKit(
                store=house.store,
                blobs=house.blobs,
                jobs=house.jobs,
                intake=house.intake,
                tls=tls,
                second_factor=house.settings.second_factor,
                origin=house.settings.staff_origin,
                oidc=house.settings.oidc,
                judge=house.judge,
                keep_years=house.settings.keep_years,
                limits=house.settings.limits,
            )
        )
        with _pulse(house), listen(host, port) as door, suppress(KeyboardInterrupt):
            _say(f"The staff site is at http://{host}:{door.getsockname()[1]}. Ctrl-C ends it.")
            settle()
            server_for(site, host=host, port=port, proxies=proxies).run(sockets=[door])


@serve.command("kiosk")
def serve_kiosk(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8002,
    tls: Annotated[
        bool, typer.Option("--tls", help="A proxy before it speaks HTTPS with terminals.")
    ] = False,
    terminal: Annotated[
        str,
        typer.Option(
            help="Serve whoever asks as this one terminal, where nobody else can reach the port; "
            "without it only enrolled terminals are served."
        ),
    ] = "",
) -> None:
    """Run the kiosk until told to stop: it can leave letters in the mailbox and read none."""
    from kiosk import logs
    from kiosk.compose import open_wing
    from kiosk.serving import addresses_of, listen, server_for, settle
    from kiosk.settings import settings
    from kiosk.wing.app import create_app

    with logs.written_by("kiosk"):
        chosen = settings()
        proxies = addresses_of(chosen.proxy)
        site = create_app(open_wing(chosen, tls=tls, terminal=terminal))
        with listen(host, port) as door, suppress(KeyboardInterrupt):
            _say(f"The kiosk is at http://{host}:{door.getsockname()[1]}. Ctrl-C ends it.")
            settle()
            server_for(site, host=host, port=port, proxies=proxies).run(sockets=[door])


@app.command("move")
def move_house(
    context: typer.Context,
    to_database: Annotated[
        str,
        typer.Option(
            envvar="COUNTERFOIL_MOVE_TO_DATABASE",
            help="An empty PostgreSQL database; one with a password in the environment only: "
            "others on this computer see what is typed here.",
            show_envvar=True,
        ),
    ] = "",
    to_blobs: Annotated[
        str,
        typer.Option(
            envvar="COUNTERFOIL_MOVE_TO_BLOBS", help="Such as s3://BUCKET/PREFIX.", show_envvar=True
        ),
    ] = "",
) -> None:
    """Move what is kept: records to PostgreSQL, files to S3. Stopped, it can be started again."""
    if not (to_database or to_blobs):
        raise typer.BadParameter("Say where to: --to-database, --to-blobs, or both.")
    from kiosk.move import move, refuse_typed_password

    typed = context.get_parameter_source("to_database")
    if typed is not None and typed.name == "COMMANDLINE":
        refuse_typed_password(to_database)
    with _progress("Moving", None) as told:
        for line in move(
            database_url=to_database, blobs_url=to_blobs, at=_now(), told=lambda _what, n: told(n)
        ):
            typer.echo(line)


@app.command("doctor")
def examine(as_json: AsJson = False) -> None:
    """Check everything counterfoil needs, and say what to do about what is wrong."""
    from kiosk.doctor import check_all

    found = list(check_all())
    if as_json:
        _print_json([each.as_json() for each in found])
    else:
        _table(
            ("", "what", "found"),
            [["ok" if each.ok else "WRONG", each.what, each.found] for each in found],
        )
    wrong = [each for each in found if not each.ok]
    for each in wrong:
        _say(f"{each.what}: {each.found} {each.remedy}")
    if wrong:
        raise typer.Exit(1)


# What the commands share


@contextmanager
def _house() -> Iterator[House]:
    """Open what is kept, where the environment says."""
    from kiosk import compose

    house = compose.open_house()
    try:
        yield house
    finally:
        house.close()


@contextmanager
def _pulse(house: House) -> Iterator[Pulse]:
    """Tell of this program's health meanwhile, on the port that the settings name, if any."""
    from kiosk.health import Pulse, told_on

    chosen = house.settings
    pulse = Pulse(house.store, house.raw, chosen.data, chosen.key_folder)
    with told_on(chosen.metrics_port, pulse):
        yield pulse


@contextmanager
def _progress(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far a long work is, on standard error and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def _steps() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a work of several steps is, on standard error and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _doing, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda doing, done, total: bar.update(
            task, description=doing, completed=done, total=total
        )


def _print_json(what: Any) -> None:
    typer.echo(_as_json(what, indent=2))


def _as_json(what: Any, indent: int | None = None) -> str:
    """Write JSON with its letters where standard output takes them, else in ASCII.

    What a terminal would obey, and halves of characters, are written as escapes either way.
    """
    letters = (getattr(sys.stdout, "encoding", None) or "").lower() in ("utf-8", "utf8")
    text = json.dumps(what, indent=indent, ensure_ascii=not letters)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters that JSON leaves alone, what turns the line round, and lone surrogates."""


def _table(heading: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    """Write columns under their headings, wide enough for what stands in them."""
    lines = [[str(cell) for cell in row] for row in (heading, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        columns = "  ".join(cell.ljust(wide) for cell, wide in zip(line, widths, strict=True))
        typer.echo(columns.rstrip())


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _tell(problem: UserError) -> None:
    _say(f"{problem.message} {problem.remedy}")


def _noted(bug: Exception, doing: str) -> UserError:
    """Keep where a bug happened, never what it said, and give a reference that finds it."""
    from kiosk.problems import log, note_bug
    from kiosk.settings import settings

    try:
        handler: logging.Handler = logging.FileHandler(settings().data / "problems.log")
    except (OSError, UserError):
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        reference = note_bug(bug, doing).reference
    finally:
        log.removeHandler(handler)
        handler.close()
    return UserError(
        "Something went wrong at our end; what was kept before is safe.",
        remedy="Try again. If it happens again, tell the person who looks after this system this "
        f"reference: {reference}",
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _who() -> str:
    """Name who types: the system's user name, for the register and the list of events."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command-line"


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
