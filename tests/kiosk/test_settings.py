"""What the environment says, and what becomes of it on paper."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
from typer.testing import CliRunner

from kiosk.cli import app
from kiosk.compose import open_house, reading_kit, sandbox_of
from kiosk.settings import (
    DoneDaysOdd,
    KeepYearsOdd,
    RollLimitsOdd,
    SandboxSettingOdd,
    SecondFactorOdd,
    StaffOriginOdd,
    settings,
)
from pipeline.freshness import Limits


def words_of(pdf: Path) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return " ".join(page.get_textpage().get_text_bounded() for page in document)


@pytest.mark.parametrize(("said", "years"), [("", 7), ("3", 3), (" 25 ", 25), ("99", 99)])
def test_consents_are_kept_for_as_many_years_as_the_setting_says(
    said: str, years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_KEEP_YEARS", said)
    assert settings().keep_years == years


@pytest.mark.parametrize("said", ["0", "-1", "100", "seven", "7.5", "07", "\u0667"])
def test_what_is_no_number_of_years_is_refused(
    said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COUNTERFOIL_KEEP_YEARS", said)
    with pytest.raises(KeepYearsOdd):
        settings()
    out = tmp_path / "consent.pdf"
    refused = CliRunner().invoke(app, ["print", "rj-3h", "--out", str(out)])
    assert refused.exit_code == 1
    assert "whole number from 1 to 99" in refused.stderr
    assert not out.exists()


@pytest.mark.parametrize(("said", "days"), [("", 30), ("0", 0), (" 7 ", 7)])
def test_files_lie_in_done_for_as_many_days_as_the_setting_says(
    said: str, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DONE_DAYS", said)
    assert settings().done_days == days


@pytest.mark.parametrize("said", ["-1", "10000", "seven", "7.5", "\u0667"])
def test_what_is_no_number_of_days_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DONE_DAYS", said)
    with pytest.raises(DoneDaysOdd):
        settings()


def test_how_old_a_roll_may_be_and_how_much_may_change_is_settled_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings().limits == Limits()
    for name, said in {
        "ROLL_HOURS": "30",
        "KEEP_APART_HOURS": " 12 ",
        "MASS_PERCENT": "5",
        "MASS_LEAST": "3",
    }.items():
        monkeypatch.setenv(f"COUNTERFOIL_{name}", said)
    assert settings().limits == Limits(
        roll=timedelta(hours=30), apart=timedelta(hours=12), share=0.05, least=3
    )


@pytest.mark.parametrize("name", ["ROLL_HOURS", "KEEP_APART_HOURS", "MASS_PERCENT", "MASS_LEAST"])
@pytest.mark.parametrize("said", ["0", "-1", "1000", "many", "7.5", "\u0667"])
def test_what_is_no_limit_is_refused(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"COUNTERFOIL_{name}", said)
    with pytest.raises(RollLimitsOdd):
        settings()


@pytest.mark.parametrize("form", ["rj-3h", "rj-3r"])
@pytest.mark.parametrize("fillable", [False, True])
def test_a_printed_consent_says_for_how_many_years_it_is_kept(
    form: str, fillable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COUNTERFOIL_KEEP_YEARS", "23")
    out = tmp_path / "consent.pdf"
    asked = ["print", form, "--out", str(out), *(["--fillable"] if fillable else [])]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.stderr
    assert "23" in words_of(out).split()


def test_whoever_prints_can_read_that_the_date_on_the_strip_is_written_by_hand() -> None:
    told = " ".join(CliRunner().invoke(app, ["print", "--help"]).stdout.replace("│", " ").split())
    assert "by hand" in told


@pytest.mark.parametrize(("said", "required"), [("", True), ("yes", False), (" yes ", False)])
def test_only_a_plain_yes_lets_files_be_opened_without_a_sandbox(
    said: str, required: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_OPEN_WITHOUT_SANDBOX", said)
    assert sandbox_of(settings()).required is required
    assert reading_kit(drafts=False).sandbox.required is required


@pytest.mark.parametrize("said", ["no", "1", "true", "Yes!"])
def test_another_word_than_yes_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_OPEN_WITHOUT_SANDBOX", said)
    with pytest.raises(SandboxSettingOdd):
        settings()


def test_the_house_opens_files_as_the_setting_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    house = open_house()
    try:
        assert house.recipe._sandbox.required
        assert house.recipe._files._sandbox.required
    finally:
        house.close()


def test_a_second_factor_is_offered_unless_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().second_factor == "offered"
    monkeypatch.setenv("COUNTERFOIL_SECOND_FACTOR", "required")
    assert settings().second_factor == "required"
    monkeypatch.setenv("COUNTERFOIL_SECOND_FACTOR", "yes")
    with pytest.raises(SecondFactorOdd):
        settings()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", ""),
        ("https://rj.example", "https://rj.example"),
        ("https://RJ.example:8443/", "https://rj.example:8443"),
        ("http://localhost:8001", "http://localhost:8001"),
    ],
)
def test_the_address_of_the_staff_site_is_a_setting(
    said: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_STAFF_ORIGIN", said)
    assert settings().staff_origin == meant


@pytest.mark.parametrize("said", ["rj.example", "http://rj.example", "https://rj.example/x", "x:y"])
def test_what_is_no_address_of_a_site_is_refused(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_STAFF_ORIGIN", said)
    with pytest.raises(StaffOriginOdd):
        settings()
