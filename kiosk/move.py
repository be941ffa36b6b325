"""Moves an installation into larger stores, and says which settings name them from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from forms.errors import UserError
from kiosk import compose
from kiosk.settings import settings
from storage.blobs import FolderBlobs
from storage.database import driver_url
from storage.in_use import alone, is_marked
from storage.mover import check_drained, move_blobs, move_database


class PasswordTyped(UserError):
    """A command line holds a password: every user of the computer can read it meanwhile."""

    code = "password-typed"
    message = (
        "Nothing was moved: a password in a command can be read by every user of this computer."
    )
    remedy = (
        "Put the whole address into COUNTERFOIL_MOVE_TO_DATABASE, or the password into a .pgpass "
        "file and leave it out here. Then change that password: it has been seen."
    )


def refuse_typed_password(url: str) -> None:
    """Stop whoever typed a database's address with its password.

    Raises:
        PasswordTyped: it holds one.
        DatabaseUnsuitable: it is no address of a database that this runs on.
    """
    address = driver_url(url)
    if address.password is not None or {"password", "sslpassword"} & address.query.keys():
        raise PasswordTyped


def move(
    *, database_url: str, blobs_url: str, at: datetime, told: Callable[[str, int], None]
) -> Iterator[str]:
    """Move the records, the files, or both, and tell what was done, a sentence at a time.

    Args:
        database_url: where the records go; "" leaves them.
        blobs_url: where the files go; "" leaves them.
        at: when, UTC.
        told: told how far it is.

    Raises:
        StillInUse: something else has the data open.
        UserError: see `storage.mover`; what was kept is as it was.
    """
    chosen = settings()
    chosen.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(chosen.data):
        folder, embedded = chosen.data / "blobs", compose.embedded_file(chosen)
        if not (database_url and is_marked(embedded)):
            with closing(compose.open_store(chosen, compose.open_vault(chosen))) as store:
                store.upgrade()
                check_drained(store)
        if blobs_url and is_marked(folder):
            yield "The files were moved before."
        elif blobs_url:
            files = move_blobs(
                FolderBlobs(folder),
                compose.open_blobs(replace(chosen, blobs_url=blobs_url)),
                folder=folder,
                at=at,
                told=told,
            )
            yield (
                f"Moved {files.files} files, {files.size} bytes; each was read back. "
                "From now on set COUNTERFOIL_BLOBS_URL."
            )
        if database_url:
            vault = compose.open_vault(chosen)
            source = compose.store_at(f"sqlite:///{embedded}", chosen, vault)
            with closing(source), closing(compose.store_at(database_url, chosen, vault)) as target:
                moved = move_database(source, target, at=at, told=told)
            yield (
                f"Moved {sum(moved.rows.values())} rows of {len(moved.rows)} tables; all are the "
                f"same in both. Head: {moved.head}"
            )
            yield "From now on set COUNTERFOIL_DATABASE_URL. The old database is as it was."
