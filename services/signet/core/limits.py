"""Every number that bounds something, and what raising or lowering it does.

Sizes are bytes, times are seconds. docs/limits.md prints this file.
"""

KIB = 1024
MIB = 1024 * KIB

# --- What a client may send -------------------------------------------------------------------

# A device's ciphertext in one Send. Raise: longer texts inline, fuller inboxes. Lower: more media.
MAX_CONTENT = 32 * KIB
# A frame. Raise: more memory a stream while one is read. Lower: fewer devices in one Send.
MAX_FRAME = 512 * KIB
# The Hello frame alone, before anybody is known. Raise: strangers may cost more.
MAX_HELLO = 8 * KIB
# Parts of one WebSocket message. Raise: a stranger's message of one-byte parts costs more.
MAX_FRAGMENTS = 64
# Sends of one conversation that may wait for their answer. Raise: more to send again after a cut.
MAX_UNANSWERED = 64
# People whose presence one stream watches.
MAX_WATCHED = 500
# Characters of a client's name and version in Hello.
MAX_AGENT = 64

# Token bucket of sends, a device: burst and refill a second. Lower: chattier people are refused.
SEND_BURST = 60
SEND_RATE = 1.0  # refill of SEND_BURST
# Devices' worth of SEND_BURST and SEND_RATE for a whole account. Raise: who has many devices sends
# more from all together. Lower: sync copies to one's own devices use up what people send.
ACCOUNT_PARTS = 3
# One sender to one recipient, in devices' worth. Raise: one person is written to by another faster.
PAIR_PARTS = 2
# Messages that strangers, all together, get accepted by one person: at once, and a second after
# that. Raise: somebody on whom many are set hears more of them. Lower: who is popular is harder to
# reach for the first time.
STRANGERS_BURST = 500
STRANGERS_RATE = 0.2  # of STRANGERS_BURST
# Frames of any other kind, a stream.
FRAME_BURST = 200
FRAME_RATE = 20.0  # refill of FRAME_BURST

# --- Delivery ---------------------------------------------------------------------------------

# Items and bytes in flight to a device. Raise: fewer stalls on long links, more memory a reader.
WINDOW_ITEMS = 256
WINDOW_BYTES = 512 * KIB  # with WINDOW_ITEMS, whichever is reached first
# An inbox. Raise: longer absences without a refusal. Lower: less disk an absent device.
INBOX_ITEMS = 10_000
INBOX_BYTES = 64 * MIB  # with INBOX_ITEMS, whichever is reached first
# Sends that a stranger gets accepted before the recipient has ever written to them.
STRANGER_UNANSWERED = 10
# Items that nobody fetched are dropped after this. Raise: more disk for those who left.
ITEM_TTL = 30 * 24 * 3600
# Items that one sweep drops, and the pause between sweeps that find little.
SWEEP_ITEMS = 1_000
SWEEP_PERIOD = 60.0
# An SDK reports FAILED after this; it is added to ITEM_TTL for how long ids are kept (O2).
RETRY_LIMIT = 7 * 24 * 3600
# How often in a row a conversation goes again at once from its base; from then on with a back-off.
# Raise: an owner that takes nothing is asked more often. Lower: after a take-over sends wait.
AGAIN_AT_ONCE = 3
# Conversations whose next ordinal an owner remembers. Lower: more OUT_OF_ORDER after a pause.
REMEMBERED_CONVERSATIONS = 100_000
# Answers below a conversation's base that are kept, to tell an id that is used twice (O1).
REMEMBERED_BELOW_BASE = 4
# What a device has not acknowledged for so long is pushed again, then after twice as long, up to
# REDELIVER_AT_MOST: a frame was lost on the way. Lower: slow devices get things twice.
REDELIVER = 10.0
REDELIVER_AT_MOST = 320.0
# Acknowledged messages gathered into one Delivered item. Raise: fewer items, larger ones.
RECEIPT_BATCH = 100
# How long the gathering may take. Raise: fewer items; the second tick comes later.
RECEIPT_DELAY = 0.05
# Items and bytes that one append to the store gathers. Raise: fewer fsyncs, longer ones.
APPEND_ITEMS = 2_000
APPEND_BYTES = 4 * MIB  # with APPEND_ITEMS
# Items and bytes of one read of the store. Raise: fewer reads, more memory a reader.
READ_ITEMS = 256
READ_BYTES = 1 * MIB  # with READ_ITEMS

