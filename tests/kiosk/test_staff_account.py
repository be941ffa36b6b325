"""Second factors, sessions and fresh proof: what each opens, and what none of them does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.access import SignInDelays, TooManyTries, roles_of, routes_of
from kiosk.staff.app import create_app
from storage.second_factors import CODES
from storage.sessions import MOST_WRONG_CODES

ORIGIN = "http://staff.example"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class SecurityKey:
    """Makes and proves passkeys as a real key does, ES256, after its PIN was typed (`verified`)."""

    def __init__(self, *, origin: str = ORIGIN, verified: bool = True) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.credential = hashlib.sha256(str(id(self)).encode()).digest()
        self.handle = b""
        self._origin, self._verified, self._count = origin, verified, 0

    def make(self, asked: dict[str, Any]) -> str:
        self.handle = base64.urlsafe_b64decode(asked["user"]["id"] + "==")
        public = self._key.public_key().public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (public.x, public.y))
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        told = bytes(16) + struct.pack(">H", 32) + self.credential + cose
        data = self._data(asked["rp"]["id"], 0x40) + told
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", asked)
        return self._answer({"clientDataJSON": b64(said), "attestationObject": b64(attested)})

    def prove(self, asked: dict[str, Any], *, handle: bytes | None = None) -> str:
        self._count += 1
        data, said = self._data(asked["rpId"], 0), self._said("webauthn.get", asked)
        signed = self._key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": b64(said),
                "authenticatorData": b64(data),
                "signature": b64(signed),
                "userHandle": b64(handle or self.handle),
            }
        )

    def _data(self, host: str, more: int) -> bytes:
        flags = 0x01 | (0x04 if self._verified else 0) | more
        return hashlib.sha256(host.encode()).digest() + struct.pack(">BI", flags, self._count)

    def _said(self, kind: str, asked: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": asked["challenge"], "origin": self._origin}
        return json.dumps({**told, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        mine = b64(self.credential)
        return json.dumps(
            {"id": mine, "rawId": mine, "type": "public-key", "response": response}
            | {"clientExtensionResults": {}}
        )


def shown_secret(text: str) -> str:
    found = re.search(r'<code class="serial">([A-Z2-7 ]+)</code>', text)
    assert found, text
    return found[1].replace(" ", "")


def shown_codes(text: str) -> list[str]:
    return re.findall(r'<li class="serial">([A-Z0-9-]+)</li>', text)


def set_up_app(prison: Any, browser: Any, path: str = "/account/app") -> tuple[str, list[str]]:
    """Set an app up as its owner does; give its secret and the recovery codes."""
    page = browser.post(path, data={"csrf": browser.token(path.replace("/app", ""))})
    assert page.status_code == 200, page.text
    secret = shown_secret(page.text)
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    done = browser.post(path, data={"csrf": csrf, "act": "confirm", "code": code(prison, secret)})
    return secret, shown_codes(done.text)


def code(prison: Any, secret: str, later: int = 0) -> str:
    return str(pyotp.TOTP(secret).at(int(prison.clock().timestamp()) + 30 * later))


def add_passkey(browser: Any, key: SecurityKey) -> Any:
    csrf = browser.token("/account")
    asked = browser.post("/account/passkeys/ask", data={"csrf": csrf}).json()
    answer = {"csrf": csrf, "label": "Blue key", "credential": key.make(asked)}
    return browser.post("/account/passkeys", data=answer)


def sign_in_by(browser: Any, key: SecurityKey, **how: Any) -> Any:
    csrf = browser.token("/sign-in")
    asked = browser.post("/sign-in/passkey/ask", data={"csrf": csrf}).json()
    answer = {"csrf": csrf, "credential": key.prove(asked, **how)}
    return browser.post("/sign-in/passkey", data=answer)


def second(browser: Any, typed: str) -> Any:
    csrf = browser.token("/sign-in/second")
    return browser.post("/sign-in/second", data={"csrf": csrf, "code": typed})


def events(prison: Any, *, of: str) -> list[tuple[str, str]]:
    with prison.store.look() as kept:
        return [(e.what, e.code) for e in reversed(kept.events.last(1000)) if e.subject == of]


def test_an_app_is_the_second_step_of_signing_in(prison, visitor) -> None:
    secret, codes = set_up_app(prison, visitor("vera"))
    assert len(set(codes)) == CODES
    prison.clock.move(timedelta(minutes=1))
    vera = visitor()
    first = vera.sign_in("vera")
    assert first.headers["location"] == "/sign-in/second"
    assert second(vera, code(prison, secret)).headers["location"] == "/"
    assert vera.get("/").status_code == 200
    assert ("signed-in", "totp") in events(prison, of="vera")
    assert ("factor-added", "totp") in events(prison, of="vera")


def test_a_half_open_session_opens_nothing_else(prison, app, visitor) -> None:
    set_up_app(prison, visitor("petra"))
    half = visitor()
    half.sign_in("petra")
    assert half.get("/sign-in/second").status_code == 200
    tried = 0
    for route in routes_of(app):
        if route.path.startswith(("/sign-in", "/static")):
            continue
        where = re.sub(r"\{[a-z_]+\}", "x", route.path)
        if not roles_of(route):  # for programs, by token: a session is nothing there
            assert half.get(where).status_code in (401, 404, 405), where
            continue
        for method in route.methods - {"HEAD"}:
            sent = {"csrf": half.token("/sign-in/second")} if method == "POST" else None
            answer = half.request(method, where, data=sent)
            assert answer.headers["location"].partition("?")[0] == "/sign-in", (method, where)
            tried += 1
    assert tried > 40
    for path in ("/sign-in/password", "/sign-in/enrol"):
        assert half.get(path).headers["location"] == "/sign-in"


def test_a_half_open_session_ends_soon(prison, visitor) -> None:
    secret, _ = set_up_app(prison, visitor("vera"))
    half = visitor()
    half.sign_in("vera")
    csrf = half.token("/sign-in/second")
    prison.clock.move(timedelta(minutes=11))
    late = half.post("/sign-in/second", data={"csrf": csrf, "code": code(prison, secret)})
    assert late.status_code == 403
    assert half.get("/").headers["location"] == "/sign-in"


def test_whoever_begins_anew_leaves_no_half_open_session(prison, visitor) -> None:
    set_up_app(prison, visitor("vera"))
    shared, key = visitor(), SecurityKey()
    add_passkey(visitor("victor"), key)
    shared.sign_in("vera")
    assert "/sign-in/second" not in shared.get("/sign-in").text
    assert shared.get("/sign-in/second").headers["location"] == "/sign-in"
    assert sign_in_by(shared, key).headers["location"] == "/"  # somebody else at the same screen
    assert "Victor Verifier" in shared.get("/").text


def test_every_step_has_a_secret_of_its_own(prison, visitor) -> None:
    secret, _ = set_up_app(prison, visitor("vera"))
    prison.clock.move(timedelta(minutes=1))
    vera = visitor()
    vera.sign_in("vera")
    half = vera.cookies["counterfoil"]
    second(vera, code(prison, secret))
    assert vera.cookies["counterfoil"] != half
    planted = visitor()
    planted.cookies.set("counterfoil", half, domain="staff.example", path="/")
    assert planted.get("/").headers["location"] == "/sign-in"
    assert planted.get("/sign-in/second").headers["location"] == "/sign-in"


def test_a_code_is_taken_once(prison, visitor) -> None:
    secret, _ = set_up_app(prison, visitor("vera"))
    replayed = visitor()
    replayed.sign_in("vera")
    assert second(replayed, code(prison, secret)).status_code == 422
    prison.clock.move(timedelta(seconds=30))
    good = code(prison, secret)
    first, again = visitor(), visitor()
    first.sign_in("vera")
    again.sign_in("vera")
    assert second(first, good).status_code == 303
    assert second(again, good).status_code == 422
    with prison.store.begin() as kept:
        earlier = code(prison, secret, -1)
        assert not kept.factors.check_totp("vera", earlier, at=prison.clock())


def test_a_code_of_two_minutes_ago_is_refused(prison, visitor) -> None:
    secret, _ = set_up_app(prison, visitor("vera"))
    prison.clock.move(timedelta(minutes=5))
    with prison.store.begin() as kept:
        for steps in (-4, 4):
            assert not kept.factors.check_totp(
                "vera", code(prison, secret, steps), at=prison.clock()
            )
        for odd in ("", "12345", "1234567", "abcdef", "\u0661" * 6):
            assert not kept.factors.check_totp("vera", odd, at=prison.clock())


def test_a_recovery_code_works_once(prison, visitor) -> None:
    _, codes = set_up_app(prison, visitor("vera"))
    vera = visitor()
    vera.sign_in("vera")
    assert second(vera, codes[0].lower().replace("-", " ")).status_code == 303
    assert ("signed-in", "recovery") in events(prison, of="vera")
    again = visitor()
    again.sign_in("vera")
    assert second(again, codes[0]).status_code == 422
    other = visitor()
    set_up_app(prison, visitor("victor"))
    other.sign_in("victor")
    assert second(other, codes[1]).status_code == 422
    assert "9 of them are left" in vera.get("/account").text


def test_secrets_and_codes_are_not_on_the_disk(prison, visitor) -> None:
    secret, codes = set_up_app(prison, visitor("vera"))
    kept = b"".join(
        p.read_bytes() for p in prison.store.database.file.parent.glob("counterfoil.db*")
    )
    assert secret.encode() not in kept
    assert codes[0].encode() not in kept
    assert codes[0].replace("-", "").encode() not in kept


def test_wrong_codes_wait_and_then_ask_for_the_password_again(prison, visitor) -> None:
    secret, _ = set_up_app(prison, visitor("vera"))
    prison.clock.move(timedelta(minutes=1))
    half = visitor()
    half.sign_in("vera")
    statuses = []
    for _n in range(MOST_WRONG_CODES + 3):
        answer = second(half, "000000")
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            prison.clock.move(timedelta(seconds=20))
        if "too many wrong codes" in answer.text:
            break
    assert 429 in statuses
    assert "too many wrong codes" in answer.text
    assert half.get("/sign-in/second").headers["location"] == "/sign-in"
    assert ("session-ended", "wrong-codes") in events(prison, of="vera")
    assert ("sign-in-failed", "code") in events(prison, of="vera")
    prison.clock.move(timedelta(minutes=1))
    half.sign_in("vera")
    assert second(half, code(prison, secret)).status_code == 303


@pytest.mark.parametrize("kind", ["", "code", "proof", "passkey"])
def test_nobody_elses_wrong_tries_hold_up_the_owner_elsewhere(prison, kind) -> None:
    delays = SignInDelays(prison.store, prison.clock)
    for _ in range(40):
        delays.wrong("vera", "10.0.0.66", kind)
    with pytest.raises(TooManyTries):
        delays.check("vera", "10.0.0.66", kind)
    delays.check("vera", "10.0.0.7", kind)


def test_a_right_password_forgives_no_wrong_code(prison) -> None:
    delays = SignInDelays(prison.store, prison.clock)
    for _ in range(4):
        delays.wrong("vera", "10.0.0.66", "code")
    with prison.store.begin() as kept:
        delays.right(kept, "vera", "10.0.0.66")
    with pytest.raises(TooManyTries):
        delays.check("vera", "10.0.0.66", "code")


def test_a_passkey_alone_signs_in(prison, visitor) -> None:
    key = SecurityKey()
    assert len(shown_codes(add_passkey(visitor("vera"), key).text)) == CODES
    browser = visitor()
    assert sign_in_by(browser, key).headers["location"] == "/"
    assert "Vera Verifier" in browser.get("/").text
    found = events(prison, of="vera")
    assert ("factor-added", "passkey") in found
    assert ("signed-in", "passkey") in found


def test_a_passkey_is_the_second_step_too_and_only_its_owners(prison, visitor) -> None:
    veras, victors = SecurityKey(), SecurityKey()
    add_passkey(visitor("vera"), veras)
    add_passkey(visitor("victor"), victors)
    half = visitor()
    assert half.sign_in("vera").headers["location"] == "/sign-in/second"
    csrf = half.token("/sign-in/second")
    asked = half.post("/sign-in/passkey/ask", data={"csrf": csrf}).json()
    assert [c["id"] for c in asked["allowCredentials"]] == [b64(veras.credential)]
    wrong = half.post("/sign-in/passkey", data={"csrf": csrf, "credential": victors.prove(asked)})
    assert wrong.status_code == 422
    assert half.get("/").headers["location"] == "/sign-in"
    asked = half.post("/sign-in/passkey/ask", data={"csrf": csrf}).json()
    right = half.post("/sign-in/passkey", data={"csrf": csrf, "credential": veras.prove(asked)})
    assert right.headers["location"] == "/"


def test_a_passkey_that_proves_too_little_is_refused(prison, app, visitor) -> None:
    key, elsewhere, unlocked = (
        SecurityKey(),
        SecurityKey(origin="http://evil.example"),
        SecurityKey(),
    )
    add_passkey(visitor("vera"), key)
    browser = visitor()
    csrf = browser.token("/sign-in")
    asked = browser.post("/sign-in/passkey/ask", data={"csrf": csrf}).json()
    proof = key.prove(asked)
    send = lambda answer: browser.post(  # noqa: E731
        "/sign-in/passkey", data={"csrf": csrf, "credential": answer}
    )
    other = visitor()
    stolen = other.post(
        "/sign-in/passkey", data={"csrf": other.token("/sign-in"), "credential": proof}
    )
    assert stolen.status_code == 422  # another browser's question
    assert send(proof).status_code == 303
    again = visitor()
    replayed = again.post(
        "/sign-in/passkey", data={"csrf": again.token("/sign-in"), "credential": proof}
    )
    assert replayed.status_code == 422
    assert sign_in_by(visitor(), key, handle=b"somebody else").status_code == 422
    key._verified = False
    assert sign_in_by(visitor(), key).status_code == 422
    assert sign_in_by(visitor(), unlocked).status_code == 422
    assert add_passkey(visitor("victor"), elsewhere).status_code == 422
    for odd in ("", "{}", "[]", "null", '{"id": 1}', "x" * 30_000):
        prison.clock.move(timedelta(minutes=2))
        assert sign_in_by_sending(visitor(), odd) == 422


def sign_in_by_sending(browser: Any, answer: str) -> int:
    csrf = browser.token("/sign-in")
    browser.post("/sign-in/passkey/ask", data={"csrf": csrf})
    sent = browser.post("/sign-in/passkey", data={"csrf": csrf, "credential": answer})
    return int(sent.status_code)


def test_a_question_to_a_passkey_is_over_after_five_minutes(prison, visitor) -> None:
    key = SecurityKey()
    add_passkey(visitor("vera"), key)
    browser = visitor()
    csrf = browser.token("/sign-in")
    asked = browser.post("/sign-in/passkey/ask", data={"csrf": csrf}).json()
    prison.clock.move(timedelta(minutes=6))
    late = browser.post("/sign-in/passkey", data={"csrf": csrf, "credential": key.prove(asked)})
    assert late.status_code == 422


def test_whoever_is_switched_off_gets_in_by_no_passkey(prison, visitor) -> None:
    key = SecurityKey()
    add_passkey(visitor("vera"), key)
    with prison.store.begin() as kept:
        kept.staff.change("vera", by="test", at=prison.clock(), active=False)
    assert sign_in_by(visitor(), key).status_code == 422


def test_where_a_second_factor_is_required_nobody_works_without_one(prison, visit) -> None:
    app = create_app(replace(prison.kit(), second_factor="required"))
    vera = visit(app)
    assert vera.sign_in("vera").headers["location"] == "/sign-in/enrol"
    assert vera.get("/").headers["location"] == "/sign-in"
    assert vera.get("/account").headers["location"] == "/sign-in"
    secret, codes = set_up_app(prison, vera, "/sign-in/enrol")
    assert len(codes) == CODES
    assert vera.get("/").status_code == 200
    assert ("signed-in", "totp") in events(prison, of="vera")
    victor, key = visit(app), SecurityKey()
    victor.sign_in("victor")
    csrf = victor.token("/sign-in/enrol")
    asked = victor.post("/sign-in/enrol/ask", data={"csrf": csrf}).json()
    answer = {"csrf": csrf, "label": "Key", "credential": key.make(asked)}
    assert len(shown_codes(victor.post("/sign-in/enrol/passkey", data=answer).text)) == CODES
    assert victor.get("/").status_code == 200
    # The only one cannot be taken away; nor is one asked for twice.
    with prison.store.look() as kept:
        (only,) = kept.factors.of("vera")
    gone = vera.post(
        "/account/factors/remove", data={"csrf": vera.token("/account"), "factor": only.id}
    )
    assert gone.status_code == 409
    prison.clock.move(timedelta(minutes=1))
    again = visit(app)
    assert again.sign_in("vera").headers["location"] == "/sign-in/second"
    assert second(again, code(prison, secret)).headers["location"] == "/"


def test_a_password_that_was_given_is_changed_at_once(prison, visitor, samples) -> None:
    with prison.store.begin() as kept:
        kept.staff.change(
            "vera", by="adam", at=prison.clock(), password=samples.password, must_change=True
        )
    vera = visitor()
    assert vera.sign_in("vera").headers["location"] == "/sign-in/password"
    assert vera.get("/").headers["location"] == "/sign-in"

    def choose(new: str, again: str) -> Any:
        csrf = vera.token("/sign-in/password")
        return vera.post("/sign-in/password", data={"csrf": csrf, "new": new, "again": again})

    assert choose("short", "short").status_code == 422
    assert choose(samples.password, samples.password).status_code == 422
    assert choose("five unrelated words do", "five other words do").status_code == 422
    assert choose("five unrelated words do", "five unrelated words do").status_code == 303
    assert vera.get("/").status_code == 200
    assert visitor().sign_in("vera", "five unrelated words do").headers["location"] == "/"


def test_factors_are_taken_away_and_codes_go_with_the_last(prison, visitor) -> None:
    vera = visitor("vera")
    set_up_app(prison, vera)
    with prison.store.look() as kept:
        (app_,) = kept.factors.of("vera")
    victor = visitor("victor")
    remove = lambda who: who.post(  # noqa: E731
        "/account/factors/remove", data={"csrf": who.token("/account"), "factor": app_.id}
    )
    assert remove(victor).status_code == 409
    assert remove(vera).status_code == 303
    assert ("factor-removed", "totp") in events(prison, of="vera")
    with prison.store.look() as kept:
        assert kept.factors.codes_left("vera") == 0
        assert kept.factors.kinds("vera") == frozenset()
    assert visitor().sign_in("vera").headers["location"] == "/"


def test_what_one_signs_in_with_is_changed_after_a_fresh_proof_only(prison, visitor) -> None:
    vera = visitor("vera")
    prison.clock.move(timedelta(minutes=6))
    for path in ("/account/app", "/account/codes", "/account/passkeys", "/account/factors/remove"):
        answer = vera.post(path, data={"csrf": vera.token("/account")})
        assert answer.headers["location"] == "/prove?to=/account&lost=1", path
    text = vera.get("/prove?to=/account&lost=1").text
    assert "was not kept" in text
    before = vera.cookies["counterfoil"]
    proved = prove(vera, "/account")
    assert proved.headers["location"] == "/account"
    assert vera.cookies["counterfoil"] != before
    set_up_app(prison, vera)
    assert ("stepped-up", "password") in events(prison, of="vera")


def prove(browser: Any, to: str, password: str = "four unrelated words do") -> Any:
    csrf = browser.token("/prove")
    return browser.post("/prove", data={"csrf": csrf, "to": to, "password": password})


def test_an_app_and_a_passkey_are_proofs_and_a_wrong_password_is_none(prison, visitor) -> None:
    vera, key = visitor("vera"), SecurityKey()
    secret, _ = set_up_app(prison, vera)
    add_passkey(vera, key)
    prison.clock.move(timedelta(minutes=10))
    assert prove(vera, "/account", "wrong wrong wrong").status_code == 422
    assert vera.post("/account/codes", data={"csrf": vera.token("/account")}).status_code == 303
    csrf = vera.token("/prove")
    done = vera.post("/prove", data={"csrf": csrf, "to": "/records", "code": code(prison, secret)})
    assert done.headers["location"] == "/records"
    prison.clock.move(timedelta(minutes=10))
    csrf = vera.token("/prove")
    asked = vera.post("/prove/passkey/ask", data={"csrf": csrf}).json()
    answer = {"csrf": csrf, "to": "/account", "credential": key.prove(asked)}
    assert vera.post("/prove/passkey", data=answer).headers["location"] == "/account"
    found = events(prison, of="vera")
    assert {("stepped-up", "totp"), ("stepped-up", "passkey"), ("sign-in-failed", "proof")} <= {
        *found
    }


def test_the_passkey_of_somebody_else_is_no_proof(prison, visitor) -> None:
    vera, victors = visitor("vera"), SecurityKey()
    add_passkey(visitor("victor"), victors)
    csrf = vera.token("/prove")
    asked = vera.post("/prove/passkey/ask", data={"csrf": csrf}).json()
    answer = {"csrf": csrf, "to": "/account", "credential": victors.prove(asked)}
    assert vera.post("/prove/passkey", data=answer).status_code == 422


def test_a_proof_makes_a_session_last_no_longer(prison, visitor) -> None:
    vera = visitor("vera")
    for _ in range(8 * 6 - 1):
        prison.clock.move(timedelta(minutes=10))
        assert prove(vera, "/").status_code == 303
    prison.clock.move(timedelta(minutes=10))
    assert vera.get("/").headers["location"] == "/sign-in"


ELSEWHERE = [
    "//evil.example",
    "https://evil.example/",
    "/\\evil.example",
    "/account/../../x",
    "javascript:alert(1)",
    "/nowhere/at/all",
    "/static/staff.js",
    "/sign-out",
    "/%2f%2fevil.example",
    "/account\r\nX: y",
    "",
]


def test_nobody_is_led_away_by_an_address(prison, visitor) -> None:
    vera = visitor("vera")
    for to in ELSEWHERE:
        page = vera.get("/prove", params={"to": to})
        assert 'name="to" value="/"' in page.text, to
        assert prove(vera, to).headers["location"] == "/", to
        stranger = visitor()
        csrf = stranger.token("/sign-in")
        form = {"name": "victor", "password": "four unrelated words do", "csrf": csrf, "to": to}
        assert stranger.post("/sign-in", data=form).headers["location"] == "/", to
        assert stranger.get("/sign-in", params={"to": to}).headers["location"] == "/", to


def test_sealed_words_take_a_proof_of_the_last_hour(prison, visitor, samples) -> None:
    front, back = prison.comes_in(samples.self_referral)
    aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    petra, vera = visitor("petra"), visitor("vera")
    sealed = (
        f"/pages/{back}/fields/more",
        f"/pages/{back}/fields/more/crop.png",
        f"/pages/{back}/fields/more/whole",
        f"/pages/{back}/picture.png",
        f"/pages/{aside}/picture.png",
    )
    plain = (f"/pages/{front}/fields/me_number", f"/pages/{front}/fields/me_number/crop.png")
    for path in (*sealed, *plain):
        assert petra.get(path).status_code == 200
    for _ in range(5):
        prison.clock.move(timedelta(minutes=13))
        assert petra.get("/").status_code == 200
        assert vera.get("/").status_code == 200
    for path in sealed:
        assert petra.get(path).headers["location"] == f"/prove?to={path}", path
    for path in plain:
        assert petra.get(path).status_code == 200, path
    assert vera.get(f"/pages/{front}/picture.png").status_code == 200  # painted over for her
    draft = petra.post(sealed[0], data={"csrf": petra.token(), "seen": "0", "act": "draft"})
    assert draft.headers["location"] == f"/prove?to={sealed[0]}&lost=1"
    assert prove(petra, sealed[0]).headers["location"] == sealed[0]
    for path in sealed:
        assert petra.get(path).status_code == 200, path


def test_a_person_has_three_sessions_at_most_and_the_oldest_ends(prison, visitor) -> None:
    browsers = []
    for _ in range(4):
        browsers.append(visitor("vera"))
        prison.clock.move(timedelta(minutes=1))
    assert browsers[0].get("/").headers["location"] == "/sign-in"
    assert [b.get("/").status_code for b in browsers[1:]] == [200] * 3
    assert ("session-ended", "too-many") in events(prison, of="vera")


def test_somebody_sees_and_ends_their_own_sessions(prison, visitor) -> None:
    here, there, third, victor = (visitor(w) for w in ("vera", "vera", "vera", "victor"))
    ids = re.findall(r'name="session" value="([0-9a-f]{64})"', here.get("/account").text)
    assert len(ids) == 2
    mine = hashlib.sha256(there.cookies["counterfoil"].encode()).hexdigest()
    assert mine in ids
    stolen = {"csrf": victor.token("/account"), "session": mine}
    assert victor.post("/account/sessions", data=stolen).status_code == 409
    assert there.get("/").status_code == 200
    here.post("/account/sessions", data={"csrf": here.token("/account"), "session": mine})
    assert there.get("/").headers["location"] == "/sign-in"
    assert third.get("/").status_code == 200
    here.post("/account/sessions", data={"csrf": here.token("/account")})
    assert third.get("/").headers["location"] == "/sign-in"
    assert here.get("/").status_code == 200
    assert victor.get("/").status_code == 200


def test_a_new_password_ends_every_other_session(prison, visitor, samples) -> None:
    here, there = visitor("vera"), visitor("vera")
    new = "five unrelated words do"

    def change(old: str) -> Any:
        form = {"csrf": here.token("/account"), "old": old, "new": new, "again": new}
        return here.post("/account/password", data=form)

    assert change("wrong wrong wrong").status_code == 422
    before = here.cookies["counterfoil"]
    assert change(samples.password).headers["location"] == "/account"
    assert here.cookies["counterfoil"] != before
    assert here.get("/").status_code == 200
    assert there.get("/").headers["location"] == "/sign-in"
    assert visitor().sign_in("vera").status_code == 422
    assert visitor().sign_in("vera", new).status_code == 303


def test_the_picture_of_a_secret_is_drawn_without_style_or_script(prison, visitor) -> None:
    vera = visitor("vera")
    text = vera.post("/account/app", data={"csrf": vera.token("/account")}).text
    assert "<svg" in text
    assert " style=" not in text
    assert "<style" not in text
    secret = shown_secret(text)
    assert "otpauth" not in text
    assert secret not in str(vera.get("/account").text)
