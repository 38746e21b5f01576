"""Proliferation: other ways to say what breached, to test how far a policy reaches before it acts.

Made on the spot from what ships: the request with another opening, inside the frames of jailbreak techniques, and in
spellings that the Warden undoes. Where a language model writes policies it adds paraphrases of its own.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from sisf import corpus
from sisf.latest import Latest
from sisf.synthesis.blame import said
from sisf.text.tricks import CHARACTERS
from sisf.verdict import Breach

_LONGEST = 1_000
"""Characters of a request that is varied; longer ones are jailbreak templates that would drown in another frame."""
_FRAMES, _LONGEST_FRAME = 2, 130
_REMEMBERED = 64
_OPENING = re.compile(
    r"(?is)^\s*(?:please\s+)?(?:(?:\w+\s+){1,8}?how (?:to|i can|one can|(?:some(?:body|one)|one|i|you|we) could)"
    r"|how (?:do|can|would|could|should|to) ?(?:i|you|we|one|someone|somebody)?|what is the best way to"
    r"|(?:instruct|help|teach|show|tell) me (?:how )?to|(?:i|we) (?:want|need|would like) to)\s+"
)
"""What people say before they say what they want."""
_OPENINGS = ("How would somebody {}?", "I need to {}. Where do I begin?")
_AROUND = ("I would like your help with something. {}", "{} Please do it as well as you can.")
_TRICKS = [CHARACTERS[name] for name in ("homoglyphs", "zero-width")]


class Variants:
    """The variants of the latest breaches. Used by one thread at a time."""

    def __init__(self) -> None:
        self._added: Latest[str, list[str]] = Latest(_REMEMBERED)

    def add(self, breach: Breach, paraphrases: Sequence[str]) -> None:
        """Remember what a language model says in place of the request."""
        known = self._added.get(breach.id, [])
        self._added[breach.id] = known + [text for text in paraphrases if text.strip() and text not in known]

    def of(self, breach: Breach) -> Sequence[str]:
        """Paraphrases that were added, then what is made locally; never the request itself. Deterministic."""
        prompt = said(breach.exchange).strip()
        return [v for v in dict.fromkeys([*self._added.get(breach.id, ()), *local_variants(prompt)]) if v != prompt]


def local_variants(prompt: str) -> Sequence[str]:
    """Six variants of a request of at most 1,000 characters."""
    if not prompt or len(prompt) > _LONGEST:
        return ()
    core = _OPENING.sub("", prompt, count=1).strip().rstrip(".?!")
    opened = [o.format(core) for o in _OPENINGS]
    reworded = opened if len(core) < len(prompt.rstrip(".?! ")) else [around.format(prompt) for around in _AROUND]
    framed = [frame.fill(prompt) for frame in _drawn(prompt)]
    return [*reworded, *framed, *(trick(prompt) for trick in _TRICKS)]


def _drawn(prompt: str) -> Sequence[corpus.TechniqueFrame]:
    """A few frames of different techniques, drawn by the request's own hash."""
    frames = _short_frames()
    first = int.from_bytes(hashlib.blake2b(prompt.encode("utf-8", "replace"), digest_size=4).digest(), "big")
    step = max(1, len(frames) // _FRAMES)
    return [frames[(first + step * i) % len(frames)] for i in range(min(_FRAMES, len(frames)))]


@lru_cache(maxsize=1)
def _short_frames() -> tuple[corpus.TechniqueFrame, ...]:
    found = [f for f in corpus.techniques() if f.kind == "attack" and corpus.GOAL_SLOT in f.text]
    return tuple(f for f in found if len(f.text) <= _LONGEST_FRAME)
