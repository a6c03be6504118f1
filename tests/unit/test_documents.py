"""What the documents name is there: pages, metrics, codes, limits, settings, commands, words."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from signet.adapters.push_webhook import signature
from signet.cli.app import COMMANDS, app
from signet.core import limits
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.push_hints import token_of
from signet.pod.admin import Admin
from signet.settings import Settings
from signet.telemetry import metrics
from signet_operator import health

ROOT = Path(__file__).parents[2]
OPERATIONS = sorted((ROOT / "docs/operations").glob("*.md"))
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "protos").glob("*.md")),
]
SOURCE = "\n".join(path.read_text() for path in (ROOT / "services/signet").rglob("*.py"))
ENDINGS = ("_total", "_count", "_sum", "_bucket")
SENTENCE = re.compile(r"[a-z]+( [a-z;:,'-]+){2,}")
PROGRAMS = {"helm", "kubectl", "signet", "ls", "echo", "kill", "psql", "nodetool"}
# Words in capitals that others define.
FOREIGN = {
    *{"QUORUM", "LOCAL_QUORUM", "PORT"},  # of URLs of Cassandra
    *{"GET", "POST", "PUT", "SENT", "DIRECTORY", "KEYSPACE", "ROUTERS", "ROUTER", "GATEWAY", "POD"},
    *{"HOST", "PATH", "PUSH", "URL", "SIGTERM", "SIGKILL", "SIGSTOP", "MUTATION", "CAS", "CAS…"},
    *{"UN", "SECONDS", "JSON", "KILL", "TERM", "NOT_DRAINING"},
    *{"INVALID_ARGUMENT", "UNAVAILABLE", "ALREADY_EXISTS"},  # of gRPC
    *{"QUOTA_EXCEEDED", "PERMISSION_DENIED"},  # of FCM
}


def every(documents: list[Path]) -> pytest.MarkDecorator:
    names = [str(path.relative_to(ROOT)) for path in documents]
    return pytest.mark.parametrize("document", documents, ids=names)


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link that stays in the repository."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield (document.parent / file if file else document), anchor


def quoted(document: Path) -> list[str]:
    """What stands in backquotes, and in blocks."""
    text = document.read_text()
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*blocks, *spans]


def metric_names() -> set[str]:
    assert metrics.STREAMS is not None  # the module has registered them
    found = [*REGISTRY.collect(), *health.REGISTRY.collect()]
    return {family.name for family in found if family.name.startswith("signet_")}


@every(DOCUMENTS)
def test_links_lead_to_files_and_headings_that_are_there(document: Path) -> None:
    for file, anchor in links(document):
        assert file.exists(), f"{file} is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{file.name} has no heading #{anchor}"


@every(DOCUMENTS)
def test_metrics_that_are_named_are_measured(document: Path) -> None:
    known = metric_names()
    for name in set(re.findall(r"\bsignet_[a-z_]+\b", "\n".join(quoted(document)))):
        base = next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)
        assert {name, base} & known, f"{name} is not measured"


@every(DOCUMENTS)
def test_codes_of_metrics_are_codes(document: Path) -> None:
    for name in re.findall(r'code="([A-Z_]+)"', document.read_text()):
        assert name in Code.__members__


@every(OPERATIONS)
def test_names_in_capitals_are_codes_or_limits(document: Path) -> None:
    spans = [span for span in quoted(document) if "\n" not in span]
    for name in {word for span in spans for word in re.findall(r"\b[A-Z][A-Z_]+\b", span)}:
        known = name in Code.__members__ or hasattr(limits, name) or name in FOREIGN
        assert known, f"{name} is neither a code nor a limit"


@every(OPERATIONS)
def test_settings_that_are_named_are_settings(document: Path) -> None:
    for names in re.findall(r"settings? (`\w+`(?:, `\w+`)*)", document.read_text()):
        for name in re.findall(r"\w+", names):
            assert name in Settings.model_fields, f"there is no setting {name}"


@every(OPERATIONS)
def test_commands_that_are_named_are_commands(document: Path) -> None:
    admin = app(["admin"]).registered_groups[0].typer_instance
    assert admin is not None
    known = {
        str(one.name or getattr(one.callback, "__name__", "")) for one in admin.registered_commands
    }
    for text in quoted(document):
        for command, word in re.findall(r"\bsignet ([a-z-]+)(?: ([a-z]+))?", text):
            assert command in COMMANDS, f"there is no signet {command}"
            if command == "admin" and word:
                assert word in known, f"there is no signet admin {word}"


@every(OPERATIONS)
def test_log_lines_that_are_quoted_are_logged(document: Path) -> None:
    """Words of a sentence in backquotes: what a process says, in a log or on a page."""
    for text in quoted(document):
        if SENTENCE.fullmatch(text) and text.partition(" ")[0] not in PROGRAMS:
            assert text in SOURCE, f"no process says {text!r}"


async def test_pages_of_the_admin_port_are_there() -> None:
    """Those of the runbooks' first page."""

    class Pod:
        async def describe(self) -> Mapping[str, object]:
            return {}

        def drain(self, within_s: float | None, rate: float) -> bool:
            return True

        def undrain(self) -> bool:
            return True

        def rebalance(self) -> None:
            return None

    admin = Admin(Pod(), {})
    for method, path in (("GET", "/v1/pod"), ("POST", "/v1/drain"), ("POST", "/v1/undrain")):
        assert path in (ROOT / "docs/operations/README.md").read_text()
        assert await admin(method, path, b"") is not None


def test_the_code_for_receivers_of_push_verifies_what_is_sent() -> None:
    names: dict[str, object] = {"hmac": hmac, "hashlib": hashlib, "Mapping": Mapping, "UUID": UUID}
    text = (ROOT / "docs/operations/push.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    is_ours, theirs = names["is_ours"], names["token_of"]
    assert callable(is_ours)
    assert callable(theirs)
    secret, user = b"s" * 32, uuid4()
    headers = {
        "Signet-Timestamp": "1764000000",
        "Signet-Signature": f"v1={signature(secret, '1764000000', b'{}')}",
    }
    assert is_ours(secret, headers, b"{}", 1_764_000_010.0)
    assert not is_ours(secret, headers, b"{ }", 1_764_000_010.0)
    assert not is_ours(secret, headers, b"{}", 1_764_001_000.0)
    assert theirs(b"k" * 32, user) == token_of(b"k" * 32, UserId(user.bytes))
