"""What SQLite and PostgreSQL must do alike: migrations, one-time things, writers in a race.

Each test has two processes' directories on one store.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from signet.adapters.directory_engine import make_engine
from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import Admission, NameTaken, NewAccount, NewDevice
from signet.ports.inbox import StoreUnavailable
from tests.support.identities import NewPerson
from tests.support.lanes import Server
from tests.support.lanes.postgres import dsn

NOW = 1_700_000_000_000


async def new_database(server: Server) -> str:
    """An empty database of one test's own."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(dsn(server))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return dsn(server).rpartition("/")[0] + f"/{name}"


@pytest.fixture
async def postgres_url(postgres_server: Server) -> str:
    return await new_database(postgres_server)


@pytest.fixture
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'directory.db'}"
    return await new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
async def pair(url: str) -> AsyncIterator[tuple[SqlDirectory, SqlDirectory]]:
    here, there = await open_directory(url), await open_directory(url)
    yield here, there
    await here.close()
    await there.close()


every_store = pytest.mark.parametrize(
    "url",
    ["sqlite", pytest.param("postgres", marks=pytest.mark.lane("postgres"))],
    indirect=True,
)


def new_account(user_name: str = "", one_time: int = 2) -> NewAccount:
    person = NewPerson()
    device = NewDevice(
        registration_id=person.registration_id,
        login_key=person.login_public,
        name="phone",
        keys=person.upload(one_time, one_time),
        created_ms=NOW,
    )
    return NewAccount(
        user=UserId(os.urandom(16)),
        identity_key=person.identity.public,
        user_name=user_name,
        findable=True,
        recovery_hash=os.urandom(32),
        device=device,
        admission=Admission(now_ms=NOW),
    )


@every_store
async def test_migrations_go_both_ways_and_many_at_once(url: str) -> None:
    directories = await asyncio.gather(*(open_directory(url) for _ in range(4)))
    account = new_account()
    await directories[0].create_account(account)
    await directories[1].migrate("base")
    await directories[2].migrate()
    assert await directories[3].account(account.user) is None
    await asyncio.gather(*(directory.close() for directory in directories))


@every_store
async def test_a_hundred_fetches_at_once_for_the_last_keys_give_each_once(
    pair: tuple[SqlDirectory, SqlDirectory],
) -> None:
    """P8, from two processes."""
    account = new_account(one_time=5)
    await pair[0].create_account(account)
    fetched = await asyncio.gather(
        *(pair[number % 2].take_bundles(account.user) for number in range(100))
    )
    bundles = [found.devices[0] for found in fetched if found is not None]
    assert len(bundles) == 100
    given = Counter(one.one_time.id for one in bundles if one.one_time is not None)
    assert given == Counter(key.id for key in account.device.keys.one_time)
    assert sum(not one.kem_is_last_resort for one in bundles) == 5


@every_store
async def test_one_of_many_who_ask_for_a_name_at_once_gets_it(
    pair: tuple[SqlDirectory, SqlDirectory],
) -> None:
    tries = [pair[number % 2].create_account(new_account("ann")) for number in range(10)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [NameTaken] * 9
    assert await pair[0].find("ann") is not None


@every_store
async def test_a_nonce_is_spent_once(pair: tuple[SqlDirectory, SqlDirectory]) -> None:
    nonce, device = os.urandom(32), DeviceId(UserId(os.urandom(16)), 1)
    await pair[0].put_nonce(nonce, device, NOW + 1_000, NOW)
    tries = [pair[number % 2].take_nonce(nonce, device, NOW) for number in range(20)]
    assert sum(await asyncio.gather(*tries)) == 1


@every_store
async def test_what_was_written_is_read_by_the_other_process(
    pair: tuple[SqlDirectory, SqlDirectory],
) -> None:
    ann, bob = new_account("ann"), new_account("bob")
    for account in (ann, bob):
        await pair[0].create_account(account)
    await pair[0].set_blocked(ann.user, bob.user, True)
    await pair[0].note_written([(ann.user, bob.user), (ann.user, UserId(bytes(16)))])
    users = await pair[1].users([ann.user, bob.user, UserId(bytes(16))])
    assert set(users) == {ann.user, bob.user}
    assert users[ann.user].blocked == {bob.user}
    assert await pair[1].peers(bob.user) == [ann.user]


@pytest.mark.lane("postgres")
async def test_a_postgres_that_died_is_unavailable_and_serves_again_with_what_it_had(
    postgres_server: Server, postgres_url: str
) -> None:
    directory, account = await open_directory(postgres_url), new_account("ann")
    await directory.create_account(account)
    postgres_server.kill()
    with pytest.raises(StoreUnavailable):
        await directory.account(account.user)
    await asyncio.to_thread(postgres_server.restart)
    assert await directory.find("ann") == account.user
    await directory.close()


@pytest.mark.lane("postgres")
async def test_a_stopped_postgres_is_unavailable_in_time(
    postgres_server: Server, postgres_url: str
) -> None:
    url = postgres_url.replace("postgresql", "postgresql+asyncpg")
    directory, account = SqlDirectory(make_engine(url, timeout_s=0.5)), new_account("ann")
    await directory.migrate()
    await directory.create_account(account)
    with postgres_server.paused(), pytest.raises(StoreUnavailable):
        async with asyncio.timeout(20):
            await directory.account(account.user)
    assert await directory.find("ann") == account.user
    await directory.close()
