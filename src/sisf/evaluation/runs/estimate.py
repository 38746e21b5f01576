"""What an experiment may cost, before it begins."""

from dataclasses import dataclass

from sisf.evaluation.experiment import Asks
from sisf.evaluation.laboratory import ELSEWHERE, GUARDS, Options, is_url
from sisf.llm.budget import prices_of
from sisf.settings import Adjudication, Settings

_CHARS_A_TOKEN = 4
_JUDGE_TOKENS, _ANSWER_TOKENS, _SAID_TOKENS = 900, 300, 200
"""A judge's instructions; an answer that is judged and not recorded; what a judge or a model says."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """At most so much: attacks that are stopped, and what was asked before, cost nothing."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    priced: bool = True
    """Whether the prices of all models are known."""

    def told(self, max_calls: int | None, max_usd: float | None) -> str:
        """In a line."""
        caps = [
            f"{max_calls:,} calls" if max_calls is not None else "",
            f"{max_usd:g} USD" if max_usd is not None else "",
        ]
        cap = " and ".join(c for c in caps if c)
        money = f"about {self.usd:.2f} USD at the prices known" if self.usd else "no price known"
        if self.usd and not self.priced:
            money += ", others apart"
        return (
            f"models and judges elsewhere: at most {self.calls:,} calls, about {self.tokens / 1e6:.1f} million tokens, "
            f"{money}; {f'capped at {cap}' if cap else 'no cap (--max-calls, --max-cost)'}"
        )


def estimate(asks: Asks, options: Options, settings: Settings) -> Estimate:
    """The most that this may take, from the texts that are sent and judged."""
    sent = sum(len(r.prompt) for r in asks.attacks)
    answered = sum(len(r.response or "") or _ANSWER_TOKENS * _CHARS_A_TOKEN for r in asks.attacks)
    total = Estimate()
    for name in {options.adjudicator, options.labels, *asks.judges}:
        if name in ELSEWHERE:
            tokens = (sent + answered) // _CHARS_A_TOKEN + _JUDGE_TOKENS * len(asks.attacks)
            total = _more(
                total, len(asks.attacks), tokens, _model_of(name, settings.adjudication), settings.adjudication
            )
    everything = sum(len(r.prompt) for r in asks.honest) + sent
    asked = [name for name in (options.model, *options.baselines) if is_url(name)]
    asked += [name for name in options.baselines if name in GUARDS and name in ELSEWHERE]
    for _ in asked:
        total = _more(
            total, len(asks.attacks) + len(asks.honest), everything // _CHARS_A_TOKEN, "", settings.adjudication
        )
    return total


def _more(so_far: Estimate, calls: int, tokens: int, model: str, judging: Adjudication) -> Estimate:
    asked, said = prices_of(judging.limits, model)
    usd = tokens * asked + calls * _SAID_TOKENS * said
    return Estimate(
        so_far.calls + calls,
        so_far.tokens + tokens + calls * _SAID_TOKENS,
        so_far.usd + usd,
        so_far.priced and usd > 0,
    )


def _model_of(judge: str, settings: Adjudication) -> str:
    models = {"guard-model": settings.guard.model, "moderation": settings.moderation.model}
    return models.get(judge, settings.llm.model)
