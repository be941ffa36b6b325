"""Paper is made with our own fonts, whatever the machine has installed."""

from __future__ import annotations

import os
from importlib import resources

from weasyprint.text.ffi import fontconfig  # type: ignore[import-untyped]

from forms.render import our_fonts


def test_no_font_of_the_machine_is_known() -> None:
    fonts = our_fonts()
    known = fontconfig.FcConfigGetFonts(fonts._config, fontconfig.FcSetSystem)
    ours = resources.files("forms") / "assets" / "fonts"
    assert known.nfont == sum(each.name.endswith(".ttf") for each in ours.iterdir())


def test_others_find_the_machines_fonts_as_before(monkeypatch) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", "/somewhere/else.conf")
    our_fonts()
    assert os.environ["FONTCONFIG_FILE"] == "/somewhere/else.conf"
    monkeypatch.delenv("FONTCONFIG_FILE")
    our_fonts()
    assert "FONTCONFIG_FILE" not in os.environ
