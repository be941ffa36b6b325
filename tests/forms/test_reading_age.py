"""Everything a prisoner reads in English can be read by somebody of nine.

Reading age is the Flesch-Kincaid grade plus five (Kincaid and others, 1975, Research Branch
Report 8-75: 0.39 words a sentence + 11.8 syllables a word - 15.59).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from forms import library
from forms.library import definition
from forms.texts import asks_for_consent, texts_of
from forms.wording import OFFER
from kiosk.translations import ENGLISH_ONLY, screen_strings, translations

OLDEST = 9.0
"""Years."""
LONGEST_SENTENCE = 15
"""Words."""
ENOUGH = 8
"""Words from which on the formula says something of one text by itself."""
KNOWN = frozenset({"afternoon", "january", "february", "interpreter", "restorative"})
"""Words of four syllables or more that have no shorter one and are said every day."""


def syllables(word: str) -> int:
    """Count a word's syllables: its groups of vowels, less the silent ones."""
    bare = re.sub(r"[^a-z]", "", word.lower())
    if not bare:
        return 1
    if bare.upper() == word.strip(".,:?!") and len(bare) <= 4 and not re.search("[aeiouy]", bare):
        return len(bare)  # spelled out, like RJ
    bare = re.sub(r"(?:[^laeiouysxzh]es|[^td]ed|[^laeiouy]e)$", lambda m: m[0][0], bare)
    bare = re.sub(r"([^aeiouy])le$", r"\1el", bare)
    groups = re.findall(r"[aeiouy]+", bare)
    return max(1, len(groups) + len(re.findall(r"i[ao](?!u)|eo(?!p)|(?<![gq])ua", bare)))


def sentences(text: str) -> list[list[str]]:
    """Cut a text into sentences, and those into words."""
    spoken = re.sub(r"\{\w+\}", "x", text)
    cut = [re.findall(r"[\w\u2019'-]+", each) for each in re.split(r"[.?!:;\n]", spoken)]
    return [each for each in cut if each]


def reading_age(text: str) -> float:
    """Say from what age on a text can be read, in years, to a tenth."""
    lines = sentences(text)
    words = [word for line in lines for word in line]
    grade = 0.39 * len(words) / len(lines) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
    return round(grade + 5, 1)


def for_prisoners() -> Iterator[tuple[str, str]]:
    """Give every English text a prisoner reads, with where it stands."""
    for form in library.FORMS:
        if form.id in ENGLISH_ONLY:
            continue
        staff = {
            text
            for part in form.sections
            if part.staff_only
            for each in part.fields
            for text in (part.title, each.label, each.hint)
        }
        for text in texts_of(form):
            if text not in staff:
                yield f"form {form.id}", text
    for text, place in screen_strings()[0]:
        yield f"screen {place.split()[1].split('_')[0]}", text
    yield "offer", OFFER


FOR_REPS = "rj-7"
"""Printed in English only, and read by prisoners who help."""
TEXTS = sorted(set(for_prisoners()))


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("cat", 1),
        ("made", 1),
        ("table", 2),
        ("people", 2),
        ("prisoner", 3),
        ("danger", 2),
        ("hurting", 2),
        ("asked", 1),
        ("wanted", 2),
        ("boxes", 2),
        ("form", 1),
        ("someone", 3),
        ("officer", 3),
        ("Samaritans", 4),
        ("number", 2),
        ("language", 2),
        ("RJ", 2),
        ("video", 3),
        ("diary", 3),
    ],
)
def test_syllables_are_counted(word: str, count: int) -> None:
    assert syllables(word) == count


def test_a_hard_text_has_a_higher_reading_age_than_an_easy_one() -> None:
    easy = "The cat sat on the mat. The dog ran to it."
    hard = (
        "Participation in restorative proceedings presupposes unequivocal acknowledgement of "
        "responsibility by the individual concerned."
    )
    assert reading_age(easy) < 6 < 18 < reading_age(hard)


def test_the_age_is_that_of_the_formula() -> None:
    assert reading_age("The cat sat. The dog ran.") == pytest.approx(
        0.39 * 3 + 11.8 * 1 - 15.59 + 5, abs=0.05
    )


@pytest.mark.parametrize("text", sorted({text for _, text in TEXTS}), ids=lambda t: str(t)[:40])
def test_a_text_is_short_and_easy(text: str) -> None:
    for line in sentences(text):
        assert len(line) <= LONGEST_SENTENCE, line
    words = re.findall(r"[A-Za-z\u2019'-]+", re.sub(r"\{\w+\}", "", text))
    assert [w for w in words if syllables(w) > 3 and w.lower() not in KNOWN | {"samaritans"}] == []
    if len(words) >= ENOUGH:
        assert reading_age(text) <= OLDEST


def test_each_form_and_screen_can_be_read_by_somebody_of_nine() -> None:
    whole = defaultdict(list)
    for place, text in TEXTS:
        whole[place].append(text.rstrip(".") + ".")
    assert len(whole) > 10
    ages = {
        place: reading_age(" ".join(texts))
        for place, texts in whole.items()
        if sum(len(text.split()) for text in texts) >= ENOUGH
    }
    assert {place: age for place, age in ages.items() if age > OLDEST} == {}


def test_what_a_rep_is_handed_can_be_read_by_somebody_of_nine() -> None:
    texts = list(texts_of(definition(FOR_REPS)))
    assert reading_age(" ".join(text.rstrip(".") + "." for text in texts)) <= OLDEST
    assert all(len(line) <= LONGEST_SENTENCE for text in texts for line in sentences(text))


def test_easy_read_is_no_harder_than_the_english() -> None:
    easy = translations("en-easy")
    texts = [text for _, text in TEXTS if text in easy]
    plain, simple = " ".join(texts), " ".join(easy[text][0] for text in texts)
    assert reading_age(simple) <= reading_age(plain) + 0.05
    for said, _ in easy.values():
        for line in sentences(said):
            assert len(line) <= LONGEST_SENTENCE, line


def test_consent_is_among_what_is_measured() -> None:
    asking = {f"form {form.id}" for form in library.FORMS if asks_for_consent(form)}
    assert asking <= {place for place, _ in TEXTS}
