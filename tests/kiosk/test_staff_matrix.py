"""Who may see what: each cell of docs/who-may-see-what.md, by every address and every id."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from forms.page_id import new_serial, show_serial
from forms.published import published
from kiosk.access import roles_of, routes_of
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app
from kiosk.staff.people import person_id
from pipeline.promises import promised_day
from pipeline.submissions import Submission
from storage.cases import Whose
from storage.openings import OPEN_FOR
from storage.tokens import CONFIDENTIAL, READS
from tests.kiosk.rep_prison import PEOPLE, with_case, with_rep, with_roll, with_sheet

TABLE = Path(__file__).parents[2] / "docs" / "who-may-see-what.md"

COLUMNS = {
    "Officer": "officer",
    "Admin/verifier": "verifier",
    "Practitioner": "practitioner",
    "Senior practitioner": "senior",
    "RJ manager": "manager",
    "Auditor/IMB": "auditor",
}
"""The role that each column is about; who sees still less, `admin`, is looked at beside them."""

ROLES = (*COLUMNS.values(), "admin")

HERE, ELSEWHERE, OTHER_WING = ("MTI", "B"), ("LEI", "A"), ("MTI", "C")
PLACES = (HERE, ELSEWHERE, OTHER_WING)

LOOKED_AT = ("me_number", "other_who", "more", "p2_number", "p2_name", "line", "c_supporter")
"""Fields whose own pages and pictures are opened; the other canaries stand on whole pages."""


def cells() -> Iterator[tuple[str, str, str]]:
    """Read the table: what, column, what the cell says."""
    lines = [each for each in TABLE.read_text().splitlines() if each.startswith("| ")]
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert head == ["Data", *COLUMNS]
    for what, *row in rows:
        yield from ((what, column, cell) for column, cell in zip(head[1:], row, strict=True))


# Canaries


@cache
def number(of: str) -> str:
    """Make a prison number that stands nowhere else."""
    n = next(_COUNTED)
    return f"Q{n:04d}{'ABCDEFGHJK'[n % 10]}Z"


_COUNTED = itertools.count(1017)


@cache
def word(of: str, most: int = 24) -> str:
    """Make a word that stands nowhere else: small letters would be kept as capitals."""
    n = next(_COUNTED)
    letters = "".join("ZQXJKVWYBG"[int(d)] for d in str(n))
    return f"ZOR{letters}"[:most]


@dataclass
class Case:
    """One record, its ids, and what stands on it and nowhere else."""

    record: str = ""
    serial: str = ""
    pages: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)


def self_referral(samples: Any, key: str, *, staff: bool = False) -> Any:
    base = samples.names_staff if staff else samples.self_referral
    more = word(f"{key}.more")
    return replace(
        base,
        answers={
            **base.answers,
            "me_number": number(f"{key}.me_number"),
            "me_name": word(f"{key}.me_name"),
            "lang": word(f"{key}.lang", 12),
            "other_who": word(f"{key}.other_who"),
            "more": more,
        },
        read_as={},
        people=(),
        drafts={"more": more.lower()},
    )


def slip(samples: Any, key: str) -> Any:
    return replace(
        samples.self_referral,
        form="rj-2",
        answers={
            "p1_number": number(f"{key}.p1_number"),
            "p1_name": word(f"{key}.p1_name"),
            "p2_number": number(f"{key}.p2_number"),
            "p2_name": word(f"{key}.p2_name"),
            "type": ("debt",),
            "line": word(f"{key}.line"),
            "off_name": "OLU OFFICER",
            "off_sign": True,
        },
        read_as={},
        people=(),
        drafts={},
    )


def consent(samples: Any, key: str) -> Any:
    answers = {**samples.consent.answers, "c_supporter": word(f"{key}.c_supporter"), "sign": True}
    return replace(samples.consent, answers=answers)


FIELDS = {
    "self": ("me_number", "me_name", "lang", "other_who", "more"),
    "slip": ("p1_number", "p1_name", "p2_number", "p2_name", "line"),
    "consent": ("c_supporter",),
    "staff": ("me_number", "me_name", "lang", "other_who", "more"),
    "waiting": ("me_number", "me_name", "lang", "other_who", "more"),
}


def canary(key: str, name: str) -> str:
    """Give the canary that was made for a field of a record."""
    made = number if name.endswith("number") else word
    return made(f"{key}.{name}", 12) if name == "lang" else made(f"{key}.{name}")


@pytest.fixture(scope="module")
def place(open_prison: Any, samples: Any) -> Any:
    """Fill a prison, its other wing and another prison with the same things."""
    prison = open_prison()
    at = prison.clock()
    for role in ROLES:
        with prison.store.begin() as kept:
            kept.staff.add(
                f"m{role}",
                samples.password,
                name=f"Person {role}",
                roles=(role,),
                establishments=(HERE[0],),
                wings=(HERE[1],),
                by="test",
                at=at,
            )
    prison.cases = {}
    for where in PLACES:
        where_from = {"establishment": where[0], "wing": where[1]}
        kinds = (("self", self_referral), ("slip", slip), ("consent", consent))
        for kind, made in kinds[: 3 if where == HERE else 2]:
            key = f"{kind}.{'.'.join(where)}"
            filled = made(samples, key)
            case = Case(record=prison.verified(filled, **where_from))
            prison.cases[key] = _with_ids(prison, case, kind, key)
        for kind in ("staff", "waiting") if where == HERE else ("staff",):
            key = f"{kind}.{'.'.join(where)}"
            pages = prison.comes_in(
                self_referral(samples, key, staff=kind == "staff"), **where_from
            )
            with prison.store.look() as kept:
                case = Case(record=kept.pages.get(pages[0]).record or "")
            prison.cases[key] = _with_ids(prison, case, kind, key)
    with prison.store.begin() as kept:
        prison.pads, prison.rounds, prison.terminals, prison.exports, prison.alerts = (
            {}, {}, {}, {}, {},
        )  # fmt: skip
        for where in PLACES:
            order = Order(form="rj-2", copies=2, establishment=where[0], wing=where[1])
            bound = Order(form="rj-3h", establishment=where[0], wing=where[1])
            prison.pads[where] = [issue_pad(kept, each, by="x", at=at) for each in (order, bound)]
            prison.rounds[where] = kept.box_rounds.begin(
                establishment=where[0], wing=where[1], by="x", at=at
            )
            prison.terminals[where] = kept.terminals.invite(
                f"{where[0]} by the servery {where[1]}",
                establishment=where[0],
                wing=where[1],
                by="x",
                at=at,
            )[0].id
            prison.alerts[where] = kept.alerts.sound(
                "unsafe",
                at=at,
                establishment=where[0],
                wing=where[1],
                answer="no",
                number=number(f"alert.{where}"),
            )
            prison.exports[where] = kept.exports.ask(
                form="rj-1",
                shape="csv",
                establishment=where[0],
                wings=frozenset({where[1]}),
                since=at.date(),
                until=at.date(),
                reason="report",
                why=f"{word(f'why.{where}')} of this quarter.",
                records=1,
                by="milan",
                at=at,
            ).id
        milan = kept.staff.find("milan")
        prison.secrets = {}
        for name, scopes in (("plain", (READS,)), ("all", (READS, CONFIDENTIAL))):
            made, secret = kept.tokens.make(
                milan, f"robot.{name}", scopes, days=9, at=at, establishments=(HERE[0],)
            )
            prison.secrets[name] = secret
        prison.machine = made.id
        prison.ask = kept.people_asks.ask("mofficer", "factors", by="x", at=at).id
        kept.events.add("record-viewed", word("somebody-else"), by="mauditor", at=at)
    # Six days ago, so that somebody should have come by now and it stands on the boards.
    with prison.store.begin() as kept:
        while kept.case_intake.waits():
            kept.case_intake.take_up(at=at - timedelta(days=6))
    with prison.store.look() as kept:
        prison.case_ids = {
            where: [
                line.id
                for line in kept.cases.listed(Whose(confidential=True), 100)
                if (line.establishment, line.wing) == where
            ]
            for where in PLACES
        }
    prison.paper = prison.cases["consent." + ".".join(HERE)].record
    prison.packs = [packed(prison, case) for case in case_ids(prison)]
    prison.asides = [prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")]
    prison.sending = prison.sends("petra")
    prison.asides.append(prison.sent_aside)
    prison.of_case = {
        at: prison.has_case(
            number(f"case.a.{at}"), number(f"case.b.{at}"), at=at, name=word(f"case.{at}")
        )
        for at in PLACES
    }
    prison.code = new_serial()
    prison.hears(
        Submission(
            form="rj-1",
            version=1,
            language="en",
            terminal=prison.terminals[HERE],
            code=prison.code,
            promised=promised_day(at),
            asks="full",
            at=at,
            answers={"me_number": number("kiosk"), "safe": "yes"},
        )
    )
    with_roll(prison)
    prison.rep = with_rep(prison)
    prison.case = with_case(prison, prison.rep)
    prison.sheet = with_sheet(prison)
    prison.app = create_app(prison.kit())
    return prison


def packed(prison: Any, case: str) -> str:
    """Have the first party of a case handed over; give the pack's id."""
    with prison.store.begin() as kept:
        found = kept.cases.get(case)
        number = found.case.sides[0].party.number
        return str(
            kept.packs.ask(
                "handover", number=number, case=found, party="a", by="x", at=prison.clock()
            ).id
        )


