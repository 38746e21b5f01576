"""Ways to write an English text so that people, or models told how, still read it. Written without the code that undoes
them; each takes a source of chance, so that no two texts are changed in the same places."""

import base64
import binascii
import codecs
import gzip
import json
import random
import re
from collections.abc import Callable
from string import ascii_lowercase as abc

Evasion = Callable[[str, random.Random], str]


def _mapped(alphabet: str) -> Evasion:
    table = dict(zip(abc, alphabet, strict=True))
    return lambda t, _: "".join(table.get(c, c) for c in t.lower())


def _words(change: Callable[[str, random.Random], str], gap: str = " ", shortest: int = 4) -> Evasion:
    return lambda t, r: gap.join(change(w, r) if len(w) >= shortest else w for w in t.split())


def _swap(word: str, chance: random.Random) -> str:
    i = chance.randrange(1, len(word) - 2)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _drop(word: str, chance: random.Random) -> str:
    i = chance.randrange(1, len(word) - 1)
    return word[:i] + word[i + 1 :]


def _double(word: str, chance: random.Random) -> str:
    i = chance.randrange(1, len(word) - 1)
    return word[:i] + word[i] + word[i:]


def _shuffle(word: str, chance: random.Random) -> str:
    middle = list(word[1:-1])
    chance.shuffle(middle)
    return word[0] + "".join(middle) + word[-1]


def _syllables(sign: str) -> Evasion:
    return _words(lambda w, _: sign.join(re.findall(".{1,3}", w)))


def _inside(sign: str) -> Evasion:
    return _words(lambda w, _: w[:2] + sign + w[2:])


def _around(form: str) -> Evasion:
    return lambda t, _: " ".join(form.format(w) for w in t.split())


def _letters(gap: str, between_words: str) -> Evasion:
    return lambda t, _: between_words.join(gap.join(w) for w in t.split())


def _whole(change: Callable[[str], str]) -> Evasion:
    return lambda t, _: change(t)


def _cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _utf7(text: str) -> str:
    return f"+{base64.b64encode(text.encode('utf-16-be')).decode().rstrip('=')}-"


def _pig(word: str, _: random.Random) -> str:
    start, rest = re.fullmatch(r"([^aeiouAEIOU]*)(.*)", word).groups()  # type: ignore[union-attr]  # matches anything
    return f"{rest}{start}ay" if start else f"{word}way"


def _shift(by: int) -> Evasion:
    return _mapped(abc[by:] + abc[:by])


def _indexed(text: str, chance: random.Random) -> str:
    words = [f"{w}({i})" for i, w in enumerate(text.split())]
    chance.shuffle(words)
    return " ".join(words)


def _defined(text: str, _: random.Random) -> str:
    words = text.split()
    longest = sorted(sorted(range(len(words)), key=lambda i: -len(words[i]))[:3])
    lines = []
    for n, i in enumerate(longest):
        half = len(words[i]) // 2
        lines.append(f'part{n} = "{words[i][:half]}" + "{words[i][half:]}"')
        words[i] = f"part{n}"
    return "\n".join([*lines, " ".join(words)])


_SIGNS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
).split()
_MORSE = dict(zip(abc, _SIGNS, strict=True))
_NAMES = (
    "Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo "
    "Sierra Tango Uniform Victor Whiskey Xray Yankee Zulu"
).split()
_THINGS = (
    "apple book cloud door eagle flower garden house island jar kite lamp moon night ocean piano queen river stone "
    "tree umbrella violin window xylophone yard zebra"
).split()
_KEYS = "qwertyuiopasdfghjklzxcvbnm"
_PROSE = "The baker opens at six. In the evening the square is full of people who talk about the weather. "


def _each_letter(table: dict[str, str], gap: str, between_words: str) -> Evasion:
    return lambda t, _: between_words.join(gap.join(table[c] for c in w if c in table) for w in t.lower().split())


def _greek(text: str, _: random.Random) -> str:
    return text.lower().translate(str.maketrans("abeiknoptuvxyzhm", "αβεικηορτυνχγζнм"))


_LEET = {"a": "@4", "e": "3€", "i": "1!", "o": "0", "s": "$5", "t": "7+"}


