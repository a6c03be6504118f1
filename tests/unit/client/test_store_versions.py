"""A store that an older program wrote is brought to the newest version, with all that is in it."""

import sqlite3

from signet.client.store.schema import MIGRATIONS, migrate

ME, BOB, CAROL = b"me", b"bob", b"carol"


def test_reactions_come_into_the_conversation_of_their_message() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(f"{MIGRATIONS[0]};PRAGMA user_version=1;")
    for message, peer, author in ((b"1", BOB, ME), (b"2", BOB, BOB), (b"3", CAROL, CAROL)):
        db.execute(
            "INSERT INTO messages (id, peer, author, kind, outgoing, status, clock_ms,"
            " received_ms, body) VALUES (?, ?, ?, 1, ?, 1, 0, 0, x'')",
            (message, peer, author, author == ME),
        )
    reactions = [(b"1", BOB, b"a"), (b"1", ME, b"b"), (b"2", ME, b"c"), (b"3", CAROL, b"d")]
    db.executemany("INSERT INTO reactions VALUES (?, ?, ?)", [*reactions, (b"gone", ME, b"e")])
    migrate(db)
    peers = {b"1": BOB, b"2": BOB, b"3": CAROL}
    moved = db.execute("SELECT * FROM reactions").fetchall()
    assert sorted(moved) == sorted((peers[m], m, author, e) for m, author, e in reactions)
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
