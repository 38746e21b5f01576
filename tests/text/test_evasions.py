"""What is written to be read by people, or by models told how, and by no program: its words come back in some view."""

import random
import re
from collections.abc import Callable
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf import corpus
from sisf.errors import LimitExceeded
from sisf.text.accents import heard
from sisf.text.changed import Changed
from sisf.text.other_languages import in_english, listed
from sisf.text.views import most, views
from sisf.text.words import costs
from tests.text import evasions, more_evasions, spoken_evasions

EVASIONS = evasions.EVASIONS | more_evasions.EVASIONS | spoken_evasions.EVASIONS
TEXTS = [sample.text for sample in random.Random(4).sample(corpus.sample_attacks(), 40)]
WORD = re.compile("[a-z0-9]+")
ENOUGH = 0.75
"""Share of the words that say what is meant."""
MEASURED = {
    "a sign for a letter": 0.8,
    "another vowel": 0.85,
    "Cyrillic sounds": 0.85,
    "half typed": 0.6,
    "middles shuffled": 0.85,
    "one vowel": 0.55,
    "pictures of letters": 0.85,
    "pig latin": 0.85,
    "pig latin, hyphens": 0.8,
    "pig latin, always a letter": 0.85,
    "pig latin, another ending": 0.85,
    "the last letter missing": 0.55,
    "vowels left out": 0.85,
}
"""Share of the texts that come back where less than nine in ten do: what is left out can be another word's."""


def words(text: str) -> list[str]:
    return WORD.findall(text.lower().replace("'", "").replace("’", ""))


def comes_back(text: str, view: str) -> bool:
    """Whether a view holds most words of a text in their order, and not much else."""
    clear, read = words(text), words(view)
    blocks = SequenceMatcher(None, clear, read, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return same >= ENOUGH * len(clear) and same >= 0.6 * len(read)


@pytest.mark.parametrize("name", EVASIONS)
def test_the_words_of_an_attack_come_back(name: str) -> None:
    chance = random.Random(name)
    lost = []
    for text in TEXTS:
        found = views(EVASIONS[name](text, chance))
        if not any(comes_back(text, view.text) for view in found if view.derived or view.name == "raw"):
            lost.append(text)
    assert len(TEXTS) - len(lost) >= MEASURED.get(name, 0.9) * len(TEXTS), lost[:3]


@pytest.mark.parametrize("name", EVASIONS)
def test_a_text_written_so_at_length_stays_within_its_budget(name: str) -> None:
    long = " ".join(TEXTS)
    changed = EVASIONS[name](long, random.Random(name))
    try:
        found = views(changed)
    except LimitExceeded:
        return  # refused whole
    assert sum(len(v.text) for v in found if v.derived) <= most(len(changed)) + 4 * len(changed)


HONEST = [*corpus.benign_reference(), *corpus.honest()]


def test_honest_texts_are_hardly_ever_read_otherwise() -> None:
    others = [[v.name for v in views(sample.text) if v.derived] for sample in HONEST]
    assert sum(map(bool, others)) <= 0.09 * len(HONEST)  # measured: 0.07
    assert sum(map(len, others)) <= 0.16 * len(HONEST)
    assert max(map(len, others)) <= 18  # a script in Perl


@pytest.mark.parametrize(
    "text",
    [
        "u free l8r? gonna grab pizza w the guys, lmk asap",
        "What does ... --- ... mean in Morse code?",
        "Teach me the radio alphabet: alfa, bravo, charlie and so on.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10: what is their sum?",
        "for (int i = 0; i < 10; i++) { total += prices[i]; }",
        '{"name": "Ada", "age": 36, "likes": ["tea", "chess"]}',
        "Kannst du mir bitte erklären, wie man einen Kuchen ohne Eier backt?",
        "¿Puedes explicarme cómo funciona la fotosíntesis en las plantas?",
        "Wat eten mensen in Nederland bij het ontbijt en wat drinken zij daarbij?",
        "Καλημέρα σας, πώς μπορώ να φτάσω στον σταθμό των τρένων;",
        "Скажите, пожалуйста, как пройти к вокзалу?",
        "- [ ] buy milk\n- [x] call the bank\n- [ ] fix the bike",
    ],
)
def test_honest_texts_in_the_same_dress_gain_few_views(text: str) -> None:
    found = [v for v in views(text) if v.derived]
    assert len(found) <= 3, found
    assert sum(len(v.text) for v in found if v.derived) <= 2.5 * len(text)  # chat: written out, and digits as letters


OTHER_LANGUAGES = [
    "Kannst du mir bitte erklären, wie man einen Kuchen ohne Eier und ohne Zucker backt, den auch die Kinder mögen?",
    "Wat eten de mensen in Nederland bij het ontbijt, en wat drinken zij daarbij als zij op zondag vrij zijn?",
    "Puedes explicarme de manera sencilla cómo funciona la fotosíntesis en las plantas de las zonas secas",
    "Pouvez vous me dire comment je peux aller de la gare du nord vers le musée sans prendre le métro",
    "Potresti spiegarmi come si prepara il pane di casa con il lievito madre e quanto tempo deve riposare",
    "Jak upiec dobry chleb w domu bez drożdży i ile czasu musi on stać w ciepłym miejscu przed pieczeniem",
    "Unaweza kunieleza jinsi ya kupika wali wa nazi kwa watu kumi bila kutumia mafuta mengi jikoni",
]


@pytest.mark.parametrize("text", OTHER_LANGUAGES)
def test_another_language_is_no_accent_and_stays_what_it_is(text: str) -> None:
    assert heard(text.lower()) is None
    assert in_english(text.lower()) is None


def test_honest_texts_are_hardly_ever_put_into_english() -> None:
    mixed = [sample.text for sample in HONEST if in_english(sample.text.lower()) is not None]
    assert len(mixed) <= 0.002 * len(HONEST), mixed  # they are in Spanish, or ask for a translation


@given(st.lists(st.sampled_from(sorted(costs())), max_size=30), st.sampled_from([heard, in_english]))
def test_known_words_alone_are_left(words: list[str], read: Callable[[str], Changed | None]) -> None:
    foreign = dict(listed())
    assert read(" ".join(word for word in words if word not in foreign)) is None


def test_honest_texts_have_no_accent() -> None:
    spoken = [sample.text for sample in HONEST if heard(sample.text.lower()) is not None]
    assert len(spoken) <= 0.002 * len(HONEST), spoken  # names of one place in several spellings