def _with_ids(prison: Any, case: Case, kind: str, key: str) -> Case:
    with prison.store.look() as kept:
        found = kept.records.get(case.record)
    case.serial, case.pages = found.serial, tuple(each.id for each in found.pages)
    case.words = {name: canary(key, name) for name in FIELDS[kind]}
    return case


# Everything that somebody can be shown


def ids(place: Any) -> dict[str, list[str]]:
    """Give every id there is by the name it has in an address; a new one is refused until here."""
    with place.store.look() as kept:
        files = [str(each.number) for each in kept.intakes.last(1000)]
        records = [each.id for each in kept.records.newest(1000)]
        found = [page.id for record in kept.records.newest(1000) for page in record.pages]
        staff = [person_id(each.username) for each in kept.staff.list()]
    pads = [each for pads in place.pads.values() for each in pads]
    return {
        "page_id": [*found, *place.asides],
        "record_id": records,
        "pad": pads,
        "serial": [each.removeprefix("pad-") for each in pads],
        "round_id": list(place.rounds.values()),
        "number": files,
        "export": list(place.exports.values()),
        "person": staff,
        "sending": [place.sending],
        "rep": [place.rep],
        "case_id": list(dict.fromkeys([*case_ids(place), place.case])),
        "sheet": [place.sheet],
        "paper": [place.paper, *records],
        "pack_id": place.packs,
        "serials": [each["serials"] for each in place.of_case.values()],
        "booking": ["b1"],
        "party": ["a"],
        "form_id": ["rj-4"],
    }