# --- Groups -------------------------------------------------------------------------------------

# Members. Raise: each message makes so many copies, and each change so many sender keys.
MAX_GROUP = 100
MAX_GROUP_PROFILE = 16 * KIB  # name and picture, encrypted
# Groups of a user. Lower: who is added to many cannot join others.
MAX_GROUPS = 1_000
# Entries and bytes of one group's log that wait for some of its members; then its sends are
# refused. Raise: a shard that is away for long refuses less; more memory. All groups of a router:
# GROUPS_WAITING_BYTES.
GROUP_WAITING = 2_000
GROUP_WAITING_BYTES = 8 * MIB  # with GROUP_WAITING
GROUPS_WAITING_BYTES = 64 * MIB  # with GROUP_WAITING
GROUP_RETRY_AFTER = 5.0  # what clients are told then
# Copies that one call to the owner of a members' shard brings. Raise: fewer, longer calls.
GROUP_COPIES = 64
SHARED_COPIES = 1_000  # of a call for members that are in memory in the same router
# How long an owner of members' shards takes for such a call; of what is not durable then, it says
# so. Raise: a shard that is slow delays the answer for others of the same call.
GROUP_PATIENCE = 1.0
# Groups in an owner's memory. Lower: more reads of the directory.
REMEMBERED_GROUPS = 20_000
# How long an answer waits for a message that it answers and that is on its way once more. Raise:
# answers come later where a key was lost. Lower: they stand before what they answer.
HOLD_ANSWERS = 3.0
# Sender keys that a client puts into one GroupSend: about 2.2 KiB each with a first message's keys.
# Raise: over MAX_FRAME. Lower: more sends before the first message of a large group.
GROUP_KEYS = 180
# Changes of a group in one answer of keys, and bytes of one: a hundred members, or a profile.
GROUP_CHANGES_PAGE = 16
MAX_GROUP_RECORD = 24 * KIB  # with GROUP_CHANGES_PAGE
GROUP_CHANGES_AN_HOUR = 300  # that one account makes, of all its groups

# --- Streams ----------------------------------------------------------------------------------

# A stream that says nothing. Lower: slow networks cannot log in. Raise: strangers hold sockets.
HELLO_TIMEOUT = 10.0
# Data is pending and the reader takes none of it: closed as SLOW_READER.
PROGRESS_TIMEOUT = 30.0
# Pending bytes to one reader above which it is closed at once, whatever its progress.
MAX_PENDING = 2 * MIB
# Granted where nothing is asked for. Raise: fewer wake-ups of phones; presence is later.
HEARTBEAT = 30
HEARTBEAT_MIN = 15  # what a client may get at the least
HEARTBEAT_MAX = 540  # and at the most: below the ten minutes after which networks forget
# Heartbeats that may be missed before a stream is closed and its user is offline (P8).
HEARTBEATS_MISSED = 2
# How often a gateway looks at its timers. Lower: sharper time-outs, more wake-ups.
TICK = 0.25
# How long a stream that was closed may take to read its Close. Lower: slow networks see a cut.
LINGER = 2.0
# How long a resume token spares a login.
RESUME_TTL = 24 * 3600
# Streams in one gateway process, and how many may be in their handshake at once.
MAX_STREAMS = 50_000
MAX_HANDSHAKES = 2_000  # beyond it: OVERLOADED
# New streams a second that a gateway admits, and the burst. One costs half a millisecond of CPU,
# with TLS a whole one. Raise: storms are over sooner, and hit what is open and the owners harder.
ADMIT_RATE = 1_000.0
ADMIT_BURST = 2_000  # with ADMIT_RATE
# Streams of one address that a gateway takes: new ones at once, and a second after that, and how
# many are open. Behind one address may be a whole office, or a telephone company. Raise: one host
# may take more of what is there for all.
ADDRESS_STREAMS_BURST = 500
ADDRESS_STREAMS_RATE = 20.0  # of ADDRESS_STREAMS_BURST
ADDRESS_STREAMS_OPEN = 5_000
ADDRESS_FULL_RETRY_AFTER = 60.0  # with ADDRESS_STREAMS_OPEN
# Connections a second that a gateway takes off the kernel's queue, at once, and how long that queue
# is. Above ADMIT_RATE, so that who is not admitted is told when to come. Raise: storms are answered
# sooner, and delay what is open. TLS: a handshake is half a millisecond of CPU. A longer queue than
# the kernel's own bound (net.core.somaxconn, usually as many) is cut; of a shorter one it drops
# packets, whose senders come again seconds later, or are reset without a word.
ACCEPT_RATE = 3_000.0
ACCEPT_BURST = 64  # with ACCEPT_RATE
BACKLOG = 4_096  # of ACCEPT_RATE
# With TLS, handshakes of those who are only told when to come. Raise: strangers cost more of them.
# Lower: while all MAX_HANDSHAKES are slow, who comes waits longer to be told.
MAX_TELLING = 256

