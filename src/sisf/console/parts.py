"""What the console works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sisf.console.tenancy import of_tenant, shown, told_to
from sisf.embedding.base import Embedder
from sisf.gateway.identity import KeyFile
from sisf.llm.base import ChatModel
from sisf.loop import Lifecycle
from sisf.policy import Policy
from sisf.settings import Settings
from sisf.store import Store
from sisf.warden import Warden
from sisf.warden.explain import Explanation


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

    tenant: str = ""
    """The only tenant whose things `store` shows; empty for all."""

    everything: Store | None = None
    """The whole store, where `store` shows one tenant's things: to try texts on policies as they are."""

    def of(self, tenant: str) -> "Parts":
        """The same system as one tenant's people see it: without keys, settings and figures of all."""
        limited = of_tenant(self.store, tenant)
        return replace(
            self, store=limited, keys=None, configuration=None, fail_opens=None, tenant=tenant, everything=self.store
        )

    @property
    def whole(self) -> Store:
        """The store with everybody's things. What is taken from it is not shown as it is."""
        return self.everything or self.store

    def seen(self, policy: Policy) -> Policy | None:
        """A policy as it may be shown; None when it may not."""
        return shown(policy, self.tenant) if self.tenant else policy

    def told(self, explanation: Explanation) -> Explanation:
        """An explanation without what one tenant's people may not see."""
        return told_to(explanation, self.tenant) if self.tenant else explanation

    @property
    def embedder(self) -> Embedder | None:
        """What semantic policies are compared by."""
        return self.warden.embedder if self.warden is not None else None