def case_ids(place: Any) -> list[str]:
    with place.store.look() as kept:
        whole = Whose(confidential=True)
        return [each.id for each in kept.cases.listed(whole, 1000, open_only=False)]


SAME = {"/static/{name}"}
"""What is the same for everybody, and shows nothing of anybody."""

STREAM = {"/take-in/sent/{sending}/live"}
"""What goes on for minutes for whoever sees it: it tells counts alone (test_staff_progress.py)."""


def addresses(place: Any) -> Iterator[tuple[str, str]]:
    """Give every address of the site with every id in it, by route."""
    known, of_page = ids(place), names_on(place)
    for route in routes_of(place.app):
        path = route.path
        if not roles_of(route) or "GET" not in route.methods or path in SAME | STREAM:
            continue
        wanted = re.findall(r"{(\w+)}", path)
        if "name" in wanted:
            for page, names in of_page.items():
                some = names[:1] if path.startswith("/verify/ahead") else names
                yield from ((path, path.format(page_id=page, name=name)) for name in some)
            continue
        for some in itertools.product(*(known[each] for each in wanted)):
            yield path, path.format(**dict(zip(wanted, some, strict=True)))


def names_on(place: Any) -> dict[str, list[str]]:
    """Give the fields of each page that are opened."""
    found: dict[str, list[str]] = {}
    with place.store.look() as kept:
        for record in kept.records.newest(1000):
            for page in record.pages:
                here = {each.field for each in page.readings}
                found[page.id] = [name for name in LOOKED_AT if name in here]
    return found


