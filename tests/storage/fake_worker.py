"""A worker with a fake recipe, started as a process by the tests and the engine's bench.

    python fake_worker.py DATABASE_URL BLOBS KEY_FOLDER    (blobs: a folder, or s3://bucket/prefix)

The "file" is text: a line a page, "SERIAL PAGE [WORD...]"; one that starts with a 0 byte cannot
be opened, and one that starts with a 1 kills the worker. Words: "poison" kills the worker,
"break" raises, "none" has no code, "MS" a number of milliseconds. "words" adds free text, which
is drafted later; "draft-break" and "draft-poison" do that and go wrong then, "draft-slow" takes
its time. What is to happen is said by how grey the kept picture is. MOST_BEGINS in the environment
has things given up sooner.
"""

import hashlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from forms.errors import UserError
from forms.page_id import PageId
from kiosk.worker import work_here
from pipeline import work
from pipeline.stages import Draft, Gray, PageRead, Quarantined, Reading, State
from storage.blobs import BlobStore, FolderBlobs
from storage.keys import KeyFolder, Vault
from storage.s3_blobs import S3Blobs, s3_place
from storage.sealed_blobs import SealedBlobs
from storage.store import Store


class NotText(UserError):
    code = "file-unreadable"
    message = "This is not one of the test's files."
    remedy = "None."


GREYS = {"words": 200, "draft-slow": 150, "draft-break": 100, "draft-poison": 50}


class LineRecipe:
    """Reads the test's files; a blank line has no code."""

    def can_open(self) -> bool:
        return True

    def pages(self, data: bytes, source: str) -> int:
        if data.startswith(b"\x00"):
            raise NotText
        if data.startswith(b"\x01"):
            os.kill(os.getpid(), signal.SIGKILL)
        return len(data.decode().splitlines())

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead | Quarantined]:
        line = data.decode().splitlines()[index]
        words = line.split()
        if "poison" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        if "break" in words:
            raise RuntimeError("CANARY-7 in an exception")
        for word in words[2:]:
            if word.isdigit():
                until = time.process_time() + int(word) / 1000
                while time.process_time() < until:
                    hashlib.sha256(b"x" * 1000).digest()
        digest = hashlib.sha256(line.encode()).hexdigest()
        if not words or "none" in words:
            return [
                Quarantined(
                    source=source,
                    page_index=index,
                    code="page-code-missing",
                    message="No code.",
                    remedy="Scan again.",
                    digest=digest,
                )
            ]
        review = "sure" not in words
        reading = Reading(
            field="me_number",
            kind="comb",
            state=State.FILLED,
            value="CANARY-1",
            confidence=0.5,
            review=review,
            why=("identity",) if review else (),
        )
        grey = next((GREYS[word] for word in words if word in GREYS), 255)
        more = Reading(field="more", kind="free_text", state=State.FILLED)
        return [
            PageRead(
                source=source,
                page_index=index,
                pages=2,
                readings=(reading,) if grey == 255 else (reading, more),
                id=PageId(
                    form="rj-1", version=1, language="en", serial=words[0], page=int(words[1])
                ),
                rotation_deg=0.0,
                scale=1.0,
                residual_mm=0.1,
                digest=digest,
                upright=np.full((20, 10), grey, np.uint8),
            )
        ]

    def draft(self, picture: Gray, page: PageId, fields: Sequence[str]) -> Sequence[Draft]:
        grey = float(picture.mean())
        told = min(GREYS, key=lambda word: abs(GREYS[word] - grey))
        if told == "draft-poison":
            os.kill(os.getpid(), signal.SIGKILL)
        if told == "draft-break":
            raise RuntimeError("CANARY-8 in an exception")
        if told == "draft-slow":
            time.sleep(0.15)
        return [
            Draft(field=field, words=f"CANARY-9 {page.serial}", score=0.5, by="fake-1")
            for field in fields
        ]


def blobs_at(named: str) -> BlobStore:
    if named.startswith("s3://"):
        return S3Blobs(s3_place(named, os.environ), Path(tempfile.gettempdir()))
    return FolderBlobs(Path(named))


if __name__ == "__main__":
    work.MOST_BEGINS = int(os.environ.get("MOST_BEGINS", work.MOST_BEGINS))
    kept = Store(sys.argv[1], Vault(KeyFolder(Path(sys.argv[3]))))
    work_here(kept, SealedBlobs(blobs_at(sys.argv[2]), kept), LineRecipe())
