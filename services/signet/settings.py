"""Every setting of a server: one table, from the environment (SIGNET_*) or a TOML file.

The environment wins over the file, flags of the command line win over both. A value that cannot
be is refused at the start, by name and with the reason. docs/settings.md prints this table.
"""

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from signet.core import limits
from signet.telemetry.logs import Format, Level

PREFIX = "SIGNET_"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class BadSettings(ValueError):
    """Which settings cannot be, and why: one line each."""


def data_home() -> Path:
    """Where programs of this user keep data (XDG)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _port(number: int, of: str) -> Any:
    return Field(number, ge=0, le=65535, description=f"Port of {of}; 0 takes any free one.")


class Settings(BaseSettings):
    """Use `load`, which says what is wrong in a person's words."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data: Path = Field(
        default_factory=lambda: data_home() / "signet-server",
        description="Folder of the embedded stores: inboxes, accounts, media, keys of the server.",
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on. Others than this machine: `0.0.0.0`."
    )
    websocket_port: int = _port(7400, "the WebSocket (`/v1/connect`)")
    grpc_port: int = _port(7401, "gRPC: Messaging, Keys, reflection, health")
    rest_port: int = _port(7402, "REST (`/v1`, `/docs`, `/openapi.json`)")
    admin_port: int = _port(7403, "`/metrics`, `/healthz`, `/readyz`; for operators only")
    server_name: str = Field(
        "localhost",
        min_length=1,
        max_length=253,
        description="What logins and registrations are signed for. Changing it ends all logins.",
    )
    public_websocket: str = Field(
        "", description="What clients are told to open, `wss://…`; empty: where it listens."
    )
    public_grpc: str = Field(
        "", description="The same for gRPC, `host:port`; empty: where it listens."
    )
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
        limits.REGISTRATIONS_AN_HOUR,
        ge=1,
        description="From one address. Raise it for tests and demos that register more people.",
    )
    logins_a_minute: int = Field(
        limits.LOGINS_A_MINUTE,
        ge=1,
        description="From one address. Raise it for tests and demos of more people.",
    )
    proxies: str = Field(
        "",
        description="Addresses and networks of proxies, with commas between: their"
        " `X-Forwarded-For` says whose address counts. From anybody else it is not believed.",
    )
    send_burst: float = Field(
        limits.SEND_BURST, ge=1, description="Sends of one device at once, before it is slowed."
    )
    send_rate: float = Field(
        limits.SEND_RATE, gt=0, description="Sends a second that a device may go on with."
    )
    log_format: Format = Field(
        "auto", description="`console`, `json`, or `auto`: console on a terminal, else JSON."
    )
    log_level: Level = Field("info", description="`debug`, `info`, `warning` or `error`.")
    drain_s: float = Field(
        2.0,
        ge=0,
        le=600,
        description="A stop sends clients away at once; they come back within so many seconds.",
    )
    hold_s: float = Field(
        limits.HOLD_TIME,
        gt=0,
        le=60,
        description="How long a send waits for a store that does not answer, before it is refused.",
    )

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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

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
    def _ports_differ(self) -> "Settings":
        ports = (self.websocket_port, self.grpc_port, self.rest_port, self.admin_port)
        fixed = [port for port in ports if port]
        if len(set(fixed)) < len(fixed):
            raise ValueError("two services cannot share a port (websocket, grpc, rest, admin)")
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
    return f"{name} ({PREFIX}{name.upper()}): {reason}; got {problem['input']!r}"


def rows() -> list[tuple[str, str, str, str]]:
    """Name, environment variable, default, meaning: in the order of the class."""
    return [
        (name, PREFIX + name.upper(), _default(name, field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _default(name: str, field: FieldInfo) -> str:
    if name == "data":
        return "~/.local/share/signet-server"
    value = field.get_default()
    return "" if value is None else f"{value}"


def markdown() -> str:
    """The table of docs/settings.md."""
    lines = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for name, variable, default, meaning in rows():
        shown = f"`{default}`" if default else "–"
        lines.append(f"| `{name}` | `{variable}` | {shown} | {meaning} |")
    return "\n".join(lines)
