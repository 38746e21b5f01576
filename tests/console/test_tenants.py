"""A key with a tenant opens a console over that tenant's things: nothing of another is shown, and none is changed."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from sisf.console.roles import FOR_ONE_TENANT
from sisf.exchange import Exchange, Fate
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Provenance, Status
from sisf.store import Store
from sisf.store.records import ExchangeRecord, Feedback, FeedbackKind, NoteKind, Scope
from sisf.testing import wait_until
from sisf.verdict import Outcome, Verdict
from tests.console.system import Rig, rigged

MINE, THEIRS = "markerofmine", "markeroftheirs"
TENANTS = {"mine": MINE, "theirs": THEIRS}
REPORT = GateReport(passed=True, benign_hits=("a benign text of markeroftheirs",), benign_total=3_000)


def policies(tenant: str) -> list[Policy]:
    """One of each status that a person can move; of the loop's those of all tenants that this tenant taught it."""
    mark = TENANTS[tenant]
    own = [
        Policy(Pattern(f"{mark} {status}", exceptions=(mark,)), Action.BLOCK, Direction.PROMPT, f"Stops {mark}",
               id=f"{tenant}-{status}", status=status, tenant=tenant, gate_report=REPORT)
        for status in (Status.ACTIVE, Status.SHADOW, Status.PROPOSED, Status.RETIRED)
    ]  # fmt: skip
    learned = [
        Policy(Pattern(f"{mark} all {status}", exceptions=(mark,)), Action.BLOCK, Direction.PROMPT, f"Like {mark}",
               id=f"all-{tenant}-{status}", status=status, gate_report=REPORT,
               provenance=Provenance((f"{tenant}-breach",), "local"))
        for status in (Status.ACTIVE, Status.PROPOSED)
    ]  # fmt: skip
    return own + learned


def fill(store: Store, tenant: str) -> None:
    """Everything that a tenant can leave in a store, each with its marker."""
    mark, name = TENANTS[tenant], f"person:{TENANTS[tenant]}"
    revision = store.policies.snapshot().revision
    for kind, fate, outcome in (
        ("breach", Fate.RELEASED, Outcome.BREACH),
        ("undecided", Fate.RELEASED, Outcome.UNDECIDED),
        ("safe", Fate.RELEASED, Outcome.SAFE),
        ("stopped", Fate.INTERCEPTED_PROMPT, None),
        ("stopped-by-all", Fate.INTERCEPTED_PROMPT, None),
    ):
        by = f"all-{tenant}-active" if kind.endswith("all") else f"{tenant}-active"
        match = Match(by, Action.BLOCK, 1.0, 1.0)
        decisions = (Decision(Action.BLOCK, (match,), revision, Direction.PROMPT),) if fate is not Fate.RELEASED else ()
        exchange = Exchange.of(f"{mark} active all active", f"said {mark}", id=f"{tenant}-{kind}", tenant=tenant,
                               principal=f"user of {mark}")  # fmt: skip
        verdict = Verdict(outcome, "local", rationale=f"for {mark}") if outcome else None
        record = ExchangeRecord(exchange, decisions, fate, verdict)
        store.exchanges.record(record, enqueue=kind == "safe").result()
        store.oversight.note(exchange.id, NoteKind.QUESTION, f"about {mark}", actor=name)
    store.exchanges.save_verdict(f"{tenant}-safe", Verdict(Outcome.SAFE, name, rationale=mark), actor=name)
    job = store.jobs.lease("test", 60)
    assert job is not None
    store.jobs.fail(job, f"could not read {mark}", retry_in=None)
    store.oversight.note(f"{tenant}-active", NoteKind.COMMENT, f"about {mark}", actor=name)
    store.oversight.note(f"all-{tenant}-active", NoteKind.COMMENT, f"about {mark}", actor=name)
    store.oversight.suspend(Scope.TENANT, tenant, timedelta(hours=1), actor=name, reason=mark)
    store.oversight.suspend(Scope.POLICY, f"{tenant}-active", timedelta(hours=1), actor=name, reason=mark)
    for policy_id in (f"{tenant}-active", "all-mine-active"):
        sender = store.exchanges.get(f"{tenant}-stopped").exchange.sender
        store.feedback.add(Feedback(policy_id, FeedbackKind.FALSE_POSITIVE, sender, f"{tenant}-stopped", name, mark))
    while store.exchanges.index():
        pass


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(Path(tmp_path_factory.mktemp("tenants"))) as made:
        store = made.system.store
        for tenant, mark in TENANTS.items():
            change = Change(tuple(policies(tenant)), f"person:{mark}", f"because of {mark}", (f"{tenant}-breach",))
            store.policies.commit(change, expected=store.policies.snapshot().revision)
        assert wait_until(lambda: made.system.warden.revision == store.policies.snapshot().revision)
        made.system.loop.stop()
        for tenant in TENANTS:
            fill(store, tenant)
        store.oversight.suspend(Scope.ALL, "", timedelta(hours=1), actor=f"person:{THEIRS}", reason=f"{THEIRS}")
        for role in ("viewer", "operator", "admin"):
            made.secrets[f"mine {role}"] = made.keys.create(tenant="mine", principal=f"a {role}", role=role)[0]
        yield made