LEADS_ON = {"/verify", "/verify/after/{page_id}", "/verify/ahead/{page_id}/{name}"}
"""What leads on to what waits, whichever page it is asked from."""


@dataclass
class Seen:
    """What one person was shown on all of the site."""

    text: str = field(default="", repr=False)
    trail: str = field(default="", repr=False)
    open: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict, repr=False)

    def has(self, said: str) -> bool:
        return said.lower() in self.text


@pytest.fixture(scope="module")
def seen(place: Any, visit: Any) -> dict[str, Seen]:
    return {role: crawl(place, visit, role) for role in ROLES}


def crawl(place: Any, visit: Any, role: str) -> Seen:
    """Open everything there is, and send the forms by which something is looked up."""
    browser, found, texts = visit(place.app, f"m{role}"), Seen(), []
    let_in = {route.path: roles_of(route) for route in routes_of(place.app) if roles_of(route)}
    refused: set[str] = set()
    for path, where in addresses(place):
        if path in refused and ("practitioner" if role == "senior" else role) not in let_in[path]:
            continue  # The gate stands before the route, and looks at no id.
        answer = browser.get(where)
        if answer.status_code == 403:
            refused.add(path)
        assert answer.status_code < 500, where
        found.open[where] = answer.status_code
        if answer.headers.get("content-type", "").startswith("image/"):
            found.pictures[where] = answer.content
        elif path == "/trail":
            found.trail += answer.text.lower()
        elif path in LEADS_ON:
            texts.append(answer.headers.get("location", ""))
        else:
            texts += [answer.text, *answer.headers.values()]
    csrf = browser.token("/account")
    answer = browser.post("/trail", data={"csrf": csrf, "who": "mauditor"})
    found.trail += answer.text.lower() if answer.status_code == 200 else ""
    serials = [case.serial for case in place.cases.values()]
    numbers = [canary(key, n) for key, c in place.cases.items() for n in c.words if "number" in n]
    for asked in (*serials, *numbers, place.code):
        for path, name in (("/records", "asked"), ("/slips", "code"), ("/answers", "code")):
            answer = browser.post(path, data={"csrf": csrf, name: asked})
            texts.append(re.sub(r'(?s)<input[^>]*id="(asked|code)"[^>]*>', "", answer.text))
    for key, case in place.cases.items():
        answer = browser.post("/trail", data={"csrf": csrf, "thing": case.record})
        found.trail += answer.text.lower() if answer.status_code == 200 else ""
        found.open[f"trail {key}"] = answer.status_code
    answer = browser.post("/trail/check", data={"csrf": csrf})
    found.open["/trail/check"] = answer.status_code
    found.text = "\n".join(texts).lower()
    return found


def here(kind: str) -> str:
    return f"{kind}.{'.'.join(HERE)}"


# What each cell asks for


def words_of(place: Any, kind: str, *names: str) -> list[str]:
    case = place.cases[here(kind)]
    return [case.words[name] for name in names or case.words]


def nothing(seen: Seen, words: list[str]) -> None:
    assert [each for each in words if seen.has(each)] == []


def everything(seen: Seen, words: list[str]) -> None:
    assert [each for each in words if not seen.has(each)] == []


def shut(place: Any, seen: Seen, kind: str) -> None:
    """Make sure that a record's own addresses open nothing."""
    case = place.cases[here(kind)]
    for where, status in seen.open.items():
        if not where.startswith("/verify/") and any(
            each in where.split("/") for each in (case.record, *case.pages)
        ):
            assert status in (403, 404), where


