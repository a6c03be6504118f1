"""The keys service over gRPC: signet.v1.Keys.

A refusal is a status with the protocol's code in the trailing metadata `signet-code`, and where it
says to come back, `retry-after-ms`. The token comes as metadata `authorization: Bearer …`.
"""

# ruff: noqa: N802 - calls are named as in keys.proto

from grpc import aio

from signet.core.addresses import FORWARDED, Proxies, host_of_peer
from signet.core.ids import DeviceId, UserId
from signet.keys import grpc_convert as convert
from signet.keys.devices import Renewal
from signet.keys.grpc_answers import Context, answering, token_of
from signet.keys.life import Consent
from signet.keys.parts import Caller
from signet.keys.service import Keys
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc

_NONE = Proxies()
_answers = answering("Keys")


def add_keys(server: aio.Server, keys: Keys, proxies: Proxies = _NONE) -> None:
    """Serve signet.v1.Keys there; before the server is started."""
    keys_pb2_grpc.add_KeysServicer_to_server(KeysServicer(keys, proxies), server)


class KeysServicer(keys_pb2_grpc.KeysServicer):
    """A call is named as in keys.proto, and is a line or two of the service."""

    def __init__(self, keys: Keys, proxies: Proxies = _NONE) -> None:
        self._keys, self._proxies = keys, proxies

    @_answers
    async def GetServer(self, request: pb.GetServerRequest, context: Context) -> pb.Server:
        return convert.server(self._keys)

    @_answers
    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.Registered:
        application = convert.application(request)
        registrations = self._keys.registrations
        return convert.registered(await registrations.register(application, self._address(context)))

    @_answers
    async def Recover(self, request: pb.RecoverRequest, context: Context) -> pb.Registered:
        recovery = convert.recovery(request)
        registrations = self._keys.registrations
        return convert.registered(await registrations.recover(recovery, self._address(context)))

    @_answers
    async def GetNonce(self, request: pb.GetNonceRequest, context: Context) -> pb.Nonce:
        device = DeviceId(UserId(request.user_id), request.device_id)
        return pb.Nonce(nonce=await self._keys.logins.nonce(device, self._address(context)))

    @_answers
    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.Token:
        proof = convert.proof(request)
        return convert.token(await self._keys.logins.login(proof, self._address(context)))

    @_answers
    async def UploadKeys(self, request: pb.UploadKeysRequest, context: Context) -> pb.KeyCount:
        caller = await self._caller(context)
        return convert.count(await self._keys.bundles.upload(caller, convert.upload(request)))

    @_answers
    async def GetKeys(self, request: pb.GetKeysRequest, context: Context) -> pb.UserKeys:
        caller, user = await self._caller(context), UserId(request.user_id)
        found = await self._keys.bundles.fetch(caller, user, request.device_id)
        return convert.bundles(user, found)

    @_answers
    async def CountKeys(self, request: pb.CountKeysRequest, context: Context) -> pb.KeyCount:
        caller = await self._caller(context)
        return convert.count(await self._keys.bundles.count(caller))

    @_answers
    async def CheckKeys(self, request: pb.CheckKeysRequest, context: Context) -> pb.CheckedKeys:
        caller = await self._caller(context)
        return pb.CheckedKeys(same=await self._keys.bundles.check(caller, request.digest))

    @_answers
    async def FindUser(self, request: pb.FindUserRequest, context: Context) -> pb.FoundUser:
        caller = await self._caller(context)
        found = await self._keys.accounts.find(caller, request.user_name)
        return pb.FoundUser(user_id=found)

    @_answers
    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.Account:
        caller = await self._caller(context)
        return convert.account(await self._keys.accounts.get(caller))

    @_answers
    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.Account:
        caller, wanted = await self._caller(context), convert.wanted(request)
        return convert.account(await self._keys.accounts.update(caller, wanted))

    @_answers
    async def RemoveDevice(self, request: pb.RemoveDeviceRequest, context: Context) -> pb.Account:
        caller, device = await self._caller(context), request.device_id
        return convert.account(await self._keys.accounts.remove_device(caller, device))

    @_answers
    async def SetBlocked(self, request: pb.SetBlockedRequest, context: Context) -> pb.Account:
        caller, other = await self._caller(context), UserId(request.user_id)
        accounts = self._keys.accounts
        return convert.account(await accounts.set_blocked(caller, other, request.blocked))

    @_answers
    async def DeleteAccount(
        self, request: pb.DeleteAccountRequest, context: Context
    ) -> pb.DeletedAccount:
        caller = await self._caller(context)
        await self._keys.life.delete(caller, Consent(request.nonce, request.signature))
        return pb.DeletedAccount()

    @_answers
    async def ChangeIdentity(self, request: pb.ChangeIdentityRequest, context: Context) -> pb.Token:
        caller, change = await self._caller(context), convert.identity_change(request)
        return convert.token(await self._keys.life.change_identity(caller, change))

    @_answers
    async def ExportAccount(
        self, request: pb.ExportAccountRequest, context: Context
    ) -> pb.AccountExport:
        caller = await self._caller(context)
        return pb.AccountExport(json=await self._keys.exports.export(caller))

    @_answers
    async def Report(self, request: pb.ReportRequest, context: Context) -> pb.Reported:
        caller = await self._caller(context)
        await self._keys.reports.take(caller, convert.report(request))
        return pb.Reported()

    @_answers
    async def RenameDevice(self, request: pb.RenameDeviceRequest, context: Context) -> pb.Account:
        caller, accounts = await self._caller(context), self._keys.accounts
        return convert.account(
            await accounts.rename_device(caller, request.device_id, request.name)
        )

    @_answers
    async def RenewDevice(self, request: pb.RenewDeviceRequest, context: Context) -> pb.Token:
        caller = await self._caller(context)
        renewal = Renewal(request.registration_id, convert.upload(request.keys))
        return convert.token(await self._keys.devices.renew(caller, renewal))

    @_answers
    async def SetProfile(
        self, request: pb.SetProfileRequest, context: Context
    ) -> pb.ProfileVersion:
        caller = await self._caller(context)
        return pb.ProfileVersion(version=await self._keys.profiles.set(caller, request.sealed))

    @_answers
    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> pb.Profile:
        caller, user = await self._caller(context), UserId(request.user_id)
        found = await self._keys.profiles.get(caller, user)
        return pb.Profile(version=found.version, sealed=found.sealed)

    @_answers
    async def OpenLink(self, request: pb.OpenLinkRequest, context: Context) -> pb.OpenedLink:
        opened = await self._keys.links.open(self._address(context))
        return pb.OpenedLink(address=opened.address, expires_at=opened.expires_at)

    @_answers
    async def GetLink(self, request: pb.GetLinkRequest, context: Context) -> pb.LinkState:
        found = await self._keys.links.get(request.address, self._address(context))
        return convert.link_state(found)

    @_answers
    async def AnswerLink(self, request: pb.AnswerLinkRequest, context: Context) -> pb.LinkChanged:
        links, address = self._keys.links, self._address(context)
        await links.answer(request.address, request.answer, address)
        return pb.LinkChanged()

    @_answers
    async def AddDevice(self, request: pb.AddDeviceRequest, context: Context) -> pb.Registered:
        wanted, address = convert.linked_device(request), self._address(context)
        return convert.registered(await self._keys.links.complete(request.address, wanted, address))

    @_answers
    async def CloseLink(self, request: pb.CloseLinkRequest, context: Context) -> pb.LinkChanged:
        await self._keys.links.close(request.address, self._address(context))
        return pb.LinkChanged()

    @_answers
    async def OfferLink(self, request: pb.OfferLinkRequest, context: Context) -> pb.LinkChanged:
        caller = await self._caller(context)
        await self._keys.links.offer(caller, request.address, request.offer)
        return pb.LinkChanged()

    @_answers
    async def ApproveLink(self, request: pb.ApproveLinkRequest, context: Context) -> pb.LinkChanged:
        caller = await self._caller(context)
        await self._keys.links.approve(caller, request.address, convert.approved(request))
        return pb.LinkChanged()

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.logins.authenticate(token_of(context), self._address(context))

    def _address(self, context: Context) -> str:
        """Where the call comes from, for limits by address."""
        metadata = context.invocation_metadata() or ()
        values = [value for name, value in metadata if name == FORWARDED and isinstance(value, str)]
        return self._proxies.caller(host_of_peer(context.peer()), values)
