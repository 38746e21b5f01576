"""Plays the units of an experiment, in this process or in several, and gives the run. There is no other road."""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sisf.errors import SisfError
from sisf.evaluation.experiment import Closing, Conducted, Experiment, Result, Row, Told, Unit
from sisf.evaluation.progress import Progress, Silent
from sisf.evaluation.runs.folder import Folder, Outcomes, outcome_row, outcomes_file

_GLANCE_SECONDS = 0.5
_GRACE_SECONDS = 10.0


class Order(Protocol):
    """What was ordered, so that any process can make the same plan of it. Can be pickled."""

    def plan(self) -> Experiment[Any]:
        """The plan; it opens what it needs."""
        ...


def conduct(plan: Experiment[Result], progress: Progress | None = None) -> Conducted[Result]:
    """Every unit, one after the other, kept in memory."""
    counted = _Counted(plan, progress or Silent(), plan.units())
    played: dict[Unit, tuple[Sequence[Row], Closing]] = {}
    for unit in plan.units():
        rows: list[Row] = []
        closing = plan.play(unit, _keeping(rows.append, counted.told(unit)))
        played[unit] = rows, closing
    counted.end()
    run = _run(plan, played)
    for unit, (kept, _) in played.items():
        file = outcomes_file(unit.design, together=plan.together)
        run.outcomes = {**run.outcomes, file: [*run.outcomes.get(file, ()), *(outcome_row(unit, r) for r in kept)]}
    return run


def conduct_in(
    out: Path,
    plan: Experiment[Result],
    described: Mapping[str, Any],
    progress: Progress,
    *,
    order: Order | None = None,
    processes: int = 1,
) -> Conducted[Result]:
    """Every unit, written into `out` as it goes. Stopped at any point, the same call goes on where it was.

    `described` says what this run is: an unfinished run of another description is left alone (`ConfigurationError`).
    With an `order` and more than one process, units are played side by side.
    """
    folder = Folder(out)
    if folder.enter(described):
        done = sum(folder.is_done(unit) for unit in plan.units())
        progress.note(f"going on with the run in {out}: {done} of {len(plan.units())} trials are done")
    left = [unit for unit in plan.units() if not folder.is_done(unit)]
    if not plan.lasting:
        for unit in left:
            folder.part(unit).unlink(missing_ok=True)
    outcomes = Outcomes(folder, plan.units(), together=plan.together)
    counted = _Counted(plan, progress, left, outcomes, before=sum(len(folder.rows(unit)) for unit in left))
    try:
        outcomes.move()
        if order is not None and processes > 1 and len(left) > 1 and not plan.lasting:
            _side_by_side(folder, order, left, counted, min(processes, len(left)))
        else:
            for unit in left:
                _play(folder, plan, unit, counted.told(unit))
                counted.finished(unit)
        outcomes.move()
    finally:
        outcomes.close()
    counted.end()
    run = _run(plan, {unit: (folder.rows(unit), folder.closing(unit)) for unit in plan.units()})
    folder.leave()
    return run


def _run(plan: Experiment[Result], played: Mapping[Unit, tuple[Sequence[Row], Closing]]) -> Conducted[Result]:
    run: Conducted[Result] = Conducted(plan.protocol, plan.setup, plan.datasets)
    for unit, (rows, closing) in played.items():
        run.results.setdefault(unit.design, []).append(plan.read(unit, rows, closing))
    run.seconds = sum(closing["seconds"] for _, closing in played.values())
    return run


def _keeping(keep: Callable[[Row], None], told: Told) -> Told:
    def tell(row: Row, step: str, figures: Mapping[str, str]) -> None:
        keep(row)
        told(row, step, figures)

    return tell


def _play(folder: Folder, plan: Experiment[Any], unit: Unit, told: Told) -> None:
    before = folder.rows(unit) if plan.lasting else ()
    with folder.writing(unit, on=plan.lasting) as write:
        closing = plan.play(unit, _keeping(write, told), before)
    folder.close(unit, closing)


