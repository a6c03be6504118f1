"""What the settings say to a gateway."""

from signet.data_folder import DataFolder
from signet.gateway.config import GatewayConfig
from signet.settings import Settings, key_of


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
        send_burst=settings.send_burst,
        send_rate=settings.send_rate,
        hold_time=settings.hold_s,
    )


def resume_key(settings: Settings, folder: DataFolder) -> bytes:
    """The setting's, or else the folder's, which the gateways of one machine share."""
    return key_of(settings.resume_key) or folder.key("resume")