# After so many new streams, when for some seconds few came, Python's collector puts all that is
# there aside. Raise: full collections are longer. Lower: what is in a cycle then is never freed.
FREEZE_AFTER = 1_000
FREEZE_QUIET = 2.0  # of FREEZE_AFTER

# --- Moving between gateways --------------------------------------------------------------------

# Of what a gateway admits, what it says that it takes from others. Raise: faster drains; those who
# come by themselves wait longer.
ACCEPT_PART = 0.5
DRAIN_PART = 0.8  # of what survivors take, what a drain uses. Raise: no room for what comes between
# Streams a second that a drain asks at the least, where there would be time for slower. Raise: few
# streams are moved sooner, in a burst.
DRAIN_RATE = 50.0
PACE_STEP = 0.05  # between two looks of a drain. Raise: moves come in larger bursts
# Streams a second that a gateway asks to go where they belong by the ring. Raise: a gateway that
# joins has its share sooner, and everybody notices more of it.
REBALANCE_RATE = 50.0
REBALANCE_PART = 0.5  # of what a target takes; all others share it
# The ring must have been the same for so long. Lower: a pod that comes and goes moves people twice.
MOVE_QUIET = 5.0
REBALANCE_LOOK = 2_000  # streams that are compared with the ring in one tick. Raise: longer ticks

# Redirects that a client follows in MOVE_PERIOD before it stays at the entry address.
MAX_MOVES = 3
MOVE_PERIOD = 300.0  # of MAX_MOVES

# Back-off of clients, full jitter: min(cap, base * 2^n) * random. Reset after this much calm.
BACKOFF_BASE = 0.5
BACKOFF_CAP = 60.0  # the longest wait
BACKOFF_CALM = 60.0  # an open stream for so long starts n again
# The longest wait of sends that were refused for now: streams are open, and a try is one frame.
# Raise: after a long outage messages stay longer. Lower: more tries that a store has to refuse.
SEND_BACKOFF_CAP = 8.0
# Between two tries that somebody asks for while the back-off runs (a send, `reconnect`). Raise: who
# writes while a server restarts waits. Lower: those who write hit a server that is coming back.
BACKOFF_HURRY = 2.0

# --- Holding (P7, H1) -------------------------------------------------------------------------

# Longer than a take-over needs (lease 4 s + drift + recovery). Raise: slower refusals.
HOLD_TIME = 10.0
# A gateway. Each shard has its share: HOLD_BYTES / HOLD_SHARE at most, so one cannot starve all.
HOLD_BYTES = 8 * MIB
HOLD_SHARE = 8  # see HOLD_BYTES
# Bytes that a router has accepted and not yet written; beyond it sends and new streams are refused.
# Raise: more memory while the store is slow.
MAX_UNWRITTEN = 64 * MIB
NOTE_BYTES = 512  # of MAX_UNWRITTEN: what an acknowledgement or a connection takes in memory, about
# What clients are told when an inbox is full, and strangers who wrote too much.
INBOX_FULL_RETRY_AFTER = 60.0
STRANGER_RETRY_AFTER = 3600.0
# One batch of a link between pods, and what may wait for a gateway that does not read. Raise: more
# memory in a router. Lower: slow gateways attach their devices again.
LINK_BATCH_BYTES = 16 * MIB
LINK_PENDING = 64 * MIB
# What clients are told when the store does not answer.
STORE_RETRY_AFTER = 5.0
# The same for what was held for HOLD_TIME, a send or a Hello: it has waited enough.
HELD_RETRY_AFTER = 0.5
STORE_RETRY = 0.2  # pause between reads that a router tries again

