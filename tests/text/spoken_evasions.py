"""Ways to write an English text as it is spoken, logged or drawn in other letters, as `evasions` has them: accents,
fillers, rows with names before them, lines broken anywhere, tags, letters of another script for sounds."""

import random
import re

from tests.text.evasions import Evasion

_CYRILLIC_LOOKS = str.maketrans("RNAEUWXYBO", "ЯИДЗЦШЖЧБФ")
_CYRILLIC = str.maketrans("abcdefghiklmnoprstuvxyz", "абкдефгхиклмнопрстувкйз")
_GREEK_LOOKS = str.maketrans("aebioptunwyvk", "αεβισρτυηωγνκ")
_NAMES = ("anna", "ben_92", "Kai", "mira")
_FILLERS = (", like,", ", you know,", " uh", " um,", " hmm")
_LAUGHTER = (" lol", " haha", " xd", " omg")


_SPANISH = dict(
    pair.split("=")
    for pair in """
    write=escribe create=crea give=dame explain=explica plan=planificar instructions=instrucciones steps=pasos and=y
    weapon=arma money=dinero people=gente house=casa police=policía poison=veneno drugs=drogas bomb=bomba city=ciudad
    bank=banco fake=falso secret=secreto without=sin with=con how=cómo of=del children=niños school=escuela
    company=empresa computer=ordenador passwords=contraseñas neighbour=vecino friend=amigo letter=carta sell=vender
    steal=robar building=construyendo hiding=escondiendo kitchen=cocina shop=tienda doctor=médico camera=cámara
    """.split()
)
_TYPED = {"you": "u", "people": "ppl", "and": "n", "to": "2", "for": "4", "that": "dat", "the": "da", "with": "w/"}


def _in_spanish(text: str, _: random.Random) -> str:
    return re.sub("[A-Za-z]+", lambda word: _SPANISH.get(word[0].lower(), word[0]), text)


def _typed_without_vowels(text: str, _: random.Random) -> str:
    def word(match: re.Match[str]) -> str:
        bare = match[0][0] + re.sub("[aeiou]", "", match[0][1:]) if len(match[0]) > 4 else match[0]
        return _TYPED.get(match[0], bare)

    return re.sub("[a-z]+", word, text.lower())


def _accent(*changes: tuple[str, str]) -> Evasion:
    def spoken(text: str, _: random.Random) -> str:
        text = text.lower()
        for meant, written in changes:
            text = re.sub(meant, written, text)
        return text

    return spoken


def _small_child(text: str, chance: random.Random) -> str:
    def word(match: re.Match[str]) -> str:
        said = re.sub("[rl]", "w", match[0].lower().replace("th", "d"))
        return re.sub("^([bdfgkmpst])(?=[aeio])", r"\1w", said) if chance.random() < 0.4 else said

    return re.sub("[A-Za-z]+", word, text)


def _few(text: str, size: int) -> list[str]:
    words = text.split()
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]


def _logged(text: str, _: random.Random) -> str:
    return "\n".join(f"[12:{minute:02d}] <{_NAMES[minute % 4]}> {said}" for minute, said in enumerate(_few(text, 2)))


def _two_speakers(text: str, _: random.Random) -> str:
    return "\n".join(f"{('Anna', 'Ben')[turn % 2]}: {said}" for turn, said in enumerate(_few(text, 3)))


def _cited(text: str, _: random.Random) -> str:
    ways = ("Anna says:", "and Ben adds:", "then Carla goes on:", "Dan:")
    return "\n".join(f'{ways[turn % 4]} "{said}"' for turn, said in enumerate(_few(text, 3)))


def _table(text: str, _: random.Random) -> str:
    rows = [f"| {said.replace(' ', ' | ')} |" for said in _few(text, 3)]
    return "\n".join(["| a | b | c |", "|---|---|---|", *rows])


def _behind(additions: tuple[str, ...], share: float) -> Evasion:
    return lambda t, r: " ".join(w + (r.choice(additions) if r.random() < share else "") for w in t.split())