def routes(rig: Rig) -> list[tuple[str, str]]:
    """Every page, button and endpoint, with its method; parameters as they are written."""
    found = [
        (each.path, method) for each in rig.console.routes if isinstance(each, Route) for method in each.methods or ()
    ]
    return sorted({(path, method) for path, method in found if not path.startswith(("/login", "/logout", "/oidc"))})


def filled(path: str, tenant: str) -> Iterator[str]:
    """The path with each id of a tenant in place of its parameters."""
    ids = {
        "policy_id": [*(each.id for each in policies(tenant)), "cave"],
        "exchange_id": [f"{tenant}-{kind}" for kind in ("breach", "undecided", "safe", "stopped", "stopped-by-all")],
        "step": ["activate", "shadow", "retire", "reject"],
        "number:int": ["0", "1", "2", "3"],
        "key_id": ["nobody"],
        "session_id": ["nobody"],
    }
    name = next(iter(re.findall(r"{(.+?)}", path)), None)
    if name is None:
        yield path
        return
    for value in ids[name]:
        yield from filled(path.replace(f"{{{name}}}", value, 1), tenant)


QUERIES = ("", "?tenant=theirs", "?q=said", "?status=all", "?show=all&policy=theirs-active", "?id=theirs-stopped",
           "?actor=person", "?subject=theirs-stopped", "?before=999999")  # fmt: skip


def test_nothing_of_another_tenant_is_shown(rig: Rig) -> None:
    shown = 0
    for path, method in routes(rig):
        if method != "GET":
            continue
        for tenant in TENANTS:
            for place in filled(path, tenant):
                for query in QUERIES if "{" not in path else ("", "?from=1&to=2"):
                    answer = rig.get(place + query, by="mine admin")
                    assert answer.status_code < 500, (place, query, answer.text)
                    assert THEIRS not in answer.text, (place, query)
                    if path not in FOR_ONE_TENANT or (tenant == "theirs" and "exchange_id" in path):
                        assert answer.status_code == 404, place
                    shown += MINE in answer.text
    assert shown > 40


def states(rig: Rig) -> Any:
    """What a change of another tenant's things, or of all tenants' policies, would alter."""
    store, names = rig.system.store, ["breach", "undecided", "safe", "stopped", "stopped-by-all"]
    ids = [f"theirs-{name}" for name in names]
    others = [policy for policy in store.policies.list() if policy.tenant != "mine"]
    return (
        [(policy.id, policy.status, policy.condition, policy.evidence.false_positives) for policy in others],
        [(store.exchanges.get(each).verdict, store.oversight.word(each)) for each in ids],
        store.oversight.notes([*ids, *(policy.id for policy in others)]),
        [
            each
            for each in store.oversight.suspensions()
            if each.subject != "mine" and not each.subject.startswith("mine")
        ],
        store.policies.snapshot().revision,
    )


BODIES = (
    {"outcome": "breach", "subject": "theirs-stopped", "text": "hello", "reason": "no", "scope": "tenant",
     "minutes": "5", "principal": f"user of {THEIRS}", "tenant": "theirs", "policy": "theirs-proposed",
     "step": "reject", "revision": "2"},
    {"subject": "theirs-active", "scope": "policy", "text": "hello", "tenant": "theirs", "revision": "3",
     "principal": f"user of {THEIRS}", "policy": "theirs-proposed", "step": "activate", "role": "admin", "name": "me"},
    {"subject": "all-mine-active", "scope": "policy", "text": "hello", "policy": "all-mine-proposed", "step": "reject",
     "reason": "no", "principal": "x", "tenant": "theirs", "revision": "1"},
    {"scope": "all", "text": "hello", "subject": "theirs-breach", "tenant": "theirs", "principal": "x"},
)  # fmt: skip


