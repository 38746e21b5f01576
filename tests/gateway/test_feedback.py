"""Words on what was stopped, over HTTP: whose word counts for what."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Fate
from sisf.gateway.app import create_app
from sisf.gateway.identity import KeyFile
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Status
from sisf.settings import load
from sisf.store import ExchangeRecord, Store, open_store
from sisf.store.records import NoteKind
from sisf.testing import MemoryStore, OpenGate, ScriptedAdjudicator
from sisf.warden import Warden
from tests.loop.fakes import make_loop

CROWD = [f"ann{number}" for number in range(5)]
"""Clients of one tenant."""


class Rig:
    """A gateway with keys over a store with one policy, which stopped what ann sent."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        keys = KeyFile(folder / "keys.json")
        self.keys = {
            who: keys.create(principal=who, role="admin" if who == "root" else "client")[0]
            for who in ("ann", "bob", "root")
        }
        for tenant in ("acme", "other"):
            self.keys[tenant] = keys.create(tenant=tenant, principal="root", role="admin")[0]
        self.keys |= {who: keys.create(tenant="crowd", principal=who)[0] for who in CROWD}
        self.store = store or MemoryStore()
        policy = Policy(
            Pattern("lock"), Action.BLOCK, Direction.PROMPT, "x", id="p", status=Status.ACTIVE,
            gate_report=GateReport(True),
        )  # fmt: skip
        self.store.policies.commit(Change((policy,), "loop", "x"), expected=0)
        decision = Decision(Action.BLOCK, (Match("p", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
        said = Exchange.of("the lock of the canal", id="e1", tenant="default", principal="ann")
        self.store.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(
            60
        )
        self.warden = Warden(HashEmbedder(8), threads=1)
        loop = make_loop(self.store, workers=0, gate=OpenGate())
        settings = load(
            overrides={"upstream.url": "http://127.0.0.1:9/v1", "keys.file": str(folder / "keys.json")}, environment={}
        )
        parts = {"warden": self.warden, "loop": loop, "adjudicator": ScriptedAdjudicator(), "store": self.store}
        self.client = TestClient(create_app(**parts, settings=settings, lifecycle=loop.lifecycle))  # type: ignore[arg-type]

    def say(self, who: str, verdict: str = "false_positive", exchange: str = "e1", **more: str) -> int:
        headers = {"authorization": f"Bearer {self.keys.get(who, 'none')}"}
        body = {"exchange": exchange, "verdict": verdict, **more}
        return self.client.post("/v1/feedback", json=body, headers=headers).status_code


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.warden.close()
    made.store.close()


def test_a_client_speaks_for_its_own_exchanges_and_teaches_nothing(rig: Rig) -> None:
    assert rig.say("ann") == 200
    policy = rig.store.policies.get("p")
    assert policy.evidence.false_positives == 0
    assert [(note.subject, note.actor) for note in rig.store.oversight.questions()] == [("e1", "client:default/ann")]
    assert policy.condition == Pattern("lock")
    assert rig.store.feedback.benign_cases() == []
    assert rig.say("bob") == 404
    assert rig.say("ann", "confirmed") == 403
    assert rig.say("nobody") == 401


def test_reports_of_a_few_do_not_hide_what_others_ask(rig: Rig) -> None:
    """Of one sender ten wait for a person, of one tenant thirty; an answered one makes room."""

    def stopped(who: str, tenant: str, name: str) -> str:
        said = Exchange.of("the lock of the canal", id=name, tenant=tenant, principal=who)
        decision = Decision(Action.BLOCK, (Match("p", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
        record = ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT)
        rig.store.exchanges.record(record, enqueue=False).result(60)
        return name

    told = {w: [rig.say(w, exchange=stopped(w, "crowd", f"{w}x{n}")) for n in range(12)] for w in CROWD}
    assert [said.count(200) for said in told.values()] == [10, 10, 10, 0, 0]
    assert {code for said in told.values() for code in said} == {200, 429}
    assert rig.say("ann") == 200, "another tenant's report is taken"
    assert rig.say("bob", exchange=stopped("bob", "default", "b1")) == 200
    rig.store.oversight.note("ann0x0", NoteKind.COMMENT, "seen", actor="person:ada")
    assert rig.say("ann0", exchange="ann0x11") == 200


def test_what_was_answered_a_moment_ago_can_be_spoken_of(tmp_path: Path) -> None:
    rig = Rig(tmp_path, open_store(f"sqlite:///{tmp_path}/sisf.db"))
    for number in range(5):
        said = Exchange.of("the lock of the canal", id=f"n{number}", tenant="default", principal="ann")
        decision = Decision(Action.BLOCK, (Match("p", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
        rig.store.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False)
        assert rig.say("ann", exchange=said.id) == 200
    rig.warden.close()
    rig.store.close()


def test_an_admin_with_a_tenant_speaks_of_that_tenants_exchanges_and_changes_nobody_elses_policies(rig: Rig) -> None:
    said = Exchange.of("the lock of acme", id="e2", tenant="acme", principal="ann")
    decision = Decision(Action.BLOCK, (Match("p", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
    rig.store.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(60)
    assert (rig.say("other", exchange="e2"), rig.say("other", "confirmed", exchange="e2")) == (404, 404)
    assert (rig.say("acme"), rig.say("acme", "confirmed")) == (404, 404)
    assert rig.say("acme", "confirmed", exchange="e2") == 403
    assert rig.say("acme", exchange="e2") == 200
    assert rig.store.policies.get("p").condition == Pattern("lock")
    assert rig.store.policies.get("p").evidence.false_positives == 0
    assert [(note.subject, note.actor) for note in rig.store.oversight.questions()] == [("e2", "client:acme/root")]


def test_an_admin_speaks_as_a_person(rig: Rig) -> None:
    assert rig.say("root", "confirmed") == 200
    assert rig.say("root") == 200
    condition = rig.store.policies.get("p").condition
    assert isinstance(condition, Pattern)
    assert condition.exceptions
    assert [case.actor for _, case in rig.store.feedback.benign_cases()] == ["person:root"]


def test_a_store_that_is_away_knows_of_no_exchange_and_is_not_named_to_clients(rig: Rig) -> None:
    rig.store.close()
    headers = {"authorization": f"Bearer {rig.keys['ann']}"}
    body = {"exchange": "e1", "verdict": "false_positive"}
    answer = rig.client.post("/v1/feedback", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert rig.store.url not in answer.text


@pytest.mark.parametrize(("verdict", "exchange", "status"), [("maybe", "e1", 400), ("false_positive", "e9", 404)])
def test_wrong_requests_get_a_clear_answer(rig: Rig, verdict: str, exchange: str, status: int) -> None:
    assert rig.say("root", verdict, exchange) == status
    assert rig.say("root", more="x") == 400
