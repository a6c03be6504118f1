"""Put the CRDs of crds/ into the charts, or say what has drifted (`--check`).

- charts/signet-operator gets them as templates, and not in a chart's folder `crds/`, which Helm
  never upgrades; the annotation makes them stay when the release is uninstalled, and every resource
  with them.
- charts/signet gets the schema of a MessagingCluster's spec as that of its value `spec`, so that
  Helm refuses what the API server would refuse.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "crds"
TEMPLATES = ROOT / "charts/signet-operator/templates"
SCHEMA = ROOT / "charts/signet/values.schema.json"
ABOVE = """{{{{- /* Written by tools/package_crds.py from crds/{name}; edit that. */}}}}
{{{{- if .Values.crds.create }}}}
"""
KEEP = "  annotations:\n    helm.sh/resource-policy: keep\n"
BELOW = "{{- end }}\n"
# Words of a CRD's schema that JSON Schema has too, with the same meaning.
SHARED = (
    "type",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "maxItems",
    "maxProperties",
    "required",
    "anyOf",
)


def template(source: Path) -> str:
    """Of one CRD. What Helm would take for its own language is refused."""
    text = source.read_text()
    if "{{" in text:
        raise SystemExit(f"{source.name}: '{{{{' would be read by Helm")
    head, metadata, rest = text[text.index("apiVersion:") :].partition("metadata:\n")
    name, end, below = rest.partition("\n")
    return ABOVE.format(name=source.name) + head + metadata + name + end + KEEP + below + BELOW


def json_schema(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a CRD's schema as JSON Schema; what it does not know is refused, not dropped."""
    made = {word: part[word] for word in SHARED if word in part}
    if part.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "integer"}, {**made, "type": "string"}]}
    if part.get("exclusiveMinimum"):
        made["exclusiveMinimum"] = made.pop("minimum")
    if "properties" in part:
        made["properties"] = {name: json_schema(of) for name, of in part["properties"].items()}
        made["additionalProperties"] = False
    elif isinstance(part.get("additionalProperties"), dict):
        made["additionalProperties"] = json_schema(part["additionalProperties"])
    if "items" in part:
        made["items"] = json_schema(part["items"])
    return made


def values_schema() -> str:
    """Of charts/signet. Nothing is required of `spec` here: the chart fills it up."""
    crd = yaml.safe_load((SOURCES / "messagingclusters.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    spec = json_schema(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    del spec["required"], spec["properties"]["stores"]["required"]
    text = {"type": "string", "minLength": 1}
    stores = ("cassandra", "postgres", "valkey", "kafka")
    dev = {
        "enabled": {"type": "boolean"},
        "images": _object(dict.fromkeys(stores, text)),
        "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    }
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Written by tools/package_crds.py; spec is that of a MessagingCluster.",
        "title": "Values of signet",
        **_object(
            {
                "global": {"type": "object"},
                "name": {"type": "string", "pattern": "^([a-z]([-a-z0-9]{0,38}[a-z0-9])?)?$"},
                "spec": spec,
                "dev": _object(dev),
                "test": _object({"image": {"type": "string"}}),
            }
        ),
    }
    return json.dumps(made, indent=1) + "\n"


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def written() -> Iterator[tuple[Path, str]]:
    for source in sorted(SOURCES.glob("*.yaml")):
        yield TEMPLATES / f"crd-{source.name}", template(source)
    yield SCHEMA, values_schema()


def main() -> None:
    drifted = [path for path, text in written() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv and drifted:
        names = ", ".join(str(path.relative_to(ROOT)) for path in drifted)
        sys.exit(f"not what crds/ says: {names} (make charts)")
    for path, text in written():
        path.write_text(text)


if __name__ == "__main__":
    main()
