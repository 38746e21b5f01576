"""A console over a running system: everything real but the embedder, the judge and the synthesiser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from sisf.bootstrap import System
from sisf.console.app import create_console
from sisf.exchange import Exchange, Fate
from sisf.gateway.identity import KeyFile
from sisf.llm.unaligned import UnalignedModel
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Provenance, Status
from sisf.settings import Admin
from sisf.store.records import ExchangeRecord
from sisf.taxonomy import Hazard
from sisf.testing import wait_until
from sisf.verdict import Outcome, Verdict
from tests.guard.conftest import system_with

TOKEN = "a-token"
TRICK = "open se\u200bsame, said the \u202efairy"


@dataclass(frozen=True, slots=True)
class Rig:
    """What a test works with."""

    system: System
    client: TestClient
    keys: KeyFile
    secrets: dict[str, str]
    console: Any

    def get(self, path: str, by: str = "admin", **more: Any) -> Any:
        return self.client.get(path, headers={"authorization": f"Bearer {self.secrets[by]}"}, **more)

    def post(self, path: str, by: str = "admin", **form: Any) -> Any:
        headers = {"authorization": f"Bearer {self.secrets[by]}"}
        return self.client.post(path, headers=headers, data=form or {"a": "b"})

    def send(self, method: str, path: str, by: str = "admin", **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.secrets[by]}"}
        return self.client.request(method, path, headers=headers, json=body)

    def record(self, prompt: str, name: str, *, response: str | None = None, **values: Any) -> ExchangeRecord:
        """Put a prompt through the Warden and keep what was decided, as the gateway does."""
        exchange = Exchange.of(prompt, response, id=name, principal=f"client-{name}")
        decision = self.system.warden.inspect(exchange.messages, Direction.PROMPT, exchange.tenant)
        fate = Fate.INTERCEPTED_PROMPT if decision.blocked else Fate.RELEASED
        record = ExchangeRecord(exchange, (decision,), fate, **values)
        self.system.store.exchanges.record(record, enqueue=False).result()
        return record


@contextmanager
def rigged(folder: Path, *, two_persons: bool = False, **settings: Any) -> Iterator[Rig]:
    """A system with one policy that blocks `open sesame`."""
    system = system_with(**settings)
    policy = Policy(
        Pattern(r"(?i)open\s+sesame"),
        Action.BLOCK,
        Direction.PROMPT,
        "Asks the cave to open",
        hazard=Hazard.PRIVACY,
        id="cave",
        status=Status.ACTIVE,
        gate_report=GateReport(passed=True, benign_total=3_000),
    )
    revision = system.store.policies.snapshot().revision
    snapshot = system.store.policies.commit(Change((policy,), "loop", "learned"), expected=revision)
    assert wait_until(lambda: system.warden.revision == snapshot.revision)
    keys = KeyFile(folder / "keys.json")
    secrets = {role: keys.create(principal=role, role=role)[0] for role in ("viewer", "operator", "admin")}
    secrets["second"] = keys.create(principal="second", role="operator")[0]
    console = create_console(
        system.store,
        token=TOKEN,
        keys=keys,
        settings=Admin(two_persons=two_persons),
        lifecycle=system.loop.lifecycle,
        warden=system.warden,
        configuration=system.settings,
        follow=system.loop.suspensions.follow,
        model=UnalignedModel(),
    )
    client = TestClient(console, base_url="http://console", follow_redirects=False)
    try:
        yield Rig(system, client, keys, secrets, console)
    finally:
        system.close()


def proposals(rig: Rig) -> list[Policy]:
    """Four breaches, each with a stand-in, and a learned policy that was written again after each."""
    store, report = rig.system.store, GateReport(passed=True, catches_breach=True, benign_total=3_000)
    made = []
    for number in range(4):
        rig.record(f"breach number {number}", f"b{number}", response="done", verdict=Verdict(Outcome.BREACH, "local"))
        for name, learned in (
            (f"narrow{number}", (f"b{number}",)),
            (f"wide{number}", tuple(f"b{i}" for i in range(number + 1))),
        ):
            policy = Policy(
                Pattern(f"breach number {number}"),
                Action.BLOCK,
                Direction.PROMPT,
                f"Like breach {number}",
                id=name,
                provenance=Provenance(learned, "local"),
                gate_report=report,
            )
            made.append(replace(policy, status=Status.PROPOSED))
    store.policies.commit(Change(tuple(made), "loop", "proposed"), expected=store.policies.snapshot().revision)
    return made