# --- Shards and leases (durability.md L1, L2) --------------------------------------------------

# Fixed for the life of a cluster. More: finer balance, more lease rows.
SHARDS = 1024
# Points of a gateway on the ring. More: evener, slower to build.
VIRTUAL_NODES = 160
BOUNDED_LOAD = 0.25  # epsilon: no router holds more than (1 + epsilon) of the average
# How long a dead router's shards wait (L1, L2). Lower: pauses of a process cost its life.
LEASE = 4.0
LEASE_RENEW = 1.0  # how often it is renewed
LEASE_MARGIN = 0.5  # an owner stops so long before its lease ends
LEASE_DRIFT = 0.5  # a taker waits so much longer than the lease

# A shard that has had no living owner for so long is taken by whoever sees it, wherever it is
# placed. Lower: routers that see different lists take for each other. Raise: such shards wait.
SHARD_ORPHANED = 3.0
# Shards are handed over when the routers' list has been quiet, and they here, for so long. Lower: a
# pod that comes and goes moves shards twice, and they go back to one that just gave them away.
REBALANCE_QUIET = 4.0
HANDOVER_RATE = 100.0  # shards a second. Raise: more sends are held at once while they move.
HANDOVER_AT_ONCE = 16  # of HANDOVER_RATE: shards that are stopped at the same time
# Shards that a router takes between two looks at who is there. Raise: one that joins meanwhile has
# to be given more of them; the renewal of the lease waits behind so many conditional writes.
TAKE_AT_ONCE = 64
# How long a handover waits for what is under way; then the shard is kept, and tried again.
HANDOVER_FLUSH = 2.0
# How often a router looks at the rows of shards and leases (L2, L4).
SHARDS_LOOK = 1.0
# How often owners are asked again for what they have not taken (receipts, changes of users).
PEER_RETRY = 0.2
PEER_TIMEOUT = 5.0  # one call. Lower: a slow store of a peer costs a call more.

# A send or a Hello that waited so long for a shard whose owner is not known asks where the shard is
# placed. Lower: more frames during a take-over.
OWNER_ASKED = 1.0
# A router says each second what it holds; its link is given up when it has not for so long (L7).
HOLDING_MISSED = 3.5

# --- Keys -------------------------------------------------------------------------------------

