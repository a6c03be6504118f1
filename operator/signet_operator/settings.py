"""Settings of the operator itself, from the environment: SIGNET_OPERATOR_*."""

import socket

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from signet.telemetry.listening import ANY, all_of
from signet.telemetry.logs import Format, Level

PREFIX = "SIGNET_OPERATOR_"


class OperatorSettings(BaseSettings):
    """Raises pydantic.ValidationError, which names what is wrong."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    operator_class: str = Field(
        default="default", description="Only clusters of this `operatorClass` are reconciled."
    )
    namespaces: str = Field(
        default="", description="Namespaces that are watched, commas between; ''  all."
    )
    name: str = Field(default_factory=socket.gethostname, description="Of this replica.")
    namespace: str = Field(default="default", description="Of this operator: its lease and its CA.")
    lease: str = Field(
        default="signet-operator", description="Name of the Lease that makes one the leader."
    )
    lease_s: float = Field(
        default=15.0, ge=3, description="How long the lease of one that is gone stands."
    )
    ip: str = Field(
        default="", description="This pod's own address. Where it is of IPv6, `host` 0.0.0.0 is ::."
    )
    host: str = Field(default=ANY, validate_default=True, description="Address of the pages.")
    port: int = Field(default=8080, ge=0, le=65535, description="/healthz, /readyz, /metrics.")
    look_s: float = Field(
        default=15.0,
        ge=1,
        description="How often the pods of a cluster are asked, where nothing happens.",
    )
    call_s: float = Field(
        default=10.0, ge=1, description="Time-out of one call of the Kubernetes API."
    )
    concurrency: int = Field(
        default=16, ge=1, description="Clusters that are reconciled at the same time."
    )
    rollout_budget: int = Field(
        default=2,
        ge=1,
        description="Clusters that roll at once because this operator was upgraded.",
    )
    admin_url: str = Field(
        default="",
        description="Where pods' admin ports are, for tests and for meshes: a template of {ip},"
        " {pod}, {tier}, {cluster}, {namespace}. Empty: the pod's address, with TLS as the cluster"
        " has it.",
    )
    log_format: Format = "auto"
    log_level: Level = "info"

    @field_validator("host")
    @classmethod
    def _of_the_pods_family(cls, value: str, info: ValidationInfo) -> str:
        return all_of(value, info.data.get("ip", ""))

    @property
    def watched(self) -> tuple[str, ...]:
        """Namespaces, none for all."""
        return tuple(n.strip() for n in self.namespaces.split(",") if n.strip())
