"""What the console works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sisf.embedding.base import Embedder
from sisf.gateway.identity import KeyFile
from sisf.llm.base import ChatModel
from sisf.loop import Lifecycle
from sisf.settings import Settings
from sisf.store.base import Store
from sisf.warden import Warden


def _nothing() -> None:
    """Nobody is to be told."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A running system as the console sees it. Only the store must be there; what else is missing, the pages say."""

    store: Store
    lifecycle: Lifecycle | None = None
    """Without one, policies are not examined: no mistakes, no restoring."""
    warden: Warden | None = None
    """Without one, nothing can be tried, and explanations show what was recorded only."""
    keys: KeyFile | None = None
    configuration: Settings | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that is not a default comes from, by its dotted key."""
    follow: Callable[[], object] = _nothing
    """Tells this node's Warden at once that enforcement was suspended or resumed."""
    two_persons: bool = False
    """Broad policies become active only when two people approved them."""

    model: ChatModel | None = None
    """The protected model, where the settings let people ask it from here (`admin.try_model`)."""

    fail_opens: Callable[[], float] | None = None
    """How many texts the gateway beside this console let pass unchecked or unrecorded since it started."""

    @property
    def embedder(self) -> Embedder | None:
        """What semantic policies are compared by."""
        return self.warden.embedder if self.warden is not None else None
