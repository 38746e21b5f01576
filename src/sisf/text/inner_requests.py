"""What is asked for inside a sentence, without who asks for it and how.

`Could you write a poem`, `She told him to write a poem` and `Do not write a poem` hold the words of `Write a poem`.
Judged as a whole, a sentence sounds as harmless as its courtesies; judged from the verb on, it says what it is about.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sisf.text.order import VERBS, begins_with_order
from sisf.text.passives import passives
from sisf.text.verb_forms import of_finite, of_gerund
from sisf.text.words import costs

MOST = 16
"""Beginnings in one text, at most: the first ones."""
_FEWEST_LETTERS = 12
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HOW = re.compile(r"\W*how\b", re.I)
_WHY = re.compile(r"\W*why\b(?!\s(?:and|or)\s(?:how|in))", re.I)
_END = re.compile(r"[.!?…;\n]+(?=\s|$|[\"'”’»)])|[。！？]|$")
_OVER = re.compile(r"[.!?…;\n]")
_CLAUSE = re.compile(
    r",\s|\s[(\[–—-]|\s(?=[^\W\d_\u0000-\u024f])|\s(?:but|and\sthen)\s"
    r"|\sor\s(?:not|else|go|just)\b|\s(?:and|or|so|because)\s(?=(?:he|she|it|they|we|i|you|this|that|please|show|can)\b)",
    re.I,
)
_GERUND = re.compile(r"\w+ing\b")
_SAID_OF = re.compile(r"\s(?:is|was|will|would|can|could|should|has|seems)\s")
"""Where what is said of a gerund begins: `baking a cake is my homework`."""
_NOTHING_DONE_TO = re.compile(
    r"(?:\s(?:my|your|him|her|it|our|them)sel(?:f|ves))?(?:\s(?:in|on|at|with|for|to|from|about|of|up|out))?"
    r"(?:,|,?\s(?:and|or|but))\s(?:how|what|why|who|which|including|such)\b",
    re.I,
)
"""Behind a verb: what it is done to stands before it (`the cake that you would bake, including …`, `a case to solve and
how you …`), so that the rest says nothing."""
_ASIDE = re.compile(
    r"(?:[\s,]+(?:please|pls|plz|thanks?(?:\syou)?|thx|asap|rn|right\saway|now|soon|today|tonight|tomorrow"
    r"|for\s(?:me|us|him|her|them|(?:my|our)\s\w+|class|school|work|fun)"
    r"|(?:by|before|until|till|on|this)\s(?:\w+day|noon|lunch|dinner|tomorrow|tonight|midnight|week|month|weekend)))+$",
    re.I,
)
"""For whom, when and with what thanks: what a request ends with that says nothing of what is asked for."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ASKING = _set("please pls plz kindly let's gonna wanna gotta")
"""Words behind which the reader is asked, whatever stands before them."""
_AUXILIARY = _set(
    "can could would will should may might must do does did shall ought to cannot can't couldn't won't wouldn't"
)
_ASKED = _set("you u ya i we one me us somebody someone anybody anyone people")
"""Who is asked, or asks how something is done, where an auxiliary stands before: `could you`, `how do I`."""
_TO_BE_DONE = _set(
    """
    how way ways want need like able possible steps step going me us you best easiest effective have wish
    required necessary help asked instructions guide task goal plan method methods
    """
)
"""Words behind which `to` says what is to be done."""
_WISHING = _set("whether if it how hoping hope wish wishing")
"""Words behind which `you might` asks, as `might you` does anywhere."""
_FORBIDDING = _set("not never don't")
_TELLING = (
    _AUXILIARY | _ASKED | _FORBIDDING | _set("just they he she him her them and then didn't doesn't shouldn't who")
)
"""Words behind which a verb in its plain form may stand."""
_ABOUT = _set(
    """
    of for from about against by at with on in into start begin consider avoid before after while without mind
    is was are
    """
)
"""Words behind which a gerund may stand."""
_DOERS = _set("who he she somebody someone anybody anyone everybody everyone nobody mine")
"""Words behind which a verb stands that says what somebody does or did."""
_BLAMED = _set("accused suspected convicted guilty charged arrested victim victims")
"""Words behind which `of` and `for` say what somebody else did, or is said to have done."""
_JUDGED = _set("fair unfair right wrong ok okay acceptable legal illegal moral immoral ethical unethical")
"""Words behind which `to` says what is judged, as `why` says what is explained: nothing that is to be done."""
_CAUSING = _set("let have make help")
"""Words that have somebody else do it: `have the intern bake`; `that the team bake` is asked for in the same way."""
_ARTICLES = _set("the a an my our your his her their this some")
_LEFT = _set("do task job goal plan wish homework idea step thing")
"""What `is` says what is to be done of: `all that is left to do is bake`."""
_PASSED_OVER = _set(
    """
    ever here there always actually really still again simply quickly even perhaps maybe first somehow usually often
    once
    """
)
"""Words that may stand anywhere and say nothing of what follows."""
_DENYING = _FORBIDDING | _set(
    """
    no can't cannot couldn't won't wouldn't mustn't shouldn't doesn't didn't without forbidden prohibited banned refuse
    refused refuses refusing unable unless avoid
    """
)
"""Words that make a sentence say that something is not done."""
_NAMING = _set("a an the this that these those my your his its our their no every each any some is was")
"""Words behind which what looks like a verb is a noun."""
_JOINING = _set("and then also or afterwards next finally")
"""Words behind which one more thing is asked for where the text begins with an order."""
_NOUNS = VERBS - {"think", "speak"}
"""Verbs that are nouns where `of` follows: `the use of`."""
_RARE = 11.0
"""What a word costs (`sisf.text.words`) that is hardly English."""
_NO_VERBS = _set(
    """
    a an the this that these those there and but for with from into onto about after before because while when where
    what which who whom whose how why not never all any some more most much many other another each every both few
    his her its our their your you him them one two can could will would shall should may might must have has had
    are was were been being did does done also just only very really quite too than then here now ever please kindly
    get got know see think hope wish like want need feel love guess mean try believe be do is am go if in on at it
    as so we he she they me my us no or by up ought u ya pls plz thanks something anything everything nothing people
    somebody someone anybody anyone nobody i
    """
)
"""Words that begin no request: what people do when they ask, and words that are no verbs."""
_REPORTING = _set("say tell ask become seem come let make")
"""Verbs of which it says little that somebody does so."""
_BEGIN_NOTHING = _NO_VERBS | _AUXILIARY | _DENYING


