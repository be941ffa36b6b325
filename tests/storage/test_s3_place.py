from __future__ import annotations

import pytest

from forms.errors import UserError
from storage.s3_blobs import BlobsUrlOdd, S3AccessMissing, S3Place, S3Unprotected, s3_place

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "CANARY"}


def test_a_bucket_is_found_by_its_address_and_the_usual_variables() -> None:
    place = s3_place(
        "s3://kept-files/prison/a",
        {**KEYS, "AWS_ENDPOINT_URL": "https://s3.example.org", "AWS_REGION": "eu-west-2"},
    )
    assert place == S3Place(
        bucket="kept-files",
        prefix="prison/a",
        endpoint="https://s3.example.org",
        region="eu-west-2",
        key="id",
        secret="CANARY",
    )
    assert "CANARY" not in repr(place)
    assert s3_place("s3://kept-files", KEYS) == S3Place(
        bucket="kept-files", key="id", secret="CANARY"
    )


@pytest.mark.parametrize(
    "url",
    ["", "s3://", "s3:///a", "http://host/bucket", "s3://UPPER/a", "s3://bucket/../a b", "bucket",
     "s3://user:secret@bucket/a", "s3://bucket/a?x=1"],
)  # fmt: skip
def test_an_odd_address_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(BlobsUrlOdd, match="COUNTERFOIL_BLOBS_URL"):
        s3_place(url, KEYS)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8333", "http://localhost:8333", "http://[::1]:8333", "https://far.example"],
)
def test_this_computer_and_encrypted_ways_need_no_leave(endpoint: str) -> None:
    assert s3_place("s3://bucket", {**KEYS, "AWS_ENDPOINT_URL": endpoint}).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    ["http://10.0.0.5:8333", "http://s3.example.org", "http://127.0.0.1.example.org", "ftp://x"],
)
def test_an_open_way_to_another_computer_needs_leave(endpoint: str) -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL": endpoint}
    with pytest.raises(S3Unprotected):
        s3_place("s3://bucket", given)
    with pytest.raises(S3Unprotected):
        s3_place("s3://bucket", {**given, "AWS_ALLOW_HTTP": "false"})
    assert s3_place("s3://bucket", {**given, "AWS_ALLOW_HTTP": "true"}).endpoint == endpoint


@pytest.mark.parametrize("given", [{}, {"AWS_ACCESS_KEY_ID": "id"}, {"AWS_SECRET_ACCESS_KEY": "s"}])
def test_nobody_is_asked_who_we_are_when_no_key_is_set(given: dict[str, str]) -> None:
    with pytest.raises(S3AccessMissing) as told:
        s3_place("s3://bucket", given)
    assert isinstance(told.value, UserError)
    s3_place("s3://bucket", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token"})
