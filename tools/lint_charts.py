"""`helm lint --strict` for both charts, by Helm's own engine (`python -m tools.lint_charts`)."""

import sys
from collections.abc import Mapping

from tests.support.lanes import LaneUnavailableError
from tests.support.lanes.helm import Values, chart, lint

# What each chart must be told before it renders anything.
CHARTS: Mapping[str, Values] = {"signet-operator": {}, "signet": {"dev": {"enabled": True}}}


def main() -> None:
    try:
        found = [line for name, values in CHARTS.items() for line in lint(chart(name), values)]
    except LaneUnavailableError as reason:
        sys.exit(f"helm lint cannot run: {reason}")
    if found:
        sys.exit("\n".join(found))
    print(f"helm lint: nothing found in {', '.join(CHARTS)}")


if __name__ == "__main__":
    main()
