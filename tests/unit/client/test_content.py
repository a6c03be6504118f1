"""What is inside the ciphertext is read with distrust, and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.client import content as contents
from signet.client.content import MAX_TEXT, Reading
from signet.core.errors import Code, SignetError
from signet.core.ids import MessageId
from signet.e2e import pad
from signet.e2e.limits import PADDING_STEP
from signet.v1.content_pb2 import Attachment, Content, KeyDistribution, Sync, SyncRead

ID, OTHER = MessageId(b"i" * 16), MessageId(b"o" * 16)


@given(text=st.text(max_size=500))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    written = contents.stamped(contents.text(text, None, None, ""), ID, 5)
    plaintext = contents.to_plaintext(written)
    assert (len(plaintext) + 1) % PADDING_STEP == 0
    assert contents.from_plaintext(plaintext, ID) == written


def test_a_message_in_another_envelope_is_not_read() -> None:
    plaintext = contents.to_plaintext(contents.stamped(contents.no_message(), ID, 5))
    assert contents.from_plaintext(plaintext, OTHER) is Reading.UNREADABLE


def test_what_a_newer_client_wrote_is_named_as_such() -> None:
    newer = contents.stamped(contents.typing(True), ID, 5)
    newer.required_version = contents.VERSION + 1
    assert contents.from_plaintext(contents.to_plaintext(newer), ID) is Reading.TOO_NEW
    unknown_body = contents.to_plaintext(contents.stamped(Content(), ID, 5))
    assert contents.from_plaintext(unknown_body, ID) is Reading.TOO_NEW


@given(noise=st.binary(max_size=400))
def test_noise_is_unreadable_and_raises_nothing(noise: bytes) -> None:
    assert contents.from_plaintext(noise, ID) is Reading.UNREADABLE
    assert contents.from_plaintext(pad(noise), OTHER) is not None


def test_longer_text_is_media() -> None:
    longer = "x" * (MAX_TEXT + 1)
    with pytest.raises(SignetError) as refused:
        contents.text(longer, None, None, "")
    assert refused.value.code is Code.CONTENT_TOO_LARGE
    with pytest.raises(SignetError) as refused:
        contents.edit(ID, longer)
    assert refused.value.code is Code.CONTENT_TOO_LARGE


def test_texts_wake_at_once_and_receipts_keys_and_copies_wake_nobody() -> None:
    """M11."""
    at_once = [contents.text("hello", None, None, ""), Content(attachment=Attachment())]
    later = [contents.reaction(ID, "👍"), contents.edit(ID, "hi"), contents.delete(ID)]
    never = [
        contents.read_receipt([ID]),
        contents.typing(True),
        contents.no_message(),
        Content(sync=Sync(read=SyncRead())),
        Content(key_distribution=KeyDistribution()),
    ]
    asked = [(contents.is_urgent(one), contents.is_quiet(one)) for one in at_once + later + never]
    assert asked == [(True, False)] * 2 + [(False, False)] * 3 + [(False, True)] * 5
