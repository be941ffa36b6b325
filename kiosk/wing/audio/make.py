"""Make the files that the kiosk reads aloud: `python -m kiosk.wing.audio`.

A tool of whoever builds the product; nothing that runs needs it. libespeak-ng speaks (out of the
package espeakng-loader, extra `voices`), ffmpeg encodes. What was spoken before, with the same
words, voice and settings, is not spoken again. A language without a voice says so, and waits for
recordings.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib
import json
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forms import library
from forms.texts import texts_of
from forms.wording import ENGLISH_NAMES, LANGUAGES, OFFER, sayable, words
from kiosk.translations import PLACE, screen_strings
from kiosk.wing.voice import name_of

AUDIO = Path(__file__).parent
ENDING = "opus"
ENGINE = "1.52"
"""The version of libespeak-ng that speaks; another would make every file anew."""
VOICES: Mapping[str, str] = {
    "en": "en",
    "en-easy": "en",
    "cy": "cy",
    "sq": "sq",
    "pl": "pl",
    "ro": "ro",
    "lt": "lt",
    "pt": "pt",
    "pa": "pa",
    "ur": "ur",
    "ar": "ar",
}
"""The engine's voice for each language; those left out have none and need recordings."""

RATE_WPM = 135
"""Words a minute: slower than the engine's 175, for people who listen in a second language."""
BIT_RATE = "16k"
READ_ALOUD_FORM = "rj-1"
_MADE = "made.json"
_TOGETHER = 40
"""Files that one run of ffmpeg encodes."""


class NoEngine(RuntimeError):
    """The engine is not installed, or does not have a voice it should have."""


@dataclass(frozen=True)
class Line:
    """One thing to say.

    Attributes:
        name: the file's, without its ending.
        text: what is said, in its language.
    """

    name: str
    text: str


def lines(language: str) -> list[Line]:
    """Give everything that the kiosk says in a language.

    A place to fill is left out. Consent in a translation that is not approved is not said: the
    kiosk shows and says it in English.
    """
    screens, _ = screen_strings()
    wanted = [text for text, _ in screens]
    wanted += texts_of(library.definition(READ_ALOUD_FORM))
    wanted.append(OFFER)
    found = {
        text: Line(name_of(text), spoken(words(text, language)))
        for text in wanted
        if sayable(text, language)
    }
    own = LANGUAGES[language]
    found[own] = Line(name_of(own), own)
    return [line for line in found.values() if line.text]


def spoken(text: str) -> str:
    """Give what is said of a text; "" when nothing is left without its places to fill."""
    bare = " ".join(PLACE.sub(" ", text).split())
    return bare if any(c.isalpha() for c in bare) else ""


class Engine:
    """libespeak-ng, called directly: no process for each sentence."""

    def __init__(self) -> None:
        """Load the engine.

        Raises:
            NoEngine: the extra `voices` is not installed.
        """
        try:
            loader = importlib.import_module("espeakng_loader")  # of an extra: may be missing
        except ImportError:
            raise NoEngine("Install the extra: pip install 'counterfoil[voices]'") from None
        self._lib = ctypes.CDLL(str(loader.get_library_path()))
        self._lib.espeak_Info.restype = ctypes.c_char_p
        data = str(loader.get_data_path()).encode()
        self.rate_hz = int(self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, 0))
        if self.rate_hz <= 0:
            raise NoEngine("libespeak-ng did not start")
        version = self._lib.espeak_Info(None).decode()
        if not version.startswith(ENGINE):
            raise NoEngine(f"libespeak-ng is {version}, not {ENGINE}")
        self._heard = bytearray()
        self._listen = _LISTENER(self._take)
        self._lib.espeak_SetSynthCallback(self._listen)

    def _take(self, samples: object, count: int, _events: object) -> int:
        if samples and count > 0:
            self._heard += ctypes.string_at(samples, count * 2)  # type: ignore[arg-type]
        return 0

    def say(self, text: str, voice: str) -> bytes:
        """Speak a text: 16-bit samples, mono, at `rate_hz`.

        Raises:
            NoEngine: there is no such voice, or it said nothing.
        """
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise NoEngine(f"libespeak-ng has no voice {voice}")
        self._lib.espeak_SetParameter(_PARAMETER_RATE, RATE_WPM, 0)
        self._heard.clear()
        data = text.encode() + b"\0"
        done = self._lib.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
        self._lib.espeak_Synchronize()
        if done != 0 or not self._heard:
            raise NoEngine(f"the voice {voice} said nothing")
        return bytes(self._heard)


