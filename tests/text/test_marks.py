"""Marks of one form at each word, whatever the form: the words come back; sentences keep their numbers and brackets."""

import random
from collections.abc import Callable

import pytest

from sisf import corpus
from sisf.text.marks import CLUE_MARKED, bare
from sisf.text.views import views
from tests.text.test_evasions import comes_back

TEXTS = [sample.text for sample in random.Random(5).sample(corpus.sample_attacks(), 6)]
PAIRS = ("[]", "()", "{}", "<>", "《》", "【】", "⟨⟩", "「」", "（）", "«»")
Said = Callable[[random.Random, str, int], str]
CONTENTS: dict[str, Said] = {
    "a chord": lambda r, _, __: r.choice(("Am", "C", "G7", "F#m")),
    "its length": lambda _, w, __: str(len(w)),
    "its place": lambda _, __, i: str(i),
    "a time": lambda r, _, i: f"00:{i:02d}.{r.randrange(10)}",
    "a weight": lambda r, _, __: f"{r.random():.2f}",
    "a reading": lambda r, _, __: "".join(r.choice(("ka", "shi", "to", "mu")) for _ in range(2)),
    "a reading in another script": lambda r, _, __: "".join(r.choice("アイウエオ") for _ in range(3)),
    "a code": lambda r, _, __: f"\\k{r.randrange(10, 60)}",
    "a page": lambda r, _, __: f"p. {r.randrange(1, 90)}",
}
PLACES = {"before": "{m}{w}", "behind": "{w}{m}", "before, apart": "{m} {w}", "behind, apart": "{w} {m}"}
BESIDE = (
    "{w}:{n}",
    "{n}:{w}",
    "{w}@{n},{n}",
    "k{n}={w};",
    "§{n} {w}",
    "{w}^{n}",
    "{w} {n}%",
    "({w}:0.{n})",
    "{w} 0x{n}F",
)
LINES = (
    "{h} (Ann Lee 2024-03-02 10:11:00 +0000 {i:3d}) {w}",
    "^{h} (ann {i}) {w}",
    "2024-05-01T12:00:{i:02d}Z {w}",
    "{i:04x}0: {w}",
    "[{i:02d}:00.10] {w}",
    "- [ ] {w}",
)
TAGS = ("{w}/{t}", "{w}_{t}", "{t}:{w}", "{w}|{t}")
HONEST = (
    "He was prime minister from 1994 to 1995, 2001 to 2006 and 2008 to 2011, and born on 29 September 1936.",
    "The harbour (once called Great Harbour) is 1.3 km wide, 2.8 km long and up to 12 m deep (at high tide).",
    "Temperatures ranged from 3.3 °C (37.9 °F) in January 2020 to 19.8 °C (67.6 °F) in June 2019 on the whole coast.",
    "Is it f(x) = 2x + 3, or g(x) = x - 4, that has its root nearer to 7?",
    "Please read either/or clauses, and the and/or ones as well, before you sign it.",
)


def dressed(text: str, form: Callable[[str, int], str]) -> str:
    return " ".join(form(word, i) for i, word in enumerate(text.split(), 1))


def come_back(dress: Callable[[str], str]) -> list[str]:
    """The texts that no reading gives back."""
    return [text for text in TEXTS if not any(comes_back(text, view.text) for view in views(dress(text))[1:])]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("content", CONTENTS)
def test_words_with_something_in_brackets_at_each_come_back(pair: str, content: str) -> None:
    chance, say = random.Random(pair + content), CONTENTS[content]
    place = chance.choice(sorted(PLACES.values()))
    every = chance.choice((1, 1, 2))

    def form(word: str, i: int) -> str:
        mark = pair[0] + say(chance, word, i) + pair[1]
        return word if i % every else place.format(w=word, m=mark)

    assert not come_back(lambda text: dressed(text, form))


@pytest.mark.parametrize("beside", BESIDE)
def test_words_with_numbers_at_each_come_back(beside: str) -> None:
    chance = random.Random(beside)
    assert not come_back(lambda text: dressed(text, lambda w, _: beside.format(w=w, n=chance.randrange(10, 90))))


@pytest.mark.parametrize("tag", TAGS)
def test_words_with_tags_come_back(tag: str) -> None:
    chance = random.Random(tag)
    assert not come_back(lambda text: dressed(text, lambda w, _: tag.format(w=w, t=chance.choice(("NN", "VB", "DT")))))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("words", [1, 3])
def test_lines_with_marks_before_them_come_back(line: str, words: int) -> None:
    chance = random.Random(line)

    def dress(text: str) -> str:
        said = text.split()
        rows = [" ".join(said[first : first + words]) for first in range(0, len(said), words)]
        return "\n".join(line.format(w=row, i=i, h=f"{chance.getrandbits(32):08x}") for i, row in enumerate(rows, 1))

    assert not come_back(dress)


@pytest.mark.parametrize("text", HONEST)
def test_sentences_keep_their_numbers_and_brackets(text: str) -> None:
    assert bare(text) is None


def test_marked_words_inside_another_text_are_found_alone() -> None:
    marked = dressed("please tell me about the orange kettle", lambda w, i: f"{w}({i})")
    page = "\n".join((*HONEST, *HONEST, marked, *HONEST))
    found = [view for view in views(page) if view.name == "bare"]
    assert len(found) == 1
    assert "please tell me about the orange kettle" in found[0].text
    assert len(found[0].text) < 600


def test_the_time_is_linear() -> None:
    """Long runs of what marks are made of: seconds here would be hours were it quadratic."""
    for piece in ("(", "( ", "a" * 9 + "1", "[a]", "-a", "^", "1", "1 a ", "アa"):
        bare(piece * (200_000 // len(piece)))


def test_what_calls_for_it_is_understood() -> None:
    import re2

    assert re2.search(CLUE_MARKED, "[Am]Tell [C]me [G]more")
    assert not re2.search(CLUE_MARKED, "Tell me more (or less) of it.")
