"""Signing in with an organisation's account, at a real provider and at one that lies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from kiosk.access import roles_of, routes_of
from kiosk.settings import OidcSettings, SingleSignOnOdd, settings
from kiosk.staff.app import create_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It says itself that it uses an older part of authlib
    import oidc_provider_mock

CLIENT, SECRET = "counterfoil", "a secret of this site's"
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config")
CALLBACK = "http://staff.example/sign-in/back"


def site(prison: Any, issuer: str, **more: Any) -> Any:
    oidc = OidcSettings(issuer=issuer, client_id=CLIENT, client_secret=SECRET)
    return create_app(replace(prison.kit(), oidc=replace(oidc, **more)))


def back_to(browser: Any, where: str) -> Any:
    """Follow the provider's answer, as a browser does that another site leads here."""
    parts = urlsplit(where)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    return browser.get(f"{parts.path}?{parts.query}", headers={"Sec-Fetch-Site": "cross-site"})


def events(prison: Any) -> list[tuple[str, str, str]]:
    with prison.store.look() as kept:
        return [(e.what, e.subject, e.code) for e in reversed(kept.events.last(1000))]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A real provider on this computer, at which some people have accounts."""
    known = [
        oidc_provider_mock.User(sub=sub, claims={"preferred_username": name, "staff_id": name})
        for sub, name in (("1", "Vera"), ("2", "stranger"), ("3", "milan"))
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=known) as server:
        yield f"http://localhost:{server.server_port}"


def vouched_for(browser: Any, sub: str) -> Any:
    """Sign in at the real provider as somebody, and come back."""
    begun = browser.get("/sign-in/with")
    assert begun.status_code == 303
    answer = httpx2.post(begun.headers["location"], data={"sub": sub})
    return back_to(browser, answer.headers["location"])


def now_it_is(prison: Any) -> None:
    """Set the clock of the site to that of the provider, which knows no other."""
    prison.clock.at = datetime.now(UTC)


def test_whom_the_provider_vouches_for_is_in_with_their_roles_here(prison, visit, provider) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    assert "/sign-in/with" in browser.get("/sign-in").text
    answer = vouched_for(browser, "1")
    assert answer.status_code == 200
    assert 'content="0; url=/"' in answer.text
    page = browser.get("/")
    assert "Vera Verifier" in page.text
    assert browser.get("/terminals").status_code == 403
    assert ("signed-in", "vera", "sso") in events(prison)
    assert "counterfoil-back" not in browser.cookies


def test_a_strict_cookie_is_set_and_the_one_of_the_way_is_not_strict(
    prison, visit, provider
) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    begun = browser.get("/sign-in/with").headers["set-cookie"]
    assert "counterfoil-back=" in begun
    assert "SameSite=lax" in begun
    assert "HttpOnly" in begun
    done = vouched_for(browser, "1").headers.get_list("set-cookie")
    mine = next(c for c in done if c.startswith("counterfoil="))
    assert "SameSite=strict" in mine


def test_somebody_unknown_here_is_told_one_plain_sentence(prison, visit, provider) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    answer = vouched_for(browser, "2")
    assert answer.status_code == 403
    assert "you are not among the people who work here" in answer.text
    assert "stranger" not in answer.text
    assert browser.get("/").headers["location"] == "/sign-in"
    with prison.store.begin() as kept:
        kept.staff.change("vera", by="test", at=prison.clock(), active=False)
    off = vouched_for(visit(site(prison, provider)), "1")
    assert off.status_code == 403
    assert "you are not among the people who work here" in off.text
    assert not any(what == "signed-in" for what, *_ in events(prison))


def test_the_claim_that_holds_the_user_name_is_a_setting(prison, visit, provider) -> None:
    now_it_is(prison)
    assert vouched_for(visit(site(prison, provider, claim="staff_id")), "3").status_code == 200
    lacking = vouched_for(visit(site(prison, provider, claim="upn")), "3")
    assert lacking.status_code == 403


def test_no_step_of_ours_is_asked_of_whom_the_provider_vouches_for(prison, visit, provider) -> None:
    now_it_is(prison)
    oidc = OidcSettings(issuer=provider, client_id=CLIENT, client_secret=SECRET)
    app = create_app(replace(prison.kit(), oidc=oidc, second_factor="required"))
    browser = visit(app)
    vouched_for(browser, "1")
    assert browser.get("/").status_code == 200
    assert visit(app).sign_in("vera").headers["location"] == "/sign-in/enrol"


def test_whoever_says_no_at_the_provider_stays_out(prison, visit, provider) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    begun = browser.get("/sign-in/with").headers["location"]
    denied = httpx2.post(begun, data={"action": "deny"}).headers["location"]
    assert back_to(browser, denied).status_code == 422


def test_an_answer_fits_one_question_of_one_browser_once(prison, visit, provider) -> None:
    now_it_is(prison)
    app = site(prison, provider)
    mine, other = visit(app), visit(app)
    begun = mine.get("/sign-in/with").headers["location"]
    other.get("/sign-in/with")
    answer = httpx2.post(begun, data={"sub": "1"}).headers["location"]
    assert back_to(other, answer).status_code == 422  # planted in somebody else's browser
    assert other.get("/").headers["location"] == "/sign-in"
    assert back_to(visit(app), answer).status_code == 422
    forged = answer.replace("state=", "state=x")
    assert back_to(mine, forged).status_code == 422
    assert back_to(mine, answer).status_code == 422  # the question was used up by the forged one
    assert mine.get("/").headers["location"] == "/sign-in"


def test_a_question_is_over_after_five_minutes(prison, visit, provider) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    begun = browser.get("/sign-in/with").headers["location"]
    answer = httpx2.post(begun, data={"sub": "1"}).headers["location"]
    prison.clock.move(timedelta(minutes=6))
    assert back_to(browser, answer).status_code == 422


def test_another_nonce_than_ours_is_refused(prison, visit, provider) -> None:
    now_it_is(prison)
    browser = visit(site(prison, provider))
    begun = urlsplit(browser.get("/sign-in/with").headers["location"])
    asked = {**dict(parse_qsl(begun.query)), "nonce": "of an older answer"}
    where = begun._replace(query=urlencode(asked)).geturl()
    answer = httpx2.post(where, data={"sub": "1"}).headers["location"]
    assert back_to(browser, answer).status_code == 422


def test_a_provider_that_is_away_shuts_nobody_out(prison, visit) -> None:
    browser = visit(site(prison, "http://localhost:9"))
    answer = browser.get("/sign-in/with")
    assert answer.status_code == 503
    assert "does not answer just now" in answer.text
    assert browser.sign_in("vera").status_code == 303


def test_without_a_provider_no_route_of_it_is_there(prison, visit) -> None:
    app = create_app(prison.kit())
    browser = visit(app)
    for path in ("/sign-in/with", "/sign-in/back", "/sign-in/back?code=x&state=y"):
        for method in ("GET", "POST"):
            assert browser.request(method, path).status_code == 404, (method, path)
    assert "/sign-in/with" not in browser.get("/sign-in").text


def test_its_routes_are_for_everybody_and_there_are_two(prison) -> None:
    app, without = site(prison, "http://localhost:9"), create_app(prison.kit())
    routes = {r.path: roles_of(r) for r in routes_of(app)}
    more = set(routes) - {r.path for r in routes_of(without)}
    assert more == {"/sign-in/with", "/sign-in/back"}
    assert all({str(r) for r in routes[path]} == {"everybody"} for path in more)


# A provider that lies


class Liar:
    """A provider that answers what a test wants; it signs with the key that it shows."""

    def __init__(self) -> None:
        self.key, self.claims = RSAKey.generate_key(), {}
        self.signs_with: Any = self.key
        self.calls_itself = ""
        self.token: str | None = None
        self.got: dict[str, list[str]] = {}
        liar = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.endswith("openid-configuration"):
                    self.tell(
                        {
                            "issuer": liar.calls_itself or liar.url,
                            "authorization_endpoint": liar.url + "/authorize",
                            "token_endpoint": liar.url + "/token",
                            "jwks_uri": liar.url + "/keys",
                        }
                    )
                else:
                    self.tell({"keys": [liar.key.as_dict(private=False)]})

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["content-length"]))
                liar.got = parse_qs(sent.decode())
                token = liar.token or jwt.encode({"alg": "RS256"}, liar.claims, liar.signs_with)
                self.tell({"access_token": "x", "token_type": "Bearer", "id_token": token})

            def tell(self, what: Any) -> None:
                body = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.close()


def told(prison: Any, browser: Any, liar: Liar, **lies: Any) -> Any:
    """Come back from the liar with what it tells: the truth, but for its lies."""
    begun = browser.get("/sign-in/with").headers["location"]
    asked = dict(parse_qsl(urlsplit(begun).query))
    at = int(prison.clock().timestamp())
    truth = {"iss": liar.url, "aud": CLIENT, "sub": "1", "nonce": asked["nonce"]}
    truth |= {"iat": at, "exp": at + 300, "preferred_username": "vera"}
    liar.claims = {k: v for k, v in {**truth, **lies}.items() if v is not None}
    answer = back_to(browser, f"{CALLBACK}?code=c&state={asked['state']}")
    challenge = hashlib.sha256(liar.got["code_verifier"][0].encode()).digest()
    assert base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked["code_challenge"]
    assert asked["code_challenge_method"] == "S256"
    return answer


HOUR = 3600
NOW = int(datetime(2026, 11, 23, 10, 30, tzinfo=UTC).timestamp())


LIES: tuple[dict[str, Any], ...] = (
    {"iss": "https://other.example"},
    {"iss": None},
    {"aud": "another-site"},
    {"aud": ["another-site"]},
    {"aud": None},
    {"azp": "another-site"},
    {"aud": [CLIENT, "another-site"], "azp": "another-site"},
    {"nonce": "another"},
    {"nonce": None},
    {"exp": NOW - HOUR},
    {"exp": None},
    {"iat": NOW + HOUR},
    {"nbf": NOW + HOUR},
    {"at_hash": "wrong"},
)


def test_a_token_that_is_not_for_this_sign_in_is_refused(prison, visit, liar) -> None:
    browser = visit(site(prison, liar.url))
    for lie in LIES:
        assert told(prison, browser, liar, **lie).status_code == 422, lie
        assert browser.get("/").headers["location"] == "/sign-in", lie
    assert not any(what == "signed-in" for what, *_ in events(prison))
    assert told(prison, browser, liar).status_code == 200


def packed(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_token_signed_with_another_key_or_none_is_refused(prison, visit, liar) -> None:
    browser = visit(site(prison, liar.url))
    liar.signs_with = RSAKey.generate_key()
    assert told(prison, browser, liar).status_code == 422
    # Their public key, taken for a shared secret; and no signature at all.
    shared, bare = ({"alg": alg, "typ": "JWT"} for alg in ("HS256", "none"))
    public = liar.key.as_pem(private=False)
    signed = f"{packed(shared)}.{packed(liar.claims)}"
    seal = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    liar.token = f"{signed}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"
    assert told(prison, browser, liar).status_code == 422
    for odd in (f"{packed(bare)}.{packed(liar.claims)}.", "no token", " "):
        liar.token = odd
        assert told(prison, browser, liar).status_code == 422
    assert browser.get("/").headers["location"] == "/sign-in"


def test_a_provider_that_calls_itself_otherwise_is_not_asked(prison, visit, liar) -> None:
    liar.calls_itself = "https://other.example"
    assert visit(site(prison, liar.url)).get("/sign-in/with").status_code == 503


def test_a_name_that_is_none_of_ours_opens_nothing(prison, visit, liar) -> None:
    browser = visit(site(prison, liar.url))
    for name in (None, "", 5, ["vera"], "nobody", "Vera\x00"):
        assert told(prison, browser, liar, preferred_username=name).status_code == 403, name
        assert browser.get("/").headers["location"] == "/sign-in", name


# Settings


def test_a_provider_is_named_in_full_or_not_at_all(monkeypatch) -> None:
    assert settings().oidc is None
    monkeypatch.setenv("COUNTERFOIL_OIDC_ISSUER", "https://id.example/realm")
    with pytest.raises(SingleSignOnOdd):
        settings()
    monkeypatch.setenv("COUNTERFOIL_OIDC_CLIENT_ID", CLIENT)
    monkeypatch.setenv("COUNTERFOIL_OIDC_CLIENT_SECRET", SECRET)
    found = settings().oidc
    assert found is not None
    assert found.claim == "preferred_username"
    assert SECRET not in repr(settings())
    for plain in ("http://id.example", "ftp://id.example", "id.example"):
        monkeypatch.setenv("COUNTERFOIL_OIDC_ISSUER", plain)
        with pytest.raises(SingleSignOnOdd):
            settings()
