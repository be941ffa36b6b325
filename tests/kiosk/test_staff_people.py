"""Who may sign in, as what, and where: kept by administrators, confirmed by somebody else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from kiosk.staff.people import person_id, within
from storage.people_asks import ASK_LASTS

FIRST = "a first password for once"
OWN = "five unrelated words do"


@pytest.fixture
def house(prison: Any, samples: Any) -> Any:
    """A place with a second administrator, and one who is kept to a prison."""
    with prison.store.begin() as kept:
        for username, roles, prisons in (
            ("anna", ("admin",), ()),
            ("lena", ("admin",), ("LEI",)),
            ("mona", ("manager",), ("MTI",)),
            ("nick", ("verifier",), ("MTI",)),
        ):
            kept.staff.add(
                username,
                samples.password,
                name=f"{username.title()} Name",
                roles=roles,
                establishments=prisons,
                by="test",
                at=prison.clock(),
            )
    return prison


def post(browser: Any, path: str, **form: Any) -> Any:
    return browser.post(path, data={"csrf": browser.token("/account"), **form})


def add(browser: Any, username: str = "nora", **form: Any) -> Any:
    asked = {"username": username, "name": "Nora New", "password": FIRST, "roles": "verifier"}
    return post(browser, "/people", **{**asked, **form})


def rights(browser: Any, username: str, roles: Any, prisons: str = "", wings: str = "") -> Any:
    where = f"/people/{person_id(username)}/rights"
    return post(browser, where, roles=roles, prisons=prisons, wings=wings)


def found(house: Any, username: str) -> Any:
    with house.store.look() as kept:
        return kept.staff.find(username)


def waiting(house: Any) -> list[Any]:
    with house.store.look() as kept:
        return list(kept.people_asks.waiting(at=house.clock()))


def events(house: Any, of: str) -> list[tuple[str, str, str]]:
    with house.store.look() as kept:
        newest = kept.events.last(1000)
        return [(e.what, e.by, e.code) for e in reversed(newest) if e.subject == of]


def test_somebody_is_added_and_chooses_their_own_password_first(house, visitor) -> None:
    adam = visitor("adam")
    assert add(adam, prisons="mti, LEI", wings="A, B").headers["location"] == "/people"
    nora = found(house, "nora")
    assert nora.roles == {"verifier"}
    assert (nora.establishments, nora.wings) == ({"MTI", "LEI"}, {"A", "B"})
    assert "Nora New" in adam.get("/people").text
    browser = visitor()
    assert browser.sign_in("nora", FIRST).headers["location"] == "/sign-in/password"
    csrf = browser.token("/sign-in/password")
    browser.post("/sign-in/password", data={"csrf": csrf, "new": OWN, "again": OWN})
    assert browser.get("/").status_code == 200
    assert ("staff-added", "adam", "") in events(house, "nora")


ODD: list[tuple[dict[str, Any], str]] = [
    ({"username": "vera"}, "here already"),
    ({"username": "a b"}, "2 to 40 letters"),
    ({"password": "short"}, "shorter than 12"),
    ({"roles": ()}, "what they may do"),
    ({"roles": "governor"}, "what they may do"),
    ({"prisons": "MTI, M1"}, "codes of prisons"),
    ({"wings": "x" * 50}, "not wings"),
]


def test_what_is_odd_about_somebody_new_is_said(house, visitor) -> None:
    adam = visitor("adam")
    for form, says in ODD:
        answer = add(adam, **form)
        assert answer.status_code == 422, form
        assert says in answer.text, form
        assert FIRST not in answer.text
    assert found(house, "nora") is None


def test_a_role_that_opens_what_is_private_waits_for_a_second_person(house, visitor) -> None:
    adam, milan = visitor("adam"), visitor("milan")
    has = {"verifier"}
    for role in ("practitioner", "senior", "manager", "auditor", "admin"):
        assert rights(adam, "vera", (*has, role)).status_code == 303
        assert found(house, "vera").roles == has
        (ask,) = waiting(house)
        assert post(adam, f"/people/asks/{ask.id}", act="confirm").status_code == 403
        assert found(house, "vera").roles == has
        assert post(milan, f"/people/asks/{ask.id}", act="confirm").status_code == 303
        has |= {role}
        assert found(house, "vera").roles == has
        assert waiting(house) == []
    assert ("people-asked", "adam", "roles") in events(house, "vera")
    assert ("people-confirmed", "milan", "roles") in events(house, "vera")


def test_somebody_new_has_the_harmless_roles_until_then(house, visitor) -> None:
    add(visitor("adam"), roles=("officer", "practitioner"))
    assert found(house, "nora").roles == {"officer"}
    (ask,) = waiting(house)
    post(visitor("anna"), f"/people/asks/{ask.id}", act="confirm")
    assert found(house, "nora").roles == {"officer", "practitioner"}


def test_nobody_confirms_what_is_about_themselves(house, visitor) -> None:
    rights(visitor("adam"), "milan", ("manager", "practitioner"))
    (ask,) = waiting(house)
    assert post(visitor("milan"), f"/people/asks/{ask.id}", act="confirm").status_code == 403
    assert found(house, "milan").roles == {"manager"}


def test_a_further_prison_takes_two_people_and_fewer_take_one(house, visitor) -> None:
    adam = visitor("adam")
    rights(adam, "nick", "verifier", prisons="MTI, LEI")
    assert found(house, "nick").establishments == {"MTI"}
    (ask,) = waiting(house)
    post(visitor("anna"), f"/people/asks/{ask.id}", act="confirm")
    assert found(house, "nick").establishments == {"MTI", "LEI"}
    rights(adam, "nick", "verifier", prisons="LEI", wings="A")
    assert (found(house, "nick").establishments, found(house, "nick").wings) == ({"LEI"}, {"A"})
    rights(adam, "nick", "verifier", prisons="")
    assert found(house, "nick").establishments == {"LEI"}


def test_taking_a_role_away_is_in_force_at_once_and_ends_what_waits(house, visitor) -> None:
    adam, petra = visitor("adam"), visitor("petra")
    assert petra.get("/records").status_code == 200
    rights(adam, "petra", ("practitioner", "manager"))
    rights(adam, "petra", "officer")
    assert found(house, "petra").roles == {"officer"}
    assert waiting(house) == []
    assert petra.get("/records").headers["location"] == "/sign-in?to=/records"


def test_what_nobody_confirms_within_three_days_is_over(house, visitor) -> None:
    rights(visitor("adam"), "vera", ("verifier", "admin"))
    (ask,) = waiting(house)
    house.clock.move(ASK_LASTS)
    late = post(visitor("milan"), f"/people/asks/{ask.id}", act="confirm")
    assert late.status_code == 404
    assert found(house, "vera").roles == {"verifier"}


def test_what_was_asked_is_refused_or_taken_back_for_good(house, visitor) -> None:
    adam, milan = visitor("adam"), visitor("milan")
    for who in (milan, adam):
        rights(adam, "vera", ("verifier", "admin"))
        (ask,) = waiting(house)
        assert post(who, f"/people/asks/{ask.id}", act="refuse").status_code == 303
        assert post(milan, f"/people/asks/{ask.id}", act="confirm").status_code == 404
    assert found(house, "vera").roles == {"verifier"}
    assert ("people-refused", "milan", "roles") in events(house, "vera")


def test_an_ask_of_somebody_who_was_switched_off_is_worth_nothing(house, visitor) -> None:
    rights(visitor("adam"), "vera", ("verifier", "admin"))
    (ask,) = waiting(house)
    post(visitor("anna"), f"/people/{person_id('adam')}/active", act="off")
    assert post(visitor("milan"), f"/people/asks/{ask.id}", act="confirm").status_code == 404
    assert found(house, "vera").roles == {"verifier"}


def test_nobody_changes_what_they_may_do_themselves(house, visitor) -> None:
    adam = visitor("adam")
    me = person_id("adam")
    assert "This is you" in adam.get(f"/people/{me}").text
    assert rights(adam, "adam", ("admin", "practitioner")).status_code == 403
    for act in ("active", "password", "factors", "sessions"):
        assert post(adam, f"/people/{me}/{act}", act="off", password=FIRST).status_code == 403
    assert found(house, "adam").roles == {"admin"}
    assert found(house, "adam").active
    assert waiting(house) == []


def test_somebody_switched_off_is_out_at_once_and_back_when_switched_on(house, visitor) -> None:
    adam, vera = visitor("adam"), visitor("vera")
    where = f"/people/{person_id('vera')}/active"
    assert post(adam, where, act="off").status_code == 303
    assert vera.get("/").headers["location"] == "/sign-in"
    assert visitor().sign_in("vera").status_code == 422
    post(adam, where, act="on")
    assert visitor().sign_in("vera").status_code == 303
    assert [e[0] for e in events(house, "vera") if e[1] == "adam"] == ["staff-off", "staff-on"]


def test_an_administrator_ends_somebodys_sessions(house, visitor) -> None:
    adam, vera = visitor("adam"), visitor("vera")
    post(adam, f"/people/{person_id('vera')}/sessions")
    assert vera.get("/").headers["location"] == "/sign-in"
    assert ("sessions-ended", "adam", "") in events(house, "vera")


def test_a_new_first_password_ends_sessions_and_does_not_last(house, visitor, samples) -> None:
    adam, vera = visitor("adam"), visitor("vera")
    where = f"/people/{person_id('vera')}/password"
    assert post(adam, where, password="short").status_code == 422
    assert post(adam, where, password=FIRST).status_code == 303
    assert vera.get("/").headers["location"] == "/sign-in"
    assert visitor().sign_in("vera").status_code == 422
    assert visitor().sign_in("vera", FIRST).headers["location"] == "/sign-in/password"


def test_nobody_takes_over_the_account_of_a_practitioner_alone(house, visitor, samples) -> None:
    adam = visitor("adam")
    with house.store.begin() as kept:
        secret = kept.factors.begin_totp("petra", at=house.clock())
        assert secret
        kept.factors.new_codes("petra", at=house.clock())
    here = f"/people/{person_id('petra')}"
    post(adam, f"{here}/password", password=FIRST)
    post(adam, f"{here}/factors")
    assert visitor().sign_in("petra", FIRST).status_code == 422
    with house.store.look() as kept:
        assert kept.factors.codes_left("petra") > 0
    asks = waiting(house)
    assert {a.kind for a in asks} == {"password", "factors"}
    assert FIRST not in visitor("milan").get("/people").text
    for ask in asks:
        assert post(visitor("milan"), f"/people/asks/{ask.id}", act="confirm").status_code == 303
    assert visitor().sign_in("petra", FIRST).headers["location"] == "/sign-in/password"
    with house.store.look() as kept:
        assert kept.factors.codes_left("petra") == 0


def test_a_lost_second_factor_of_a_verifier_is_taken_away(house, visitor) -> None:
    with house.store.begin() as kept:
        kept.factors.add_passkey(
            "vera", credential="x", public_key=b"x", count=0, label="Key", at=house.clock()
        )
    assert visitor().sign_in("vera").headers["location"] == "/sign-in/second"
    adam = visitor("adam")
    assert "Passkey" in adam.get(f"/people/{person_id('vera')}").text
    post(adam, f"/people/{person_id('vera')}/factors")
    assert visitor().sign_in("vera").headers["location"] == "/"
    assert ("factor-removed", "adam", "all") in events(house, "vera")


def test_a_manager_sees_the_people_of_their_own_prison_and_changes_nobody(house, visitor) -> None:
    mona = visitor("mona")
    text = mona.get("/people").text
    assert "Nick Name" in text
    assert "Vera Verifier" in text  # she works in every prison
    assert "Lena Name" not in text
    assert "/people/new" not in text
    assert person_id("nick") not in text
    assert mona.get(f"/people/{person_id('nick')}").status_code == 403
    assert rights(mona, "nick", "verifier").status_code == 403
    assert add(mona).status_code == 403


def test_an_administrator_of_one_prison_changes_nobody_elsewhere(house, visitor) -> None:
    lena = visitor("lena")
    for username in ("nick", "vera", "nobody"):
        where = f"/people/{person_id(username)}"
        assert lena.get(where).status_code == 404, username
        for act in ("rights", "password", "active", "sessions", "factors"):
            sent = post(lena, f"{where}/{act}", act="off", password=FIRST, roles="officer")
            assert sent.status_code == 404, (username, act)
    assert add(lena, prisons="MTI").status_code == 422
    assert add(lena, prisons="").status_code == 422
    assert add(lena, prisons="LEI").status_code == 303
    assert "Nora New" in lena.get("/people").text


def test_nobody_confirms_for_a_prison_that_is_not_theirs(house, visitor) -> None:
    rights(visitor("adam"), "vera", ("verifier", "practitioner"))
    (ask,) = waiting(house)
    mona = visitor("mona")
    assert ask.id not in mona.get("/people").text
    assert post(mona, f"/people/asks/{ask.id}", act="confirm").status_code == 404
    rights(visitor("anna"), "nick", ("verifier", "practitioner"), prisons="MTI")
    (other,) = [a for a in waiting(house) if a.username == "nick"]
    assert other.id in mona.get("/people").text
    assert post(mona, f"/people/asks/{other.id}", act="confirm").status_code == 303
    assert found(house, "nick").roles == {"verifier", "practitioner"}


def test_people_are_changed_after_a_fresh_proof_only(house, visitor) -> None:
    adam = visitor("adam")
    where = f"/people/{person_id('vera')}"
    house.clock.move(timedelta(minutes=6))
    assert adam.get("/people").status_code == 200
    assert adam.get(where).headers["location"] == f"/prove?to={where}"
    assert adam.get("/people/new").headers["location"] == "/prove?to=/people/new"
    for _ in range(5):
        house.clock.move(timedelta(minutes=12))
        adam.get("/people")
    sent = post(adam, f"{where}/active", act="off")
    assert sent.headers["location"] == f"/prove?to={where}&lost=1"
    assert found(house, "vera").active


def test_a_name_is_shown_as_it_was_typed_and_is_no_markup(house, visitor) -> None:
    adam = visitor("adam")
    add(adam, name="<script>alert(1)</script>")
    for path in ("/people", f"/people/{person_id('nora')}"):
        text = adam.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


def test_no_address_on_the_pages_says_a_user_name(house, visitor) -> None:
    text = visitor("adam").get("/people").text
    addresses = re.findall(r'(?:href|action)="([^"]+)"', text)
    assert len(addresses) > 10
    assert not any(name in each for each in addresses for name in ("vera", "petra", "milan"))


@pytest.mark.parametrize(
    ("theirs", "mine", "is_within"),
    [
        ((), (), True),
        (("MTI",), (), True),
        ((), ("MTI",), False),
        (("MTI",), ("MTI", "LEI"), True),
        (("MTI", "LEI"), ("MTI",), False),
    ],
)
def test_no_places_means_every_place(theirs, mine, is_within) -> None:
    assert within(theirs, mine) is is_within
