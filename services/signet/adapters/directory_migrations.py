"""The revisions of the directory's tables, and how far a version of Signet runs them.

A revision that takes away what an older version of Signet uses is marked, by `contracts = "1.4"`:
from version 1.4 on nothing uses it. Which revisions a version runs, schema.py says (T1 to T3).
Tables that are further than that, or that a later version made, are left as they are.
"""

from functools import cached_property
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from signet.adapters.schema import VERSION, OldSchema, due

FOLDER = Path(__file__).with_name("migrations")


class Migrations:
    """Of one folder of alembic's, for one version of Signet."""

    def __init__(self, folder: Path = FOLDER, version: str = VERSION) -> None:
        self._folder, self._version = folder, version

    @cached_property
    def revisions(self) -> dict[str, str]:
        """All, the oldest first, and the version from which each contracts, '' never."""
        found = list(ScriptDirectory(str(self._folder)).walk_revisions())
        return {one.revision: getattr(one.module, "contracts", "") for one in reversed(found)}

    @cached_property
    def own(self) -> list[str]:
        """Those that this version runs; it works on the last. Raises ValueError (T3)."""
        return due(self.revisions, self._version)

    @property
    def later(self) -> list[str]:
        """Those that wait for the next version: pods of the one before this may still run."""
        return list(self.revisions)[len(self.own) :]

    def check(self, found: str) -> None:
        """Raises OldSchema: these tables are older than what this version needs."""
        needed = self.own[-1]
        if not found or found in self.own[:-1]:
            raise OldSchema(found, needed)

    def run(self, connection: Connection, to: str) -> None:
        """In the transaction of the connection. `to`: '' as far as this version may; "head",
        "base", or a revision.
        """
        if not to:
            to, now = self.own[-1], current(connection)
            if now and now not in self.own:
                return
        move = command.downgrade if to == "base" else command.upgrade
        move(self.config(connection), to)

    def config(self, connection: Connection) -> Config:
        """What alembic's commands take, for this connection."""
        config = Config()
        config.set_main_option("script_location", str(self._folder))
        config.attributes["connection"] = connection
        return config


def current(connection: Connection) -> str:
    """The revision of its tables, '' for none at all."""
    return MigrationContext.configure(connection).get_current_revision() or ""
