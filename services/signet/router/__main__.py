"""`signet router`: one owner of shards, with its links and what other owners ask it."""

import typer
from grpc import aio

from signet.adapters.owners_grpc import OwnerChannels
from signet.adapters.users_directory import DirectoryUsers
from signet.pod.command import command_of
from signet.pod.listening import address
from signet.pod.pod import Pod, Running
from signet.ports.members import Kind
from signet.router.configured import recipients
from signet.router.link_server import OPTIONS, LinkServer
from signet.router.peer_server import PeerServer
from signet.router.router import Router

LAST_WORDS = 0.25  # seconds for answers that are on their way when the router ends


async def build(pod: Pod) -> Running:
    """See pod.Build."""
    settings, stores = pod.settings, pod.stores
    peers = OwnerChannels(pod.members, settings.shards, pod.channels)
    pod.stack.push_async_callback(peers.close)
    directory = await stores.directory()
    router = Router(
        stores.inbox(),
        DirectoryUsers(directory),
        stores.presence(),
        stores.events(),
        name=pod.name,
        members=pod.members,
        peers=peers,
        groups=directory,
        shards=settings.shards,
        lost=pod.lost,
        incarnation=pod.incarnation,
        recipients=recipients(settings),
    )
    server = aio.server(options=[*OPTIONS, ("grpc.so_reuseport", 0)])
    LinkServer(router).add_to(server)
    PeerServer(router).add_to(server)
    port = pod.bind(server, "link_port")
    await server.start()
    pod.stack.push_async_callback(server.stop, LAST_WORDS)
    await router.start()
    listens = {"link": address((settings.host, port))}
    return Running(service=router, address=pod.advertised(port), listens=listens)


router = command_of(Kind.ROUTER, build, "One router: it owns the inboxes of its shards.")

if __name__ == "__main__":
    typer.run(router)
