"""Letters of other scripts, and signs, that are drawn like Latin ones: Greek, Armenian, Thai, Han, syllabics, Braille.

Wider than the confusables of UTS #39, which keep to what the eye takes for the same letter; here it is enough that
people write Latin words with it. So a text is mapped only where it then reads as English.
"""

import re
from itertools import product
from string import ascii_lowercase as letters
from unicodedata import normalize

from sisf.text.changed import translated
from sisf.text.ciphers import pieces, reads
from sisf.text.confusables import mixes
from sisf.text.mending import mended
from sisf.text.once import once
from sisf.text.remembered import remembered
from sisf.text.words import costs

_LOOKS = {
    "a": "αάΑаАɑᴀ卂ค₳ᗩᎪᗅΛλልаąдДꓮ丹ムäªꋫ",
    "b": "βϐвВьЬБъ乃๒฿ᗷƅᏴᗸБꓐ日ßɓ方Ыы",
    "c": "ςсСϲ匚₵ᑕᏟↃꓚ⊂ċ¢ɕくㄈ",
    "d": "δԁժᗪ๔ĐᎠɖԂᑯꓓᗞ刀りďđ",
    "e": "εέеЕєЄэҽ乇ɆᎬꓰєεΣξΞಒēęɘɛ€モ巳ЗзЁёЭ",
    "f": "ϝƒғҒ千Ŧ₣ᖴꓝꞘ下キ∱ʄ",
    "g": "ɡցգ₲ᎶᏀg๔ﻮĢɢ呂ﻭኗꓖģġɠ",
    "h": "нНһҺ卄ђⱧᕼհᎻꓧんηћĦћዘɦ",
    "i": "ιίіІїı丨เłᎥᛁ工エꓲÍ¡ɩꙇ",
    "j": "јЈյןﾌᒍᎫЈʝꓙ丿ل",
    "k": "κкКҜƙкҚк₭Ꮶᛕꓗズкɮ片Ќқ",
    "l": "ӏㄥɭⱠ˪ᒪլℓᏞℒꓡレիĿŁㄴ",
    "m": "ɱмМ爪๓₥ᗰოʍᎷꓟ州ጠണ冊",
    "n": "ηήпиИ几ภ₦ᑎո刀ռℕꓠлחทи๖ПЙйЛ",
    "o": "οόоОøØㄖ๏ᎾᗝօσΟ口のꓳ০○◯ㅇ中θѳФф",
    "p": "ρрРקթᑭ卩₱Ꮲþᑶꓑアƿ尸",
    "q": "ףգҩզɊᑫԛợႳợ९Ɋ",
    "r": "гГřг尺ɾɽⱤᖇᏒᎡЯяꓣ厂ʀя只",
    "s": "ѕЅʂรรᔕ丂₴ՏᎦꓢ5ς§ક己ຮ",
    "t": "τтТՇ₮ㄒ丅ᎢꓔէƬ十イㅜテ†ƚ七ƚ",
    "u": "υύцЦüㄩยɄᑌꓴմᑘน凵Սʋ",
    "v": "νѵשᐯᏙꓦ▽レ√∨ⅴ",
    "w": "ωώшШщωฬ山₩ᗯᎳɯѡԝաꓪພผ",
    "x": "χхХאӾ乂᙭ꓫӼ×ჯメЖж",
    "y": "γуУýץㄚɎұүYկყᎩϒΥꓬyүリЧчЎў",
    "z": "ζⱫ乙չʐᏃꓜzƵՀʑ之",
}
_BRAILLE = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"
_REGIONAL = 0x1F1E6
_MORE_THAN_ONE = {
    "η": "nh", "γ": "yv", "գ": "gq", "๔": "dg", "刀": "nd", "ς": "sc", "レ": "lv", "ƚ": "tl", "ɯ": "mw", "ʋ": "uv",
    "λ": "ay", "ν": "vn", "υ": "uv", "ρ": "pr", "χ": "xk",
}  # fmt: skip
"""What writers of this kind mean differently, the likelier first; the reading that is a word counts."""
_MOST_AMBIGUOUS = 4
_WORD = re.compile(r"\S+")
_FEWEST = 3


def imitated(text: str) -> str | None:
    """The text with imitations as the letters that they imitate, where it then reads as English. None: nowhere."""
    known = _table()
    if sum(ord(char) in known for char in set(text)) < _FEWEST:
        return None
    changed = "".join(_read(piece) for piece in pieces(text))
    return changed if changed != text else None


def _read(piece: str) -> str:
    if piece.isascii():
        return piece
    made = _WORD.sub(lambda m: _word(m[0]), piece)
    if reads(made) or _apart(made) or (mixes(piece) and reads(mended(made.lower()) or "")):
        return made
    return piece


@remembered
def _word(word: str) -> str:
    usual = translated(word, _table())
    places = [i for i, char in enumerate(word) if char in _MORE_THAN_ONE]
    if not 0 < len(places) <= _MOST_AMBIGUOUS or len(usual) != len(word):
        return usual
    letters_read = list(usual)
    for choice in product(*(_MORE_THAN_ONE[word[place]] for place in places)):
        for place, letter in zip(places, choice, strict=True):
            letters_read[place] = letter
        read = "".join(letters_read)
        if read.lower().strip(".,:;!?'\"") in costs():
            return read
    return usual


def _apart(made: str) -> bool:
    """Whether it is letters one by one: what they say is seen when they are put together."""
    words = made.split()
    return len(words) >= 2 * _FEWEST and sum(len(w) == 1 and w.isascii() and w.isalpha() for w in words) > 0.8 * len(
        words
    )


@once
def _table() -> dict[int, str]:
    """Each character's letter, the likeliest where there are several."""
    found = {ord(sign): meant[0] for sign, meant in _MORE_THAN_ONE.items()}
    for letter, looks in _LOOKS.items():
        for look in looks + normalize("NFKC", looks):
            if not look.isascii():
                found.setdefault(ord(look), letter)
    found |= {ord(sign): letter for sign, letter in zip(_BRAILLE, letters, strict=True)}
    return found | {_REGIONAL + i: letter for i, letter in enumerate(letters)}
