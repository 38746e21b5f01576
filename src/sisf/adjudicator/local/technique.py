"""How a request is dressed, by its form. A label for people and reports; no verdict depends on it."""

# ruff: noqa: E501 - the patterns are data, and read better whole

from functools import lru_cache

import re2

from sisf.exchange import Exchange, Role
from sisf.taxonomy import Technique

_SCAN = 20_000
_SIGNS: tuple[tuple[Technique, str], ...] = (
    (
        Technique.INJECTION,
        r"ignore (?:all |any |the )*(?:previous|prior|above|earlier)|disregard (?:all|your|the|any)|new instructions?:|"
        r"(?:system|developer) (?:override|message)|forget (?:all|your|everything|the) |override your",
    ),
    (
        Technique.EXTRACTION,
        r"(?:your|the) (?:system prompt|initial instructions|hidden (?:prompt|instructions))|repeat (?:the|everything) above|"
        r"what (?:were|are) your (?:exact )?instructions",
    ),
    (
        Technique.ENCODING,
        r"base ?64|rot ?13|caesar|cipher|morse|leetspeak|hex(?:adecimal)? (?:string|encod)|decode (?:this|the)|"
        r"[a-z0-9+/]{60,}={0,2}|(?:[01]{8} ){6}|(?:\b\w[ ._-]){12}",
    ),
    (
        Technique.ROLE_PLAY,
        r"pretend (?:to be|you|that you)|act as|role-?play|you are (?:now|going to be|playing)|stay in character|\bdan\b|"
        r"from now on you|respond as|imagine you(?:'re| are)|play the (?:role|part)|persona|jailbreak|no restrictions",
    ),
    (
        Technique.AUTHORITY,
        r"i(?:'m| am) (?:a|an|the) (?:\w+ )?(?:doctor|nurse|police|officer|researcher|professor|teacher|developer|admin|"
        r"administrator|lawyer|journalist|security|engineer|agent)|authori[sz]ed|for (?:research|educational|training) purposes|"
        r"safety (?:test|audit|evaluation)",
    ),
    (
        Technique.FICTION,
        r"\b(?:story|novel|screenplay|movie|film|scene|poem|song|fiction|fictional|character|script for|chapter|dialogue|rap)\b",
    ),
    (
        Technique.HYPOTHETICAL,
        r"hypothetical|what if|suppose|in theory|theoretically|thought experiment|imagine (?:a|that)|assume (?:that|you)",
    ),
    (
        Technique.TRANSLATION,
        r"translate|in (?:french|german|spanish|russian|chinese|arabic|zulu|hindi|japanese|korean)\b",
    ),
)
_SUFFIX = r"(?:[^\w\s]\s?){6,}\s*\S{0,40}$|(?:\\n|\]\]|\}\}|\(\(|!!|==|<<).{0,30}(?:\}|\]|\)|\{|\[|\\|--).{0,30}(?:\}|\]|\{|\\|;|<)"
_SHOT = r"(?m)^\s*(?:user|human|q|question|assistant|ai|a|answer)\s*:"


def read_technique(exchange: Exchange) -> Technique:
    """The most telling sign in the last user turn, or the shape of the conversation; `direct` without any."""
    prompt = exchange.prompt[:_SCAN].encode("utf-8", "replace").decode("utf-8").lower()
    if len(_compiled(_SHOT).findall(prompt)) >= 6:
        return Technique.MANY_SHOT
    for technique, sign in _SIGNS:
        if _compiled(sign).search(prompt):
            return technique
    if _compiled(_SUFFIX).search(prompt[-200:]):
        return Technique.SUFFIX
    if sum(message.role is Role.USER for message in exchange.messages) >= 3:
        return Technique.MULTI_TURN
    return Technique.DIRECT


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> "re2._Regexp":
    return re2.compile(pattern)
