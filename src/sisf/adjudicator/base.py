"""The one thing SISF asks of a judge."""

from typing import Final, Protocol, runtime_checkable

from sisf.exchange import Exchange
from sisf.verdict import Verdict

LOCAL: Final = "local"
"""What the name of the local judge begins with, trained or not."""


class Adjudicator(Protocol):
    """A judge of exchanges. Blocking; safe to call from several threads."""

    @property
    def name(self) -> str:
        """The judge's name, as verdicts record it."""
        ...

    def adjudicate(self, exchange: Exchange) -> Verdict:
        """Judge one exchange. A judge that fails answers `undecided`; it never raises and never guesses `safe`."""
        ...


@runtime_checkable
class PreparableJudge(Protocol):
    """A judge that fits or loads something once, which it can do before the first exchange."""

    def prepare(self) -> None:
        """Do now what the first call would wait for: half a minute where nothing is in the cache yet."""
        ...


def prepare_judge(judge: Adjudicator) -> None:
    """Prepare a judge that has something to prepare."""
    if isinstance(judge, PreparableJudge):
        judge.prepare()
