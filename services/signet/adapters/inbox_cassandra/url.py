"""What a `cassandra://` URL says.

`cassandra://[USER:PASSWORD@]HOST[:PORT][,HOST…]/KEYSPACE?…`, with TLS `cassandra+ssl://…`

| parameter | means | default |
|---|---|---|
| `replication` | copies of everything (in `dc`, where that is given) | 1 |
| `consistency` | of reads and writes, as CQL names it | `QUORUM`; `LOCAL_QUORUM` with `dc` |
| `dc` | the data center that is asked, and that has the copies | any |
| `cafile` | TLS, and whom to trust (`store_urls.py`) | whom the system trusts |
| `certfile`, `keyfile` | a certificate of our own | none |

A node's certificate must hold the address at which the other nodes say that it is.

Production needs three copies and a quorum (W3); a quorum of one copy is that copy.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from signet.adapters.store_urls import Tls, split

PORT = 9042
KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
NO_FILES = Tls()
CONSISTENCIES = ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "LOCAL_ONE")


class BadUrl(ValueError):
    """The URL cannot be understood; says what of it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the cluster is, and how it is asked."""

    hosts: tuple[tuple[str, int], ...]
    keyspace: str
    user: str = ""
    password: str = ""
    replication: int = 1
    consistency: str = "QUORUM"
    dc: str = ""
    ssl: bool = False
    tls: Tls = NO_FILES

    @property
    def serial(self) -> str:
        """The consistency of conditional writes and serial reads."""
        return "LOCAL_SERIAL" if self.consistency.startswith("LOCAL_") else "SERIAL"


def parse(url: str) -> Address:
    """Raises: BadUrl."""
    try:
        plain, tls = split(url)
    except ValueError as error:
        raise BadUrl(f"cassandra: {error}") from error
    parts = urlsplit(plain)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    keyspace = parts.path.strip("/")
    if not KEYSPACE.fullmatch(keyspace):
        raise BadUrl(f"cassandra: {keyspace!r} is no keyspace (a–z, 0–9 and _)")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := query.keys() - {"replication", "consistency", "dc"}:
        raise BadUrl(f"cassandra: nothing is known of {', '.join(sorted(unknown))}")
    dc = query.get("dc", "")
    consistency = query.get("consistency", "LOCAL_QUORUM" if dc else "QUORUM").upper()
    if consistency not in CONSISTENCIES:
        raise BadUrl(f"cassandra: {consistency!r} is no consistency")
    return Address(
        hosts=tuple(_host(host) for host in hosts.split(",")),
        keyspace=keyspace,
        user=unquote(user),
        password=unquote(password),
        replication=_number(query.get("replication", "1")),
        consistency=consistency,
        dc=dc,
        ssl=parts.scheme == "cassandra+ssl" or tls != NO_FILES,
        tls=tls,
    )


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", str(PORT))
    if not host:
        raise BadUrl("cassandra: no host")
    return host.strip("[]"), int(port)


def _number(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise BadUrl(f"cassandra: {text!r} is no number of copies")
    return int(text)
