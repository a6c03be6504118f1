"""A new identity key for an account, and all that the directory holds on it.

A part of directory.py, which says what may be relied upon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from signet.core.ids import DeviceId, UserId
from signet.ports.pre_keys import KeyUpload

if TYPE_CHECKING:
    from signet.ports.directory import Account

Value = str | int | bytes | None
Rows = Mapping[str, Sequence[Mapping[str, Value]]]
"""Of each table the rows that are somebody's, by the names of the columns."""


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """`generation` is that of the account that was looked at; one of another is not changed."""

    generation: int
    identity_key: bytes
    keys: KeyUpload = field(repr=False)  # of the device that stays, signed by the new key


class IdentityAndRows(Protocol):
    """See the module's text."""

    async def change_identity(
        self, at: DeviceId, new: NewIdentity
    ) -> tuple["Account", Sequence[int]]:
        """Give the account another identity key; `at` stays, with its inbox and login key.

        Its pre-keys are replaced by those of the upload. Generation and version rise. Returns the
        account and the ids of the devices that were dropped; it is `untold` from then on.

        Raises:
            NoSuchAccount: no such device, or the account's generation is another. KeyIdReused.
                Nothing was changed.
        """
        ...

    async def rows_of(self, user: UserId) -> Rows:
        """All rows of all tables that are about a user, in one read; none for an unknown one.

        Not told: what would help to guess a secret (it reads "withheld: …"), and who blocks them.
        """
        ...
