"""The routes of REST for devices: linking a new one (K7), renaming, registering anew (K8)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, StringConstraints

from signet.core.errors import Code
from signet.core.limits import MAX_DEVICE_ID, MAX_LINK_ANSWER, MAX_LINK_SEALED
from signet.keys import rest_convert as convert
from signet.keys import rest_models as m
from signet.keys.devices import Renewal
from signet.keys.linking import Approved, LinkedDevice
from signet.keys.parts import Caller
from signet.keys.rest_routes import CALLER, Authenticate, authenticates, caller_address, refusals
from signet.keys.service import Keys

_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
_LINK = (Code.NOT_FOUND, Code.RATE_LIMITED)


def _bytes(most: int) -> StringConstraints:
    return StringConstraints(pattern=_BASE64, min_length=4, max_length=(most + 2) // 3 * 4)


AddressInPath = Annotated[
    str,
    Path(description="The link's address, in hex", pattern="^[0-9a-f]{64}$"),
]
Answer = Annotated[str, _bytes(MAX_LINK_ANSWER), Field(description="Some bytes in base64")]
Sealed = Annotated[str, _bytes(MAX_LINK_SEALED), Field(description="Some bytes in base64")]


class OpenedLink(m.Body):
    """A mailbox for a new device; `expires_at` is Unix time in seconds."""

    address: m.Bytes32
    expires_at: m.Count


class LinkState(m.Body):
    """What is in a mailbox so far; '' or 0 for what is not there yet."""

    offer: str
    answer: str
    sealed: str
    expires_at: m.Count
    device_id: Annotated[int, Field(ge=0, le=MAX_DEVICE_ID)]


class OfferLinkRequest(m.Body):
    """The old device's X25519 key."""

    offer: m.Bytes32


class AnswerLinkRequest(m.Body):
    """What the new device says of itself; the server does not read it."""

    answer: Answer


class ApproveLinkRequest(m.Body):
    """See `ApproveLinkRequest` in keys.proto for what `signature` covers."""

    login_key: m.Bytes32
    registration_id: m.RegistrationId
    signature: m.Bytes64
    sealed: Sealed


class AddDeviceRequest(m.Body):
    """The device that was approved, with its keys."""

    login_key: m.Bytes32
    registration_id: m.RegistrationId
    keys: m.FirstKeys
    device_name: m.DeviceName = ""


class RenameDeviceRequest(m.Body):
    """Nobody but the owner sees it."""

    name: m.DeviceName


class RenewDeviceRequest(m.Body):
    """Another registration id, and all keys anew."""

    registration_id: m.RegistrationId
    keys: m.FirstKeys


class LinkChanged(m.Body):
    """Done."""


def linking_routes(keys: Keys) -> APIRouter:
    """All of them."""
    router, authenticated = APIRouter(), authenticates(keys)
    _add_new_device(router, keys)
    _add_old_device(router, keys, authenticated)
    _add_devices(router, keys, authenticated)
    return router


def _add_new_device(router: APIRouter, keys: Keys) -> None:
    @router.post(
        "/v1/links", tags=["links"], status_code=201, responses=refusals(Code.RATE_LIMITED)
    )
    async def open_link(request: Request) -> OpenedLink:
        """A mailbox for five minutes, in which an old device lets a new one in."""
        opened = await keys.links.open(caller_address(request))
        return OpenedLink(address=m.text(opened.address), expires_at=opened.expires_at)

    @router.get("/v1/links/{address}", tags=["links"], responses=refusals(*_LINK))
    async def get_link(address: AddressInPath, request: Request) -> LinkState:
        """What is in it so far."""
        found = await keys.links.get(bytes.fromhex(address), caller_address(request))
        return LinkState(
            offer=m.text(found.offer),
            answer=m.text(found.answer),
            sealed=m.text(found.approval.sealed if found.approval else b""),
            expires_at=found.expires_ms // 1000,
            device_id=found.device,
        )

    @router.put(
        "/v1/links/{address}/answer", tags=["links"], responses=refusals(*_LINK, Code.FORBIDDEN)
    )
    async def answer_link(
        address: AddressInPath, body: AnswerLinkRequest, request: Request
    ) -> LinkChanged:
        """What the new device says to an offer."""
        answer = m.data(body.answer)
        await keys.links.answer(bytes.fromhex(address), answer, caller_address(request))
        return LinkChanged()

    @router.post(
        "/v1/links/{address}/device",
        tags=["links"],
        status_code=201,
        responses=refusals(
            *_LINK, Code.FORBIDDEN, Code.BAD_SIGNATURE, Code.KEY_ID_REUSED, Code.DEVICE_LIMIT
        ),
    )
    async def add_device(
        address: AddressInPath, body: AddDeviceRequest, request: Request
    ) -> m.Registered:
        """The new device registers; `recovery_key` is empty: the account keeps its own."""
        wanted = LinkedDevice(
            m.data(body.login_key),
            body.registration_id,
            convert.upload(body.keys),
            body.device_name,
        )
        done = await keys.links.complete(bytes.fromhex(address), wanted, caller_address(request))
        return convert.registered(done)

    @router.delete("/v1/links/{address}", tags=["links"], responses=refusals(Code.RATE_LIMITED))
    async def close_link(address: AddressInPath, request: Request) -> LinkChanged:
        """Nobody wants it any more. One that is not there is no error."""
        await keys.links.close(bytes.fromhex(address), caller_address(request))
        return LinkChanged()


def _add_old_device(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.put(
        "/v1/links/{address}/offer",
        tags=["links"],
        responses=refusals(*CALLER, *_LINK, Code.FORBIDDEN, Code.DEVICE_LIMIT),
    )
    async def offer_link(
        caller: Authenticated, address: AddressInPath, body: OfferLinkRequest
    ) -> LinkChanged:
        """An old device has seen the address; the mailbox is its own from then on."""
        await keys.links.offer(caller, bytes.fromhex(address), m.data(body.offer))
        return LinkChanged()

    @router.put(
        "/v1/links/{address}/approval",
        tags=["links"],
        responses=refusals(*CALLER, Code.NOT_FOUND, Code.FORBIDDEN, Code.BAD_SIGNATURE),
    )
    async def approve_link(
        caller: Authenticated, address: AddressInPath, body: ApproveLinkRequest
    ) -> LinkChanged:
        """Let the new device in, and leave for it what is handed over."""
        approved = Approved(
            m.data(body.login_key),
            body.registration_id,
            m.data(body.signature),
            m.data(body.sealed),
        )
        await keys.links.approve(caller, bytes.fromhex(address), approved)
        return LinkChanged()


def _add_devices(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.patch(
        "/v1/account/devices/{device_id}",
        tags=["account"],
        responses=refusals(*CALLER, Code.NOT_FOUND),
    )
    async def rename_device(
        caller: Authenticated,
        device_id: Annotated[int, Path(ge=1, le=MAX_DEVICE_ID)],
        body: RenameDeviceRequest,
    ) -> m.Account:
        """Call one of one's devices something else."""
        return convert.account(await keys.accounts.rename_device(caller, device_id, body.name))

    @router.post(
        "/v1/account/renew",
        tags=["account"],
        responses=refusals(*CALLER, Code.BAD_SIGNATURE, Code.KEY_ID_REUSED),
    )
    async def renew_device(caller: Authenticated, body: RenewDeviceRequest) -> m.Token:
        """The calling device lost its memory: it registers anew under its id."""
        renewal = Renewal(body.registration_id, convert.upload(body.keys))
        return convert.token(await keys.devices.renew(caller, renewal))
