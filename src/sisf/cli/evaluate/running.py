"""Runs what was ordered: the options that experiments share, estimates, progress, going on, and a clear end."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sisf.cli.base import emit, load_settings
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.options import CONDUCT, LABORATORY, Out

if TYPE_CHECKING:
    from sisf.evaluation.experiment import Conducted
    from sisf.evaluation.report.writer import Report

_INTERRUPTED = 130
_LISTS = ("baselines", "reference")


@dataclass(frozen=True)
class Running:
    """One experiment as it was ordered on the command line: the options that protocols share."""

    out: Path
    limit: int | None = None
    parallel: int = 1
    fresh: bool = False
    max_calls: int | None = None
    max_cost: float | None = None
    format: str = ""
    config: Path | None = None
    json: bool = False
    laboratory: Mapping[str, Any] = field(default_factory=dict)
    """Those of `evaluation.laboratory.Options` that the protocol takes."""

    def conduct(
        self,
        planner: str,
        groups: Sequence[Sequence[str]],
        report: "Callable[[Conducted[Any], Mapping[str, Any]], Report]",
        show: Callable[[dict[str, Any], Path], None],
        *,
        given: Mapping[str, Any] | None = None,
        answers: bool = False,
    ) -> None:
        """The whole of a command. `given`: the protocol's own options; `answers`: learn policies on answers, too."""
        from sisf.cli.progress import TerminalProgress
        from sisf.errors import ConfigurationError
        from sisf.evaluation.laboratory import Options
        from sisf.evaluation.order import LaboratoryOrder
        from sisf.evaluation.report.tables import formats_of
        from sisf.evaluation.report.writer import prepare, write
        from sisf.evaluation.runs.estimate import estimate
        from sisf.evaluation.runs.folder import Folder
        from sisf.evaluation.runs.runner import conduct_in
        from sisf.gateway.server import configure_logs

        formats = formats_of(self.format)
        configure_logs("warning")  # an experiment sends thousands of exchanges: a line for each would hide what matters
        settings = load_settings(self.config)
        if not any(groups):
            raise ConfigurationError("there is nothing to send: name data sets with --attacks or --benign")
        prepare(self.out)
        folder = Folder(self.out)
        if self.fresh:
            folder.leave()
        options = Options(**{"baselines": (), "trials": 1, **self.laboratory}, answers=answers)
        order = LaboratoryOrder(
            planner, settings, options, groups, given or {}, self.limit, folder.calls, self.max_calls,
            self.max_cost,
        )  # fmt: skip
        with TerminalProgress() as progress:
            progress.begin("building", 1)
            lab, sets = order.open()
            plan = order.planned(lab, sets)
            progress.end()
            expected = estimate(plan.asks(), lab.options, settings)
            if expected.calls:
                progress.note(expected.told(self.max_calls, self.max_cost))
            try:
                run = conduct_in(
                    self.out, plan, order.described(lab, plan), progress, order=order, processes=self.processes
                )
            except KeyboardInterrupt:
                progress.note(f"stopped; what is done is kept in {self.out}: the same command goes on")
                raise typer.Exit(_INTERRUPTED) from None
        described = lab.described() if plan.described is None else plan.described
        summary = write(self.out, report(run, {**described, "limit": self.limit, **(given or {})}), formats)
        if self.json:
            emit(summary)
        else:
            show(summary, self.out)

    @property
    def processes(self) -> int:
        """How many trials side by side."""
        return self.parallel or (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )


def experiment(
    takes: str = "", without: str = "", **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that experiments share, in place of its first parameter.

    `takes` names what people may choose of `LABORATORY`, `without` what there is no choice of in `CONDUCT`, both in one
    string; a keyword is another default than the usual one.
    """
    chosen, conduct = takes.split(), [name for name in CONDUCT if name not in without.split()]
    shared = {name: (LABORATORY | CONDUCT)[name] for name in (*chosen, *conduct)}

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [_parameter("out", Out), *(_parameter(p.name, p.annotation, p.default) for p in own)]
        parameters += [_parameter(name, kind, defaults.get(name, usual)) for name, (kind, usual) in shared.items()]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            laboratory = {name: _read(name, given.pop(name)) for name in chosen}
            running = Running(laboratory=laboratory, **{name: given.pop(name) for name in ("out", *conduct)})
            command(running, **given)

        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return with_options


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _read(name: str, given: Any) -> Any:
    """An option as the laboratory takes it. Raises `ConfigurationError`."""
    if name == "mode":
        _check_mode(given)
    return names_of(given) if name in _LISTS else given


def _check_mode(given: str) -> None:
    from sisf.errors import ConfigurationError

    if given not in ("async", "doubtful", "inline"):
        raise ConfigurationError(f"--mode {given}: must be async, doubtful or inline")