def test_nothing_of_another_tenant_nor_of_all_is_changed(rig: Rig) -> None:
    before, tried = states(rig), 0
    for path, method in routes(rig):
        if method in ("GET", "HEAD"):
            continue
        for place in filled(path, "theirs"):
            for given in BODIES:
                form = {"outcome": "breach", **given}
                body = {**form, "revision": int(form.get("revision", "1"))}
                send = rig.send(method, place, by="mine admin", **body) if path.startswith("/api/") else rig.post(
                    place, by="mine admin", **form
                )  # fmt: skip
                assert send.status_code < 500, (place, send.text)
                assert THEIRS not in send.text, place
                if "exchange_id" in path or path not in FOR_ONE_TENANT:
                    assert send.status_code == 404, (place, send.text)
                tried += 1
    assert tried > 300
    assert states(rig) == before


def test_its_own_things_can_be_acted_on(rig: Rig) -> None:
    store = rig.system.store
    assert rig.send("POST", "/api/policies/mine-active/shadow", by="mine operator").status_code == 200
    assert store.policies.get("mine-active").status is Status.SHADOW
    assert rig.send("POST", "/api/policies/all-mine-active/shadow", by="mine operator").status_code == 403
    assert (
        rig.send("POST", "/api/exchanges/mine-undecided/verdict", by="mine operator", outcome="safe").status_code == 200
    )
    assert rig.send("POST", "/api/notes", by="mine operator", subject="mine-stopped", text="mine").status_code == 200
    words = json.loads(rig.get("/api/exchanges/mine-stopped/why", by="mine viewer").text)["notes"]
    assert words[-1]["actor"] == "person:mine/a operator"
    made = rig.send("POST", "/api/enforcement/suspend", by="mine operator", scope="tenant", subject="mine", minutes=5)
    assert made.status_code == 200
    assert rig.send("POST", "/api/enforcement/resume", by="mine operator", id=made.json()["id"]).status_code == 200
    assert {each.subject for each in store.oversight.suspensions()} >= {"theirs", ""}


def test_a_word_against_what_is_of_all_tenants_asks_those_who_run_it(rig: Rig) -> None:
    store = rig.system.store
    store.oversight.note("mine-stopped-by-all", NoteKind.COMMENT, "seen", actor="person:mine/a")
    answer = rig.send("POST", "/api/exchanges/mine-stopped-by-all/mistake", by="mine operator")
    assert answer.json() == {"id": "mine-stopped-by-all", "asked": True}
    assert store.oversight.notes(["mine-stopped-by-all"])["mine-stopped-by-all"][-1].kind is NoteKind.QUESTION
    assert store.oversight.word("mine-stopped-by-all") is None
    assert store.policies.get("all-mine-active").status is Status.ACTIVE
    assert rig.send("POST", "/api/exchanges/mine-stopped-by-all/confirm", by="mine operator").status_code == 403


def test_questions_of_another_tenant_hide_none_of_its_own(rig: Rig) -> None:
    for number in range(120):
        rig.system.store.oversight.note(f"theirs-{number}", NoteKind.QUESTION, THEIRS, actor="lifecycle")
    page = rig.get("/queue", by="mine viewer").text
    assert f"about {MINE}" in page
    assert THEIRS not in page


def test_a_session_and_a_key_see_the_same(rig: Rig) -> None:
    signed = rig.client.post("/login", data={"token": rig.secrets["mine viewer"]}, headers={"origin": "http://console"})
    cookie = {"cookie": signed.headers["set-cookie"].split(";")[0]}
    rig.client.cookies.clear()
    page = rig.client.get("/exchanges", headers=cookie)
    assert MINE in page.text
    assert THEIRS not in page.text
    assert "Revisions" not in page.text
    assert rig.client.get("/exchanges/theirs-breach", headers=cookie).status_code == 404
    assert THEIRS not in rig.client.get("/login", headers=cookie).text
    assert THEIRS in rig.get("/exchanges", by="viewer").text