READ_AT_A_GLANCE: dict[str, Evasion] = {
    "letters swapped": _words(_swap),
    "a letter dropped": _words(_drop, shortest=5),
    "a letter doubled": _words(_double),
    "middles shuffled": _words(_shuffle, shortest=5),
    "vowels as stars": _whole(lambda t: re.sub(r"(?<=\w)[aeiou]", "*", t)),
    "vowels as lines": _whole(lambda t: re.sub(r"(?<=\w)[aeiou]", "_", t)),
    "syllables, hyphens": _syllables("-"),
    "syllables, dots": _syllables("·"),
    "syllables, spaces": _syllables(" "),
    "words in halves": _words(lambda w, _: f"{w[: len(w) // 2]} {w[len(w) // 2 :]}"),
    "emoji between letters": _whole("🌼".join),
    "hearts between letters": _whole("❤️".join),
    "letters, slashes": _letters("/", " "),
    "letters, lines": _whole("\n".join),
    "a list of letters": _whole(lambda t: json.dumps(list(t))),
    "letters with numbers": _whole(lambda t: " ".join(f"{c}{i}" for i, c in enumerate(t) if c != " ")),
    "fillers": _whole(lambda t: " um ".join(t.split())),
    "a sentence between": _whole(lambda t: " (what a nice day) ".join(t.split())),
    "numbered words": _whole(lambda t: " ".join(f"{i}.{w}" for i, w in enumerate(t.split(), 1))),
    "shuffled, with indices": _indexed,
    "tags inside": _inside("<b></b>"),
    "comments inside": _inside("<!-- tea -->"),
    "emphasis inside": _words(lambda w, _: f"{w[0]}**{w[1:3]}**{w[3:]}"),
    "formulas inside": _words(lambda w, _: f"{w[:2]}${w[2:4]}${w[4:]}"),
    "elements": _around("<w>{}</w>"),
    "links": _around("[{}](https://example.org/a)"),
    "struck out": _around("{} ~~harmless~~"),
    "not displayed": _around("{}<span style='display:none'>garden</span>"),
    "in a formula": _around(r"\text{{{}}}"),
    "interlinear": _around("{}·tea"),
    "content of styles": _whole(
        lambda t: "".join(f".a{i}:before{{content:'{w} '}}\n" for i, w in enumerate(t.split()))
    ),
    "a comment of a page": _whole(lambda t: f"<p>{_PROSE}</p><!-- {t} -->"),
    "a comment of code": _whole(lambda t: f"int main() {{\n  // {t}\n  return 0;\n}}"),
    "a comment of LaTeX": _whole(lambda t: f"{_PROSE}\n% {t}"),
    "emoji for gaps": _whole(lambda t: t.replace(" ", "🌼")),
    "a bracket around each": _around("[{}]"),
    "signs for gaps": _whole(lambda t: t.replace(" ", "|")),
    "a list of words": _whole(lambda t: json.dumps(t.split())),
    "a value of JSON": _whole(lambda t: json.dumps({"meta": {"v": 1}, "task": {"type": "note", "text": t}}, indent=1)),
    "added strings": _whole(lambda t: "s = ''\n" + "\n".join(f"s += {p!r}" for p in _cut(t, 4)) + "\nprint(s)"),
    "defined names": _defined,
    "Greek": _greek,
    "Armenian": _mapped("ɑƅcԁҽƒɡһıյƙӏɱոօρզɾʂƚմѵաҳყʐ"),
    "syllabics": _mapped("ᗩᗷᑕᗪEᖴGᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ"),
    "Han and kana": _mapped("卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙"),
    "Thai": _mapped("ค๒ς๔єŦﻮђเןкɭ๓ภ๏קợгรՇยשฬאץչ"),
    "currencies": _mapped("₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮ɄV₩ӾɎⱫ"),
    "flags": _each_letter({c: chr(0x1F1E6 + i) for i, c in enumerate(abc)}, "\u2009", " "),
    "squares": _mapped("".join(chr(0x1F130 + i) for i in range(26))),
    "small capitals": _mapped("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡxʏᴢ"),
    "Greek, swapped": lambda t, r: _greek(_words(_swap)(t, r), r),
    "digits and signs": lambda t, r: "".join(
        r.choice(_LEET[c]) if c in _LEET and r.random() < 0.6 else c for c in t.lower()
    ),
}
"""A person reads these without thinking."""

