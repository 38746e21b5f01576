"""What model calls may take is never exceeded, whatever the endpoint reports."""

import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.breaker import Breaker
from sisf.errors import ModelError
from sisf.llm.budget import DAY, HOUR, BudgetExhausted, CallGate, LeftAlone, RateExceeded, TransientModelError
from sisf.llm.jsontext import read_object
from sisf.settings import CallLimits

pytestmark = pytest.mark.smoke


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


calls = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(0, 2_000), st.floats(0, 2 * HOUR), st.floats(0, 1), st.booleans()),
    max_size=60,
)


@given(calls)
def test_hour_and_day_are_never_exceeded(plan: list[tuple[int, int, float, float, bool]]) -> None:
    clock = Clock()
    gate = CallGate(CallLimits(hour_usd=0.2, day_usd=0.5, input_usd=5.0, output_usd=20.0), "m", clock)
    spent: list[tuple[float, float]] = []
    for size, tokens, pause, share, fails in plan:
        clock.now += pause
        try:
            with gate.call(size, tokens, wait=0) as charge:
                if not fails:
                    charge.settle(int(size * share), int(tokens * share))
        except BudgetExhausted:
            continue
        spent.append((clock.now, charge.usd))
        for window, limit in ((HOUR, 0.2), (DAY, 0.5)):
            assert sum(usd for at, usd in spent if at > clock.now - window) <= limit + 1e-9


def test_concurrency_and_rate() -> None:
    gate = CallGate(CallLimits(concurrency=2), "m")
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with gate.call(1, 1, wait=10):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    clock = Clock()
    limited = CallGate(CallLimits(per_minute=2), "m", clock)
    for _ in range(2):
        with limited.call(1, 1, wait=0):
            pass
    with pytest.raises(RateExceeded), limited.call(1, 1, wait=0):
        pass
    clock.now = 60.0
    with limited.call(1, 1, wait=0):
        pass


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": {"b": "}{"}}\n```', {"a": {"b": "}{"}}),
        ('<think>{"a": 2}</think>{"a": 1}', {"a": 1}),
        ('{"a": 1} {"a": 2}', None),
        ('{"a": 1, "a": 2}', None),
        ('{"a": NaN}', None),
        ("{" * 100_000, None),
        ('{"a":' * 100_000, None),
        ("no object", None),
        ("", None),
    ],
)
def test_one_object_or_an_error(text: str, value: object) -> None:
    if value is None:
        with pytest.raises(ModelError):
            read_object(text)
    else:
        assert read_object(text) == value


@given(st.text())
def test_any_text_is_an_object_or_an_error(text: str) -> None:
    with contextlib.suppress(ModelError):
        assert isinstance(read_object(text), dict)


def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while() -> None:
    clock = Clock()
    gate = CallGate(CallLimits(), "m", breaker=Breaker(3, 15, clock=clock))

    def attempt(error: Exception | None) -> type[Exception] | None:
        try:
            with gate.call(1, 1):
                if error is not None:
                    raise error
        except ModelError as raised:
            return type(raised)
        return None

    away, refused = TransientModelError("away"), ModelError("refused")
    # What an endpoint refuses is no failure of its own: else whoever writes such texts could have it left alone.
    assert [attempt(error) for error in (away, away, refused, refused, refused)] == [
        TransientModelError,
        TransientModelError,
        ModelError,
        ModelError,
        ModelError,
    ]
    assert [attempt(away) for _ in range(2)] == [TransientModelError, LeftAlone]
    clock.now = 16.0
    assert [attempt(away) for _ in range(2)] == [TransientModelError, LeftAlone]
    clock.now = 32.0
    assert [attempt(None) for _ in range(3)] == [None, None, None]
    assert [attempt(away) for _ in range(2)] == [TransientModelError, TransientModelError]
