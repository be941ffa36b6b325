"""What becomes of files that were sent: true counts, a reason for each page, and no content."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from forms.page_id import PageId, new_serial, show_serial
from kiosk.issue import Order, issue_pad
from kiosk.staff import progress
from kiosk.staff.app import create_app
from pipeline import work
from pipeline.kept import Decision, Status
from pipeline.stages import PageRead, Quarantined
from storage.models import SentFileRow
from storage.store import rows_of


@pytest.fixture
def site(prison: Any) -> Any:
    return create_app(prison.kit())


@pytest.fixture
def oona(prison: Any, site: Any, visit: Any) -> Any:
    prison.lets_in("oona", "officer", "B")
    return visit(site, "oona")


def send(browser: Any, *files: bytes, instead: str = "") -> Any:
    given = {"csrf": browser.token("/take-in"), **({"instead": instead} if instead else {})}
    named = [("files", (f"Smith {n}.pdf", data)) for n, data in enumerate(files)]
    return browser.post("/take-in", data=given, files=named)


def newest(prison: Any) -> Any:
    """Give the id of what was sent last; what it comes to is counted alike in both ways."""
    with prison.store.look() as kept:
        rows = rows_of(kept).query(SentFileRow).order_by(SentFileRow.number.desc())
        sending = rows.first().sending
        whole, counted = kept.sendings.find(sending), kept.sendings.count(sending)
        assert (counted.pages, counted.counts) == ((), whole.counts)
        assert counted.done == whole.done
        return sending


def intakes(prison: Any, sending: str) -> list[str]:
    with prison.store.look() as kept:
        rows = rows_of(kept).query(SentFileRow).filter_by(sending=sending)
        return [row.intake for row in rows.order_by(SentFileRow.number) if row.intake]


def split(prison: Any, intake: str, pages: int) -> None:
    with prison.store.begin() as kept:
        kept.intakes.split(intake, work.Split(pages=pages), at=prison.clock())


def blank(prison: Any, *, form: str = "rj-1", wing: str = "B") -> str:
    """Issue one blank; give its serial."""
    with prison.store.begin() as kept:
        order = Order(form=form, establishment="MTI", wing=wing)
        return issue_pad(kept, order, by="x", at=prison.clock())[4:]


def read(prison: Any, page: str, filled: Any, serial: str, number: int = 1) -> Status:
    """Read a page as a worker does."""
    result = PageRead(
        source="file",
        page_index=int(page.rpartition("-")[2]),
        id=PageId(form=filled.form, version=1, language="en", serial=serial, page=number),
        pages=2,
        readings=filled.readings(number),
        rotation_deg=0.0,
        scale=1.0,
        residual_mm=0.1,
        digest=hashlib.sha256(page.encode()).hexdigest(),
    )
    with prison.store.begin() as kept:
        kept.pages.start(page, 1)
        return kept.pages.keep(page, 1, [work.Outcome(result)], at=prison.clock())


def aside(prison: Any, page: str, *, what: PageId | None = None) -> None:
    bad = Quarantined(
        source="file",
        page_index=0,
        code="page-code-missing",
        message="We could not find the square code.",
        remedy="Lay the page flat and scan it again.",
        id=what,
    )
    with prison.store.begin() as kept:
        kept.pages.keep(page, 1, [work.Outcome(bad)], at=prison.clock())


def live(browser: Any, sending: str) -> list[tuple[str, Any]]:
    """Listen to the stream until it ends."""
    text = browser.get(f"/take-in/sent/{sending}/live").text
    events = [each for each in text.split("\n\n") if each.startswith("event: ")]
    parts = [each.removeprefix("event: ").partition("\ndata: ") for each in events]
    return [(name, json.loads(data) if data else None) for name, _, data in parts]


def test_every_page_is_told_of_with_its_reason_and_nothing_it_says(prison, oona, samples) -> None:
    serial = blank(prison)
    told = send(oona, b"one", b"two", b"two")
    assert told.status_code == 200
    sending = newest(prison)
    assert f'data-progress="/take-in/sent/{sending}/live"' in told.text
    first, second, _ = intakes(prison, sending)
    split(prison, first, 2)
    read(prison, f"{first}-0", samples.self_referral, serial)
    aside(prison, f"{first}-1")
    text = oona.get(f"/take-in/sent/{sending}").text
    assert show_serial(serial) in text
    assert "We could not find the square code." in text
    assert "Lay the page flat and scan it again." in text
    assert "Here already" in text
    for word in ("A1234BC", "A1Z34BC", "JON", "RADIO", "Smith"):
        assert word not in text
    with prison.store.look() as kept:
        counts = kept.sendings.find(sending).counts
    assert {k: v for k, v in counts.items() if v} == {
        "read": 1,
        "set-aside": 1,
        "unopened": 1,
        "duplicate": 1,
    }
    assert second


def test_the_stream_tells_true_counts_and_ends_when_all_is_done(
    prison, oona, samples, monkeypatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    serial = blank(prison)
    send(oona, b"one")
    sending = newest(prison)
    (intake,) = intakes(prison, sending)
    steps = [
        lambda: split(prison, intake, 2),
        lambda: read(prison, f"{intake}-0", samples.self_referral, serial),
        lambda: aside(prison, f"{intake}-1"),
    ]
    look = progress._look

    def looking(*given: Any) -> Any:
        found = look(*given)
        if steps and len(given) == 4:
            steps.pop(0)()
        return found

    monkeypatch.setattr(progress, "_look", looking)
    told = live(oona, sending)
    numbers = [{k: v for k, v in data.items() if v} for name, data in told if name == "counts"]
    assert numbers == [
        {"received": 1},
        {"received": 2},
        {"received": 1, "read": 1},
        {"read": 1, "aside": 1},
    ]
    assert told[-1] == ("done", None)


def test_looking_costs_the_same_however_many_pages_there_are(prison, oona) -> None:
    cost: dict[int, list[int]] = {}
    for pages in (2, 60):
        send(oona, f"file of {pages}".encode())
        sending = newest(prison)
        split(prison, intakes(prison, sending)[0], pages)
        cost[pages] = []
        for look in ("find", "count"):
            asked: list[str] = []
            with prison.store.look() as kept:
                engine = rows_of(kept).get_bind()
                note = lambda *told: asked.append(told[2])  # noqa: B023, E731
                event.listen(engine, "before_cursor_execute", note)
                found = getattr(kept.sendings, look)(sending)
                event.remove(engine, "before_cursor_execute", note)
            assert sum(found.counts.values()) == pages
            cost[pages].append(len(asked))
    assert cost[2] == cost[60]
    assert min(cost[2]) > 0


def test_a_stream_ends_by_itself_and_with_the_session(prison, oona, monkeypatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "LONGEST", timedelta(seconds=0.1))
    send(oona, b"one")
    sending = newest(prison)
    assert live(oona, sending)[-1] == ("over", None)
    monkeypatch.setattr(progress, "LONGEST", timedelta(minutes=4))
    looked = progress._look

    def signed_out(office: Any, user: Any, sent: str, secret: str = "") -> Any:
        if secret:
            with prison.store.begin() as kept:
                kept.sessions.close(secret, at=prison.clock())
        return looked(office, user, sent, secret)

    monkeypatch.setattr(progress, "_look", signed_out)
    assert live(oona, sending) == [("over", None)]


def test_one_person_takes_few_streams_and_gives_them_back(prison, oona) -> None:
    streams = progress.Streams()
    for _ in range(progress.MOST_OF_ONE):
        streams.enter("oona")
    with pytest.raises(progress.ManyLook):
        streams.enter("oona")
    streams.enter("otto")
    streams.leave("oona")
    streams.enter("oona")
    for n in range(progress.MOST_STREAMS - progress.MOST_OF_ONE - 1):
        streams.enter(f"u{n}")
    with pytest.raises(progress.ManyLook):
        streams.enter("last")


def test_others_see_what_was_sent_only_where_they_oversee(prison, site, oona, visit) -> None:
    prison.lets_in("otto", "officer", "B")
    prison.lets_in("mona", "manager")
    prison.lets_in("lena", "manager", at="LEI")
    prison.lets_in("carl", "verifier", "C")
    send(oona, b"one")
    sending = newest(prison)
    for who, status in (
        ("oona", 200),
        ("otto", 404),
        ("mona", 200),
        ("lena", 404),
        ("carl", 404),
        ("petra", 404),
        ("milan", 200),
        ("adam", 404),
    ):
        browser = visit(site, who)
        assert browser.get(f"/take-in/sent/{sending}").status_code == status, who
        assert (sending in browser.get("/take-in/sent").text) is (status == 200), who
        if status == 404:
            assert browser.get(f"/take-in/sent/{sending}/live").status_code == 404


def test_a_page_of_another_wing_is_told_of_without_its_serial(prison, oona, samples) -> None:
    serial = blank(prison, wing="C")
    send(oona, b"one")
    sending = newest(prison)
    (intake,) = intakes(prison, sending)
    split(prison, intake, 1)
    read(prison, f"{intake}-0", samples.self_referral, serial)
    text = oona.get(f"/take-in/sent/{sending}").text
    assert "Received and read" in text
    assert show_serial(serial) not in text


def test_an_officer_has_their_own_page_read_again_and_nobody_elses(
    prison, site, oona, visit
) -> None:
    send(oona, b"one")
    sending = newest(prison)
    (intake,) = intakes(prison, sending)
    split(prison, intake, 1)
    aside(prison, f"{intake}-0")
    prison.lets_in("otto", "officer", "B")
    otto = visit(site, "otto")
    for browser, status in ((otto, 404), (oona, 303)):
        sent = {"csrf": browser.token("/take-in"), "page": f"{intake}-0"}
        assert browser.post(f"/take-in/sent/{sending}/again", data=sent).status_code == status
    other = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    sent = {"csrf": oona.token("/take-in"), "page": other}
    assert oona.post(f"/take-in/sent/{sending}/again", data=sent).status_code in (400, 404)
    with prison.store.look() as kept:
        assert kept.pages.get(f"{intake}-0").attempt == 2
        assert kept.pages.get(other).attempt == 1


def bad_page(prison: Any, browser: Any, *, serial: str = "") -> str:
    """Send a file whose one page is set aside; give the page's id."""
    send(browser, f"bad {serial}".encode())
    (intake,) = intakes(prison, newest(prison))
    split(prison, intake, 1)
    what = PageId(form="rj-1", version=1, language="en", serial=serial, page=1) if serial else None
    aside(prison, f"{intake}-0", what=what)
    return f"{intake}-0"


