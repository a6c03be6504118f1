"""`signet admin migrate`, and processes that meet a store which is not migrated."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from signet.adapters import directory_sql
from signet.adapters import open as adapters
from signet.adapters.schema import OldSchema
from signet.pod.migrate import migrate
from signet.pod.stores import StoreRefused
from signet.settings import load
from tests.contract.directories import postgres_directory_url
from tests.support.lanes import Server
from tests.support.signet_command import Shell

__all__ = ["postgres_directory_url"]

Url = Callable[[], Awaitable[str]]


@pytest.mark.lane("postgres")
async def test_a_process_does_not_touch_older_tables_and_names_the_command(
    postgres_directory_url: Url, tmp_path: Path
) -> None:
    url = await postgres_directory_url()
    with pytest.raises(OldSchema, match=r"are not there.*signet admin migrate"):
        await adapters.open_directory(url)
    settings = load(data=tmp_path, directory=url)
    done = {one.store: one.what for one in await migrate(settings)}
    assert done["directory"].startswith("from nothing to ")
    assert done["inbox"].startswith("embedded")
    directory = await adapters.open_directory(url)
    newest = await directory.revision()
    await directory.migrate("base")
    await directory.migrate("0001")
    await directory.close()
    with pytest.raises(OldSchema, match=f"'0001', and this version needs '{newest}'"):
        await adapters.open_directory(url)
    await migrate(settings)
    done = {one.store: one.what for one in await migrate(settings)}  # again
    assert done["directory"] == f"is at {newest}"


@pytest.mark.lane("postgres")
async def test_a_process_gets_along_with_tables_of_a_later_version(
    postgres_directory_url: Url,
) -> None:
    url = await postgres_directory_url()
    directory = await directory_sql.open_directory(url)
    async with directory._engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await directory.close()
    await (await adapters.open_directory(url)).close()


@pytest.mark.lane("kafka")
async def test_topics_are_made(kafka_server: Server, tmp_path: Path) -> None:
    url = f"kafka://{kafka_server.url}?partitions=2&replicas=1"
    for _ in range(2):
        done = {one.store: one.what for one in await migrate(load(data=tmp_path, events=url))}
        assert done["events"] == "its topics are there"


async def test_a_store_that_does_not_answer_is_named_by_its_setting(tmp_path: Path) -> None:
    settings = load(data=tmp_path, directory="postgresql://nobody@127.0.0.1:1/x")
    with pytest.raises(StoreRefused, match=r"directory \(SIGNET_DIRECTORY\): ConnectionRefused"):
        await migrate(settings)


async def test_the_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNET_DATA", str(tmp_path / "data"))
    done = await Shell(tmp_path, "").run("admin", "migrate", "--json")
    assert done.status == 0
    said = {one["store"]: one for one in json.loads(done.out)}
    assert said["directory"]["technology"] == "sqlite"
    monkeypatch.setenv("SIGNET_DIRECTORY", "postgresql://nobody@127.0.0.1:1/x")
    done = await Shell(tmp_path, "").run("admin", "migrate", "--json")
    assert (done.status, done.problem["error"]) == (4, "STORE")
    assert "SIGNET_DIRECTORY" in done.problem["detail"]
