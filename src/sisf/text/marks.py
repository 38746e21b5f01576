"""Marks of one form at each word: chords, lengths, times, readings, tags, numbers, what stands before each line.

Whatever a mark says, it comes again and again with hardly a word between: so it is told from what sentences have in
brackets, and from the numbers of which they speak. Takes time linear in the text.
"""

import re
from bisect import bisect
from collections.abc import Iterator, Sequence

from sisf.text.changed import Changed, Span, passages
from sisf.text.words import costs, readable, unevenness

_PAIRS = ("<>", "[]", "()", "{}", "《》", "【】", "⟨⟩", "「」", "『』", "（）", "〈〉", "«»", "‹›")
_OPEN, _CLOSE = (re.escape("".join(pair[side] for pair in _PAIRS)) for side in (0, 1))
_BRACKETS = tuple(
    re.compile(f"{one}[^{one}{other}\n]{{0,60}}{other}") for one, other in (map(re.escape, pair) for pair in _PAIRS)
)
_WITH_DIGIT = re.compile(r"(?<!\S)[^\s\d]*\d\S*")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BEHIND = re.compile("['’].*")
_OTHER_SCRIPT = re.compile(r"(?:(?![a-zA-Z\u00c0-\u024f])[^\W\d_])+")
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]+(?:['’-][^\W\d_]+)*(?![^\W_])")
_RUN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_HASH = re.compile("[a-f]+")
_TAGGED = re.compile(r"(?<!\S)([^\W\d_]+)([/|_^:=~@#+·\\]{1,2})([^\W\d_]+)(?=[\s.,;:!?]|$)")
_AGAIN = r"[^A-Za-z]*(?:[A-Za-z]+[^A-Za-z]*)"
CLUE_MARKED = (
    rf"(?:[{_OPEN}][^{_CLOSE}\n]*[{_CLOSE}]{_AGAIN}{{0,2}}){{3}}"
    rf"|(?:[0-9]{_AGAIN}{{1,2}}){{3}}[0-9]|(?:(?:^|\n)[^\s0-9]*[0-9][^\n]*){{3}}"
    r"|(?:[A-Za-z]+[/|_^:=~@#+·\\]+[A-Za-z]+[\s.,;:!?]+){3}"
)
"""What calls for it (RE2)."""
_TAKEN = "\ue000"
"""Stands where marks were taken away."""
_SIGNS = " \t\r\n\f\v()[]{}<>|^=;:/\\*~#@_"
"""What goes with a mark that stands beside it."""
_TELLING, _ENOUGH = 2, 6
"""What a mark tells behind another one, with words between, and how much must be told: numbers that stand alone, of
which sentences have many, tell half."""
_FEWEST_ROWS = 2
"""Marks that begin lines, behind another one."""
_APART, _APART_IN_ROWS = 2, 8
"""Words between two marks at most; and between two that begin lines."""
_FEWEST_WORDS, _KNOWN = 4, 0.7
"""Words that are left, and the least share of their letters in known words."""
_FEWEST_LETTERS = 3
"""Letters of the longest of the words that stand between digits."""
_FEWEST_TAGS, _TAGS = 4, 0.5
"""Words with a tag, and their share of what stands between gaps."""

Mark = tuple[int, int, int]
"""Where it begins and ends, and how much it tells."""


def bare(text: str) -> Changed | None:
    """The text without marks of one form at its words. None: there are none, or what is left does not read."""
    left = text
    for brackets in _BRACKETS:
        left = _without(left, [(*match.span(), _TELLING) for match in brackets.finditer(left)])
    left = _without(left, list(_numbers(left)))
    if not left.isascii():
        left = _without(left, [(*match.span(), _TELLING) for match in _OTHER_SCRIPT.finditer(left)])
    left = _untagged(left)
    if left == text:
        return None
    said, gaps = _closed(left)
    read = [span for span in passages(said, gaps) if _reads(said[slice(*span)])]
    fresh = [gap for start, end in read for gap in gaps[bisect(gaps, (start, 0)) : bisect(gaps, (end, 0))]]
    return Changed(said, tuple(fresh)) if fresh else None


def _closed(left: str) -> tuple[str, Sequence[Span]]:
    """What is left of a text with gaps where marks were taken away, and the places of these."""
    said: list[str] = []
    gaps: list[Span] = []
    length = 0
    for piece in filter(None, (piece.strip(_SIGNS) for piece in left.split(_TAKEN))):
        if said:
            gaps.append((length, length + 1))
            length += 1
        said.append(piece)
        length += len(piece)
    return " ".join(said), gaps


def _reads(passage: str) -> bool:
    return len(_WORD.findall(passage)) >= _FEWEST_WORDS and readable(passage) >= _KNOWN


def _without(text: str, marks: Sequence[Mark]) -> str:
    """The text with a sign in place of the marks that come again and again."""
    if len(marks) <= _FEWEST_ROWS:
        return text
    kept: list[str] = []
    end = 0
    for start, stop in _recurring(text, marks):
        kept.append(text[end:start])
        end = stop
    return _TAKEN.join([*kept, text[end:]])


def _recurring(text: str, marks: Sequence[Mark]) -> Iterator[Span]:
    """Those that stand near one another, several with words between."""
    near: list[Span] = []
    end, told, rows = 0, 0, 0
    for start, stop, telling in marks:
        between = text[end:start]
        words = len(_WORD.findall(between))
        in_row = "\n" in between and _WORD.search(between[between.rindex("\n") :]) is None
        if near and words > (_APART_IN_ROWS if in_row else _APART):
            yield from near if told >= _ENOUGH or rows >= _FEWEST_ROWS else ()
            near, told, rows = [], 0, 0
        if near and words:
            told += telling
            rows += in_row
        near.append((start, stop))
        end = stop
    yield from near if told >= _ENOUGH or rows >= _FEWEST_ROWS else ()


def _numbers(text: str) -> Iterator[Mark]:
    """Numbers, with all that stands at them and is no word."""
    for token in _WITH_DIGIT.finditer(text):
        first, last = token.span()
        start = first
        for begin, end in (*_words(token[0], first), (last, last)):
            if any(map(str.isdigit, token[0][start - first : begin - first])):
                yield start, begin, 1 if (start, begin) == (first, last) else _TELLING
            start = end


def _words(token: str, first: int) -> Sequence[Span]:
    """The words in what begins at this place and has digits: hashes and times hold none."""
    return [word for run in _RUN.finditer(token) for word in _words_of_run(run[0], first + run.start())]


def _words_of_run(run: str, first: int) -> Iterator[Span]:
    found = list(_LETTERS.finditer(run))
    said = [_BEHIND.sub("", word[0].lower()) for word in found]
    known = sum(len(word) for word in said if word in costs())
    longest = max(map(len, said), default=0)
    whole = run.isalpha() or (longest >= _FEWEST_LETTERS and known >= _KNOWN * sum(map(len, said)))
    return ((first + w.start(), first + w.end()) for w, each in zip(found, said, strict=True) if whole or _likely(each))


def _likely(letters: str) -> bool:
    return len(letters) > _FEWEST_LETTERS and _HASH.fullmatch(letters) is None


def _untagged(text: str) -> str:
    """Words without the tags that most of them have, before them or behind."""
    tagged = _TAGGED.findall(text)
    if len(tagged) < max(_FEWEST_TAGS, _TAGS * len(text.split())):
        return text
    place = min((1, 3), key=lambda side: unevenness(" ".join(found[side - 1] for found in tagged)))
    return _TAGGED.sub(lambda found: found[place] + _TAKEN, text)