def better(prison: Any, browser: Any, page: str, data: bytes = b"better", pages: int = 1) -> str:
    """Send a new scan of a page; give its file."""
    answer = send(browser, data, instead=page)
    assert answer.status_code == 200, answer.text
    (intake,) = intakes(prison, newest(prison))
    split(prison, intake, pages)
    return intake


def became(prison: Any, page: str) -> str:
    with prison.store.look() as kept:
        return kept.replacements.of_page(page).became


@pytest.mark.parametrize("known", [True, False])
def test_a_better_scan_takes_the_place_of_a_page_set_aside(
    prison, site, oona, visit, samples, known
) -> None:
    serial = blank(prison)
    old = bad_page(prison, oona, serial=serial if known else "")
    sender = oona if known else visit(site, "vera")
    assert oona.get(f"/take-in/instead/{old}").status_code == 200
    new = f"{better(prison, sender, old)}-0"
    read(prison, new, samples.self_referral, serial)
    with prison.store.look() as kept:
        before, after = kept.pages.get(old), kept.pages.get(new)
        events = [(each.what, each.by) for each in kept.events.of(old)]
        counts = kept.pages.counts()
    assert (before.status, before.duplicate_of) == (Status.DUPLICATE, new)
    assert after.status is Status.AWAITING
    assert ("page-replaced", "oona" if known else "vera") in events
    assert counts[Status.SET_ASIDE] == 0
    vera = visit(site, "vera")
    assert old not in vera.get("/set-aside").text
    assert "A better scan has taken its place" in vera.get(f"/set-aside/{old}").text
    assert oona.get(f"/take-in/instead/{old}").status_code in (400, 404)


