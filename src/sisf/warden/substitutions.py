"""What a rewrite policy replaces and by what: checked before it may act, applied in linear time."""

from collections.abc import Sequence

from sisf.errors import LimitExceeded, PolicyError, quoted
from sisf.policy import Policy, Substitution
from sisf.warden.patterns import compile_one

_GROWTH = 4
_ALLOWANCE = 10_000
"""A rewritten text may have `_GROWTH` times the characters of the text, and `_ALLOWANCE` more."""


def any_case(pattern: str) -> str:
    """The pattern for texts in any letter case: a name is redacted however it is written."""
    return f"(?i:{pattern})"


def check(substitution: Substitution) -> None:
    """Raises `PolicyError` unless pattern and replacement go together and the replacement is not itself replaced."""
    compiled = compile_one(any_case(substitution.pattern))
    if compiled.search("") is not None:
        raise PolicyError("the pattern matches the empty text, and so every text")
    try:
        compiled.sub(substitution.replacement, "")
        written = _literal(substitution)
    except (IndexError, ValueError, UnicodeError) as error:
        raise PolicyError(f"the replacement does not fit the pattern: {error}") from None
    if compiled.search(written) is not None:
        raise PolicyError(f"the replacement {quoted(written, 80)} is itself matched by the pattern")


def _literal(substitution: Substitution) -> str:
    """The replacement with every group left out."""
    probe = compile_one("()" * 9).match("")
    text: str = probe.expand(substitution.replacement)
    return text


def applied(policies: Sequence[Policy], text: str) -> str:
    """The text with everything replaced that the substitutions among the policies match, in their order.

    Raises `LimitExceeded` when it grows far beyond its length.
    """
    limit = _GROWTH * len(text) + _ALLOWANCE
    for policy in policies:
        condition = policy.condition
        if isinstance(condition, Substitution):
            text = compile_one(any_case(condition.pattern)).sub(condition.replacement, text)
        if len(text) > limit:
            raise LimitExceeded(f"rewriting by policy {policy.id} makes the text too long: shorten the text")
    return text
