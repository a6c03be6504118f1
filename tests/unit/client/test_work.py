"""Proof of work: what the SDK gives is what the keys service counts."""

import pytest

from signet.client.work import prove
from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_WORK_BITS
from signet.keys.admission import work_done

IDENTITY = b"\x05" + bytes(range(32))


@pytest.mark.parametrize("bits", [1, 8, 17])
async def test_a_proof_has_the_bits_that_were_asked_for(bits: int) -> None:
    proof = await prove("chat.example.org", IDENTITY, bits)
    assert work_done("chat.example.org", IDENTITY, proof) >= bits


async def test_a_proof_is_for_one_server_and_one_identity() -> None:
    proof = await prove("chat.example.org", IDENTITY, 17)
    assert work_done("other.example.org", IDENTITY, proof) < 17
    assert work_done("chat.example.org", IDENTITY[::-1], proof) < 17


async def test_no_bits_cost_nothing_and_too_many_are_refused() -> None:
    assert await prove("chat.example.org", IDENTITY, 0) == ""
    with pytest.raises(SignetError) as refused:
        await prove("chat.example.org", IDENTITY, MAX_WORK_BITS + 1)
    assert refused.value.code is Code.REGISTRATION_REFUSED
