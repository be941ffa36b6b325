"""The kiosk in a real browser, by touch: without scripts too, tall and wide, every language."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bench import touches
from bench.journeys import Journey, travel
from bench.visits.finger import Finger, come_to_me, walk
from bench.visits.house import CODE, NUMBER, SIZES, Site
from bench.visits.looks import look, violations
from kiosk.wing import voice, words
from pipeline.submissions import Submission, Word
from storage.mailbox import MailboxMissing

SHORT = [
    ("en", "tall", True),
    ("ar", "wide", True),
    ("ur", "wide", False),
    ("pa", "tall", False),
    ("cy", "tall", False),
]
"""Every script, both directions of writing, each size with scripts and without.

`python -m bench.journeys` makes all languages, in each way.
"""

ASK_AXE = frozenset({"en", "ur"})
"""Tall and wide, with scripts and without, both directions of writing; the bench asks it of all."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scripts", [True, False])
def test_come_to_me_sends_the_number_alone_and_gives_a_code(site, stand, size, scripts) -> None:
    site.wing.book.staffed = True
    page = stand(site, size=size, scripts=scripts)
    come_to_me(Finger(page, scripts=scripts))
    (said,) = site.wing.box.said
    assert isinstance(said, Submission)
    assert said.answers == {"me_number": NUMBER}
    code = page.locator("#code").inner_text().replace("-", "")
    assert code == said.code
    assert page.url == f"{site.url}/"