def opens(place: Any, seen: Seen, kind: str) -> None:
    assert seen.open[f"/records/{place.cases[here(kind)].record}"] == 200


def ink_of(place: Any, seen: Seen, kind: str, name: str, number: int) -> bool:
    """Say whether a field's writing is on any picture that somebody was given."""
    case, form = place.cases[here(kind)], "rj-2" if kind == "slip" else "rj-1"
    page = case.pages[number - 1]
    if f"/pages/{page}/fields/{name}/crop.png" in seen.pictures:
        return True
    whole = seen.pictures.get(f"/pages/{page}/picture.png")
    if whole is None:
        return False
    boxes = [b.box for b in published(form).layout.page(number).boxes if b.field == name]
    return any(not flat(whole, box) for box in boxes)


def flat(png: bytes, box: Any) -> bool:
    """Say whether a place of a picture is one grey."""
    page = Image.open(io.BytesIO(png)).convert("L")
    mm = page.width / 210
    low, high = page.crop(
        tuple(round(v) for v in (box.x * mm, box.y * mm, box.right * mm, box.bottom * mm))
    ).getextrema()
    return bool(low == high)


def own_status(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, [place.code, show_serial(place.code)])


def self_none(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, words_of(place, "self") + words_of(place, "waiting"))
    shut(place, seen, "self")


def self_minimum(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, words_of(place, "self", "me_number", "me_name", "lang"))
    nothing(seen, words_of(place, "self", "more") + words_of(place, "waiting", "more"))


def self_full(place: Any, seen: Seen, role: str) -> None:
    sealed = () if role == "manager" else ("more",)  # A row of its own, with a B.
    everything(seen, words_of(place, "self", "me_number", "me_name", "lang", "other_who", *sealed))


def metadata_of(kind: str) -> Any:
    def rule(place: Any, seen: Seen, _role: str) -> None:
        nothing(seen, words_of(place, kind))
        shut(place, seen, kind)
        assert place.cases[here(kind)].record.lower() in seen.trail
        assert [w for w in words_of(place, kind) if w.lower() in seen.trail] == []

    return rule


def slip_own(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, words_of(place, "slip"))
    shut(place, seen, "slip")
    assert seen.has("It has been received.") or seen.has("It has been seen.")


def slip_full(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, words_of(place, "slip", "p1_number", "p1_name", "line"))


OTHERS = (
    ("slip", "p2_number", 1), ("slip", "p2_name", 1), ("self", "other_who", 1),
)  # fmt: skip
"""Where the other party is named: record, field, page."""


def other_none(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, [place.cases[here(kind)].words[name] for kind, name, _ in OTHERS])
    assert not any(ink_of(place, seen, *each) for each in OTHERS)


def other_masked(place: Any, seen: Seen, role: str) -> None:
    other_none(place, seen, role)
    waiting = place.cases[here("waiting")]
    assert f"/pages/{waiting.pages[0]}/fields/me_number/crop.png" in seen.pictures
    assert ink_of(place, seen, "waiting", "other_who", 1)


def other_full(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, [place.cases[here(kind)].words[name] for kind, name, _ in OTHERS])
    assert all(ink_of(place, seen, *each) for each in OTHERS)


def sealed_none(place: Any, seen: Seen, _role: str) -> None:
    for kind in ("self", "waiting", "staff"):
        nothing(seen, words_of(place, kind, "more"))
        assert not ink_of(place, seen, kind, "more", 2)


def sealed_full(place: Any, seen: Seen, _role: str) -> None:
    for kind in ("self", "waiting"):
        everything(seen, words_of(place, kind, "more"))
        assert ink_of(place, seen, kind, "more", 2)


def consent_none(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, words_of(place, "consent"))
    shut(place, seen, "consent")


def consent_counts(place: Any, seen: Seen, role: str) -> None:
    consent_none(place, seen, role)
    assert seen.open["/figures"] == 200


def consent_full(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, words_of(place, "consent"))
    opens(place, seen, "consent")


def staff_none(place: Any, seen: Seen, _role: str) -> None:
    case = place.cases[here("staff")]
    nothing(seen, [*case.words.values(), case.record, *case.pages])
    shut(place, seen, "staff")


