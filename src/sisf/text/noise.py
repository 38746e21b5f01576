"""Words with something between them, and words in another order: numbers, fillers, sentences from their last word on.

Each function returns the text as it was before, or None when it does not look so. All take time linear in the text.
"""

import re
from collections import Counter
from itertools import groupby, pairwise
from operator import eq

from sisf.text.changed import Changed, substitute
from sisf.text.order import VERBS
from sisf.text.words import costs, segmented

CLUE_NUMBERED = (
    r"(?:\d{1,3}(?:[^\w\s]{0,2}[^\S\n]?[A-Za-z][^\s0-9]*|[^\w\s]{1,2}[^\S\n]?\S+)\s+){4}"
    r"|(?:[A-Za-z][^\s0-9]*\d{1,3}[)\]]?[\s,;]+){4}"
)
"""What calls for it (RE2)."""
_PAIRED = re.compile(
    r"(?<!\S)(?:[(\[#]?(\d{1,3})(?:[.):\]_=,;|-]{1,3}\s?([^\s()]+)|\s([^\W\d_][^\s\d()]*))|([^\W\d_][^\s\d()]*?)[.,:_=-]?[(\[]?(\d{1,3})[)\]]?)(?=[\s,;]|$)"
)
_FEWEST = 4
_NUMBERED_SHARE, _SAID = 0.5, 0.5
"""Of all words, the share that must be numbered; and of these the share with letters: tables of numbers are none."""

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_APART = str.maketrans({code: " " for code in range(128) if not chr(code).isalnum()})
"""Splits into the same words what is ASCII and has no apostrophe, faster than an expression can."""
_FILLER_SHARE, _COMMON_FILLER_SHARE = 0.18, 0.3
"""Of all words, from which one is a filler; and from which one of the commonest words is: `the` has up to 0.2."""
_ECHOED = 0.35
"""Of all words, from which those that only say the one before again are noise."""
_COMMON = frozenset("the a an and of to in on is are i you it that for with was be at by my your".split())
_FEWEST_FILLERS = 4
_FEWEST_WORDS = 8

_INSERTED = re.compile(r"(?<![\w-])([^\W\d_]{1,20})-([^\W\d_]{2,12})-([^\W\d_]{1,20})(?![\w-])")
CLUE_INSERTED = r"\pL-\pL+-\pL[^-]*\pL-\pL+-\pL"
_FEWEST_INSERTED, _KNOWN_AGAIN = 2, 0.5
"""Words that are parted by the same one, and the share of those that must be known then."""

_SOUNDS = "um+|uh+m*|e+r+m*|hm+|mm+|huh|lo+l|lmao|rofl|xd|haha(?:ha)*|hehe(?:he)*|omg|oh|ah+|eh|phew|wow|yeah"
"""What people utter between words, which is none."""
_REMARKS = "like|you know|you see|i mean|sort of|kind of|well|basically|literally|actually|honestly|right|so|anyway"
"""Words that are no more than that where commas set them off."""
_DICTATED = "FULL STOP|STOP|COMMA|PERIOD|OVER|BREAK"
"""Marks that are said, in capitals: those of telegrams and the radio."""
_UTTERED = re.compile(
    rf"(?:(?<=\w) |\b)(?:{_DICTATED})(?:\.|(?=\s|$))"
    rf"|(?i:[ ,]{{0,3}}\b(?:{_SOUNDS})\b[.,!]{{0,3}}(?=\s|$)|,\s?(?:{_REMARKS})(?:,|$)|(?<=\w)\s\((?:sic|{_SOUNDS})\))"
)
CLUE_UTTERED = rf"(?i:\b(?:{_SOUNDS}|sic)\b|,\s*(?:{_REMARKS}),)|\b(?:{_DICTATED})\b"
_FEWEST_UTTERED = 2

_BEFORE_NOUNS = frozenset("a an the my your our his her their its this these".split())
_BEFORE_THESE = frozenset(
    """
    of in to for on with that from by at about and is are how into using can do without against or as under through
    until during after before over than between when because if
    """.split()
)
_TURNED_PAIRS = frozenset([("to", "how"), ("be", "can"), ("be", "will"), ("be", "to"), ("me", "give"), ("me", "tell")])
_MUCH = 2
"""What a preposition, or an order at the very end, says more than a verb, which may be a noun."""


_BEHIND_ORDER = "(?:you|must|should|shall|will|can|have to|me|us|for|please|now|to|it)"
_FRONTED = re.compile(
    r"(?<![^\n.!?:;])\s{0,3}(?P<what>[^\s.!?:;][^\n.!?:;]{8,400}),[ ]+(?P<verb>[^\W\d_]{3,12})"
    rf"(?:[ ]+{_BEHIND_ORDER}){{0,4}}[ ]*(?:[.!?]|$)",
    re.IGNORECASE | re.MULTILINE,
)
CLUE_FRONTED = rf"(?i),\s+(?:{'|'.join(sorted(VERBS))})(?:\s+{_BEHIND_ORDER})*\s*(?:[.!?\n]|$)"


