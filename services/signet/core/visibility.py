"""Who may see whose presence (protos/protocol.md, Presence P2)."""

from signet.core.ids import UserId

EVERYONE, CONTACTS, NOBODY = 1, 2, 3


def may_see(
    *,
    audience: int,
    viewer_audience: int,
    blocked: frozenset[UserId],
    viewer: UserId,
    written_to_viewer: bool,
) -> bool:
    """Whether `viewer` sees a user with this audience and block list.

    Reciprocal: who hides their own presence sees nobody's.
    """
    if viewer in blocked or viewer_audience == NOBODY:
        return False
    return audience == EVERYONE or (audience == CONTACTS and written_to_viewer)