def staff_full(place: Any, seen: Seen, role: str) -> None:
    opens(place, seen, "staff")
    if role == "senior":
        everything(seen, words_of(place, "staff", "more", "lang", "me_name", "me_number"))
    everything(seen, words_of(place, "staff", "lang", "me_name", "me_number"))


def named_senior(place: Any, seen: Seen, role: str) -> None:
    (staff_full if role == "senior" else staff_none)(place, seen, role)


def rep_none(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, [*REP, place.rep, show_serial(place.sheet)])
    for where, status in seen.open.items():
        if {place.rep, place.sheet, place.case} & set(where.split("/")):
            assert status in (403, 404), where


def rep_full(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, REP)
    assert seen.open[f"/reps/{place.rep}"] == seen.open[f"/sheets/{place.sheet}"] == 200


REP = ("C3456DE", "DEV SHAH", "R. Assessor")
assert "C3456DE" in PEOPLE


BOARDS = ("/cases", "/visits", "/visits/paper.pdf", "/unplaced")


def boards_none(place: Any, seen: Seen, _role: str) -> None:
    assert {seen.open[each] for each in (*BOARDS, f"/unplaced/{place.paper}")} == {403}


def boards_full(place: Any, seen: Seen, _role: str) -> None:
    assert {seen.open[each] for each in (*BOARDS, f"/unplaced/{place.paper}")} == {200}
    everything(seen, [*place.case_ids[HERE], *words_of(place, "self", "me_name")])


def answered_for_none(_place: Any, seen: Seen, _role: str) -> None:
    assert {seen.open[each] for each in ("/late", "/late/proof", "/limits")} == {403}


def answered_for(place: Any, seen: Seen, _role: str) -> None:
    assert {seen.open[each] for each in ("/late", "/late/proof", "/limits")} == {200}
    everything(seen, place.case_ids[HERE])


def proof_alone(place: Any, seen: Seen, _role: str) -> None:
    assert (seen.open["/late/proof"], seen.open["/late"], seen.open["/limits"]) == (200, 403, 403)
    nothing(seen, words_of(place, "self") + words_of(place, "slip"))


def case_words(place: Any) -> list[str]:
    return [number(f"case.a.{HERE}"), number(f"case.b.{HERE}"), word(f"case.{HERE}")]


def case_none(place: Any, seen: Seen, _role: str) -> None:
    nothing(seen, [*case_words(place), place.of_case[HERE]["case_id"]])
    pages = {where: s for where, s in seen.open.items() if where.startswith("/cases/")}
    assert set(pages.values()) <= {403, 404}


def case_metadata(place: Any, seen: Seen, role: str) -> None:
    case_none(place, seen, role)
    assert place.of_case[HERE]["case_id"].lower() in seen.trail
    assert [each for each in case_words(place) if each.lower() in seen.trail] == []


def case_full(place: Any, seen: Seen, _role: str) -> None:
    everything(seen, case_words(place))
    assert seen.open[f"/cases/{place.of_case[HERE]['case_id']}/consents"] == 200


def trail_none(_place: Any, seen: Seen, _role: str) -> None:
    assert seen.trail == "" or "your role does not let you" in seen.trail
    assert {seen.open["/trail"], seen.open["/trail/check"]} == {403}


def trail_own(_place: Any, seen: Seen, role: str) -> None:
    assert seen.open["/trail"] == 200
    assert seen.open["/trail/check"] == 403
    assert f"person {role}" in seen.trail
    assert word("somebody-else").lower() not in seen.trail


def trail_full(_place: Any, seen: Seen, _role: str) -> None:
    assert (seen.open["/trail"], seen.open["/trail/check"]) == (200, 200)
    assert word("somebody-else").lower() in seen.trail


