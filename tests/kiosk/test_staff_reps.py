"""Reps on the staff site: the register, choosing one, and a sheet from screen to scanner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pypdfium2
import pytest
from PIL import ImageDraw

from bench.leaks import CaseFacts, blank_paper, code_leaks, leaks, read_pdf
from bench.reader import open_reader
from forms.published import published
from kiosk.access import roles_of, routes_of
from kiosk.staff.app import create_app
from pipeline.ports import page_scope
from pipeline.stages import PageRead
from pipeline.work import Outcome, Split
from tests.kiosk.rep_prison import PEOPLE, with_case, with_rep, with_roll


@pytest.fixture
def place(prison: Any) -> Any:
    with_roll(prison)
    prison.rep = with_rep(prison)
    prison.case = with_case(prison, prison.rep)
    prison.app = create_app(prison.kit())
    return prison


def sends(browser: Any, path: str, **form: Any) -> Any:
    return browser.post(path, data={"csrf": browser.token("/account"), **form})


def test_somebody_is_put_on_the_register_by_his_number_alone_and_begins_once_he_is_ready(
    place: Any, visit: Any
) -> None:
    petra = visit(place.app, "petra")
    assert "Nobody on the roll" in sends(petra, "/reps", number="Z9999ZZ").text
    assert "not a prison number" in sends(petra, "/reps", number="Z99").text
    assert "on the register already" in sends(petra, "/reps", number="c3456de").text
    added = sends(petra, "/reps", number="d4567 ef")
    assert added.status_code == 303
    where = added.headers["location"]
    assert "D4567EF" not in where
    assert "ED WU" in petra.get(where).text
    assert sends(petra, where, act="begin").status_code == 422
    ready = {"trained_on": "2026-09-01", "assessed_on": "2026-09-02", "signed_on": "2026-09-03"}
    assert sends(petra, where, act="train", assessor="Q. Fit", **ready).status_code == 303
    assert sends(petra, where, act="train", assessor="", trained_on="2027-01-01").status_code == 422
    assert sends(petra, where, act="begin").status_code == 303
    assert sends(petra, where, act="hours", day="2026-11-20", hours="1,5").status_code == 303
    assert sends(petra, where, act="hours", day="2026-11-20", hours="nan").status_code == 422
    assert sends(petra, where, act="hours", day="2026-11-20", hours="1e400").status_code == 422
    assert "1:30" in petra.get(where).text
    place.clock.move(timedelta(days=40))
    petra = visit(place.app, "petra")
    assert "2 reps have to be asked how they are." in petra.get("/reps").text
    assert sends(petra, where, act="check").status_code == 303
    assert "1 rep has to be asked how he is." in petra.get("/reps").text
    assert sends(petra, where, act="end", left="rested").status_code == 303
    assert "Not active: He takes a rest" in petra.get("/reps").text


def test_no_route_is_for_a_rep_and_none_lets_him_in(place: Any, visit: Any) -> None:
    roles = {role.value for route in routes_of(place.app) for role in roles_of(route) or ()}
    assert not {each for each in roles if "rep" in each or "prisoner" in each}
    nobody = visit(place.app)
    for name in ("C3456DE", place.rep, "DEV SHAH"):
        assert nobody.sign_in(name).status_code != 303
    adam = visit(place.app, "adam")
    page = adam.post(
        "/people",
        data={
            "csrf": adam.token("/people/new"),
            "username": "c3456de",
            "name": "Dev Shah",
            "password": "four unrelated words do",
            "roles": "practitioner",
        },
    )
    assert "A prison number cannot be a user name" in page.text
    with place.store.look() as kept:
        assert kept.staff.find("c3456de") is None


def test_a_rep_of_another_prison_is_as_if_he_were_not_there(place: Any, visit: Any) -> None:
    place.lets_in("lena", "practitioner", at="LEI")
    lena = visit(place.app, "lena")
    sheet = makes_out(visit(place.app, "petra"), place).headers["location"]
    for path in (f"/reps/{place.rep}", f"/sheets/new/{place.rep}", sheet, f"{sheet}/paper.pdf"):
        assert lena.get(path).status_code == 404
    assert lena.get(f"/cases/{place.case}/rep").status_code == 404
    assert "DEV SHAH" not in lena.get("/reps").text + lena.get("/sheets").text
    for path in (f"/reps/{place.rep}", f"/sheets/new/{place.rep}", sheet, f"{sheet}/strip"):
        assert sends(lena, path, act="end").status_code == 404


def test_a_clash_is_said_in_words_and_refuses_him_and_another_may_come_without_a_reason(
    place: Any, visit: Any
) -> None:
    same_wing = with_rep(place, "D4567EF", "E")
    case = with_case(place)
    petra = visit(place.app, "petra")
    where = f"/cases/{case}/rep"
    text = petra.get(where).text
    assert "DEV SHAH" in text
    assert "Another open case" not in text
    refused = sends(petra, where, rep=place.rep, ticked="debt", seen="5")
    assert refused.status_code == 422
    assert "Something speaks against this rep." in refused.text
    seen = petra.get(where).text.partition('name="seen" value="')[2].partition('"')[0]
    assert sends(petra, where, rep=same_wing, seen=seen).status_code == 303
    with place.store.look() as kept:
        assert kept.cases.get(case).case.rep == same_wing
    assert sends(petra, where, rep=place.rep, seen=seen).status_code == 409
    assert "ED WU helps in this case." in petra.get(where).text
    again = str(int(seen) + 1)
    assert sends(petra, where, act="left", seen=again).status_code == 303
    with place.store.look() as kept:
        assert kept.cases.get(case).case.rep == ""
    assert sends(petra, where, rep="rep-none", seen=again).status_code == 404


def test_a_case_that_names_staff_shows_no_rep_and_only_a_senior_its_page(
    place: Any, visit: Any
) -> None:
    case = with_case(place, confidential=True)
    assert visit(place.app, "petra").get(f"/cases/{case}/rep").status_code == 404
    text = visit(place.app, "sona").get(f"/cases/{case}/rep").text
    assert "Staff are part of it: no rep hears of it." in text


def makes_out(browser: Any, place: Any, *lines: str, **form: Any) -> Any:
    some = lines or (f"{place.case}/a",)
    return sends(browser, f"/sheets/new/{place.rep}", line=list(some), back_by="16:00", **form)


def test_a_sheet_shows_who_is_left_out_to_staff_and_takes_one_of_two(
    place: Any, visit: Any
) -> None:
    petra = visit(place.app, "petra")
    text = petra.get(f"/sheets/new/{place.rep}").text
    assert "BO LEE" in text
    assert "Somebody he is in a case with is on this sheet" in text
    both = makes_out(petra, place, f"{place.case}/a", f"{place.case}/b")
    assert both.status_code == 422
    assert "cannot stand on this sheet" in both.text
    assert makes_out(petra, place, "C-NONE/a").status_code == 422
    assert makes_out(petra, place, day="2027-09-09").status_code == 422
    assert makes_out(petra, place, day="2026-11-24").status_code == 303
    assert petra.get("/sheets").text.count('class="govuk-link serial"') == 1


def test_an_alert_of_this_morning_takes_him_off_and_says_so_to_staff_alone(
    place: Any, visit: Any
) -> None:
    with_roll(place, A1234BC="D/XYZ")
    petra = visit(place.app, "petra")
    text = petra.get(f"/sheets/new/{place.rep}").text
    assert "never shared with a prisoner" in text
    assert makes_out(petra, place).status_code == 422
    assert makes_out(petra, place, f"{place.case}/b").status_code == 303


def test_what_is_printed_says_no_more_than_it_may(place: Any, visit: Any) -> None:
    petra = visit(place.app, "petra")
    where = makes_out(petra, place, **{f"why-{place.case}/a": "check-in"}).headers["location"]
    text, codes = read_pdf(petra.get(f"{where}/paper.pdf").content)
    facts = CaseFacts(
        numbers=list(PEOPLE),
        hidden=[("CY", "ROE"), ("ED", "WU")],
        surnames=[last for _first, last, _cell in PEOPLE.values()],
        codes=["HA", "XB"],
        cells=[cell for _first, _last, cell in PEOPLE.values()],
        private=["c_rep_what", place.case, place.rep],
        paper=blank_paper(),
    )
    assert leaks(text, facts) == []
    assert code_leaks(codes, where.rpartition("/")[2]) == []
    assert "Bo L." in text
    assert "Dev" in text
    assert "16:00" in text
    place.clock.move(timedelta(hours=2))
    assert visit(place.app, "petra").get(f"{where}/paper.pdf").status_code != 200, "printed once"
    assert visit(place.app, "sona").get(f"{where}/paper.pdf").status_code != 200


def ticked(pdf: bytes, *marks: tuple[str, str]) -> Any:
    """Print a sheet, cross some of its boxes with a pen, and scan it."""
    document = pypdfium2.PdfDocument(pdf)
    page = document[0].render(scale=200 / 72).to_pil().convert("L")
    document.close()
    pen, mm = ImageDraw.Draw(page), 200 / 25.4
    for box in published("rj-7").layout.page(1).boxes:
        if (box.field, box.option) in marks:
            x, y = box.box.x * mm, box.box.y * mm
            w, h = box.box.width * mm, box.box.height * mm
            pen.line([(x + 0.2 * w, y + 0.2 * h), (x + 0.8 * w, y + 0.8 * h)], 20, 6)
            pen.line([(x + 0.8 * w, y + 0.2 * h), (x + 0.2 * w, y + 0.8 * h)], 20, 6)
    return page.rotate(0.5, fillcolor=255)


def test_a_sheet_goes_from_the_screen_to_paper_to_the_scanner_and_closes_its_loop(
    place: Any, visit: Any, tmp_path: Any
) -> None:
    petra = visit(place.app, "petra")
    where = makes_out(petra, place).headers["location"]
    serial = where.rpartition("/")[2]
    assert sends(petra, where, act="back").status_code == 422, "he has not had it"
    assert sends(petra, where, act="out").status_code == 303
    assert "With the rep" in petra.get(where).text
    file = tmp_path / "scan.png"
    marks = ("line1_seen", "yes"), ("line1_goes_on", "later"), ("line1_worry", "yes")
    ticked(petra.get(f"{where}/paper.pdf").content, *marks).save(file, dpi=(200, 200))
    (read,) = open_reader(drafts=False)(file)
    assert isinstance(read, PageRead)
    assert read.id.serial == serial
    said = {each.field: each.value for each in read.readings if each.value}
    assert said == {name: (option,) for name, option in marks}
    with place.store.begin() as kept:
        taken = kept.intakes.take("ab" * 32, 9, by="scan", at=place.clock())
        (page,) = kept.intakes.split(taken.intake.id, Split(pages=1), at=place.clock())
    picture = place.blobs.put(b"picture", page_scope(page))
    with place.store.begin() as kept:
        kept.pages.keep(page, 1, [Outcome(read, picture)], at=place.clock())
        record = kept.pages.get(page).record
    place.decides(record)
    with place.store.begin() as kept:
        kept.case_intake.take_up(at=place.clock())
    with place.store.look() as kept:
        case = kept.cases.get(place.case)
        assert kept.rep_sheets.get(serial).state(place.clock()) == "back"
    back = case.acts[-1]
    assert (back.what, back.party, back.seen, back.goes_on, back.worry) == (
        "brief-back",
        "a",
        True,
        "later",
        True,
    )
    assert case.case.urgent
    assert all(each.back for each in case.case.briefs)
    assert "He has told it." in petra.get(where).text


def test_a_lost_sheet_stands_in_its_list_and_what_he_says_is_kept_on_the_screen(
    place: Any, visit: Any
) -> None:
    petra = visit(place.app, "petra")
    where = makes_out(petra, place).headers["location"]
    sends(petra, where, act="out")
    place.clock.move(timedelta(hours=9))
    petra = visit(place.app, "petra")
    assert "1 sheet did not come back in time." in petra.get("/sheets").text
    assert sends(petra, where, act="lost").status_code == 303
    milan = visit(place.app, "milan")
    assert "Lost sheets" in milan.get("/sheets").text
    told = {"line1_seen": "yes", "line1_worker": "yes", "line1_recheck": "today"}
    assert sends(petra, f"{where}/strip", **told, line1_goes_on="<b>").status_code == 303
    with place.store.look() as kept:
        act = kept.cases.get(place.case).acts[-1]
    assert (act.seen, act.worker, act.goes_on, act.recheck) == (True, True, "", "today")
    assert sends(milan, where, act="shred").status_code == 422
    assert sends(milan, where, act="back").status_code == 303
    place.clock.move(timedelta(days=31))
    milan = visit(place.app, "milan")
    assert "older than 30 days and has to be shredded" in milan.get("/sheets").text
    assert sends(milan, where, act="shred").status_code == 303
    text = milan.get("/sheets").text
    assert "Shredded" in text
    assert "Milan Manager" in text


def test_a_sheet_that_was_never_handed_out_is_cancelled_and_leaves_nothing_to_do(
    place: Any, visit: Any
) -> None:
    petra = visit(place.app, "petra")
    where = makes_out(petra, place).headers["location"]
    assert sends(petra, where, act="cancel").status_code == 303
    with place.store.look() as kept:
        assert all(each.back for each in kept.cases.get(place.case).case.briefs)
        assert kept.sheets.find(where.rpartition("/")[2]).state == "void"
    assert makes_out(petra, place, f"{place.case}/b").status_code == 303


def test_a_copy_that_turns_up_is_traced_by_a_manager_alone(place: Any, visit: Any) -> None:
    petra = visit(place.app, "petra")
    where = makes_out(petra, place).headers["location"]
    with place.store.look() as kept:
        filled = kept.sheets.find(where.rpartition("/")[2]).filled
    copy = " ".join(filled[f"line1_{part}"] for part in ("who", "where", "why", "care"))
    milan = visit(place.app, "milan")
    found = sends(milan, "/sheets", copy=copy)
    assert found.text.count(where) == 2
    assert "No sheet says that" in sends(milan, "/sheets", copy="Zed Z. Wing Q").text
    assert sends(petra, "/sheets", copy=copy).status_code == 403
