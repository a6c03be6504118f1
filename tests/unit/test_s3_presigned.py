"""URLs of S3 with headers that they want: by AWS's own example, and what is bound."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from signet.adapters.s3_presigned import Credentials, presigned

EXAMPLE = Credentials(
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"
)
NOW = datetime(2013, 5, 24, tzinfo=UTC)


def of(url: str, **headers: str) -> dict[str, list[str]]:
    signed = presigned("PUT", url, EXAMPLE, headers=headers, expires_s=86_400, now=NOW)
    return parse_qs(urlsplit(signed).query)


def test_the_example_of_the_documentation_has_its_signature() -> None:
    signed = presigned(
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        EXAMPLE,
        headers={},
        expires_s=86_400,
        now=NOW,
    )
    assert signed.endswith(
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert "&X-Amz-SignedHeaders=host&" in signed


def test_headers_are_named_in_order_and_bound() -> None:
    url = "https://s3.example.org:8443/media/name"
    said = {"if-none-match": "*", "content-length": "5"}
    found, other = of(url, **said), of(url, **{**said, "content-length": "6"})
    assert found["X-Amz-SignedHeaders"] == ["content-length;host;if-none-match"]
    assert found["X-Amz-Signature"] != other["X-Amz-Signature"]


def test_the_secret_is_not_shown() -> None:
    assert "wJalr" not in repr(EXAMPLE)
