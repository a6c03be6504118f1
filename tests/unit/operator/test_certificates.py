"""What the operator signs, and when: single cases, and what OpenSSL and BoringSSL say of it."""

import asyncio
import ssl
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from signet.pod.tls import PodTls
from signet_operator import certificates as ca
from signet_operator.apply.secrets import client_context
from signet_operator.certificates import Decision, Leaf, Pair, PodTrust, Terms
from signet_operator.desired.certificate import host_names
from signet_operator.desired.meta import pod_host
from signet_operator.names import Tier
from tests.unit.operator.clusters import plain

NOW = 1_800_000_000.0
DAY = 86_400
TERMS = Terms(90 * DAY, 30 * DAY, {tier: host_names(plain(), tier) for tier in Tier})


@pytest.fixture(scope="module")
def authority() -> Pair:
    return ca.make_authority("a test", TERMS, NOW)


@pytest.fixture(scope="module")
def newer() -> Pair:
    return ca.make_authority("another", TERMS, NOW + 9 * ca.YEAR_S)


def signed(by: Pair, now: float = NOW) -> dict[Tier, Leaf]:
    return {tier: ca.make_leaf(by, TERMS.hosts[tier], TERMS, now)[1] for tier in Tier}


def says(pair: Pair, *others: Pair, leaf: Leaf, tier: Tier = Tier.ROUTER) -> PodTrust:
    text = ca.bundle(one.certificate for one in (pair, *others))
    return PodTrust(tier, ca.bundle_hash(text), leaf.fingerprint)


def test_a_new_cluster_gets_an_authority_and_then_certificates(authority: Pair) -> None:
    assert ca.decide([], {}, [], TERMS, NOW) == Decision(add_authority=True)
    assert ca.decide([authority.certificate], {}, [], TERMS, NOW).sign == tuple(Tier)


def test_what_is_good_is_left_alone(authority: Pair) -> None:
    leaves = signed(authority)
    assert ca.decide([authority.certificate], leaves, [], TERMS, NOW) == Decision()
    later = NOW + 59 * DAY
    assert ca.decide([authority.certificate], leaves, [], TERMS, later) == Decision()
    assert ca.decide([authority.certificate], leaves, [], TERMS, NOW + 61 * DAY).sign == tuple(Tier)


def test_what_names_other_hosts_is_made_anew(authority: Pair) -> None:
    leaves = signed(authority)
    leaves[Tier.KEYS] = replace(leaves[Tier.KEYS], hosts=("elsewhere",))
    assert ca.decide([authority.certificate], leaves, [], TERMS, NOW).sign == (Tier.KEYS,)


def test_a_new_authority_signs_when_every_pod_trusts_it_and_not_before(
    authority: Pair, newer: Pair
) -> None:
    now = NOW + 9.5 * ca.YEAR_S
    leaves = signed(authority, now)
    both = [authority.certificate, newer.certificate]
    assert ca.decide(both[:1], leaves, [], TERMS, now).add_authority
    trusts = says(authority, newer, leaf=leaves[Tier.ROUTER])
    late, silent = says(authority, leaf=leaves[Tier.ROUTER]), PodTrust(Tier.ROUTER, "", "")
    for other in (late, silent):
        assert ca.decide(both, leaves, [trusts, other], TERMS, now) == Decision(signer=0)
    assert ca.decide(both, leaves, [trusts], TERMS, now) == Decision(sign=tuple(Tier), signer=1)


def test_the_older_authority_goes_when_every_pod_shows_the_newer_one(
    authority: Pair, newer: Pair
) -> None:
    now = NOW + 9.5 * ca.YEAR_S
    before, leaves = signed(authority, now), signed(newer, now)
    both = [authority.certificate, newer.certificate]
    new = says(authority, newer, leaf=leaves[Tier.ROUTER])
    old = says(authority, newer, leaf=before[Tier.ROUTER])
    assert ca.decide(both, leaves, [new, old], TERMS, now) == Decision(signer=1)
    assert ca.decide(both, leaves, [new], TERMS, now) == Decision(drop_older=True)
    assert ca.decide(both[1:], leaves, [new], TERMS, now) == Decision()


def test_a_certificate_that_lasts_as_long_as_its_authority_is_not_made_again_and_again(
    authority: Pair, newer: Pair
) -> None:
    now = ca.ends(authority.certificate) - 10 * DAY
    leaves = signed(authority, now)
    silent = PodTrust(Tier.ROUTER, "", "")
    both = [authority.certificate, newer.certificate]
    assert ca.decide(both, leaves, [silent], TERMS, now) == Decision()


def test_a_pair_is_never_shown_with_its_key(authority: Pair) -> None:
    assert "PRIVATE" not in repr(authority)


# --- as TLS libraries see it ---------------------------------------------------------------


def pod(folder: Path, by: Pair, tier: Tier) -> PodTls:
    pair, _ = ca.make_leaf(by, TERMS.hosts[tier], TERMS, _soon())
    files = {"ca": by.certificate, "crt": pair.certificate, "key": pair.key}
    for name, text in files.items():
        (folder / f"{tier}.{name}").write_bytes(text)
    return PodTls(*(folder / f"{tier}.{name}" for name in ("ca", "crt", "key")))


def _soon() -> float:
    """TLS libraries have no clock that is an argument."""
    return time.time()


async def greeting(server: PodTls, client: ssl.SSLContext, name: str) -> bytes:
    """What the server says; nothing to whom it does not believe. Raises ssl.SSLError."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server.server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=name
        )
        said = await reader.read()
        writer.close()
    return said


async def test_pods_and_the_operator_believe_each_other_by_name(tmp_path: Path) -> None:
    now = _soon()
    by = ca.make_authority("a test", TERMS, now)
    router, gateway = pod(tmp_path, by, Tier.ROUTER), pod(tmp_path, by, Tier.GATEWAY)
    name = pod_host(plain(), Tier.ROUTER, "blue-router-0")
    assert await greeting(router, gateway.client(), name) == b"hello"
    own, _ = ca.make_leaf(by, ("blue-operator.chat.svc",), TERMS, now, server=False)
    assert await greeting(router, client_context(by.certificate, own), name) == b"hello"
    for wrong in ("blue-gateway-0.blue-gateway.chat.svc", "a.b.blue-router.chat.svc"):
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeting(router, gateway.client(), wrong)
    stranger = ca.make_authority("another", TERMS, now)
    other, _ = ca.make_leaf(stranger, ("blue-operator.chat.svc",), TERMS, now, server=False)
    assert await greeting(router, client_context(by.certificate, other), name) == b""


async def test_grpc_takes_the_wildcard_of_a_tier(tmp_path: Path) -> None:
    by = ca.make_authority("a test", TERMS, _soon())
    router, gateway = pod(tmp_path, by, Tier.ROUTER), pod(tmp_path, by, Tier.GATEWAY)
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", router.grpc_server())
    await server.start()
    name = pod_host(plain(), Tier.ROUTER, "blue-router-11")
    options = [("grpc.ssl_target_name_override", name)]
    channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", gateway.grpc_channel(), options=options)
    async with channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
    await server.stop(0)
