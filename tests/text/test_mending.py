"""Words that are mended one by one, in what reads."""

from collections.abc import Callable

import pytest

from sisf.text.views import views
from sisf.text.words import costs


@pytest.mark.parametrize("word", ["stolen", "garden", "letters", "mother", "yesterday"])
@pytest.mark.parametrize("slip", [lambda w, i: w[:i] + w[i + 1 :], lambda w, i: w[:i] + w[i + 1] + w[i] + w[i + 2 :]])
def test_one_misspelt_word_of_a_sentence_is_mended(word: str, slip: Callable[[str, int], str]) -> None:
    """A letter dropped, or two swapped, in one word of a sentence that reads."""
    sentence = "My mother read the letters that were stolen yesterday from the garden where she planted roses"
    made = [slip(word, place) for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
    unknown = [each for each in made if each not in costs()]
    assert unknown
    mended = [any(sentence.lower() == v.text for v in views(sentence.replace(word, each))) for each in unknown]
    assert sum(mended) >= 0.6 * len(unknown)


@pytest.mark.parametrize(
    "text", ["Wat eten mensen in Nederland bij het ontbijt?", "Call parse_rqeuest(foo_bra) in utlis.py"]
)
def test_words_of_other_languages_and_code_are_no_slips(text: str) -> None:
    assert not any(v.derived for v in views(text))
