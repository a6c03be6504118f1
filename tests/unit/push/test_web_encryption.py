"""RFC 8291: its own example, and what a library that is not ours makes of what we write."""

import os
from base64 import urlsafe_b64decode

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from signet.adapters.push_web_encryption import encrypted
from signet.ports.push_registrations import WebPush
from tests.support.push_tls import Browser


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def fresh() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_the_example_of_the_rfc_comes_out_byte_by_byte() -> None:
    """RFC 8291, section 5 and appendix A."""
    plaintext = b"When I grow up, I want to be a watermelon"
    scalar = int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    browser = (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
    to = WebPush("https://push.example.net/push/", unb64(browser), unb64("BTBZMqHH6r4Tts7J_aSIgg"))
    body = encrypted(
        plaintext,
        to,
        padded_to=len(plaintext),
        key=ec.derive_private_key(scalar, ec.SECP256R1()),
        randomness=lambda _: unb64("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert body == unb64(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )


@given(plaintext=st.binary(max_size=100))
def test_another_library_decrypts_it_and_its_size_says_nothing(plaintext: bytes) -> None:
    browser = Browser()
    to = browser.subscription("https://push.example.net/")
    body = encrypted(plaintext, to, padded_to=100, key=fresh(), randomness=os.urandom)
    assert browser.decrypted(body) == plaintext
    assert len(body) == 16 + 4 + 1 + 65 + 100 + 1 + 16


def test_another_browser_cannot_read_it() -> None:
    to = Browser().subscription("https://push.example.net/")
    body = encrypted(b"x", to, padded_to=1, key=fresh(), randomness=os.urandom)
    with pytest.raises(http_ece.ECEException):
        Browser().decrypted(body)


def test_what_is_no_point_of_the_curve_and_what_is_too_long_are_refused() -> None:
    to = WebPush("https://push.example.net/", b"\x04" + bytes(64), bytes(16))
    with pytest.raises(ValueError, match=r"."):
        encrypted(b"x", to, padded_to=1, key=fresh(), randomness=os.urandom)
    with pytest.raises(ValueError, match="padding"):
        encrypted(b"xx", to, padded_to=1, key=fresh(), randomness=os.urandom)
