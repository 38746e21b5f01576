"""Whether a text begins by telling its reader to do something, as requests to write or to explain do.

Questions and remarks are other kinds of speech than orders, and traffic of one kind says little about the other:
policies are learned and calibrated for each apart.
"""

import re

_FIRST = re.compile(
    r"[\W_]*(?:(?:please|now|just|kindly|okay|ok|and|then|so|first|also|next)\b[\W_]+)*([a-z]+)(?![a-z'’])",
    re.IGNORECASE,
)
_VERBS = frozenset(
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


def begins_with_order(text: str) -> bool:
    """Whether the first word, courtesies aside, is a verb in the imperative. English; false for other languages."""
    found = _FIRST.match(text)
    return found is not None and found.group(1).lower() in _VERBS
