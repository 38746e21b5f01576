"""Events that wait in a stream."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from sisf.gateway.relay import Held, hold

_EVENTS = st.sampled_from((b": keep-alive\n\n", b":\n\n", b"data: {}\n\n"))


@given(st.lists(_EVENTS, max_size=50), st.integers(1, 300))
def test_what_says_nothing_waits_as_one_and_every_byte_stays_in_its_place(events: list[bytes], times: int) -> None:
    queue: deque[Held] = deque()
    for raw in events * times:
        hold(queue, Held(raw, {"a": 1} if raw.startswith(b"data") else {}))
    said = sum(raw.startswith(b"data") for raw in events) * times
    assert b"".join(held.raw for held in queue) == b"".join(events * times)
    assert sum(not held.quiet for held in queue) == said
    assert len(queue) <= 2 * said + 1 + sum(map(len, events)) * times // 4_000
