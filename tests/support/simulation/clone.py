"""Copies and keys of the core's state: its values are immutable, its containers are plain."""

from typing import TypeVar

from signet.core.durability.incarnation import Incarnation
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.recovery import Recovery
from signet.core.durability.shards import Shards

OURS = (Incarnation, Journal, OwnLease, Watch, Memory, Recovery, Shards)
T = TypeVar("T")


def names(kind: type) -> tuple[str, ...]:
    found: tuple[str, ...] = SLOTS.get(kind, ())
    if not found:
        found = tuple(name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ()))
        SLOTS[kind] = found
    return found


SLOTS: dict[type, tuple[str, ...]] = {}


def clone(value: T) -> T:
    kind = type(value)
    if kind is dict:
        return {key: clone(item) for key, item in value.items()}  # type: ignore[attr-defined,return-value]
    if kind is set:
        return set(value)  # type: ignore[call-overload,no-any-return]
    if kind is list:
        return list(value)  # type: ignore[call-overload,no-any-return]
    if isinstance(value, OURS):
        new = object.__new__(kind)
        for name in names(kind):
            setattr(new, name, clone(getattr(value, name)))
        return new
    return value


def key(value: object) -> object:
    kind = type(value)
    if kind is dict:
        return frozenset((name, key(item)) for name, item in value.items())  # type: ignore[attr-defined]
    if kind is set:
        return frozenset(value)  # type: ignore[call-overload]
    if kind is list:
        return tuple(value)  # type: ignore[arg-type]
    if isinstance(value, OURS):
        return tuple(key(getattr(value, name)) for name in names(kind))
    return value
