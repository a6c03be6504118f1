"""The numbers of the end-to-end layer, each with what raising and lowering it does.

Those marked (libsignal) are what libsignal clients do; a lower number loses messages that such
a peer would still have sent.
"""

MAX_FORWARD_JUMPS = 25_000
"""Chain steps one message may skip (libsignal). Higher: a forged counter costs more CPU before
its tag fails (about 2.5 us a step). Lower: a device long away cannot follow a busy sender."""

MAX_ARCHIVED_JUMPS = 2_000
"""The same for an archived session, which is only tried. Higher: a message that fits nowhere
costs up to 40 times as much CPU. Lower: late messages of an old session are asked for again."""

MAX_KEPT_MESSAGE_KEYS = 2_000
"""Keys of skipped messages kept for each receiving chain (libsignal); the oldest go first.
Higher: larger records, more past messages readable by a thief. Lower: late messages are lost."""

MAX_RECEIVING_CHAINS = 5
"""Receiving chains kept in a session (libsignal). Higher: old chains stay readable for longer.
Lower: messages that cross more than so many changes of direction are lost."""

MAX_ARCHIVED_SESSIONS = 40
"""Replaced sessions kept for a device (libsignal). Higher: larger records and slower refusals.
Lower: messages under way during many re-installs are lost."""

MAX_SENDER_KEY_STATES = 5
"""Sender keys kept of one device in one group (libsignal). Higher: older messages stay readable
for longer. Lower: messages under way during so many rotations are asked for again."""

UNACKNOWLEDGED_DAYS = 30
"""A session nobody answered is unusable after so many days (libsignal). Higher: we send to
pre-keys whose private half is deleted. Lower: bundles are fetched again without need."""

ONE_TIME_LOW = 10
"""Below so many one-time keys at the server a client refills (libsignal). Higher: uploads come
earlier. Lower: more first messages fall back to the last-resort key."""

ONE_TIME_REFILL = 100
"""How many it uploads (libsignal; also the most a server takes at once). Higher: refused.
Lower: more uploads."""

ROTATE_DAYS = 2
"""Age at which signed and last-resort pre-keys are replaced (libsignal). Higher: a stolen key
opens more first messages. Lower: more uploads, more private keys kept."""

KEEP_REPLACED_DAYS = 30
"""How long replaced private pre-keys are kept for first messages under way (libsignal). Higher:
they can be stolen for longer. Lower: a first message that waited longer cannot be read. Replay
marks must be kept for at least as long as the key that they name."""

PADDING_STEP = 160
"""Content is padded to steps of so many bytes of ciphertext. Higher: lengths say less, short
messages cost more. Lower: the reverse. A multiple of 16, AES's block."""

ATTACHMENT_SMALLEST = 1_024
"""The lowest size class of attachments, in bytes. Higher: short files say less of their length,
and cost more. Lower: the reverse; at least 256, or classes are not whole blocks of AES."""

FINGERPRINT_ITERATIONS = 5_200
"""SHA-512 rounds of a safety number (libsignal). Any other number is another safety number."""

MAX_KEY_ID = 0xFFFFFF
"""Pre-key ids are 1 to this and wrap round. Any higher is refused by servers of this kind."""

SECONDS_A_DAY = 86_400.0
"""All `now` and `created` are in seconds."""
