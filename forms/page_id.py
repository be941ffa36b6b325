"""Which page a sheet of paper is: its serial, its code, and both read back again.

Printing and scanning share this module, so they cannot disagree. A code never holds a name, a
prison number or a topic.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from forms.errors import UserError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""32 characters a person can read aloud and type: no I, L, O or U (after Crockford)."""

SERIAL_LENGTH = 8
"""Seven random characters (35 bits) and one check symbol."""

_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})
_PREFIX = "CF"
_EASY, _EASY_ON_PAPER = "en-easy", "QEZ"
"""A code has room for three letters: these are of the range that ISO 639-2 leaves free."""
_CHECK_LENGTH = 5
_PAYLOAD = re.compile(
    r"CF/(?P<form>[A-Z0-9-]{2,6})/(?P<version>\d{1,3})(?P<large>L?)/(?P<language>[A-Z]{2,3})"
    r"/(?P<serial>[0-9A-Z]{8})/(?P<page>\d{1,2})/(?P<check>[0-9A-Z]{5})"
)


class SerialMistyped(UserError):
    """The check symbol does not agree with the rest of the serial."""

    code = "serial-mistyped"
    message = "That is not a serial number of ours: one of its characters is wrong."
    remedy = "Look at the paper again and type all eight characters."


class PageCodeInvalid(UserError):
    """A square code that looks like ours and fails its check."""

    code = "page-code-invalid"
    message = "The square code on this page was not made by this system."
    remedy = "Keep the page, and tell the person who looks after the forms."


@dataclass(frozen=True, kw_only=True, order=True)
class PageId:
    """One page of one copy of one printed version of a form.

    Attributes:
        form: form id, lower case, like "rj-1".
        version: the form's version, from 1.
        language: language code, lower case, like "en", "ckb" or "en-easy".
        large_print: the 18 pt variant, which has a layout of its own.
        serial: eight characters, see `new_serial`; ties a copy's sheets together.
        page: from 1.
    """

    form: str
    version: int
    language: str
    serial: str
    page: int
    large_print: bool = False


def _multiply(a: int, b: int) -> int:
    """Multiply in the field of 32 elements (polynomial x^5 + x^2 + 1)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0b100000:
            a ^= 0b100101
        b >>= 1
    return product


def check_symbol(body: str) -> str:
    """Work out the symbol that catches any one wrong character and any two swapped.

    Each position is weighted by its own power of a generator of GF(32), so a single error or
    a swap of two different characters always changes the sum (weights 2^1..2^7 are distinct
    and none is 0 or 1, the weight of the check symbol itself).
    """
    total, weight = 0, 1
    for character in body:
        weight = _multiply(weight, 2)
        total ^= _multiply(ALPHABET.index(character), weight)
    return ALPHABET[total]


def new_serial() -> str:
    """Draw a serial nobody can guess the neighbour of."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(SERIAL_LENGTH - 1))
    return body + check_symbol(body)


def parse_serial(typed: str) -> str:
    """Read a serial as a person typed it or OCR saw it: any case, spaces and hyphens.

    Raises:
        SerialMistyped: it is not eight characters, or the check symbol disagrees.
    """
    serial = re.sub(r"[\s-]", "", typed).upper().translate(_LOOKALIKES)
    if len(serial) != SERIAL_LENGTH or any(c not in ALPHABET for c in serial):
        raise SerialMistyped
    if check_symbol(serial[:-1]) != serial[-1]:
        raise SerialMistyped
    return serial


def show_serial(serial: str) -> str:
    """Group a serial as it is printed: "7KQ4-M2XD"."""
    return f"{serial[:4]}-{serial[4:]}"


def encode(page: PageId) -> str:
    """Write the payload of a page's code: QR alphanumeric characters only, 27 to 35 of them."""
    return f"{_body(page)}/{_check(_body(page))}"


def human_line(page: PageId) -> str:
    """Write the line beside the code that a person (or OCR) reads when both codes are gone."""
    return _body(page).removeprefix(f"{_PREFIX}/").replace(page.serial, show_serial(page.serial))


def decode(payload: str) -> PageId | None:
    """Read a payload back.

    Returns:
        The page, or None when the code is somebody else's.

    Raises:
        PageCodeInvalid: it begins like ours and fails its check.
    """
    if not payload.startswith(f"{_PREFIX}/"):
        return None
    match = _PAYLOAD.fullmatch(payload)
    if match is None or match["check"] != _check(payload.rpartition("/")[0]):
        raise PageCodeInvalid
    try:
        serial = parse_serial(match["serial"])
    except SerialMistyped:
        raise PageCodeInvalid from None
    return PageId(
        form=match["form"].lower(),
        version=int(match["version"]),
        language=_language(match["language"]),
        large_print=bool(match["large"]),
        serial=serial,
        page=int(match["page"]),
    )


_HUMAN = re.compile(
    r"(?P<form>R[JI]-[0-9A-Z]{1,3})/(?P<version>[0-9OIL]{1,3}?)(?P<large>L?)/(?P<language>[A-Z]{2,3})"
    r"/(?P<serial>[0-9A-Z]{4}-?[0-9A-Z]{4})/(?P<page>[0-9OIL]{1,2})"
)


def read_human_line(seen: str) -> PageId | None:
    """Find the human line in what OCR saw; None when it is not there or does not check."""
    match = _HUMAN.search(re.sub(r"\s", "", seen.upper()))
    if match is None:
        return None
    try:
        serial = parse_serial(match["serial"])
        return PageId(
            form=match["form"].replace("RI-", "RJ-").lower(),
            version=int(match["version"].translate(_LOOKALIKES)),
            language=_language(match["language"]),
            large_print=bool(match["large"]),
            serial=serial,
            page=int(match["page"].translate(_LOOKALIKES)),
        )
    except (SerialMistyped, ValueError):
        return None


def _on_paper(language: str) -> str:
    """Write a language as codes do."""
    return _EASY_ON_PAPER if language == _EASY else language.upper()


def _language(seen: str) -> str:
    """Read it back."""
    return _EASY if seen == _EASY_ON_PAPER else seen.lower()


def _body(page: PageId) -> str:
    large = "L" if page.large_print else ""
    return (
        f"{_PREFIX}/{page.form.upper()}/{page.version}{large}/{_on_paper(page.language)}"
        f"/{page.serial}/{page.page}"
    )


def _check(body: str) -> str:
    """Twenty-five bits that a made-up or miscopied code will not have."""
    digest = hashlib.sha256(f"counterfoil page code 1:{body}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    return "".join(ALPHABET[(number >> (5 * i)) & 31] for i in range(_CHECK_LENGTH))
