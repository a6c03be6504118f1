"""Reports of abuse: who may make how many, and what is in them."""

import os

import pytest

from signet.adapters.events_lines import decode, encode
from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.core.limits import MAX_REPORTED_IDS, REPORTS_A_DAY, REPORTS_OF_ONE_A_DAY
from signet.keys.parts import Caller
from signet.keys.reports import Reason, Report
from signet.ports.events import Abuse, Topic
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, service

__all__ = ["service"]
SOMEBODY = UserId(b"s" * 16)


async def caller(service: Service) -> Caller:
    return await service.caller(await service.register(NewPerson()))


async def refused(service: Service, who: Caller, report: Report) -> SignetError:
    with pytest.raises(SignetError) as found:
        await service.keys.reports.take(who, report)
    return found.value


async def test_a_report_is_an_audit_event_of_whom_it_is_about(service: Service) -> None:
    who, ids = await caller(service), (b"m" * 16, b"n" * 16)
    await service.keys.reports.take(who, Report(SOMEBODY, Reason.THREAT, 7, ids))
    event = service.told.events[-1]
    assert (event.topic, event.type, event.user) == (Topic.AUDIT, "ABUSE_REPORTED", SOMEBODY)
    assert event.abuse == Abuse(who.user, "THREAT", 7, ids)
    assert decode(encode(event)) == event


async def test_an_unknown_id_is_answered_like_a_known_one(service: Service) -> None:
    """K5: the service does not even look."""
    await service.keys.reports.take(await caller(service), Report(UserId(bytes(16)), 1))


@pytest.mark.parametrize(
    "wrong",
    [
        Report(UserId(b"short"), 1),
        Report(SOMEBODY, 0),
        Report(SOMEBODY, 7),
        Report(SOMEBODY, 1, -1),
        Report(SOMEBODY, 1, 1_000_001),
        Report(SOMEBODY, 1, 0, [b"not an id, but a text"]),
        Report(SOMEBODY, 1, 0, [os.urandom(16)] * (MAX_REPORTED_IDS + 1)),
    ],
)
async def test_what_is_no_report_is_refused(service: Service, wrong: Report) -> None:
    refusal = await refused(service, await caller(service), wrong)
    assert refusal.code is Code.INVALID_ARGUMENT
    assert service.told.audit == ["ACCOUNT_REGISTERED"]


async def test_nobody_reports_themselves(service: Service) -> None:
    who = await caller(service)
    assert (await refused(service, who, Report(who.user, 1))).code is Code.FORBIDDEN


async def test_somebody_is_reported_so_often_by_one_person(service: Service) -> None:
    who = await caller(service)
    for _ in range(REPORTS_OF_ONE_A_DAY):
        await service.keys.reports.take(who, Report(SOMEBODY, 1))
    refusal = await refused(service, who, Report(SOMEBODY, 1))
    assert refusal.code is Code.RATE_LIMITED
    assert 0 < refusal.retry_after_s <= 24 * 3600
    await service.keys.reports.take(await caller(service), Report(SOMEBODY, 1))


async def test_one_person_makes_so_many_reports_a_day(service: Service) -> None:
    who = await caller(service)
    for _ in range(REPORTS_A_DAY):
        await service.keys.reports.take(who, Report(UserId(os.urandom(16)), 1))
    refusal = await refused(service, who, Report(UserId(os.urandom(16)), 1))
    assert refusal.code is Code.RATE_LIMITED
