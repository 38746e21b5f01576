"""One writer thread with group commit: many callers, one durable transaction for each batch.

While a batch is being committed the next one fills, so the cost of a durable commit is shared by all who wait for it.
Rows that nobody waits for are gathered for some milliseconds first: waking a thread costs more than writing a row.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import DBAPIError

from sisf.errors import SisfError, StoreError, StoreUnavailable

T = TypeVar("T")
P = TypeVar("P")
Rows = Callable[[Connection, Sequence[Any]], None]
"""Writes many payloads of one sort at once."""
_LIMIT = 20_000
"""Writes that may wait: more is what a disk does not keep up with."""
_GATHER_SECONDS = 0.015
"""So long an item may wait for others of its sort."""


@dataclass(slots=True, eq=False)
class _Task:
    work: Callable[[Connection], Any]
    rows: Rows | None = None
    payload: Any = None
    relaxed: bool = False
    after: Callable[[], None] | None = None
    future: "Future[Any]" = field(default_factory=Future)
    result: Any = None
    error: BaseException | None = None
    gathered: bool = False
    """Whether `payload` is a list that still grows, until the writer takes it; the future is that of all its items."""


def _nothing(_connection: Connection) -> None:
    """The work of a task that is a row."""


class _CommitFailed(Exception):
    """The batch was written but could not be made durable."""


class Writer:
    """Runs all writes of one store in one thread.

    A task that raises `SisfError` is undone alone (by savepoint, or with its transaction where it has one of its own);
    any other error undoes the batch, whose tasks are then tried one by one, so that one bad row never takes its
    neighbours with it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        transaction: Callable[[Connection, bool], AbstractContextManager[Transaction]],
        describe: str,
        guard: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._engine = engine
        self._transaction = transaction
        self._describe = describe
        # With a guard there is one connection, shared with the readers and never to be dropped: a database in memory.
        self._shared = guard is not None
        self._guard = guard or nullcontext()
        self._queue: deque[_Task] = deque()
        self._waiting = 0
        self._urgent = False
        self._wake = threading.Condition()
        self._closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="sisf-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T], *, after: Callable[[], None] | None = None) -> "Future[T]":
        """Queue one task. Its future is done when its transaction is durable; its callbacks run in the writer thread,
        so they must be short and must not wait for this store."""
        return self._put(_Task(work, after=after))

    def submit_row(self, rows: Rows, payload: P, *, after: Callable[[], None] | None = None) -> "Future[None]":
        """Queue one row; neighbours of the same sort are written together."""
        return self._put(_Task(_nothing, rows=rows, payload=payload, after=after))

    def gather(self, rows: Rows, item: P, *, after: Callable[[], None] | None = None) -> "Future[None]":
        """Queue one item that may wait some milliseconds for others of its sort.

        They share one payload, the list of all of them, and one future, which fails when any of them could not be
        written.
        """
        with self._wake:
            last = self._queue[-1] if self._queue else None
            if last is not None and last.gathered and last.rows == rows and last.after == after:
                self._admit()
                last.payload.append(item)
                return last.future
        return self._put(_Task(_nothing, rows=rows, payload=[item], after=after, gathered=True))

    def run(
        self, work: Callable[[Connection], T], *, relaxed: bool = False, after: Callable[[], None] | None = None
    ) -> T:
        """Queue one task and wait until it is durable (`relaxed`: until it is committed)."""
        if threading.current_thread() is self._thread:
            raise StoreError("a callback of the store's writer may not wait for the writer; use another thread")
        future: Future[T] = self._put(_Task(work, relaxed=relaxed, after=after))
        return future.result()

    def close(self) -> None:
        """Write what is queued, then end. Idempotent."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _put(self, task: _Task) -> "Future[Any]":
        with self._wake:
            self._admit()
            self._urgent |= not task.gathered
            self._queue.append(task)
            if self._urgent or len(self._queue) == 1:
                self._wake.notify()
        return task.future

    def _admit(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self._describe} is closed")
        if self._waiting >= _LIMIT:
            raise StoreUnavailable(f"{self._describe}: {_LIMIT} writes are waiting; the disk does not keep up")
        self._waiting += 1

    def _run(self) -> None:
        while batch := self._take():
            self._commit(batch)
        self._disconnect()

    def _take(self) -> list[_Task]:
        with self._wake:
            while not self._queue and not self._closed:
                self._wake.wait()
            self._wake.wait_for(lambda: self._urgent or self._closed, _GATHER_SECONDS)
            batch = list(self._queue)
            self._queue.clear()
            self._waiting = 0
            self._urgent = False
        return batch

    def _commit(self, batch: list[_Task]) -> None:
        try:
            self._attempt_again(batch)
        except _CommitFailed as failed:
            self._finish(batch, failed.__cause__)
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to the callers, never to this thread
            if len(batch) > 1:
                for task in batch:
                    self._commit([task])
            elif batch[0].gathered and len(batch[0].payload) > 1:
                self._finish(batch, self._one_by_one(batch[0]))
            else:
                self._finish(batch, error)
        else:
            self._finish(batch, None)

    def _one_by_one(self, task: _Task) -> BaseException | None:
        """Write the items of a gathered task each alone; returns the first failure."""
        failures = []
        for item in task.payload:
            alone = _Task(_nothing, rows=task.rows, payload=[item], after=task.after)
            self._commit([alone])
            failures.append(alone.future.exception())
        return next((failure for failure in failures if failure is not None), None)

    def _attempt_again(self, batch: list[_Task]) -> None:
        """Attempt; once more when the server had dropped an idle connection, which shows at the next use only."""
        with self._guard:
            try:
                self._attempt(batch)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._attempt(batch)

    def _attempt(self, batch: list[_Task]) -> None:
        connection = self._connect()
        try:
            with self._transaction(connection, all(task.relaxed for task in batch)) as transaction:
                if not self._write(connection, batch):
                    transaction.rollback()
                    return
                try:
                    transaction.commit()
                except Exception as error:
                    raise _CommitFailed from error
        except BaseException:
            # A connection in doubt is not used again.
            self._disconnect(invalidate=not self._shared)
            raise

    def _write(self, connection: Connection, batch: Sequence[_Task]) -> bool:
        """Do the work of a batch. False when its only task refused: there is nothing to commit then."""
        alone = len(batch) == 1
        for rows, tasks in groupby(batch, key=lambda task: task.rows):
            if rows is None:
                for task in tasks:
                    self._work(connection, task, alone=alone)
            else:
                rows(connection, [task.payload for task in tasks])
        return not (alone and batch[0].error)

    def _work(self, connection: Connection, task: _Task, *, alone: bool) -> None:
        task.error = None
        savepoint = None if alone else connection.begin_nested()
        try:
            task.result = task.work(connection)
        except SisfError as error:
            task.error = error
            if savepoint:
                savepoint.rollback()
        else:
            if savepoint:
                savepoint.commit()

    def _finish(self, batch: Sequence[_Task], error: BaseException | None) -> None:
        if error is None:
            for after in {task.after for task in batch if task.after and not task.error}:
                after()
        failure = self._explain(error) if error else None
        for task in batch:
            problem = failure or task.error
            if not task.future.set_running_or_notify_cancel():
                continue
            if problem:
                task.future.set_exception(problem)
            else:
                task.future.set_result(task.result)

    def _explain(self, error: BaseException) -> BaseException:
        if isinstance(error, SisfError):
            return error
        cause = getattr(error, "orig", None) or error
        explained = StoreUnavailable(f"{self._describe} could not be written: {' '.join(str(cause).split())}")
        explained.__cause__ = error
        return explained

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self, *, invalidate: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if invalidate and not connection.closed:
            connection.invalidate()
        connection.close()
