"""Kinds of speech: which texts a learned probe is for, and which probe takes the place of which."""

from enum import StrEnum

from sisf.policy import Policy, Probe
from sisf.text.ngrams import ORDER


class Speech(StrEnum):
    """The kind of speech that a probe is for. How people ask for things they may not have differs from how they order
    them; a probe learned from orders is neither trained on questions nor held against them."""

    ORDERS = "orders"
    OTHERS = "others"
    ANY = "any"

    @classmethod
    def of(cls, probe: Probe) -> "Speech":
        """What a probe was learned for."""
        shift = probe.ngrams.get(ORDER, 0.0)
        return cls.ORDERS if shift > 0 else cls.OTHERS if shift < 0 else cls.ANY


def same_line(one: Policy, other: Policy) -> bool:
    """Whether both are the one probe that a synthesiser learns again and again, for a direction and kind of speech."""
    return (
        isinstance(one.condition, Probe)
        and isinstance(other.condition, Probe)
        and Speech.of(one.condition) is Speech.of(other.condition)
        and one.provenance.synthesiser == other.provenance.synthesiser
        and one.direction is other.direction
    )
