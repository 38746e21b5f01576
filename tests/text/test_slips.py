"""Words with two slips, words by what stands beside them, and known words that are meant for others."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text import slips
from sisf.text.known_words import known_words
from sisf.text.mending import mended
from sisf.text.neighbours import cost_behind, likeliest

WORDS = st.sampled_from([word for word in known_words().words if 8 <= len(word) <= 9])
LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyz")


@st.composite
def slipped(draw: st.DrawFn) -> tuple[str, str]:
    """A word and what two slips make of it."""
    word = draw(WORDS)
    letters = list(word)
    for _ in range(2):
        at = draw(st.integers(1, len(letters) - 2))
        kind = draw(st.sampled_from(["swap", "drop", "double", "wrong"]))
        if kind == "swap":
            letters[at : at + 2] = letters[at + 1], letters[at]
        elif kind == "drop" and len(letters) > 5:
            del letters[at]
        elif kind == "double":
            letters.insert(at, letters[at])
        else:
            letters[at] = draw(LETTERS)
    return word, "".join(letters)


@given(slipped())
def test_a_word_with_two_slips_is_near_to_what_it_was(pair: tuple[str, str]) -> None:
    word, misspelt = pair
    assert dict(slips.near(misspelt))[word] <= 2 * slips._WRONG


def plainly(word: str, other: str) -> float:
    """The distance of two words, a field after the other."""
    wrong, missing = slips._wrong(), slips._missing(np.array([[ord(c) - 97 for c in other]], np.int8))[0]
    far = np.full((len(word) + 1, len(other) + 1), np.inf)
    far[0, 0] = 0.0
    for i, j in product(range(len(word) + 1), range(len(other) + 1)):
        ways = [far[i, j]]
        if j:
            ways.append(far[i, j - 1] + missing[j - 1])
        if i:
            doubled = i > 1 and word[i - 1] == word[i - 2]
            ways.append(far[i - 1, j] + (slips._UNDOUBLED if doubled else slips._MORE))
        if i and j:
            ways.append(far[i - 1, j - 1] + wrong[ord(word[i - 1]) - 97, ord(other[j - 1]) - 97])
        if i and j > 1 and other[j - 2 : j] == "th" and word[i - 1] in "dfstvz":
            ways.append(far[i - 1, j - 2] + slips._TH)
        if i > 1 and j > 1 and word[i - 2 : i] == other[j - 2 : j][::-1]:
            ways.append(far[i - 2, j - 2] + slips._SWAPPED)
        far[i, j] = min(ways)
    return float(far[-1, -1])


@given(slipped())
def test_the_distance_is_that_of_damerau_and_levenshtein(pair: tuple[str, str]) -> None:
    for word, far in slips.near(pair[1])[:20]:
        assert far == pytest.approx(plainly(pair[1], word))


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("a the bank bike robbing money of bad band in".split()),
                st.floats(1, 9),
                st.floats(0, 5),
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_likeliest_path_is_no_dearer_than_any_other(choices: list[list[tuple[str, float, float]]]) -> None:
    def price(path: tuple[tuple[str, float, float], ...]) -> float:
        said = ["", *(word for word, _, _ in path)]
        return sum(
            cost_behind(before, word, cost) + besides
            for (before, word), (_, cost, besides) in zip(pairwise(said), path, strict=True)
        )

    cheapest = min(product(*choices), key=price)
    assert (
        price(cheapest)
        <= price(tuple(next(c for c in cs if c[0] == w) for cs, w in zip(choices, likeliest(choices), strict=True)))
        + 1e-9
    )


@pytest.mark.parametrize("text", ["a corny and cheesy story", "an unpainted, fenceless and rainy yard"])
def test_words_that_are_made_of_known_ones_are_no_slips(text: str) -> None:
    assert mended(text, fewest=1) is None


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("wriet a poam abuot hte gren garedn", "write a poem about the green garden"),
        ("shwo me how to bild a beird house", "show me how to build a bird house"),
        ("give sorne tirne to hornework", "give some time to homework"),
        ("rite a leter to the nehgibour abuot the brigde", "write a letter to the neighbour about the bridge"),
        ("d*scr*be the w**ther in the m**nt**ns", "describe the weather in the mountains"),
    ],
)
def test_a_text_with_slips_reads_as_it_was_meant(misspelt: str, meant: str) -> None:
    assert mended(misspelt) == meant
