"""Another configuration without a stop: requests under way end on the old one, new ones begin on the new."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from sisf.errors import SisfError
from sisf.gateway.app import Gateway
from sisf.gateway.asgi import Receive, Scope, Send

_log = structlog.get_logger("sisf.gateway")


class Reloadable:
    """Serves the gateway of the moment. `build` makes one from the configuration as it is now."""

    def __init__(self, first: Gateway, build: Callable[[], Gateway], *, drain_seconds: float = 600.0) -> None:
        self.current = first
        self._build = build
        self._drain_seconds = drain_seconds
        self._under_way: dict[Gateway, int] = {}
        self._unused: dict[Gateway, asyncio.Event] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass to the gateway that was current when the request began."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        gateway = self.current
        self._under_way[gateway] = self._under_way.get(gateway, 0) + 1
        try:
            await gateway(scope, receive, send)
        finally:
            self._under_way[gateway] = self._under_way.get(gateway, 1) - 1
            waiting = self._unused.get(gateway)
            if waiting is not None and not self._under_way.get(gateway):
                waiting.set()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.current.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def reload(self) -> bool:
        """Read the configuration again; a wrong one changes nothing and is logged. Returns whether it is in force."""
        try:
            fresh = await asyncio.to_thread(self._build)
        except SisfError as error:
            _log.error("reload_refused", error=str(error))
            return False
        old, self.current = self.current, fresh
        _log.info("reloaded")
        closing = asyncio.create_task(self._retire(old))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return True

    async def _retire(self, gateway: Gateway) -> None:
        """Close what the old gateway holds once nobody needs it."""
        unused = self._unused[gateway] = asyncio.Event()
        if self._under_way.get(gateway, 0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await unused.wait()
        del self._unused[gateway]
        self._under_way.pop(gateway, None)
        await gateway.close()
