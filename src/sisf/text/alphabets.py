"""Letters written as something else: Morse, numbers, the names of radio operators, first letters of words and lines.

Each function returns the text with what was written so replaced by what it says, or None. All take time linear in the
text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from string import ascii_lowercase as letters

from sisf.text.bases import plausible
from sisf.text.changed import Changed, substitute
from sisf.text.ciphers import reads
from sisf.text.once import once
from sisf.text.words import costs, segmented

_MORSE = dict(
    zip(
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
        "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(),
        letters + "0123456789",
        strict=True,
    )
)
_SIGNS = r"[.\-–—−•·_]{1,7}"
_MORSE_RUN = re.compile(rf"(?<!\S){_SIGNS}(?:[ /|\n]{{1,4}}{_SIGNS}){{5,}}(?![^\s/|])")
_MORSE_PLAIN = str.maketrans("–—−_•·", "----..")
_MORSE_GAP = re.compile(r"\s*[/|\n]\s*|\s{2,}")
_MORSE_KNOWN = 0.8

_NAMES = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu alpha juliet x-ray whisky"
).split()
_NAMED = {name: name[0] for name in _NAMES}
_NAME = rf"(?:{'|'.join(_NAMES)})"
_NAMES_RUN = re.compile(rf"\b{_NAME}(?:[^A-Za-z0-9]{{1,5}}{_NAME}){{4,}}\b", re.IGNORECASE)
_A_NAME = re.compile(rf"{_NAME}|[^A-Za-z]+", re.IGNORECASE)

_NUMBERS_RUN = re.compile(r"(?<![\w.])[0-9]{1,8}(?:(?:[\s,;:/|.+\-]|\.\.)[\s/|]{0,3}[0-9]{1,8}){5,}(?![\w])")
_CALL = re.compile(
    r"\)?\s{0,2}[+.,&|]{0,2}\s{0,2}\b(?:chr[bw$]?|n?char|unichr|fromCharCode)\(\s{0,2}(?=\d)", re.IGNORECASE
)
_LETTERS_OF_KEYS = ("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz")
_TAPS = {str(key) * n: char for key, on in enumerate(_LETTERS_OF_KEYS, 2) for n, char in enumerate(on, 1)}
_KEYS = str.maketrans({char: taps[0] for taps, char in _TAPS.items()})
_KEYS_A_WORD = 3
_NUMBER_OR_GAP = re.compile(r"[0-9]+|[^0-9]+")
_WHOLE = re.compile(r"(?<![0-9.])([0-9]+)\.0+(?![0-9.])")
_BITS_RUN = re.compile(r"(?<![\w.])[01]{40,}(?!\w)")
_BIT, _BITS_OF_LETTERS = re.compile("[01]"), (8, 7)
_GREAT = re.compile(r"(?<![\w.])[0-9]{20,4000}(?![\w.])")
"""Numbers of which each byte may be a character; the digits of greater ones Python does not read."""

CLUE_MORSE = r"[.\-–—−•·_]{1,7}(?:[ /|\n]{1,4}[.\-–—−•·_]{1,7}){5}"
CLUE_NUMBERS = r"[0-9]{1,8}(?:[^A-Za-z0-9]{1,5}[0-9]{1,8}){5}|[0-9]{20}|(?i:(?:chr|char|chrw|fromcharcode)\(\s?\d)"
CLUE_INITIALS = r"(?i)\b(?:(?:first|initial)\s+(?:\w+\s+){0,2}(?:letters?|words?|characters?)|initials|acrostic)\b"
"""What in a text calls for each (RE2)."""

_CUE = re.compile(rf"{CLUE_INITIALS}[^\n]{{0,60}}")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GROUP = re.compile(r"\s*[\n/|;]\s*")
_FEWEST = 4


def from_morse(text: str) -> Changed | None:
    """Morse code: words part at `/`, `|`, lines or longer gaps."""
    return substitute(_MORSE_RUN, lambda m: _morse(m[0].translate(_MORSE_PLAIN)), text)


def _morse(run: str) -> str | None:
    read = ["".join(_MORSE.get(sign, "?") for sign in word.split()) for word in _MORSE_GAP.split(run)]
    said = " ".join(read)
    if said.count("?") > (1 - _MORSE_KNOWN) * len(said):
        return None
    return said if len(read) > 1 else segmented(said)


def from_names(text: str) -> Changed | None:
    """The alphabet of radio operators: words part at anything but one space."""
    return substitute(_NAMES_RUN, lambda m: _spelled(m[0].lower()), text)


def clue_names() -> str:
    """RE2 pattern of what calls for the alphabet of radio operators."""
    return rf"(?i)\b{_NAME}(?:[^A-Za-z0-9]{{1,5}}{_NAME}){{4}}"


def _spelled(run: str) -> str:
    said = "".join(_NAMED.get(piece) or ("" if piece in " -," else " ") for piece in _A_NAME.findall(run))
    return said if " " in said else segmented(said)


def from_numbers(text: str) -> Changed | None:
    """Numbers that are characters (decimal, octal, binary), places in the alphabet or rows and columns of a square."""
    if len(_CALL.findall(text)) >= _FEWEST:
        text = _CALL.sub(" ", text)
    changed = None
    for pattern, read in _WRITTEN:
        found = substitute(pattern, read, changed.text if changed else text)
        changed = found if changed is None else Changed(found.text) if found else changed
    return changed


def _bits(run: str) -> str | None:
    read = (_worth("".join(_character(code, 2) or "" for code in re.findall("." * n, run))) for n in _BITS_OF_LETTERS)
    return next(filter(None, read), None)


def _great(digits: str) -> str | None:
    """A great number, of which the bytes are characters, from the first on or from the last."""
    number = int(digits)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return next(filter(None, (_worth(plausible(each)) for each in (raw, raw[::-1]))), None)


def _numbers(run: str) -> str | None:
    tokens = _NUMBER_OR_GAP.findall(_WHOLE.sub(r"\1", run))
    if all(_BIT.fullmatch(token) for token in tokens[::2]):
        return _bits("".join(tokens[::2]))
    for read in _CODES:
        said = _worth(_decoded(tokens, read))
        if said is not None:
            return said
    return _typed(tokens)


def _typed(tokens: Sequence[str]) -> str | None:
    """The commonest words that are typed so on the keys of a telephone, a key a letter; None unless all are words."""
    typed = [token for token in tokens if token[0].isdigit()]
    if sum(map(len, typed)) < _KEYS_A_WORD * len(typed):
        return None
    words = [_on_keys().get(token) for token in typed]
    return " ".join(word for word in words if word) if all(words) else None


@once
def _on_keys() -> dict[str, str]:
    found: dict[str, str] = {}
    for word in costs():
        found.setdefault(word.translate(_KEYS), word)
    return found


def _tap(digits: str) -> str | None:
    """A key of a telephone, pressed once or more."""
    return _TAPS.get(digits)


def _worth(said: str | None) -> str | None:
    """What was read, with gaps between its words; None when it reads as nothing."""
    if not said or len(said) < _FEWEST:
        return None
    if reads(said):
        return said
    cut = segmented("".join(filter(str.isalpha, said.lower()))) if said.isascii() else ""
    return cut if reads(cut) else None


def _decoded(tokens: Iterable[str], read: Callable[[str], str | None]) -> str | None:
    found: list[str] = []
    for token in tokens:
        if not token[0].isdigit():
            found.append(" " if len(token.strip()) > 0 and any(c in token for c in "/|\n") else "")
            continue
        letter = read(token)
        if letter is None:
            return None
        found.append(letter)
    return "".join(found)


def _character(digits: str, base: int) -> str | None:
    try:
        code = int(digits, base)
    except ValueError:
        return None
    return chr(code) if 32 <= code < 0x3000 or code in (9, 10, 13) else None


def _place(digits: str) -> str | None:
    number = int(digits)
    return letters[number - 1] if 1 <= number <= 26 else " " if number in (0, 27) else None


def _place_from_none(digits: str) -> str | None:
    number = int(digits)
    return letters[number] if number < len(letters) else None


def _five_bits(digits: str) -> str | None:
    return _place_from_none(str(int(digits, 2))) if len(digits) == 5 and set(digits) <= {"0", "1"} else None


def _square(digits: str) -> str | None:
    """A place in a square of five by five, which lacks `j` or `k`, or of six rows of five."""
    if len(digits) != 2 or not ("1" <= digits[0] <= "6" and "1" <= digits[1] <= "5"):
        return None
    place = (int(digits[0]) - 1) * 5 + int(digits[1]) - 1
    return letters[place] if place < 26 else None


def _tapped(digits: str) -> str | None:
    letter = _square(digits)
    return letter if letter is None or letter < "k" else None if letter == "z" else letters[letters.index(letter) + 1]


def _binary(digits: str) -> str | None:
    return _character(digits, 2) if len(digits) >= 7 else None


def _octal(digits: str) -> str | None:
    return _character(digits, 8)


def _decimal(digits: str) -> str | None:
    return _character(digits, 10)


_CODES: tuple[Callable[[str], str | None], ...] = (
    _binary, _decimal, _octal, _place, _square, _tapped, _place_from_none, _five_bits, _tap,
)  # fmt: skip


def from_initials(text: str) -> Changed | None:
    """First letters, or first words, of the words and lines behind a hint that these are meant."""
    for cue in _CUE.finditer(text):
        for said in _initials(text[cue.end() :]):
            if reads(said):
                return Changed(said)
        return None
    return None


def _initials(text: str) -> Iterator[str]:
    groups = [words for line in _GROUP.split(text) if (words := _WORD.findall(line))]
    lines = [words for line in text.splitlines() if (words := _WORD.findall(line))]
    if len(lines) >= _FEWEST:
        yield " ".join(words[0] for words in lines)
        yield segmented("".join(words[0][0] for words in lines).lower())
    if sum(map(len, groups)) >= _FEWEST:
        yield " ".join("".join(word[0] for word in words) for words in groups)
        yield segmented("".join(word[0] for words in groups for word in words).lower())


_WRITTEN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    (_NUMBERS_RUN, lambda m: _numbers(m[0])),
    (_BITS_RUN, lambda m: _bits(m[0])),
    (_GREAT, lambda m: _great(m[0])),
)
