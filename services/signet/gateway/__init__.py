"""The gateway: where devices hold their streams."""

from signet.gateway.config import GatewayConfig
from signet.gateway.gateway import Gateway

__all__ = ["Gateway", "GatewayConfig"]
