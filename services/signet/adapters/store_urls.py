"""What a store's URL says besides the address: TLS and logins, in the same words for all stores.

`?cafile=PATH` names the PEM file of the authority that has signed the store's certificate (without
it: those that the system trusts), `&certfile=PATH&keyfile=PATH` a certificate of our own where the
store asks for one. Whether there is TLS at all is said by the scheme (`rediss:`, `kafka+ssl:`,
`zookeeper+ssl:`, an https endpoint of S3) or, for PostgreSQL, by `cafile` or `?ssl=verify-full`.
The store's name is always verified.
"""

import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

FILES = ("cafile", "certfile", "keyfile")


class Tls(NamedTuple):
    """Paths of PEM files, '' for none."""

    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""

    def context(self) -> ssl.SSLContext:
        """Verifies certificate and name. Raises OSError, ssl.SSLError (an OSError)."""
        made = ssl.create_default_context(cafile=self.cafile or None)
        if self.certfile:
            made.load_cert_chain(self.certfile, self.keyfile or None)
        return made


def split(url: str) -> tuple[str, Tls]:
    """The URL without what it says of files, and these.

    Raises:
        ValueError: a file is not there.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    named = {name: value for name, value in query if name in FILES}
    for name, path in named.items():
        if not Path(path).is_file():
            raise ValueError(f"{name}={path}: there is no such file")
    if not named:
        return url, Tls()
    rest = [(name, value) for name, value in query if name not in FILES]
    return _with_query(parts, rest), Tls(**named)


def _with_query(parts: SplitResult, query: list[tuple[str, str]]) -> str:
    scheme, slashes = parts.scheme, "//" if parts.netloc or parts.path.startswith("/") else ""
    asked = "?" + urlencode(query) if query else ""
    return f"{scheme}:{slashes}{parts.netloc}{parts.path}{asked}"


def redis(url: str) -> str:
    """As redis-py has it. Raises ValueError."""
    plain, tls = split(url)
    names = {"cafile": "ssl_ca_certs", "certfile": "ssl_certfile", "keyfile": "ssl_keyfile"}
    given = [(names[name], value) for name, value in tls._asdict().items() if value]
    if not given:
        return plain
    if not plain.startswith("rediss:"):
        raise ValueError("cafile, certfile and keyfile are for rediss:")
    parts = urlsplit(plain)
    return _with_query(parts, [*parse_qsl(parts.query), *given])


class Kafka(NamedTuple):
    """Where it is, and librdkafka's settings."""

    bootstrap: str
    settings: dict[str, Any]
    partitions: int
    replicas: int


def kafka(url: str) -> Kafka:
    """`kafka://HOST:PORT,…`; `kafka+ssl://USER:PASSWORD@…` logs in by SCRAM-SHA-512.

    `?mechanism=PLAIN` logs in otherwise; `partitions` and `replicas` are for topics that are made.

    Raises:
        ValueError.
    """
    plain, tls = split(url)
    parts = urlsplit(plain)
    query = dict(parse_qsl(parts.query))
    login, _, bootstrap = parts.netloc.rpartition("@")
    over_tls = parts.scheme == "kafka+ssl"
    settings: dict[str, Any] = {}
    if over_tls or login:
        channel = "ssl" if over_tls else "plaintext"
        settings["security.protocol"] = f"sasl_{channel}" if login else channel
    if login:
        user, _, password = login.partition(":")
        settings["sasl.mechanism"] = query.pop("mechanism", "SCRAM-SHA-512")
        settings["sasl.username"], settings["sasl.password"] = unquote(user), unquote(password)
    names = {
        "cafile": "ssl.ca.location",
        "certfile": "ssl.certificate.location",
        "keyfile": "ssl.key.location",
    }
    given = {names[name]: value for name, value in tls._asdict().items() if value}
    if given and not over_tls:
        raise ValueError("cafile, certfile and keyfile are for kafka+ssl:")
    partitions, replicas = int(query.pop("partitions", 12)), int(query.pop("replicas", 3))
    if query:
        raise ValueError(f"kafka has no {', '.join(query)}")
    return Kafka(bootstrap, settings | given, partitions, replicas)


def zookeeper(url: str) -> tuple[str, dict[str, Any]]:
    """The hosts, and kazoo's settings. Raises ValueError."""
    plain, tls = split(url)
    parts = urlsplit(plain)
    if parts.scheme != "zookeeper+ssl":
        if any(tls):
            raise ValueError("cafile, certfile and keyfile are for zookeeper+ssl:")
        return parts.netloc, {}
    files = {"ca": tls.cafile, "certfile": tls.certfile, "keyfile": tls.keyfile}
    given = {name: value for name, value in files.items() if value}
    return parts.netloc, {"use_ssl": True, "verify_certs": True, "check_hostname": True, **given}
