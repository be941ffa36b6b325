"""Names of files: whatever they hold, they can be kept, printed and sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.file_names import LONGEST, base_name, shown

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=3 * LONGEST)


@given(name=ANYTHING)
def test_any_name_becomes_one_line_that_every_encoding_of_text_can_hold(name: str) -> None:
    for told in (base_name(name), shown(name)):
        assert told.isprintable()
        assert len(told) <= LONGEST
        assert told.encode("utf-8").decode("utf-8") == told


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/home/smith/wing b/page.pdf", "page.pdf"),
        ("C:\\smith\\page.pdf", "page.pdf"),
        ("a\x1b[2J\nb.pdf", "a?[2J?b.pdf"),
        ("page\udcff\u202e.pdf", "page??.pdf"),
        ("Zażółć gęślą.pdf", "Zażółć gęślą.pdf"),
        ("", ""),
        ("/", ""),
    ],
)
def test_a_name_is_kept_without_its_folders_and_without_what_does_not_print(
    name: str, kept: str
) -> None:
    assert base_name(name) == base_name(Path(name)) == kept


def test_a_path_is_shown_whole_or_by_its_end() -> None:
    assert shown(Path("scans/wing b/page.pdf")) == "scans/wing b/page.pdf"
    long = shown(Path("deep") / ("x" * 300) / "page.pdf")
    assert long.startswith("...xxx")
    assert long.endswith("/page.pdf")