@dataclass(frozen=True, slots=True)
class InnerRequest:
    """A request inside a sentence."""

    start: int
    end: int
    asked: bool
    """Whether the sentence asks for it, or how it is done; else it may as well tell of it."""
    denied: bool
    """Whether the sentence says that it is not done."""
    order: str
    """What it says as an order: `baking a cake` is `bake a cake`."""
    turned: bool = False
    """Whether the place says what is done, and the order to do so."""


def inner_requests(text: str) -> list[InnerRequest]:
    """Where requests stand inside the sentences of a text: from the verb to the end of the sentence, to the end of the
    clause, and to where it is said for whom and when. Linear in the text.

    Where the text begins with an order, `to` says what something is for, but not behind a verb. A first clause that
    asks why asks for reasons alone.
    """
    found: list[InnerRequest] = []
    ordered = begins_with_order(text)
    how = _HOW.match(text) is not None
    beginnings, end_before, words = 0, 0, deque(["", "", ""], maxlen=4)
    reasons = _WHY.match(text)
    between, denied = "", False
    for match in _WORD.finditer(text, min(_ends(text, reasons.end())) if reasons else 0):
        word = match[0].lower().replace("’", "'")
        between, end_before = between + text[end_before : match.start()], match.end()
        if word in _PASSED_OVER:
            continue
        words.append(word)
        apart, denied = not between.isspace(), denied and _OVER.search(between) is None
        was_denied, denied = denied, denied or word in _DENYING
        opens, between = apart and "," not in between, ""
        done = _done(words)
        asked = _begins(words, anywhere=match[0].islower() and (apart or how), opens=opens, ordered=ordered)
        if asked is None and done is None:
            continue
        if match[0][0].isupper() and not (words[-1] in VERBS or words[-1].endswith("ing")):
            continue  # a name
        if words[-1] in _NOUNS and text.startswith(" of ", end_before):
            continue
        if _NOTHING_DONE_TO.match(text, end_before):
            continue
        start = match.start()
        found += [
            InnerRequest(start, end, bool(asked), was_denied, imperative(text[start:end], done))
            for end in _ends(text, start)
            if sum(map(str.isalpha, text[start:end])) >= _FEWEST_LETTERS and end - start < len(text.rstrip())
        ]
        beginnings += 1
        if beginnings == MOST:
            break
    turned = passives(text) if reasons is None else ()
    return found + [InnerRequest(each.start, each.end, False, False, each.order, turned=True) for each in turned]


