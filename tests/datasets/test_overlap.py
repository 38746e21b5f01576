"""Contamination is found in the same words and in nearly the same, and only there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.datasets.overlap import Known, Text, overlaps, shipped

WORDS = st.lists(
    st.sampled_from("lantern marble orchard river kite cloud bread stone".split()), min_size=6, max_size=14
)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known(shipped())


def test_what_ships_is_found_however_it_is_written(known: Known) -> None:
    item = next(t for t in shipped() if len(t.text.split()) > 8)
    found = known.like(Text("mine", "1", f"  {item.text.upper()}!! "))
    assert found is not None
    assert found.exact
    near = known.like(Text("mine", "2", item.text + " tomorrow"))
    assert near is not None
    assert not near.exact
    assert 0.6 <= near.likeness < 1
    assert known.like(Text("mine", "3", "quokkas juggle seventeen teal umbrellas over Ljubljana")) is None


@given(WORDS, WORDS)
def test_likeness_is_the_share_of_runs_in_common(one: list[str], other: list[str]) -> None:
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    share = len(runs(one) & runs(other)) / len(runs(one) | runs(other))
    found = overlaps([Text("m", "1", " ".join(one))], Known([Text("k", "1", " ".join(other))], near=0.5))
    assert bool(found) == (one == other or share >= 0.5)
    if found and one != other:
        assert found[0].likeness == pytest.approx(min(share, 0.999))