def test_an_officers_word_alone_buries_no_page_of_which_nobody_knows_what_it_is(
    prison, oona, samples
) -> None:
    old = bad_page(prison, oona)
    new = f"{better(prison, oona, old)}-0"
    read(prison, new, samples.self_referral, blank(prison))
    with prison.store.look() as kept:
        assert kept.pages.get(old).status is Status.SET_ASIDE
        assert kept.pages.get(new).status is Status.AWAITING


def test_a_scan_of_another_sheet_replaces_nothing(prison, oona, samples) -> None:
    serial, other = blank(prison), blank(prison)
    old = bad_page(prison, oona, serial=serial)
    new = f"{better(prison, oona, old)}-0"
    read(prison, new, samples.self_referral, other)
    with prison.store.look() as kept:
        assert kept.pages.get(old).status is Status.SET_ASIDE
        record = kept.records.get(kept.pages.get(new).record)
    assert record.serial == other
    assert became(prison, old) == "other"
    assert "another sheet or side" in oona.get(f"/take-in/instead/{old}").text


def test_of_several_pages_none_replaces_a_page_nobody_knows(prison, oona, samples) -> None:
    serial = blank(prison)
    old = bad_page(prison, oona)
    intake = better(prison, oona, old, pages=2)
    read(prison, f"{intake}-0", samples.self_referral, serial)
    read(prison, f"{intake}-1", samples.self_referral, serial, 2)
    with prison.store.look() as kept:
        assert kept.pages.get(old).status is Status.SET_ASIDE
    assert became(prison, old) == "several"


