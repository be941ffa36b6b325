"""Everything the kiosk says can be heard, in every language that has a voice."""

from __future__ import annotations

import json
import shutil
from array import array
from pathlib import Path

import pytest

from forms.wording import LANGUAGES
from kiosk.wing import voice
from kiosk.wing.audio import make
from kiosk.wing.audio.make import AUDIO, ENDING, VOICES, decoded, key, lines, spoken

LARGEST_BYTES = 25 * 1024 * 1024
SHORTEST_SECONDS, LOUD = 0.15, 1000
"""A word takes longer than this, and its loudest sample is louder, of 32,767."""
SECONDS = 1 / 16000


def test_every_language_but_sorani_has_a_voice() -> None:
    assert set(LANGUAGES) - set(VOICES) == {"ckb"}
    assert not voice.has_voice("ckb")
    assert voice.has_voice("ar")


@pytest.mark.parametrize("language", VOICES)
def test_every_string_of_a_voiced_language_has_its_file_and_no_other_is_there(
    language: str,
) -> None:
    wanted = {line.name for line in lines(language)}
    there = {file.stem for file in (AUDIO / language).glob(f"*.{ENDING}")}
    assert wanted == there
    assert len(wanted) > 200


@pytest.mark.parametrize("language", VOICES)
def test_every_file_says_what_the_string_says_today(language: str) -> None:
    made = json.loads((AUDIO / language / "made.json").read_text("utf-8"))
    said = {line.name: key(line, VOICES[language]) for line in lines(language)}
    assert made == said


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="decoding needs ffmpeg")
@pytest.mark.parametrize("language", VOICES)
def test_every_file_decodes_and_is_not_silent(language: str) -> None:
    files = sorted((AUDIO / language).glob(f"*.{ENDING}"))
    heard = dict(decoded(files))
    assert set(heard) == set(files)
    for file, samples in heard.items():
        wave = array("h", samples)
        assert len(wave) * SECONDS >= SHORTEST_SECONDS, file.name
        assert max(map(abs, wave[:: max(1, len(wave) // 20000)])) >= LOUD, file.name


def test_all_files_together_are_small() -> None:
    sizes = [file.stat().st_size for file in AUDIO.rglob(f"*.{ENDING}")]
    assert len(sizes) > 2000
    assert sum(sizes) < LARGEST_BYTES


def test_what_a_place_would_hold_is_not_said() -> None:
    assert spoken("By {date}") == "By"
    assert spoken("{weekday} {day} {month}") == ""
    assert spoken("/") == ""


def test_a_draft_of_consent_is_not_said_in_its_language() -> None:
    agreed = "It is my choice. No one makes me."
    assert voice.name_of(agreed) in {line.name for line in lines("en")}
    assert voice.name_of(agreed) not in {line.name for line in lines("pl")}


class Speaker:
    """An engine that hums, and remembers what it was asked to say."""

    rate_hz = 22050

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, voice: str) -> bytes:
        self.said.append(text)
        return array("h", [8000, -8000] * 4000).tobytes()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="encoding needs ffmpeg")
def test_only_what_changed_is_spoken_again_and_what_is_gone_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, two, other = (make.Line(voice.name_of(t), t) for t in ("one", "two", "other"))
    speaker = Speaker()
    monkeypatch.setattr(make, "lines", lambda _: [one, two])
    assert make.make("pl", speaker, tmp_path) == (2, 2)  # type: ignore[arg-type]
    assert make.make("pl", speaker, tmp_path) == (0, 2)  # type: ignore[arg-type]
    changed = make.Line(two.name, "TWO")
    monkeypatch.setattr(make, "lines", lambda _: [changed, other])
    assert make.make("pl", speaker, tmp_path) == (2, 2)  # type: ignore[arg-type]
    assert speaker.said == ["one", "two", "TWO", "other"]
    assert {f.stem for f in tmp_path.glob(f"*.{ENDING}")} == {two.name, other.name}