def clue_pairs() -> str:
    """RE2 pattern of pairs of words that seldom stand so but in a text read from its end."""
    first, second = "|".join(sorted(_BEFORE_NOUNS)), "|".join(sorted(_BEFORE_THESE | VERBS))
    turned = "|".join(sorted(" ".join(pair) for pair in _TURNED_PAIRS))
    orders = "|".join(sorted(verb.capitalize() for verb in VERBS))
    return rf"(?i:\b(?:(?:{first})\s+(?:{second})|{turned})\b)|\s(?:{orders})[.!?]?\s*$"


def numbered(text: str) -> Changed | None:
    """Words that are numbered, in the order of their numbers. None: numbers come again, and are marks."""
    pairs = [(int(m[1] or m[5]), m[2] or m[3] or m[4]) for m in _PAIRED.finditer(text)]
    numbers = [number for number, _ in pairs]
    if len(pairs) < _FEWEST or len(pairs) < _NUMBERED_SHARE * len(text.split()):
        return None
    if len(set(numbers)) < len(numbers) or max(numbers) > 3 * len(numbers):
        return None
    words = [word for _, word in sorted(pairs, key=lambda pair: pair[0])]
    said = sum(any(map(str.isalpha, word)) for word in words)
    return Changed(_words(words)) if said >= _SAID * len(words) else None


def _words(words: list[str]) -> str:
    if all(len(word) == 1 for word in words):
        return segmented("".join(words).lower())
    return " ".join(words)


def unechoed(text: str) -> Changed | None:
    """The text without words that only say the one before again, where many do."""
    words = text.lower().split()
    if len(words) < _FEWEST_WORDS or sum(map(eq, words, words[1:])) < _ECHOED * len(words):
        return None
    return Changed(" ".join(word for word, _ in groupby(words)))


def unparted(text: str) -> Changed | None:
    """Words without another one between two hyphens inside each (`abso-bloody-lutely`), where that makes known ones."""
    inside = Counter(found[2].lower() for found in _INSERTED.finditer(text))
    usual = {word for word, count in inside.items() if count >= _FEWEST_INSERTED}
    changed = substitute(_INSERTED, lambda found: found[1] + found[3] if found[2].lower() in usual else None, text)
    if changed is None or changed.fresh is None:
        return None
    known = sum(changed.text[slice(*place)].lower() in costs() for place in changed.fresh)
    return changed if known >= _KNOWN_AGAIN * len(changed.fresh) else None


def unuttered(text: str) -> Changed | None:
    """The text without the sounds and remarks that people utter while they look for words, and without marks that are
    said, where several are."""
    changed = substitute(_UTTERED, lambda _: "", text)
    return changed if changed is not None and len(changed.fresh or ()) >= _FEWEST_UTTERED else None


def unfilled(text: str) -> Changed | None:
    """The text without words that stand between the others again and again."""
    words = text.translate(_APART).split() if text.isascii() and "'" not in text else _TOKEN.findall(text)
    if len(words) < _FEWEST_WORDS:
        return None
    lower = list(map(str.lower, words))
    if len(lower) - len(set(lower)) < _FEWEST_FILLERS - 1:
        return None  # no word comes so often
    counts = Counter(lower)
    least = max(_FEWEST_FILLERS, _FILLER_SHARE * len(words))
    usual = _COMMON_FILLER_SHARE * len(words)
    if max(counts.values()) < min(least, usual):
        return None
    rare = [count for word, count in counts.items() if count >= least and word not in _COMMON]
    usual = min([usual, *rare])  # what stands as often as a filler is part of it
    fillers = {word for word, count in counts.items() if count >= (usual if word in _COMMON else least)}
    kept = [word for word, small in zip(words, lower, strict=True) if small not in fillers]
    return Changed(" ".join(kept)) if fillers and len(kept) >= _FEWEST else None


def forwards(text: str) -> Changed | None:
    """The words from the last one on, where articles stand behind their nouns more often than before them."""
    words = text.lower().split()
    right = wrong = 0
    for one, other in pairwise(words):
        right += _leads(one, other) + _MUCH * ((other, one) in _TURNED_PAIRS)
        wrong += _leads(other, one) + _MUCH * ((one, other) in _TURNED_PAIRS)
    if words and words[-1].strip(".!?") in VERBS and words[0] not in VERBS:
        wrong += _MUCH
    return Changed(" ".join(reversed(text.split()))) if wrong > right else None


def fronted(text: str) -> Changed | None:
    """Sentences in which the order stands behind what is ordered (`A poem about tea, write you must.`) in their usual
    order."""
    return substitute(_FRONTED, _led, text)


def _led(found: "re.Match[str]") -> str | None:
    if found["verb"].lower() not in VERBS or len(found["what"].split()) < _FEWEST:
        return None
    return f"{found['verb'].capitalize()} {found['what'][0].lower()}{found['what'][1:]}."


def _leads(word: str, noun: str) -> int:
    """How much it says that one word stands before the other."""
    if noun not in _BEFORE_NOUNS:
        return 0
    return _MUCH if word in _BEFORE_THESE else int(word in VERBS)
