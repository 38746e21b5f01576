"""Which known breaches each policy catches: what is a duplicate of what, and what could be spared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sisf.embedding.base import Embedder
from sisf.exchange import Exchange
from sisf.policy import Action, Condition, Direction, Policy, PolicyKind
from sisf.synthesis.base import is_broad
from sisf.synthesis.blame import said
from sisf.synthesis.text_bank import Mask, TextBank
from sisf.verdict import Breach
from sisf.warden.rehearsal import rehearsed, side

_MOST = 2_000
"""The newest breaches count; twice as many are kept before the older half is dropped."""
_REMEMBERED = 20_000
"""Policies whose masks are kept."""


@dataclass(slots=True)
class _Known:
    condition: Condition
    mask: Mask


class Coverage:
    """The texts of one direction's breaches, and what each policy recognises of them. Masks are kept, so that only
    what is new is searched. Used by one thread at a time."""

    def __init__(self, embedder: Embedder, direction: Direction) -> None:
        self._embedder = embedder
        self._direction = direction
        self._bank = TextBank(embedder)
        self._masks: dict[str, _Known] = {}

    def add(self, breaches: Iterable[Breach]) -> None:
        """Add breaches. Embeds them."""
        self._bank.extend([text for b in breaches if (text := self._text(b.exchange)).strip()])
        if len(self._bank) > 2 * _MOST:
            newest, self._bank = self._bank.texts[-_MOST:], TextBank(self._embedder)
            self._bank.extend(newest)
            self._masks.clear()

    def __len__(self) -> int:
        return len(self._bank)

    def of(self, policy: Policy) -> Mask:
        """Which of the texts the policy recognises."""
        known = self._masks.get(policy.id)
        if known is None or (known.condition is not policy.condition and known.condition != policy.condition):
            known = _Known(policy.condition, np.zeros(0, np.bool_))
        missing = len(self._bank) - len(known.mask)
        if missing:
            known.mask = np.concatenate([known.mask, self._bank.matches(policy, start=len(known.mask))])
            if len(self._masks) >= _REMEMBERED:
                self._masks.clear()
            self._masks[policy.id] = known
        return known.mask

    def left(self, policy: Policy, others: Iterable[Policy]) -> tuple[int, int, list[str]]:
        """How many texts the policy catches, how many of them none of `others` does, and which of these do."""
        left = self.of(policy).copy()
        caught, helpers = int(left.sum()), []
        for other in others:
            if not left.any():
                break
            if _stands_for(other, policy, self._direction):
                before = left.sum()
                left &= ~self.of(other)
                helpers += [other.id] if left.sum() < before else []
        return caught, int(left.sum()), helpers

    def recognises(self, policy: Policy, exchange: Exchange) -> bool:
        """Whether a policy recognises this side of an exchange that is no known breach."""
        if not self._text(exchange).strip():
            return False
        messages = side(exchange, self._direction)
        decision = rehearsed((policy,), self._embedder, messages, self._direction, policy.tenant)
        return bool(decision.matches)

    def _text(self, exchange: Exchange) -> str:
        return said(exchange) if self._direction is Direction.PROMPT else exchange.response or ""


def _stands_for(other: Policy, policy: Policy, direction: Direction) -> bool:
    """Whether other would do the same to the texts of `direction` that the policy is applied to."""
    return other.id != policy.id and other.action is policy.action and other.concerns(direction, policy.tenant)


def redundant(
    coverages: Mapping[Direction, Coverage],
    candidates: Sequence[Policy],
    active: Sequence[Policy],
    stopped: Mapping[str, Sequence[Exchange]],
) -> Mapping[str, tuple[str, ...]]:
    """Ids of blocking candidates that others in force replace, with those others.

    A policy is replaced when it catches known breaches, all of which others catch, as well as all that it stopped of
    late (`stopped`). Narrow and old ones go first, and what went replaces nothing.
    """
    standing = {policy.id: policy for policy in active}
    gone: dict[str, tuple[str, ...]] = {}
    for policy in sorted(candidates, key=lambda p: (is_broad(p.condition), p.created)):
        if policy.action is not Action.BLOCK or policy.kind is PolicyKind.REWRITE:
            continue
        found = [coverages[d].left(policy, standing.values()) for d in directions(policy)]
        helpers = dict.fromkeys(name for _, _, names in found for name in names)
        if not any(caught for caught, _, _ in found) or any(left for _, left, _ in found):
            continue
        if all(
            _also_stopped(coverages, policy, standing.values(), exchange) for exchange in stopped.get(policy.id, ())
        ):
            gone[policy.id] = tuple(helpers)
            del standing[policy.id]
    return gone


def _also_stopped(
    coverages: Mapping[Direction, Coverage], policy: Policy, standing: Iterable[Policy], exchange: Exchange
) -> bool:
    return any(
        _stands_for(other, policy, direction) and coverages[direction].recognises(other, exchange)
        for direction in directions(policy)
        for other in standing
    )


def directions(policy: Policy) -> tuple[Direction, ...]:
    """The directions that a policy is applied to, `both` as two."""
    return tuple(d for d in (Direction.PROMPT, Direction.RESPONSE) if policy.direction.covers(d))