@dataclass
class _Counted:
    """Progress over all units that are left to play."""

    plan: Experiment[Any]
    progress: Progress
    units: Sequence[Unit]
    outcomes: Outcomes | None = None
    before: int = 0
    """Lines that are there already."""
    started: float = field(default_factory=time.monotonic)
    sent: int = 0

    def __post_init__(self) -> None:
        self.total = max(0, sum(self.plan.size(unit) for unit in self.units) - self.before)
        self.left = len(self.units)
        self.progress.begin(self.plan.protocol, self.total)

    def told(self, unit: Unit) -> Told:
        """What a unit in this process tells."""

        def tell(row: Row, step: str, figures: Mapping[str, str]) -> None:  # noqa: ARG001
            self.advance(unit, step, figures)

        return tell

    def advance(self, unit: Unit, step: str, figures: Mapping[str, str]) -> None:
        """One sample more."""
        self.sent += 1
        self.progress.advance({f"{unit}:": step, **figures})
        if self.outcomes is not None:
            self.outcomes.move()

    def finished(self, unit: Unit) -> None:
        """One unit more."""
        self.left -= 1
        passed = time.monotonic() - self.started
        ahead = passed / max(1, self.sent) * max(0, self.total - self.sent)
        trials = f"{self.left} trial{'' if self.left == 1 else 's'}"
        told = f"{trials} to go, about {_duration(ahead)} left" if self.left else f"all in {_duration(passed)}"
        self.progress.note(f"{self.plan.protocol}: {unit} is done, {told}")

    def end(self) -> None:
        """All is done."""
        self.progress.end()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _side_by_side(folder: Folder, order: Order, units: Sequence[Unit], counted: _Counted, processes: int) -> None:
    context = multiprocessing.get_context("spawn")
    work, said = context.Queue(), context.Queue()
    for unit in [*units, *[None] * processes]:
        work.put(unit)
    parent = os.getpid()
    team = [
        context.Process(target=_worker, args=(folder.out, order, work, said, parent), daemon=True)
        for _ in range(processes)
    ]
    try:
        # The first one embeds what all calibrate on, where this machine has not done it before, and keeps it for them.
        _start(team[:1])
        _listen(said, team, counted, len(units))
    finally:
        team = [member for member in team if member.pid is not None]
        for member in team:
            member.terminate()
        for member in team:
            member.join(_GRACE_SECONDS)
            if member.is_alive():
                member.kill()


def _start(team: Sequence[Any]) -> None:
    """Start the processes so that Ctrl-C, which a terminal sends to all, ends the one that waits for them only."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        for member in team:
            member.start()
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


def _listen(said: Any, team: Sequence[Any], counted: _Counted, left: int) -> None:
    while left:
        try:
            kind, unit, *rest = said.get(timeout=_GLANCE_SECONDS)
        except queue.Empty:
            gone = [member.exitcode for member in team if member.pid is not None and member.exitcode]
            if gone:
                raise SisfError(
                    f"a process of the run ended with {gone[0]}; what is done is kept, the same command goes on "
                    "(memory may be short: try --parallel 1)"
                ) from None
            continue
        if kind in ("sample", "done"):
            _start([member for member in team if member.pid is None])
        if kind == "sample":
            counted.advance(unit, *rest)
        elif kind == "done":
            left -= 1
            counted.finished(unit)
        else:
            raise SisfError(rest[0])


def _worker(out: Path, order: Order, work: Any, said: Any, parent: int) -> None:
    """One process: makes the plan, plays what is left to play."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever holds the run ends it
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    folder = Folder(out)
    unit: Unit | None = None
    try:
        plan = order.plan()
        while (unit := work.get()) is not None:
            playing = unit

            def tell(row: Row, step: str, figures: Mapping[str, str], unit: Unit = playing) -> None:  # noqa: ARG001
                said.put(("sample", unit, step, dict(figures)))

            _play(folder, plan, unit, tell)
            said.put(("done", unit))
    except SisfError as error:
        said.put(("failed", unit, str(error)))
    except Exception as error:  # noqa: BLE001 - told to the one who waits
        said.put(("failed", unit, f"{unit}: {type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """Nobody is left to read the results when the process that started this one is gone."""
    while os.getppid() == parent:
        time.sleep(_GLANCE_SECONDS)
    os._exit(1)