@pytest.mark.parametrize("way", touches.WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("scripts", [True, False])
def test_each_way_takes_as_few_touches_as_is_promised(chromium, way, scripts) -> None:
    gone = touches.go(chromium, way, scripts=scripts)
    assert gone.keys == len(NUMBER)
    assert gone.touches <= way.most_touches
    assert gone.seconds - gone.waited_seconds <= way.most_seconds


@pytest.mark.parametrize(("language", "size", "scripts"), SHORT)
def test_every_screen_fits_in_every_language_and_axe_finds_nothing(
    chromium, language, size, scripts
) -> None:
    journey = Journey(language=language, size=size, scripts=scripts)
    made = travel(chromium, journey, axe=language in ASK_AXE)
    assert made.faults() == []
    assert made.handed_in


@pytest.mark.parametrize(
    ("size", "language", "light"),
    [("tall", "ur", "bigger"), ("wide", "ar", "dark")],
)
def test_other_looks_have_enough_contrast_and_lose_no_words(
    site, stand, size, language, light
) -> None:
    page = stand(site, size=size)
    finger = Finger(page)
    finger.pick(language)
    finger.act(light)
    wrong = {}
    for screen in walk(finger, staffed=False):
        finger.at(screen)
        found, problems = look(page), violations(page)
        if problems or not found.whole:
            wrong[screen] = (found, problems)
    assert wrong == {}


def test_without_scripts_the_whole_form_is_handed_in(site, stand) -> None:
    page = stand(site, scripts=False)
    finger = Finger(page, scripts=False)
    for screen in walk(finger, staffed=False):
        finger.at(screen)
    (said,) = site.wing.box.said
    assert isinstance(said, Submission)
    assert said.answers == {
        "me_number": NUMBER,
        "role": "harmed",
        "kind": ("debt",),
        "when": "today",
        "want": ("talk",),
        "how": "meet",
        "first_contact": "rj_worker",
        "help": ("reading",),
        "lang": "POLISH",
        "helped_by": "no",
        "know_limits": ("yes",),
    }


def test_the_back_button_never_returns(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("on")
    finger.type(NUMBER)
    finger.act("on")
    finger.pick("harmed")
    finger.at("kind")
    page.go_back()
    finger.at("kind")
    finger.act("stop")
    finger.at("rest")
    for _ in range(4):
        page.go_back()
        if page.url != f"{site.url}/":
            page.goto(site.url)
            break
        finger.at("rest")
        assert NUMBER not in page.content()


def test_typed_letters_do_not_come_back_with_back_or_reload(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("on")
    finger.type(NUMBER[:4])
    finger.act("stop")
    page.go_back()
    finger.act("ask")
    finger.act("on")
    assert page.locator("#typed").input_value() == ""


def test_hide_covers_the_glass_at_once_and_leads_back(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("on")
    finger.type(NUMBER)
    page.route("**/touch", lambda route: (time.sleep(0.5), route.continue_())[1])
    page.locator("#hide").tap(no_wait_after=True)
    expect(page.locator("#cover")).to_be_visible(timeout=200)
    expect(page.locator("body")).to_have_attribute("data-screen", "cover")
    assert NUMBER not in page.content()
    page.unroute("**/touch")
    finger.act("show")
    finger.at("number")
    assert page.locator("#typed").input_value() == NUMBER


def test_when_nobody_is_there_he_is_asked_and_then_everything_is_wiped(site, stand) -> None:
    page = stand(site)
    page.route("**/alive", lambda route: route.fulfill(status=204))
    page.clock.install()
    finger = Finger(page)
    finger.act("ask")
    finger.act("on")
    finger.type(NUMBER)
    page.clock.fast_forward(44_000)
    expect(page.locator("#idle")).to_be_hidden()
    page.clock.fast_forward(2_000)
    expect(page.locator("#idle")).to_be_visible()
    assert violations(page) == []
    page.locator("#idle-more").tap()
    expect(page.locator("#idle")).to_be_hidden()
    page.clock.fast_forward(46_000)
    expect(page.locator("#idle")).to_be_visible()
    page.clock.fast_forward(21_000)
    finger.at("rest")
    assert len(site.wing.drafts) == 0


def test_the_screen_says_within_five_seconds_that_the_server_is_gone(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("on")
    finger.type(NUMBER)
    page.wait_for_timeout(1500)
    site.close()
    gone_at = time.monotonic()
    expect(page.locator("#gone")).to_be_visible(timeout=8_000)
    assert time.monotonic() - gone_at <= 5.0
    expect(page.locator("#gone")).to_contain_text(words.NOT_ENROLLED_DO)
    assert violations(page) == []


def test_nobody_is_asked_for_time_while_the_screen_says_use_paper(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("come")
    finger.type(NUMBER)
    page.route("**/alive", lambda _: None)
    expect(page.locator("#gone")).to_be_visible(timeout=8_000)
    page.evaluate("touched = 0")
    page.wait_for_timeout(1500)
    expect(page.locator("#idle")).to_be_hidden()
    expect(page.locator("#gone")).to_be_visible()


def test_a_server_that_hangs_is_noticed_as_well(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("come")
    finger.type(NUMBER)
    page.route("**/alive", lambda _: None)
    hung_at = time.monotonic()
    expect(page.locator("#gone")).to_be_visible(timeout=8_000)
    assert time.monotonic() - hung_at <= 5.0
    page.unroute("**/alive")
    expect(page.locator("#gone")).to_be_hidden(timeout=8_000)
    assert page.locator("#typed").input_value() == NUMBER
    site.wing.clock.move(seconds=66)
    page.route("**/alive", lambda _: None)
    expect(page.locator("#gone")).to_be_visible(timeout=8_000)
    page.unroute("**/alive")
    finger.at("rest")


def test_what_could_not_be_left_is_said_plainly_and_can_be_sent_again(site, stand) -> None:
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    finger.act("come")
    finger.type(NUMBER)
    site.wing.box.problem = MailboxMissing()
    finger.act("on")
    finger.at("not-kept")
    assert violations(page) == []
    site.wing.box.problem = None
    finger.act("on")
    finger.at("done")
    assert len(site.wing.box.letters) == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_a_code_leads_to_a_word_and_to_take_back_a_yes(site, stand, scripts) -> None:
    page = stand(site, scripts=scripts, size="wide")
    finger = Finger(page, scripts=scripts)
    finger.act("status")
    if scripts:
        assert violations(page) == []
    finger.type(CODE)
    finger.act("on")
    finger.at("status")
    expect(page.locator("#day")).to_have_text("By Thursday 26 November")
    if scripts:
        assert violations(page) == []
    finger.act("withdraw")
    finger.act("on")
    finger.at("word")
    (said,) = site.wing.box.said
    assert isinstance(said, Word)
    assert (said.code, said.says) == (CODE, "withdraw")


def pressed(page: Page, **sent: str) -> str:
    """Press on a screen that nobody needs to see, and name the one that comes after it."""
    where = page.url
    html = page.request.get(where, headers={"Accept": "text/html"}).text()
    told = {name: re.search(rf'name="{name}" value="([^"]*)"', html) for name in ("csrf", "step")}
    form = {name: found[1] for name, found in told.items() if found}
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    html = page.request.post(f"{where}touch", form={**form, **sent}, headers=headers).text()
    found = re.search(r'data-screen="([^"]*)"', html)
    assert found, html[:300]
    return found[1]


@pytest.mark.parametrize("language", ["en", "pl", "ar", "ur", "ckb", "pa"])
def test_a_nickname_is_typed_with_the_letters_of_the_language(site, stand, language) -> None:
    from kiosk.wing.pads import keyboard

    page = stand(site, size="wide")
    if language != "en":
        pressed(page, act="language")
        pressed(page, pick=language)
    pressed(page, act="ask")
    pressed(page, act="on")
    pressed(page, act="on", typed=NUMBER)
    pressed(page, act="skip")
    pressed(page, act="skip")
    page.goto(site.url)
    finger = Finger(page)
    finger.at("other_who")
    letters = [row[-1] for row in keyboard(language)[0][:3]]
    for letter in letters:
        finger.tap(f'.key[value="{letter}"]', leads_on=False)
    finger.tap("[data-space]", leads_on=False)
    finger.tap(f'.key[value="{letters[0]}"]', leads_on=False)
    finger.tap("[data-rub]", leads_on=False)
    finger.act("on")
    finger.at("when")
    while pressed(page, act="skip") != "check":
        pass
    assert pressed(page, act="on") == "done"
    (said,) = site.wing.box.said
    assert isinstance(said, Submission)
    assert said.answers["other_who"] == "".join(letters)


def test_nothing_of_anybody_is_left_after_journeys_by_many(site, stand, chromium) -> None:
    """Four men, one browser: nothing in its storage, cookies, history or the server's drafts."""
    page = stand(site)
    finger = Finger(page)
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    for n in (0, 1, 2, 5):  # each way to ask, handed in or stopped
        number = f"{chr(65 + n)}{1357 + n}QX"
        finger.act("ask")
        finger.act("on" if n % 2 else "come")
        finger.type(number)
        if n % 3 == 2:
            finger.act("stop")
        elif n % 2:
            finger.act("on")
            finger.pick("harmed")
            finger.act("stop")
        else:
            finger.act("on")
            finger.at("done")
            finger.act("on")
        finger.at("rest")
        assert number not in page.content()
        kept = page.evaluate(
            "async () => [localStorage.length, sessionStorage.length, "
            "(await indexedDB.databases()).length, (await caches.keys()).length]"
        )
        assert kept == [0, 0, 0, 0]
    assert len(site.wing.drafts) == 0
    known = re.compile(re.escape(site.url) + r"/(touch|more|time|alive|static/[\w.-]+)?")
    assert [url for url in heard if not known.fullmatch(url)] == []
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    assert set(cookies) <= {"counterfoil-visit"}
    assert not re.search("QX", "".join(cookies.values())) or len(cookies) == 1


def test_listen_reads_the_screen_and_lights_up_the_words(site, stand, monkeypatch) -> None:
    sound = _silence()
    monkeypatch.setattr(voice, "has", lambda _text, language: language == "en")
    monkeypatch.setattr(voice, "has_voice", lambda language: language == "en")
    monkeypatch.setattr(voice, "get", lambda _text, _language: (sound, "audio/wav"))
    page = stand(site)
    finger = Finger(page)
    finger.act("ask")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "/hear/" in r.url else None)
    finger.tap("#listen", leads_on=False)
    expect(page.locator(".speaking")).to_have_count(1)
    expect(page.locator(".speaking")).to_have_text(words.PRIVATE_TITLE)
    expect(page.locator(".speaking")).to_have_text(words.PRIVATE_WAYS, timeout=5_000)
    assert violations(page) == []
    finger.tap("[data-voice=stop]", leads_on=False)
    expect(page.locator(".speaking")).to_have_count(0)
    assert asked
    assert all(re.fullmatch(r".*/hear/\d+", url) for url in asked)


def test_a_language_without_a_voice_says_so(site, stand, monkeypatch) -> None:
    monkeypatch.setattr(voice, "has_voice", lambda _language: False)
    page = stand(site)
    Finger(page).tap("#listen", leads_on=False)
    expect(page.locator("#voice-none")).to_have_text(words.NO_VOICE)
    assert violations(page) == []


def _silence() -> bytes:
    import io
    import wave

    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * 4000)
    return made.getvalue()


def test_a_mouse_menu_and_a_drag_do_nothing(site: Site, stand: Any) -> None:
    page = stand(site)
    for kind in ("contextmenu", "dragstart"):
        went = page.evaluate(
            "(kind) => document.body.dispatchEvent(new Event(kind, {bubbles: true, "
            "cancelable: true}))",
            kind,
        )
        assert went is False
