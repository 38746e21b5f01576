"""Texts inside documents: markup taken away, and what stands in comments, in strings and in values alone.

Nothing is parsed: what is hostile is seldom well-formed. Each function returns what a reader of the shown, or of the
running, document would read, or None. All take time linear in the text.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from sisf.text.changed import Changed, substitute

_HIDDEN = (
    r"<(?P<tag>\w{1,16})\b[^<>]*(?:display\s*:\s*none|visibility\s*:\s*hidden|\bhidden\b)[^<>]*>[^<]*</(?P=tag)\s*>"
)
_TAG = r"<!--(?:[^-]|-(?!->))*(?:-->|\Z)|</?[A-Za-z][^<>]{0,400}>"
_MARKS = re.compile(
    rf"(?P<hidden>{_HIDDEN})|(?P<tags>(?:{_TAG})+)|~~[^~\n]{{1,80}}~~"
    r"|\[(?P<class>[A-Za-z])(?i:(?P=class))\]|(?P<gap>\\s(?:[+*]|(?![A-Za-z])))"
    r"|\[(?P<link>[^\[\]\n]{1,200})\](?:\([^()\s]{0,400}\)|\[[^\[\]\n]{0,40}\])"
    r"|^ {0,3}\[[^\[\]\n]{1,40}\]:[ \t]*<?(?:https?:|[/#])\S+"
    r"|\\(?:text|textbf|textit|texttt|emph|mathrm|mbox|operatorname)\{(?P<latex>[^{}]{0,400})\}"
    r"|\$(?P<math>[^\W\d_]{1,40})\$|(?P<signs>(?<=\S)\*\*+|\*\*+(?=\S)|(?<!\w)__(?=\w)|(?<=[^\W_])__(?!\w)|`{1,3})"
    r"|(?<![^\s(\"'])_(?P<leaning>[^\W_](?:[^_\n]{0,80}[^\W_])?)_(?!\w)",
    re.MULTILINE,
)
# What is left open ends with the text: so no comment is looked for twice.
_COMMENT = re.compile(
    r"<!--((?:[^-]|-(?!->)){4,})(?:-->|\Z)|/\*((?:[^*]|\*(?!/)){4,})(?:\*/|\Z)|\"\"\"([^\"]{4,})\"\"\""
    r"|(?:^[ \t]*|(?<=[;{}\s])(?=//))(?://|#(?![!#])|%|--|;;|REM\b)[ \t]+([^\n]{4,})",
    re.MULTILINE,
)
_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.){0,2000})\"|(?<!\w)'((?:[^'\\\n]|\\.){0,2000})'(?!\w)")
CLUE_SHOWN = (
    r"<[A-Za-z/!]|~~|\][(\[]|\[[A-Za-z]{2}\]|\\(?:text|emph|math|mbox|oper)|\*\*|__|`|\$[A-Za-z]+\$"
    r"|\b_[A-Za-z][^_\n]*_\b"
)
CLUE_COMMENTS = r"<!--|/\*|//[ \t]|(?:^|\n)[ \t]*(?:#|%|--|;;|REM)[ \t]|\"\"\""
CLUE_STRINGS = r"(?:\"[^\"]*\"|'[^']*')(?:.|\n)*(?:\"[^\"]*\"|'[^']*')|^\s*[\[{]|[=(,\[{:+]\s{0,2}[\"'][^\"'\n]{16}"
CLUE_FILLED = r"[\"'][^\n\"']*(?:%[sd]|\{\d?\})[^\n]*[\"'][^\n]{1,40}[\"']"
CLUE_ASSIGNED = r"\w\s*:?=\s*[\"']"
"""What in a text calls for each (RE2)."""
_DOCUMENT = re.compile(r"\s*[\[{]|[\s\S]{0,2000}?[{,]\s*[\"']\w{1,40}[\"']\s*:")
_VALUE = re.compile(r"[=(,\[{:+]\s*$")
_BEFORE = 8
"""What stands before a string that is a value; so many characters of it are looked at."""
_KEY = re.compile(r"\s*:(?!:)")
_ASSIGNED = re.compile(
    r"(?:^|[;,({])[ \t]*(?:(?:let|var|const|set|my)\s+)?\$?([A-Za-z_]\w{0,30})\s*:?=\s*"
    r"((?:\"[^\"\n]*\"|'[^'\n]*')(?:\s*[+.&]\s*(?:\"[^\"\n]*\"|'[^'\n]*'))*)[ \t]*(?=[;,)}]|$)",
    re.MULTILINE,
)
_QUOTES = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'")
_WORDS_TOO = ("a", "A", "I")
"""Names that are words as well, where they stand alone."""
_SUM = re.compile(r"\b[A-Za-z_]\w{0,30}\b(?:\s*[+.&]\s*\b[A-Za-z_]\w{0,30}\b)+")
_TERM = re.compile(r"\w+")
_BLANK = re.compile(r"%[sd]|\{\d?\}")
_NAME = re.compile(r"\$?\{?\b([A-Za-z_]\w{0,30})\b\}?")
_SAYING = 3
"""Words from which a string is a text of its own and not a piece of one."""
_FEWEST_PIECES = 4
_ALIKE = 0.5
"""Share of the strings that must stand behind the same, for all of them to be pieces of one."""
_DIGITS = re.compile(r"\d+")
_FEWEST_LETTERS = 12


def shown(text: str) -> Changed | None:
    """The text without tags, comments, emphasis, links, what is struck out and what is not displayed."""
    return substitute(_MARKS, _unmarked, text)


def _unmarked(match: "re.Match[str]") -> str:
    if match["tags"] is not None:
        around = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
        empty = "></" in match["tags"] or match["tags"].startswith("<!--")
        inside = empty and all(c.isalpha() for c in around if c) and all(around)
        return "" if inside else " "
    if match["gap"] is not None:
        return " "
    return match["link"] or match["class"] or match["latex"] or match["math"] or match["leaning"] or ""


def comments(text: str) -> Changed | None:
    """What stands in comments, a line each."""
    return _lines([next(filter(None, match.groups())) for match in _COMMENT.finditer(text)])


def strings(text: str) -> Changed | None:
    """What stands in quotes and is no key: the texts among them, a line each, or else the pieces put together."""
    matches = [match for match in _STRING.finditer(text) if not _KEY.match(text, match.end())]
    found = [match[1] if match[1] is not None else match[2] for match in matches]
    texts = [piece.strip() for piece in found if piece.count(" ") >= _SAYING - 1]
    if texts and _DOCUMENT.match(text):
        return _lines(texts)
    values = [m[1] or m[2] or "" for m in matches if _VALUE.search(text, max(0, m.start() - _BEFORE), m.start())]
    values = [value for value in values if value.count(" ") >= _SAYING]
    if values:
        return _lines(values)
    gaps = Counter(_DIGITS.sub("", text[a.end() : b.start()]) for a, b in pairwise(matches))
    alike = max(gaps.values(), default=0) >= _ALIKE * len(matches)
    return _together(found) if alike else None


_AROUND = re.compile(r"[\s.,;:!?()'’-]+")
"""What stands around words, or within them."""
_LETTERS = 0.3
"""Share of the pieces that may be single letters, if the pieces are words: `a` and `I` are words, too."""


def _together(pieces: Sequence[str]) -> Changed | None:
    bare = [place for place, piece in enumerate(pieces) if not any(map(str.isalnum, piece))]
    if len(bare) == 1 and bare[0] in (0, len(pieces) - 1):  # what others are joined with
        pieces = [piece for place, piece in enumerate(pieces) if place != bare[0]]
    if len(pieces) < _FEWEST_PIECES:
        return None
    words = [_AROUND.sub("", piece) for piece in pieces]
    letters = sum(len(word) == 1 for word in words)
    whole = all(word.isalpha() or word.isdecimal() for word in words) and letters <= _LETTERS * len(words)
    spaced = any(piece != piece.strip() for piece in pieces)
    said = "".join(pieces) if spaced or not whole else " ".join(pieces)
    return Changed(said) if len(said) >= _FEWEST_LETTERS else None


def _lines(texts: Sequence[str]) -> Changed | None:
    said = "\n".join(filter(None, map(str.strip, texts)))
    return Changed(said) if len(said) >= _FEWEST_LETTERS else None


def substituted(text: str) -> Changed | None:
    """What is left of the text when names that it defines as strings are replaced by these."""
    values: dict[str, str] = {}
    for match in _ASSIGNED.finditer(text):
        values.setdefault(match[1], "".join(a or b for a, b in _QUOTES.findall(match[2])))
    left = _ASSIGNED.sub("", text)
    if not values or sum(len(v) for v in values.values()) > len(text):
        return None
    summed = _SUM.sub(lambda m: _added(m[0], values), left)
    named = substitute(_NAME, lambda m: None if m[0] in _WORDS_TOO else values.get(m[1]), summed)
    said = named.text if named is not None else summed
    return Changed(said.strip()) if said != left and len(said) <= 2 * len(text) else None


def _added(terms: str, values: Mapping[str, str]) -> str:
    """A sum of names as the strings put together that they stand for; as it stands where it is none."""
    names = _TERM.findall(terms)
    return "".join(values[name] for name in names) if all(name in values for name in names) else terms


def filled(text: str) -> Changed | None:
    """Strings with blanks (`%s`, `{}`, `{0}`), filled with the strings behind them."""
    found = [match[1] if match[1] is not None else match[2] for match in _STRING.finditer(text)]
    said: list[str] = []
    for place, template in enumerate(found):
        blanks = _BLANK.findall(template)
        behind = found[place + 1 : place + 1 + len(blanks)]
        if blanks and len(behind) == len(blanks):
            order = [int(blank[1]) if blank[1].isdigit() else place for place, blank in enumerate(blanks)]
            fillings = iter([behind[number] if number < len(behind) else "" for number in order])
            said.append(_BLANK.sub(lambda _, fillings=fillings: next(fillings), template))
    return _lines(said)
