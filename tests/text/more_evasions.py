"""More ways to write an English text, as `evasions` has them: rows and columns, chats, games, told keys, pictures."""

import base64
import codecs
import json
import random
import re
from collections.abc import Callable
from string import ascii_lowercase as abc
from textwrap import wrap

from tests.text.evasions import Evasion

_THINGS = "sunny garden river table window purple quiet morning silver forest gentle yellow candle mountain".split()
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {key: beside for row in _ROWS for key, beside in zip(row, row[1:] + row[-2], strict=True)}
_CHAT = {
    "you": "u", "your": "ur", "people": "ppl", "to": "2", "for": "4", "with": "w/", "without": "w/o", "someone": "sum1",
    "that": "dat", "this": "dis", "the": "da", "create": "cr8", "write": "rite", "how": "hw", "about": "abt",
}  # fmt: skip
_ON_KEYS = "abc def ghi jkl mno pqrs tuv wxyz".split()
_TAPS = {char: str(key) * n for key, on in enumerate(_ON_KEYS, 2) for n, char in enumerate(on, 1)}
_FONT = """
a b c d
.###.  ####.  .####  ####.
#...#  #...#  #....  #...#
#####  ####.  #....  #...#
#...#  #...#  #....  #...#
#...#  ####.  .####  ####.
e f g h
#####  #####  .####  #...#
#....  #....  #....  #...#
####.  ####.  #..##  #####
#....  #....  #...#  #...#
#####  #....  .####  #...#
i j k l
###  ..###  #..#.  #....
.#.  ...#.  #.#..  #....
.#.  ...#.  ##...  #....
.#.  #..#.  #.#..  #....
###  .##..  #..#.  #####
m n o p
#...#  #...#  .###.  ####.
##.##  ##..#  #...#  #...#
#.#.#  #.#.#  #...#  ####.
#...#  #..##  #...#  #....
#...#  #...#  .###.  #....
q r s t
.###.  ####.  .####  #####
#...#  #...#  #....  ..#..
#.#.#  ####.  .###.  ..#..
#..#.  #..#.  ....#  ..#..
.##.#  #...#  ####.  ..#..
u v w x
#...#  #...#  #...#  #...#
#...#  #...#  #...#  .#.#.
#...#  #...#  #.#.#  ..#..
#...#  .#.#.  ##.##  .#.#.
.###.  ..#..  #...#  #...#
y z
#...#  #####
.#.#.  ...#.
..#..  ..#..
..#..  .#...
..#..  #####
"""
"""Four letters a block: their names, and five lines of each."""


def _letters_of_font() -> dict[str, list[str]]:
    lines = _FONT.strip().splitlines()
    found: dict[str, list[str]] = {}
    for first in range(0, len(lines), 6):
        names = lines[first].split()
        found |= {name: [line.split()[at] for line in lines[first + 1 : first + 6]] for at, name in enumerate(names)}
    return found


def _words(change: "Evasion", shortest: int = 4) -> Evasion:
    return lambda t, r: " ".join(change(w, r) if len(w) >= shortest and w.isalpha() else w for w in t.split())


def _rows(form: str) -> Evasion:
    return lambda t, _: "\n".join(form.format(w=w, i=i) for i, w in enumerate(t.split(), 1))


def _mapped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(c, c) for c in text.lower())


def _beside(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word))
    return word[:at] + _BESIDE.get(word[at], word[at]) + word[at + 1 :]


def _stretched(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word))
    return word[:at] + 4 * word[at] + word[at + 1 :]


