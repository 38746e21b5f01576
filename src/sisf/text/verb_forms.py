"""From the form in which a verb stands to the one in which it orders: `baked`, `baking`, `bakes` to `bake`. English."""

from sisf.text.order import VERBS
from sisf.text.remembered import remembered
from sisf.text.words import costs

_IRREGULAR = [
    line.split()
    for line in """
    beat beat beaten;begin began begun;break broke broken;bring brought;build built;burn burnt;buy bought
    catch caught;choose chose chosen;cut cut;deal dealt;do did done;draw drew drawn;drive drove driven;eat ate eaten
    feed fed;fight fought;find found;forge forged;get got;give gave given;go went gone;grow grew grown;hide hid hidden
    have had;hit hit;hold held;hurt hurt;keep kept;lead led;leave left;lose lost;make made;mean meant;pay paid;put put
    read read;rewrite rewrote rewritten;run ran run;say said;sell sold;send sent;set set;shoot shot;show showed shown
    speak spoke spoken;spend spent;spread spread;steal stole stolen;strike struck;take took taken;teach taught
    tear tore torn;tell told;throw threw thrown;undo undid undone;wear wore worn;win won;write wrote written
    """.replace("\n", ";").split(";")
    if line.strip()
]
"""Verbs with their past, and with their participle where that is another word."""
_PARTICIPLES = {forms[-1]: forms[0] for forms in _IRREGULAR}
_PASTS = {forms[1]: forms[0] for forms in _IRREGULAR}
PARTICIPLE = rf"(?:{'|'.join(_PARTICIPLES)}|[a-z]{{2,14}}ed)"
"""What looks like a participle."""
_SHORTEST_STEM = 3


@remembered
def of_participle(word: str) -> str | None:
    """The verb of which a word in lower case is the participle; None where it is none."""
    return _PARTICIPLES.get(word) or _of_regular_past(word)


@remembered
def of_finite(word: str) -> str | None:
    """The verb that a word in lower case is in the past, or in the third person; None where it is neither."""
    return _PASTS.get(word) or _of_regular_past(word) or _of_third_person(word)


@remembered
def of_gerund(word: str) -> str | None:
    """The verb of which a word in lower case is the gerund; None where it is none."""
    stem = word[:-3]
    if not word.endswith("ing") or len(stem) < _SHORTEST_STEM:
        return None
    return _likeliest(_with_stem(stem))


def _of_regular_past(word: str) -> str | None:
    if not word.endswith("ed") or word == "used":  # says what for
        return None
    stem = word[:-2]
    return _likeliest([*_with_stem(stem), *([f"{stem[:-1]}y"] if stem.endswith("i") else [])])


def _of_third_person(word: str) -> str | None:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return None
    forms = [word[:-1]]
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    return _likeliest(forms)


def _with_stem(stem: str) -> list[str]:
    """What is left of a verb without `-ed` or `-ing`, as verbs: `bak` is `bake`, `stopp` is `stop`."""
    return [f"{stem}e", stem, *([stem[:-1]] if stem[-1:] == stem[-2:-1] else [])]


def _likeliest(forms: list[str]) -> str | None:
    """Of words that may be the verb the commonest, one with which requests begin before all others."""
    likely = [form for form in forms if form in VERBS] or [form for form in forms if form in costs()]
    return min(likely, key=costs().__getitem__, default=None)