# As libsignal's clients have them.
MAX_DEVICE_ID = 127
MAX_REGISTRATION_ID = 0x3FFF  # 14 bits
MAX_DEVICES = 6  # a person: what a sender encrypts for
MAX_PRE_KEYS = 100  # an upload, each kind
LOW_PRE_KEYS = 10  # below it the device is told to refill
# Fetches of full bundles an hour for a caller and target; then only signed and last-resort keys.
FULL_BUNDLES_AN_HOUR = 5
NONCE_TTL = 60.0  # of a login
TOKEN_TTL = 3600  # Raise: a stolen token is good for longer. Lower: more logins.
MAX_TOKEN = 4096  # characters of a token; ours have about 350
TOKEN_LEEWAY = 60  # between clocks, for tokens of an identity provider
# A signing key of tokens signs for so long, and is published for a token's life longer.
SIGNING_KEY_TTL = 7 * 24 * 3600
# An address: tests and demos of more people, all from one, raise both by their settings. Raise:
# one host may make more accounts.
REGISTRATIONS_AN_HOUR = 60
LOGINS_A_MINUTE = 30  # with REGISTRATIONS_AN_HOUR
LOOKUPS_AN_HOUR = 60  # a caller
# Requests of an account, with a token, and of an address, with or without. An address may be that
# of many people. Raise: one of either may keep the service and its database busier.
REQUESTS_A_MINUTE = 600
ADDRESS_REQUESTS_A_MINUTE = 6_000  # with REQUESTS_A_MINUTE
# Reports of abuse that one account makes, and those that it makes of the same person. Raise: who
# means harm fills the operator's trail with more of them.
REPORTS_A_DAY = 20
REPORTS_OF_ONE_A_DAY = 3  # with REPORTS_A_DAY
EXPORTS_A_DAY = 10  # of an account. Raise: each reads all rows of it, and its inboxes
MAX_REPORTED_IDS = 20  # message ids that a report names
MAX_REPORTED_MESSAGES = 1_000_000  # what a reporter may count
MAX_BODY = 512 * KIB  # of a REST request
MAX_USER_NAME = 32  # characters
MIN_USER_NAME = 3  # characters
MAX_BLOCKED = 1_000  # people whom one user blocks
MAX_DEVICE_NAME = 64  # characters
MAX_KEY_ID = 0xFFFF_FFFF  # of pre-keys, as keys.proto has them
# Take-overs that an address may try. Lower: who mistypes the recovery key waits.
RECOVERIES_AN_HOUR = 10
# Tries of a registration lock's PIN in LOCK_PERIOD. Raise: a short PIN is guessed sooner.
LOCK_TRIES = 10
LOCK_PERIOD = 24 * 3600  # of LOCK_TRIES
MIN_PIN = 4  # characters of a registration lock's PIN
MAX_PIN = 64  # with MIN_PIN
# A mailbox in which a new device is linked. Raise: an address that somebody saw is good for longer.
# Lower: who looks for their other phone begins anew.
LINK_TTL = 300
MAX_LINK_ANSWER = 510  # bytes of what a new device says of itself there; thirds: whole in base64
MAX_LINK_SEALED = 4_095  # bytes of what is handed over to it
LINKS_AN_HOUR = 60  # mailboxes that one address opens, and offers that one account makes
# Other calls of linking from an address; a device that waits looks once in LINK_POLL.
LINK_CALLS_A_MINUTE = 600
LINK_POLL = 0.5
MAX_PROFILE = 63 * KIB  # bytes of a sealed profile: a name and a small picture
PROFILES_AN_HOUR = 600  # that one account looks at, and times that it changes its own
# A device that did not log in for so many days is removed, but for an account's latest. Raise:
# lost phones are encrypted for longer. Lower: a tablet in a drawer is linked anew.
IDLE_DEVICE_DAYS = 60
# How often idle devices are looked for, and how many are removed in one transaction.
IDLE_ROUND = 3600.0
IDLE_BATCH = 100  # with IDLE_ROUND
INVITATION_TTL = 7 * 24 * 3600  # where nothing else is said
# A token, proof or code that comes with a registration, in characters.
MAX_PROOF = 8 * KIB
# Keys of an identity provider are kept for so long, and asked for again at most so often for a
# key that is not among them. Raise: a key that it took back is believed for longer.
JWKS_TTL = 300.0
JWKS_RETRY = 10.0  # see JWKS_TTL
# How often what routers were not told yet (of removed devices, of take-overs) is told again.
TELL_AGAIN = 5.0
# How long keys waits until an owner that it tells has made it durable. Raise: answers to removals
# come later while the store is away.
TELL_TIMEOUT = 5.0
# Cost of a guess of a recovery key or PIN from a stolen database: memory is 128 * 8 * N bytes.
SCRYPT_N = 2**14
SCRYPT_AT_ONCE = 2  # hashes computed at the same time. Raise: more memory, more CPU for strangers.
# How long an owner trusts its copy of a user's devices without asking the directory again.
USER_TTL = 60.0
# The same for an id that is nobody's. Raise: who registers just now waits longer to be reachable.
UNKNOWN_USER_TTL = 1.0
# Users in an owner's memory. Lower: more reads of the directory.
REMEMBERED_USERS = 200_000
# How soon the directory is told that somebody went offline, all of that time together; and how
# often of the same user. Raise: fewer writes; a crash, with Redis emptied, loses more of it.
LAST_SEEN_DELAY = 1.0
LAST_SEEN_PERIOD = 60.0  # see LAST_SEEN_DELAY
# Users that one read of the directory brings.
LOAD_USERS = 500
# Inboxes whose last items are read at the same time, of the users of one load. Raise: more memory.
NEWEST_AT_ONCE = 16  # with READ_BYTES, each

# --- The SDK ------------------------------------------------------------------------------------

