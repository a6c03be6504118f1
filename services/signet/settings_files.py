"""Secrets from files: `<name>_file` (or SIGNET_<NAME>_FILE) says where the value of a setting is.

For every setting that may hold a password. The file's text counts, without spaces and line ends
around it; it is read when the process starts. A source that gives both is refused.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

PREFIX = "SIGNET_"
FILE = "_file"


class BadSettings(ValueError):
    """Which settings cannot be, and why: one line each."""


class WithFiles(PydanticBaseSettingsSource):
    """A source of settings whose secrets may stand in files."""

    def __init__(
        self,
        of: type[BaseSettings],
        source: PydanticBaseSettingsSource,
        secrets: Collection[str],
    ) -> None:
        super().__init__(of)
        self._source, self._secrets = source, secrets

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the source answers as a whole."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """What the source says. Raises BadSettings."""
        found = dict(self._source())
        if isinstance(self._source, EnvSettingsSource):  # reads nothing but names of fields
            found |= _of_environment(os.environ, self._secrets)
        return read(found, self._secrets)


class TomlWithFiles(TomlConfigSettingsSource):
    """The same for the file of settings; `secrets` is set by whoever makes it."""

    secrets: Collection[str] = ()

    def __call__(self) -> dict[str, Any]:
        """What the file says. Raises BadSettings."""
        return read(super().__call__(), self.secrets)


def read(given: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """The same settings, with what stands in files. Raises BadSettings."""
    found = dict(given)
    for name in secrets:
        path = found.pop(name + FILE, None)
        if path is not None:
            if name in found:
                raise BadSettings(f"{name}: give it or {name}{FILE}, not both")
            found[name] = _text(name + FILE, Path(path))
    return found


def _of_environment(environment: Mapping[str, str], secrets: Collection[str]) -> dict[str, str]:
    names = {f"{PREFIX}{name}{FILE}".upper(): name + FILE for name in secrets}
    return {names[key.upper()]: value for key, value in environment.items() if key.upper() in names}


def _text(setting: str, path: Path) -> str:
    try:
        return path.expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not text"
        variable = f"{PREFIX}{setting}".upper()
        raise BadSettings(f"{setting} ({variable}): {path}: {why}") from None
