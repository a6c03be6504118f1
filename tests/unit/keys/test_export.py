"""What an account's owner is told that the server holds."""

import base64
import json
from typing import Any

import pytest

from signet.adapters.directory_life import whose
from signet.adapters.directory_tables import metadata
from signet.core.errors import SignetError
from signet.core.ids import UserId, show
from signet.core.limits import EXPORTS_A_DAY
from signet.keys.parts import Caller
from signet.ports.holdings import Held, HeldInbox
from signet.ports.inbox import StoreUnavailable
from signet.ports.presence import Seen, Status
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, service

__all__ = ["service"]
SOMEBODY = UserId(b"s" * 16)


async def exported(service: Service, who: Caller) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await service.keys.exports.export(who))
    return found


async def test_all_tables_inboxes_and_presence_are_in_it(service: Service) -> None:
    person = NewPerson()
    who = await service.caller(await service.register(person, user_name="ann", device_name="mine"))
    await service.keys.accounts.set_blocked(who, SOMEBODY, True)
    inbox = HeldInbox(1, 3, 4096, {SOMEBODY: 2}, 1_700_000_000_000, attached=False)
    seen = Seen(who.user, Status.AWAY, 1_700_000_000_001, "gateway-0")
    service.told.holds = Held((inbox,), seen)
    found = await exported(service, who)
    assert found["directory"].keys() == {t.name for t in metadata.tables.values() if whose(t)}
    (row,) = found["directory"]["account"]
    assert (row["user_name"], base64.b64decode(row["user_id"])) == ("ann", who.user)
    assert base64.b64decode(row["identity_key"]) == person.identity.public
    assert found["directory"]["device"][0]["name"] == "mine"
    assert base64.b64decode(found["directory"]["block"][0]["blocked_id"]) == SOMEBODY
    (told,) = found["inboxes"]
    assert (told["items"], told["bytes"], told["messages_of"]) == (3, 4096, {show(SOMEBODY): 2})
    assert found["presence"] == {
        "status": "away",
        "last_seen_ms": 1_700_000_000_001,
        "gateway": "gateway-0",
    }
    assert found["elsewhere"]
    assert service.told.audit[-1] == "ACCOUNT_EXPORTED"


async def test_an_export_is_whole_or_refused(service: Service) -> None:
    who = await service.caller(await service.register(NewPerson()))
    service.told.away = StoreUnavailable("the owner")
    with pytest.raises(SignetError, match="STORE_UNAVAILABLE"):
        await exported(service, who)


async def test_so_many_exports_are_made_a_day(service: Service) -> None:
    who = await service.caller(await service.register(NewPerson()))
    for _ in range(EXPORTS_A_DAY):
        await exported(service, who)
    with pytest.raises(SignetError, match="RATE_LIMITED"):
        await exported(service, who)
