"""A worker by its setting, with a real directory, and real servers of all kinds that fail."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signet.adapters import open as adapters
from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.adapters.events_memory import MemoryEvents
from signet.core.ids import DeviceId
from signet.ports.events import NEW_MESSAGE, Event, Topic
from signet.ports.push_registrations import Apns, Fcm, Registration
from signet.push.worker import Worker
from tests.support.directories import registered
from tests.support.h2_server import Answer, H2Server, Request, serving_h2
from tests.support.push_receiver import Receiver, receiving
from tests.support.push_tls import Browser, PushTls

PATIENCE = 60.0
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Services:
    """Those who wake devices: a browser's, Apple's and Google's."""

    web: Receiver = field(default_factory=lambda: Receiver(lambda _: CREATED))
    apple: H2Server = field(default_factory=H2Server)
    google: H2Server = field(default_factory=lambda: H2Server(google))

    @property
    def endpoint(self) -> str:
        return self.web.url.replace("127.0.0.1", "localhost")


def google(request: Request) -> Answer:
    granted = b'{"access_token":"a","expires_in":3600}'
    return Answer(200, granted if request.path == "/token" else b"{}")


@dataclass
class World:
    services: Services
    events: MemoryEvents
    directory: SqlDirectory
    worker: Worker

    async def device(self, registration: Registration) -> DeviceId:
        device = await registered(self.directory)
        await self.directory.put_push(device, registration)
        return device

    def hint(self, device: DeviceId) -> None:
        at_ms = time.time_ns() // 1_000_000
        self.events.publish(Event(Topic.PUSH, device.user, NEW_MESSAGE, at_ms, device.device, True))


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    tls, services = PushTls(folder), Services()
    (folder / "key.p8").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiving(services.web, tls.server()))
        for server in (services.apple, services.google):
            await stack.enter_async_context(serving_h2(server, tls.server()))
        account = {
            "project_id": "chat",
            "private_key_id": "1",
            "private_key": pem(rsa.generate_private_key(65537, 2048)).decode(),
            "client_email": "push@example.org",
            "token_uri": f"{services.google.url}/token",
        }
        (folder / "account.json").write_text(json.dumps(account))
        ca, apple = f"ca_file={tls.ca}", services.apple.url
        providers = adapters.open_push(
            f"web_push:?key_file={folder}/key.p8&subject=mailto:a@b&loopback_hosts=localhost&{ca}"
            f" apns:?key_file={folder}/key.p8&key_id=K&team_id=T&production={apple}&{ca}"
            f" fcm:?account_file={folder}/account.json&host={services.google.url}&{ca}"
        )
        stack.push_async_callback(providers.close)
        directory = await open_directory(f"sqlite:///{folder}/directory.db")
        stack.push_async_callback(directory.close)
        events = MemoryEvents()
        worker = Worker(events, providers, directory, time.time, os.urandom(32), chance=lambda: 0.0)
        await worker.start()
        stack.push_async_callback(worker.stop)
        yield World(services, events, directory, worker)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_each_kind_is_woken_and_one_that_never_answers_holds_up_no_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        it.services.apple.answer = lambda _: None
        for number in range(80):  # more than Apple's lane has room for
            it.hint(await it.device(Apns(f"{number:064x}", "org.example.chat")))
        await until(lambda: len(it.services.apple.requests) > 0)
        began = time.monotonic()
        browser = Browser()
        it.hint(await it.device(browser.subscription(it.services.endpoint)))
        it.hint(await it.device(Fcm("a:token")))
        await until(lambda: it.worker.status()["woken"] == 2)
        assert time.monotonic() - began < 4.0  # less than one of Apple's time-outs
        (request,) = it.services.web.requests
        assert json.loads(browser.decrypted(request.body))["type"] == "NEW_MESSAGE"
        assert it.services.google.requests[-1].fields["message"]["token"] == "a:token"


async def test_an_outage_is_waited_for_and_who_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        answers = iter([BUSY, BUSY])
        it.services.web.answer = lambda _: next(answers, CREATED)
        began = time.monotonic()
        browser = await it.device(Browser().subscription(it.services.endpoint))
        it.hint(browser)
        await until(lambda: it.worker.status()["woken"] == 1)
        assert len(it.services.web.requests) == 3
        assert time.monotonic() - began >= 2.0  # Retry-After, twice
        assert browser in await it.directory.push_of([browser])

        it.services.web.answer = lambda _: GONE
        it.hint(browser)
        async with asyncio.timeout(PATIENCE):
            while await it.directory.push_of([browser]):
                await asyncio.sleep(0.01)


async def test_a_newer_registration_stays_when_an_older_one_is_gone(tmp_path: Path) -> None:
    """Apple says of the old token that it is gone while the phone registers a new one."""
    old, new = Apns("ab" * 32, "org.example.chat"), Apns("cd" * 32, "org.example.chat")
    async with world(tmp_path) as it:
        phone = await it.device(old)
        registering = asyncio.Event()

        def answer(request: Request) -> Answer | None:
            if old.token not in request.path:
                return Answer()
            registering.set()
            return Answer(410, b'{"reason":"Unregistered"}') if len(seen()) > 1 else None

        def seen() -> list[Request]:
            return [one for one in it.services.apple.requests if old.token in one.path]

        it.services.apple.answer = answer
        it.hint(phone)
        async with asyncio.timeout(PATIENCE):
            await registering.wait()
        await it.directory.put_push(phone, new)
        await until(lambda: it.worker.status()["woken"] == 1)
        assert (await it.directory.push_of([phone]))[phone] == new
        assert new.token in it.services.apple.requests[-1].path


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]"])
async def test_a_private_address_that_is_in_the_directory_is_not_asked(
    tmp_path: Path, host: str
) -> None:
    async with world(tmp_path) as it:
        it.hint(await it.device(Browser().subscription(f"https://{host}/push")))
        providers = {"web_push": "AddressRefused", "apns": "answers", "fcm": "answers"}
        await until(lambda: it.worker.status()["providers"] == providers)
