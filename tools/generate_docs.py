"""Write the tables of the documents that come from the code, or say which have drifted.

A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; the rest of the page is
written by people. `--check` writes nothing and exits 1 on drift.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from signet.core import limits
from signet.core.errors import RULES
from signet.e2e import limits as e2e_limits
from signet.settings_table import markdown
from signet.telemetry import metrics

ROOT = Path(__file__).resolve().parent.parent


def codes() -> str:
    rows = ["| code | number | retry? when? | WebSocket close | gRPC status | HTTP | meaning |"]
    rows.append("|---|---|---|---|---|---|---|")
    for code, rule in RULES.items():
        rows.append(
            f"| `{code.name}` | {code.value} | {rule.retry.value} | {rule.websocket} |"
            f" `{rule.grpc}` | {rule.http} | {rule.meaning} |"
        )
    return "\n".join(rows)


def limit_rows() -> Iterator[str]:
    """The rows of docs/limits.md: sections and comments as core/limits.py has them."""
    above: list[str] = []
    for line in Path(limits.__file__).read_text().splitlines():
        if section := re.match(r"# --- (.*?) -+$", line):
            yield f"\n### {section[1]}\n"
            yield "| limit | value | why, and what raising or lowering does |"
            yield "|---|---|---|"
            above = []
        elif line.startswith("#"):
            above.append(line.removeprefix("# "))
        elif found := re.match(r"([A-Z_]+) = [^#]*(?:# (.*))?$", line):
            name, beside = found.groups()
            if name not in {"KIB", "MIB"}:
                why = " ".join([*above, beside or ""]).strip()
                yield f"| `{name}` | {getattr(limits, name):,} | {why} |"
            above = []
        elif not line:
            above = []


def e2e_rows() -> Iterator[str]:
    """The limits of the client's cryptography: each constant with the text below it."""
    yield "\n### End-to-end encryption (clients)\n"
    yield "| limit | value | why, and what raising or lowering does |"
    yield "|---|---|---|"
    body = ast.parse(Path(e2e_limits.__file__).read_text()).body
    for statement, text in pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            why = (
                " ".join(ast.literal_eval(text.value).split()) if isinstance(text, ast.Expr) else ""
            )
            yield f"| `{name}` | {getattr(e2e_limits, name):,} | {why} |"


def metric_rows() -> Iterator[str]:
    yield "| metric | kind | labels | what it counts |"
    yield "|---|---|---|---|"
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.collect()))
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "codes": ("protos/protocol.md", codes),
    "limits": ("docs/limits.md", lambda: "\n".join(chain(limit_rows(), e2e_rows())).strip()),
    "settings": ("docs/settings.md", markdown),
    "metrics": ("docs/metrics.md", lambda: "\n".join(metric_rows())),
}


def put(page: str, name: str, table: str) -> str:
    """The page with the table between its markers."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{table}\n{end}{after}"


def main() -> None:
    drifted = []
    for name, (file, table) in TABLES.items():
        path = ROOT / file
        page = path.read_text()
        made = put(page, name, table())
        if made != page:
            drifted.append(file)
            if "--check" not in sys.argv:
                path.write_text(made)
    if "--check" in sys.argv and drifted:
        raise SystemExit(f"tables that the code no longer says (make docs): {', '.join(drifted)}")
    print(f"documents: {', '.join(drifted) or 'nothing to change'}")


if __name__ == "__main__":
    main()
