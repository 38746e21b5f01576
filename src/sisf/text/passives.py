"""What is said to be done, as an order to do it: `How can a cake be baked?`, `how a cake is baked`, `A cake should be
baked` and `To be baked: a cake` are all `bake a cake`. English.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sisf.text.order import begins_with_order
from sisf.text.verb_forms import PARTICIPLE, of_participle

_LONGEST = 240
"""Characters of what something is done to."""
_WHAT = rf"(?P<what>[^.!?;:\n]{{3,{_LONGEST}}}?)"
_DONE = rf"(?P<done>{PARTICIPLE})\b"
_MODAL = r"(?:can|could|should|shall|must|might|may|will|would|(?:has|have|had|needs?|ought|is|are)\sto)"
_OFTEN = r"(?:(?:best|easily|\w+ly)\s)?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"\b(?:can|could|should|shall|must|might|may|will|would)\s{_WHAT}\s(?:be|get)\s{_OFTEN}{_DONE}",
        rf"(?:^|[.!?;:\n,]\s*|\b(?:that|how|if|whether|since|because)\s){_WHAT}\s{_MODAL}\s(?:\w+\s)?be\s{_OFTEN}{_DONE}",
        rf"\bfor\s{_WHAT}\sto\s(?:be|get)\s{_OFTEN}{_DONE}",
        rf"\bhow\s{_WHAT}\s(?:is|are|was|were|gets?|got)\s{_OFTEN}{_DONE}",
        rf"\bhow\s(?:is|are|was|were)\s{_WHAT}\s{_OFTEN}{_DONE}(?=\s(?:from|with|by|at|in|on|without|for|to)\b|\W*(?:$|[.!?\n]))",
        rf"\b(?:of|about|without|with|saw|see|seen|watch(?:ed)?|shows?)\s{_WHAT}\sbeing\s{_OFTEN}{_DONE}",
        rf"\bto\sbe\s{_DONE}:\s{_WHAT}(?=[.!?;\n]|$)",
        rf"\b(?:get|got|have|had|want|need|wants|needs)\s{_WHAT}\s{_DONE}(?=\s(?:for|by|until|before|at|in)\b|\W*(?:$|[.!?\n]))",
    )
)
_CLUE = re.compile(r"\b(?:be|being|get|how|have|had|got|want|needs?|wants)\s", re.IGNORECASE)
_SAYS_NOTHING = frozenset(
    "it this that they he she we i you there who which what these those all one some any how to when where".split()
)
"""Words that stand for what is done something to, and do not say what it is."""
_ASKS = re.compile(r"(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have)\s+", re.IGNORECASE)
_SAID = re.compile(r"\b(?:that|how|if|whether|why)\s", re.IGNORECASE)
_ENDS_IN_MODAL = re.compile(rf"\s{_MODAL}(?:\s\w+)?$", re.IGNORECASE)
_END = re.compile(r"[.!?;\n]+(?=\s|$|[\"'”’»)])|\s(?:and|but)\s|,\s|$")
_MOST = 8


@dataclass(frozen=True, slots=True)
class Passive:
    """A place that says what is done, and the order to do so."""

    start: int
    end: int
    order: str


def passives(text: str) -> list[Passive]:
    """The first ones in a text. Linear in it."""
    if _CLUE.search(text) is None:
        return []
    found: dict[str, Passive] = {}
    for form in _FORMS:
        for match in form.finditer(text):
            for passive in _passives(text, match):
                found.setdefault(passive.order, passive)
            if len(found) >= _MOST:
                return list(found.values())
    return list(found.values())


def _passives(text: str, match: "re.Match[str]") -> Iterator[Passive]:
    """What a match says, with what stands behind it in its clause, and without."""
    verb, what = of_participle(match["done"].lower()), _named(match["what"])
    if verb is None or what is None or _ENDS_IN_MODAL.search(what) is not None:
        return
    last = max(match.end("what"), match.end("done"))
    end = _END.search(text, last)
    rest = text[last : end.start() if end else len(text)].rstrip()
    start = min(match.start("what") + match["what"].rindex(what), match.start("done"))
    for behind in dict.fromkeys((rest, "")):
        yield Passive(start, last + len(behind), f"{verb} {what}{behind}")


def _named(what: str) -> str | None:
    """What something is done to: `Is it true that a cake can be baked` is about a cake. None where it is not named."""
    what = what.strip()
    asks = _ASKS.match(what)
    what = what[asks.end() :] if asks else what
    while what and (what.split()[0].lower() in _SAYS_NOTHING or begins_with_order(what)):
        said = _SAID.search(what)
        what = what[said.end() :].lstrip() if said else ""
    return what or None
