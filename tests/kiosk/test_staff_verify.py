"""Deciding: what is asked again, what is kept, what is never overwritten, and what comes next."""

from __future__ import annotations

import hashlib
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pdfplumber

from forms import library
from forms.layout import Rect
from forms.page_id import show_serial
from forms.published import published
from kiosk.staff import wording
from kiosk.staff.pictures import badges_for, place_of
from pipeline import stages
from pipeline.records_export import definitions_for, write

STATIC = Path(wording.__file__).parent / "static"


def decisions(prison, page):
    with prison.store.look() as kept:
        return [(d.field, d.value, d.cannot_read, d.by) for d in kept.pages.get(page).decisions]


def test_an_odd_answer_is_kept_only_when_sent_twice(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    odd = vera.decide(page, "me_number", answer="A123")
    assert odd.status_code == 422
    assert "normally looks like A1234BC" in odd.text
    assert decisions(prison, page) == []
    sure = odd.text.partition('name="sure" value="')[2].partition('"')[0]
    other = vera.decide(page, "me_number", answer="B123", sure=sure)
    assert other.status_code == 422
    assert vera.decide(page, "me_number", answer="A123", sure=sure).status_code == 303
    assert decisions(prison, page) == [("me_number", "A123", False, "vera")]


def test_an_empty_answer_must_be_meant(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    assert vera.decide(page, "me_number", answer="").status_code == 422
    assert vera.decide(page, "me_number", answer="A9", act="nothing").status_code == 303
    assert decisions(prison, page) == [("me_number", None, False, "vera")]


def test_cannot_read_keeps_no_value(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    assert vera.decide(page, "me_number", answer="A1Z34BC", act="cannot-read").status_code == 303
    assert decisions(prison, page) == [("me_number", None, True, "vera")]


def test_a_consent_against_a_sure_machine_is_asked_twice(prison, visitor, samples) -> None:
    page = prison.comes_in(samples.consent)[0]
    vera = visitor("vera")
    text = vera.get(f"/pages/{page}/fields/c_know").text
    assert "checked" not in text
    again = vera.decide(page, "c_know", answer="no")
    assert again.status_code == 422
    assert "The machine saw something else: Yes" in again.text
    assert decisions(prison, page) == []


def test_somebody_elses_decision_stays_and_both_are_shown(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera, victor = visitor("vera"), visitor("victor")
    assert vera.decide(page, "me_number", answer="A1Z34BC").status_code == 422
    sure = hashlib.sha256(repr([("answer", ("A1Z34BC",))]).encode()).hexdigest()[:24]
    assert vera.decide(page, "me_number", answer="A1Z34BC", sure=sure).status_code == 303
    form = {"csrf": victor.token(), "seen": "1", "answer": "A1734BC"}
    refused = victor.post(f"/pages/{page}/fields/me_number", data=form)
    assert refused.status_code == 409
    assert "A1Z34BC" in refused.text
    assert "A1734BC" in refused.text
    assert decisions(prison, page) == [("me_number", "A1Z34BC", False, "vera")]


def test_of_many_answers_at_once_exactly_one_is_kept(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    browsers = [visitor(who) for who in ("vera", "victor", "petra", "milan")]
    tokens = [browser.token() for browser in browsers]

    def answer(n: int) -> int:
        form = {"csrf": tokens[n], "seen": "0", "answer": f"A123{n}BC"}
        return browsers[n].post(f"/pages/{page}/fields/me_number", data=form).status_code

    with ThreadPoolExecutor(4) as people:
        assert sorted(people.map(answer, range(4))) == [303, 409, 409, 409]
    assert len(decisions(prison, page)) == 1


def test_ones_own_decision_can_be_changed_and_both_are_kept(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    vera.decide(page, "me_number", answer="A1234BC")
    assert vera.decide(page, "me_number", answer="A1734BC").status_code == 303
    assert [d[1] for d in decisions(prison, page)] == ["A1234BC", "A1734BC"]


def test_an_answer_from_an_old_window_changes_nothing(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    vera.decide(page, "me_number", answer="A1234BC")
    old = {"csrf": vera.token(), "seen": "0", "answer": "A1734BC"}
    assert vera.post(f"/pages/{page}/fields/me_number", data=old).status_code == 409
    assert [d[1] for d in decisions(prison, page)] == ["A1234BC"]


def test_a_verifiers_part_leaves_the_record_open_for_a_practitioner(
    prison, visitor, samples
) -> None:
    front, back = prison.comes_in(samples.self_referral)
    vera, petra = visitor("vera"), visitor("petra")
    vera.decide(front, "me_number", answer="A1234BC")
    day = {"answer-day": "20", "answer-month": "11", "answer-year": "2026"}
    vera.decide(front, "today", **day)
    onward = vera.decide(front, "role", answer="harmed").headers["location"]
    assert onward == f"/pages/{back}/fields/mark"
    assert vera.decide(back, "mark", answer="yes").headers["location"] == "/"
    assert "1 page waits only for a practitioner" in vera.get("/").text
    assert "read in two ways" in petra.get(f"/pages/{front}/fields/me_number").text
    petra.decide(front, "me_number", answer="A1234BC")
    onward = petra.decide(back, "more", answer="").headers["location"]
    assert onward.endswith("/verified")
    assert "Verified" in petra.get(onward).text


def test_safety_comes_first_then_consents_then_the_rest(prison, visitor, samples) -> None:
    rest = prison.comes_in(samples.self_referral)[0]
    consent = prison.comes_in(samples.consent)[0]
    urgent = prison.comes_in(samples.unsafe)[0]
    vera = visitor("vera")
    text = vera.get("/").text
    assert text.index(urgent) < text.index(consent) < text.index(rest)
    assert vera.get("/verify").headers["location"] == f"/pages/{urgent}/fields/safe?in=queue"
    assert (
        f'name="to" value="/pages/{urgent}/fields/safe?in=queue"'
        in vera.get("/verify", follow_redirects=True).text
    )


def test_a_page_with_nothing_left_for_somebody_leaves_their_queue(prison, visitor, samples) -> None:
    front, back = prison.comes_in(samples.self_referral)
    vera, petra = visitor("vera"), visitor("petra")
    assert vera.decide(back, "mark", answer="yes").status_code == 303
    assert f"/pages/{back}/" not in vera.get("/").text
    assert f"/pages/{front}/fields/me_number" in vera.get("/").text
    assert f"/pages/{back}/fields/more" in petra.get("/").text
    assert "0 more pages waiting" in vera.get(f"/pages/{front}/fields/me_number").text
    assert "1 more page waiting" in petra.get(f"/pages/{front}/fields/me_number").text


def test_a_copy_without_all_its_pages_can_be_settled(prison, visitor, samples) -> None:
    page = prison.comes_in(replace(samples.unsafe, read_as={}), pages=[1])[0]
    vera = visitor("vera")
    onward = vera.decide(page, "safe", answer="no")
    assert onward.status_code == 303
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    shown = vera.get(f"/records/{record}")
    assert "has not come in yet" in shown.text
    assert f"/records/{record}" in vera.get("/").text
    done = vera.post(f"/records/{record}/without-missing", data={"csrf": vera.token()})
    assert done.status_code == 303
    text = vera.get(f"/records/{record}").text
    assert "go on without the missing pages" in text
    assert "Verified" in text


def test_free_text_is_asked_with_its_draft_when_there_is_one_and_without_before(
    prison, visitor, samples
) -> None:
    _, back = prison.comes_in(samples.self_referral, drafted=False)
    petra, path = visitor("petra"), f"/pages/{back}/fields/more"
    before = petra.get(path)
    assert before.status_code == 200
    assert "I have looked at it" in before.text
    assert 'class="draft' not in before.text
    assert "Start from the draft" not in before.text
    early = petra.decide(back, "more", act="draft")
    assert early.status_code == 200
    assert "he took my radio" not in early.text
    prison.drafts(back, samples.self_referral)
    after = petra.get(path).text
    assert "often wrong, not an answer" in after
    assert "he took my radio" in after.partition('class="draft"')[2].partition("</div>")[0]
    assert "he took my radio" not in after.partition("<textarea")[2].partition("</textarea>")[0]
    taken = petra.decide(back, "more", act="draft").text
    assert "he took my radio" in taken.partition("<textarea")[2].partition("</textarea>")[0]


def test_a_draft_is_no_answer_and_leaves_the_export_as_it_was(prison, visitor, samples) -> None:
    lines = []
    for drafted in (False, True):
        front, back = prison.comes_in(samples.self_referral, drafted=drafted)
        with prison.store.begin() as kept:
            for page in (kept.pages.get(front), kept.pages.get(back)):
                for reading in page.undecided:
                    given = None if reading.field == "more" else reading.value
                    kept.decisions.add(
                        page.decide(reading.field, given, by="petra", at=prison.clock())
                    )
            record = kept.records.get(kept.pages.get(front).record)
        assert record.state == "verified"
        out = io.BytesIO()
        write([record], definitions_for("rj-1"), "jsonl", out)
        line = json.loads(out.getvalue())
        assert "he took my radio" not in out.getvalue().decode()
        lines.append({k: v for k, v in line.items() if v not in (record.id, record.serial)})
        assert len(lines[-1]) < len(line)
    assert lines[0] == lines[1]


def test_what_people_wrote_cannot_become_markup(prison, visitor, samples) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    filled = replace(
        samples.self_referral,
        read_as={
            "me_number": {
                "value": evil,
                "review": True,
                "why": ("low-confidence",),
                "candidates": ((evil, 0.5), ("{{7*7}}", 0.4)),
            },
        },
        drafts={"more": evil},
    )
    front, back = prison.comes_in(filled)
    petra = visitor("petra")
    with prison.store.look() as kept:
        record = kept.pages.get(front).record
    paths = (f"/pages/{front}/fields/me_number", f"/pages/{back}/fields/more")
    assert visitor("vera").decide(front, "me_number", answer="A1234BC").status_code == 303
    texts = [petra.get(p).text for p in paths]
    texts.append(petra.decide(back, "more", act="draft").text)
    petra.decide(back, "more", answer=evil)
    texts.append(petra.get(f"/records/{record}").text)
    for text in texts:
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "alert(1)" in text
    assert "49" not in texts[0].partition("<main")[2].partition("{{7*7}}")[0][-200:]


def test_the_crop_holds_the_answer_and_every_tick_box_has_its_key(samples) -> None:
    for form in sorted({each.id for each in library.FORMS if not each.seed}):
        version = published(form)
        for page in version.layout.pages:
            for asked in version.definition.fillable():
                boxes = [b for b in page.boxes if b.field == asked.name]
                place = place_of(asked, None, version.layout, page.page)
                if not boxes:
                    assert place is None
                    continue
                for box in boxes:
                    assert place.x <= box.box.x
                    assert place.right >= box.box.right
                    assert place.y <= box.box.y
                    assert place.bottom >= box.box.bottom
                assert 0 <= place.x < place.right <= version.layout.page_mm[0]
                assert 0 <= place.y < place.bottom <= version.layout.page_mm[1]
                ticks = [b.option for b in boxes if b.option]
                keys = {name: str(n) for n, name in enumerate(ticks)}
                badges = badges_for(asked, keys, place, version.layout, page.page)
                assert len(badges) == len(ticks)


def test_a_page_is_decoded_once_and_only_in_memory(prison, visitor, samples, monkeypatch) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    fetched = []
    get = prison.blobs.get
    monkeypatch.setattr(prison.blobs, "get", lambda *d: fetched.append(d) or get(*d))
    vera = visitor("vera")
    for name in ("me_number", "today", "role"):
        answer = vera.get(f"/pages/{page}/fields/{name}/crop.png")
        assert answer.content.startswith(b"\x89PNG")
        assert answer.headers["cache-control"] == "no-store"
    assert len(fetched) == 1


def test_a_picture_that_is_gone_says_so(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        digest = kept.pages.get(page).upright
    (prison.raw.folder / digest[:2] / digest[2:4] / digest).unlink()
    answer = visitor("vera").get(f"/pages/{page}/fields/me_number/crop.png")
    assert answer.status_code == 404
    assert "There is no picture of this page" in answer.text


def test_a_copy_made_out_to_somebody_else_is_asked_with_both_people_beside_it(
    prison, visitor, samples
) -> None:
    other = replace(
        samples.person, prison_number="B9876ZY", surname="Another", forenames="Kit", cell="C-1-001"
    )
    prison.roll(samples.person, other)
    sure = replace(samples.self_referral, read_as={}, people=())
    page, _ = prison.comes_in(sure, person="B9876ZY")
    vera = visitor("vera")
    text = vera.get(f"/pages/{page}/fields/me_number").text
    assert "made out to one person, and this points at another" in text
    assert "Example, Jon" not in text
    odd = vera.decide(page, "me_number", answer="A1234BC")
    assert odd.status_code == 422
    assert "B9876ZY" in odd.text
    assert "Another, Kit" in odd.text
    assert "their copy" in odd.text
    sure = odd.text.partition('name="sure" value="')[2].partition('"')[0]
    assert vera.decide(page, "me_number", answer="A1234BC", sure=sure).status_code == 303
    assert decisions(prison, page) == [("me_number", "A1234BC", False, "vera")]


def test_a_record_says_whom_its_copy_was_made_out_to_or_that_it_names_nobody(
    prison, visitor, samples
) -> None:
    vera = visitor("vera")
    shown = []
    for filled, person in (
        (samples.consent, "B9876ZY"),
        (samples.consent, None),
        (samples.self_referral, None),
    ):
        page = prison.comes_in(filled, person=person)[0]
        with prison.store.look() as kept:
            record = kept.pages.get(page).record
        shown.append(vera.get(f"/records/{record}").text)
    named, nobodys, plain = shown
    assert "This copy was made out to B9876ZY." in named
    assert "made out to nobody" in nobodys
    assert "find out whose it is" in nobodys
    assert "made out to" not in plain


def test_typing_another_number_than_the_copys_own_is_asked_twice(prison, visitor, samples) -> None:
    own = replace(
        samples.self_referral,
        read_as={"me_number": {"review": True, "why": ("low-confidence",)}},
        people=(),
    )
    page, _ = prison.comes_in(own, person="A1234BC")
    vera = visitor("vera")
    assert "made out" not in vera.get(f"/pages/{page}/fields/me_number").text
    again = vera.decide(page, "me_number", answer="A1734BC")
    assert again.status_code == 422
    assert "made out to one person" in again.text
    assert vera.decide(page, "me_number", answer="A1234BC").status_code == 303


def test_every_reason_a_reader_gives_has_a_sentence() -> None:
    pipeline = Path(stages.__file__).parent
    codes = set()
    for file in (*pipeline.glob("readers/*.py"), *pipeline.glob("*.py")):
        source = file.read_text("utf-8")
        for given in re.findall(r"why(?:\.append\(| = \(|=\(|: tuple\[str, ...\] = \().*", source):
            codes |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', given))
    assert len(codes) >= 20
    assert not {code for code in codes if not wording.has_words(code)}
    assert wording.has_words("other-person")


def test_confidence_is_said_in_three_bands() -> None:
    assert [wording.band(c) for c in (0.99, 0.6, 0.1)] == ["likely", "possible", "unlikely"]


def test_vendored_files_carry_nothing_of_gov_uk_itself() -> None:
    css = (STATIC / "vendor" / "govuk-frontend.min.css").read_text("utf-8")
    assert "GDS Transport" not in css
    assert "crest" not in css
    assert "url(" not in css
    listed = re.findall(
        r"\| `([^`]+)` \|.*`([0-9a-f]{64})` \|", (STATIC / "vendor" / "README.md").read_text()
    )
    assert len(listed) == 4
    for file, digest in listed:
        assert hashlib.sha256((STATIC / "vendor" / file).read_bytes()).hexdigest() == digest


def test_the_bundled_axe_is_the_one_that_was_recorded() -> None:
    assets = Path(__file__).parents[1] / "assets"
    digest = hashlib.sha256((assets / "axe.min.js").read_bytes()).hexdigest()
    assert digest in (assets / "README.md").read_text("utf-8")


def test_words_beside_a_box_are_shown_asked_about_and_stay_in_the_record(
    prison, visitor, samples
) -> None:
    layout = published("rj-1").layout
    boxes = [b.box for b in layout.page(1).boxes if b.field == "kind"]
    left, top = min(b.x for b in boxes), min(b.y for b in boxes)
    bottom = max(b.bottom for b in boxes)
    room = Rect(left, top, 200.0 - left, bottom - top)
    worded = {"review": True, "why": ("writing-no-tick",), "bounds": room}
    page, _ = prison.comes_in(replace(samples.self_referral, read_as={"kind": worded}))
    vera = visitor("vera")
    text = vera.get(f"/pages/{page}/fields/kind").text
    assert "words beside it" in text
    assert float(text.partition('viewBox="0 0 ')[2].partition(" ")[0]) + left >= 200.0
    left_out = vera.decide(page, "kind", answer="fight")
    assert left_out.status_code == 422
    assert "you did not pick it" in left_out.text
    sure = left_out.text.partition('name="sure" value="')[2].partition('"')[0]
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    crop = f'src="/pages/{page}/fields/kind/crop.png"'
    assert vera.decide(page, "kind", answer="fight", sure=sure).status_code == 303
    assert crop in vera.get(f"/records/{record}").text
    assert vera.decide(page, "kind", answer="other").status_code == 303
    shown = vera.get(f"/records/{record}").text
    assert crop in shown
    assert "Other" in shown


def test_ticks_without_words_need_no_picture_in_the_record(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    assert (
        f"/pages/{page}/fields/kind/crop.png" not in visitor("vera").get(f"/records/{record}").text
    )


def test_two_sheets_with_one_serial_are_told_apart_wherever_they_are_listed(
    prison, visitor, samples
) -> None:
    prison.comes_in(samples.unsafe)
    alone = prison.last
    front, _ = prison.comes_in(samples.self_referral)
    again, _ = prison.comes_in(samples.self_referral, photocopy=1)
    vera = visitor("vera")
    for listed, lines in (("/", 4), ("/records", 2)):
        text = vera.get(listed).text
        assert text.count("Sheet 1 with this serial") == lines // 2
        assert text.count("Sheet 2 with this serial") == lines // 2
        line = text.partition(show_serial(alone))[2].partition("</tr>")[0]
        assert "with this serial" not in line
    for page, sheet in ((front, 1), (again, 2)):
        said = f"serial {show_serial(prison.last)}, sheet {sheet} with this serial"
        assert said in vera.get(f"/pages/{page}/fields/me_number").text
        with prison.store.look() as kept:
            record = kept.pages.get(page).record
        assert f"Sheet {sheet} with this serial" in vera.get(f"/records/{record}").text


def test_options_in_one_column_are_shown_with_all_of_their_words() -> None:
    slip = published("rj-3w")
    place = place_of(slip.definition.field_named("stop"), None, slip.layout, 1)
    assert place is not None
    with pdfplumber.open(io.BytesIO(slip.paper)) as paper:
        words = paper.pages[0].extract_words()
    mm = 25.4 / 72
    ends = [
        w["x1"] * mm for w in words if place.y < w["top"] * mm < w["bottom"] * mm < place.bottom
    ]
    assert len(ends) > 8
    assert max(ends) < place.right
