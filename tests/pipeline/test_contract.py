"""One contract for every door to the pipeline: the same exchange has the same fate, record, counters and log."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from sisf.bootstrap import System
from sisf.exchange import Fate, Sender
from sisf.policy import Pattern
from sisf.testing import Failure, ScriptedServer, wait_until
from sisf.verdict import Outcome
from sisf.warden.stream import StreamInspector
from tests.guard.conftest import system_with
from tests.pipeline.doors import ALICE, DOORS, STOPPED, Told, counted, image, logged

ALL = tuple(DOORS)
PRODUCT = tuple(name for name in DOORS if name != "laboratory")
"""The laboratory always enforces, waits as long as it takes, slows nobody and sends text only."""


@dataclass(frozen=True)
class Case:
    """What is sent, and what must become of it."""

    name: str
    prompt: Any
    answer: str
    told: str
    text: str | None = None
    """What the sender reads, where it reads something."""
    fates: tuple[Fate, ...] = ()
    """Of the records, in the order sent."""
    response: str | None = None
    """The answer in the last record."""
    decisions: tuple[str, ...] = ()
    """Of the last record."""
    counts: dict[str, float] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    times: int = 1
    doors: tuple[str, ...] = ALL
    fault: str = ""
    streamed: bool = False


ALLOW2 = {"decisions allow prompt": 1, "decisions allow response": 1}
CASES = [
    Case(
        "released",
        "hello",
        "fine",
        "released",
        "fine",
        (Fate.RELEASED,),
        "fine",
        ("prompt allow", "response allow"),
        {**ALLOW2, "outcomes released": 1},
        ("exchange allow released",),
    ),
    Case(
        "a blocked prompt",
        "a BADPROMPT",
        "fine",
        STOPPED,
        fates=(Fate.INTERCEPTED_PROMPT,),
        decisions=("prompt block",),
        counts={"decisions block prompt": 1, "outcomes intercepted_prompt": 1},
        log=("exchange block intercepted_prompt",),
    ),
    Case(
        "a blocked answer",
        "hello",
        "a BADANSWER",
        STOPPED,
        fates=(Fate.INTERCEPTED_RESPONSE,),
        response="a BADANSWER",
        decisions=("prompt allow", "response block"),
        counts={"decisions allow prompt": 1, "decisions block response": 1, "outcomes intercepted_response": 1},
        log=("exchange block intercepted_response",),
    ),
    Case(
        "rewritten both ways",
        "my SECRET",
        "your SECRET",
        "released",
        "your [gone]",
        (Fate.RELEASED,),
        "your SECRET",
        ("prompt rewrite", "response rewrite"),
        {"decisions rewrite prompt": 1, "decisions rewrite response": 1, "outcomes released": 1},
        ("exchange rewrite released",),
        doors=PRODUCT,  # the laboratory asks the model anew for a prompt that has no recorded answer
    ),
    Case(
        "a rewritten answer",
        "hello",
        "your SECRET",
        "released",
        "your [gone]",
        (Fate.RELEASED,),
        "your SECRET",
        ("prompt allow", "response rewrite"),
        {"decisions allow prompt": 1, "decisions rewrite response": 1, "outcomes released": 1},
        ("exchange rewrite released",),
    ),
    Case(
        "withheld by the judge",
        "hello",
        "a BREACH",
        STOPPED,
        fates=(Fate.WITHHELD,),
        response="a BREACH",
        decisions=("prompt allow", "response allow"),
        counts={**ALLOW2, "outcomes withheld": 1, "inline_verdicts breach": 1},
        log=("exchange withhold withheld",),
        settings={"adjudication__mode": "inline"},
    ),
    Case(
        "a judge that fails withholds",
        "hello",
        "fine",
        STOPPED,
        fates=(Fate.WITHHELD,),
        response="fine",
        decisions=("prompt allow", "response allow"),
        counts={**ALLOW2, "outcomes withheld": 1, "inline_verdicts undecided": 1, "failures error judge": 1},
        log=("judge_failed error", "exchange withhold withheld"),
        settings={"adjudication__mode": "inline"},
        fault="judge",
    ),
    Case(
        "a judge that fails open",
        "hello",
        "fine",
        "released",
        "fine",
        (Fate.RELEASED,),
        "fine",
        ("prompt allow", "response allow"),
        {
            **ALLOW2,
            "outcomes released": 1,
            "inline_verdicts undecided": 1,
            "failures error judge": 1,
            "fail_opens judge": 1,
        },
        ("judge_failed error", "fail_open judge", "exchange allow released"),
        {"adjudication__mode": "inline", "adjudication__on_undecided": "release"},
        fault="judge",
    ),
    Case(
        "an observed tenant",
        "a BADPROMPT",
        "a BADANSWER",
        "released",
        "a BADANSWER",
        (Fate.RELEASED,),
        "a BADANSWER",
        ("prompt block", "response block"),
        {
            "decisions block prompt": 1,
            "decisions block response": 1,
            "would_block prompt": 1,
            "would_block response": 1,
            "outcomes released": 1,
        },
        ("exchange would_block released",),
        {"observe__tenants": ["default"]},
    ),
    Case(
        "observe mode",
        "a BADPROMPT",
        "my SECRET",
        "released",
        "my SECRET",
        (Fate.RELEASED,),
        "my SECRET",
        ("prompt block", "response rewrite"),
        {
            "decisions block prompt": 1,
            "decisions rewrite response": 1,
            "would_block prompt": 1,
            "outcomes released": 1,
        },
        ("exchange would_block released",),
        {"mode": "observe"},
        doors=PRODUCT,
    ),
    Case(
        "probing by prompts",
        "a BADPROMPT",
        "fine",
        STOPPED,
        fates=(Fate.INTERCEPTED_PROMPT,) * 2,
        decisions=("prompt block",),
        counts={"decisions block prompt": 2, "outcomes intercepted_prompt": 2, "probing": 1},
        log=("exchange block intercepted_prompt", "probing", "exchange block intercepted_prompt"),
        settings={"limits__blocks_per_minute": 1, "limits__block_delay": 0.01},
        times=2,
        doors=PRODUCT,
    ),
    Case(
        "probing by answers",
        "hello",
        "a BADANSWER",
        STOPPED,
        fates=(Fate.INTERCEPTED_RESPONSE,) * 2,
        response="a BADANSWER",
        decisions=("prompt allow", "response block"),
        counts={
            "decisions allow prompt": 2,
            "decisions block response": 2,
            "outcomes intercepted_response": 2,
            "probing": 1,
        },
        log=("exchange block intercepted_response", "probing", "exchange block intercepted_response"),
        settings={"limits__blocks_per_minute": 1, "limits__block_delay": 0.01},
        times=2,
        doors=PRODUCT,
    ),
    Case(
        "too many requests",
        "hello",
        "fine",
        "RateLimited",
        fates=(Fate.RELEASED,),
        response="fine",
        decisions=("prompt allow", "response allow"),
        counts={**ALLOW2, "outcomes released": 1},
        log=("exchange allow released",),
        settings={"limits__requests_per_minute": 1},
        times=2,
        doors=PRODUCT,
    ),
    Case(
        "an image let through",
        image("hello"),
        "fine",
        "released",
        "fine",
        (Fate.RELEASED,),
        "fine",
        ("prompt allow", "response allow"),
        {**ALLOW2, "outcomes released": 1, "fail_opens uninspectable": 1},
        ("fail_open uninspectable", "exchange allow released"),
        {"on_failure__uninspectable": "open"},
        doors=PRODUCT,
    ),
    Case(
        "more text than allowed",
        "hello " * 2_000,
        "fine",
        "LimitExceeded",
        settings={"limits__text_chars": 10_000},
    ),
    Case(
        "a Warden that fails",
        "hello",
        "fine",
        "InspectionFailed",
        counts={"failures error warden": 1},
        log=("warden_failed error", "exchange none error"),
        fault="warden",
    ),
    Case(
        "a Warden that fails open",
        "hello",
        "fine",
        "released",
        "fine",
        (Fate.RELEASED,),
        "fine",
        ("prompt allow", "response allow"),
        {**ALLOW2, "outcomes released": 1, "failures error warden": 1, "fail_opens warden": 1},
        ("warden_failed error", "fail_open warden", "exchange allow released"),
        {"on_failure__warden": "open"},
        fault="warden",
    ),
    Case(
        "a store that fails",
        "hello",
        "fine",
        "StoreError",
        counts={**ALLOW2, "outcomes released": 1, "failures error store": 1},
        log=("store_failed error", "exchange allow released"),
        fault="store",
    ),
    Case(
        "a store that fails open",
        "hello",
        "fine",
        "released",
        "fine",
        counts={**ALLOW2, "outcomes released": 1, "failures error store": 1, "fail_opens store": 1},
        log=("store_failed error", "fail_open store", "exchange allow released"),
        settings={"on_failure__store": "open"},
        fault="store",
        doors=PRODUCT,
    ),
]


PARTS = {"gateway": 4, "guard": 3, "wrapper": 4, "laboratory": 2}
"""Texts that the Warden is asked about: a prompt and an answer, and what a door's documents hold beside them."""


