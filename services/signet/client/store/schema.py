"""The tables of a device store. A version is raised by a migration in the list, never edited."""

import sqlite3

from signet.client.errors import ClientError

MIGRATIONS = (
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE peers (
        user BLOB PRIMARY KEY,
        name TEXT NOT NULL DEFAULT '',
        identity BLOB,              -- pinned: what sends are encrypted for
        pending BLOB,               -- another one that was seen, waiting for consent
        floor INTEGER NOT NULL DEFAULT 0,   -- newest session version that was ever shown
        verified INTEGER NOT NULL DEFAULT 0,
        timer INTEGER NOT NULL DEFAULT 0,   -- seconds; 0: messages stay
        stale INTEGER NOT NULL DEFAULT 1,   -- the device set must be fetched before a send
        ordinal INTEGER NOT NULL DEFAULT 0  -- the last one given to a send
    ) STRICT;
    CREATE TABLE sessions (
        user BLOB NOT NULL, device INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (user, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pre_keys (
        kind INTEGER NOT NULL, id INTEGER NOT NULL, value BLOB NOT NULL,
        created REAL NOT NULL, replaced REAL, PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE replay_marks (mark BLOB PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE seen (
        sender BLOB NOT NULL, device INTEGER NOT NULL, id BLOB NOT NULL, until REAL NOT NULL,
        PRIMARY KEY (sender, device, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seen_until ON seen (until);
    CREATE TABLE messages (
        line INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL, peer BLOB NOT NULL, author BLOB NOT NULL,
        kind INTEGER NOT NULL, outgoing INTEGER NOT NULL, status INTEGER NOT NULL,
        clock_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
        edited INTEGER NOT NULL DEFAULT 0,
        expire_after INTEGER NOT NULL DEFAULT 0, expires_ms INTEGER NOT NULL DEFAULT 0,
        receipt_due INTEGER NOT NULL DEFAULT 0,
        body BLOB NOT NULL,         -- a serialised signet.v1.Text
        UNIQUE (id, author)
    ) STRICT;
    CREATE INDEX messages_peer ON messages (peer, line);
    CREATE INDEX messages_unread ON messages (peer, line) WHERE outgoing = 0 AND status < 3;
    CREATE INDEX messages_due ON messages (peer, line) WHERE receipt_due = 1;
    CREATE INDEX messages_expire ON messages (expires_ms) WHERE expires_ms > 0;
    CREATE TABLE reactions (
        message BLOB NOT NULL, author BLOB NOT NULL, emoji BLOB NOT NULL,
        PRIMARY KEY (message, author)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outbox (
        peer BLOB NOT NULL, ordinal INTEGER NOT NULL, id BLOB NOT NULL,
        queued_at REAL NOT NULL,
        content BLOB NOT NULL,      -- a serialised signet.v1.Content
        only_device INTEGER NOT NULL,   -- 0: all; else the others get NoMessage
        sealed BLOB,                -- a serialised signet.v1.Send; NULL: not encrypted yet
        PRIMARY KEY (peer, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sent_log (
        id BLOB NOT NULL, peer BLOB NOT NULL, content BLOB NOT NULL,
        devices BLOB NOT NULL,      -- one byte each: who was entitled to it
        at REAL NOT NULL, PRIMARY KEY (id, peer)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sent_log_at ON sent_log (at);
    CREATE TABLE tries (
        what TEXT NOT NULL, user BLOB NOT NULL, device INTEGER NOT NULL, id BLOB NOT NULL,
        count INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (what, user, device, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body BLOB NOT NULL
    ) STRICT;
    """,
    # A reaction is of a message of a conversation: two people may choose the same message id.
    """
    CREATE TABLE reactions_2 (
        peer BLOB NOT NULL, message BLOB NOT NULL, author BLOB NOT NULL, emoji BLOB NOT NULL,
        PRIMARY KEY (peer, message, author)
    ) STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO reactions_2
        SELECT m.peer, r.message, r.author, r.emoji FROM reactions r JOIN messages m
        ON m.id = r.message AND (r.author = m.peer OR r.author = m.author OR m.outgoing = 0);
    DROP TABLE reactions;
    ALTER TABLE reactions_2 RENAME TO reactions;
    """,
    # Groups. A group's conversation is one like others: its id stands where a peer's does.
    """
    CREATE TABLE groups (
        id BLOB PRIMARY KEY,
        version INTEGER NOT NULL, membership INTEGER NOT NULL, hash BLOB NOT NULL,
        link BLOB NOT NULL, profile BLOB NOT NULL,  -- as the chain has them
        at_epoch INTEGER NOT NULL DEFAULT 0,    -- the last that was taken of the group's order
        at_seq INTEGER NOT NULL DEFAULT 0,
        profile_key BLOB, link_secret BLOB, sender_key BLOB -- sealed; the key is our own
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE group_members (
        grp BLOB NOT NULL, user BLOB NOT NULL, identity BLOB NOT NULL,
        administrator INTEGER NOT NULL, since INTEGER NOT NULL, -- the version that brought them
        PRIMARY KEY (grp, user)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE group_devices (    -- as the server says
        grp BLOB NOT NULL, user BLOB NOT NULL, device INTEGER NOT NULL,
        registration INTEGER NOT NULL, PRIMARY KEY (grp, user, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sender_key_told (  -- who has our own key of a group
        grp BLOB NOT NULL, user BLOB NOT NULL, device INTEGER NOT NULL,
        registration INTEGER NOT NULL, PRIMARY KEY (grp, user, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sender_keys (      -- what we read others with
        grp BLOB NOT NULL, user BLOB NOT NULL, device INTEGER NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (grp, user, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE group_waiting (    -- items until the chain before them is here
        number INTEGER PRIMARY KEY AUTOINCREMENT, grp BLOB NOT NULL, item BLOB NOT NULL
    ) STRICT;
    CREATE TABLE group_recipients ( -- of our own messages, and how far each has them
        message BLOB NOT NULL, user BLOB NOT NULL, status INTEGER NOT NULL,
        PRIMARY KEY (message, user)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE held (             -- shown a little later: what they answer is not here yet
        id BLOB NOT NULL, author BLOB NOT NULL, answers BLOB NOT NULL, until REAL NOT NULL,
        PRIMARY KEY (id, author)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE messages ADD COLUMN at_epoch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN at_seq INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN concurrent INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sent_log ADD COLUMN membership INTEGER NOT NULL DEFAULT 0;
    """,
    # Sessions of devices that left; what is read is told to the peer (1), to our devices (2).
    """
    ALTER TABLE sessions ADD COLUMN gone REAL;
    DROP INDEX messages_due;
    CREATE INDEX messages_due ON messages (peer, line) WHERE receipt_due > 0;
    """,
    # Attachments that are not put yet; a row leaves with its message, into the outbox.
    """
    CREATE TABLE uploads (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE, peer BLOB NOT NULL, queued_at REAL NOT NULL,
        ticket BLOB NOT NULL,
        content BLOB NOT NULL       -- a serialised signet.v1.Content without the pointer
    ) STRICT;
    """,
    # What people show of themselves.
    """
    CREATE TABLE profiles (
        user BLOB PRIMARY KEY, key BLOB NOT NULL, version INTEGER NOT NULL, content BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)


def migrate(db: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step in a transaction.

    Raises:
        ClientError: it was written by a newer program.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise ClientError(f"the store has version {version}, this program knows {len(MIGRATIONS)}")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN;{script};PRAGMA user_version={number};COMMIT;")
