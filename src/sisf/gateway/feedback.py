"""`/v1/feedback`: what was stopped by mistake, or rightly, said over HTTP.

A key of role `admin` speaks as a person of this gateway: what stopped the exchange learns the exception at once. Any
other key may say of its own exchanges that they were stopped by mistake: one word against the policies, no more.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from sisf.errors import SisfError, StoreError
from sisf.gateway.identity import Identity
from sisf.gateway.ports import Oversight
from sisf.gateway.wire import Refused
from sisf.store.base import Store

PATH = "/v1/feedback"
VERDICTS = ("false_positive", "confirmed")


class Feedback:
    """Takes words on stopped exchanges."""

    def __init__(self, store: Store, oversight: Oversight) -> None:
        self._store = store
        self._oversight = oversight

    async def answer(self, tree: dict[str, Any], identity: Identity) -> Mapping[str, Any]:
        """`{"exchange": id, "verdict": "false_positive" | "confirmed"}`; the id is that of `x-sisf-exchange`."""
        unknown = next((key for key in tree if key not in ("exchange", "verdict")), None)
        if unknown is not None:
            raise Refused(400, "invalid_request", f"`{unknown[:40]}` is not a field of this endpoint.", unknown[:40])
        exchange, verdict = tree.get("exchange"), tree.get("verdict")
        if not isinstance(exchange, str) or verdict not in VERDICTS:
            raise Refused(400, "invalid_request", f"Give `exchange`, and `verdict`: {' or '.join(VERDICTS)}.")
        if not identity.key_id:
            raise Refused(403, "forbidden", "Only callers with a key may say so: `sisf key create`.")
        if identity.role != "admin" and verdict != "false_positive":
            raise Refused(403, "forbidden", "Only a key of role `admin` may confirm.")
        try:
            revision = await asyncio.to_thread(self._take, exchange, verdict, identity)
        except StoreError as error:
            raise Refused(404, "not_found", str(error), "exchange") from None
        except SisfError as error:
            raise Refused(503, "store_unavailable", str(error)) from None
        return {"exchange": exchange, "verdict": verdict, "revision": revision}

    def _take(self, exchange_id: str, verdict: str, identity: Identity) -> int:
        record = self._store.exchanges.get(exchange_id)
        if identity.role != "admin" and record.exchange.sender != (identity.tenant, identity.principal):
            # As if it did not exist: whose exchange it is, is nobody else's business.
            raise StoreError(f"there is no exchange `{exchange_id}`")
        actor = f"person:{identity.principal}" if identity.role == "admin" else f"client:{identity.principal}"
        if verdict == "confirmed":
            self._oversight.confirm(exchange_id, actor=actor)
            return self._store.policies.snapshot().revision
        return self._oversight.report_false_positive(exchange_id, actor=actor).revision
