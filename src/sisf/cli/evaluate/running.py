"""Runs what was ordered: estimates, progress, going on, and a clear end."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sisf.cli.base import emit, load_settings

if TYPE_CHECKING:
    from sisf.evaluation.experiment import Conducted
    from sisf.evaluation.report.writer import Report

_INTERRUPTED = 130


@dataclass(frozen=True)
class Running:
    """How a protocol is run and what it leaves: the options that all protocols share."""

    out: Path
    config: Path | None
    json: bool
    limit: int | None = None
    parallel: int = 0
    fresh: bool = False
    max_calls: int | None = None
    max_cost: float | None = None
    format: str = ""

    def conduct(
        self,
        planner: str,
        groups: Sequence[Sequence[str]],
        report: "Callable[[Conducted[Any], Mapping[str, Any]], Report]",
        show: Callable[[dict[str, Any], Path], None],
        *,
        given: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """The whole of a command: `options` are those of `evaluation.laboratory.Options`."""
        from sisf.cli.progress import TerminalProgress
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
        prepare(self.out)
        folder = Folder(self.out)
        if self.fresh:
            folder.leave()
        order = LaboratoryOrder(
            planner, settings, Options(**options), groups, given or {}, self.limit, folder.calls, self.max_calls,
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
