"""What came last is remembered, and no more of it than fits."""

from hypothesis import given
from hypothesis import strategies as st

from sisf.latest import Latest


@given(
    most=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(["set", "recall", "look", "forget"]), st.integers(0, 6)), max_size=40),
)
def test_it_holds_the_keys_that_were_set_or_recalled_last(most: int, steps: list[tuple[str, int]]) -> None:
    latest: Latest[int, int] = Latest(most)
    order: list[int] = []
    for number, (step, key) in enumerate(steps):
        if step == "set":
            latest[key] = number
        elif step == "recall":
            assert (latest.recall(key) is not None) == (key in order)
        elif step == "forget":
            latest.pop(key, None)
        else:
            assert (latest.get(key) is not None) == (key in order)
        if step == "set" or (step == "recall" and key in order):
            order = [*(each for each in order if each != key), key][-most:]
        elif step == "forget":
            order = [each for each in order if each != key]
        assert list(latest) == order


def test_what_is_nothing_and_known_is_recalled() -> None:
    latest: Latest[str, str] = Latest(2)
    latest["a"] = ""
    latest["b"] = "found"
    assert latest.recall("a") == ""
    latest["c"] = "more"
    assert list(latest) == ["a", "c"]
