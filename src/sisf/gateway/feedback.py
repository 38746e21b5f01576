"""`/v1/feedback`: what was stopped by mistake, or rightly, said over HTTP.

A key of role `admin` speaks as a person of this gateway: what stopped the exchange learns the exception at once; with a
tenant, of that tenant's exchanges, and against that tenant's policies. Any other key may say of its own exchanges that
they were stopped by mistake: that asks a person, no more.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from sisf.errors import HttpFailure, RateLimited, SisfError, StoreError, StoreUnavailable, quoted
from sisf.gateway.identity import limited_to, person
from sisf.loop.lifecycle import Lifecycle
from sisf.loop.mistakes import only_of
from sisf.pipeline.caller import Caller
from sisf.store import Store
from sisf.store.records import ExchangeRecord

PATH = "/v1/feedback"
VERDICTS = ("false_positive", "confirmed")
CLIENT = "client:"
_OF_ONE, _OF_A_TENANT = 10, 30
"""Reports of one client, and of one tenant, that may wait for a person at a time."""
_LATER = 3600


class Feedback:
    """Takes words on stopped exchanges."""

    def __init__(self, store: Store, lifecycle: Lifecycle) -> None:
        self._store = store
        self._lifecycle = lifecycle

    async def answer(self, tree: dict[str, Any], caller: Caller) -> Mapping[str, Any]:
        """`{"exchange": id, "verdict": "false_positive" | "confirmed"}`; the id is that of `x-sisf-exchange`."""
        unknown = next((key for key in tree if key not in ("exchange", "verdict")), None)
        if unknown is not None:
            raise HttpFailure(
                400, "invalid_request", f"{quoted(unknown, 40)} is not a field of this endpoint.", unknown[:40]
            )
        exchange, verdict = tree.get("exchange"), tree.get("verdict")
        if not isinstance(exchange, str) or verdict not in VERDICTS:
            raise HttpFailure(400, "invalid_request", f"Give `exchange`, and `verdict`: {' or '.join(VERDICTS)}.")
        if not caller.key_id:
            raise HttpFailure(403, "forbidden", "Only callers with a key may say so: `sisf key create`.")
        if caller.role != "admin" and verdict != "false_positive":
            raise HttpFailure(403, "forbidden", "Only a key of role `admin` may confirm.")
        try:
            revision = await asyncio.to_thread(self._take, exchange, verdict, caller)
        except (HttpFailure, RateLimited, StoreUnavailable):
            raise
        except StoreError as error:
            raise HttpFailure(404, "not_found", str(error), "exchange") from None
        except SisfError as error:
            raise HttpFailure(503, "store_unavailable", str(error)) from None
        return {"exchange": exchange, "verdict": verdict, "revision": revision}

    def _record(self, exchange_id: str) -> ExchangeRecord:
        """An exchange, also one that was answered a moment ago and is still to be written."""
        with contextlib.suppress(StoreError):
            return self._store.exchanges.get(exchange_id)
        self._store.flush()
        return self._store.exchanges.get(exchange_id)

    def _take(self, exchange_id: str, verdict: str, caller: Caller) -> int:
        record, tenant = self._record(exchange_id), limited_to(caller.tenant)
        if caller.role == "admin":
            concerned = tenant in ("", record.exchange.tenant)
        else:
            concerned = record.exchange.sender == caller.sender
        if not concerned:  # as if it did not exist: whose exchange it is, is nobody else's business
            raise StoreError(f"there is no exchange {quoted(exchange_id)}")
        name = caller.sender.principal
        decides = caller.role == "admin" and (not tenant or only_of(self._store, record, tenant))
        actor = person(name, tenant) if decides else f"{CLIENT}{caller.tenant}/{name}"
        if verdict == "confirmed":
            if not decides:
                raise HttpFailure(
                    403, "forbidden", "What stopped it is of all tenants: confirm with a key without one."
                )
            self._lifecycle.confirm(exchange_id, actor=actor)
            return self._store.policies.snapshot().revision
        if caller.role != "admin":
            self._leave_room(actor, f"{CLIENT}{caller.tenant}/")
        return self._lifecycle.report_false_positive(exchange_id, actor=actor).revision

    def _leave_room(self, actor: str, of_tenant: str) -> None:
        """Raises `RateLimited` where many reports of this client, or of its tenant, wait for a person: those of others,
        and what the loop asks, would not be seen among them."""
        waiting = [note.actor for note in self._store.oversight.questions()]
        if waiting.count(actor) >= _OF_ONE or sum(who.startswith(of_tenant) for who in waiting) >= _OF_A_TENANT:
            raise RateLimited("Earlier reports wait for a person; report this one later.", retry_after=_LATER)
