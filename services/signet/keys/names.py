"""User names: 3–32 of a–z, 0–9, _ and ., the same in any case."""

import re

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_DEVICE_NAME, MAX_USER_NAME, MIN_USER_NAME

_NAME = re.compile(rf"[a-z0-9_.]{{{MIN_USER_NAME},{MAX_USER_NAME}}}")
_PRINTED = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")  # no control characters


def folded_name(text: str) -> str:
    """The form in which names are unique; '' for none. Raises SignetError: INVALID_ARGUMENT."""
    if not text:
        return ""
    name = text.lower()
    if not text.isascii() or not _NAME.fullmatch(name):
        raise SignetError(Code.INVALID_ARGUMENT, "user_name: 3–32 of a–z, 0–9, _ and .")
    return name


def device_name(text: str) -> str:
    """Raises SignetError: INVALID_ARGUMENT."""
    if len(text) > MAX_DEVICE_NAME or not _PRINTED.fullmatch(text):
        raise SignetError(Code.INVALID_ARGUMENT, f"device_name: up to {MAX_DEVICE_NAME} characters")
    return text
