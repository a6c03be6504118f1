"""What end-to-end encryption costs, beside what its primitives alone would cost.

Run by hand: `python -m tests.bench.bench_e2e`. Rates depend on the machine and on what else it
does; the ratio (cost of the whole over the cost of its primitives) hardly does: compare that.
CPU time of one core, 256 bytes of content; storing is compared with a message's primitives.
"""

from collections.abc import Callable, Sequence
from time import process_time

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from signet.e2e import EcKeyPair, IdentityKeyPair, PreKeyBundle, SessionRecord
from signet.e2e.kdf import hkdf, hmac_sha256
from signet.e2e.keys import encapsulate
from tests.support.e2e_people import Person

TEXT = b"x" * 256
KEY = b"k" * 32
MESSAGES = 5_000
OPENINGS = 300

Work = Callable[[], object]


def seconds(pieces: Sequence[Work]) -> float:
    """CPU seconds for one piece."""
    began = process_time()
    for piece in pieces:
        piece()
    return (process_time() - began) / len(pieces)


def message_primitives() -> None:
    """Two steps of a chain, the message's keys, AES over the text, a tag."""
    hmac_sha256(KEY, b"\x01")
    hmac_sha256(KEY, b"\x02")
    hkdf(KEY, b"WhisperMessageKeys", 80)
    encryptor = Cipher(AES256(KEY), CBC(KEY[:16])).encryptor()
    encryptor.update(TEXT + bytes(16))
    encryptor.finalize()
    hmac_sha256(KEY, TEXT)


def opening_primitives(identity: IdentityKeyPair, bundle: PreKeyBundle) -> None:
    """Two fresh pairs, five agreements, two signatures checked, an encapsulation."""
    assert bundle.kyber_pre_key is not None
    for _ in range(2):
        EcKeyPair.from_private(KEY)
    for _ in range(5):
        identity.agree(bundle.signed_pre_key.public)
    bundle.verify()
    encapsulate(bundle.kyber_pre_key.public)


def answering_primitives(person: Person, ciphertext: bytes) -> None:
    """One fresh pair, six agreements, a decapsulation."""
    EcKeyPair.from_private(KEY)
    for _ in range(6):
        person.local.identity.agree(person.signed.pair.public)
    person.last_resort.pair.decapsulate(ciphertext)


def row(name: str, whole: float, primitives: float) -> str:
    return f"{name:<24}{1 / whole:>12,.0f}/s{whole * 1e6:>10.1f} us{whole / primitives:>8.2f} x"


def on_a_chain() -> list[str]:
    alice, bob = Person("alice"), Person("bob")
    alice.open(bob)
    bob.read(alice, alice.write(bob, TEXT))
    alice.read(bob, bob.write(alice, TEXT))
    primitives = seconds([message_primitives] * MESSAGES)
    sent = [alice.write(bob, TEXT)]
    encrypting = seconds([lambda: sent.append(alice.write(bob, TEXT))] * MESSAGES)
    coming = iter(sent)
    decrypting = seconds([lambda: bob.read(alice, next(coming))] * MESSAGES)
    record = bob.sessions[alice.address]
    stored = record.serialise()
    return [
        row("encrypt on a chain", encrypting, primitives),
        row("decrypt on a chain", decrypting, primitives),
        row("store a record", seconds([record.serialise] * MESSAGES), primitives),
        row(
            "load a record",
            seconds([lambda: SessionRecord.deserialise(stored)] * MESSAGES),
            primitives,
        ),
    ]


def opening() -> list[str]:
    bob = Person("bob")
    bundle = bob.bundle(one_time=False)
    assert bundle.kyber_pre_key is not None
    people = [Person(f"alice {n}") for n in range(OPENINGS)]
    _, ciphertext = encapsulate(bundle.kyber_pre_key.public)
    one = people[0].local.identity
    initiator = seconds([lambda: opening_primitives(one, bundle)] * OPENINGS)
    responder = seconds([lambda: answering_primitives(bob, ciphertext)] * OPENINGS)
    openers, first = iter(people), []

    def open_and_write() -> None:
        alice = next(openers)
        alice.open(bob, bundle)
        first.append((alice, alice.write(bob, TEXT)))

    initiating = seconds([open_and_write] * OPENINGS)
    coming = iter(first)
    responding = seconds([lambda: bob.read(*next(coming))] * OPENINGS)
    return [
        row("PQXDH as initiator", initiating, initiator),
        row("PQXDH as responder", responding, responder),
    ]


if __name__ == "__main__":
    print(f"{'':<24}{'rate':>14}{'cost':>13}{'of its primitives':>20}")
    print(*on_a_chain(), *opening(), sep="\n")
