from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench
from pipeline.readers.glyphs import CLASSES, JUNK, LONG_SIDE, SIDE
from training import measure, sources, strokes
from training.boxes import compose, draw_hand, ordinary_damage, scribble
from training.pool import draw_pool

FACES = Path(bench.__path__[0]) / "assets" / "fonts"


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_every_class_can_be_drawn_and_no_two_drawings_are_alike() -> None:
    chance = rng()
    assert set(strokes.WAYS) == set(CLASSES)
    for character in CLASSES:
        one, two = strokes.draw(character, chance), strokes.draw(character, chance)
        assert one.max() == 255
        assert not np.array_equal(one, two)


def test_a_glyph_file_keeps_whole_groups_of_writers_back(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(10), 6)
    pictures = np.zeros((60, 32, 32), np.uint8)
    np.savez(tmp_path / "digits.npz", X=pictures, Y=np.arange(60) % 10, WRITER_GROUP=groups)
    learn, back = sources.glyph_file(tmp_path / "digits.npz")
    assert (len(learn.labels), len(back.labels)) == (42, 18)


def test_a_glyph_file_without_writers_keeps_the_last_of_each_class_back(tmp_path: Path) -> None:
    index = np.tile(np.arange(20), 3)
    labels = np.repeat(np.arange(3), 20)
    np.savez(tmp_path / "pen.npz", X=np.zeros((60, 32, 32), np.uint8), Y=labels, INDEX=index)
    learn, back = sources.glyph_file(tmp_path / "pen.npz")
    assert np.bincount(learn.labels).tolist() == [17, 17, 17]
    assert np.bincount(back.labels).tolist() == [3, 3, 3]


def test_fonts_give_capitals_digits_and_light_lower_case() -> None:
    drawn = sources.fonts(FACES, without={p.stem for p in sources.font_files(FACES)[2:]})
    assert set(np.unique(drawn.labels)) == set(range(36))
    assert set(np.unique(drawn.weights)) == {np.float32(0.25), np.float32(1.0)}


def test_a_pool_has_every_class_and_some_junk_in_clean_squares() -> None:
    pool = draw_pool([(sources.drawn(3, rng()), 1.0)], 300, rng(), junk=0.1)
    assert pool.glyphs.shape == (300, SIDE, SIDE)
    assert JUNK in pool.labels
    assert len(np.unique(pool.labels)) > 30
    for glyph in pool.glyphs[:50]:
        rows, columns = np.nonzero(glyph > 40)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= LONG_SIDE + 1


def test_the_same_seed_gives_the_same_pool() -> None:
    one, two = (draw_pool([(sources.drawn(2, rng()), 1.0)], 20, rng()) for _ in range(2))
    assert np.array_equal(one.glyphs, two.glyphs)


def test_a_crossed_out_character_has_more_ink_than_the_character() -> None:
    chance = rng()
    picture, damage, hand = strokes.draw("L", chance), ordinary_damage(chance), draw_hand(chance)
    plain = compose(picture, rng(), damage=damage, hand=hand)
    struck = compose(picture, rng(), damage=damage, hand=hand, over=scribble(chance))
    assert struck.pixels.mean() < plain.pixels.mean()


def test_calibration_error_is_none_when_confidence_is_the_share_right() -> None:
    sure = np.full(1000, 0.9, np.float32)
    assert measure.calibration_error(sure, np.arange(1000) % 10 != 0) == pytest.approx(0, abs=0.02)
    assert measure.calibration_error(sure, np.ones(1000, bool)) == pytest.approx(0.1, abs=0.01)


def test_the_temperature_of_overconfident_scores_is_above_one() -> None:
    chance = rng()
    labels = chance.integers(10, 36, 4000)
    scores = chance.normal(0, 1, (4000, 39)).astype(np.float32)
    scores[np.arange(4000), labels] += 3
    honest = scores * 3  # the log of how much likelier each draw is with the shift than without
    assert measure.fit_temperature(honest, labels) == pytest.approx(1.0, abs=0.15)
    assert measure.fit_temperature(honest * 3, labels) > 2.0


def test_the_shipped_network_reads_drawn_characters() -> None:
    import pipeline.readers

    model = Path(pipeline.readers.__path__[0]) / "models" / "charnet.onnx"
    source = sources.drawn(6, rng())
    pool = draw_pool([(source, 1.0)], 200, rng(), junk=0.0, damaged=ordinary_damage)
    chance = measure.sort_probabilities(measure.logits(model, pool.glyphs), pool.labels, 1.0)
    plain = pool.labels < 36
    assert (chance.argmax(axis=1) == pool.labels)[plain].mean() > 0.9
