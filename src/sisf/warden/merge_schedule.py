"""When to merge: many young layers of few policies cost checks time, merging old ones costs the machine time."""

from collections.abc import Sequence


def due(sizes: Sequence[int], largest: int, few: int) -> int:
    """How many of the newest layers should now become one; 0 when there are `few` of them or less.

    `sizes` has the oldest first. The newest take with them, one by one, those that are less than twice as large as all
    taken so far, up to `largest` together. So a layer is merged again only when it has grown by half: each policy about
    log(largest) times.
    """
    count = total = 0
    for size in reversed(sizes):
        if (count and size >= 2 * total) or total + size > largest:
            break
        count, total = count + 1, total + size
    return count if count > few else 0