# How long sent messages are kept for those who ask again. Raise: later repairs; more at rest.
SENT_LOG_TTL = 24 * 3600
SENT_LOG_MESSAGES = 2_000  # with SENT_LOG_TTL, whichever is reached first
# How often one message is asked for again, and sent again to one device.
MAX_RETRIES = 3
# READ is gathered for so long, and in receipts of so many. Raise: fewer sends; later ticks.
READ_RECEIPT_DELAY = 0.2
READ_RECEIPT_IDS = 200  # of READ_RECEIPT_DELAY
# Bits of proof of work that a client gives for an account: 2^26 tries are a minute or two. Raise:
# a server can keep a client busy for longer. Lower: a server under attack cannot ask for enough.
MAX_WORK_BITS = 26
# The latest clock that a peer may claim: the beginning of the year 9999, which calendars print. A
# later clock is taken as this one. Raise: numbers that SQLite or a calendar cannot hold.
MAX_CLOCK_MS = 253_370_764_800_000
# Bytes of a reaction: the longest sequences of emoji have about 40. Raise: text hides in them.
MAX_EMOJI = 64
# A call that is refused for being one too many is made again by itself, after as long as the answer
# says, where that is no longer than this; so often. Raise: calls take longer before they fail.
RATE_PATIENCE = 10.0
RATE_RETRIES = 3  # with RATE_PATIENCE
# A call to the keys service that is not answered. Lower: slow networks fail. Raise: later retries.
REST_TIMEOUT = 20.0
# How long before its end a token is renewed. Raise: more logins. Lower: refusals by slow clocks.
TOKEN_MARGIN = 120.0

# --- Stores that pods share ---------------------------------------------------------------------

# Records of presence that a router writes together. Raise: a call holds up its loop for longer.
PRESENCE_AT_ONCE = 500
# A member's record in Redis. Raise: a dead pod stays on the list. Lower: slow pods fall off it.
MEMBER_TTL = 6.0
MEMBER_REFRESH = 2.0  # how often it is written again; below a third of MEMBER_TTL
MEMBER_POLL = 1.0  # how often the list is looked at; the answer is one number while nothing changed
# How long a sudden loss of members must last before it is believed (L6). Raise: clients are sent
# to dead gateways for longer. Lower: a store that lost its records moves users.
MEMBERS_SETTLE = 15.0
# The same four in SQLite, for processes of one machine: no network, and a file does not lose its
# records; only a machine that stood still makes all of them late. Lower: busy processes fall off.
LOCAL_MEMBER_TTL = 4.0
LOCAL_MEMBER_REFRESH = 1.0
LOCAL_MEMBER_POLL = 0.25  # of LOCAL_MEMBER_TTL; one look is some ten microseconds in a thread
LOCAL_MEMBERS_SETTLE = 3.0  # of LOCAL_MEMBER_TTL; longer than LOCAL_MEMBER_REFRESH
# A session of ZooKeeper: a dead pod stays on the list for so long.
ZOOKEEPER_SESSION = 6.0
# One call of Redis or ZooKeeper. Lower: a slow store counts as away.
SHARED_STORE_TIMEOUT = 0.5
# Connections of a pod to Redis, for each use. Lower: calls wait for each other.
REDIS_CONNECTIONS = 32
SHARED_STORE_PAUSE = 1.0  # after a call that failed, Redis is not asked for so long
# Push hints that wait for Kafka. Raise: more memory, fewer dropped while it is away.
EVENT_BUFFER = 10_000
EVENT_TIMEOUT = 30.0  # a hint that Kafka does not take is dropped after this
EVENT_FLUSH = 3.0  # how long closing waits for what is on its way
# Events kept in SQLite. Hints that a group has not taken by then are dropped, counted; audit
# events are lost to it, and that is logged as an error. Raise: a larger file.
PUSH_HINTS_KEPT = 10_000
AUDIT_EVENTS_KEPT = 100_000  # with PUSH_HINTS_KEPT
# How often events of other processes are looked for in SQLite. Raise: later hints.
LOCAL_EVENT_POLL = 0.25
# What a process has taken is given to another when it died; so long that waits. Lower: a busy
# process has its events repeated by another.
LOCAL_EVENT_CLAIM = 5.0
# Audit events on disk that wait for Kafka. What comes beyond is lost, and logged as an error.
AUDIT_SPOOL_BYTES = 256 * MIB
# One request of S3, or one wait for the client of a signed URL; and one part of a larger blob.
# Raise: fewer requests, more memory an upload.
BLOB_TIMEOUT = 30.0
BLOB_PART = 8 * MIB
# A blob that is put by a URL. Raise: larger videos, a fuller disk by one who may upload.
MAX_BLOB = 100 * MIB
# How long a URL may be good; S3 refuses longer. Lower: slow uploads must ask for another.
BLOB_URL_LIFE = 7 * 24 * 3600

