"""Push over gRPC: signet.v1.Push, the same as the routes of rest_push."""

# ruff: noqa: N802 - calls are named as in push.proto

from grpc import aio

from signet.core.errors import Code, SignetError
from signet.keys import push
from signet.keys.grpc_answers import Context, answering, token_of
from signet.keys.parts import Caller
from signet.keys.service import Keys
from signet.ports import push_registrations as port
from signet.v1 import push_pb2 as pb
from signet.v1 import push_pb2_grpc

_ENVIRONMENTS = {
    pb.APNS_ENVIRONMENT_UNSPECIFIED: port.ApnsEnvironment.PRODUCTION,
    pb.APNS_ENVIRONMENT_PRODUCTION: port.ApnsEnvironment.PRODUCTION,
    pb.APNS_ENVIRONMENT_SANDBOX: port.ApnsEnvironment.SANDBOX,
}


def add_push(server: aio.Server, keys: Keys) -> None:
    """Serve signet.v1.Push there; before the server is started."""
    push_pb2_grpc.add_PushServicer_to_server(PushServicer(keys), server)


class PushServicer(push_pb2_grpc.PushServicer):
    """A call is named as in push.proto, and is a line of the service."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @answering("Push")
    async def RegisterPush(self, request: pb.RegisterPushRequest, context: Context) -> pb.PushState:
        caller = await self._caller(context)
        return _state(await self._keys.push.register(caller, _registration(request)))

    @answering("Push")
    async def GetPush(self, request: pb.GetPushRequest, context: Context) -> pb.PushState:
        return _state(await self._keys.push.get(await self._caller(context)))

    @answering("Push")
    async def RemovePush(self, request: pb.RemovePushRequest, context: Context) -> pb.PushState:
        return _state(await self._keys.push.remove(await self._caller(context)))

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.logins.authenticate(token_of(context))


def _registration(request: pb.RegisterPushRequest) -> port.Registration:
    """Raises SignetError: INVALID_ARGUMENT."""
    match request.WhichOneof("registration"):
        case "web_push":
            it = request.web_push
            return port.WebPush(it.endpoint, it.p256dh, it.auth)
        case "apns":
            environment = _ENVIRONMENTS.get(request.apns.environment)
            if environment is None:
                raise SignetError(Code.INVALID_ARGUMENT, "environment: none of Apple's")
            return port.Apns(request.apns.token, request.apns.topic, environment)
        case "fcm":
            return port.Fcm(request.fcm.token)
    raise SignetError(Code.INVALID_ARGUMENT, "registration: none of a known kind")


def _state(state: push.PushState) -> pb.PushState:
    registered = pb.PUSH_KIND_UNSPECIFIED
    if state.registered is not None:
        registered = _kind(state.registered)
    return pb.PushState(
        registered=registered,
        offered=map(_kind, state.offered),
        vapid_public_key=state.vapid_public_key,
    )


def _kind(kind: port.PushKind) -> pb.PushKind.ValueType:
    return pb.PushKind.Value(f"PUSH_KIND_{kind.name}")