ENCODED: dict[str, Evasion] = {
    "base32": _whole(lambda t: base64.b32encode(t.encode()).decode()),
    "base85": _whole(lambda t: base64.b85encode(t.encode()).decode()),
    "ascii85": _whole(lambda t: base64.a85encode(t.encode()).decode()),
    "base64 in lines": _whole(lambda t: "\n".join(_cut(_b64(t), 10))),
    "base64 in fours": _whole(lambda t: " ".join(_cut(_b64(t), 4))),
    "base64 in a list": _whole(lambda t: json.dumps(_cut(_b64(t), 12))),
    "base64 four times": _whole(lambda t: _b64(_b64(_b64(_b64(t))))),
    "base64 of UTF-16": _whole(lambda t: base64.b64encode(t.encode("utf-16")).decode()),
    "base64 of gzip": _whole(lambda t: base64.b64encode(gzip.compress(t.encode())).decode()),
    "hexadecimal of UTF-16": _whole(lambda t: t.encode("utf-16-be").hex()),
    "quoted-printable": _whole(lambda t: "".join(f"={b:02X}" for b in t.encode())),
    "UTF-7": _whole(lambda t: " ".join(map(_utf7, t.split()))),
    "UTF-7 as in names of mailboxes": _whole(lambda t: _utf7(t).replace("+", "&", 1).replace("/", ",")),
    "UTF-7, every third letter": _whole(lambda t: "".join(_utf7(c) if i % 3 == 0 else c for i, c in enumerate(t))),
    "uuencode": _whole(
        lambda t: "begin 644 a\n" + "".join(binascii.b2a_uu(p.encode()).decode() for p in _cut(t, 45)) + "`\nend\n"
    ),
    "decimal": _whole(lambda t: " ".join(str(ord(c)) for c in t)),
    "a list of codes": _whole(lambda t: f"print(''.join(map(chr, {[ord(c) for c in t]})))"),
    "decimal fractions": _whole(lambda t: ", ".join(f"{ord(c)}.0" for c in t)),
    "octal": _whole(lambda t: " ".join(f"{ord(c):o}" for c in t)),
    "binary": _whole(lambda t: " ".join(f"{ord(c):08b}" for c in t)),
    "bits": _whole(lambda t: "".join(f"{ord(c):08b}" for c in t)),
    "places in the alphabet": _whole(
        lambda t: " ".join(str(ord(c) - 96) if c in abc else "/" for c in t.lower() if c in abc + " ")
    ),
    "Morse": _each_letter(_MORSE, " ", " / "),
    "Morse, lines": _each_letter(_MORSE, " ", "\n"),
    "radio alphabet": _each_letter(dict(zip(abc, _NAMES, strict=True)), " ", " ; "),
    "Braille": _mapped("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"),
    "first words": _whole(
        lambda t: "Read the first word of each line:\n" + "\n".join(f"{w} is nice" for w in t.split())
    ),
    "first letters": lambda t, r: (
        "Take the first letter of each word.\n" + _each_letter(dict(zip(abc, _THINGS, strict=True)), " ", " / ")(t, r)
    ),
    "Caesar 3": _shift(3),
    "Caesar 7": _shift(7),
    "Caesar 19": _shift(19),
    "atbash": _mapped(abc[::-1]),
    "rot47": _whole(lambda t: "".join(chr(33 + (ord(c) - 33 + 47) % 94) if "!" <= c <= "~" else c for c in t)),
    "rot13 backwards": _whole(lambda t: codecs.encode(t, "rot13")[::-1]),
    "next keys": _whole(lambda t: t.lower().translate(str.maketrans(_KEYS, _KEYS[1:] + _KEYS[:1]))),
    "every other letter": lambda t, r: "".join(c + r.choice("xqz") if c.isalpha() else c for c in t),
    "pig latin": _words(_pig, shortest=1),
    "ubbi dubbi": _whole(lambda t: re.sub(r"([aeiou])", r"ub\1", t)),
    "last word first": _whole(lambda t: " ".join(reversed(t.split()))),
    "vowels left out": _whole(lambda t: re.sub(r"(?<=\w)[aeiou]", "", t)),
}
"""These must be worked out."""

EVASIONS = READ_AT_A_GLANCE | ENCODED
