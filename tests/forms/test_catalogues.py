"""Every string is translated, whole and compiled, and says how far it has come."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from forms.wording import words
from kiosk import translations
from kiosk.translations import TRANSLATED, compiled, faults, main, sources, stated

SCRIPTS = {"pa": "GURMUKHI", "ur": "ARABIC", "ckb": "ARABIC", "ar": "ARABIC"}
KEPT_IN_LATIN = {"{weekday} {day} {month}", "of", "POM"}
"""Strings without a letter of their own, or a name that stays as it is."""


def test_every_catalogue_is_whole_and_compiled() -> None:
    assert list(faults()) == []
    assert main(["check"]) == 0


def test_forms_and_screens_are_both_in_the_catalogues() -> None:
    places = {place.split()[0] for source in sources().values() for place in source.places}
    assert {"form", "kiosk"} <= places
    assert len(sources()) > 300


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_string_is_marked_a_draft_until_somebody_checked_it(language: str) -> None:
    messages = [m for m in translations.read(language) if m.id]
    assert len(messages) == len(sources())
    assert {stated(m) for m in messages} == {"draft"}


@pytest.mark.parametrize("language", SCRIPTS)
def test_a_translation_is_written_in_its_own_script(language: str) -> None:
    for text, (said, _) in translations.translations(language).items():
        if text in KEPT_IN_LATIN:
            continue
        names = [unicodedata.name(c, "") for c in said if c.isalpha()]
        assert any(SCRIPTS[language] in name for name in names), text


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_has_a_letter_that_no_bundled_font_has(language: str) -> None:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    fonts = Path(translations.forms.__file__).parent / "assets" / "fonts"
    extra = {"pa": "NotoSansGurmukhi", "ur": "NotoNastaliqUrdu"}
    extra |= {"ar": "NotoSansArabic", "ckb": "NotoSansArabic"}
    for weight in ("Regular", "Bold"):
        have = set(TTFont(fonts / f"NotoSans-{weight}.ttf").getBestCmap())
        if language in extra:
            have |= set(TTFont(fonts / f"{extra[language]}-{weight}.ttf").getBestCmap())
        for said, _ in translations.translations(language).values():
            assert {c for c in said if ord(c) not in have} <= {"\n"}, said


@pytest.mark.parametrize("language", [code for code in TRANSLATED if code != "en-easy"])
def test_a_translation_is_not_the_english_over_again(language: str) -> None:
    said = translations.translations(language)
    same = [text for text, (each, _) in said.items() if each == text and len(text.split()) > 2]
    assert [text for text in same if re.search(r"[a-z]", re.sub(r"\{\w+\}", "", text))] == []


def test_a_lost_place_to_fill_a_missing_string_and_an_old_one_are_faults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in translations.LOCALE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(translations, "LOCALE", tmp_path)
    polish = tmp_path / "pl.po"
    text = polish.read_text("utf-8")
    broken = text.replace("Moje imi\u0119 i nazwisko", "").replace('"Do {date}', '"Do {day}')
    broken = broken.replace('msgid "Fight"', 'msgid "Brawl"')
    polish.write_text(broken, "utf-8")
    found = list(faults())
    assert "pl: not translated: My name" in found
    assert "pl: said nowhere any more: Brawl" in found
    assert any(line.startswith("pl: other places to fill: ") for line in found)
    assert "pl: not compiled" in found
    assert main(["check"]) == 1


def test_updating_keeps_what_is_translated_and_its_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = (translations.LOCALE / "pl.po").read_text("utf-8")
    approved = kept.replace("#. state: draft", "#. state: approved", 1)
    (tmp_path / "pl.po").write_text(approved, "utf-8")
    monkeypatch.setattr(translations, "LOCALE", tmp_path)
    monkeypatch.setattr(translations, "TRANSLATED", ("pl",))
    assert main(["update"]) == 0
    assert (tmp_path / "pl.po").read_text("utf-8") == approved
    assert main(["compile"]) == 0
    assert (tmp_path / "pl.mo").read_bytes() == compiled("pl")


def test_what_runs_says_what_the_catalogue_says() -> None:
    assert words("Hide", "ar") == translations.translations("ar")["Hide"][0]


def test_a_staff_site_string_that_is_missing_or_lost_its_place_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in translations.STAFF_LOCALE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(translations, "STAFF_LOCALE", tmp_path)
    assert list(translations.staff_faults()) == []
    welsh = tmp_path / "cy.po"
    text = welsh.read_text("utf-8")
    broken = text.replace('"Methu darllen"', '""').replace("heddiw am {time}", "heddiw am {day}")
    welsh.write_text(broken, "utf-8")
    found = list(translations.staff_faults())
    assert "staff, cy: not translated: Cannot read" in found
    assert "staff, cy: other places to fill: today at {time}" in found
    assert "staff, cy: not compiled" in found
