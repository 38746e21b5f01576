"""What each part of synthesis adds: the `learn` protocol with one part taken out at a time. Prints a Markdown table.

`PYTHONPATH=src SISF_DATA_DIR=... python scripts/ablation.py [TRIALS]`: some 40 s a trial and design.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from sisf import datasets
from sisf.evaluation import defences
from sisf.evaluation.laboratory import Laboratory, Options
from sisf.evaluation.progress import Silent
from sisf.evaluation.protocols.learn.figures import figures
from sisf.evaluation.protocols.learn.run import learn
from sisf.settings import load
from sisf.synthesis.learner import Recipe
from sisf.synthesis.local import LocalSynthesiser
from sisf.synthesis.paper import OpenGate

BENIGN = ("paper_benign", "alpaca_test", "mixed_test", "oktest", "jbb_benign", "cyber_benign", "roleplay_benign")


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    data = datasets.load_all(["advbench", *BENIGN])
    laboratory = Laboratory(load(), Options(trials=trials, baselines=()), data)
    embedder = laboratory.embedder

    def made(recipe: Recipe | None = None, *, answers: bool = False) -> Callable[[], dict[str, Any]]:
        return lambda: {"synthesiser": LocalSynthesiser(embedder, prompts=recipe, learn_answers=answers)}

    variants: dict[str, Callable[[], dict[str, Any]]] = {
        "all of it": made(),
        "without what the corpus knows of harm": made(Recipe(world_weight=0.0, own_weight=0.0)),
        "without twins and other lessons": made(Recipe(lesson_weight=0.0)),
        "without either": made(Recipe(world_weight=0.0, own_weight=0.0, lesson_weight=0.0)),
        "no hazard's policy kept to its hazard": made(Recipe(scope=0.0)),
        "without the gate": lambda: {**made()(), "gate": OpenGate()},
        "with policies on answers": made(answers=True),
    }
    print("| design | ASR, prompts | ASR | breaches | policies |", " | ".join(BENIGN), "|")
    print("|---" * (5 + len(BENIGN)) + "|")
    for name, parts in variants.items():
        figure = measured(laboratory, parts, data)
        blocked = [f"{figure['fpr'][b]['blocked']:g}" for b in BENIGN]
        rates = [f"{100 * figure[side]['mean']:.1f} %" for side in ("warden_asr_prompt", "warden_asr")]
        columns = [name, *rates, f"{figure['breaches']:g}", f"{figure['policies']['final']:g}", *blocked]
        print(f"| {' | '.join(columns)} |", flush=True)


def measured(
    laboratory: Laboratory, parts: Callable[[], dict[str, Any]], data: Sequence[datasets.Dataset]
) -> dict[str, Any]:
    """The figures of one design."""
    designs = {"sisf": defences.learning(lambda folder: laboratory.system(folder, **parts()))}
    run = learn(laboratory.setup(), designs, data[:1], data[1:], Silent())
    return figures(run.results["sisf"])


if __name__ == "__main__":
    main()
