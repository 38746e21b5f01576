"""What is read quickly is read as the plain rules say, which are written here as they were before they were quick."""

import re
from collections import Counter

import re2
from hypothesis import example, given
from hypothesis import strategies as st

from sisf.text import characters, ciphers, noise, views, words
from sisf.text.clues import Clues

TEXTS = st.text(st.sampled_from("abes tA 0.!?:'’\n\t\r\x0b_é-,Ž"), max_size=60) | st.text(max_size=40)
PIECE = re.compile(r"(?:[^\n.!?:]|[.!?:](?!\s)){1,600}[.!?:]{0,3}|\s+|[.!?:]+")
SPOKEN = re.compile(r"(?<!['’])[a-z]+")
WORDS = st.lists(st.sampled_from("so the and zulu like um it's a X sun".split()), max_size=40).map(" ".join)


@given(TEXTS, st.integers(0, 1_300))
@example("a" * 598 + "!?!?!x", 1)
@example("x." * 700 + "\n\n .", 1)
def test_pieces_are_sentences_and_lines(text: str, times: int) -> None:
    text = (text * (times // max(1, len(text)) + 1))[:2_000]
    assert list(ciphers.pieces(text)) == PIECE.findall(text)


@given(TEXTS)
@example("don't 'tis ''a rock'n'roll’s")
def test_words_are_what_no_apostrophe_stands_before(text: str) -> None:
    spoken = SPOKEN.findall(text.lower())
    letters = sum(map(len, spoken))
    known = words.costs()
    cost = sum(known.get(word) or 14.0 * len(word) for word in spoken)
    assert words.strangeness(text) == (cost / letters if letters else 0.0)
    unknown = sum(len(word) for word in spoken if word not in known)
    assert words.foreign(text) == (unknown >= 0.25 * letters or letters <= 3.3 * len(spoken))


def _unfilled(text: str) -> str | None:
    found = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)
    counts = Counter(word.lower() for word in found)
    least = max(4, 0.18 * len(found))
    rare = [n for word, n in counts.items() if n >= least and word not in noise._COMMON]
    usual = min([0.3 * len(found), *rare])
    fillers = {word for word, n in counts.items() if n >= (usual if word in noise._COMMON else least)}
    kept = [word for word in found if word.lower() not in fillers]
    enough = len(found) >= 8 and len(found) - len(counts) >= 3
    return " ".join(kept) if enough and fillers and len(kept) >= 4 else None


@given(WORDS | TEXTS)
def test_fillers_are_words_that_stand_between_the_others(text: str) -> None:
    found = noise.unfilled(text)
    assert (found and found.text) == _unfilled(text)


QUIET = re2.Options()
QUIET.log_errors = False
ALONE = [re2.compile(clue, QUIET) for _, clue, _, _ in views._all()]
CLUES = Clues.of([clue for _, clue, _, _ in views._all()])


@given(TEXTS | st.text(st.characters(max_codepoint=127), max_size=80))
def test_clues_are_those_that_each_would_find_alone(text: str) -> None:
    text = characters.scalar(text)
    alone = [number for number, pattern in enumerate(ALONE) if pattern.search(text) is not None]
    assert list(CLUES.found(text)) == alone
