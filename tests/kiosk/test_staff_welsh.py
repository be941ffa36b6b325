"""The staff site in Welsh: chosen by a cookie, on every page, with no English left over."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from kiosk.staff.app import create_app
from kiosk.staff.languages import language_cookie
from kiosk.staff.speech import _, counted, speaking
from kiosk.translations import staff_faults, staff_translations
from tests.kiosk.test_staff_access import TABLE, address, place  # noqa: F401
from tests.kiosk.test_staff_browser import (  # noqa: F401
    arrive,
    full_site,
    run_site,
    violations,
)

NO_PAGES = ("/static/", "/sign-in/", "/language")
SIGNED_IN = {"manager": "milan", "verifier": "vera", "officer": "olu", "auditor": "ada"}

WELSH = {
    english: welsh
    for one, other in staff_translations().items()
    for english, welsh in zip(one, other, strict=True)
    if english != welsh and re.search(r"[A-Za-z]{3}", english)
}


def _said(english: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", english.strip())]
    return re.compile(".+?".join(parts))


PLAIN = {each.strip() for each in WELSH if "{" not in each}
FILLED = [_said(each) for each in WELSH if "{" in each and len(re.sub(r"\{\w+\}|\W", "", each)) > 5]
LONG = [each for each in PLAIN if len(each) > 24]


def visible(page: str) -> list[str]:
    """Give what a page says, piece by piece: its text, and what is read out for pictures.

    What is marked as English is none of it: the way back to it, and what stands on paper.
    """
    page = re.sub(r"<(button|span)[^>]* lang=.en.[^>]*>[^<]*</\1>", "", page)
    body = re.sub(r"<(script|style|kbd|code)\b.*?</\1>", "", page, flags=re.DOTALL)
    read = re.findall(r'\b(?:alt|aria-label|placeholder)="([^"]*)"', body)
    pieces = [*re.split(r"<[^>]*>", body), *read]
    return [" ".join(html.unescape(each).split()) for each in pieces if each.strip()]


def leaks(page: str) -> list[str]:
    """Give the pieces of a page that are English of ours whose Welsh is another."""
    return [
        piece
        for piece in visible(page)
        if piece in PLAIN
        or any(each.fullmatch(piece) for each in FILLED)
        or any(each in piece for each in LONG)
    ]


def in_welsh(browser: Any) -> Any:
    browser.cookies.set(language_cookie(tls=False), "cy")
    return browser


def test_nothing_is_wrong_with_the_catalogue() -> None:
    assert list(staff_faults()) == []


@pytest.mark.parametrize("role", sorted(SIGNED_IN))
def test_no_page_in_welsh_holds_english_of_ours(place, visit, role) -> None:  # noqa: F811
    browser = in_welsh(visit(place.app, SIGNED_IN[role]))
    seen, found = 0, {}
    for (method, path), roles in sorted(TABLE.items()):
        if method != "GET" or role not in roles or path.startswith(NO_PAGES):
            continue
        answer = browser.get(address(place, path))
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        seen += 1
        assert '<html lang="cy"' in answer.text, path
        found[path] = leaks(answer.text)
    assert not {path: left for path, left in found.items() if left}
    assert seen > 5


def test_english_pages_hold_english(place, visit) -> None:  # noqa: F811
    """So the search for leaks finds what it looks for."""
    answer = visit(place.app, "milan").get("/")
    assert '<html lang="en"' in answer.text
    assert len(leaks(answer.text)) > 10


def test_a_language_is_chosen_on_the_sign_in_page_and_lasts(app, visit) -> None:
    browser = visit(app)
    page = browser.get("/sign-in?to=/records").text
    assert 'lang="cy">Cymraeg</button>' in page
    form = {"csrf": browser.token("/sign-in"), "language": "cy", "to": "/records"}
    answer = browser.post("/language", data=form)
    assert answer.headers["location"] == "/sign-in?to=/records"
    cookie = answer.headers["set-cookie"].lower()
    assert "counterfoil-language=cy" in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=31536000" in cookie
    assert "Mewngofnodi" in browser.get("/sign-in").text


def test_with_tls_the_cookie_is_tied_to_the_host(prison, visit) -> None:
    browser = visit(create_app(prison.kit(tls=True)))
    browser.base_url = "https://staff.example"
    form = {"csrf": browser.token("/sign-in"), "language": "cy"}
    cookie = browser.post("/language", data=form).headers["set-cookie"]
    assert cookie.startswith("__Host-counterfoil-language=cy")
    assert "secure" in cookie.lower()


@pytest.mark.parametrize("to", ["https://elsewhere.example/", "//elsewhere.example", "/../x", "?"])
def test_a_language_leads_to_no_page_but_our_own(visitor, to) -> None:
    browser = visitor("milan")
    answer = browser.post(
        "/language", data={"csrf": browser.token("/"), "language": "cy", "to": to}
    )
    assert answer.headers["location"] == "/"


def test_whoever_chooses_a_language_in_the_queue_goes_on_with_the_queue(visitor) -> None:
    browser = visitor("milan")
    asked = {"csrf": browser.token("/"), "language": "cy"}
    field = "/pages/0123456789abcdef0123456789abcdef-0/fields/today?in=queue"
    assert browser.post("/language", data={**asked, "to": field}).headers["location"] == field
    odd = field.replace("queue", "queue&x=1")
    assert browser.post("/language", data={**asked, "to": odd}).headers["location"] == field[:-9]


def test_a_language_that_is_none_is_not_kept(visitor) -> None:
    browser = visitor("milan")
    answer = browser.post(
        "/language", data={"csrf": browser.token("/"), "language": "xx", "to": "/"}
    )
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    assert '<html lang="en"' in browser.get("/").text


def test_a_form_s_question_comes_from_the_forms_own_welsh_and_counts_from_ours() -> None:
    with speaking("cy"):
        assert _("January") == "Ionawr"
        assert _("Cannot read") == "Methu darllen"
        assert counted("{count} day", "{count} days", 3) == "3 diwrnod"
        assert _("No such words anywhere") == "No such words anywhere"
    assert _("Cannot read") == "Cannot read"


def test_three_pages_in_welsh_are_whole_and_axe_finds_nothing(full_site, arrive) -> None:  # noqa: F811
    page = arrive(full_site, "milan")
    page.get_by_role("button", name="Cymraeg").click()
    page.wait_for_url(f"{full_site.url}/")
    field = f"/pages/{full_site.prison.rj1}/fields/me_number"
    for path in ("/", "/records", field):
        page.goto(full_site.url + path)
        assert page.locator("html").get_attribute("lang") == "cy"
        assert page.evaluate("document.documentElement.scrollWidth") <= 1366, path
        assert violations(page) == [], path
