"""The four doors to the pipeline, opened alike: the gateway, `sisf.Guard`, a wrapped client, and the laboratory."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import openai

from sisf import Guard
from sisf.bootstrap import System
from sisf.datasets.records import Record
from sisf.errors import Blocked, SisfError
from sisf.evaluation.answers import Answers
from sisf.evaluation.defences import LearningSystem
from sisf.evaluation.outcomes import AttackOutcome
from sisf.evaluation.under_test import Mode, SystemUnderTest
from sisf.exchange import Message, Role
from sisf.gateway.app import create_app
from sisf.gateway.identity import KeyFile
from sisf.gateway.server import running
from sisf.llm.unaligned import UnalignedModel
from sisf.pipeline.metrics import Metrics
from sisf.testing import ScriptedServer

ALICE = "alice"
STOPPED = "stopped"
_CODES = {
    "content_filter": STOPPED,
    "inspection_unavailable": "InspectionFailed",
    "store_unavailable": "StoreError",
    "too_large": "LimitExceeded",
    "rate_limited": "RateLimited",
}


@dataclass(frozen=True)
class Told:
    """What the sender got: `released` with the text, `stopped`, or the name of an error."""

    what: str
    text: str | None = None


class Door(Protocol):
    """One way into the pipeline."""

    metrics: Metrics

    def send(self, content: Any, answer: str, *, stream: bool = False) -> Told:
        """Send one user message to a model that would answer `answer`."""
        ...

    def leave(self, content: str, when: Callable[[], object], *, stream: bool) -> None:
        """Ask, and go away when `when` returns."""
        ...


class _Sdk:
    """What the gateway and a wrapped client have in common: the official SDK in front."""

    def __init__(self, client: openai.OpenAI, server: ScriptedServer, metrics: Metrics) -> None:
        self.metrics = metrics
        self._server = server
        self._client = client

    def send(self, content: Any, answer: str, *, stream: bool = False) -> Told:
        self._server.answer = answer
        messages: Any = [{"role": "user", "content": content}]
        try:
            reply: Any = self._client.chat.completions.create(model="", messages=messages, stream=stream)
            if not stream:
                return _told(reply.choices[0].finish_reason, reply.choices[0].message.content)
            choices = [chunk.choices[0] for chunk in reply if chunk.choices]
            return _told(choices[-1].finish_reason, "".join(c.delta.content or "" for c in choices))
        except Blocked:
            return Told(STOPPED)
        except SisfError as error:
            return Told(type(error).__name__)
        except openai.APIStatusError as error:
            return Told(_CODES[cast(str, error.code)])

    def leave(self, content: str, when: Callable[[], object], *, stream: bool) -> None:
        asyncio.run(self._leave(content, when, stream))

    async def _leave(self, content: str, when: Callable[[], object], stream: bool) -> None:
        messages: Any = [{"role": "user", "content": content}]
        asked = asyncio.ensure_future(
            self._asynchronous().chat.completions.create(model="", messages=messages, stream=stream)
        )
        assert await asyncio.to_thread(when)
        asked.cancel()
        await asyncio.wait({asked})

    def _asynchronous(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=str(self._client.base_url), api_key=self._client.api_key, max_retries=0)


def _told(finish_reason: str | None, text: str) -> Told:
    return Told(STOPPED) if finish_reason == "content_filter" else Told("released", text)


class WrapperDoor(_Sdk):
    def __init__(self, guard: Guard, server: ScriptedServer) -> None:
        self._guard = guard
        plain = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        super().__init__(guard.wrap(plain, principal=ALICE), server, guard._pipeline.metrics)

    def _asynchronous(self) -> openai.AsyncOpenAI:
        return self._guard.wrap(super()._asynchronous(), principal=ALICE)


class GuardDoor:
    def __init__(self, guard: Guard) -> None:
        self.metrics = guard._pipeline.metrics
        self._guard = guard

    def leave(self, content: str, when: Callable[[], object], *, stream: bool) -> None:
        raise NotImplementedError

    def send(self, content: Any, answer: str, *, stream: bool = False) -> Told:
        prompt: Any = content if isinstance(content, str) else [{"role": "user", "content": content}]
        try:
            admitted = self._guard.admit(prompt, principal=ALICE)
            return Told("released", self._guard.release(admitted, answer))
        except Blocked:
            return Told(STOPPED)
        except SisfError as error:
            return Told(type(error).__name__)


class LaboratoryDoor:
    def __init__(self, subject: SystemUnderTest) -> None:
        self.metrics = subject._learning.metrics
        self._subject = subject
        self._sent = 0

    def leave(self, content: str, when: Callable[[], object], *, stream: bool) -> None:
        raise NotImplementedError

    def send(self, content: Any, answer: str, *, stream: bool = False) -> Told:
        self._sent += 1
        record = Record(f"r{self._sent}", (Message(Role.USER, content),), "harmful", response=answer)
        try:
            sample = self._subject.attack(record, dataset="d", trial=0, learn=True)
        except SisfError as error:
            return Told(type(error).__name__)
        stopped = sample.outcome in (AttackOutcome.INTERCEPTED, AttackOutcome.WITHHELD)
        return Told(STOPPED) if stopped else Told("released")


@contextmanager
def gateway(system: System, server: ScriptedServer, folder: Path) -> Iterator[Door]:
    secret, _ = KeyFile(folder / "keys.json").create(tenant="default", principal=ALICE)
    settings = system.settings.model_copy(
        update={
            "upstream": system.settings.upstream.model_copy(update={"url": server.url}),
            "keys": system.settings.keys.model_copy(update={"file": str(folder / "keys.json")}),
        }
    )
    app = create_app(
        warden=system.warden,
        loop=system.loop,
        adjudicator=system.adjudicator,
        store=system.store,
        settings=settings,
    )
    with running(app) as background:
        client = openai.OpenAI(base_url=f"{background.url}/v1", api_key=secret, max_retries=0)
        yield _Sdk(client, server, app.core.metrics)


@contextmanager
def guard(system: System, server: ScriptedServer, folder: Path) -> Iterator[Door]:
    with Guard(system=system) as made:
        yield GuardDoor(made)


@contextmanager
def wrapper(system: System, server: ScriptedServer, folder: Path) -> Iterator[Door]:
    with Guard(system=system) as made:
        yield WrapperDoor(made, server)


@contextmanager
def laboratory(system: System, server: ScriptedServer, folder: Path) -> Iterator[Door]:
    judging = system.settings.adjudication
    mode = cast(Mode, judging.mode)
    made = SystemUnderTest(
        LearningSystem(replace(system)),
        Answers(UnalignedModel(), replay=True),
        None if mode == "async" else system.adjudicator,
        on_undecided=judging.on_undecided,
        mode=mode,
    )
    with made as subject:
        yield LaboratoryDoor(subject)


class Open(Protocol):
    """Opens a door to a system."""

    def __call__(self, system: System, server: ScriptedServer, folder: Path) -> AbstractContextManager[Door]: ...


DOORS: dict[str, Open] = {"gateway": gateway, "guard": guard, "wrapper": wrapper, "laboratory": laboratory}


def counted(metrics: Metrics) -> dict[str, float]:
    """What was counted of exchanges: name and labels → count, without zeros."""
    found: dict[str, float] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name in _COUNTED and sample.value:
                labels = " ".join(value for _, value in sorted(sample.labels.items()))
                found[f"{sample.name.removeprefix('sisf_').removesuffix('_total')} {labels}".strip()] = sample.value
    return found


_COUNTED = {
    f"sisf_{name}_total"
    for name in "decisions outcomes would_block probing fail_opens failures inline_verdicts".split()
}


def logged(entries: list[Any]) -> list[str]:
    """The pipeline's events, each with what it is about, in the order in which they came."""
    told = []
    for entry in entries:
        if entry["event"] == "exchange":
            told.append(f"exchange {entry['decision']} {entry['fate']}")
        elif entry["event"] in _LOGGED and "judge" not in entry:  # the loop names its judge
            told.append(f"{entry['event']} {entry.get('part') or entry.get('kind') or ''}".strip())
    return told


_LOGGED = {"fail_open", "warden_failed", "store_failed", "judge_failed", "probing", "client_gone"}


def image(text: str) -> list[dict[str, Any]]:
    """A message with a part that holds no text."""
    picture: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    return [{"type": "text", "text": text}, picture]
