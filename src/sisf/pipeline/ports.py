"""What the pipeline asks of the other rooms."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from sisf.exchange import Message, Sender
from sisf.policy import Decision, Direction
from sisf.settings import Settings
from sisf.store.records import ExchangeRecord


class Inspector(Protocol):
    """Inspection of one text that is still being written."""

    @property
    def decision(self) -> Decision | None:
        """The decision so far; None before the first text."""
        ...

    async def feed(self, text: str) -> str:
        """Take the next piece; returns what may be released now, which may be older text. Nothing after a block."""
        ...

    async def finish(self) -> str:
        """The text has ended; returns what is left to release. Nothing after a block."""
        ...


@runtime_checkable
class TakesFirstLooks(Protocol):
    """Enforcement that may stop reading after a first look."""

    @property
    def first_looks(self) -> Mapping[str, int]:
        """Windows so far: `inspected`, `discarded`, `audited`; and `missed`, the matches in those audited."""
        ...


class Warden(Protocol):
    """Enforcement."""

    @property
    def revision(self) -> int:
        """The revision in force."""
        ...

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision | None:
        """The decision, where it takes microseconds; None where it takes longer: then `check` decides."""
        ...

    async def check(
        self, messages: Sequence[Message], direction: Direction, sender: Sender, seconds: float
    ) -> Decision:
        """Decide on texts of this sender within `seconds`. Never blocks the event loop.

        Raises `TooLongToInspect` for what cannot be inspected in that time, `InspectionFailed`, `TimeoutError`.
        """
        ...

    def follow(self, settings: Settings) -> None:
        """Inspect from now on as these settings say."""
        ...

    @property
    def observed(self) -> frozenset[str]:
        """The policies that are matched and not enforced though they are active."""
        ...

    def enforces(self, tenant: str) -> bool:
        """Whether nobody suspended enforcement for this tenant."""
        ...

    def stream(self, sender: Sender, seconds: float) -> Inspector:
        """Inspect an answer to this sender while it is written, each step within `seconds`."""
        ...


class Memory(Protocol):
    """What all processes know of texts that passed."""

    def add(self, sender: Sender, digests: Sequence[bytes]) -> None:
        """Remember these, soon: nobody waits. Raises `StoreError`."""
        ...

    def known(self, digests: Collection[bytes]) -> frozenset[bytes]:
        """Which of them are remembered. Blocks. Raises `StoreError`."""
        ...


class Monitor(Protocol):
    """The entrance of the loop."""

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """Write an exchange durably and, with `learn`, start its way through the loop. Returns at once.

        With `gather` it may be written some milliseconds later, and share its future with others.
        """
        ...
