"""A group's chain at the keys service: fetching it, and asking for the next change."""

from urllib.parse import urlencode

from signet.client.account import Keys
from signet.client.rest import b64, unb64
from signet.core.groups import Devices, GroupId
from signet.core.ids import show, user_id


class GroupDirectory:
    """What the server says; whoever asks verifies it (signet.client.groups.chain)."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def change(self, record: bytes) -> None:
        """It stands in the group's order when this returns. The same again is answered the same.

        Raises SignetError: GROUP_CHANGED (another came first), FORBIDDEN, GROUP_FULL, …;
        ServerUnreachable.
        """
        await self._keys.call("POST", "/v1/groups/changes", {"record": b64(record)})

    async def changes(self, group: GroupId, after: int, link_proof: bytes = b"") -> list[bytes]:
        """All records behind a version. Raises NotFound: no member, and no proof of the link."""
        found: list[bytes] = []
        while True:
            asked = {"after": str(after + len(found))}
            if link_proof:
                asked["link_proof"] = link_proof.hex()
            path = f"/v1/groups/{show(group)}/changes?{urlencode(asked)}"
            answer = await self._keys.call("GET", path)
            found += [unb64(record) for record in answer.get("records", [])]
            if not answer.get("more"):
                return found

    async def devices(self, group: GroupId) -> Devices:
        """The devices of all members now. Raises NotFound: no member."""
        answer = await self._keys.call("GET", f"/v1/groups/{show(group)}")
        return {
            user_id(member["user"]): {
                int(one["device_id"]): int(one["registration_id"]) for one in member["devices"]
            }
            for member in answer["members"]
        }

    async def all(self) -> list[GroupId]:
        """The groups of this account."""
        answer = await self._keys.call("GET", "/v1/groups")
        return [GroupId(user_id(group)) for group in answer.get("groups", [])]
