"""What the bodies of requests under way hold in memory is bounded, in all and for one sender."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import HttpFailure, RateLimited
from sisf.exchange import Sender
from sisf.gateway.bodies import FREE_BYTES, Bodies

LIMIT = 1_000_000
SENDERS = tuple(Sender("t", name) for name in ("alice", "bob", "carol"))


@given(st.lists(st.tuples(st.sampled_from(SENDERS), st.lists(st.integers(0, 400_000), max_size=6)), max_size=20))
def test_never_more_than_the_limits_and_nothing_is_left(requests: list[tuple[Sender, list[int]]]) -> None:
    bodies = Bodies(LIMIT)
    refused: list[Exception] = []

    async def request(sender: Sender, pieces: Sequence[int]) -> None:
        came, size = bodies.room(sender), 0
        for piece in pieces:
            size += piece
            try:
                came(size)
            except (RateLimited, HttpFailure) as error:
                refused.append(error)
                return
            assert bodies.total == sum(bodies.held.values()) <= LIMIT
            assert bodies.held[sender] <= LIMIT // 2
            await asyncio.sleep(0)

    async def all_at_once() -> None:
        await asyncio.gather(*(request(*given) for given in requests))
        await asyncio.sleep(0)

    asyncio.run(all_at_once())
    assert (bodies.total, dict(bodies.held)) == (0, {})
    if sum(max(0, sum(pieces) - FREE_BYTES) for _, pieces in requests) <= LIMIT // 2:
        assert refused == []


def test_small_bodies_are_not_counted() -> None:
    bodies = Bodies(LIMIT)

    async def request() -> None:
        bodies.room(SENDERS[0])(FREE_BYTES)
        assert bodies.total == 0

    asyncio.run(request())
