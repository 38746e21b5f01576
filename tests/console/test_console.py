"""The oversight pages: escaped, guarded, and able to undo."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from sisf.console import create_console
from sisf.exchange import Exchange
from sisf.loop import Lifecycle, Reference, StoreKnowledge
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Status
from sisf.store.base import ExchangeRecord, Store
from sisf.store.memory import MemoryStore
from sisf.testing import OpenGate
from sisf.verdict import Outcome, Verdict

TOKEN = "a-token"
HOSTILE = "<script>alert('x')</script>{{ 7*7 }}"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    policy = Policy(Pattern("lock"), Action.BLOCK, Direction.PROMPT, f"no locks {HOSTILE}", id="p1")
    passed = replace(policy, status=Status.ACTIVE, gate_report=GateReport(passed=True, catches_breach=True))
    store.policies.commit(Change((passed,), "test", "start"), expected=0)
    record = ExchangeRecord(
        Exchange.of(HOSTILE, "an answer", id="e1"), verdict=Verdict(Outcome.UNDECIDED, judge="test", rationale=HOSTILE)
    )
    store.exchanges.record(record, enqueue=False).result()
    if record.verdict:
        store.exchanges.save_verdict("e1", record.verdict, actor="test")
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> TestClient:
    lifecycle = Lifecycle(store, OpenGate(), StoreKnowledge(store, Reference()))
    pages = create_console(store, token=TOKEN, lifecycle=lifecycle)
    return TestClient(pages, base_url="http://console", follow_redirects=False)


PAGES = ["/", "/policies", "/policies?status=all", "/policies/p1", "/exchanges", "/exchanges/e1", "/audit"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_and_escapes_hostile_text(client: TestClient, page: str) -> None:
    response = client.get(page, headers=AUTHORISED)
    assert response.status_code == 200
    assert "<script>" not in response.text
    assert "49" not in response.text or "{{ 7*7 }}" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_shown_without_the_token(client: TestClient, page: str) -> None:
    assert client.get(page).status_code == 401
    assert client.get(page, headers={"authorization": "Bearer wrong"}).status_code == 401


def test_the_link_logs_in_and_other_sites_cannot_act(client: TestClient, store: Store) -> None:
    assert client.get("/login?token=wrong").status_code == 401
    answer = client.get(f"/login?token={TOKEN}")
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert client.get("/policies").status_code == 200
    foreign = client.post("/policies/p1/retire", headers={"origin": "http://evil"})
    assert (foreign.status_code, store.policies.get("p1").status) == (403, Status.ACTIVE)
    assert client.post("/policies/p1/retire").status_code == 403
    own = client.post("/policies/p1/retire", headers={"origin": "http://console"})
    assert (own.status_code, store.policies.get("p1").status) == (303, Status.RETIRED)


def test_a_rollback_is_a_new_revision(client: TestClient, store: Store) -> None:
    client.post("/policies/p1/retire", headers=AUTHORISED)
    assert store.policies.snapshot().active == ()
    client.post("/rollback", data={"revision": "1"}, headers=AUTHORISED)
    snapshot = store.policies.snapshot()
    assert (snapshot.revision, [p.id for p in snapshot.active]) == (3, ["p1"])


def test_a_person_decides_what_no_judge_could(client: TestClient, store: Store) -> None:
    client.post("/exchanges/e1/verdict", data={"outcome": "breach"}, headers=AUTHORISED)
    verdict = store.exchanges.get("e1").verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.judge) == (Outcome.BREACH, "person")
    assert client.post("/exchanges/e1/verdict", data={"outcome": "maybe"}, headers=AUTHORISED).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/policies/none", 404),
        ("GET", "/exchanges/none", 404),
        ("GET", "/audit?after=x", 200),
        ("GET", "/policies?status=x", 200),
        ("POST", "/policies/p1/explode", 404),
        ("POST", "/rollback", 400),
        ("POST", "/policies/none/retire", 404),
    ],
)
def test_wrong_requests_get_a_clear_answer(client: TestClient, method: str, path: str, status: int) -> None:
    assert client.request(method, path, headers=AUTHORISED).status_code == status


def test_a_policy_without_a_passed_gate_report_cannot_be_activated(client: TestClient, store: Store) -> None:
    policy = Policy(Pattern("key"), Action.BLOCK, Direction.PROMPT, "unproven", id="p2")
    store.policies.commit(Change((policy,), "test", "propose"), expected=store.policies.snapshot().revision)
    answer = client.post("/policies/p2/activate", headers=AUTHORISED)
    assert answer.status_code == 409
    assert store.policies.get("p2").status is Status.PROPOSED


def test_what_was_stopped_by_mistake_passes_and_what_was_not_is_confirmed(client: TestClient, store: Store) -> None:
    for name, text in (("e2", "the lock of the canal"), ("e3", "pick a lock")):
        decision = Decision(Action.BLOCK, (Match("p1", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
        record = ExchangeRecord(Exchange.of(text, id=name), (decision,), "intercepted_prompt")
        store.exchanges.record(record, enqueue=False).result()
    assert "By mistake" in client.get("/exchanges/e2", headers=AUTHORISED).text
    assert "By mistake" not in client.get("/exchanges/e1", headers=AUTHORISED).text
    assert client.post("/exchanges/e2/mistake", headers=AUTHORISED).status_code == 303
    assert client.post("/exchanges/e3/confirm", headers=AUTHORISED).status_code == 303
    assert client.post("/exchanges/e1/mistake", headers=AUTHORISED).status_code == 404
    policy = store.policies.get("p1")
    assert isinstance(policy.condition, Pattern)
    assert policy.condition.exceptions == (r"(?is)^the\ lock\ of\ the\ canal$",)
    assert (policy.evidence.confirmations, policy.evidence.false_positives) == (1, 1)
    assert [case.text for _, case in store.feedback.benign_cases()] == ["the lock of the canal"]
    assert "Exceptions" in client.get("/policies/p1", headers=AUTHORISED).text


def test_a_console_without_a_lifecycle_only_shows(store: Store) -> None:
    pages = TestClient(create_console(store, token=TOKEN), base_url="http://console", follow_redirects=False)
    assert pages.get("/policies/p1", headers=AUTHORISED).status_code == 200
    assert pages.post("/policies/p1/retire", headers=AUTHORISED).status_code == 409
