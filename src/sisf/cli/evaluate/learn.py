"""`sisf evaluate learn` and `held-out`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sisf.cli.base import ConfigOption, JsonOption, console, emit
from sisf.cli.evaluate.common import laboratory, names_of
from sisf.cli.evaluate.options import (
    Attacks,
    Baselines,
    Benign,
    Judge,
    Labels,
    Learn,
    Mode,
    Model,
    Out,
    Reference,
    Seed,
    Synthesiser,
    Trials,
)

if TYPE_CHECKING:
    from sisf.evaluation.experiment import Run

_ALL = "none,keyword-filter,paper-warden"


def learn(
    out: Out,
    attacks: Attacks = "advbench",
    benign: Benign = "",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "async",
    baselines: Baselines = _ALL,
    trials: Trials = 5,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The paper's dynamic learning evaluation: attacks one after the other, from zero policies, then honest prompts."""
    chosen = _Chosen(out, config, json, attacks, benign, "")
    chosen.conduct(
        lambda lab, sets, progress: _protocols().learn(lab.setup(), lab.designs(), sets[1], sets[2], progress),
        model=model,
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        mode=_mode(mode),
        baselines=names_of(baselines),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def held_out(
    out: Out,
    attacks: Attacks = "advbench",
    learn: Learn = "",
    benign: Benign = "",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "async",
    baselines: Baselines = "paper-warden",
    trials: Trials = 5,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn on 80 % of the attacks (or on --learn), freeze, and send the rest (or all of --attacks)."""
    chosen = _Chosen(out, config, json, attacks, benign, learn)
    chosen.conduct(
        lambda lab, sets, progress: _protocols().held_out(
            lab.setup(), lab.designs(), sets[1], sets[2], progress, learn_on=sets[0]
        ),
        model=model,
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        mode=_mode(mode),
        baselines=names_of(baselines),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


class _Chosen:
    """What `learn` and `held-out` share: load, build, run, write, show."""

    def __init__(self, out: Path, config: Path | None, json: bool, attacks: str, benign: str, learn: str) -> None:
        self._out, self._config, self._json = out, config, json
        self._names = [names_of(learn), names_of(attacks), names_of(benign)]

    def conduct(self, protocol: "Callable[[Any, Any, Any], Run]", **options: Any) -> None:
        from sisf.evaluation.protocols.learn.page import report
        from sisf.evaluation.report.writer import write

        with laboratory(self._out, self._config, self._names, **options) as (lab, sets, progress):
            run = protocol(lab, sets, progress)
        summary = write(self._out, report(run, lab.described()))
        if self._json:
            emit(summary)
        else:
            show_summary(summary, self._out)


def show_summary(summary: dict[str, Any], out: Path) -> None:
    """The figures for a person."""
    from rich.table import Table

    from sisf.evaluation.report.plots import label_of
    from sisf.evaluation.report.words import percent, rate_text

    screen = console()
    table = Table("attack success rate", box=None, pad_edge=False, header_style="bold")
    shown = {"prompt-side Warden": "warden_asr_prompt", "Warden": "warden_asr", "system": "system_asr"}
    if "final_asr" in summary:
        shown["all again at the end"] = "final_asr"
    for heading in (*shown, "breaches", "policies"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in (("sisf", summary), *summary["baselines"].items()):
        rates = [_compact(figures[key]) for key in shown.values()]
        table.add_row(label_of(name), *rates, f"{figures['breaches']:g}", f"{figures['policies']['final']:g}")
    screen.print(table)
    if "intercepted" in summary:
        screen.print(f"held-out attacks intercepted: {rate_text(summary['intercepted'])}", style="bold")
    if summary.get("final_asr_taught", {}).get("n"):
        again = rate_text(summary["final_asr_taught"])
        screen.print(f"of the attacks that taught a policy, again at the end: {again} get through")
    if summary["fpr"]:
        honest = Table("honest prompts, at the final revision", box=None, pad_edge=False, header_style="bold")
        for heading in ("blocked", "of", "rate", "95 % up to"):
            honest.add_column(heading, justify="right")
        for name, entry in summary["fpr"].items():
            honest.add_row(
                name, f"{entry['blocked']:g}", f"{entry['n']:,}", percent(entry["rate"]), percent(entry["ci95"][1])
            )
        screen.print()
        screen.print(honest)
    judged = summary["judge_agreement"]
    if judged["n"]:
        screen.print(
            f"\nthe loop's judge agreed with the labels on {judged['agreed']:,} of {judged['n']:,}", style="dim"
        )
    screen.print(f"report: {out / 'report.html'}", style="dim")


def _compact(rate: dict[str, Any]) -> str:
    low, high = rate["ci95"]
    return f"{rate['mean']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def _protocols() -> Any:
    from sisf.evaluation.protocols.learn import run as protocols

    return protocols


def _mode(given: str) -> Literal["async", "inline"]:
    from sisf.errors import ConfigurationError

    if given not in ("async", "inline"):
        raise ConfigurationError(f"--mode {given}: must be async or inline")
    return given  # type: ignore[return-value]
