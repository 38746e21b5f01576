"""What the bodies of requests under way hold in memory is bounded, in all and for one sender."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import HttpFailure, RateLimited
from sisf.exchange import Sender
from sisf.gateway.bodies import SMALL_BYTES, Bodies

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
            assert bodies.total == sum(bodies.held.values())
            assert size <= SMALL_BYTES or bodies.total <= LIMIT
            assert bodies.held[sender] <= LIMIT // 2
            await asyncio.sleep(0)

    async def all_at_once() -> None:
        await asyncio.gather(*(request(*given) for given in requests))
        await asyncio.sleep(0)

    asyncio.run(all_at_once())
    assert (bodies.total, dict(bodies.held)) == (0, {})
    if sum(sum(pieces) for _, pieces in requests) <= LIMIT // 2:
        assert refused == []


def test_many_small_bodies_of_one_sender_are_bounded_and_hold_up_nobody_else() -> None:
    bodies = Bodies(LIMIT)

    async def request(sender: Sender, size: int) -> bool:
        try:
            bodies.room(sender)(size)
        except RateLimited:
            return False
        await asyncio.sleep(0)
        return True

    async def all_at_once() -> tuple[list[bool], list[bool]]:
        many = [request(SENDERS[0], SMALL_BYTES) for _ in range(20)] + [request(SENDERS[1], LIMIT // 2)]
        took = await asyncio.gather(*many, *(request(SENDERS[2], SMALL_BYTES) for _ in range(5)))
        return took[:20], took[20:]

    hostile, others = asyncio.run(all_at_once())
    assert sum(hostile) == LIMIT // 2 // SMALL_BYTES
    assert all(others)
