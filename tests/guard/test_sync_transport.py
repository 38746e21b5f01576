"""The thread that called the SDK goes on only when the handling has ended."""

import asyncio
import time
from typing import Any, cast

from sisf.guard.portal import Portal
from sisf.guard.sdk_request import SdkRequest
from sisf.guard.sync_transport import _SyncSource, _Waiting


class _Slow:
    """A handler that still has something to record when nobody waits for the rest of the answer."""

    finished = False
    recorded = False

    async def run(self, body: bytes, _source: object, send: Any) -> None:
        try:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(600)
        finally:
            time.sleep(0.2)  # noqa: ASYNC251 - a busy machine
            self.recorded = True


class _NoSource:
    def finish(self) -> None:
        """Nothing to close."""


def test_closing_waits_until_the_exchange_is_recorded() -> None:
    portal, handler = Portal(), _Slow()
    try:
        waiting = _Waiting(cast("SdkRequest", handler), portal, b"[DONE]", cast("_SyncSource", _NoSource()))
        assert waiting.message()["body"] == b"[DONE]"
        waiting.close()
        assert handler.recorded
    finally:
        portal.close()
