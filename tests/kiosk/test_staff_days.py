"""A day of the manager, the auditor and the administrator in a real browser, by keyboard."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.kiosk.test_staff_browser import (  # noqa: F401 (fixtures)
    arrive,
    press,
    run_site,
    violations,
)


def test_a_managers_day(run_site, arrive, samples) -> None:  # noqa: F811
    site = run_site()
    prison = site.prison
    record = prison.verified(samples.self_referral)
    page = arrive(site, "milan")
    page.goto(f"{site.url}/records/{record}")
    expect(page.locator("main")).not_to_contain_text("HE TOOK MY RADIO")
    page.locator("#reason").select_option("danger")
    page.get_by_role("button", name="Open the sealed words").press("Enter")
    expect(page.locator("main")).to_contain_text("HE TOOK MY RADIO")
    assert violations(page) == []
    page.goto(f"{site.url}/exports/new")
    page.locator("#reason").select_option("report")
    page.locator("#why").fill("The quarterly report.")
    page.get_by_role("button", name="Ask for it").press("Enter")
    with page.expect_download() as got:
        page.get_by_role("button", name="Fetch the file").press("Enter")
    text = got.value.path().read_text("utf-8")
    assert "A1234BC" in text
    assert "HE TOOK" not in text
    assert "A1234BC" not in got.value.suggested_filename


def test_an_auditors_day(run_site, arrive, samples) -> None:  # noqa: F811
    site = run_site()
    record = site.prison.verified(samples.self_referral)
    page = arrive(site, "ada")
    expect(page.locator("main")).to_contain_text("verified")
    page.goto(f"{site.url}/trail")
    page.get_by_role("button", name="Check the whole list").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("events are as they were written")
    page.locator("#thing").fill(record[:8])
    page.locator("#thing").press("Enter")
    expect(page.locator("table")).to_contain_text("record verified")
    assert violations(page) == []
    page.goto(f"{site.url}/exports")
    expect(page.locator("main")).to_contain_text("Nobody has asked for an export yet.")
    assert page.goto(f"{site.url}/records/{record}").status == 403


def test_an_administrators_day(run_site, arrive, samples) -> None:  # noqa: F811
    site = run_site()
    page = arrive(site, "adam")
    page.goto(f"{site.url}/people")
    page.get_by_role("button", name="Add somebody").press("Enter")
    page.locator("#username").fill("nora")
    page.locator("#name").fill("Nora New")
    page.locator("#password").fill("five unrelated words do")
    page.get_by_label("Verifier", exact=True).check()
    page.get_by_label("RJ manager").check()
    page.locator("#password").press("Enter")
    expect(page.locator("main")).to_contain_text("Waits for a second person")
    assert violations(page) == []
    with site.prison.store.look() as kept:
        assert kept.staff.find("nora").roles == {"verifier"}
    other = arrive(site, "milan")
    other.goto(f"{site.url}/people")
    other.locator("button[value=confirm]").press("Enter")
    expect(other.locator("main")).not_to_contain_text("Waits for a second person")
    with site.prison.store.look() as kept:
        assert kept.staff.find("nora").roles == {"verifier", "manager"}
