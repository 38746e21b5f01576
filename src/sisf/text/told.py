"""Texts that say themselves how they are to be read: every second word, the capitals alone, a cipher with its key.

Each function returns what is read so, or None. All take time linear in the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice, pairwise
from string import ascii_lowercase as letters

from sisf.text.changed import Changed
from sisf.text.ciphers import reads, strange_pieces
from sisf.text.words import segmented, strangeness

_NTH = {"other": 2, "alternate": 2, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5}
_EACH = r"(?:every|each|all|only|just)\s+(?:the\s+)?(other|alternate|second|2nd|third|3rd|fourth|4th|fifth)\s+"
_END = r"[^\n:]{0,60}[\n:]?"
_EVERY = re.compile(rf"(?i)\b{_EACH}(word|letter|character|line)s?{_END}")
_LAST = re.compile(rf"(?i)\b(?:last|final)\s+words?\b{_END}")
_CAPITALS = re.compile(rf"(?i)\b(?:capitals?|capitali[sz]ed|upper[ -]?case)(?:\s+letters?)?\b{_END}")
CLUE_TOLD = (
    r"(?i)\b(?:other|alternate|second|2nd|third|3rd|fourth|4th|fifth|last|final)\s+(?:word|letter|character|line)s?\b"
    r"|\b(?:capitals?|capitali[sz]ed|upper[ -]?case)\s+(?:letters?|only|alone)\b"
)
CLUE_KEYED = (
    r"(?i)\b(?:key|keyword|vigen.re|cipher|cypher|decrypt|decipher|decode|substitution)\b"
    r"|(?:\b[a-z]\s*(?:=|->|→)\s*[a-z]\b\W{0,4}){8}"
)
"""What in a text calls for each (RE2)."""
_FEWEST = 4
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HOLDING = frozenset(
    """
    a an the to of in on for with that and or how what is are be can from by at into as it you your my his her their
    """.split()
)
_NO_CAPITAL = re.compile(r"[^A-Z\s]+")

_KEY = re.compile(r"(?i)\bkey(?:[ -]?word)?\b[\s\"'(]*(?:is|was|=|:|->)?[\s\"'`*(]*([a-z]{3,16})\b")
_QUOTED = re.compile(r"[\"'“‘`*(]([A-Za-z]{3,16})[\"'”’`*)]")
_SHOUTED = re.compile(r"\b[A-Z]{3,16}\b")
_ANY_WORD = re.compile(r"[A-Za-z]{3,16}")
_KEYS, _NEAR = 16, 200
"""Words tried as keys; characters at the beginning and the end of a text whose words may be keys."""
_SAMPLE = 160
_PAIR = re.compile(r"(?<![A-Za-z])([A-Za-z])\s*(?:=|->|→|:)\s*([A-Za-z])(?![A-Za-z])")
_FEWEST_PAIRS = 12
_ALPHABET = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][ ,|]?){24,26}(?![A-Za-z])")
_MOST_PIECES = 2
_LABELS = re.compile(r"\n|:\s")
_MOST_SEGMENTS, _SHORTEST = 4, 16


def as_told(text: str) -> Changed | None:
    """Every second or third word, letter or line, the last words of the lines or the capital letters, where the text
    says that these are to be read."""
    found = [said for said in _told(text) if reads(said)]
    return Changed(max(found, key=_grammar)) if found else None


def _grammar(said: str) -> float:
    """The share of the words that hold sentences together: what stands between others to hide them has few."""
    words = said.lower().split()
    return sum(word in _HOLDING for word in words) / len(words)


def _told(text: str) -> Iterator[str]:
    every = _EVERY.search(text)
    if every is not None:
        yield from _nth(text[every.end() :], _NTH[every[1].lower()], every[2].lower())
    last = _LAST.search(text)
    if last is not None:
        lines = [words for line in text[last.end() :].splitlines() if (words := _WORD.findall(line))]
        yield " ".join(words[-1] for words in lines if len(lines) >= _FEWEST)
    capitals = _CAPITALS.search(text)
    if capitals is not None:
        said = _NO_CAPITAL.sub("", text[capitals.end() :]).lower()
        yield said
        yield segmented("".join(said.split()))


def _nth(text: str, step: int, unit: str) -> Iterator[str]:
    if unit == "word":
        parts, gap = text.split(), " "
    elif unit == "line":
        parts, gap = [line for line in text.splitlines() if line.strip()], "\n"
    else:
        parts, gap = [char for char in text.lower() if not char.isspace()], ""
    for first in range(step if len(parts) >= _FEWEST else 0):
        said = gap.join(parts[first::step])
        yield said if gap else segmented("".join(filter(str.isalpha, said.replace("_", " "))))


def keyed(text: str) -> Changed | None:
    """What does not read, under a cipher whose key or table stands in the text."""
    pieces = strange_pieces(text)[:_MOST_PIECES]
    made = [said for piece in pieces if (said := _undone(piece, text)) is not None]
    return Changed("\n".join(made)) if made else None


def _undone(piece: str, text: str) -> str | None:
    """A piece read under a cipher, but for lines that read better as they are: they say which cipher it is."""
    tables, keys = list(_tables(text)), _keys(text)
    for start, end in _segments(piece):
        sample = piece[start : min(end, start + _SAMPLE)]
        undo: Callable[[str], str] | None = next(
            (partial(_translated, table=t) for t in tables if reads(sample.translate(t), sample)), None
        )
        undo = undo or next((partial(_unshifted, key=k) for k in keys if reads(_unshifted(sample, k), sample)), None)
        if undo is not None:
            lines = zip(piece[start:].split("\n"), undo(piece[start:]).split("\n"), strict=True)
            return "\n".join(said for line, said in lines if strangeness(said) <= strangeness(line))
    return None


def _segments(piece: str) -> Iterator[tuple[int, int]]:
    """Where a piece may begin that is under a cipher: behind labels and in each line."""
    starts = [0, *(border.end() for border in islice(_LABELS.finditer(piece), _MOST_SEGMENTS))]
    for start, end in pairwise([*starts, len(piece)]):
        if end - start >= _SHORTEST:
            yield start, end


def _tables(text: str) -> Iterator[Mapping[int, int]]:
    """Tables of letters that a text shows, and their reverses."""
    pairs = dict(found for found in _PAIR.findall(text.lower()) if found[0] != found[1])
    rows = [re.sub(r"[^a-z]", "", row) for row in _ALPHABET.findall(text.lower())]
    found = [(list(pairs), list(pairs.values()))] if len(pairs) >= _FEWEST_PAIRS else []
    found += [(list(one), list(other)) for one, other in pairwise(rows) if len(one) == len(other)]
    for one, other in found:
        for coded, clear in ((one, other), (other, one)):
            yield {ord(a): ord(b) for a, b in zip(coded, clear, strict=True)} | {
                ord(a.upper()): ord(b.upper()) for a, b in zip(coded, clear, strict=True)
            }


def _keys(text: str) -> list[str]:
    """Words that may be the key, the likelier first."""
    near = text[:_NEAR] + "\n" + text[_NEAR:][-_NEAR:]
    found = [*_KEY.findall(near), *_QUOTED.findall(near), *_SHOUTED.findall(near), *_ANY_WORD.findall(near)]
    return list(dict.fromkeys(key.lower() for key in found))[:_KEYS]


def _translated(text: str, table: Mapping[int, int]) -> str:
    return text.translate(table)


def _unshifted(text: str, key: str) -> str:
    """Vigenère undone."""
    shifts = [letters.index(letter) for letter in key]
    read: list[str] = []
    place = 0
    for char in text.lower():
        if "a" <= char <= "z":
            read.append(letters[letters.index(char) - shifts[place % len(shifts)]])
            place += 1
        else:
            read.append(char)
    return "".join(read)
