"""The settings as a table, for people: `signet settings`, docs/settings.md."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic.fields import FieldInfo

from signet.settings import GROUPS, SECRETS, Settings
from signet.settings_files import PREFIX


class Row(NamedTuple):
    """One setting. `default` is '' where there is none."""

    group: str
    name: str
    variable: str
    default: str
    meaning: str


def rows() -> Iterator[Row]:
    """In the order of the class."""
    group = ""
    for name, field in Settings.model_fields.items():
        group = GROUPS.get(name, group)
        meaning = field.description or ""
        if name in SECRETS:
            meaning += f" Or `{name}_file`."
        yield Row(group, name, PREFIX + name.upper(), _default(name, field), meaning)


def _default(name: str, field: FieldInfo) -> str:
    if name == "data":
        return "~/.local/share/signet-server"
    value = field.get_default()
    return "" if value is None else f"{value}"


def markdown() -> str:
    """The tables of docs/settings.md, one a group."""
    lines: list[str] = []
    group = ""
    for row in rows():
        if row.group != group:
            group = row.group
            lines += [*([""] if lines else []), f"### {group}", ""]
            lines += ["| setting | environment | default | meaning |", "|---|---|---|---|"]
        shown = f"`{row.default}`" if row.default else "–"
        lines.append(f"| `{row.name}` | `{row.variable}` | {shown} | {row.meaning} |")
    return "\n".join(lines)
