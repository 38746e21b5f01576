"""Options that several commands of `sisf evaluate` share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for summary.json, outcomes.jsonl, plots, report.html.")]
Attacks = Annotated[str, typer.Option(help="Data sets of attacks, by name or path, separated by commas.")]
Benign = Annotated[str, typer.Option(help="Data sets of honest prompts, separated by commas.")]
Learn = Annotated[str, typer.Option(help="Data sets to learn on instead of a share of the attacks.")]
Model = Annotated[str, typer.Option(help="recorded, unaligned, or the base URL of an OpenAI-compatible API (#NAME).")]
Judge = Annotated[str, typer.Option(help="The loop's judge: recorded, local, llm or another that is configured.")]
Labels = Annotated[str, typer.Option(help="Who labels released answers for the system ASR: recorded or a judge.")]
Synthesiser = Annotated[str, typer.Option(help="Who writes policies: local, or llm (a language model).")]
Mode = Annotated[
    str,
    typer.Option(
        help="async (learn afterwards), inline (withhold answers until judged) or doubtful (those near a policy only)."
    ),
]
Baselines = Annotated[
    str,
    typer.Option(
        help="Designs to compare with, separated by commas: none, keyword-filter, paper-warden, guard-model, "
        "moderation, the base URL of a guarded endpoint (#NAME of the model), another configuration (FILE.yaml)."
    ),
]
Trials = Annotated[int, typer.Option(min=1, help="Shuffled repetitions, each from zero policies.")]
Seed = Annotated[int, typer.Option(help="Seed of the shuffles.")]
Reference = Annotated[
    str, typer.Option(help="Benign sets to calibrate on [default: every *_reference set found, else the shipped one].")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take so many records of each data set, chosen by the seed.")]
Parallel = Annotated[
    int, typer.Option(min=0, help="Trials side by side, each in a process of its own [0: as many as there are cores].")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Do not go on with the unfinished run in the folder.")]
MaxCalls = Annotated[int | None, typer.Option(min=1, help="Stop after so many calls of models and judges elsewhere.")]
MaxCost = Annotated[float | None, typer.Option(min=0.0, help="Stop when these calls have cost so many US dollars.")]
Format = Annotated[
    str, typer.Option(help="Tables beside report.html, separated by commas: markdown, latex [default: none].")
]
Delay = Annotated[int, typer.Option(min=0, help="Attacks that are sent before the loop has learned from one.")]

LABORATORY: dict[str, tuple[Any, Any]] = {
    "model": (Model, "recorded"),
    "adjudicator": (Judge, "recorded"),
    "labels": (Labels, "recorded"),
    "synthesiser": (Synthesiser, "local"),
    "mode": (Mode, "async"),
    "baselines": (Baselines, ""),
    "trials": (Trials, 1),
    "seed": (Seed, 0),
    "reference": (Reference, ""),
}
"""What is put together for an experiment: type and usual default. Each protocol takes some of these."""
CONDUCT: dict[str, tuple[Any, Any]] = {
    "limit": (Limit, None),
    "parallel": (Parallel, 0),
    "fresh": (Fresh, False),
    "max_calls": (MaxCalls, None),
    "max_cost": (MaxCost, None),
    "format": (Format, ""),
    "config": (ConfigOption, None),
    "json": (JsonOption, False),
}
"""How an experiment is run and what it leaves: type and usual default. Nearly all protocols take all of these."""
