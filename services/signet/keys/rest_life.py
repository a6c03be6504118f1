"""The routes of REST for the life of an account (K9) and for reports of abuse."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from signet.core.errors import Code
from signet.core.limits import MAX_REPORTED_IDS, MAX_REPORTED_MESSAGES
from signet.keys import rest_convert as convert
from signet.keys import rest_models as m
from signet.keys.life import Consent, IdentityChange
from signet.keys.parts import Caller
from signet.keys.reports import Reason, Report
from signet.keys.rest_routes import CALLER, Authenticate, authenticates, refusals
from signet.keys.service import Keys

ReasonName = Literal["spam", "harassment", "threat", "illegal", "impersonation", "other"]


class DeleteAccountRequest(m.Body):
    """See `DeleteAccountRequest` in keys.proto for what `signature` covers."""

    nonce: m.Bytes32
    signature: m.Bytes64


class ChangeIdentityRequest(m.Body):
    """See `ChangeIdentityRequest` in keys.proto for what both signatures cover."""

    nonce: m.Bytes32
    identity_key: m.EcKey
    keys: m.FirstKeys
    signature: m.Bytes64
    possession: m.Bytes64


class ReportRequest(m.Body):
    """Without content; `messages` is the reporter's own count."""

    user_id: m.UserIdText
    reason: ReasonName
    messages: Annotated[int, Field(ge=0, le=MAX_REPORTED_MESSAGES), m.WHOLE] = 0
    message_ids: Annotated[
        list[m.UserIdText], Field(default_factory=list, max_length=MAX_REPORTED_IDS)
    ]


class Done(m.Body):
    """Done."""


def life_routes(keys: Keys) -> APIRouter:
    """All of them."""
    router, authenticated = APIRouter(), authenticates(keys)
    _add_life(router, keys, authenticated)
    _add_reports(router, keys, authenticated)
    return router


def _add_life(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type
    signed = (Code.NONCE_REFUSED, Code.BAD_SIGNATURE)

    @router.post("/v1/account/delete", tags=["account"], responses=refusals(*CALLER, *signed))
    async def delete_account(caller: Authenticated, body: DeleteAccountRequest) -> Done:
        """Forget the account and all that hangs on it. There is no way back."""
        await keys.life.delete(caller, Consent(m.data(body.nonce), m.data(body.signature)))
        return Done()

    @router.put(
        "/v1/account/identity",
        tags=["account"],
        responses=refusals(*CALLER, *signed, Code.KEY_ID_REUSED),
    )
    async def change_identity(caller: Authenticated, body: ChangeIdentityRequest) -> m.Token:
        """Another identity key; the account's other devices are removed."""
        change = IdentityChange(
            m.data(body.identity_key),
            convert.upload(body.keys),
            Consent(m.data(body.nonce), m.data(body.signature)),
            m.data(body.possession),
        )
        return convert.token(await keys.life.change_identity(caller, change))

    @router.get(
        "/v1/account/export",
        tags=["account"],
        response_class=Response,
        responses={
            **refusals(*CALLER, Code.RATE_LIMITED),
            200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        },
    )
    async def export_account(caller: Authenticated) -> Response:
        """All that the server holds on the caller, as one JSON document."""
        document = await keys.exports.export(caller)
        name = 'attachment; filename="signet-export.json"'
        headers = {"Cache-Control": "no-store", "Content-Disposition": name}
        return Response(document, media_type="application/json", headers=headers)


def _add_reports(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.post(
        "/v1/reports",
        tags=["abuse"],
        responses=refusals(*CALLER, Code.FORBIDDEN, Code.RATE_LIMITED),
    )
    async def report(caller: Authenticated, body: ReportRequest) -> Done:
        """Tell the operator of abuse, without showing what was written."""
        told = Report(
            m.user_of(body.user_id),
            Reason[body.reason.upper()],
            body.messages,
            [m.user_of(one) for one in body.message_ids],
        )
        await keys.reports.take(caller, told)
        return Done()
