"""The environment, read once and frozen."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from forms.errors import UserError


class SettingUnsupported(UserError):
    """A setting asks for something this release cannot do."""

    code = "setting-unsupported"
    message = "This release keeps everything in one folder; it cannot use that store yet."
    remedy = "Unset COUNTERFOIL_DATABASE_URL and COUNTERFOIL_BLOBS_URL."


class DataFolderUnusable(UserError):
    """The data folder is a file, or may not be made."""

    code = "data-folder-unusable"
    message = "The folder that COUNTERFOIL_DATA names cannot be made or written to."
    remedy = "Name a folder on this machine's own disk that you may write to."


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are kept.

    Attributes:
        data: the folder of the embedded database, blobs and keys.
        database_url: another database than the embedded one; may hold a password.
        blobs_url: another blob store than the folder.
    """

    data: Path
    database_url: str | None = field(default=None, repr=False)
    blobs_url: str | None = field(default=None, repr=False)


def settings() -> Settings:
    """Read the environment."""
    folder = os.environ.get("COUNTERFOIL_DATA")
    return Settings(
        data=Path(folder) if folder else Path(platformdirs.user_data_dir("counterfoil", False)),
        database_url=os.environ.get("COUNTERFOIL_DATABASE_URL") or None,
        blobs_url=os.environ.get("COUNTERFOIL_BLOBS_URL") or None,
    )
