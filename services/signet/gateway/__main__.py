"""`signet gateway`: the open streams of clients, on both transports."""

import typer

from signet.adapters.token_keys_http import TokenKeys
from signet.gateway.configured import gateway_config, public_addresses, resume_key
from signet.gateway.gateway import Gateway
from signet.gateway.link_grpc import GrpcRouters
from signet.pod.command import command_of
from signet.pod.listening import address, check_free
from signet.pod.pod import Pod, Running
from signet.ports.members import Kind


async def build(pod: Pod) -> Running:
    """See pod.Build."""
    settings = pod.settings
    for name in ("websocket_port", "grpc_port"):
        check_free(settings.host, getattr(settings, name), name)
    tls = pod.tls.client if pod.tls is not None else None
    tokens = TokenKeys(pod.members, pod.folder.path / "token-keys.json", tls)
    tokens.start()
    pod.stack.push_async_callback(tokens.stop)
    config = gateway_config(settings, pod.name, resume_key(settings, pod.folder))
    gateway = Gateway(config, GrpcRouters(pod.channels), tokens, members=pod.members)
    await gateway.start()
    ws, scheme = ("wss", "grpcs://") if settings.public_tls_cert else ("ws", "")
    websocket, grpc = gateway.websocket_address, gateway.grpc_address
    here = f"{ws}://{pod.advertised(websocket[1])}/v1/connect", pod.advertised(grpc[1])
    listens = {
        "websocket": f"{ws}://{address(websocket)}/v1/connect",
        "grpc": f"{scheme}{address(grpc)}",
    }
    return Running(
        service=gateway,
        public=public_addresses(settings, *here),
        listens=listens,
        lacks=lambda: "" if tokens.known else "the keys of tokens are not known yet",
    )


gateway = command_of(Kind.GATEWAY, build, "One gateway: it holds the open streams of clients.")

if __name__ == "__main__":
    typer.run(gateway)
