from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench
from pipeline.readers.glyphs import CLASSES, JUNK, LONG_SIDE, SIDE
from training import measure, sources, strokes
from training.boxes import compose, draw_hand, learner_hand, ordinary_damage, restroked, scribble
from training.fetch_fonts import OPEN_LICENCES, packages
from training.pool import Pool, draw_pool

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


def test_a_shadow_on_the_paper_is_taken_off_and_other_pictures_stay() -> None:
    plain = np.zeros((32, 32), np.uint8)
    plain[5:27, 14:17] = 255
    shaded = np.maximum(plain, 150)
    shaded[:4] = shaded[-4:] = 0
    both = sources.flattened(np.array([plain, shaded]))
    assert np.array_equal(both[0], plain)
    assert both[1][10:20, 15].min() > 200
    assert np.median(both[1][8:24]) < 20


def test_strokes_are_thinned_or_thickened_and_never_vanish() -> None:
    chance = rng()
    thick, thin = np.zeros((56, 56), np.uint8), np.zeros((56, 56), np.uint8)
    thick[8:48, 20:32] = 255
    thin[8:48, 27:29] = 255
    assert 0 < restroked(thick, chance).sum() < thick.sum()
    assert restroked(thin, chance).sum() > thin.sum()
    small = restroked(thin[12:44, 12:44], chance)
    assert small.shape == (32, 32)
    assert small.max() > 100


def test_hands_to_learn_from_vary_more_than_those_measured_with() -> None:
    one, two = rng(), rng()
    measured = [draw_hand(one) for _ in range(800)]
    learnt = [learner_hand(two) for _ in range(800)]
    assert np.std([h.slant for h in learnt]) > np.std([h.slant for h in measured])
    assert np.mean([h.bend for h in learnt]) > np.mean([h.bend for h in measured])
    assert max(h.weight for h in learnt) > max(h.weight for h in measured)
    assert all(abs(h.offset_mm[0]) < 4.0 for h in learnt)


def test_every_font_in_the_list_is_under_an_open_licence_and_named_exactly() -> None:
    listed = packages()
    assert len({p.name for p in listed}) == len(listed) > 30
    assert {p.licence for p in listed} <= OPEN_LICENCES
    assert all(p.version[0].isdigit() for p in listed)


def test_a_font_under_a_licence_that_is_not_open_is_refused(tmp_path: Path) -> None:
    told = tmp_path / "fonts.txt"
    told.write_text("npm  @x/y  1.0  Unknown  y  y.woff\n", "utf-8")
    with pytest.raises(ValueError, match="line 1"):
        packages(told)


def test_no_family_that_is_measured_with_is_learnt_from() -> None:
    held = {"cedarville-cursive", "coming-soon", "dekko", "gaegu", "handlee", "homemade-apple",
            "la-belle-aurore", "nanum-pen-script", "nothing-you-could-do", "over-the-rainbow",
            "sue-ellen-francisco", "the-girl-next-door"}  # fmt: skip
    assert held <= {p.stem for p in sources.font_files(FACES)}
    assert not held & {p.family for p in packages()}


def test_a_face_of_swashes_is_left_out_and_a_printing_face_is_not(tmp_path: Path) -> None:
    for name in ("homemade-apple", "patrick-hand"):
        (tmp_path / f"{name}.ttf").write_bytes((FACES / f"{name}.ttf").read_bytes())
    import pipeline.readers

    model = Path(pipeline.readers.__path__[0]) / "models" / "charnet.onnx"
    found = measure.illegible(model, tmp_path, least=0.75)  # it reads 0.67 of these swashes
    assert set(found) == {"homemade-apple"}
    assert not measure.illegible(model, tmp_path, least=0.5)


def test_a_pool_that_was_kept_is_the_same_when_read_again(tmp_path: Path) -> None:
    pool = draw_pool([(sources.drawn(2, rng()), 1.0)], 30, rng(), learning=True, digits=2.0)
    pool.save(tmp_path / "pool.npz")
    again = Pool.load(tmp_path / "pool.npz")
    assert np.array_equal(again.glyphs, pool.glyphs)
    assert np.array_equal(again.labels, pool.labels)


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