def at_door(case: Case, door: str) -> Case:
    """What must become of a case where each part that was not inspected is counted and logged."""
    if case.fault != "warden" or case.told != "released":
        return case
    counts = {key: PARTS[door] if key.endswith("warden") else count for key, count in case.counts.items()}
    return replace(case, counts=counts, log=case.log[:2] * PARTS[door] + case.log[2:])


STREAMED = ("gateway", "wrapper")
STREAMS = [
    replace(
        case,
        name=f"streamed: {case.name}",
        answer=case.answer.replace(" ", "_"),  # the scripted server cuts an answer at its spaces
        text=case.text and case.text.replace(" ", "_"),
        response=case.response and case.response.replace(" ", "_"),
        doors=STREAMED,
        streamed=True,
    )
    for case in CASES
    if case.name
    in (
        "released",
        "a blocked prompt",
        "a blocked answer",
        "withheld by the judge",
        "a judge that fails open",
        "an observed tenant",
        "probing by answers",
        "a Warden that fails",
        "a store that fails open",
    )
]


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    structlog.reset_defaults()
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()


def _break(system: System, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError("out of order")

    where = {
        "warden": (type(system.warden), "at_once"),
        "judge": (type(system.adjudicator), "adjudicate"),
        "store": (type(system.loop), "monitor"),
    }
    if part:
        monkeypatch.setattr(*where[part], fails)


@pytest.mark.parametrize(
    ("case", "door"),
    [pytest.param(case, door, id=f"{case.name}, {door}") for case in [*CASES, *STREAMS] for door in case.doors],
)
def test_every_door_leads_to_the_same_pipeline(
    case: Case, door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = at_door(case, door)
    system = system_with(**case.settings)
    try:
        with ScriptedServer() as server, DOORS[door](system, server, tmp_path) as opened:
            _break(system, case.fault, monkeypatch)
            with capture_logs() as entries:
                told = [opened.send(case.prompt, case.answer, stream=case.streamed) for _ in range(case.times)][-1]
                assert wait_until(lambda: len(logged(entries)) >= len(case.log))
            assert told == Told(case.told, case.text if door != "laboratory" else None)
            assert logged(entries) == list(case.log)
            assert counted(opened.metrics) == case.counts
            system.store.flush()
            found = list(reversed(list(system.store.exchanges.recent(10))))
            assert tuple(record.fate for record in found) == case.fates
            if found:
                last = found[-1]
                decisions = [f"{d.direction.value} {d.action.value}" for d in last.decisions]
                assert (last.exchange.response, decisions) == (case.response, list(case.decisions))
                assert door == "laboratory" or last.exchange.sender == Sender("default", ALICE)
                inline = case.settings.get("adjudication__mode") == "inline"
                assert not inline or (last.verdict is not None and last.verdict.outcome is not Outcome.SAFE)
    finally:
        system.close()


@pytest.mark.parametrize("door", STREAMED)
def test_an_abandoned_exchange_is_recorded_and_learned_from(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = system_with(store__durability="strict")  # nothing is released before the end
    read = threading.Event()
    feed = StreamInspector.feed

    async def noticed(self: StreamInspector, text: str) -> str:
        out = await feed(self, text)
        if "BREACH" in text:
            read.set()
        return out

    monkeypatch.setattr(StreamInspector, "feed", noticed)
    try:
        with ScriptedServer(failure=Failure.STALL) as server, DOORS[door](system, server, tmp_path) as opened:
            server.answer = "a BREACH " + "and more " * 10
            with capture_logs() as entries:
                opened.leave("hello", lambda: read.wait(60), stream=True)
                assert wait_until(
                    lambda: (
                        "exchange allow abandoned" in logged(entries) or "exchange none abandoned" in logged(entries)
                    )
                )
            assert counted(opened.metrics)["outcomes abandoned"] == 1
            assert logged(entries)[0] == "client_gone"
            system.store.flush()
            assert system.loop.drain(20)
            (record,) = system.store.exchanges.recent(10)
            assert (record.fate, record.exchange.sender) == (Fate.ABANDONED, Sender("default", ALICE))
            assert "BREACH" in (record.exchange.response or "")
            assert record.verdict is not None
            assert record.verdict.is_breach
            assert any(policy.condition == Pattern("(?i)hello") for policy in system.store.policies.list())
    finally:
        system.close()


@pytest.mark.parametrize("door", STREAMED)
def test_an_exchange_abandoned_before_any_answer_is_recorded(door: str, tmp_path: Path) -> None:
    system = system_with()
    try:
        with ScriptedServer(failure=Failure.HANG) as server, DOORS[door](system, server, tmp_path) as opened:
            with capture_logs() as entries:
                opened.leave("hello", lambda: wait_until(lambda: server.requests), stream=False)
                assert wait_until(lambda: "exchange allow abandoned" in logged(entries))
            assert logged(entries) == ["client_gone", "exchange allow abandoned"]
            system.store.flush()
            (record,) = system.store.exchanges.recent(10)
            assert (record.fate, record.exchange.response) == (Fate.ABANDONED, None)
    finally:
        system.close()


def test_a_configuration_that_is_read_again_says_anew_whether_anything_is_judged(tmp_path: Path) -> None:
    system = system_with(adjudication__mode="off")
    try:
        with ScriptedServer() as server:
            for number, mode in enumerate(("off", "async", "off")):
                judging = system.settings.adjudication.model_copy(update={"mode": mode})
                again = replace(system, settings=system.settings.model_copy(update={"adjudication": judging}))
                with DOORS["guard"](again, server, tmp_path) as opened:  # as on SIGHUP: the loop stays
                    assert opened.send(f"hello {number}", "a BREACH").what == "released"
                system.store.flush()
                assert system.loop.drain(20)
                (record,) = system.store.exchanges.recent(1)
                assert (record.verdict is not None) == (mode != "off")
    finally:
        system.close()