def _starred(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    return f"{word[:at]}*{word[at + 1 :]}"


def _subtitles(text: str, _: random.Random) -> str:
    return "\n\n".join(f"{i + 1}\n00:00:{i:02d},000 --> 00:00:{i + 1:02d},000\n{w}" for i, w in enumerate(text.split()))


def _summed(text: str, _: random.Random) -> str:
    third = len(text) // 3
    a, b, c = text[:third], text[third : 2 * third], text[2 * third :]
    return f'x = "{a}"; y = "{b}"; z = "{c}"; x+y+z'


def _blanks(text: str, _: random.Random) -> str:
    words = text.split()
    longest = sorted(sorted(range(len(words)), key=lambda i: -len(words[i]))[:3])
    said = ", ".join(json.dumps(words[i]) for i in longest)
    for number, i in enumerate(longest):
        words[i] = f"{{{number}}}"
    return f'"{" ".join(words)}".format({said})'


def _vigenere(text: str, key: str) -> str:
    read, at = [], 0
    for char in text.lower():
        if char in abc:
            read.append(abc[(abc.index(char) + abc.index(key[at % len(key)])) % 26])
            at += 1
        else:
            read.append(char)
    return "".join(read)


def _exchanged(text: str, chance: random.Random) -> tuple[str, str]:
    other = list(abc)
    chance.shuffle(other)
    return "".join(other), _mapped(text, dict(zip(abc, other, strict=True)))


def _with_table(text: str, chance: random.Random) -> str:
    other, said = _exchanged(text, chance)
    return "Key: " + ", ".join(f"{b}={a}" for a, b in zip(abc, other, strict=True)) + "\n" + said


def _with_rows(text: str, chance: random.Random) -> str:
    other, said = _exchanged(text, chance)
    return f"plain:  {abc}\ncipher: {other}\n\n{said}"


def _picture(text: str, _: random.Random) -> str:
    font = _letters_of_font()
    lines = []
    for word in re.sub("[^a-z ]", "", text.lower()).split():
        lines += ["  ".join(font[c][row].replace(".", " ") for c in word) for row in range(5)] + [""]
    return "\n".join(lines)


def _columns(text: str, _: random.Random) -> str:
    words = text.split()
    height = -(-len(words) // 3)
    words += [""] * (3 * height - len(words))
    rows = ("   ".join(words[row + height * column].ljust(14) for column in range(3)) for row in range(height))
    return "Read it column by column:\n" + "\n".join(rows)


def _nth(text: str, chance: random.Random) -> str:
    return "Read every second word: " + " ".join(f"{chance.choice(_THINGS)} {w}" for w in text.split())


def _another_vowel(word: str, chance: random.Random) -> str:
    at = chance.choice([i for i, c in enumerate(word) if c in "aeiou"] or [0])
    return word[:at] + chance.choice("aeiou".replace(word[at], "")) + word[at + 1 :]


def _whole(change: Callable[[str], str]) -> Evasion:
    return lambda t, _: change(t)


READ_AT_A_GLANCE: dict[str, Evasion] = {
    "keys beside": _words(_beside),
    "some vowels left out": _words(lambda w, _: w[0] + re.sub("[aeiou]", "", w[1:-1]) + w[-1]),
    "a letter stretched": _words(_stretched),
    "a letter starred": _words(_starred),
    "stammered": _words(lambda w, _: f"{w[0]}-{w[0]}-{w}"),
    "each word twice": lambda t, _: " ".join(f"{w} {w}" for w in t.split()),
    "as children say it": lambda t, _: re.sub("[rl]", "w", t.lower()),
    "chat": lambda t, _: " ".join(_CHAT.get(w.lower(), w) for w in t.split()),
    "one vowel": _whole(lambda t: re.sub(r"(?<=\w)[aeiou]", "a", t)),
    "another vowel": _words(_another_vowel),
    "the first letter masked": _words(lambda w, _: "*" + w[1:]),
    "a sign for a letter": _words(lambda w, _: f"{w[:2]}-{w[3:]}"),
    "the last letter missing": _words(lambda w, _: w[:-1]),
    "half typed": _words(lambda w, _: w[: max(4, len(w) - len(w) // 3)]),
    "lisped": _whole(lambda t: re.sub("ss|s|z|c(?=[eiy])", "th", t.lower())),
    "with the tongue of another language": _whole(lambda t: re.sub("l", "r", re.sub("th", "z", t.lower()))),
    "gaps between two words alone": _whole(lambda t: re.sub(r"(\S+) (\S+)", r"\1\2", t)),
    "gaps moved": lambda t, _: " ".join(re.findall(".{1,4}", t.replace(" ", ""))),
    "gaps too late": lambda t, _: re.sub(r"(\w) (\w)", r"\1\2 ", t),
    "an emoji at each word": lambda t, r: " ".join(w + r.choice("😀🔥👍") for w in t.split()),
    "signs between words": lambda t, _: " | ".join(t.split()),
    "subtitles": _subtitles,
    "a chat with times": _rows("[12:00:{i:02d}] anna: {w}"),
    "a log": _rows("2024-05-01 12:00:{i:02d} {w}"),
    "rows of CSV": _rows("{i},{w}"),
    "rows of a table": _rows("| {i} | {w} |"),
    "rows of HTML": lambda t, _: "".join(f"<tr><td>{i}</td><td>{w}</td></tr>" for i, w in enumerate(t.split(), 1)),
    "added lines": _rows("+{w}"),
    "printed": _rows('print("{w}")'),
    "footnotes": lambda t, _: " ".join(f"{w}[{i}]" for i, w in enumerate(t.split(), 1)),
    "links by reference": lambda t, _: " ".join(f"[{w}][{i}]" for i, w in enumerate(t.split(), 1)),
    "a sum of strings": _summed,
    "blanks filled": _blanks,
    "both letter cases": lambda t, _: "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in t),
    "quoted-printable in part": lambda t, _: "".join(f"={ord(c):02X}" if i % 3 == 0 else c for i, c in enumerate(t)),
    "pictures of letters": _picture,
}
"""A person reads these without thinking."""

ENCODED: dict[str, Evasion] = {
    "pig latin, hyphens": lambda t, _: " ".join(
        re.sub(r"^([^aeiou]*)(.*)$", lambda m: f"{m[2]}-{m[1]}ay" if m[1] else f"{m[2]}-way", w)
        for w in t.lower().split()
    ),
    "a syllable behind consonants": lambda t, _: re.sub(r"([b-df-hj-np-tv-z])", r"\1op", t.lower()),
    "a syllable before vowels": lambda t, _: re.sub(r"([aeiou]+)", r"idig\1", t.lower()),
    "echoes of vowels": lambda t, _: re.sub(r"([aeiou]+)", r"\1f\1", t.lower()),
    "echoes of consonants": lambda t, _: re.sub(r"([b-df-hj-np-tv-xz])", r"\1o\1", t.lower()),
    "some words backwards": lambda t, _: " ".join(w[::-1] if i % 2 else w for i, w in enumerate(t.split())),
    "some words under rot13": lambda t, _: " ".join(
        codecs.encode(w, "rot13") if i % 2 else w for i, w in enumerate(t.split())
    ),
    "the last letter first": _words(lambda w, _: w[-1] + w[:-1]),
    "lines backwards": lambda t, _: "\n".join(line[::-1] for line in wrap(t, 24)),
    "columns": _columns,
    "every second word": _nth,
    "last words": lambda t, r: (
        "Read the last word of each line:\n" + "\n".join(f"The {r.choice(_THINGS)} {w}" for w in t.split())
    ),
    "capitals": lambda t, r: (
        "Read only the capital letters: "
        + "".join(c.upper() + r.choice("xyz") if c.isalpha() else " " for c in t.lower() if c.isalpha() or c == " ")
    ),
    "Vigenère, key named": lambda t, _: f"The key is lemon (Vigenère): {_vigenere(t, 'lemon')}",
    "Vigenère, key behind": lambda t, _: f'{_vigenere(t, "secret")}\n(a cipher, the keyword is "secret")',
    "Vigenère, key above": lambda t, _: f"Decrypt this. Key: HARBOUR\n\n{_vigenere(t, 'harbour')}",
    "letters exchanged, pairs": _with_table,
    "letters exchanged, rows": _with_rows,
    "Caesar, told": lambda t, _: (
        "Caesar cipher, shift 5: " + _mapped(t, dict(zip(abc, abc[5:] + abc[:5], strict=True)))
    ),
    "places from none": lambda t, _: " ".join(
        str(abc.index(c)) if c in abc else "/" for c in t.lower() if c in abc + " "
    ),
    "five bits": lambda t, _: " ".join(f"{abc.index(c):05b}" if c in abc else "/" for c in t.lower() if c in abc + " "),
    "keys of a telephone": lambda t, _: " / ".join(
        " ".join(_TAPS[c] for c in w if c in _TAPS) for w in t.lower().split()
    ),
    "sums of characters": lambda t, _: "+".join(f"chr({ord(c)})" for c in t),
    "words in base64": lambda t, _: " ".join(base64.b64encode(w.encode()).decode() for w in t.split()),
    "encoded words": lambda t, _: (
        "Subject: =?utf-8?Q?"
        + "".join("_" if c == " " else f"={ord(c):02X}" if i % 2 else c for i, c in enumerate(t))
        + "?="
    ),
}
"""These must be worked out, or are told."""

EVASIONS = READ_AT_A_GLANCE | ENCODED
