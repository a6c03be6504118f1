"""Whether an object in the API is as it is wanted: pure, and without asking.

`differs` looks only at what is wanted: others may add fields. Quantities that
the API writes in another form are the same; of other forms a dry run decides (objects.py).
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from signet_operator.desired.meta import content_hash

SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{
        letter: Decimal(1000) ** power
        for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), 1)
    },
    **{
        f"{letter}i": Decimal(1024) ** power
        for power, letter in enumerate(("K", "M", "G", "T", "P", "E"), 1)
    },
}
WRITTEN = ("name", "namespace", "labels", "annotations", "ownerReferences")


def differs(wanted: Any, live: Any, where: str = "") -> str:
    """The first place where `live` is not as `wanted`, '' for none."""
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return "" if not wanted and live is None else where or "."
        found = (differs(value, live.get(key), f"{where}.{key}") for key, value in wanted.items())
        return next(filter(None, found), "")
    if isinstance(wanted, list | tuple):
        if not isinstance(live, list | tuple):
            return "" if not wanted and live is None else where
        if len(wanted) != len(live):
            return where
        pairs = enumerate(zip(wanted, live, strict=True))
        return next(filter(None, (differs(w, has, f"{where}[{n}]") for n, (w, has) in pairs)), "")
    return "" if _same(wanted, live) else where


def _same(wanted: Any, live: Any) -> bool:
    if wanted == live:
        return type(wanted) is type(live) or not isinstance(wanted, bool)
    if live is None:
        return wanted in ("", False)  # what is empty is not stored
    return (
        isinstance(wanted, str) and isinstance(live, str) and _quantity(wanted) == _quantity(live)
    )


def _quantity(text: str) -> Decimal | str:
    """A quantity as a number; itself where it is none."""
    for end in (text[-2:], text[-1:]):
        if end in SUFFIXES and text[: -len(end)]:
            number, factor = text[: -len(end)], SUFFIXES[end]
            break
    else:
        number, factor = text, Decimal(1)
    try:
        return Decimal(number) * factor
    except InvalidOperation:
        return text


def overlaid(wanted: Any, live: Any) -> Any:
    """`live` with everything as it is `wanted`; items of lists of another length are ours alone."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {**live, **{key: overlaid(value, live.get(key)) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [overlaid(one, has) for one, has in zip(wanted, live, strict=True)]
    return wanted


def fingerprint(obj: Mapping[str, Any]) -> str:
    """Of all that is not status, nor bookkeeping of the API."""
    rest = {key: value for key, value in obj.items() if key not in {"metadata", "status"}}
    meta = {key: value for key, value in obj["metadata"].items() if key in WRITTEN}
    return content_hash({**rest, "metadata": meta})
