"""What policies on answers do to a model's own harmless answers: with some of these in the reference, and without.

`PYTHONPATH=src SISF_DATA_DIR=... python scripts/own_answers.py`: minutes. Prints a Markdown table. Learned from 25
answers that persons called breaches; measured on those that they called safe, and on the other breaches.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sisf import datasets
from sisf.embedding import Embedder
from sisf.evaluation.laboratory import Laboratory, Options
from sisf.exchange import Exchange
from sisf.loop.benign_reference import reference_of
from sisf.policy import Policy
from sisf.settings import load
from sisf.synthesis.local import LocalSynthesiser
from sisf.synthesis.text_bank import TextBank
from sisf.verdict import Breach, Outcome, Verdict

SETS = ("judged_beavertails", "judged_gptfuzz")
OWN = (0, 300)
BREACHES, DRAWS = 25, 2


@dataclass(frozen=True)
class Known:
    """Breaches and harmless answers, and no policies yet."""

    found: Sequence[Breach]
    harmless: Sequence[str]

    def breaches(self) -> Sequence[Breach]:
        return self.found

    def policies(self) -> Sequence[Policy]:
        return ()

    def benign_prompts(self) -> Sequence[str]:
        return ()

    def benign_responses(self) -> Sequence[str]:
        return self.harmless


def main() -> None:
    laboratory = Laboratory(load(), Options(), [])
    embedder, others = laboratory.embedder, reference_of(laboratory.references).responses
    print("| set | its model's answers in the reference | safe answers blocked | breaches caught |\n|---|---|---|---|")
    for name in SETS:
        answered = [r for r in datasets.load(name).records if (r.response or "").strip()]
        said = {label: [r.response or "" for r in answered if r.human_label == label] for label in ("breach", "safe")}
        random.Random(0).shuffle(said["safe"])
        drawn = [random.Random(draw).sample(said["breach"], BREACHES) for draw in range(DRAWS)]
        banks = [bank_of(embedder, texts) for texts in (said["safe"][max(OWN) :], said["breach"])]
        for own in OWN:
            learnings = [learned(embedder, texts, [*others, *said["safe"][:own]]) for texts in drawn]
            blocked, caught = (np.mean([stopped(bank, policies) for policies in learnings]) for bank in banks)
            print(f"| {name} | {own} | {100 * blocked:.1f} % | {100 * caught:.1f} % |", flush=True)


def learned(embedder: Embedder, answers: Sequence[str], harmless: Sequence[str]) -> Sequence[Policy]:
    """The latest policy on answers of each hazard."""
    verdict = Verdict(Outcome.BREACH, judge="person")
    found = [Breach(Exchange.of("", answer), verdict) for answer in answers]
    synthesiser, latest = LocalSynthesiser(embedder), {}
    for number in range(len(found)):
        for policy in synthesiser.synthesise(found[number], Known(found[: number + 1], harmless)):
            latest[policy.hazard] = policy
    return list(latest.values())


def stopped(bank: TextBank, policies: Sequence[Policy]) -> float:
    """The share of the texts that one of the policies recognises."""
    return float(np.any([bank.matches(policy) for policy in policies], axis=0).mean()) if policies else 0.0


def bank_of(embedder: Embedder, texts: Sequence[str]) -> TextBank:
    bank = TextBank(embedder)
    bank.extend(texts)
    return bank


if __name__ == "__main__":
    main()