RULES = {
    ("Own submission, status", "-"): own_status,
    ("Self-referral fields", "-"): self_none,
    ("Self-referral fields", "M: identity, ticks; not `more` box"): self_minimum,
    ("Self-referral fields", "F"): self_full,
    ("Self-referral fields", "metadata"): metadata_of("self"),
    ("Officer slip", 'O + "received / seen" only'): slip_own,
    ("Officer slip", "F"): slip_full,
    ("Officer slip", "metadata"): metadata_of("slip"),
    ("Other party identity", "O what they wrote"): other_none,
    ("Other party identity", "masked after match"): other_masked,
    ("Other party identity", "F"): other_full,
    ("Other party identity", "pseudonym"): other_none,
    ("Free-text image", "-"): sealed_none,
    ("Free-text image", "- (sealed crop)"): sealed_none,
    ("Free-text image", "F"): sealed_full,
    ("Free-text image", "B"): sealed_none,
    ("Consents", "-"): consent_none,
    ("Consents", "F to verify"): consent_full,
    ("Consents", "F"): consent_full,
    ("Consents", "counts"): consent_counts,
    ("Staff-named case", "-"): staff_none,
    ("Staff-named case", "- (auto-routed)"): staff_none,
    ("Staff-named case", "named senior"): named_senior,
    ("Staff-named case", "F + governor-named contact"): staff_full,
    ("Staff-named case", "F metadata, alert"): metadata_of("staff"),
    ("Reps, their sheets", "-"): rep_none,
    ("Reps, their sheets", "F"): rep_full,
    ("Reps, their sheets", "metadata"): rep_none,
    ("Boards of the day", "-"): boards_none,
    ("Boards of the day", "F"): boards_full,
    ("What is late, limits", "-"): answered_for_none,
    ("What is late, limits", "F"): answered_for,
    ("What is late, limits", "metadata of staff-named"): proof_alone,
    ("Case, its people and history", "-"): case_none,
    ("Case, its people and history", "F"): case_full,
    ("Case, its people and history", "metadata"): case_metadata,
    ("Audit trail", "-"): trail_none,
    ("Audit trail", "own"): trail_own,
    ("Audit trail", "F"): trail_full,
    ("Audit trail", "F, hash check"): trail_full,
}
"""What each cell asks for; what stands in the table and not here is refused."""


def test_each_rule_is_for_a_cell_that_there_is() -> None:
    assert {(what, cell) for what, _, cell in cells()} == set(RULES)


@pytest.mark.parametrize(("what", "column", "cell"), list(cells()))
def test_each_cell_is_what_people_are_shown(place, seen, what, column, cell) -> None:
    RULES[what, cell](place, seen[COLUMNS[column]], COLUMNS[column])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("where", [ELSEWHERE, OTHER_WING])
def test_of_another_prison_or_wing_nobody_sees_a_word_or_an_id(place, seen, where, role) -> None:
    key = ".".join(where)
    there = [case for name, case in place.cases.items() if name.endswith(f".{key}")]
    found = [each for case in there for each in (*case.words.values(), case.record, *case.pages)]
    found += [show_serial(case.serial) for case in there]
    found += [number(f"alert.{where}"), word(f"why.{where}"), *place.pads[where]]
    found += [place.rounds[where], place.exports[where], *place.case_ids[where]]
    found += [number(f"case.a.{where}"), number(f"case.b.{where}"), word(f"case.{where}")]
    found += [place.of_case[where][name] for name in ("case_id", "serials")]
    nothing(seen[role], found)
    for address, status in seen[role].open.items():
        if not address.startswith(("trail", "/verify/")) and any(
            each in address.split("/") for each in found
        ):
            assert status in (403, 404), address


def test_an_administrator_sees_no_answer_of_anybody(place, seen) -> None:
    for kind in FIELDS:
        nothing(seen["admin"], words_of(place, kind))
    shut(place, seen["admin"], "staff")
    assert not seen["admin"].pictures


def test_every_kind_of_person_was_shown_something_and_every_address_was_opened(place, seen) -> None:
    opened = {
        path
        for path, where in addresses(place)
        if any(each.open.get(where) == 200 for each in seen.values())
    }
    every = {
        r.path for r in routes_of(place.app) if roles_of(r) and "GET" in r.methods
    } - SAME - STREAM  # fmt: skip
    assert every - opened <= NEVER_OPEN