# --- Media ----------------------------------------------------------------------------------------

# Bytes that a ticket may be for beyond `media_bytes`: what encryption adds to a file of that size.
MEDIA_OVERHEAD = 4 * KIB
# A ticket: a cut upload goes on for so long. Raise: keys that sign tokens are kept for longer.
MEDIA_TICKET_TTL = 24 * 3600
# URLs of parts; a client asks for others with its ticket. Raise: whoever has one may use it longer.
MEDIA_URL_TTL = 3600
# A blob outlives the message that names it by 15 days. Raise: more disk. Lower: who comes back
# after a month finds the message, and no picture.
MEDIA_TTL = ITEM_TTL + 15 * 24 * 3600
# Tickets of an account. Lower: who sends an album waits.
MEDIA_AN_HOUR = 200
# Parts (BLOB_PART each, or begun) that an account may put. Raise: one fills the disk sooner.
MEDIA_PARTS_A_DAY = 1_000
# Downloads of an account. Lower: a new device of somebody with many pictures waits.
MEDIA_READS_AN_HOUR = 2_000
# How often blobs that are over are looked for. Raise: they lie for longer.
MEDIA_SWEEP_PERIOD = 3600.0
# Parts that a client puts or gets at once. Raise: fast networks are used better, slow ones worse.
MEDIA_PARTS_AT_ONCE = 3
# Tries of a download, in a row, that bring nothing: half a minute at the most. Raise: who waits
# for a file hears later that it does not come. Lower: the restart of a server ends downloads.
MEDIA_TRIES = 8
# Bytes of a thumbnail, and of a file's name and type: they travel inside the message.
MAX_THUMBNAIL = 16 * KIB
MAX_FILE_NAME = 255

# --- Push ---------------------------------------------------------------------------------------

# A device gets one background push in so long. Lower: batteries and the budgets of phones'
# makers are used up sooner. Raise: messages wait longer for devices that nothing else wakes.
PUSH_PERIOD = 20 * 60.0
# Urgent ones of a device that go at once, and how often one more may. Raise: a person can be rung
# out of bed by more strangers.
PUSH_URGENT_BURST = 10
PUSH_URGENT_EVERY = 30.0  # with PUSH_URGENT_BURST
# A hint that is older wakes nobody. Longer than PUSH_PERIOD, or what waits for its end is lost.
PUSH_TOO_OLD = 3600.0
# Who is gone is not woken for so long. Raise: who comes back under the same token is woken later.
PUSH_GONE = 24 * 3600.0
# A user who stays away with items waiting is hinted again after so long, then after twice as long,
# and so on up to REMIND_AT_MOST. Lower: more wake-ups of those who do not come. Raise: who lost a
# wake-up waits longer.
REMIND_AFTER = 3600.0
REMIND_AT_MOST = 8 * 24 * 3600.0  # with REMIND_AFTER
# Devices that a worker remembers: those woken in the last PUSH_PERIOD and those who wait, about 0.5
# KiB each. Raise: more memory. Lower: hints are dropped for lack of room; or start more workers.
PUSH_USERS = 200_000
# Wake-ups under way in a worker. Raise: the receiver gets more at once.
PUSH_AT_ONCE = 64
# The same for all providers together, and for web push how many connections. Raise: more memory.
PUSH_IN_ALL = 8 * PUSH_AT_ONCE
# Providers that have a lane of their own; each host of web push is one. Lower: hosts that fail
# hold up each other.
PUSH_LANES = 256
# Devices that wait to be looked up. Lower: hints are dropped while the directory is away.
PUSH_LOOKUPS = 10_000
PUSH_LOOKUP = 500  # devices of one read
# How long a worker believes what it read of a device. Raise: who registers waits longer for a
# first wake-up. Lower: the directory is read more.
PUSH_BELIEVED = 60.0
# One try. Raise: a receiver that hangs takes places of PUSH_AT_ONCE for longer.
PUSH_TIMEOUT = 5.0
# Registrations of a device in an hour. Raise: a client with a bug asks the directory more.
PUSH_REGISTRATIONS_AN_HOUR = 60
# What is registered. Raise: larger rows; who registers long URLs has the server send to them.
MAX_PUSH_ENDPOINT = 2048
MAX_PUSH_TOKEN = 4096  # with MAX_PUSH_ENDPOINT; FCM's have grown before
MAX_PUSH_TOPIC = 128  # with MAX_PUSH_ENDPOINT
# Bytes of a receiver's answer that are read, for the reason of a refusal.
PUSH_ANSWER = 4 * KIB
# How long a push service keeps a wake-up for a device that is off. Raise: phones that were off for
# long are woken for what they have read elsewhere.
PUSH_KEPT = 24 * 3600
# A connection to a push service that is not used so long is closed. Lower: more handshakes.
PUSH_CONNECTION_IDLE = 60.0

