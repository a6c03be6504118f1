"""What the application hears of a change."""

from signet.client.events import Event, GroupAction, GroupChanged
from signet.core.ids import UserId
from signet.core.membership import (
    Add,
    Change,
    Create,
    Join,
    Leave,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
)


def events_of(change: Change) -> list[Event]:
    """One event; `users` are those whom it is about besides its author."""
    action, users = _said(change)
    group = UserId(change.group)
    return [GroupChanged(peer=group, author=change.actor, action=action, users=users)]


def _said(change: Change) -> tuple[GroupAction, tuple[UserId, ...]]:  # noqa: PLR0911 - a table
    match change.what:
        case Create(members):
            return GroupAction.CREATED, tuple(user for user, _ in members)
        case Add(members):
            return GroupAction.ADDED, tuple(user for user, _ in members)
        case Remove(users):
            return GroupAction.REMOVED, users
        case Leave(successor):
            return GroupAction.LEFT, (successor,) if successor else ()
        case Join():
            return GroupAction.JOINED, ()
        case SetAdministrator(user, administrator):
            made = GroupAction.ADMINISTRATOR if administrator else GroupAction.NO_ADMINISTRATOR
            return made, (user,)
        case SetLink(public_key):
            return GroupAction.LINK if public_key else GroupAction.NO_LINK, ()
        case SetProfile():
            return GroupAction.PROFILE, ()
