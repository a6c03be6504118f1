"""Look at a pod from outside: its admin port, and what the system says of its process."""

import asyncio
import ssl
import time
from collections.abc import Mapping

import httpx
import psutil

from signet.cluster.state import Look, read_metrics

PATIENCE = 2.0  # seconds for a page; one that needs longer does not answer
ORDER_PATIENCE = 10.0  # seconds for the answer to an order, which is told once


class Looking:
    """Asks admin ports, with `tls` where they want certificates. `close` at the end."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        # Connections are not kept: a pod may be killed at any moment, and come back elsewhere.
        keep = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(
            timeout=PATIENCE, trust_env=False, limits=keep, verify=True if tls is None else tls
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def look(self, pid: int, admin: str) -> Look | None:
        """None when the process is gone. `admin` '' asks the system alone."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                cpu, rss = process.cpu_times(), process.memory_info().rss
        except psutil.NoSuchProcess:
            return None
        seen = Look(pid=pid, at=time.monotonic(), cpu_s=cpu.user + cpu.system, rss=rss)
        if not admin:
            return seen
        try:
            ready, pod, metrics = await asyncio.gather(
                *(self._http.get(admin + page) for page in ("/readyz", "/v1/pod", "/metrics"))
            )
        except httpx.HTTPError:
            return seen
        return Look(
            pid=pid,
            at=seen.at,
            cpu_s=seen.cpu_s,
            rss=rss,
            answered=True,
            why="" if ready.is_success else ready.text.strip() or "not ready",
            status=dict(pod.json()) if pod.is_success else {},
            metrics=read_metrics(metrics.text),
        )

    async def ready(self, admin: str) -> str:
        """Why it is not ready, '' when it is."""
        try:
            answer = await self._http.get(admin + "/readyz")
        except httpx.HTTPError:
            return "does not answer"
        return "" if answer.is_success else answer.text.strip() or "not ready"

    async def order(self, admin: str, what: str, body: Mapping[str, float]) -> None:
        """POST `what`. Raises: httpx.HTTPError when it does not answer or refuses."""
        url = f"{admin}/v1/{what}"
        (await self._http.post(url, json=body, timeout=ORDER_PATIENCE)).raise_for_status()
