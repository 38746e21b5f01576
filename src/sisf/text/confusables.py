"""Letters that look like other letters, read as the ASCII letter that a person sees (after UTS #39).

Only words that pretend to be Latin are mapped: those that mix Latin with another script, and those in sentences where
most words become English ones. A sentence of real Cyrillic or Greek keeps its letters.
"""

import re
from importlib.resources import files

from sisf.text.once import once
from sisf.text.words import costs

_SENTENCE = re.compile(r"(?<=[.!?\n])")
_MOST = 0.5
"""Share of the words with foreign letters that must be disguised English for all of them to be mapped."""
_SIGNS = "€£¥¢"
"""Signs that are written for other letters than they resemble; `spelling` reads them."""
_READ_OTHERWISE = dict.fromkeys(map(ord, "εϵɛєҽԑΕЕ"), "e") | {ord("ӏ"): "l", ord("ƚ"): "t"}
_READ_OTHERWISE |= {
    ord(sign): letter
    for letter, signs in {"o": "⭕🔴⚪⚫🟠", "x": "❌✖❎", "i": "ℹ", "t": "✝➕", "s": "💲", "m": "Ⓜ"}.items()
    for sign in signs
}
"""Where people read another letter than the one whose outline is nearest."""
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")


@once
def table() -> dict[int, str]:
    """Look-alike characters and the ASCII letters or digits that they are read as, for `str.translate`."""
    lines = files("sisf.text.data").joinpath("confusables.tsv").read_text(encoding="ascii").splitlines()
    read = {int(code, 16): ascii_form for code, ascii_form in (line.split("\t") for line in lines)}
    return {code: form for code, form in read.items() if chr(code) not in _SIGNS} | _READ_OTHERWISE


def skeleton(text: str) -> str:
    """The text with look-alikes mapped, in the words that pretend to be Latin."""
    if text.isascii():
        return text
    mapping = {ord(c): table().get(ord(c), c) for c in set(text)}  # whole: a character that is missing costs more
    if text.translate(mapping) == text:
        return text
    return "".join(_sentence(part, mapping) for part in _SENTENCE.split(text))


def _sentence(text: str, mapping: dict[int, str]) -> str:
    if text.isascii() or text.translate(mapping) == text:
        return text
    foreign = [word for word in _WORD.findall(text) if not word.isascii()]
    pretending = sum(_pretends(word, mapping) for word in foreign)
    whole = pretending >= _MOST * len(foreign)
    return _WORD.sub(lambda m: m[0].translate(mapping) if whole or _mixed(m[0]) else m[0], text)


def _pretends(word: str, mapping: dict[int, str]) -> bool:
    return _mixed(word) or (len(word) > 2 and word.translate(mapping).lower() in costs())


def mixes(text: str) -> bool:
    """Whether a word of the text mixes Latin with other letters."""
    return any(map(_mixed, _WORD.findall(text)))


def _mixed(word: str) -> bool:
    return not word.isascii() and any(c.isascii() and c.isalpha() for c in word)
