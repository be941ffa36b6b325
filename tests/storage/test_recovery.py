"""The recovery key: typed from paper, it opens what its public half sealed and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.recovery import (
    RecoveryKey,
    RecoveryKeyMistyped,
    RecoveryKeyWrong,
    keep_public_half,
    paper,
    public_half,
    seal,
)


def test_a_key_read_off_its_paper_opens_what_was_sealed() -> None:
    key = RecoveryKey.new()
    read = RecoveryKey.parse(paper(key).decode())
    assert read.open(seal(b"the keys", key.public, b"backup"), b"backup") == b"the keys"


def test_a_key_may_be_typed_in_small_letters_and_with_letters_that_look_alike() -> None:
    key = RecoveryKey.new()
    typed = key.text.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert RecoveryKey.parse(typed) == key


@given(secret=st.binary(min_size=32, max_size=32), place=st.integers(0, 55), by=st.integers(1, 31))
def test_one_wrong_letter_is_noticed(secret: bytes, place: int, by: int) -> None:
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    typed = list(RecoveryKey(secret).text.replace("-", "").replace("\n", ""))
    typed[place] = letters[(letters.index(typed[place]) + by) % 32]
    with pytest.raises(RecoveryKeyMistyped):
        RecoveryKey.parse("".join(typed))


def test_another_key_opens_nothing() -> None:
    sealed = seal(b"the keys", RecoveryKey.new().public, b"backup")
    with pytest.raises(RecoveryKeyWrong):
        RecoveryKey.new().open(sealed, b"backup")


def test_no_key_is_shown_by_its_repr_and_only_the_public_half_stays(tmp_path: Path) -> None:
    key = RecoveryKey.new()
    assert key.secret.hex() not in repr(key)
    assert public_half(tmp_path / "keys") is None
    keep_public_half(tmp_path / "keys", key.public)
    assert public_half(tmp_path / "keys") == key.public
    kept = b"".join(each.read_bytes() for each in (tmp_path / "keys").iterdir())
    assert key.secret.hex().encode() not in kept
    assert key.secret not in kept
