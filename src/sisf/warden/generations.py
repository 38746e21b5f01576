"""When to merge: many young layers of few policies cost checks time, merging old ones costs the machine time."""

from collections.abc import Sequence

YOUNG = 16
"""Policies of a layer that counts as young."""
FEW = 8
"""Young layers that may stand side by side."""


def due(sizes: Sequence[int], largest: int) -> int:
    """How many of the newest layers should now become one; 0 when few enough are young. `sizes` has the oldest first.

    The young ones take older ones with them that are less than twice as large as all taken so far, up to `largest`
    together: so sizes at least double from layer to layer, and a policy is merged about log2(largest) times.
    """
    count = total = 0
    for size in reversed(sizes):
        if size > YOUNG or total + size > largest:
            break
        count, total = count + 1, total + size
    if count <= FEW:
        return 0
    for size in reversed(sizes[: len(sizes) - count]):
        if size >= 2 * total or total + size > largest:
            break
        count, total = count + 1, total + size
    return count
