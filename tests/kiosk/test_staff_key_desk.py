"""The staff site as a process that cannot open keys itself."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kiosk.staff.app import create_app
from storage.key_desk import AskedOpener, KeyDesk
from storage.keys import KeyFolder, KeyRefused, NotTheirs, Vault
from storage.sealed_blobs import SealedBlobs
from storage.store import Store


@pytest.fixture
def shut_site(prison: Any, tmp_path: Path) -> Iterator[Any]:
    """Give the site over a folder of keys without the private halves."""
    keys = tmp_path / "shut keys"
    shutil.copytree(
        prison.store.vault.folder.folder, keys, ignore=shutil.ignore_patterns("opening")
    )
    vault = Vault(KeyFolder(keys), AskedOpener(tmp_path / "keys.sock"))
    store = Store(prison.store.url, vault)
    yield create_app(replace(prison.kit(), store=store, blobs=SealedBlobs(prison.raw, store)))
    store.close()


def test_everything_is_shown_through_the_desk_and_nothing_without_it(
    prison: Any, samples: Any, visit: Any, shut_site: Any, tmp_path: Path
) -> None:
    page, _ = prison.comes_in(samples.self_referral, person="A1234BC")
    field = f"/pages/{page}/fields/lang"
    with KeyDesk(prison.store, tmp_path / "keys.sock", users={os.geteuid()}, now=prison.clock):
        vera = visit(shut_site, "vera")
        assert "Vera Verifier" in vera.get("/").text
        assert "ENGLISH" in vera.get(field).text
        assert vera.get(f"{field}/crop.png").content.startswith(b"\x89PNG")
        assert vera.get("/records").status_code == 200
        assert vera.decide(page, "lang", answer="POLISH").status_code == 303
    assert prison.store.vault.folder.can_open()
    with prison.store.look() as kept:
        assert kept.pages.get(page).answer("lang").value == "POLISH"
    other, _ = prison.comes_in(samples.self_referral)
    answer = vera.get(f"/pages/{other}/fields/lang")
    assert answer.status_code >= 400
    assert "no key to open it" in answer.text
    assert "ENGLISH" not in answer.text


def test_a_program_is_shown_through_the_desk_what_its_token_reaches_and_no_more(
    prison: Any, samples: Any, visit: Any, shut_site: Any, tmp_path: Path
) -> None:
    mine = prison.verified(samples.self_referral)
    other = prison.verified(samples.self_referral, establishment="LEI")
    with prison.store.begin() as kept:
        milan, at = kept.staff.find("milan"), prison.clock()
        _, reads = kept.tokens.make(
            milan, "reads", ("records:read",), days=9, at=at, establishments=("MTI",)
        )
        _, counts = kept.tokens.make(milan, "counts", ("status:read",), days=9, at=at)
        page, theirs = (kept.records.get(each).pages[0].id for each in (mine, other))
    program = visit(shut_site)
    headers = {"Authorization": f"Bearer {reads}"}
    with KeyDesk(prison.store, tmp_path / "keys.sock", users={os.geteuid()}, now=prison.clock) as d:
        assert "A1234BC" in program.get(f"/api/v1/records/{mine}", headers=headers).text
        assert program.get(f"/api/v1/records/{other}", headers=headers).status_code >= 400
        assert d._key(reads, f"page/{page}")
        for secret, scope in (
            (reads, f"page/{theirs}"),
            (reads, "staff/vera"),
            (reads, "roll/1"),
            (counts, f"page/{page}"),
        ):
            with pytest.raises(NotTheirs):
                d._key(secret, scope)
        with prison.store.begin() as kept:
            (token,) = [t for t in kept.tokens.list(milan) if t.name == "reads"]
            kept.tokens.revoke(token.id, milan, at=prison.clock())
        with pytest.raises(KeyRefused):
            d._key(reads, f"page/{page}")
