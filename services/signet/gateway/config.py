"""What a gateway is told when it starts. Times are seconds; the defaults are core/limits.py."""

from dataclasses import dataclass, field
from pathlib import Path

from signet.core import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """`name` is unique among gateways. `resume_key` is 32 secret bytes that all of them share.

    `tls_certificate`, `tls_key`: PEM files of the server's certificate for clients; none: no TLS.
    `proxies`: addresses and networks whose X-Forwarded-For is believed, with commas between.
    `origins`: what a browser's Origin may be; "*" allows all. Port 0 takes any free one.
    `entry_lead`: how late the entry address knows of a drain.
    """

    name: str
    server_name: str
    resume_key: bytes = field(repr=False)
    shards: int = limits.SHARDS
    websocket_host: str = "127.0.0.1"
    websocket_port: int = 0
    grpc_host: str = "127.0.0.1"
    grpc_port: int = 0
    origins: frozenset[str] = frozenset()
    routers: tuple[str, ...] = ("",)
    send_burst: float = limits.SEND_BURST
    send_rate: float = limits.SEND_RATE
    proxies: str = ""
    address_streams_burst: float = limits.ADDRESS_STREAMS_BURST
    address_streams_rate: float = limits.ADDRESS_STREAMS_RATE
    address_streams_open: int = limits.ADDRESS_STREAMS_OPEN
    frame_burst: float = limits.FRAME_BURST
    frame_rate: float = limits.FRAME_RATE
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    accept_rate: float = limits.ACCEPT_RATE
    admit_burst: float = limits.ADMIT_BURST
    admit_rate: float = limits.ADMIT_RATE
    max_streams: int = limits.MAX_STREAMS
    max_handshakes: int = limits.MAX_HANDSHAKES
    hello_timeout: float = limits.HELLO_TIMEOUT
    progress_timeout: float = limits.PROGRESS_TIMEOUT
    heartbeat_min: float = limits.HEARTBEAT_MIN
    heartbeat_max: float = limits.HEARTBEAT_MAX
    hold_time: float = limits.HOLD_TIME
    hold_bytes: int = limits.HOLD_BYTES
    max_pending: int = limits.MAX_PENDING
    tick: float = limits.TICK
    entry_lead: float = 0.0

    def __post_init__(self) -> None:
        if len(self.resume_key) < 32:
            raise ValueError("the resume key needs 32 bytes")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("a certificate and its key go together")
