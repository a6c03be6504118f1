"""Every setting of a server: one table, from the environment (SIGNET_*) or a TOML file.

The environment wins over the file, flags of the command line win over both. A value that cannot
be is refused at the start, by name and with the reason; what may hold a password may stand in a
file of its own (settings_files.py). docs/settings.md prints this table.
"""

import base64
import binascii
import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from signet.core import limits as bounds
from signet.ports.push_registrations import PushKind
from signet.settings_files import PREFIX, BadSettings, TomlWithFiles, WithFiles
from signet.telemetry.listening import all_of
from signet.telemetry.logs import Format, Level

__all__ = [
    "GROUPS",
    "LOOPBACK",
    "PREFIX",
    "SECRETS",
    "STORES",
    "BadSettings",
    "Settings",
    "key_of",
    "load",
    "offered",
]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Where a group of the table begins.
GROUPS = {
    "name": "The process",
    "inbox": "Stores",
    "tls_ca": "Between pods",
    "server_name": "Clients",
    "registration": "Accounts",
    "send_burst": "Limits and times",
    "log_format": "Logs",
}
PUSH_KINDS = tuple(kind.value for kind in PushKind)
# What the URL of a store, or of push, may begin with; adapters/open.py opens them.
STORES = {
    "inbox": ("sqlite", "cassandra", "cassandra+ssl"),
    "directory": ("sqlite", "postgresql"),
    "members": ("memory", "sqlite", "redis", "rediss", "zookeeper", "zookeeper+ssl"),
    "presence": ("memory", "sqlite", "redis", "rediss"),
    "limits": ("memory", "redis", "rediss"),
    "events": ("memory", "log", "sqlite", "kafka", "kafka+ssl"),
    "blobs": ("file", "s3", "none"),
    "push": ("log", "webhook", *PUSH_KINDS),
}
# Settings that may hold a password: never shown, and read from `<name>_file` too.
SECRETS = (*STORES, "push_key", "resume_key")
KEY_BYTES = 32