_SYNCHRONOUS, _PARAMETER_RATE, _UTF8 = 2, 1, 1
_LISTENER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def key(line: Line, voice: str) -> str:
    """Say what a file was made of, so that it is made again only when that changes."""
    made = (line.text, voice, ENGINE, RATE_WPM, BIT_RATE, ENDING)
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:16]


def make(language: str, engine: Engine, folder: Path) -> tuple[int, int]:
    """Bring one language's files up to its strings.

    Args:
        language: language code, one of `VOICES`.
        engine: what speaks.
        folder: where the language's files are kept.

    Returns:
        How many files were made, and how many there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / _MADE
    before = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    voice = VOICES[language]
    wanted = lines(language)
    now = {line.name: key(line, voice) for line in wanted}
    todo = [
        line
        for line in wanted
        if before.get(line.name) != now[line.name]
        or not (folder / f"{line.name}.{ENDING}").is_file()
    ]
    for at in range(0, len(todo), _TOGETHER):
        _encode([(x, engine.say(x.text, voice)) for x in todo[at : at + _TOGETHER]], engine, folder)
    for file in folder.glob(f"*.{ENDING}"):
        if file.stem not in now:
            file.unlink()
    record.write_text(json.dumps(now, indent=0, sort_keys=True) + "\n", "utf-8")
    return len(todo), len(now)


def _encode(said: Sequence[tuple[Line, bytes]], engine: Engine, folder: Path) -> None:
    """Write files, several with one run of ffmpeg."""
    with tempfile.TemporaryDirectory() as place:
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
        outputs: list[str] = []
        for number, (line, samples) in enumerate(said):
            source = Path(place) / f"{number}.wav"
            with wave.open(str(source), "wb") as wav:
                wav.setnchannels(1)
                wav.setsampwidth(2)
                wav.setframerate(engine.rate_hz)
                wav.writeframes(samples)
            command += ["-i", str(source)]
            outputs += ["-map", str(number), "-c:a", "libopus", "-b:a", BIT_RATE]
            outputs += ["-application", "voip", "-flags", "+bitexact", "-fflags", "+bitexact"]
            outputs += ["-map_metadata", "-1", str(folder / f"{line.name}.{ENDING}")]
        subprocess.run([*command, *outputs], check=True)


def decoded(files: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """Decode files, several with one run of ffmpeg: 16-bit samples, mono, 16 kHz."""
    waiting = list(files)
    for at in range(0, len(waiting), _TOGETHER):
        some = waiting[at : at + _TOGETHER]
        with tempfile.TemporaryDirectory() as place:
            command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror"]
            outputs: list[str] = []
            for number, file in enumerate(some):
                command += ["-i", str(file)]
                outputs += ["-map", str(number), "-ac", "1", "-ar", "16000", "-f", "s16le"]
                outputs.append(str(Path(place) / f"{number}.raw"))
            subprocess.run([*command, *outputs], check=True)
            for number, file in enumerate(some):
                yield file, (Path(place) / f"{number}.raw").read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Make the files of the languages named, of all when none is."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.wing.audio", description=__doc__)
    parser.add_argument("languages", nargs="*", metavar="CODE", help="language codes, such as pl")
    chosen = parser.parse_args(arguments).languages or list(LANGUAGES)
    try:
        engine = Engine()
        for language in chosen:
            if language not in VOICES:
                sys.stderr.write(
                    f"{ENGLISH_NAMES.get(language, language)}: no voice; it needs recordings in "
                    f"recorded/{language}/\n"
                )
                continue
            made, whole = make(language, engine, AUDIO / language)
            sys.stderr.write(f"{ENGLISH_NAMES[language]}: {made} made, {whole} in all\n")
    except (NoEngine, OSError, subprocess.CalledProcessError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0
