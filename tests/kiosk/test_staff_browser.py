"""The staff site in a real browser: by keyboard alone, without scripts, and as axe sees it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from forms.published import published
from kiosk.headers import HEADERS
from kiosk.issue import Order, issue_pad
from kiosk.serving import server_for
from kiosk.staff.app import create_app
from kiosk.staff.people import person_id
from pipeline import work
from pipeline.stages import Mark, MarkState, State

AXE = (Path(__file__).parents[1] / "assets" / "axe.min.js").read_text("utf-8")
ASK_AXE = """axe.run(document, {
  rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'],
}).then(({ violations }) => violations.flatMap(
  ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`)))"""
SCREEN = {"width": 1366, "height": 768}


class Site:
    """A running site and the place behind it."""

    def __init__(self, prison: Any) -> None:
        self.prison = prison
        self._server = server_for(create_app(prison.kit()), host="127.0.0.1", port=0)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the site did not start"
            time.sleep(0.02)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def end(self) -> None:
        """Have it end, and wait for it no longer than it takes to say so."""
        self._server.should_exit = True

    def close(self) -> None:
        self.end()
        self._thread.join(10)


@pytest.fixture(scope="module")
def run_site(open_prison: Callable[[], Any]) -> Iterator[Callable[[], Site]]:
    running: list[Site] = []

    def run() -> Site:
        running.append(Site(open_prison()))
        return running[-1]

    yield run
    for each in running:
        each.end()
    for each in running:
        each.close()


@pytest.fixture(scope="module")
def full_site(run_site: Callable[[], Site], samples: Any) -> Site:
    """A site with something of everything; tests that share it decide nothing."""
    site = run_site()
    prison = site.prison
    prison.roll(samples.person)
    prison.rj1, prison.rj1_back = prison.comes_in(samples.self_referral)
    prison.comes_in(samples.unsafe)
    streaks = ("streak", "streak-down-31")
    prison.consent = prison.comes_in(samples.consent, warnings=streaks)[0]
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    with prison.store.begin() as kept:
        prison.record = kept.pages.get(prison.rj1).record
        order = Order(form="rj-2", copies=2, establishment="MTI", wing="A")
        prison.pad = issue_pad(kept, order, by="milan", at=prison.clock())
        kept.terminals.invite("A", establishment="MTI", wing="A", by="x", at=prison.clock())
        kept.alerts.sound("come", at=prison.clock(), establishment="MTI")
    prison.done = prison.verified(samples.self_referral)
    with prison.store.begin() as kept:
        prison.export = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=prison.clock().date(),
            until=prison.clock().date(),
            reason="audit",
            why="An inspection of this month.",
            records=1,
            by="petra",
            at=prison.clock(),
        ).id
    return site


Arrive = Callable[..., Page]


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Arrive]:
    """Open browsers and sign in by keyboard; at the end nothing may have gone wrong in them."""
    contexts, wrong = [], []

    def come(site: Site, username: str = "", *, scripts: bool = True) -> Page:
        context = chromium.new_context(viewport=SCREEN, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(f"{site.url}/sign-in")
        if username:
            page.locator("#name").press_sequentially(username)
            page.locator("#name").press("Tab")
            page.locator("#password").press_sequentially("four unrelated words do")
            page.locator("#password").press("Enter")
            page.wait_for_url(f"{site.url}/")
        return page

    come.wrong = wrong  # type: ignore[attr-defined]
    yield come
    for context in contexts:
        context.close()
    assert not [w for w in wrong if "status of 4" not in w]


def question(page: Page, text: str) -> None:
    """Wait for a question."""
    expect(page.locator("h1")).to_contain_text(text)


def label(name: str, form: str = "rj-1") -> str:
    return published(form).definition.field_named(name).label


def press(page: Page, *keys: str) -> None:
    """Press keys where the page has put the focus."""
    page.wait_for_load_state("domcontentloaded")
    for key in keys:
        page.locator(":focus").first.press(key)


DAY = ("20", "11", "2026")


def shown(page: Page, text: str) -> None:
    """Wait for the question that is on the screen; others may have been fetched ahead."""
    expect(page.locator("body > .wide > main h1")).to_contain_text(text)


def test_keys_alone_take_a_queue_to_a_verified_record(run_site, arrive, samples) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "petra")
    press(page, "Enter")
    shown(page, label("mark"))
    press(page, "1", "Enter")
    shown(page, label("me_number"))
    expect(page.locator("body > .wide > main #answer")).to_have_value("")
    expect(page.locator("body > .wide > main #answer")).to_be_focused()
    page.keyboard.type("a1234bc")
    press(page, "Enter")
    shown(page, label("today"))
    expect(page.locator("body > .wide > main #answer-day")).to_be_focused()
    page.keyboard.type("".join(DAY))
    press(page, "Enter")
    shown(page, label("role"))
    press(page, "1", "Enter")
    shown(page, label("more"))
    press(page, "Enter")
    expect(page.locator("h1")).to_have_text("Forms coming in")
    expect(page.locator("main")).to_contain_text("waiting for a second person 1")
    other = arrive(site, "victor")
    press(other, "Enter")
    shown(other, label("me_number"))
    expect(other.locator(".ask__both")).to_contain_text("A1234BC")
    expect(other.locator(".ask__both")).to_contain_text("A1Z34BC")
    press(other, "Alt+1")
    expect(other.locator("h1")).to_have_text("Forms coming in")
    with site.prison.store.look() as kept:
        record = kept.records.get(kept.pages.get(front).record)
    assert record.state == "verified"
    assert record.verified_by == "victor"
    answers = record.answers
    assert answers["me_number"].value == "A1234BC"
    assert answers["today"].value == "2026-11-20"
    assert answers["role"].value == ("harmed",)
    assert answers["mark"].value is True
    assert answers["more"].by == "petra"
    assert answers["me_name"].by == ""


def test_what_is_typed_before_the_last_script_has_come_stays(full_site, arrive) -> None:
    page = arrive(full_site, "vera")
    held: list[Any] = []
    page.route("**/static/verify.js", lambda route: held.append(route))
    page.goto(f"{full_site.url}/pages/{full_site.prison.rj1}/fields/me_number", wait_until="commit")
    expect(page.locator("#answer")).to_be_focused()
    page.keyboard.type("a12")
    held[0].continue_()
    page.wait_for_load_state("domcontentloaded")
    page.keyboard.type("34bc")
    expect(page.locator("#answer")).to_have_value("a1234bc")


def test_an_answer_that_was_not_kept_comes_back_and_what_was_typed_meanwhile_stays(
    run_site, arrive, samples
) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "petra")
    held: list[Any] = []
    page.goto(f"{site.url}/verify")
    shown(page, label("mark"))
    page.route("**/fields/mark?in=queue", lambda route: held.append(route))
    expect(page.locator("#ahead main")).not_to_have_count(0)
    page.wait_for_timeout(500)
    press(page, "2", "Enter")  # the machine saw a mark: it is asked once more
    shown(page, label("me_number"))
    expect(page.locator("body > .wide > main #answer")).to_be_focused()
    page.keyboard.type("A12")
    held[0].continue_()
    shown(page, label("mark"))
    expect(page.locator("#again")).to_contain_text("Signed or marked")
    page.keyboard.type("34")  # belongs to neither question
    page.wait_for_timeout(800)
    page.unroute("**/fields/mark?in=queue")
    page.locator("#again").press("Tab")
    press(page, "Enter")
    shown(page, label("me_number"))
    expect(page.locator("body > .wide > main #answer")).to_have_value("A12")
    page.wait_for_timeout(300)
    with site.prison.store.look() as kept:
        said = kept.records.get(kept.pages.get(front).record).answers["mark"]
    assert (said.value, said.by) == (False, "petra")


def test_the_grid_keeps_what_it_showed_and_turns_the_marked_ones(run_site, arrive, samples) -> None:
    site = run_site()
    unclear = {"state": State.UNCLEAR, "review": True, "why": ("unclear-mark",), "value": None}
    marks = {
        "fight": Mark(state=MarkState.MARKED, score=0.3),
        "debt": Mark(state=MarkState.UNCLEAR, score=0.1),
        "threats": Mark(state=MarkState.BLANK, score=0.0),
    }
    one = replace(samples.self_referral, read_as={"kind": {**unclear, "options": marks}})
    pages = [site.prison.comes_in(one)[0] for _ in range(3)]
    page = arrive(site, "vera")
    page.get_by_role("link", name="In a grid").click()
    expect(page.locator(".cell")).to_have_count(9)
    press(page, "ArrowRight", "ArrowRight", "ArrowRight", "Space")
    expect(page.locator(".cell__wrong").nth(3)).to_be_checked()
    assert violations(page) == []
    press(page, "Enter")
    page.wait_for_url(lambda url: "grid" not in url)
    with site.prison.store.look() as kept:
        said = [kept.pages.get(each).answer("kind").value for each in pages]
    assert said == [("fight", "debt"), ("fight",), ("fight", "debt")]


def test_keys_reach_cannot_read_back_later_and_the_whole_page(run_site, arrive, samples) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "vera")
    page.goto(f"{site.url}/pages/{front}")
    question(page, label("me_number"))
    press(page, "F2")
    expect(page.locator("svg rect")).to_be_visible()
    press(page, "Escape")
    question(page, label("me_number"))
    press(page, "Escape")
    question(page, label("today"))
    press(page, "Alt+ArrowLeft")
    question(page, label("me_number"))
    expect(page.locator("main")).to_contain_text("Cannot read")
    page.locator("#answer").fill("A1234BC")
    press(page, "Enter")
    question(page, label("today"))
    press(page, "Alt+ArrowRight")
    question(page, label("role"))
    press(page, "2", "ArrowDown")
    expect(page.locator("#answer-3")).to_be_checked()
    press(page, "F2")
    expect(page.locator("svg rect")).to_be_visible()
    press(page, "Enter")
    question(page, label("role"))
    with site.prison.store.look() as kept:
        decided = [d for d in kept.pages.get(front).decisions if d.field == "me_number"]
    assert [(d.number, d.cannot_read, d.value) for d in decided] == [
        (1, True, None),
        (2, False, "A1234BC"),
    ]


def test_number_keys_tick_and_untick_boxes(full_site, arrive) -> None:
    page = arrive(full_site, "vera")
    page.goto(f"{full_site.url}/pages/{full_site.prison.rj1}/fields/kind")
    for key, box in (("2", "#answer-2"), ("a", "#answer-11"), ("0", "#answer-10")):
        press(page, key)
        expect(page.locator(box)).to_be_checked()
    press(page, "2")
    expect(page.locator("#answer-2")).not_to_be_checked()


def test_typed_words_are_sent_by_key_and_never_thrown_away(run_site, arrive, samples) -> None:
    site = run_site()
    _, back = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "petra")
    page.goto(f"{site.url}/pages/{back}/fields/more")
    words = page.locator("#answer")
    words.press_sequentially("He took my radio")
    words.press("Escape")
    expect(page.get_by_role("button", name="I have looked at it")).to_be_focused()
    words.press("Enter")
    words.press_sequentially("twice")
    words.press("Control+Enter")
    question(page, label("mark"))
    with site.prison.store.look() as kept:
        assert kept.pages.get(back).answer("more").value == "He took my radio\ntwice"


def test_nothing_is_picked_beforehand_for_a_consent(full_site, arrive) -> None:
    page = arrive(full_site, "vera")
    page.goto(f"{full_site.url}/pages/{full_site.prison.consent}")
    expect(page.locator("input:checked")).to_have_count(0)
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was picked")
    expect(page.locator(":focus")).to_have_count(1)


def test_without_scripts_a_page_is_verified_all_the_same(run_site, arrive, samples) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "petra", scripts=False)
    page.get_by_role("button", name="Start verifying").click()
    question(page, label("mark"))
    page.get_by_label("Signed or marked").check()
    page.get_by_role("button", name="That is it").click()
    question(page, label("me_number"))
    page.locator("#answer").fill("A1234BC")
    page.locator("#answer").press("Enter")
    question(page, label("today"))
    for part, digits in zip(("day", "month", "year"), DAY, strict=True):
        page.locator(f"#answer-{part}").fill(digits)
    page.get_by_role("button", name="That is it").click()
    question(page, label("role"))
    page.get_by_role("button", name="Cannot read").click()
    question(page, label("more"))
    page.get_by_role("button", name="Start from the draft").click()
    expect(page.locator("textarea")).to_have_value("he took my radio")
    page.get_by_role("button", name="I have looked at it").click()
    expect(page.locator("h1")).to_have_text("Forms coming in")
    other = arrive(site, "vera", scripts=False)
    other.get_by_role("button", name="Start verifying").click()
    other.get_by_role("button", name="A1234BC").click()
    expect(other.locator("h1")).to_have_text("Forms coming in")
    with site.prison.store.look() as kept:
        assert kept.records.get(kept.pages.get(front).record).state == "verified"
    with site.prison.store.look() as kept:
        answers = kept.records.get(kept.pages.get(front).record).answers
    assert answers["role"].cannot_read
    assert answers["more"].value == "he took my radio"


def test_two_people_at_one_field_never_overwrite_each_other(run_site, arrive, samples) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    vera, victor = arrive(site, "vera"), arrive(site, "victor")
    where = f"{site.url}/pages/{front}/fields/today"
    vera.goto(where)
    victor.goto(where)
    expect(victor.locator("main")).to_contain_text("Vera Verifier has this page open too")
    for who, day in ((vera, "20"), (victor, "21")):
        for part, digits in zip(("day", "month", "year"), (day, *DAY[1:]), strict=True):
            who.locator(f"#answer-{part}").fill(digits)
    press(vera, "Enter")
    question(vera, label("role"))
    press(victor, "Enter")
    expect(victor.locator("h1")).to_have_text("Vera Verifier has already answered this one")
    expect(victor.locator(".both")).to_contain_text("20 November 2026")
    expect(victor.locator(".both")).to_contain_text("21 November 2026")
    press(victor, "Enter")
    question(victor, label("role"))
    victor.goto(where)
    expect(victor.locator("main")).to_contain_text("Somebody else's answer stays as it is")
    expect(victor.locator("form#ask")).to_have_count(0)
    with site.prison.store.look() as kept:
        decided = kept.pages.get(front).decisions
    assert [(d.by, d.value) for d in decided] == [("vera", "2026-11-20")]


def test_the_next_verifier_is_sent_to_another_field(run_site, arrive, samples) -> None:
    site = run_site()
    for _ in range(3):
        site.prison.comes_in(samples.self_referral)
    vera, victor = arrive(site, "vera"), arrive(site, "victor")
    vera.goto(f"{site.url}/verify")
    victor.goto(f"{site.url}/verify")
    assert "/fields/" in vera.url
    assert "/fields/" in victor.url
    assert vera.url != victor.url


def test_an_answer_sent_after_signing_out_elsewhere_is_said_to_be_lost(
    run_site, arrive, samples
) -> None:
    site = run_site()
    front, _ = site.prison.comes_in(samples.self_referral)
    where = f"{site.url}/pages/{front}/fields/me_number"
    page = arrive(site, "vera")
    page.goto(where)
    page.locator("#answer").fill("A1234BC")
    other = page.context.new_page()
    other.goto(site.url)
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url(f"{site.url}/sign-in")
    page.locator("#answer").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("your last answer was not kept")
    assert "A1234BC" not in page.url
    assert violations(page) == []
    page.locator("#name").fill("vera")
    page.locator("#password").fill("four unrelated words do")
    page.locator("#password").press("Enter")
    question(page, label("me_number"))
    assert page.url == where
    expect(page.locator("#answer")).to_have_value("")
    page.locator("#answer").fill("A1234BC")
    page.locator("#answer").press("Enter")
    question(page, label("today"))
    with site.prison.store.look() as kept:
        assert [d.value for d in kept.pages.get(front).decisions] == ["A1234BC"]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_page_set_aside_is_read_again_at_the_press_of_a_button(run_site, arrive, scripts) -> None:
    site = run_site()
    aside = site.prison.goes_wrong("serial-void", "It was cancelled.", "Undo the cancelling.")
    page = arrive(site, "vera", scripts=scripts)
    page.goto(f"{site.url}/set-aside")
    page.get_by_role("link", name="file 1, page 1").click()
    page.get_by_role("button", name="Read it again").click()
    expect(page.locator("h1")).to_have_text("File 1, page 1 is being read again")
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="All pages set aside").press("Enter")
    expect(page.locator("main")).to_contain_text("No page is set aside")
    with site.prison.store.look() as kept:
        assert kept.pages.get(aside).attempt == 2


def test_a_passkey_is_added_and_signs_in_by_keyboard_alone(run_site, arrive) -> None:
    site = run_site()
    site.url = site.url.replace("127.0.0.1", "localhost")  # No browser has passkeys for a number.
    page = arrive(site, "adam")
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    key = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    key |= {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    page.goto(f"{site.url}/account")
    page.locator("#label").fill("Blue key")
    page.locator("#label").press("Enter")
    expect(page.locator(".codes li")).to_have_count(10)
    assert violations(page) == []
    page.get_by_role("button", name="go on").press("Enter")
    expect(page.locator("main")).to_contain_text("Blue key")
    assert violations(page) == []
    page.get_by_role("button", name="Set up an app").press("Enter")
    expect(page.locator(".qr svg")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{site.url}/prove?to=/people")
    assert violations(page) == []
    page.get_by_role("button", name="Use a passkey").press("Enter")
    page.wait_for_url(f"{site.url}/people")
    for path in ("/people", "/people/new", f"/people/{person_id('vera')}"):
        page.goto(site.url + path)
        assert violations(page) == [], path
    page.get_by_role("button", name="Sign out").press("Enter")
    page.get_by_role("button", name="Sign in with a passkey").press("Enter")
    page.wait_for_url(f"{site.url}/")
    page.get_by_role("button", name="Sign out").press("Enter")
    page.locator("#name").fill("adam")
    page.locator("#password").fill("four unrelated words do")
    page.locator("#password").press("Enter")
    expect(page.locator("h1")).to_have_text("Second step")
    assert violations(page) == []
    page.get_by_role("button", name="Use a passkey").press("Enter")
    page.wait_for_url(f"{site.url}/")


def test_the_back_button_shows_nothing_after_signing_out(full_site, arrive) -> None:
    page = arrive(full_site, "vera")
    page.goto(f"{full_site.url}/pages/{full_site.prison.rj1}/fields/me_number")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{full_site.url}/sign-in")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sign in")
    assert "A1234BC" not in page.content()


RJ1 = published("rj-1")
ENLARGED = 2.4 * 19
"""How high a box of the paper stands on the screen at least, px: 2.4 lines of ordinary text."""

FIELDS = ("me_number", "me_name", "today", "role", "kind", "safe")


def pages_of(site: Site) -> dict[str, str]:
    """Name every sort of page."""
    prison = site.prison
    front, back = f"/pages/{prison.rj1}/fields", f"/pages/{prison.rj1_back}/fields"
    return {
        "start": "/",
        **{name: f"{front}/{name}" for name in FIELDS},
        "more": f"{back}/more",
        "mark": f"{back}/mark",
        "consent": f"/pages/{prison.consent}",
        "whole": f"{front}/me_number/whole",
        "records": "/records",
        "records-chosen": "/records?form=rj-1",
        "record": f"/records/{prison.record}",
        "history": f"/records/{prison.record}/history",
        "grid": "/verify/grid",
        "exports-new": "/exports/new",
        "export": f"/exports/{prison.export}",
        "set-aside": "/set-aside",
        "set-aside-page": f"/set-aside/{prison.aside}",
        "take-in": "/take-in",
        "problem": "/nowhere",
    }


@pytest.mark.parametrize("scripts", [True, False])
def test_scans_are_sent_from_the_start_page_and_each_is_told_of(
    run_site, arrive, tmp_path, scripts
) -> None:
    for name in ("1.pdf", "2.pdf"):
        (tmp_path / name).write_bytes(f"{name} {scripts}".encode())
    page = arrive(run_site(), "vera", scripts=scripts)
    page.get_by_role("button", name="Take in scans").click()
    page.locator("#files").set_input_files([tmp_path / "1.pdf", tmp_path / "2.pdf"])
    page.get_by_role("button", name="Take them in").click()
    expect(page.get_by_role("alert")).to_contain_text("2 files were taken in.")
    expect(page.locator("table").first).to_contain_text("Taken in as file 2.")
    if scripts:
        assert violations(page) == []
    page.get_by_role("button", name="Take them in").click()
    expect(page.locator(".govuk-error-summary")).to_contain_text("You have not chosen a file.")
    if scripts:
        assert violations(page) == []


def violations(page: Page) -> list[str]:
    """Ask axe what is wrong with a page."""
    page.evaluate(AXE)
    # Words alone are handed over: all that axe found, passes included, takes longer than its look.
    found: list[str] = page.evaluate(ASK_AXE)
    return found


def test_axe_finds_nothing_wrong_on_any_page(full_site, arrive) -> None:
    page = arrive(full_site)
    wrong = {"sign-in": violations(page)}
    page = arrive(full_site, "petra")
    for name, path in pages_of(full_site).items():
        page.goto(full_site.url + path)
        wrong[name] = violations(page)
    page.goto(f"{full_site.url}/pages/{full_site.prison.consent}")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    wrong["look again"] = violations(page)
    page = arrive(full_site, "milan")
    for path in (
        "/alerts",
        "/roll",
        "/terminals",
        "/figures",
        "/pads",
        f"/pads/{full_site.prison.pad}",
        "/slips",
        "/answers",
        "/answers/slips",
        "/packs",
        "/packs/new",
        "/report",
        "/exports",
        "/tokens",
        "/api-docs",
        "/trail",
        f"/records/{full_site.prison.done}/print",
    ):
        page.goto(full_site.url + path)
        wrong[path] = violations(page)
    for path, button in (
        ("/pads", "Issue the pad"),
        ("/slips", "Look it up"),
        ("/records", "Find"),
    ):
        page.goto(full_site.url + path)
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("There is a problem")).to_be_visible()
        wrong[button] = violations(page)
    assert not {name: found for name, found in wrong.items() if found}


def test_whoever_has_the_most_links_has_the_whole_bar_on_the_screen(full_site, arrive) -> None:
    page = arrive(full_site, "milan")
    box = page.get_by_role("button", name="Sign out").bounding_box()
    assert box["x"] + box["width"] <= SCREEN["width"]
    assert page.locator(".bar").bounding_box()["height"] <= 72


def test_axe_sees_a_planted_fault(full_site, arrive) -> None:
    page = arrive(full_site)
    page.evaluate("document.querySelector('label').remove()")
    assert any("label" in found for found in violations(page))


def test_each_verification_step_fits_the_screen_in_both_directions(full_site, arrive) -> None:
    page = arrive(full_site, "petra")
    steps = {n: p for n, p in pages_of(full_site).items() if "/pages/" in p}
    for name, path in steps.items():
        page.goto(full_site.url + path)
        for direction in ("ltr", "rtl"):
            page.evaluate(f"document.documentElement.dir = '{direction}'")
            wide, high = page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            )
            assert wide <= SCREEN["width"], (name, direction)
            assert high <= SCREEN["height"], (name, direction)
            if name in FIELDS:
                crop = page.locator("#crop").bounding_box()
                view = page.locator("#crop").get_attribute("viewBox").split()
                scale = min(crop["width"] / float(view[2]), crop["height"] / float(view[3]))
                box = next(b.box for b in RJ1.layout.page(1).boxes if b.field == name)
                assert box.height * scale >= ENLARGED, (name, direction)
    page.goto(full_site.url + steps["me_number"])
    page.evaluate("document.documentElement.dir = 'rtl'")
    typed, beside = (page.locator(s).bounding_box() for s in ("#answer", ".ask__buttons"))
    assert beside["x"] + beside["width"] <= typed["x"]


def test_the_picture_takes_what_the_controls_leave_of_the_screen(full_site, arrive) -> None:
    page = arrive(full_site, "petra")
    steps = {n: p for n, p in pages_of(full_site).items() if "/fields/" in p and n != "whole"}
    for name, path in steps.items():
        page.goto(full_site.url + path)
        legend = page.locator(".legend").bounding_box()
        assert SCREEN["height"] - 20 <= legend["y"] + legend["height"] <= SCREEN["height"], name
        paper, crop, ask = (page.locator(s).bounding_box() for s in (".paper", "#crop", ".ask"))
        assert crop["width"] >= paper["width"] - 30, name
        assert crop["height"] >= 150, name
        assert ask["y"] - (paper["y"] + paper["height"]) <= 20, name


def test_a_list_breaks_no_name_time_or_place_in_two(run_site, arrive, samples) -> None:
    site = run_site()
    site.prison.roll(replace(samples.person, forenames="Jonathan Paul Bartholomew Maximilian" * 3))
    front, _ = site.prison.comes_in(samples.self_referral)
    with site.prison.store.begin() as kept:
        word = kept.pages.get(front).decide(
            "me_number", "A1234BC", by="vera", at=site.prison.clock(), settles=False
        )
        kept.decisions.add(word)
    site.prison.goes_wrong("odd", "We could not find it. " * 9, "Lay the page flat. " * 12)
    page = arrive(site, "petra")
    for path in ("/", "/records", "/set-aside", f"/pages/{front}/fields/me_number"):
        page.goto(site.url + path)
        broken = page.evaluate(
            "[...document.querySelectorAll('.whole, .serial')].filter(e => {"
            " const range = document.createRange(); range.selectNodeContents(e);"
            " return new Set([...range.getClientRects()].map(r => Math.round(r.bottom / 12))).size"
            " > 1 }).map(e => e.textContent)"
        )
        assert page.locator(".whole, .serial").count() > 0
        assert broken == []


def test_what_is_said_under_a_table_does_not_touch_it(run_site, arrive, samples) -> None:
    site = run_site()
    _, back = site.prison.comes_in(samples.self_referral)
    page = arrive(site, "vera")
    page.goto(f"{site.url}/pages/{back}/fields/mark")
    press(page, "1", "Enter")
    page.goto(site.url)
    table, note = (page.locator(s).bounding_box() for s in ("table", ".after"))
    assert note["y"] - (table["y"] + table["height"]) >= 12


def test_the_server_itself_adds_nothing_and_weakens_nothing(full_site) -> None:
    for path in ("/sign-in", "/", "/static/staff.js", "/nowhere", "/static/x"):
        connection = http.client.HTTPConnection(full_site.url.removeprefix("http://"), timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        names = [name.lower() for name, _ in answer.getheaders()]
        assert "server" not in names
        for name, value in HEADERS.items():
            assert answer.getheader(name) == value, (path, name)
            assert names.count(name.lower()) == 1, (path, name)
        connection.close()


def test_no_request_leaves_for_another_host(full_site, arrive) -> None:
    page = arrive(full_site, "petra")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    for path in pages_of(full_site).values():
        page.goto(full_site.url + path)
    assert len(asked) > 50
    assert all(url.startswith(full_site.url) for url in asked)


# The officer and the intake desk

KEY_S, THINK_S = 0.28, 1.35
"""Seconds of a key and of making up one's mind (Card, Moran and Newell's keystroke-level model)."""


class Hands:
    """Presses keys as an officer does, and counts them and each time he has to think."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys, self.thoughts = page, 0, 0

    def think(self) -> None:
        self.thoughts += 1

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.keys += len(text)

    def tab_to(self, name: str) -> None:
        """Go on to a question by Tab alone."""
        for _ in range(40):
            self.press("Tab")
            if self.page.evaluate("document.activeElement.name") == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    @property
    def seconds(self) -> float:
        return self.keys * KEY_S + self.thoughts * THINK_S


def let_in_officer(site: Any) -> None:
    with site.prison.store.begin() as kept:
        kept.staff.add(
            "oona",
            "four unrelated words do",
            name="Oona Officer",
            roles=("officer",),
            establishments=("MTI",),
            wings=("B",),
            by="test",
            at=site.prison.clock(),
        )


def test_an_officer_files_a_slip_by_keys_alone_in_under_a_minute(run_site, arrive) -> None:
    site = run_site()
    let_in_officer(site)
    page = arrive(site, "oona")
    page.goto(f"{site.url}/slips/new")
    expect(page.locator("#p1_name")).to_be_focused()
    hands = Hands(page)
    hands.think()
    hands.type("Example")
    for name, key in (("p1_number", ""), ("told", "2"), ("type", "3"), ("done_already", "6")):
        hands.tab_to(name)
        hands.think()
        if key:
            hands.press(key)
        else:
            hands.type("A1234BC")
    hands.tab_to("risk_now")
    hands.think()
    hands.press("2")
    hands.tab_to("line")
    hands.think()
    hands.type("Shouting at the servery over a debt")
    hands.think()
    hands.press("Enter")
    expect(page.locator("h1")).to_contain_text("Slip sent")
    code = page.locator(".stub strong").inner_text()
    with site.prison.store.look() as kept:
        (record,) = kept.records.of_serial(code.replace("-", ""))
    said = {each.field: each.value for each in record.pages[0].answers}
    assert (said["p1_number"], said["told"], said["type"]) == ("A1234BC", ("no",), ("fight",))
    assert (said["done_already"], said["risk_now"]) == (("none",), ("some",))
    print(
        f"\nfiling a slip: {hands.keys} keys, {hands.thoughts} thoughts, "
        f"{hands.seconds:.1f} s by the keystroke-level model"
    )
    assert hands.seconds < 60


def test_counts_of_files_sent_change_by_themselves_until_all_is_done(run_site, arrive) -> None:
    site = run_site()
    let_in_officer(site)
    page = arrive(site, "oona")
    page.goto(f"{site.url}/take-in")
    page.locator("#files").set_input_files(
        {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}
    )
    page.get_by_role("button", name="Take them in").click()
    expect(page.locator("[data-count=received]")).to_have_text("1")
    with site.prison.store.look() as kept:
        (intake,) = kept.intakes.last()
    with site.prison.store.begin() as kept:
        kept.intakes.split(intake.id, work.Split(pages=2), at=site.prison.clock())
    expect(page.locator("[data-count=received]")).to_have_text("2")
    for index in range(2):
        site.prison.sets_aside(f"{intake.id}-{index}", "page-blank", "Blank.", "Turn it over.")
    expect(page.locator("h1")).to_contain_text("Files sent")
    expect(page.locator("[data-count=aside]")).to_have_text("2")
    expect(page.locator("main")).to_contain_text("Turn it over.")


def test_a_hand_scanner_goes_round_a_box_without_a_mouse(run_site, arrive) -> None:
    site = run_site()
    with site.prison.store.begin() as kept:
        order = Order(form="rj-1", copies=2, establishment="MTI", wing="B")
        pad = issue_pad(kept, order, by="x", at=site.prison.clock())
        serials = kept.sheets.of_pad(pad)
        found = kept.box_rounds.begin(
            establishment="MTI", wing="B", by="vera", at=site.prison.clock()
        )
    page = arrive(site, "vera")
    page.goto(f"{site.url}/box-round/{found}")
    for serial in (*serials, serials[0]):
        expect(page.locator("#code")).to_be_focused()
        page.keyboard.type(f"{serial}\n")
        page.wait_for_load_state("load")
        expect(page.locator(".told .serial")).to_have_text(f"{serial[:4]}-{serial[4:]}")
    expect(page.locator(".told")).to_contain_text("perhaps a photocopy")
    with site.prison.store.look() as kept:
        words = [each.word for each in kept.box_rounds.get(found).lines]
    assert words == ["logged", "logged", "again"]


def test_axe_finds_nothing_wrong_at_the_office(run_site, arrive, samples) -> None:
    site = run_site()
    prison = site.prison
    let_in_officer(site)
    prison.roll(samples.person)
    prison.comes_in(samples.self_referral, pages=[1])
    prison.comes_in(samples.self_referral)
    prison.comes_in(samples.self_referral, photocopy=1)
    sending, filed = prison.sends("oona"), prison.files("oona")
    with prison.store.begin() as kept:
        at = prison.clock()
        made_out = issue_pad(
            kept, Order(form="rj-3h", establishment="MTI", wing="B"), by="petra", at=at
        )
        issue_pad(kept, Order(form="rj-1", establishment="MTI", wing="B"), by="x", at=at)
        going = kept.box_rounds.begin(establishment="MTI", wing="B", by="x", at=at)
        kept.box_rounds.log(going, filed, theirs=(), by="x", at=at)
        over = kept.box_rounds.begin(establishment="MTI", wing="B", by="x", at=at)
        kept.box_rounds.end(over, by="x", at=at)
        kept.sheets._row(filed).wing = "B"
        file = kept.intakes.last()[-1].number
    wrong: dict[str, list[str]] = {}
    for who, paths in (
        (
            "oona",
            (
                "/",
                "/slips/new",
                f"/slips/new/{filed}",
                "/take-in",
                "/take-in/sent",
                f"/take-in/sent/{sending}",
                f"/take-in/instead/{prison.sent_aside}",
            ),
        ),
        (
            "petra",
            (
                "/intake",
                f"/intake/files/{file}",
                "/box-round",
                f"/box-round/{going}",
                f"/box-round/{over}",
                "/made-out",
                f"/made-out/{made_out}",
                f"/set-aside/{prison.sent_aside}",
            ),
        ),
    ):
        page = arrive(site, who)
        for path in paths:
            page.goto(site.url + path)
            wrong[path] = violations(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= SCREEN["width"], path
    page.goto(f"{site.url}/made-out")
    page.get_by_role("button", name="Make it out").click()
    wrong["/made-out wrong"] = violations(page)
    page = arrive(site, "oona")
    page.goto(f"{site.url}/slips/new")
    page.get_by_role("button", name="Send the slip").click()
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    wrong["/slips/new wrong"] = violations(page)
    page.goto(f"{site.url}/slips")
    page.locator("#code").fill(filed)
    page.get_by_role("button", name="Look it up").click()
    wrong["/slips"] = violations(page)
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_slip_is_filed_and_files_are_looked_after_without_scripts(run_site, arrive) -> None:
    site = run_site()
    let_in_officer(site)
    page = arrive(site, "oona", scripts=False)
    page.goto(f"{site.url}/slips/new")
    page.locator("#p1_cell").fill("B-2-014")
    for box in ("#told-1", "#type-6", "#done_already-6", "#risk_now-1"):
        page.locator(box).check()
    page.get_by_role("button", name="Send the slip").click()
    expect(page.locator("h1")).to_contain_text("Slip sent")
    page.goto(f"{site.url}/take-in")
    page.locator("#files").set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}
    )
    page.get_by_role("button", name="Take them in").click()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("h1")).to_contain_text("Files sent")


def test_axe_finds_nothing_wrong_on_the_pages_of_a_case(run_site, arrive, samples) -> None:
    site = run_site()
    prison = site.prison
    prison.roll(samples.person)
    here = f"/cases/{prison.has_case()['case_id']}"
    page = arrive(site, "milan")
    wrong = {}
    paths = ("", "/consents", "/book", "/paper", "/bookings/b1", "/fill/a/rj-4", "?on=2026-11-22")
    for path in paths:
        page.goto(site.url + here + path)
        wrong[path] = violations(page)
    page.goto(site.url + here)
    for more in page.locator("summary").all():
        more.click()
    wrong["opened"] = violations(page)
    page.get_by_label("Prison number").last.fill("no number")
    page.get_by_role("button", name="Look it up").last.click()
    expect(page.get_by_role("alert")).to_contain_text("That is not a prison number.")
    wrong["refused"] = violations(page)
    assert {path: found for path, found in wrong.items() if found} == {}
