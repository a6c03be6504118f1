"""Copies and keys of the core's state: its values are immutable, its containers are plain."""

from typing import TypeVar

from signet.core.durability.incarnation import Incarnation
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.recovery import Recovery
from signet.core.durability.shards import Shards

OURS = (Incarnation, Journal, OwnLease, Watch, Memory, Recovery, Shards)
CONTAINERS = (dict, set, list)
T = TypeVar("T")
SLOTS: dict[type, tuple[str, ...]] = {}  # of our own kinds; nothing for what never changes


def names(kind: type) -> tuple[str, ...]:
    """The attributes of one of our kinds; none: its values never change."""
    found = SLOTS.get(kind)
    if found is None:
        found = ()
        if issubclass(kind, OURS):
            bases = kind.__mro__
            found = tuple(name for base in bases for name in base.__dict__.get("__slots__", ()))
        SLOTS[kind] = found
    return found


def flat(value: dict[object, object]) -> bool:
    """Whether its items never change: they are all of one kind."""
    kind = type(next(iter(value.values()), None))
    return kind not in CONTAINERS and not names(kind)


def clone(value: T) -> T:
    kind = type(value)
    if kind is dict:
        if flat(value):  # type: ignore[arg-type]
            return dict(value)  # type: ignore[call-overload,no-any-return]
        return {key: clone(item) for key, item in value.items()}  # type: ignore[attr-defined,return-value]
    if kind is set or kind is list:
        return kind(value)  # type: ignore[call-arg]
    slots = SLOTS.get(kind)
    if slots is None:
        slots = names(kind)
    if not slots:
        return value
    new = object.__new__(kind)
    for name in slots:
        item = getattr(value, name)
        setattr(new, name, clone(item) if type(item) not in PLAIN else item)
    return new


def key(value: object) -> object:
    kind = type(value)
    if kind is dict:
        if not value:
            return None
        if flat(value):  # type: ignore[arg-type]
            return frozenset(value.items())  # type: ignore[attr-defined]
        return frozenset((name, key(item)) for name, item in value.items())  # type: ignore[attr-defined]
    if kind is set:
        return frozenset(value)  # type: ignore[call-overload]
    if kind is list:
        return tuple(value)  # type: ignore[arg-type]
    slots = SLOTS.get(kind)
    if slots is None:
        slots = names(kind)
    if not slots:
        return value
    found = []
    for name in slots:
        item = getattr(value, name)
        found.append(key(item) if type(item) not in PLAIN else item)
    return tuple(found)


PLAIN = {int, float, bool, bytes, str, type(None), tuple}
