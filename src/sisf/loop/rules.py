"""The numbers by which policies age."""

from dataclasses import dataclass
from datetime import timedelta

from sisf.settings import LifecycleSettings


@dataclass(frozen=True, slots=True)
class Rules:
    """When a policy enters, is demoted, promoted or retired. `lifecycle` in the configuration sets most of them."""

    demote_precision: float = 0.5
    """An active policy whose precision is, by its evidence, below this with 95 % confidence becomes a shadow."""
    demote_principals: int = 2
    """So many distinct senders must have had something stopped by it, since it last changed, that was judged harmless
    (a person's report acts at once). What a person activated is questioned then, and stays."""
    promote_confirmations: int = 3
    """A shadow that so many principals confirmed since it last changed becomes active, where autonomy allows and the
    gate, asked again, agrees."""
    promote_precision: float = 0.45
    """Its precision must by its evidence be at least this with 95 % confidence: 3 of 3, or 6 of 7."""
    decay: timedelta = timedelta(days=90)
    """A policy that matched nothing and was confirmed by nobody for so long retires."""
    broad_principals: int = 1
    """A broad policy (a probe, prototypes that reach far) enters as a shadow until breaches of so many distinct
    principals speak for it; a narrow one stands in for it meanwhile. 2 where callers have keys: without keys a second
    principal proves nothing."""
    active_limit: int = 2_000
    """Above this many active policies those of least use retire."""
    merge_after: timedelta = timedelta(days=1)
    """A policy of that age retires when others in force catch all that it was ever seen to catch."""
    breaker_principals: int = 5
    """So many distinct words of persons within `breaker_window`, that what the loop put in force stopped something by
    mistake, trip the breaker."""
    breaker_window: timedelta = timedelta(hours=1)
    breaker_rate: float = 0.25
    """The breaker also trips when more than this share of the senders that behaved within the window had something
    stopped that the judge finds harmless (with 95 % confidence, and `breaker_principals` of them): more than a hostile
    fifth of all senders can be."""
    triggers: int = 300
    """Breaches of one principal that may each start a refit at once; then one in `trigger_seconds`. The others are
    kept and learned from together with the next."""
    trigger_seconds: float = 15.0


def rules_of(settings: LifecycleSettings, *, keys: bool) -> Rules:
    """What the configuration asks for. `keys`: whether callers prove who they are."""
    broad = settings.broad_principals if settings.broad_principals is not None else (2 if keys else 1)
    return Rules(
        demote_principals=settings.demote_principals,
        promote_confirmations=settings.promote_confirmations,
        decay=timedelta(days=settings.decay_days),
        broad_principals=broad,
        active_limit=settings.active_limit,
        breaker_principals=settings.breaker_principals,
        breaker_rate=settings.breaker_rate,
        triggers=settings.triggers,
    )