def test_a_new_scan_that_cannot_be_read_replaces_nothing_and_a_third_may(
    prison, oona, samples
) -> None:
    serial = blank(prison)
    old = bad_page(prison, oona, serial=serial)
    aside(prison, f"{better(prison, oona, old)}-0")
    assert became(prison, old) == "unread"
    prison.clock.move(timedelta(minutes=1))
    third = f"{better(prison, oona, old, b'third')}-0"
    read(prison, third, samples.self_referral, serial)
    assert became(prison, old) == "replaced"


def test_a_bad_scan_that_awaits_people_is_replaced_in_its_record(
    prison, site, oona, visit, samples
) -> None:
    front, back = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        record = kept.records.get(kept.pages.get(front).record)
    vera = visit(site, "vera")
    new = f"{better(prison, vera, front)}-0"
    read(prison, new, samples.self_referral, record.serial)
    with prison.store.look() as kept:
        now = kept.records.get(record.id)
        old = kept.pages.get(front)
        assert len(kept.records.of_serial(record.serial)) == 1
    assert [page.id for page in now.pages] == [new, back]
    assert now.flags == ()
    assert (old.status, old.duplicate_of, old.record) == (Status.DUPLICATE, new, None)
    assert [r.field for r in old.readings], "the old scan is kept with its readings"
    assert oona.get(f"/take-in/instead/{new}").status_code in (400, 404)


def test_what_somebody_has_decided_is_never_thrown_away(prison, site, visit, samples) -> None:
    front, _ = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        record = kept.records.get(kept.pages.get(front).record)
    vera = visit(site, "vera")
    new = f"{better(prison, vera, front)}-0"
    with prison.store.begin() as kept:
        page = kept.pages.get(front)
        decision = page.decide("me_number", "A1234BC", by="victor", at=prison.clock())
        assert isinstance(kept.decisions.add(decision), Decision)
    read(prison, new, samples.self_referral, record.serial)
    with prison.store.look() as kept:
        old = kept.pages.get(front)
        assert (old.status, old.record) == (Status.AWAITING, record.id)
        assert len(kept.records.of_serial(record.serial)) == 2
    assert became(prison, front) == "decided"
    answer = send(vera, b"once more", instead=front)
    assert answer.status_code in (400, 404)


def test_nobody_replaces_a_page_that_is_not_theirs(prison, site, oona, visit, samples) -> None:
    lei, _ = prison.comes_in(samples.self_referral, establishment="LEI")
    staffs, _ = prison.comes_in(samples.names_staff)
    mine, _ = prison.comes_in(samples.self_referral)
    lost = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    prison.lets_in("vic", "verifier")
    vic, olu = visit(site, "vic"), visit(site, "olu")
    before = newest_file(prison)
    for browser, page in ((vic, lei), (vic, staffs), (olu, mine), (olu, lost), (vic, new_serial())):
        assert browser.get(f"/take-in/instead/{page}").status_code in (400, 404), page
        assert send(browser, b"x" + page.encode(), instead=page).status_code in (400, 404), page
    assert newest_file(prison) == before


def newest_file(prison: Any) -> int:
    with prison.store.look() as kept:
        return max((each.number for each in kept.intakes.last()), default=0)
