"""Letters in another order, vowels exchanged for others, what is added to each word: the words come back."""

import random
import re
from collections.abc import Callable
from itertools import permutations

import pytest

from sisf import corpus
from sisf.text.views import views
from tests.text.test_evasions import comes_back

TEXTS = [sample.text for sample in random.Random(6).sample(corpus.sample_attacks(), 12)]
WORD = re.compile("[a-z]+")
Exchange = Callable[[str], str]
ORDERS: dict[str, Exchange] = {
    "first and last": lambda w: w if len(w) < 2 else w[-1] + w[1:-1] + w[0],
    "pairs": lambda w: "".join(w[i : i + 2][::-1] for i in range(0, len(w), 2)),
    "pairs from the second letter on": lambda w: w[0] + "".join(w[i : i + 2][::-1] for i in range(1, len(w), 2)),
    "halves": lambda w: w[len(w) // 2 :] + w[: len(w) // 2],
    "the first two": lambda w: w[1:2] + w[0] + w[2:],
    "the last two": lambda w: w[:-2] + w[-1] + w[-2:-1],
    "every other one first": lambda w: w[::2] + w[1::2],
    "the last one first": lambda w: w[-1] + w[:-1],
    "sorted": lambda w: "".join(sorted(w)),
}
VOWELS = random.Random(1).sample(["".join(order) for order in permutations("aeiou")][1:], 6)
ADDED = ("izzle", "inator", "xu", "ify", "ski")
PROSE = (
    "Der Hund lief gestern durch den Garten und fand nur einen alten Schuh unter dem Baum.",
    "Le chien court dans le jardin et trouve une vieille chaussure sous un arbre.",
    "Kwa nini watu wengi hupenda kusoma vitabu vya zamani wakati wa usiku?",
)


def lost(exchange: Exchange) -> list[str]:
    """The texts that no reading gives back, each word exchanged."""
    said = {text: WORD.sub(lambda word: exchange(word[0]), text.lower()) for text in TEXTS}
    return [text for text, written in said.items() if not any(comes_back(text, v.text) for v in views(written)[1:])]


def shuffled_by_length(seed: int) -> Exchange:
    """An order of one's own for words of each length."""
    orders = {size: random.Random(f"{seed} {size}").sample(range(size), size) for size in range(1, 30)}
    return lambda word: "".join(word[place] for place in orders[len(word)])


@pytest.mark.parametrize("name", ORDERS)
def test_letters_in_another_order_come_back(name: str) -> None:
    assert len(lost(ORDERS[name])) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_order_is(seed: int) -> None:
    assert len(lost(shuffled_by_length(seed))) <= 1


@pytest.mark.parametrize("vowels", VOWELS)
def test_vowels_that_are_exchanged_come_back(vowels: str) -> None:
    table = str.maketrans("aeiou", vowels)
    assert len(lost(lambda word: word.translate(table))) <= 1


@pytest.mark.parametrize("added", ADDED)
def test_what_is_added_to_each_word_of_four_letters_is_taken_away(added: str) -> None:
    assert len(lost(lambda word: word + added if len(word) > 3 else word)) <= 2


@pytest.mark.parametrize("text", PROSE)
def test_other_languages_are_no_exchanges(text: str) -> None:
    assert not {"words turned", "vowels exchanged", "syllables taken out"} & {view.name for view in views(text)}