def data_home() -> Path:
    """Where programs of this user keep data (XDG)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _port(number: int, of: str) -> Any:
    return Field(number, ge=0, le=65535, description=f"Port of {of}; 0 takes any free one.")


def key_of(value: str) -> bytes:
    """What a setting that is a key says. Raises binascii.Error."""
    return base64.b64decode(value, validate=True)


def offered(kinds: str) -> list[str]:
    """What the setting `push_kinds` names."""
    return [kind for kind in map(str.strip, kinds.split(",")) if kind]


def _store(of: str) -> Any:
    return Field("", repr=False, description=f"{of}; empty: embedded, in `data`.")


class Settings(BaseSettings):
    """Use `load`, which says what is wrong in a person's words."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    name: str = Field(
        "",
        max_length=253,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Of this pod, unique among its kind; empty: the host's name and the kind.",
    )
    data: Path = Field(
        default_factory=lambda: data_home() / "signet-server",
        description="Folder of the embedded stores: inboxes, accounts, media, keys of the server."
        " Pods of one machine may share it.",
    )
    ip: str = Field(
        "",
        max_length=45,
        description="This pod's own address. Where it is of IPv6, `host` `0.0.0.0` is `::`.",
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on. Others than this machine: `0.0.0.0`."
    )
    websocket_port: int = _port(7400, "the WebSocket (`/v1/connect`)")
    grpc_port: int = _port(7401, "gRPC: Messaging, Keys, reflection, health")
    rest_port: int = _port(7402, "REST (`/v1`, `/docs`, `/openapi.json`)")
    admin_port: int = _port(7403, "`/metrics`, `/healthz`, `/readyz`, `/v1/pod`; operators only")
    link_port: int = _port(7404, "a router, for gateways, routers and keys")
    probe_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="`/metrics`, `/healthz`, `/readyz` once more, never with TLS: for probes that"
        " have no certificate. 0: none.",
    )
    advertise: str = Field(
        "", max_length=253, description="Host at which other pods reach this one; empty: `host`."
    )
    inbox: str = _store("`cassandra://HOST,…/KEYSPACE`")
    directory: str = _store("`postgresql://…`")
    members: str = _store("`redis://…`, `rediss://…` or `zookeeper://HOST:PORT,…`")
    presence: str = _store("`redis://…`")
    limits: str = Field(
        "",
        repr=False,
        description="`redis://…`: rate limits of keys; empty: each process counts for itself.",
    )
    events: str = _store("`kafka://HOST:PORT,…`, `kafka+ssl://…`")
    blobs: str = _store("`s3://KEY:SECRET@BUCKET?endpoint=…`; `none:`: clients send no files")
    push: str = Field(
        "",
        repr=False,
        description="Who wakes devices, URLs with blanks between: `web_push:?…`, `apns:?…`,"
        " `fcm:?…`, `webhook:https://…?secret_file=…`, `log:` (docs/push.md). Empty: a line of the"
        " log for each hint. Of push processes, and of `signet run`.",
    )
    push_kinds: str = Field(
        "",
        description="What devices may register for push, `web_push`, `apns`, `fcm`, with commas"
        " between: what push processes serve. Empty: nothing. Of keys processes, and of"
        " `signet run`.",
    )
    vapid_public_key: str = Field(
        "",
        pattern="^([A-Za-z0-9_-]{87})?$",
        description="The public half of web push's key, as `signet admin vapid FILE` shows"
        " it: what browsers are given as `applicationServerKey`.",
    )
    push_key: str = Field(
        "",
        repr=False,
        description="At least 32 secret bytes in base64: what tokens of push hints are made with"
        " (`ports/push.py`), the same for all push processes. Empty: a file in `data`.",
    )
    shards: int = Field(
        bounds.SHARDS,
        ge=1,
        le=65536,
        description="Parts of all users that routers own; the same everywhere, fixed for the life"
        " of a cluster.",
    )
    tls_ca: Path | None = Field(
        None,
        description="PEM file of the authority whose certificates pods show each other. With"
        " `tls_cert` and `tls_key`: mutual TLS on the link port and the admin port. Files that"
        " change are read again for new connections.",
    )
    tls_cert: Path | None = Field(None, description="PEM file of this pod's certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file of its private key.")
    resume_key: str = Field(
        "",
        repr=False,
        description="At least 32 secret bytes in base64, the same for all gateways: what lets a"
        " device go on at another gateway without a login. Empty: a file in `data`.",
    )
    server_name: str = Field(
        "localhost",
        min_length=1,
        max_length=253,
        description="What logins and registrations are signed for. Changing it ends all logins.",
    )
    public_websocket: str = Field(
        "",
        description="Gateways: where clients may be sent to this very pod, `wss://…`; `-`: nowhere,"
        " they cannot reach single pods. Keys and `signet run`: the entrance that clients are told"
        " to open. Empty: where it listens.",
    )
    public_grpc: str = Field(
        "", description="The same for gRPC, `host:port`; empty: where it listens."
    )
    public_tls_cert: Path | None = Field(
        None,
        description="PEM file of a gateway's certificate chain for clients, for both transports;"
        " empty: TLS ends before it. A file that changes is read again.",
    )
    public_tls_key: Path | None = Field(None, description="PEM file of its key.")
    origins: str = Field(
        "",
        description="Origins of browsers that may open a WebSocket, with commas between; `*`: all.",
    )
    registration: Literal["open", "invitation", "identity_provider"] = Field(
        "open",
        description="Who may register: anybody, who has an invitation (`signet invite`), or who"
        " has a token of the identity provider.",
    )
    identity_provider_issuer: str = Field("", description="`iss` of its tokens.")
    identity_provider_audience: str = Field("", description="`aud` of its tokens.")
    identity_provider_jwks: str = Field("", description="URL of its key set.")
    identity_provider_algorithm: str = Field("RS256", description="The one that it signs with.")
    proof_of_work_bits: int = Field(
        0, ge=0, le=32, description="Work that a registration must show; each bit doubles it."
    )
    registrations_an_hour: int = Field(
        bounds.REGISTRATIONS_AN_HOUR,
        ge=1,
        description="From one address. Raise it for tests and demos that register more people.",
    )
    logins_a_minute: int = Field(
        bounds.LOGINS_A_MINUTE,
        ge=1,
        description="From one address. Raise it for tests and demos of more people.",
    )
    idle_device_days: int = Field(
        bounds.IDLE_DEVICE_DAYS,
        ge=1,
        description="A device that did not log in for so many days is removed from its account;"
        " the one that logged in last never.",
    )
    media_bytes: int = Field(
        bounds.MAX_BLOB,
        ge=bounds.KIB,
        le=16 * 1024 * bounds.MIB,
        description="Largest file that people may send, in bytes.",
    )
    media_an_hour: int = Field(
        bounds.MEDIA_AN_HOUR, ge=1, description="Files that one account may send in an hour."
    )
    requests_a_minute: int = Field(
        bounds.REQUESTS_A_MINUTE,
        ge=1,
        description="Requests to keys of one account, over REST and gRPC together.",
    )
    address_requests_a_minute: int = Field(
        bounds.ADDRESS_REQUESTS_A_MINUTE,
        ge=1,
        description="Requests to keys from one address, with a token or without. Those of this"
        " machine are not counted.",
    )
    proxies: str = Field(
        "",
        description="Addresses and networks of proxies, with commas between: their"
        " `X-Forwarded-For` says whose address counts. From anybody else it is not believed.",
    )
    send_burst: float = Field(
        bounds.SEND_BURST,
        ge=1,
        description="Sends of one device at once, before it is slowed; of an account three times as"
        " many, of one person to another twice as many.",
    )
    send_rate: float = Field(
        bounds.SEND_RATE, gt=0, description="Sends a second that a device may go on with."
    )
    address_streams_burst: float = Field(
        bounds.ADDRESS_STREAMS_BURST,
        ge=1,
        description="New streams of one address at once, at one gateway. Those of this machine are"
        " not counted.",
    )
    address_streams_rate: float = Field(
        bounds.ADDRESS_STREAMS_RATE, gt=0, description="The same a second, after that."
    )
    address_streams_open: int = Field(
        bounds.ADDRESS_STREAMS_OPEN,
        ge=1,
        description="Open streams of one address, at one gateway.",
    )
    drain_s: float = Field(
        2.0,
        ge=0,
        le=600,
        description="A stop sends clients away at once; they come back within so many seconds.",
    )
    leave_s: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="How long a pod that gets SIGTERM takes at most to give away what it holds.",
    )
    entry_lead_s: float = Field(
        0.0,
        ge=0,
        le=120,
        description="How long a gateway that drains waits before it asks streams back to the entry"
        " address: who stands before the gateways must have seen that this one is not ready.",
    )
    hold_s: float = Field(
        bounds.HOLD_TIME,
        gt=0,
        le=60,
        description="How long a send waits for a store that does not answer, before it is refused.",
    )
    log_format: Format = Field(
        "auto", description="`console`, `json`, or `auto`: console on a terminal, else JSON."
    )
    log_level: Level = Field("info", description="`debug`, `info`, `warning` or `error`.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file."""
        toml = TomlWithFiles(settings_cls)
        toml.secrets = SECRETS
        first = (WithFiles(settings_cls, one, SECRETS) for one in (init_settings, env_settings))
        return *first, toml

    @field_validator("host")
    @classmethod
    def _of_the_pods_family(cls, value: str, info: ValidationInfo) -> str:
        return all_of(value, info.data.get("ip", ""))

    @field_validator(*STORES)
    @classmethod
    def _known_store(cls, value: str, info: ValidationInfo) -> str:
        known = STORES[str(info.field_name)]
        for one in value.split() if info.field_name == "push" else filter(None, (value,)):
            if (scheme := one.partition(":")[0]) not in known:
                raise ValueError(f"nothing is known of {scheme!r}: {', '.join(known)}")
        return value

    @field_validator("push_kinds")
    @classmethod
    def _known_kinds(cls, value: str) -> str:
        for kind in offered(value):
            if kind not in PUSH_KINDS:
                raise ValueError(f"nothing is known of {kind!r}: {', '.join(PUSH_KINDS)}")
        return value

    @field_validator("resume_key", "push_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        try:
            key = key_of(value)
        except binascii.Error:
            raise ValueError("this is not base64") from None
        if value and len(key) < KEY_BYTES:
            raise ValueError(f"{KEY_BYTES} bytes are needed, and it has {len(key)}")
        return value

    @field_validator("proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            ip_network(one)
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _identity_provider_whole(self) -> "Settings":
        parts = (
            self.identity_provider_issuer,
            self.identity_provider_audience,
            self.identity_provider_jwks,
        )
        if any(parts) != all(parts):
            raise ValueError("identity_provider_issuer, _audience and _jwks go together")
        if self.registration == "identity_provider" and not all(parts):
            raise ValueError("registration = identity_provider needs identity_provider_issuer, …")
        return self

    @model_validator(mode="after")
    def _tls_whole(self) -> "Settings":
        for group in (("tls_ca", "tls_cert", "tls_key"), ("public_tls_cert", "public_tls_key")):
            files = {name: getattr(self, name) for name in group}
            if any(files.values()) != all(files.values()):
                raise ValueError(f"{', '.join(group)} go together")
            for name, file in files.items():
                if file is not None and not file.is_file():
                    variable = f"{PREFIX}{name.upper()}"
                    raise ValueError(f"{name} ({variable}): {file}: there is no such file")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> "Settings":
        named = ("websocket", "grpc", "rest", "admin", "link", "probe")
        ports = (getattr(self, f"{name}_port") for name in named)
        fixed = [port for port in ports if port]
        if len(set(fixed)) < len(fixed):
            raise ValueError(f"two services cannot share a port ({', '.join(named)})")
        return self


def load(file: Path | None = None, **flags: Any) -> Settings:
    """Read file, environment and flags; `None` among the flags means "not given".

    Raises:
        BadSettings: with one line for each value that cannot be.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    if file is not None and not file.is_file():
        raise BadSettings(f"settings file {file}: there is no such file")
    try:
        read = FromFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise BadSettings("\n".join(_say(problem) for problem in error.errors())) from None
    except OSError as error:
        raise BadSettings(f"settings file {file}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"settings file {file}: {error}") from None
    return read


def _say(problem: Any) -> str:
    """One line: which setting, what is wrong, what was given."""
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return f"{name}: there is no such setting (signet settings lists them)"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    given = "" if name in SECRETS else f"; got {problem['input']!r}"
    return f"{name} ({PREFIX}{name.upper()}): {reason}{given}"
