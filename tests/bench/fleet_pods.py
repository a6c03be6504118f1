"""The admin ports of thousands of pods that run nothing, as one server (docs/admin.md).

A pod is what its path says, `/<namespace>/<pod>`. It serves until it is asked to drain, and is
empty a little later. Loads move by `NOISE`, as those of real pods do.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tests.support.lanes.server import LOOPBACK

STREAMS, SHARDS = 1_200, 512
NOISE = 0.01
DRAIN_S = 3.0


class FleetPods:
    """`url` is a template for the operator's setting `admin_url`. `calls` counts, by path."""

    def __init__(self, clock: Callable[[], float], chance: random.Random) -> None:
        self._clock, self._chance = clock, chance
        self._drains: dict[tuple[str, str], float] = {}  # when they were asked
        self._runner: web.AppRunner
        self.calls: Counter[str] = Counter()
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{namespace}/{pod}/v1/pod", self._pod)
        app.router.add_post("/{namespace}/{pod}/v1/{order}", self._order)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{LOOPBACK}:{port}/{{namespace}}/{{pod}}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _pod(self, request: web.Request) -> web.Response:
        self.calls["pod"] += 1
        return web.json_response(self._said(_of(request)))

    async def _order(self, request: web.Request) -> web.Response:
        order, pod = request.match_info["order"], _of(request)
        self.calls[order] += 1
        match order:
            case "drain":
                self._drains.setdefault(pod, self._clock())
            case "undrain":
                self._drains.pop(pod, None)
        return web.json_response(self._said(pod), status=202)

    def _said(self, pod: tuple[str, str]) -> Mapping[str, Any]:
        asked = self._drains.get(pod)
        if asked is None:
            return {"stage": "active", "load": self._load(pod[1]), "accepts": 400.0, **SERVES}
        stage = "draining" if self._clock() - asked < DRAIN_S else "empty"
        load = self._load(pod[1]) if stage == "draining" else 0
        return {"stage": stage, "load": load, "deadline_s": 60.0, **SERVES}

    def _load(self, pod: str) -> int:
        if "-gateway-" in pod:
            return round(STREAMS * self._chance.uniform(1 - NOISE, 1 + NOISE))
        return SHARDS if "-router-" in pod else 0


SERVES: Mapping[str, Any] = {"rates": {"cpu_percent": 10.0}, "stores": {}, "schema": "0.1"}


def _of(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["pod"]