# --- Pods ---------------------------------------------------------------------------------------

# How long after its deadline a drain may take to say that it is over. Raise: a service that hangs
# keeps its pod for longer.
DRAIN_GRACE = 5.0
# The deadline that a second signal sets. Lower: streams are closed without being asked to move.
LEAVE_AGAIN = 5.0
# How long a process that has left may take to give everything back; then it ends all the same.
# Raise: one whose store is away ends later. Lower: hints that wait are lost oftener.
STOP_TIME = 10.0
# How long keys goes on answering after it was asked to leave. Lower: who balances loads sends some
# requests to a pod that is gone.
KEYS_LAST = 2.0
# How often a pod asks each of its stores whether it is there; how long an answer may take; and how
# soon one that does not answer is asked again. Lower: a slow store counts as away.
REACH_PERIOD = 5.0
REACH_TIMEOUT = 3.0
REACH_AGAIN = 1.0  # with REACH_PERIOD
# How often a gateway asks keys for the keys of tokens, and how soon after a token of one that it
# does not know. Raise: a new key is known later.
TOKEN_KEYS_REFRESH = 60.0
TOKEN_KEYS_RETRY = 1.0  # with TOKEN_KEYS_REFRESH

# --- The journal and rows in Cassandra (durability.md J1–J6, W2) --------------------------------

# One segment gathers up to this; a single append that is larger is one of its own. A row of
# Cassandra holds half of its commitlog_segment_size. Raise: fewer, longer writes.
SEGMENT_BYTES = 1 * MIB
SEGMENTS_IN_FLIGHT = 4  # Raise: shorter waits on slow stores. Lower: more is gathered in one.
# Segments in a partition of the journal. Raise: fewer deletions, larger partitions.
JOURNAL_PARTITION = 64
# What is not acknowledged for so long becomes rows (J5). Raise: fewer rows and deletions, more
# memory, longer recoveries. Lower: a row, and later its deletion, for what is delivered slowly.
ROW_AFTER = 3.0
# A device of which nothing was heard for so long has its acknowledged position, last number and
# connection written to the head of its inbox (J6). Raise: fewer such writes, longer recoveries.
HEAD_AFTER = 10.0
ROW_TICK = 0.5  # how often an owner looks for either
# Rows of one device that are written at once. Raise: longer writes.
ROW_BATCH_BYTES = 512 * KIB
# What an owner holds that is in the journal and not yet in rows; beyond it sends wait (J5).
JOURNAL_MEMORY = 128 * MIB
RECORD_BYTES = 100  # of JOURNAL_MEMORY: what a record costs beside its body, about
# Inboxes whose heads an owner remembers though all of them is durable. Lower: more reads of heads.
REMEMBERED_INBOXES = 100_000
# Rows outlive ITEM_TTL by this, so that a sweeper reports them (W2) before Cassandra drops them.
ROW_GRACE = 7 * 24 * 3600
# How long an append waits until it says that the store does not answer (it goes on meanwhile).
STORE_PATIENCE = 1.0
# One request to Cassandra; then its outcome is unknown. Lower: slow requests are made twice.
CASSANDRA_TIMEOUT = 2.0
CASSANDRA_AT_ONCE = 256  # requests of one router, beside segments. Raise: longer queues there.
CONDITIONAL_AT_ONCE = 16  # light-weight transactions of one router. Raise: they hinder each other.
# Between two tries of what is unknown (J2): doubled each time, up to the second.
UNKNOWN_BACKOFF = 0.02
UNKNOWN_BACKOFF_CAP = 0.5  # with UNKNOWN_BACKOFF. Raise: later answers after an outage.
