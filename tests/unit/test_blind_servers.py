"""No server can read messages (P5): what it would need is out of its reach, whoever imports whom.

`make layers` says the same of the whole tree; here it is a test that the threat model can name.
"""

import grimp
import pytest

SERVERS = ("gateway", "router", "keys", "push", "pod", "adapters", "ports", "core", "internal")
READERS = ("signet.e2e", "signet.v1.content_pb2", "signet.client")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("signet")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("reader", READERS)
def test_no_server_can_import_what_reads_a_message(
    imports: grimp.ImportGraph, server: str, reader: str
) -> None:
    chain = imports.find_shortest_chain(f"signet.{server}", reader, as_packages=True)
    assert chain is None, " imports ".join(chain or ())


def test_a_client_does() -> None:
    """The question is one that can be answered with yes."""
    graph = grimp.build_graph("signet")
    assert graph.find_shortest_chain("signet.client", "signet.e2e", as_packages=True) is not None
