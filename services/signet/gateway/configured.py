"""What the settings say to a gateway."""

from signet.data_folder import DataFolder
from signet.gateway.config import GatewayConfig
from signet.settings import Settings, key_of

NOWHERE = "-"  # clients cannot reach single gateways


def gateway_config(settings: Settings, name: str, resume_key: bytes) -> GatewayConfig:
    """The same for `signet run` and for a gateway process."""
    origins = frozenset(one.strip() for one in settings.origins.split(",") if one.strip())
    return GatewayConfig(
        name=name,
        server_name=settings.server_name,
        resume_key=resume_key,
        shards=settings.shards,
        websocket_host=settings.host,
        websocket_port=settings.websocket_port,
        grpc_host=settings.host,
        grpc_port=settings.grpc_port,
        origins=origins,
        tls_certificate=settings.public_tls_cert,
        tls_key=settings.public_tls_key,
        proxies=settings.proxies,
        address_streams_burst=settings.address_streams_burst,
        address_streams_rate=settings.address_streams_rate,
        address_streams_open=settings.address_streams_open,
        send_burst=settings.send_burst,
        send_rate=settings.send_rate,
        hold_time=settings.hold_s,
        entry_lead=settings.entry_lead_s,
    )


def resume_key(settings: Settings, folder: DataFolder) -> bytes:
    """The setting's, or else the folder's, which the gateways of one machine share."""
    return key_of(settings.resume_key) or folder.key("resume")


def public_addresses(settings: Settings, websocket: str, grpc: str) -> str:
    """Where clients may be sent to this very gateway, as in Member.public; '' for nowhere.

    `websocket` and `grpc` are where it listens: what counts where the settings say nothing.
    """
    bare = settings.public_grpc.rpartition("://")[2]  # its scheme is that of the entrance (S7)
    found = settings.public_websocket or websocket, bare or grpc
    return " ".join(address for address in found if address != NOWHERE)
