"""What every store offers of exchanges. All calls block; all are safe from several threads."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from sisf.exchange import Exchange, Sender
from sisf.store.figures import Standing, Tally
from sisf.store.records import (
    Conduct,
    ExchangeRecord,
    Label,
    Spoken,
    Urgency,
)
from sisf.store.search import Found, Query
from sisf.verdict import Breach, Outcome, Verdict


class ExchangeTable(Protocol):
    """Exchanges, verdicts and breaches."""

    def record(
        self,
        record: ExchangeRecord,
        *,
        enqueue: bool,
        urgency: Urgency = Urgency.ORDINARY,
        gather: bool = False,
    ) -> Future[None]:
        """Write an exchange and, with `enqueue`, its `analyze` job in one transaction, group-committed.

        The future is done once it is durable. Recording the same id again changes nothing.
        """
        ...

    def get(self, exchange_id: str) -> ExchangeRecord:
        """One exchange with its latest verdict. Raises `StoreError` when there is none."""
        ...

    def recent(
        self,
        limit: int = 100,
        *,
        outcome: Outcome | None = None,
        tenant: str | None = None,
        became: Sequence[str] | None = None,
    ) -> Sequence[ExchangeRecord]:
        """The latest exchanges first; with `outcome`, those with such a verdict; with `tenant`, that tenant's only;
        with `became`, those whose own outcome (`released`, `withheld`, …) is one of these."""
        ...

    def search(self, wanted: Query, limit: int = 50, *, before: int | None = None) -> Sequence[Found]:
        """Exchanges, the newest first, numbered below `before`. Raises `StoreError` when texts cannot be searched."""
        ...

    def count(self, outcome: Outcome, most: int, *, tenant: str | None = None) -> int:
        """How many exchanges, of one tenant or of all, have such a verdict, counted up to `most`."""
        ...

    def neighbours(self, exchange_id: str, *, tenant: str | None = None) -> tuple[str | None, str | None]:
        """The ids of the exchanges, of one tenant or of all, written before and after this one."""
        ...

    def index(self) -> int:
        """Index the words of some exchanges that are not yet, to be found by `search`; returns how many."""
        ...

    def verdicts(self, exchange_id: str) -> Sequence[Spoken]:
        """Every verdict on an exchange that was not taken back, oldest first."""
        ...

    def take_back(self, exchange_id: str, *, actor: str) -> Verdict | None:
        """Withdraw what people said of an exchange: the judge's verdict stands again, if there is one; audited.

        Raises `StoreError` when no person's verdict stands.
        """
        ...

    def tally(self, last: int, *, parts: int = 1) -> Sequence[Tally]:
        """What became of the `last` exchanges, oldest first, in up to `parts` runs of about the same length."""
        ...

    def conduct(self, since: datetime) -> Mapping[Sender, Conduct]:
        """What was judged of each sender's exchanges since then."""
        ...

    def stopped(self, since: datetime, *, of_one: int, limit: int) -> Sequence[ExchangeRecord]:
        """Prompts that policies stopped since then, newest first, at most `of_one` of each sender."""
        ...

    def standing(self, wanted: Query, *, last: int = 20_000, parts: int = 1) -> Sequence[Standing]:
        """What became of the `last` of these exchanges, oldest first, in up to `parts` runs of equally many."""
        ...

    def breaches(self, *, after: int = 0, newest: int | None = None) -> Sequence[tuple[int, Breach]]:
        """Breaches as lessons, oldest first, each with its sequence number; only those numbered above `after`, and of
        these only the `newest` so many."""
        ...

    def lesson(self, exchange: Exchange) -> Exchange:
        """An exchange as policies may be written from it: without what would outlive it against `privacy`."""
        ...

    def breach_count(self, *, after: int = 0) -> int:
        """How many breaches there are, numbered above `after`. It falls when a person overrules a verdict."""
        ...

    def delete(
        self,
        *,
        actor: str,
        reason: str,
        before: datetime | None = None,
        sender: Sender | None = None,
        breaches: bool = True,
    ) -> int:
        """Delete exchanges for good, with their verdicts, work and evidence, and the examples in what was learned.

        `before`: only older ones; `sender`: only those of one; `breaches=False` spares the breaches. Returns how
        many were deleted. Reported benign cases stay: they are kept for ever.
        """
        ...

    def labels(self, limit: int = 10_000, *, tenant: str | None = None) -> Sequence[Label]:
        """The exchanges, of one tenant or of all, that a person judged, latest word first: labels to train judges on
        and to measure them by."""
        ...

    def save_verdict(self, exchange_id: str, verdict: Verdict, *, actor: str, learn: bool = False) -> None:
        """Write a verdict outside the loop (inline adjudication, a person); audited.

        `learn`: a breach also enters the loop, to be learned from, where its text was kept.
        """
        ...
