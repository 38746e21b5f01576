"""A second opinion on policies that a language model wrote: what the local judge makes of their words.

A model may have been talked into a policy by the very text that it writes against. Its policies must therefore turn on
something that reads as harmful by itself: no phrase, name or topic of an attacker's choosing does.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import re2

from sisf import corpus
from sisf.adjudicator.opinion import HarmOpinion
from sisf.text.ngrams import words

_WORD = re.compile(r"[^\W_]+")
_ESCAPES = re.compile(r"\\(?![bBwWsSdD.*+?()\[\]{}|^$/\\ '\"-])")
_SYNTAX = re.compile(r"\\.|\(\?[a-zA-Z]*[:)]|\{[0-9,]*\}")
_SHORTEST = 3
_WORDS, _LONGEST_RUN = 24, 6
_HONEST = -3.0
"""Log-odds at and below which words surely ask for nothing harmful: half of the shipped honest requests are lower."""
_WEIGHT = 1.0
"""What the matched words must add to the log-odds of the request where they do not read as harmful by themselves."""


@cache
def corpus_words() -> frozenset[str]:
    """Every word of the shipped requests."""
    texts = [item.text for item in corpus.contrastive()] + [sample.text for sample in corpus.benign_reference()]
    return frozenset(word for text in texts for word in words(text))


def rare_words(pattern: str) -> Sequence[str]:
    """Words of a pattern with which no word of a shipped request begins: names and tokens that may have been planted.

    Numbers, and escapes that could spell a word letter by letter, count as such.
    """
    found = [word for word in _literals(pattern) if len(word) >= _SHORTEST or word.isdigit()]
    rare = [word for word in found if not any(known.startswith(word) for known in corpus_words())]
    return list(dict.fromkeys([*rare, *_ESCAPES.findall(pattern)]))


def turns_on_harm(pattern: str, request: str, opinion: HarmOpinion) -> bool:
    """Whether what a pattern matches in the request is what is harmful there, and none of its own words are honest.

    `pattern` must compile. True for a pattern that does not match the request: others have to say so.
    """
    compiled = re2.compile(pattern)
    found = compiled.search(request)
    if found is not None and opinion(found.group(0)) <= 0:
        rest = request[: found.start()] + request[found.end() :]
        if opinion(request) - opinion(rest) < _WEIGHT:
            return False
    return not any(compiled.search(run) is not None and opinion(run) <= _HONEST for run in _runs(pattern))


def _runs(pattern: str) -> Iterator[str]:
    """Neighbouring words of a pattern: where one alternative is enough, some run of them matches."""
    found = _literals(pattern)[:_WORDS]
    for length in range(1, _LONGEST_RUN + 1):
        for start in range(len(found) - length + 1):
            yield " ".join(found[start : start + length])


def _literals(pattern: str) -> Sequence[str]:
    return _WORD.findall(_SYNTAX.sub(" ", pattern).lower())