def _begins(words: Sequence[str], *, anywhere: bool, opens: bool, ordered: bool) -> bool | None:
    """Whether the last of four neighbouring words begins what a sentence asks for (true), or what it may as well tell
    of (false); None where it begins nothing. `anywhere`: a verb of requests may begin one whatever stands before it;
    `opens`: the word opens a sentence; `ordered`: the text begins with an order."""
    earliest, before, last, word = words
    if (
        word in _BEGIN_NOTHING
        or "why" in (earliest, before)
        or (last == "to" and before in _JUDGED)
        or (last in _DOERS and of_finite(word) in _REPORTING)
        or _is_plural(word)
    ):
        return None
    caused = word in VERBS and before in _ARTICLES and earliest in _CAUSING
    if caused or _asks(earliest, before, last) or (word in VERBS and _is_next(before, last, ordered=ordered)):
        return True
    if word.endswith("ing"):
        names = last in _ABOUT and before not in _BLAMED
        return False if names or (opens and of_gerund(word)) else None
    if not last or last in _NAMING or (ordered and last == "to" and not _is_verb(before)):
        return None
    wished = earliest == "that" and before in _ARTICLES
    told = last in _TELLING or (word in VERBS and (anywhere or wished or _foreign(last) or _foreign(before)))
    return False if told else None


def _done(words: Sequence[str]) -> str | None:
    """The verb in which the last of some words says what somebody does or did: `who baked`; None where it is none."""
    verb = of_finite(words[-1]) if words[-2] in _DOERS else None
    return None if verb in _BEGIN_NOTHING or verb in _REPORTING else verb


def _is_next(before: str, last: str, *, ordered: bool) -> bool:
    """Whether a verb behind these two words says what else is to be done, or what is left."""
    return (ordered and (last in _JOINING or not last)) or (last == "is" and before in _LEFT)


def _is_verb(word: str) -> bool:
    """Whether behind a word `to` says what somebody has to do, or wants to do, and not what something is for."""
    return word in _TO_BE_DONE or word in _TELLING or of_finite(word) is not None


def _is_plural(word: str) -> bool:
    """Whether a word is a noun of many (`people smugglers`): verbs stand in their plain form behind who is asked."""
    return word.endswith("s") and not word.endswith(("ss", "us", "is", "as")) and word not in VERBS


def _foreign(word: str) -> bool:
    """Whether a word is hardly English: courtesies of other languages may ask for what is said in English."""
    return costs().get(word, _RARE) >= _RARE


def imperative(request: str, verb: str | None = None) -> str:
    """A request as an order with this verb, or with that of its gerund: `baking a cake` is `bake a cake`."""
    word, gap, rest = request.partition(" ")
    return f"{verb or of_gerund(word.lower()) or word}{gap}{rest}"


def _asks(earliest: str, before: str, last: str) -> bool:
    """Whether a verb behind these three words is what a sentence asks for."""
    if earliest in _WISHING and before in _ASKED and last in _AUXILIARY:
        return True
    if last == "to":
        return before in _TO_BE_DONE
    if last in _ASKED:
        return before in _AUXILIARY or before in {"help", "let"}
    return last in _ASKING or (last in _FORBIDDING and before in {"", "do"})


def _ends(text: str, start: int) -> set[int]:
    """Where the sentence and the clause end in which a place stands, with and without for whom and when."""
    ended = _END.search(text, start)
    end = ended.start() if ended else len(text)
    clause = _CLAUSE.search(text, start, end)
    ends = {end, clause.start()} if clause else {end}
    if _GERUND.match(text, start) and (said := _SAID_OF.search(text, start, end)):
        ends.add(said.start())
    return ends | {aside.start() for each in ends if (aside := _ASIDE.search(text[:each], start))}
