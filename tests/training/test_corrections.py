"""What people decided becomes labelled characters: only when asked for, and written down."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.paper.files import write_images
from bench.paper.sheets import Order, make_sheets
from bench.paper.truth import Habits, PageTruth
from forms.fields import Choice
from forms.page_id import PageId
from forms.published import published
from kiosk.compose import House, open_house
from kiosk.files import FileThere
from kiosk.settings import Settings
from pipeline import work
from pipeline.kept import Decision, KeptPage, Status
from pipeline.ports import Sheet
from pipeline.readers.glyphs import CLASSES
from training import corrections
from training.corrections import TAKEN, gather, main, write
from training.seed_sheets import seed_kit

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    found = open_house(Settings(data=tmp_path / "data"))
    yield found
    found.close()


def verified(house: House, folder: Path, n: int = 2, seed: int = 1) -> list[list[PageTruth]]:
    """Issue copies, fill them in, take them in, and decide every field as it was meant."""
    with house.store.begin() as kept:
        serials = kept.sheets.draw(n)
        kept.sheets.issue(
            [
                Sheet(
                    serial=serial,
                    form="rj-1",
                    version=1,
                    language="en",
                    large_print=False,
                    pages=2,
                    issued_at=AT,
                )
                for serial in serials
            ]
        )
    truths = []
    order = Order(form="rj-1", n=n, seed=seed, serials=serials, habits=CAREFUL)
    for number, sheet in enumerate(make_sheets(order, "scan")):
        file = write_images(folder, f"copy-{number}", sheet.images, "pdf")[0]
        data, pages = file.read_bytes(), [page for side in sheet.truth for page in side]
        truths.append(pages)
        taken = house.intake.take_stream(io.BytesIO(data), name="", by="test", at=AT)
        with house.store.begin() as kept:
            intake = taken.intake.id
            ids = kept.intakes.split(intake, work.Split(pages=2), at=AT)
        for index, (page_id, truth) in enumerate(zip(ids, pages, strict=True)):
            results = house.recipe.read(data, "file", index)
            with house.store.begin() as kept:
                kept.pages.keep(page_id, 1, [work.Outcome(r) for r in results], at=AT)
            for name, told in truth.fields.items():
                value = told.value
                asked = published("rj-1").definition.field_named(name)
                if isinstance(asked, Choice) and not asked.many and isinstance(value, tuple):
                    value = value[:1]
                with house.store.begin() as kept:
                    page = kept.pages.get(page_id)
                    kept.decisions.add(page.decide(name, value, by="pat", at=AT))
    return truths


CAREFUL = Habits(dot=0.0, stray=0.0, blacked_out=0.0, words=0.0, words_only=0.0)


def names_staff(pages: list[PageTruth]) -> bool:
    return bool(pages[0].fields["kind"].marks["staff"].meant)


def test_decided_fields_come_back_with_their_own_characters(house: House, tmp_path: Path) -> None:
    copies: list[list[PageTruth]] = []
    for seed in range(1, 20):  # until one names staff and one does not
        copies += verified(house, tmp_path, 1, seed=seed)
        if len({names_staff(pages) for pages in copies}) == 2:
            break
    taken = [pages for pages in copies if not names_staff(pages)]
    assert 0 < len(taken) < len(copies)
    found = gather(house.store, house.blobs, seed_kit())
    assert found.left_out["record-names-staff"] == len(copies) - len(taken)
    mine: dict[int, Counter[str]] = {}
    for label, group in zip(found.labels, found.groups, strict=True):
        mine.setdefault(group, Counter())[CLASSES[label]] += 1
    for pages, got in zip(taken, mine.values(), strict=True):
        fields = [f for page in pages for f in page.fields.values()]
        meant = Counter(c for f in fields for c in f.characters if c != " ")
        assert not got - meant
        assert got.total() > 0.8 * meant.total()
    assert len(found.pages) == len(taken)  # only the first page has character boxes


def test_the_file_is_mixed_and_each_page_has_an_event_with_who_and_why(
    house: House, tmp_path: Path
) -> None:
    verified(house, tmp_path, 1, seed=3)
    found = gather(house.store, house.blobs, seed_kit())
    out = tmp_path / "own.npz"
    write(found, house.store, out, reason="retrain-2027-01", by="kim", at=AT)
    with np.load(out) as data:
        assert sorted(data) == ["WRITER_GROUP", "X", "Y"]
        assert sorted(data["Y"].tolist()) == sorted(found.labels)
        assert data["Y"].tolist() != found.labels
        assert set(data["WRITER_GROUP"]) == set(range(len(set(found.groups))))
        pairs = {(x.tobytes(), int(y)) for x, y in zip(data["X"], data["Y"], strict=True)}
        own = {(x.tobytes(), y) for x, y in zip(found.glyphs, found.labels, strict=True)}
        assert pairs == own
    with pytest.raises(FileThere):
        write(found, house.store, out, reason="once more", by="kim", at=AT)
    with house.store.look() as kept:
        for page in found.pages:
            last = kept.events.of(page)[-1]
            assert (last.what, last.by, last.code) == (TAKEN, "kim", "retrain-2027-01")


def test_without_a_reason_fit_to_keep_nothing_is_opened_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "own.npz")])
    for reason in ("", "x", "For John Smith!", "y" * 41):
        assert main(["--out", str(tmp_path / "own.npz"), "--reason", reason]) == 1
        assert "reason" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_when_nobody_has_decided_there_is_no_file(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "own.npz"), "--reason", "a first try"]) == 1
    assert "No verified record" in capsys.readouterr().err
    assert not (tmp_path / "own.npz").exists()


def page(**changed: object) -> KeptPage:
    kept = KeptPage(
        id="file-0",
        intake="file",
        label="file 1, page 1",
        page_index=0,
        slot=0,
        status=Status.VERIFIED,
        received_at=AT,
        what=PageId(form="rj-1", version=1, language="en", serial="7KQ4M2XD", page=1),
        by="code",
        decisions=(
            Decision(page="file-0", field="me_number", value="A1234BC", by="pat", at=AT),
            Decision(page="file-0", field="today", value="2026-11-20", by="pat", at=AT),
            Decision(page="file-0", field="me_cell", value=None, by="pat", at=AT),
            Decision(page="file-0", field="lang", cannot_read=True, by="pat", at=AT),
            Decision(page="file-0", field="other_wing", value="B", by="pat", at=AT),
            Decision(page="file-0", field="other_wing", value="D", by="kim", at=AT, number=2),
        ),
    )
    return replace(kept, **changed)  # type: ignore[arg-type]


def test_the_newest_word_counts_and_blanks_and_unreadable_fields_teach_nothing() -> None:
    left_out: Counter[str] = Counter()
    assert corrections._decided(page(), left_out) == {
        "me_number": "A1234BC",
        "today": "20112026",
        "other_wing": "D",
    }
    assert not left_out


def test_what_a_machine_wrote_is_nobodys_handwriting() -> None:
    left_out: Counter[str] = Counter()
    assert corrections._decided(page(by="pdf"), left_out) == {}
    assert left_out == {"typed": 3}
    left_out.clear()
    assert "me_number" not in corrections._decided(page(issued_to="A1234BC"), left_out)
    assert left_out == {"printed-when-issued": 1}
