"""What evidence weighs: no tenant outweighs the others, however many senders it has."""

from collections.abc import Iterable, Mapping

from sisf.store.records import FeedbackKind

PER_TENANT = 10
"""The words of one tenant's senders on one policy weigh at most as much as those of so many."""


def weight(counts: Iterable[tuple[str, str, int]]) -> tuple[int, int]:
    """Confirmations and false positives out of (tenant, kind, senders), each tenant's in their proportion.

    Persons are of no tenant and weigh in full.
    """
    tenants: dict[str, dict[str, int]] = {}
    for tenant, kind, count in counts:
        tenants.setdefault(tenant, {})[kind] = count
    pairs = [_weight(kinds, capped=bool(tenant)) for tenant, kinds in tenants.items()]
    return round(sum(pair[0] for pair in pairs)), round(sum(pair[1] for pair in pairs))


def _weight(kinds: Mapping[str, int], *, capped: bool) -> tuple[float, float]:
    right = kinds.get(FeedbackKind.CONFIRMATION.value, 0)
    wrong = kinds.get(FeedbackKind.FALSE_POSITIVE.value, 0)
    share = min(1.0, PER_TENANT / (right + wrong)) if capped else 1.0
    return right * share, wrong * share
