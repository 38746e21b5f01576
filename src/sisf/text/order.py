"""Whether a text begins by telling its reader to do something, as requests to write or to explain do.

Questions and remarks are other kinds of speech than orders, and traffic of one kind says little about the other:
policies are learned and calibrated for each apart.
"""

import re

_FIRST = re.compile(
    r"[\W_]*(?:(?:please|now|just|kindly|okay|ok|and|then|so|first|also|next)\b[\W_]+)*([a-z]+)(?![a-z'’])",
    re.IGNORECASE,
)
VERBS = frozenset(
    """
    act add advise analyse analyze answer argue arrange assemble assess assume author begin brainstorm break
    build calculate change check choose clarify classify code come commit compare complete compose compute
    conduct configure consider construct continue convert convince correct craft create criticize decode defend
    define demonstrate describe design detail determine develop discuss draft draw edit educate elaborate encode
    estimate evaluate examine expand explain explore exploit extract find finish fix forge format formulate
    generate get give group guide hack help hide highlight identify illustrate imagine implement improve include
    install instruct interpret invent investigate justify let list make manipulate mention modify name narrate
    offer optimise optimize order organise organize outline output paraphrase pen pick plan play post predict
    prepare pretend print produce program propose provide publish put rank read reason recommend record release
    remove rephrase replace reply report research respond return review rewrite role roleplay run say script
    search select sell set share shorten show simplify simulate sketch solve sort specify spread start state
    steal stop suggest summarise summarize take teach tell test think train transform translate turn use verify
    write
    """.split()
)
"""Verbs with which people begin requests, in English."""


_NO_OBJECT = frozenset("of and or is was were are has have had needed".split())
"""What follows verbs that are no orders but nouns: `the Act and`, `State of`."""
_CODE = re.compile(r"\w[._(\[=]+\w")
_BEFORE_OTHERS = frozenset(
    """
    a an the this that these those my your his her its our their to can could will would shall should may might must
    do does did not never i you he she it we they who which what and or of in on at by for with from as no any some
    every each more most other another
    """.split()
)
"""Words after which a verb in lower case is an infinitive, a statement or a noun."""
_NEXT = re.compile(r"\s+([^\w\s]*\w\S*)")
"""What an order is about. Labels (`Answer:`), headings and quoted names (`make"`) have nothing like it behind them."""
_LAST = re.compile(r"([^\W_]+)\s+$")
_REACH = 80
"""Characters in which the first word of a piece, or the last one before it, is looked for."""


def begins_with_order(text: str) -> bool:
    """Whether the first word, courtesies aside, is a verb in the imperative. English; false for other languages."""
    found = _FIRST.match(text)
    return found is not None and found.group(1).lower() in VERBS


def order_begins_at(text: str, start: int) -> bool:
    """Whether an order begins at this place inside a text: stricter than at its beginning, where little else stands.

    Inside sentences most verbs order nothing: `to use`, `the spread of`, `non-state actors`.
    """
    found = _FIRST.match(text, start, start + _REACH)
    if found is None or found.group(1).lower() not in VERBS:
        return False
    following = _NEXT.match(text, found.end(1), start + _REACH)
    if following is None or following.group(1).lower() in _NO_OBJECT or _CODE.search(following.group(1)):
        return False
    if not start or not text[start].islower():
        return True
    before = _LAST.search(text, max(0, start - _REACH), start)
    return text[start - 1].isspace() and (before is None or before.group(1).lower() not in _BEFORE_OTHERS)