def _tagged(text: str, chance: random.Random) -> str:
    return " ".join(f"{word}/{chance.choice(['NN', 'VB', 'DT', 'JJ'])}" for word in re.findall(r"[\w'-]+", text))


def _moved(ending: str) -> Evasion:
    def word(match: re.Match[str]) -> str:
        first, rest = re.match("([^aeiou]*)(.*)", match[0].lower()).groups()  # type: ignore[union-attr]
        return rest + first + ending

    return lambda t, _: re.sub("[A-Za-z]+", word, t)


def _by_sound(text: str, _: random.Random) -> str:
    text = text.lower()
    for said, letter in (("sh", "ш"), ("ch", "ч"), ("th", "т"), ("ph", "ф"), ("ck", "к"), ("ee", "и"), ("w", "в")):
        text = text.replace(said, letter)
    return text.translate(_CYRILLIC).replace("j", "дж").replace("q", "к")


ACCENTS: dict[str, Evasion] = {
    "a child": _accent(("th", "f"), ("r", "w")),
    "a small child": _small_child,
    "owo": _accent(("[rl]", "w"), ("n(?=[aeo])", "ny"), ("th", "d")),
    "a French accent": _accent(("th", "z"), ("i", "ee"), (r"\bh(?=[a-z])", "")),
    "a German accent": _accent(("th", "z"), ("wh?", "v")),
    "a Spanish accent": _accent((r"\bs(?=[bcdfgklmnpqt])", "es"), ("v", "b"), ("j", "y"), ("th", "d")),
    "a Japanese accent": _accent(
        ("th", "s"), ("l", "r"), ("v", "b"), ("([bcdfgkmpqstz])(?=[bcdfgkmpqrstz])", r"\1u"), (r"([kpst])\b", r"\1u")
    ),
    "an Italian accent": _accent((r"([b-df-hj-np-tv-z])\b", r"\1a")),
}
"""Sounds that somebody says for others, everywhere."""
SPOKEN: dict[str, Evasion] = {
    "ums and likes": _behind(_FILLERS, 0.6),
    "laughter": _behind(_LAUGHTER, 0.6),
    "(sic)": _behind((" (sic)",), 0.5),
    "a log of a chat, words": _logged,
    "two speakers": _two_speakers,
    "several who are cited": _cited,
    "numbered steps": lambda t, _: "\n".join(f"Step {n}: {word}" for n, word in enumerate(t.split(), 1)),
    "a table of three columns": _table,
    "cut every twelve letters": lambda t, _: "\n".join(t[at : at + 12] for at in range(0, len(t), 12)),
    "hyphens at line ends": lambda t, _: "-\n".join(t[at : at + 9] for at in range(0, len(t), 9)),
    "a word inside each": lambda t, _: re.sub(r"\b([A-Za-z]{2,4})(?=[A-Za-z]{2,}\b)", r"\1-bloody-", t),
    "vowels left out, the first letter too": lambda t, r: re.sub(
        "[A-Za-z]{4,}", lambda w: re.sub("[aeiou]", "", w[0].lower()) if r.random() < 0.5 else w[0], t
    ),
    "an order at the end": lambda t, _: f"{t.split(maxsplit=1)[1].rstrip('.?')}, {t.split()[0].lower()} you must.",
    "leaning words": lambda t, _: " ".join(f"_{word}_" for word in t.split()),
    "numbers between words": lambda t, r: "".join(f"{w}{r.randint(1, 9)}" for w in re.findall("[A-Za-z]+", t)),
    "tags": _tagged,
    "pig latin, another ending": _moved("ee"),
    "pig latin, always a letter": _moved("nay"),
    "a syllable of five letters": lambda t, _: re.sub("([aeiou]+)", r"ithag\1", t.lower()),
    "words in Spanish": _in_spanish,
    "chat without vowels": _typed_without_vowels,
    "Cyrillic looks": lambda t, _: t.upper().translate(_CYRILLIC_LOOKS),
    "Greek looks": lambda t, _: t.lower().translate(_GREEK_LOOKS),
    "Cyrillic sounds": _by_sound,
    "blanks of Braille": lambda t, _: t.replace(" ", "\u2800"),
}
EVASIONS = ACCENTS | SPOKEN