NEVER_OPEN = {
    "/sign-in", "/verify/grid",  # who is in already; when no tick box waits
    "/sign-in/second", "/sign-in/password", "/sign-in/enrol",  # on the way in alone
    "/verify", "/verify/after/{page_id}", "/pages/{page_id}",  # these lead on
    "/made-out/{pad}/paper.pdf", "/pads/{pad}/paper.pdf",  # of whoever issued it
    "/sheets/{sheet}/paper.pdf",  # the same
    "/cases/{case_id}/paper/{serials}/paper.pdf",  # the same
    "/slips/new/{serial}", "/take-in/sent/{sending}",  # of whoever sent it
    "/people/{person}", "/intake/files/{number}",
}  # fmt: skip


def test_a_manager_opens_sealed_words_for_a_reason_and_for_a_while(place, visit) -> None:
    case = place.cases[here("self")]
    where = f"/pages/{case.pages[1]}/fields/more"
    milan = visit(place.app, "mmanager")
    assert milan.get(f"{where}/crop.png").status_code == 403
    with place.store.begin() as kept:
        kept.openings.open(case.record, "safety", by="mmanager", at=place.clock())
    assert milan.get(f"{where}/crop.png").status_code == 200
    assert case.words["more"].lower() in milan.get(where).text.lower()
    for shut_to in ("mverifier", "mauditor", "mofficer", "madmin"):
        with place.store.begin() as kept:
            kept.openings.open(case.record, "safety", by=shut_to, at=place.clock())
        assert visit(place.app, shut_to).get(f"{where}/crop.png").status_code == 403
    other = place.cases[here("waiting")].pages[1]
    assert milan.get(f"/pages/{other}/fields/more/crop.png").status_code == 403
    place.clock.move(OPEN_FOR + timedelta(seconds=1))
    assert visit(place.app, "mmanager").get(f"{where}/crop.png").status_code == 403


def test_an_officer_sees_what_they_write_until_it_is_sent_and_then_no_more(place, visit) -> None:
    olu = visit(place.app, "mofficer")
    text = olu.get("/slips/new").text
    once = text.partition('name="once" value="')[2].partition('"')[0]
    sent = {"csrf": olu.token("/account"), "once": once, "prison": HERE[0], "wing": HERE[1]}
    sent |= {"p1_name": "SOMEBODY", "p2_name": word("sent.p2"), "p2_number": number("sent.p2")}
    back = olu.post("/slips/new", data=sent)
    assert back.status_code == 422
    assert word("sent.p2") in back.text
    sent |= {"told": "yes", "type": "debt", "done_already": "none", "risk_now": "some"}
    kept = olu.post("/slips/new", data=sent)
    assert kept.status_code == 303
    for path in ("/", "/slips/new", "/slips", kept.headers["location"], "/take-in/sent"):
        text = olu.get(path).text
        assert word("sent.p2") not in text
        assert number("sent.p2") not in text


@pytest.mark.parametrize(("token", "role"), [("plain", "verifier"), ("all", "manager")])
def test_a_program_is_shown_no_more_than_a_person_of_its_reach(place, visit, token, role) -> None:
    program = visit(place.app)
    place.clock.move(timedelta(minutes=2))
    text = ""
    for key, case in place.cases.items():
        place.clock.move(timedelta(seconds=10))
        for path in ("", "/decisions"):
            answer = program.get(
                f"/api/v1/records/{case.record}{path}",
                headers={"Authorization": f"Bearer {place.secrets[token]}"},
            )
            here_too = ".LEI" not in key and (token == "all" or not key.startswith("staff"))
            assert answer.status_code == (200 if here_too else 404), key
            text += answer.text.lower()
    shown = Seen(text=text)
    nothing(shown, [case.words["more"] for case in place.cases.values() if "more" in case.words])
    everything(shown, words_of(place, "slip", "p1_number", "line"))
    others = [place.cases[here(kind)].words[name] for kind, name, _ in OTHERS]
    (everything if role == "manager" else nothing)(shown, others)
