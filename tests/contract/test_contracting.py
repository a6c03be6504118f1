"""Revisions that take away what an older version uses: a version later, and never by going back."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from signet.adapters import directory_migrations, schema
from signet.adapters.directory_migrations import Migrations
from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.adapters.inbox_cassandra import schema as cassandra
from signet.adapters.schema import OldSchema, due
from tests.contract.directories import postgres_directory_url, sqlite_directory_url

__all__ = ["postgres_directory_url", "sqlite_directory_url"]

Url = Callable[[], Awaitable[str]]

FIRST = """
def upgrade() -> None:
    op.create_table("person", sa.Column("id", sa.Integer(), primary_key=True), *NAME)


def downgrade() -> None:
    op.drop_table("person")
"""
EXPANDS = """
def upgrade() -> None:
    op.add_column("person", sa.Column("full_name", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("person", "full_name")
"""
CONTRACTS = """
contracts = "1.2"


def upgrade() -> None:
    op.drop_column("person", "name")


def downgrade() -> None:
    op.add_column("person", *NAME)
"""
AFTER = """
def upgrade() -> None:
    op.create_table("group", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("group")
"""
REVISIONS = {"a": FIRST, "b": EXPANDS, "c": CONTRACTS, "d": AFTER}
SHIPPED = {"1.1.0": "a", "1.2.0": "abc", "1.2.7": "abc", "1.3.0": "abcd"}  # by version of Signet


def scripts(folder: Path, version: str) -> Migrations:
    """What a version of Signet comes with."""
    made = folder / version / "migrations"
    if not made.exists():
        (made / "versions").mkdir(parents=True)
        shutil.copy(directory_migrations.FOLDER / "env.py", made)
        before = "None"
        for name in SHIPPED[version]:
            head = (
                f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {name!r}\n"
                f"down_revision = {before}\nbranch_labels = depends_on = None\n"
                'NAME = [sa.Column("name", sa.String(), nullable=True)]\n'
            )
            (made / "versions" / f"{name}.py").write_text(head + REVISIONS[name])
            before = repr(name)
    return Migrations(made, version)


class Signets:
    """Processes of several versions on one database."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder

    async def migrate(self, version: str) -> str:
        """`signet admin migrate` of a version; the revision after it."""
        directory = await self._open(version)
        try:
            await directory.migrate()
            return await directory.revision()
        finally:
            await directory.close()

    async def starts(self, version: str) -> bool:
        """Whether a pod of a version takes the tables as they are."""
        directory = await self._open(version)
        try:
            await directory.check()
        except OldSchema:
            return False
        finally:
            await directory.close()
        return True

    async def columns(self) -> set[str]:
        """What a pod can use of `person`."""
        directory = await self._open("1.3.0")

        def look(connection: Connection) -> set[str]:
            return {column["name"] for column in inspect(connection).get_columns("person")}

        async with directory._engine.connect() as connection:
            found = await connection.run_sync(look)
        await directory.close()
        return found

    async def _open(self, version: str) -> SqlDirectory:
        scripted = scripts(self._folder, version)
        return await open_directory(self._url, migrate=False, migrations=scripted)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.lane("postgres"))])
async def signets(request: pytest.FixtureRequest, tmp_path: Path) -> Signets:
    url: Url = request.getfixturevalue(f"{request.param}_directory_url")
    return Signets(await url(), tmp_path)


async def test_a_version_adds_what_it_needs_and_leaves_what_the_one_before_uses(
    signets: Signets,
) -> None:
    await signets.migrate("1.1.0")
    assert await signets.migrate("1.2.0") == "b"
    assert await signets.columns() == {"id", "name", "full_name"}
    assert await signets.starts("1.1.0")
    assert await signets.starts("1.2.0")
    assert await signets.migrate("1.2.7") == "b"  # a patch is no next version


async def test_the_next_version_takes_it_away_before_what_it_adds_itself(signets: Signets) -> None:
    for version in ("1.1.0", "1.2.0"):
        await signets.migrate(version)
    assert not await signets.starts("1.3.0")
    assert await signets.migrate("1.3.0") == "d"
    assert await signets.columns() == {"id", "full_name"}
    assert await signets.starts("1.2.0")  # going back by one


async def test_going_back_migrates_nothing(signets: Signets) -> None:
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        await signets.migrate(version)
    assert await signets.migrate("1.2.0") == "d"
    assert await signets.migrate("1.1.0") == "d"
    assert await signets.columns() == {"id", "full_name"}


async def test_tables_that_are_made_anew_have_what_the_version_before_uses(
    signets: Signets,
) -> None:
    assert await signets.migrate("1.2.0") == "b"
    assert "name" in await signets.columns()


async def test_tables_in_which_it_was_taken_away_early_are_left_so(signets: Signets) -> None:
    """By hand, or by a later build of the same version."""
    directory = await signets._open("1.2.0")
    await directory.migrate("head")
    await directory.close()
    assert await signets.starts("1.2.0")
    assert await signets.migrate("1.2.0") == "c"


def test_a_step_that_adds_does_not_stand_behind_one_that_waits() -> None:
    steps = {"a": "", "b": "1.2", "c": ""}
    assert due(steps, "1.3.0") == ["a", "b", "c"]
    with pytest.raises(ValueError, match="put it before"):
        due(steps, "1.2.0")
    assert due({"a": "", "b": "1.1", "c": "1.2", "d": "1.2"}, "v1.2.0-rc1") == ["a", "b"]


def test_the_steps_of_this_version_are_in_such_an_order() -> None:
    assert Migrations().own
    assert (
        cassandra.VERSION
        == due(
            {step: cassandra.CONTRACTS.get(step, "") for step in cassandra.STEPS}, schema.VERSION
        )[-1]
    )
    assert set(cassandra.CONTRACTS) <= set(cassandra.STEPS)
