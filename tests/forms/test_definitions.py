"""The forms as data: keys, rules and words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import pytest

from forms import library
from forms.fields import (
    DRAWN,
    Choice,
    Date,
    FormDefinition,
    FreeText,
    Printed,
    Signature,
    Text,
    Visibility,
)
from forms.measure import boxes_of

FORMS = {form.id: form for form in library.FORMS}
PRISONER = [form for form in library.FORMS if form.style == "prisoner"]
LONGEST_SENTENCE = 15
"""Words. All but the fixed danger warning stay under it."""


def printed(form: FormDefinition) -> Iterator[str]:
    """Give every text a prisoner reads."""
    yield from (form.heading, form.intro, form.footer)
    if form.counterfoil:
        yield from (form.counterfoil.text, form.counterfoil.reverse)
    for part in form.sections:
        yield from (part.title, part.intro, *part.rows)
        for each in part.fields:
            yield from (each.hint, each.label)
            if isinstance(each, Printed):
                yield each.text
            if isinstance(each, Choice):
                yield from each.statement
                yield from (option.label for option in each.options)


def test_every_form_and_the_seed_sheet_are_there() -> None:
    assert list(FORMS) == [
        *("rj-1", "rj-2", "rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-5", "rj-6", "rj-7", "rj-8", "rj-0")
    ]
    assert [form.id for form in library.FORMS if form.seed] == ["rj-0"]


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_every_key_is_used_once_and_well_formed(form: FormDefinition) -> None:
    names = [each.name for each in form.fields()]
    assert len(set(names)) == len(names)
    inputs = [box.input_name for box in boxes_of(form)]
    assert len(set(inputs)) == len(inputs)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name
    for each in form.fillable():
        if isinstance(each, Choice):
            keys = [option.name for option in each.options]
            assert len(set(keys)) == len(keys)
            assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", key) for key in keys)


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_a_pattern_has_one_entry_for_each_box(form: FormDefinition) -> None:
    for each in form.fillable():
        if isinstance(each, Text):
            assert len(each.pattern.allowed) == each.boxes
            each.pattern.regex()


KEYS = {
    "rj-1": "me_number me_name me_cell today role kind other_who other_wing when safe want how "
    "first_contact no_rep quiet help lang best_time more helped_by know_limits mark",
    "rj-2": "p1_number p1_name p1_cell p2_number p2_name p2_cell p1_role p2_role type when "
    "when_part where done_already refs risk_now told need line about_staff conf_ref off_name "
    "off_id off_sign off_date off_time",
    "rj-3h": "c_know c_free c_no_harm c_no_gain c_stop c_contact c_name c_msg c_letter c_meet "
    "c_rep c_rep_what c_supporter c_share_safer c_share_agree c_research limits "
    "rep_not_listener teach_back capacity how_read interp sign date prac_sign review_on "
    "interp_language interp_how interp_free",
    "rj-3w": "stop mark date",
    "rj-4": "r_date r_stage r_id r_sender r_na r_na_level r_na_roll r_na_manager r_na_security "
    "r_alerts r_acct r_csip r_case_manager r_case_manager_on r_proc_police r_proc_hearing "
    "r_proc_other r_charge r_loc r_loc_until r_power r_resp r_resp_how r_motive_h "
    "r_motive_h_real r_motive_r r_motive_r_real r_emot r_emot_what r_needs r_retal "
    "r_retal_others r_retal_seen r_retal_why r_safe_plan r_rep r_rep_who r_rep_clash r_mode "
    "r_level r_support r_benefit r_sign r_super r_valid_to",
    "rj-6": "f_safe f_well f_again f_fair f_heard f_friend f_support f_done_1 f_done_2 f_done_3 "
    "f_done_4 f_done_5 f_when f_who f_date f_where f_private",
    "rj-8": "n_number n_wing n_by n_date n_when n_where n_helped n_staff n_offered n_recheck",
    "rj-0": "in_order mixed words small marks",
}
KEYS["rj-5"] = (
    "a_mode a_date a_space a_space_more a_if a_copy a_copy_shown a_hold a_na a_free_me a_free_them "
    "a_sign_me a_sign_me_on a_sign_them a_sign_them_on a_prac_sign a_prac_on "
) + " ".join(f"a{n}_{part}" for n in range(1, 6) for part in ("what", "who", "when", "known"))
KEYS["rj-7"] = " ".join(
    f"line{n}_{part}"
    for n in range(1, 7)
    for part in ["seen", "goes_on", "worker", "worry", "recheck"]
)
KEYS["rj-3r"] = KEYS["rj-3h"] + " c_resp c_share_adj"


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_a_form_asks_exactly_its_keys(form: FormDefinition) -> None:
    assert {each.name for each in form.fillable()} == set(KEYS[form.id].split())


def test_every_line_of_consent_is_always_seen_by_a_person() -> None:
    for name in ("rj-3h", "rj-3r", "rj-3w"):
        asked = [f for f in FORMS[name].fillable() if isinstance(f, Choice) and not f.staff_only]
        assert asked
        assert all(each.consent and each.always_seen for each in asked)


def test_what_a_party_wrote_and_all_of_the_risk_checklist_is_for_practitioners() -> None:
    risk, plan = FORMS["rj-4"], FORMS["rj-5"]
    assert {each.visibility for each in risk.fillable()} == {Visibility.SEALED}
    words = [each for each in plan.fillable() if isinstance(each, FreeText)]
    named = [each.name for each in words if each.visibility is not Visibility.SEALED]
    assert named == ["a_copy_shown"]


def test_both_say_yes_to_a_plan_each_in_a_line_that_a_person_sees() -> None:
    for name in ("a_free_me", "a_free_them", "a_copy"):
        asked = FORMS["rj-5"].field_named(name)
        assert isinstance(asked, Choice)
        assert asked.consent
        assert asked.always_seen


def test_a_low_face_for_safety_more_trouble_and_a_reps_worry_are_urgent() -> None:
    urgent = {
        (form.id, each.name): {option.name for option in each.options if option.urgent}
        for form in library.FORMS
        for each in form.fillable()
        if isinstance(each, Choice)
    }
    assert urgent["rj-6", "f_safe"] == {"face_1", "face_2"}
    assert urgent["rj-6", "f_well"] == set()
    assert urgent["rj-6", "f_again"] == {"threats", "fight"}
    for line in range(1, 7):
        assert (
            urgent["rj-7", f"line{line}_worker"] == urgent["rj-7", f"line{line}_worry"] == {"yes"}
        )
        assert urgent["rj-7", f"line{line}_seen"] == set()


def test_a_reps_sheet_is_stamped_from_lists_and_asks_for_no_words() -> None:
    sheet = FORMS["rj-7"]
    assert all(isinstance(each, Choice) for each in sheet.fillable())
    stamped = {each.stamp for each in sheet.fields() if isinstance(each, Printed) and each.stamp}
    lines = {f"line{n}_{what}" for n in range(1, 7) for what in ("who", "where", "why", "care")}
    assert stamped == lines | {"serial", "rep", "day", "worker", "back_by"}
    assert not any(stamp.startswith("person") for stamp in stamped)


def test_not_feeling_safe_is_urgent_and_staff_is_confidential() -> None:
    safe, kind = FORMS["rj-1"].field_named("safe"), FORMS["rj-1"].field_named("kind")
    assert isinstance(safe, Choice)
    assert isinstance(kind, Choice)
    assert {o.name for o in safe.options if o.urgent} == {"no", "not_sure"}
    assert {o.name for o in kind.options if o.confidential} == {"staff"}


def test_the_staff_part_is_fields_that_staff_fill_in() -> None:
    for name in ("rj-3h", "rj-3r"):
        for part in FORMS[name].sections:
            assert all(each.staff_only == part.staff_only for each in part.fields)


@pytest.mark.parametrize("form", PRISONER, ids=lambda f: f.id)
def test_sentences_for_prisoners_are_short(form: FormDefinition) -> None:
    for text in printed(form):
        for sentence in re.split(r"[.?!:;\n]", text):
            words = sentence.split()
            allowed = LONGEST_SENTENCE if text.startswith("If you may hurt") else 14
            assert len(words) <= allowed, sentence


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_no_form_says_victim_offender_or_complaint(form: FormDefinition) -> None:
    for text in printed(form):
        assert not re.search(r"victim|offender|perpetrator|complain", text, re.I), text


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_writing_room_is_given_to_every_kind(form: FormDefinition) -> None:
    kinds = [key for key, _ in groupby(box.kind for box in boxes_of(form))]
    wanted = {
        {Text: "character", Date: "character", Choice: "tick", FreeText: "free_text"}.get(
            type(each), "signature" if isinstance(each, Signature) else ""
        )
        for each in form.fillable()
    }
    assert set(kinds) == wanted


@pytest.mark.parametrize("form", library.FORMS, ids=lambda f: f.id)
def test_boxes_that_ask_for_a_wing_or_cell_say_that_they_hold_a_place(form: FormDefinition) -> None:
    for each in form.fillable():
        if isinstance(each, Text):
            asks = re.search(r"\b(wing|cell)\b", each.label, re.I) is not None
            assert each.places == asks, each.name


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Zo\u00eb O\u2019Brien-\u0141ukasz", "ZOE O'BRIEN-LUKASZ"),
        ("  Jo   Lee ", "JO LEE"),
        ("\u00d8ystein Stra\u00dfe", "OYSTEIN STRASSE"),
        ("X" * 25, None),
        ("\u0416\u0430\u043d\u0430", None),
        ("Jo 2", None),
    ],
)
def test_a_name_is_written_as_its_boxes_allow_or_not_at_all(name: str, written: str | None) -> None:
    asked = FORMS["rj-1"].field_named("me_name")
    assert isinstance(asked, Text)
    assert asked.pattern.written(name) == written


def test_the_seed_sheet_asks_for_every_character_and_mark_several_times() -> None:
    sheet = FORMS["rj-0"]
    rows = [each for each in sheet.fillable() if isinstance(each, Text)]
    asked = Counter("".join(each.told for each in rows))
    assert set(asked) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-")
    assert min(asked.values()) >= 4
    for size in (None, (5.0, 7.0)):
        mine = Counter("".join(each.told for each in rows if each.box == size))
        assert min(mine[c] for c in asked) >= 2
    marks = sheet.field_named("marks")
    assert isinstance(marks, Choice)
    assert Counter(option.draw for option in marks.options) == dict.fromkeys(DRAWN, 3)


def test_a_seed_box_may_hold_the_character_that_it_asks_for() -> None:
    for each in FORMS["rj-0"].fillable():
        if isinstance(each, Text):
            assert each.pattern.regex().fullmatch(each.told)


def test_only_the_seed_sheet_tells_what_to_write_and_it_asks_who_nobody_is() -> None:
    for form in library.FORMS:
        for each in form.fillable():
            if isinstance(each, Text):
                assert bool(each.above) == form.seed
                assert not (form.seed and each.identifies)
            if isinstance(each, Choice):
                assert all(bool(option.draw) == form.seed for option in each.options)
