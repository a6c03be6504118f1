"""Ports and paths inside pods, and which tier opens which store: what the builders agree upon."""

from signet_operator.names import Tier

WEBSOCKET, GRPC, REST, ADMIN, LINK, PROBE = 7400, 7401, 7402, 7403, 7404, 7405

PORTS = {
    Tier.GATEWAY: {"websocket": WEBSOCKET, "grpc": GRPC, "admin": ADMIN, "probe": PROBE},
    Tier.ROUTER: {"link": LINK, "admin": ADMIN, "probe": PROBE},
    Tier.KEYS: {"rest": REST, "grpc": GRPC, "admin": ADMIN, "probe": PROBE},
    Tier.PUSH: {"admin": ADMIN, "probe": PROBE},
}
COMMANDS = {
    Tier.GATEWAY: "gateway",
    Tier.ROUTER: "router",
    Tier.KEYS: "keys-service",
    Tier.PUSH: "push",
}
# docs/operations/processes.md; a pod mounts the secrets of these and of no others.
STORES = {
    Tier.GATEWAY: ("members",),
    Tier.ROUTER: ("members", "inbox", "directory", "presence", "events"),
    Tier.KEYS: ("members", "directory", "limits", "events", "blobs"),
    Tier.PUSH: ("members", "events", "push"),
}
MIGRATED = ("inbox", "directory", "events")  # stores that have tables or topics

USER = 10001  # of the images
DATA = "/var/lib/signet"
SETTINGS = "/etc/signet/settings"  # signet.toml
STORE_SECRETS = "/etc/signet/stores"  # <store>/url
STORE_FILES = "/etc/signet/store-files"  # <store>/…: what a URL names as certfile and the like
STORE_CAS = "/etc/signet/store-ca"  # <store>/ca.crt
SHARED = "/etc/signet/shared"
LEAF = "/etc/signet/tls"  # tls.crt, tls.key (and cert-manager's ca.crt)
BUNDLE = "/etc/signet/bundle"  # ca.crt: the authorities that are trusted now
PUBLIC = "/etc/signet/public"  # the certificate for clients, where gateways show it
SETTINGS_FILE = "signet.toml"
