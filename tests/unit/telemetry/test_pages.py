import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from signet.telemetry.pages import NotReady, Pages


@asynccontextmanager
async def served(
    not_ready: NotReady, registry: CollectorRegistry
) -> AsyncIterator[httpx.AsyncClient]:
    pages = Pages(not_ready, registry)
    host, port = await pages.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
        yield client
    await pages.stop()


async def test_readyz_answers_503_with_the_reason_while_the_process_wants_no_work() -> None:
    reason = "draining"
    async with served(lambda: reason, CollectorRegistry()) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "draining\n")
        assert (await client.get("/healthz")).status_code == 200
        reason = ""
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_are_in_prometheus_text_form() -> None:
    registry = CollectorRegistry()
    Counter("signet_test", "A counter", registry=registry).inc(3)
    async with served(lambda: "", registry) as client:
        answer = await client.get("/metrics")
    assert "signet_test_total 3.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/x", 404), ("POST", "/metrics", 405)]
)
async def test_nothing_else_is_served(method: str, path: str, status: int) -> None:
    async with served(lambda: "", CollectorRegistry()) as client:
        assert (await client.request(method, path)).status_code == status


async def test_a_taken_port_is_an_os_error_and_stop_frees_it() -> None:
    first, second = Pages(lambda: ""), Pages(lambda: "")
    _, port = await first.start("127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        await second.start("127.0.0.1", port)
    await first.stop()
    await second.start("127.0.0.1", port)
    await second.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "pages"]
