"""Every metric of the servers, in one place. docs/metrics.md says how to read them.

No label holds a user, a device or an address.
"""

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400,
)  # fmt: skip

DELIVERY_SECONDS = Histogram(
    "signet_delivery_seconds",
    "From the acceptance of a message to its acknowledgement by a device",
    buckets=LATENCY_BUCKETS,
)
SENT_SECONDS = Histogram(
    "signet_sent_seconds",
    "From the arrival of a Send at its gateway to its answer SENT",
    buckets=LATENCY_BUCKETS,
)
APPEND_SECONDS = Histogram(
    "signet_store_append_seconds", "One durable write of the inbox store", buckets=LATENCY_BUCKETS
)
APPEND_ITEMS = Histogram(
    "signet_store_append_items",
    "Items that shared one durable write",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)
STREAMS = Gauge("signet_streams", "Open streams", ["transport"])
STREAMS_OPENED = Counter("signet_streams_opened_total", "Streams opened", ["transport", "resumed"])
CLOSES = Counter("signet_closes_total", "Streams closed by the server", ["code"])
REFUSALS = Counter("signet_refusals_total", "Requests refused", ["code"])
FRAMES = Counter("signet_frames_total", "Frames by direction", ["direction"])
PENDING_BYTES = Gauge(
    "signet_gateway_pending_bytes", "Bytes accepted for streams and not yet written"
)
HELD_SENDS = Gauge("signet_gateway_held_sends", "Sends held for an owner that does not answer")
HELD_BYTES = Gauge("signet_gateway_held_bytes", "Bytes of held sends")
INBOX_ITEMS = Gauge("signet_inbox_items", "Undelivered items that this router knows of")
INBOX_BYTES = Gauge("signet_inbox_bytes", "Bytes of undelivered items that this router knows of")
ITEMS_ACCEPTED = Counter("signet_items_accepted_total", "Items made durable", ["kind"])
ITEMS_ACKNOWLEDGED = Counter("signet_items_acknowledged_total", "Items acknowledged and deleted")
ITEMS_EXPIRED = Counter("signet_items_expired_total", "Items dropped by their time to live")
GROUPS_WAITING_BYTES = Gauge(
    "signet_groups_waiting_bytes", "Bytes in groups' logs that some members' shards have not taken"
)
GROUP_COPIES_DROPPED = Counter(
    "signet_group_copies_dropped_total", "Copies of groups' messages for inboxes that are full"
)
SHARDS_OWNED = Gauge("signet_shards_owned", "Shards that this router holds")
ATTACHED = Gauge("signet_attached_devices", "Devices attached to this router")
USERS_CACHED = Gauge("signet_users_cached", "Users whose devices this router has in memory")
PRE_KEYS_GIVEN = Counter("signet_pre_keys_given_total", "Pre-keys handed out", ["kind"])
REGISTRATIONS = Counter("signet_registrations_total", "Accounts registered")
MEDIA_TICKETS = Counter("signet_media_tickets_total", "Tickets for putting media")
MEDIA_COMPLETED = Counter("signet_media_completed_bytes_total", "Bytes of media put whole")
MEDIA_EXPIRED = Counter(
    "signet_media_expired_total", "Objects of media deleted since their time is over"
)
EVENTS_DROPPED = Counter("signet_events_dropped_total", "Push hints dropped for lack of room")
REQUESTS = Counter("signet_keys_requests_total", "Requests to keys", ["route", "status"])
GATEWAY_SKEW = Gauge(
    "signet_gateway_skew", "Streams of this gateway in parts of the average of all; 1 is even"
)
TURNED_AWAY = Counter(
    "signet_gateway_turned_away_total",
    "Connections for which there was no room, by whether they heard when to come",
    ["told"],
)
ACCEPT_WAITING = Gauge(
    "signet_gateway_accept_waiting", "Connections in the kernel's queue of the WebSocket port"
)
ACCEPT_DROPS = Counter(
    "signet_gateway_accept_drops_total", "Packets that the kernel dropped because it was full"
)
ACCEPT_LEFT = Counter(
    "signet_gateway_accept_left_total", "Connections whose client gave up before they were accepted"
)
DRAIN_LEFT = Gauge("signet_gateway_drain_left", "Streams that a drain has not asked to move yet")
STRAYS_ASKED = Counter(
    "signet_gateway_strays_asked_total", "Streams asked to go to their gateway by the ring"
)
RATE_LIMITED = Counter(
    "signet_rate_limited_total",
    "Requests, sends and streams refused by a limit, by which",
    ["limit"],
)
LIMITS_AWAY = Counter(
    "signet_rate_limits_away_total", "Requests allowed since the limits' store was away"
)
STORE_REACHABLE = Gauge(
    "signet_store_reachable", "1 while a store answers this process, 0 while it does not", ["store"]
)
PUSH_HINTS = Counter("signet_push_hints_total", "Push hints taken from the events")
PUSH_UNWOKEN = Counter(
    "signet_push_unwoken_total", "Push hints without a wake-up of their own", ["reason"]
)
PUSH_WAKES = Counter("signet_push_wakes_total", "Tries to wake devices", ["provider", "outcome"])
PUSH_WAITING = Gauge("signet_push_waiting", "Devices whose hints wait for their time")
PUSH_UNDER_WAY = Gauge("signet_push_under_way", "Wake-ups that a provider has not answered yet")
PUSH_REMEMBERED = Gauge("signet_push_remembered", "Devices of which a push worker keeps a record")
PUSH_SECONDS = Histogram(
    "signet_push_seconds",
    "From a message to the wake-up that the provider has taken",
    ["urgency"],
    buckets=LATENCY_BUCKETS,
)
