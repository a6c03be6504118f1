"""Real stores beside a cluster: on the lane's own address, which pods reach and the machine not."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.lanes import cassandra, kafka, postgres, redis, s3
from tests.support.lanes.cache import Say
from tests.support.lanes.kube.cluster import Kube
from tests.support.lanes.kube.node import GATEWAY
from tests.support.lanes.server import Server

Make = Callable[..., Server]
MAKES: Mapping[str, Make] = {
    "cassandra": cassandra.make,
    "kafka": kafka.make,
    "postgres": postgres.make,
    "redis": redis.make,
    "s3": s3.make,
}
FETCHES = (cassandra.fetch, kafka.fetch, postgres.fetch, redis.fetch, s3.fetch)


class KubeStores:
    """All five, each a `Server` by its name: what breaks servers breaks these, too."""

    def __init__(self, kube: Kube, folder: Path, say: Say) -> None:
        self.servers: dict[str, Server] = {}
        self._network, self._messengers = kube.network, list[str]()
        for name, make in MAKES.items():
            where = folder / name
            where.mkdir()
            self.servers[name] = kube.network.move(make(where, say, host=GATEWAY))

    def start(self) -> "KubeStores":
        with ThreadPoolExecutor(len(self.servers)) as threads:
            list(threads.map(Server.start, self.servers.values()))
        return self

    def kill(self) -> None:
        for server in self.servers.values():
            server.kill()

    def urls(self, name: str) -> dict[str, str]:
        """Settings of a messenger on them, as pods see them. `name` keeps two apart."""
        at = {kind: server.url for kind, server in self.servers.items()}
        if name not in self._messengers:
            self._messengers.append(name)
            self._create_database(name)
        shared = f"redis://{at['redis']}/{self._messengers.index(name)}"
        login = f"{s3.ACCESS}:{s3.SECRET}@{s3.BUCKET}"
        return {
            "inbox": f"cassandra://{at['cassandra']}/{name}",
            "directory": f"postgresql://{postgres.USER}@{at['postgres']}/{name}",
            "members": shared,
            "presence": shared,
            "limits": shared,
            "events": f"kafka://{at['kafka']}?partitions=4&replicas=1",
            "blobs": f"s3://{login}?endpoint=http://{at['s3']}&region={s3.REGION}",
        }

    def _create_database(self, name: str) -> None:
        create, server = str(postgres.fetch(print) / "createdb"), self.servers["postgres"]
        where = ("-h", server.host, "-p", str(server.port), "-U", postgres.USER)
        self._network.run(create, *where, name)
