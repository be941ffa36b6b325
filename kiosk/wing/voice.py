"""Finds what was recorded, or made at build time, for a string in a language.

Files are named by a hash of the English. A recording by a person wins over one by a machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

MEDIA: Mapping[str, str] = MappingProxyType(
    {
        "mp3": "audio/mpeg",
        "ogg": "audio/ogg",
        "opus": "audio/ogg",
        "m4a": "audio/mp4",
        "wav": "audio/wav",
    }
)

_HASH = 16


def name_of(text: str) -> str:
    """Name the file of a string, without its ending."""
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


@lru_cache(maxsize=32)
def _files(language: str) -> Mapping[str, Traversable]:
    """Give every file of a language by its string's hash."""
    audio = resources.files("kiosk.wing") / "audio"
    found: dict[str, Traversable] = {}
    for folder in (audio / language, audio / "recorded" / language):
        if folder.is_dir():
            for file in folder.iterdir():
                stem, _, ending = file.name.rpartition(".")
                if ending in MEDIA and len(stem) == _HASH:
                    found[stem] = file
    return MappingProxyType(found)


def has_voice(language: str) -> bool:
    """Say whether anything can be heard in a language."""
    return bool(_files(language))


def has(text: str, language: str) -> bool:
    """Say whether a string can be heard."""
    return name_of(text) in _files(language)


def get(text: str, language: str) -> tuple[bytes, str] | None:
    """Give the sound of a string and its media type; None when it cannot be heard."""
    file = _files(language).get(name_of(text))
    if file is None:
        return None
    return file.read_bytes(), MEDIA[file.name.rpartition(".")[2]]
