"""What is in an image: a bill of materials (CycloneDX 1.5, JSON), read from its file system.

Python's distributions by their metadata, Debian's packages by dpkg's list: what the image really
holds, not what was asked for.
"""

import json
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

LIBRARIES = "opt/signet"
DPKG = "var/lib/dpkg/status"


def of(root: Path, name: str) -> str:
    """The bill of the image with this file system. The same image gives the same text."""
    components = [*_python(root), *_debian(root)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "bom-ref": name}},
        "components": sorted(components, key=lambda one: str(one["bom-ref"])),
    }
    return json.dumps(document, indent=2) + "\n"


def _python(root: Path) -> Iterator[Mapping[str, Any]]:
    for metadata in (root / LIBRARIES).glob("*/*.dist-info/METADATA"):
        about = HeaderParser().parsestr(metadata.read_text(errors="replace"))
        name, version = about["Name"], about["Version"]
        url = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        license_name = about.get("License-Expression") or about.get("License") or ""
        yield _component(name, version, url, license_name.splitlines()[0] if license_name else "")


def _debian(root: Path) -> Iterator[Mapping[str, Any]]:
    release = dict(_fields((root / "etc/os-release").read_text().splitlines(), "="))
    distribution = f"{release['ID']}-{release['VERSION_ID']}".replace('"', "")
    for block in (root / DPKG).read_text(errors="replace").split("\n\n"):
        fields = dict(_fields(block.splitlines(), ": "))
        if "installed" not in fields.get("Status", "").split():
            continue
        name, version = fields["Package"], fields["Version"]
        architecture = fields["Architecture"]
        url = f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro={distribution}"
        yield _component(name, version, url, "")


def _fields(lines: list[str], separator: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        key, found, value = line.partition(separator)
        if found and not key.startswith(" "):
            yield key, value


def _component(name: str, version: str, url: str, license_name: str) -> Mapping[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
    }
    if license_name:
        component["licenses"] = [{"license": {"name": license_name}}]
    return component
