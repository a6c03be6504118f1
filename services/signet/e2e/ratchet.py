"""The Double Ratchet: chains that step once a message, roots that step once a change of direction.

https://signal.org/docs/specifications/doubleratchet/ (revision 3, sections 2.3, 3 and 4). The
specification's RK is `root_key`, CKs and CKr the chains' `key`, DHs the sending chain's `pair`,
DHr a receiving chain's `ratchet_key`, MKSKIPPED the chains' `kept`, Ns and Nr their `index`.

Everything is immutable: a function returns the next state, and the caller keeps it only after
the message's tag verified. A step gives a *seed*; `message_keys` makes keys of it. Old receiving
chains stay able to step (as in libsignal), so PN is sent but never needed.

The post-quantum ratchet (chapter "Triple Ratchet") joins where seeds become message keys: it
gives their salt, and needs nothing of this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signet.e2e.errors import DuplicateMessage, InvalidMessage
from signet.e2e.kdf import hkdf, hmac_sha256
from signet.e2e.keys import EcKeyPair, Randomness
from signet.e2e.limits import MAX_KEPT_MESSAGE_KEYS, MAX_RECEIVING_CHAINS
from signet.e2e.x3dh import Agreed

_ROOT_INFO = b"WhisperRatchet"


@dataclass(frozen=True, slots=True)
class SendingChain:
    """`index` is the counter of the next message; `previous` the length of the chain before."""

    pair: EcKeyPair
    key: bytes = field(repr=False)
    index: int = 0
    previous: int = 0


@dataclass(frozen=True, slots=True)
class ReceivingChain:
    """`kept` maps the counters of skipped messages to their seeds, oldest first."""

    ratchet_key: bytes
    key: bytes = field(repr=False)
    index: int = 0
    kept: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Ratchet:
    """One session's chains; `receiving` is oldest first, at most MAX_RECEIVING_CHAINS."""

    root_key: bytes = field(repr=False)
    sending: SendingChain
    receiving: tuple[ReceivingChain, ...] = ()


def as_initiator(agreed: Agreed, their_signed_pre_key: bytes, fresh: EcKeyPair) -> Ratchet:
    """RatchetInitAlice: the agreed chain is the receiving one; the root steps with `fresh`."""
    chain = ReceivingChain(their_signed_pre_key, agreed.chain_key)
    root, sending = _root_step(agreed.root_key, fresh.agree(their_signed_pre_key))
    return Ratchet(root, SendingChain(fresh, sending), (chain,))


def as_responder(agreed: Agreed, signed_pre_key: EcKeyPair) -> Ratchet:
    """RatchetInitBob: the agreed chain is the sending one of the signed pre-key."""
    return Ratchet(agreed.root_key, SendingChain(signed_pre_key, agreed.chain_key))


def next_to_send(ratchet: Ratchet) -> tuple[Ratchet, bytes]:
    """Step the sending chain; the header is in the *old* ratchet's `sending`."""
    chain = ratchet.sending
    key, seed = _chain_step(chain.key)
    stepped = SendingChain(chain.pair, key, chain.index + 1, chain.previous)
    return Ratchet(ratchet.root_key, stepped, ratchet.receiving), seed


def knows(ratchet: Ratchet, ratchet_key: bytes) -> bool:
    """Whether a message under that ratchet key continues a chain we have."""
    return any(chain.ratchet_key == ratchet_key for chain in ratchet.receiving)


def next_to_receive(
    ratchet: Ratchet, ratchet_key: bytes, counter: int, *, jumps: int, randomness: Randomness
) -> tuple[Ratchet, bytes]:
    """The seed of message `counter` under `ratchet_key`, and the ratchet after it.

    Raises DuplicateMessage (its seed was used, or fell out), InvalidMessage (more than `jumps`
    ahead), InvalidKey (not a ratchet key).
    """
    if not knows(ratchet, ratchet_key):
        ratchet = _turn(ratchet, ratchet_key, randomness)
    at = next(i for i, chain in enumerate(ratchet.receiving) if chain.ratchet_key == ratchet_key)
    chain, seed = _take_seed(ratchet.receiving[at], counter, jumps)
    chains = (*ratchet.receiving[:at], chain, *ratchet.receiving[at + 1 :])
    return Ratchet(ratchet.root_key, ratchet.sending, chains), seed


def _turn(ratchet: Ratchet, ratchet_key: bytes, randomness: Randomness) -> Ratchet:
    """DHRatchet (section 3.5): the direction changed; two root steps and a fresh pair of ours."""
    root, receiving_key = _root_step(ratchet.root_key, ratchet.sending.pair.agree(ratchet_key))
    fresh = EcKeyPair.generate(randomness)
    root, sending_key = _root_step(root, fresh.agree(ratchet_key))
    chains = (*ratchet.receiving, ReceivingChain(ratchet_key, receiving_key))
    sending = SendingChain(fresh, sending_key, 0, ratchet.sending.index)
    return Ratchet(root, sending, chains[-MAX_RECEIVING_CHAINS:])


def _take_seed(chain: ReceivingChain, counter: int, jumps: int) -> tuple[ReceivingChain, bytes]:
    if counter < chain.index:
        return _take_kept(chain, counter)
    if counter - chain.index > jumps:
        raise InvalidMessage(f"{counter - chain.index} messages ahead, at most {jumps}")
    key, kept = chain.key, chain.kept
    if counter > chain.index:
        key, kept = _skip(chain, counter)
    key, seed = _chain_step(key)
    return ReceivingChain(chain.ratchet_key, key, counter + 1, kept), seed


def _take_kept(chain: ReceivingChain, counter: int) -> tuple[ReceivingChain, bytes]:
    seed = chain.kept.get(counter)
    if seed is None:
        raise DuplicateMessage(f"message {counter} of this chain was taken before")
    kept = {at: other for at, other in chain.kept.items() if at != counter}
    return ReceivingChain(chain.ratchet_key, chain.key, chain.index, kept), seed


def _skip(chain: ReceivingChain, until: int) -> tuple[bytes, Mapping[int, bytes]]:
    """SkipMessageKeys (section 3.5): step to `until`, keep the newest seeds on the way."""
    key, skipped = chain.key, dict(chain.kept)
    for at in range(chain.index, until):
        key, seed = _chain_step(key)
        if until - at <= MAX_KEPT_MESSAGE_KEYS:
            skipped[at] = seed
    for at in list(skipped)[: max(0, len(skipped) - MAX_KEPT_MESSAGE_KEYS)]:
        del skipped[at]
    return key, skipped


def _root_step(root_key: bytes, dh_output: bytes) -> tuple[bytes, bytes]:
    """KDF_RK (section 5.2): the next root key and a chain key."""
    keys = hkdf(dh_output, _ROOT_INFO, 64, salt=root_key)
    return keys[:32], keys[32:]


def _chain_step(chain_key: bytes) -> tuple[bytes, bytes]:
    """KDF_CK (section 5.2): the next chain key and a message seed."""
    return hmac_sha256(chain_key, b"\x02"), hmac_sha256(chain_key, b"\x01")
