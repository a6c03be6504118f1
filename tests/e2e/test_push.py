"""From a message to a phone that is woken: through all processes of a cluster, to a webhook."""

import asyncio
import json
import os
from base64 import b64encode
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from signet.adapters.push_vapid import made_or_read
from signet.cluster.cluster import Cluster
from signet.core.ids import show
from signet.core.push_hints import token_of
from signet.ports.members import Kind
from tests.support.local_cluster import LIMITS_OFF, PATIENCE, register
from tests.support.people import running
from tests.support.push_receiver import Receiver, receiving
from tests.support.push_tls import Browser, PushTls

pytestmark = pytest.mark.timeout(240)
ONE_OF_EACH = dict.fromkeys(Kind, 1)
KEY, SECRET = os.urandom(32), os.urandom(32)


async def test_in_a_cluster_a_browser_is_woken_as_it_registered(tmp_path: Path) -> None:
    """Keys writes it down, and the push process reads it there."""
    tls, browser = PushTls(tmp_path), Browser()
    public = made_or_read(tmp_path / "vapid.pem")
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving(Receiver(), tls.server()))
        settings = {
            "SIGNET_PUSH": f"web_push:?key_file={tmp_path}/vapid.pem&subject=mailto:a@b"
            f"&loopback_hosts=localhost&ca_file={tls.ca}",
            "SIGNET_PUSH_KINDS": "web_push",
            "SIGNET_VAPID_PUBLIC_KEY": public,
        }
        made = Cluster(tmp_path / "cluster", ONE_OF_EACH, settings=LIMITS_OFF | settings)
        at = await stack.enter_async_context(made)
        alice = await stack.enter_async_context(running(await register(at, tmp_path, "alice")))
        bob = await register(at, tmp_path, "bob")  # who has never come
        assert (await bob.push_state()).vapid_public_key == public
        url = receiver.url.replace("127.0.0.1", "localhost")
        await bob.register_push(browser.subscription(url))

        await alice.client.send(bob.user_id, "good night")
        async with asyncio.timeout(PATIENCE):
            await receiver.arrived.wait()
        (request,) = receiver.requests
        assert json.loads(browser.decrypted(request.body))["urgent"] is True
        await bob.close()


async def test_a_message_to_somebody_who_is_away_wakes_them_and_says_no_more(
    tmp_path: Path,
) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text(SECRET.hex())
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving(Receiver()))
        settings = {
            "SIGNET_PUSH": f"webhook:{receiver.url}&secret_file={secret_file}",
            "SIGNET_PUSH_KEY": b64encode(KEY).decode(),
        }
        made = Cluster(tmp_path / "cluster", ONE_OF_EACH, settings=LIMITS_OFF | settings)
        at = await stack.enter_async_context(made)
        alice = await stack.enter_async_context(running(await register(at, tmp_path, "alice")))
        bob = await register(at, tmp_path, "bob")  # who has never come

        await alice.client.send(bob.user_id, "good night")
        async with asyncio.timeout(PATIENCE):
            await receiver.arrived.wait()

        (request,) = receiver.requests
        assert request.is_signed(SECRET.hex().encode())
        assert request.fields["token"] == token_of(KEY, bob.user_id)
        said = request.body.decode() + repr(request.headers)
        for user in (alice.client.user_id, bob.user_id):
            assert user.hex() not in said
            assert show(user) not in said

        at_push = next(pod for pod in await at.pods() if pod.kind is Kind.PUSH)
        assert at_push.ready
        bob_is_here = await stack.enter_async_context(running(bob))
        assert await bob_is_here.reads(1) == ["good night"]
