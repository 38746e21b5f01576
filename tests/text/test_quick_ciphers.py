"""Slips are mended and ciphers undone quickly as the plain rules say, which are written here as they were before."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from string import ascii_lowercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sisf.text import ciphers, mending, single_slips, words

WORDS = st.sampled_from([*words.costs()][:4_000])
CODED = ["", *ciphers._tables()]


def _usual(word: str) -> Iterator[str]:
    for i in range(len(word) - 1):
        swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        yield word[:i] + word[i + 1 :] if word[i] == word[i + 1] else swapped
    yield from (word[:i] + letter + word[i:] for i in range(len(word) + 1) for letter in ascii_lowercase)


def _unusual(word: str) -> Iterator[str]:
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield from (word[:i] + letter + word[i + 1 :] for letter in ascii_lowercase)
    shuffles = single_slips._shuffles()
    for letter in ascii_lowercase:
        yield from shuffles.get(single_slips._signature(word[0] + letter + word[1:]), ())
    for i in range(1, len(word) - 1):
        yield from shuffles.get(single_slips._signature(word[:i] + word[i + 1 :]), ())


def _begun(word: str) -> Iterator[str]:
    longer = [known for known in sorted(words.costs()) if known.startswith(word)]
    yield from (known for known in longer[:400] if len(known) <= len(word) + 5)


def _meant(word: str) -> list[tuple[str, float]]:
    """What a word that is not known may be meant for, with its whole cost, the likeliest first."""
    known = words.costs()
    slowly: dict[object, Callable[[str], Iterator[str]]] = {
        single_slips.usual: _usual,
        single_slips._unusual: _unusual,
        single_slips._begun: _begun,
    }
    found: dict[str, float] = {}
    kinds = single_slips.KINDS if len(word) > 3 else single_slips.KINDS_OF_SHORT
    vowels = any(letter in "aeiou" for letter in word)
    for penalty, for_letter, meant in kinds if vowels else (single_slips.WITHOUT_VOWELS, *kinds):
        candidates: Iterable[str] = slowly[meant](word) if meant in slowly else meant(word)
        for candidate in candidates:
            if candidate in known and len(candidate) >= 3:
                differing = sum((Counter(word) - Counter(candidate) + (Counter(candidate) - Counter(word))).values())
                cost = single_slips.cost(candidate) + penalty + for_letter * differing
                found[candidate] = min(cost, found.get(candidate, cost))
    return sorted(found.items(), key=lambda item: item[1])


@st.composite
def misspelt(draw: st.DrawFn) -> str:
    letters = list(draw(WORDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(letters)))
        change = draw(st.sampled_from(["in", "out", "other", "mix"]))
        letter = draw(st.sampled_from(ascii_lowercase))
        letters[at : at + (change in ("out", "other"))] = [letter] if change in ("in", "other") else []
        if change == "mix":
            letters[1:-1] = draw(st.permutations(letters[1:-1]))
    return "".join(letters)


UNKNOWN = (misspelt() | st.text("aeinorst", max_size=9)).filter(
    lambda word: (
        3 <= len(word) <= 20 and not (word in words.costs() and set(word) & set("aeiou")) and not mending._derived(word)
    )
)


@given(UNKNOWN)
@example("aaaa")
@example("teh")
def test_a_word_is_mended_as_by_trying_every_slip(word: str) -> None:
    quick, plainly = mending._meant(word), _meant(word)
    assert [cost + besides for _, cost, besides in quick] == [
        pytest.approx(cost) for _, cost in plainly[: len(quick)] or [(word, mending._UNKNOWN)]
    ]
    assert len(quick) == max(1, min(mending._CHOICES, len(plainly)))
    assert {word: round(cost + besides, 6) for word, cost, besides in quick}.items() <= {
        word: round(cost, 6) for word, cost in plainly or [(word, mending._UNKNOWN)]
    }.items()


def _cipher(piece: str) -> tuple[str, str] | None:
    sample = piece[: ciphers._SAMPLE]
    for turned, suffix in ((sample, ""), (sample[::-1], " reversed")):
        tables = ciphers._tables().items()
        name, table = min(tables, key=lambda item: words.strangeness(turned.translate(item[1])))
        own = words.strangeness(turned.translate(table))
        if 0 < own <= 3.6 and own <= 0.72 * words.strangeness(sample):
            return name + suffix, (piece[::-1] if suffix else piece).translate(table)
    return None


@st.composite
def coded(draw: st.DrawFn) -> str:
    """Words, some of them coded, backwards or noise."""
    said = draw(st.lists(WORDS | st.text("aqzx.,'’ éK\u212a\u0130Σ0", max_size=8), max_size=30))
    text = draw(st.sampled_from([" ", "'", " '", "_", "\n"])).join(said)
    text = text.upper() if draw(st.booleans()) else text
    text = text.translate(ciphers._tables().get(draw(st.sampled_from(CODED)), {}))
    return text[::-1] if draw(st.booleans()) else text


@given(coded() | st.text(max_size=60))
@example("")
@example("'tis 4 '' !!")
@example("\u212a\u212a\u212a gur \u0130")
def test_a_cipher_is_found_as_by_trying_every_table(piece: str) -> None:
    assert ciphers._cipher(piece) == _cipher(piece)


def test_few_foreign_letters_are_ascii_in_lower_case() -> None:
    odd = [chr(c) for c in range(128, sys.maxunicode + 1) if any(x.isascii() for x in chr(c).lower())]
    assert all(ciphers._BECOMES_ASCII.search(letter) for letter in odd)


@given(coded(), st.floats(0.5, 13), st.sampled_from(sorted(ciphers._tables())))
def test_what_is_passed_over_is_stranger_than_allowed(text: str, limit: float, name: str) -> None:
    table = ciphers._tables()[name]
    if name not in ciphers._likely(text, limit):
        assert words.strangeness(text.translate(table)) > limit


@given(coded(), st.sampled_from(sorted(ciphers._tables())))
@example("qzxqz jkvvq", "shift 3")
def test_what_is_as_strange_as_allowed_is_not_passed_over(text: str, name: str) -> None:
    assert name in ciphers._likely(text, words.strangeness(text.translate(ciphers._tables()[name])))


@given(coded(), coded())
def test_a_text_reads_in_place_of_another_that_is_clearly_stranger(text: str, other: str) -> None:
    own = words.strangeness(text)
    assert ciphers.reads(text) == (0 < own <= 3.6)
    assert ciphers.reads(text, other) == (0 < own <= 3.6 and (not other or own <= 0.72 * words.strangeness(other)))


@given(st.text(ascii_lowercase, min_size=1, max_size=12), st.sampled_from(ciphers._SHIFTS))
def test_a_word_and_what_it_is_shifted_to_begin_alike(word: str, shift: str) -> None:
    assert ciphers._from_a(word.translate(ciphers._tables()[shift])) == ciphers._from_a(word)
    assert ciphers._from_a(word)[0] == "a"


@given(st.text(alphabet="ab \n.!?\r\t", max_size=60))
def test_borders_are_line_breaks_and_ends_of_sentences(text: str) -> None:
    plainly = re.compile(r"\n|[.!?](?=\s)")
    assert [m.span() for m in ciphers._BORDER.finditer(text)] == [m.span() for m in plainly.finditer(text)]
