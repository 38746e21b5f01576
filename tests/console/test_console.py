"""The oversight pages: escaped, guarded by role, and able to undo."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import sisf
from sisf.console.admin_pages import shown_settings
from sisf.console.app import create_console, create_sessions
from sisf.console.policy_lines import lines_of
from sisf.console.render import lasting, reason
from sisf.console.roles import Role
from sisf.console.words import DONE
from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange
from sisf.gateway.identity import KeyFile
from sisf.loop import Lifecycle, Reference, StoreKnowledge
from sisf.policy import (
    Action,
    Change,
    Direction,
    Evidence,
    GateReport,
    Pattern,
    Policy,
    Prototypes,
    Provenance,
    Status,
)
from sisf.settings import Admin, load
from sisf.store import Store, open_store
from sisf.store.memory import MemoryStore
from sisf.store.probes import Attempt, ProbeOutcome
from sisf.store.records import ExchangeRecord, FeedbackKind, NoteKind
from sisf.synthesis.lines import NARROW
from sisf.taxonomy import Hazard, Technique
from sisf.testing import OpenGate, wait_until
from sisf.verdict import Outcome, Verdict
from tests.console.system import rigged

TOKEN = "a-token-of-24-characters"
HOSTILE = "<script>alert('x')</script>{{ 7919*7927 }}"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
OWN = {"origin": "http://console"}


def fill(store: Store) -> None:
    policy = Policy(Pattern(f"lock{re.escape(HOSTILE)}"), Action.BLOCK, Direction.PROMPT, f"no {HOSTILE}", id="p1")
    report = GateReport(passed=True, catches_breach=True, benign_hits=(HOSTILE,))
    passed = replace(policy, status=Status.ACTIVE, gate_report=report)
    store.policies.commit(Change((passed,), "test", HOSTILE, ("e1",)), expected=0)
    verdict = Verdict(Outcome.UNDECIDED, judge=HOSTILE, rationale=HOSTILE)
    record = ExchangeRecord(Exchange.of(HOSTILE, HOSTILE, id="e1", principal=HOSTILE), verdict=verdict)
    store.exchanges.record(record, enqueue=False).result()
    store.exchanges.save_verdict("e1", verdict, actor="test")
    for technique, mended in ((Technique.FICTION, 2.0), (Technique.FICTION, None), (Technique.ENCODING, 4.0)):
        store.probes.add(Attempt(HOSTILE, technique, Hazard.HATE, HOSTILE, "e1", ProbeOutcome.BREACHED, mended=mended))
    store.probes.add(Attempt("quiet", Technique.ENCODING, Hazard.PRIVACY, "r", "e2", ProbeOutcome.BLOCKED))


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    fill(store)
    yield store
    store.close()


def client_of(store: Store, **options: Any) -> TestClient:
    console = create_console(store, **options)
    return TestClient(console, base_url="http://console", follow_redirects=False, raise_server_exceptions=False)


def lifecycle_of(store: Store) -> Lifecycle:
    return Lifecycle(store, OpenGate(), StoreKnowledge(store, Reference()), embedder=HashEmbedder(8))


@pytest.fixture
def client(store: Store) -> TestClient:
    return client_of(store, token=TOKEN)


PAGES = """
/ /queue /policies /policies?status=all /policies/p1 /exchanges?show=breach /exchanges?show=stopped /exchanges?show=all
/exchanges/e1 /exchanges?q=script&show=undecided /revisions /revisions/0 /revisions/1 /audit /audit?actor=test
/audit/verify /fleet /probing /enforcement /try /live /live?show=undecided /keys /sessions /settings
/?since=24h&tenant=default
""".split()
READ = """
/api/overview /api/policies /api/policies?status=active /api/policies/p1 /api/exchanges /api/exchanges?outcome=breach
/api/exchanges/e1 /api/exchanges/e1/why /api/exchanges?q=alert&show=undecided /api/policies/p1/versions /api/queue
/api/revisions /api/revisions/1/preview /api/audit /api/audit?actor=test /api/fleet /api/enforcement /api/settings
/api/sessions /api/openapi.json
""".split()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_and_escapes_hostile_text(client: TestClient, page: str) -> None:
    response = client.get(page, headers=AUTHORISED)
    assert response.status_code == 200
    assert response.text.count("<script") == page.startswith("/live")
    assert str(7919 * 7927) not in response.text
    assert "style=" not in response.text


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_something_to_say_of_an_empty_store(page: str) -> None:
    if "p1" in page or "e1" in page or page == "/revisions/1":
        return
    store = MemoryStore()
    response = client_of(store, token=TOKEN).get(page, headers=AUTHORISED)
    store.close()
    assert response.status_code == 200
    assert '<p class="empty">' in response.text or page in ("/audit/verify", "/revisions/0", "/enforcement")


def test_whatever_the_audit_log_says_was_done_has_words() -> None:
    """A kind of row that is new in the source, or in an enumeration that names rows, needs words here."""
    named = re.compile(r'"((?:policy|exchange|feedback|enforcement|job|key|console|webhooks|verdict|note)\.[a-z_]+)"')
    written = {name for file in Path(sisf.__path__[0]).rglob("*.py") for name in named.findall(file.read_text("utf-8"))}
    for kind, values in {"feedback": FeedbackKind, "note": NoteKind, "verdict": Outcome}.items():
        written |= {f"{kind}.{value}" for value in values}
    written = {name for name in written if not name.endswith((".html", ".csv"))}
    assert len(written) > 25
    assert written == set(DONE)


def test_a_history_is_told_in_words_and_the_audit_log_keeps_its_keys(client: TestClient) -> None:
    page = client.get("/policies/p1", headers=AUTHORISED).text
    assert "switched on" in page
    assert "policy.activate" not in page
    assert "policy.activate</code>" in client.get("/audit", headers=AUTHORISED).text


def test_a_breach_that_a_step_names_is_a_click_away_and_nothing_else_becomes_a_link() -> None:
    known = "0" * 24 + "89abcdef"
    assert f'<a href="/exchanges/{known}" title="{known}"><code>…89abcdef</code></a>' in reason(f"of breach {known}")
    assert "<" not in reason(f'<a href="/{known}">breach {known[1:]}')


def test_an_empty_overview_gives_no_figures_of_nothing() -> None:
    store = MemoryStore()
    page = client_of(store, token=TOKEN).get("/", headers=AUTHORISED).text
    store.close()
    assert "no exchange was judged by both yet" in page
    assert "nothing waits to be judged or learned from" in page
    assert "oldest for" not in page


def test_no_page_redirects_to_where_the_client_says(client: TestClient) -> None:
    for page in {page.partition("?")[0] for page in [*PAGES, *READ, "/static"]}:
        for method in ("GET", "POST"):
            for path in (page, f"{page}/"):
                answer = client.request(method, path, headers={**AUTHORISED, "host": "evil.example"})
                assert "evil" not in answer.headers.get("location", ""), path


@pytest.mark.parametrize("page", [*PAGES, *READ])
def test_nothing_is_shown_without_credentials(client: TestClient, page: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "sisf_console=wrong"}):
        response = client.get(page, headers=headers)
        assert response.status_code == 401
        assert "Exchange" not in response.text.replace("Exchanges", "")


def test_the_map_of_probes_says_what_was_tried_what_got_through_and_what_is_mended(client: TestClient) -> None:
    page = " ".join(client.get("/probing", headers=AUTHORISED).text.split())
    assert "<b>3</b>got through<span>of 4 probes" in page
    assert "<b>1</b>not stopped yet" in page
    assert "<b>3.00 s</b>time to mitigation<span>median; the longest took 4.00 s" in page
    assert '<td class="n breach" data-label="fiction">2 · 2 · 1</td>' in page
    assert '<td class="n safe" data-label="encoding">1 · 1 · 1</td>' in page
    assert '<td class="n" data-label="encoding">1 · 0 · 0</td>' in page
    assert '<td class="n" data-label="fiction"><span class="soft">–</span></td>' in page
    assert page.count(">not yet<") == 1


def test_security_headers_are_on_every_answer(client: TestClient) -> None:
    for path in ("/", "/login", "/static/console.css", "/nowhere", "/api/overview"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert "strict-transport-security" not in headers


def test_behind_https_cookies_are_secure(store: Store) -> None:
    client = client_of(store, token=TOKEN, settings=Admin(url="https://oversight.example"))
    answer = client.post("/login", data={"token": TOKEN}, headers=OWN)
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


def signed_in(client: TestClient) -> str:
    """Sign in by the form; returns the value that forms must bring back."""
    answer = client.post("/login", data={"token": TOKEN, "next": "/audit"}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit")
    assert "HttpOnly" in answer.headers["set-cookie"]
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
    assert found
    return found.group(1)


def test_other_sites_cannot_act_for_somebody_who_is_signed_in(client: TestClient, store: Store) -> None:
    csrf = signed_in(client)
    right = {"csrf": csrf}
    for headers, form in (
        ({"origin": "http://evil"}, right),
        ({"origin": "null"}, right),
        ({}, right),
        (OWN, {}),
        (OWN, {"csrf": "wrong"}),
    ):
        assert client.post("/policies/p1/retire", headers=headers, data=form).status_code == 403
        assert client.post("/logout", headers=headers, data=form).status_code == 403
    assert client.post("/api/policies/p1/retire", headers=OWN).status_code == 403
    assert store.policies.get("p1").status is Status.ACTIVE
    assert client.post("/policies/p1/retire", headers=OWN, data=right).status_code == 303
    assert store.policies.get("p1").status is Status.RETIRED


def test_a_link_signs_in_once_and_signing_out_is_final(store: Store) -> None:
    sessions = create_sessions(Admin(), None)
    client = client_of(store, token=TOKEN, sessions=sessions)
    code = sessions.link("ann", Role.OPERATOR)
    assert client.get("/login?link=wrong").status_code == 401
    assert client.get(f"/login?link={code}").status_code == 303
    again = client_of(store, token=TOKEN, sessions=sessions).get(f"/login?link={code}")
    assert (again.status_code, "was used" in again.text) == (401, True)
    cookie = dict(client.cookies)
    csrf = signed_in(client)
    assert client.get("/policies").status_code == 200
    assert client.post("/logout", headers=OWN, data={"csrf": csrf}).status_code == 303
    assert client.get("/policies").status_code == 401
    client.cookies.update(cookie)  # the session of the link was another one: it still lasts
    assert client.get("/policies").status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil", "https://evil", "/\\evil", "javascript:x", "/login", "/a\r\nset-cookie: x"]
)
def test_signing_in_leads_to_own_pages_only(client: TestClient, target: str) -> None:
    answer = client.post("/login", data={"token": TOKEN, "next": target}, headers=OWN)
    assert answer.headers["location"] == "/"


def test_guessing_is_slowed(client: TestClient) -> None:
    statuses = [client.get("/", headers={"authorization": f"Bearer {n}"}).status_code for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert client.get("/", headers=AUTHORISED).status_code == 200  # whoever shares the address is not shut out


def test_a_token_that_can_be_guessed_waits_with_the_guesses(store: Store) -> None:
    client = client_of(store, token="sesame")
    statuses = [client.get("/", headers={"authorization": f"Bearer {n}"}).status_code for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert client.get("/", headers={"authorization": "Bearer sesame"}).status_code == 429


def test_sessions_end(store: Store) -> None:
    client = client_of(store, token=TOKEN, settings=Admin(session_minutes=1e-9))
    client.post("/login", data={"token": TOKEN}, headers=OWN)
    assert client.get("/").status_code == 401
    lost = "so nothing was changed"
    assert lost in client.post("/policies/p1/retire", data={"csrf": "x"}, headers=OWN).text
    assert lost not in client.get("/policies").text


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"tenant": "acme"}, {"revoked": "now"}])
def test_a_session_ends_when_what_its_key_may_changes(
    store: Store, tmp_path: Path, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sisf.gateway.identity._RELOAD_SECONDS", 0.0)
    path = tmp_path / "keys.json"
    keys = KeyFile(path)
    secret, _ = keys.create(principal="ann", role="admin")
    client = client_of(store, keys=keys)
    client.post("/login", data={"token": secret}, headers=OWN)
    assert client.get("/").status_code == 200
    held = json.loads(path.read_text())
    held["keys"][0].update(change)
    path.write_text(json.dumps(held))
    assert client.get("/").status_code == 401


def test_roles_of_keys(store: Store, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    secrets = {
        role: keys.create(principal=f"ann-{role}", role=role)[0] for role in ("client", "viewer", "operator", "admin")
    }
    client = client_of(store, keys=keys, lifecycle=lifecycle_of(store))

    def ask(role: str, path: str, **more: Any) -> int:
        headers = {"authorization": f"Bearer {secrets[role]}"}
        return client.request("POST" if more else "GET", path, headers=headers, **more).status_code

    assert [ask(role, "/") for role in secrets] == [401, 200, 200, 200]
    assert [ask(role, "/policies/p1/shadow", data={"a": "b"}) for role in ("viewer", "operator")] == [403, 303]
    assert [ask(role, "/api/rollback", json={"revision": 1}) for role in ("viewer", "operator", "admin")] == [
        403,
        403,
        200,
    ]
    assert [ask(role, "/forget", data={"principal": "x"}) for role in ("operator", "admin")] == [403, 303]
    actors = {row.actor for row in store.audit.rows()}
    assert {"person:ann-operator", "person:ann-admin"} <= actors
    shown = client.get("/policies/p1", headers={"authorization": f"Bearer {secrets['viewer']}"}).text
    assert "Switch off" not in shown


def test_a_rollback_is_a_new_revision(store: Store) -> None:
    client = client_of(store, token=TOKEN, lifecycle=lifecycle_of(store))
    client.post("/policies/p1/retire", headers=AUTHORISED)
    assert store.policies.snapshot().active == ()
    assert "Go back to revision 1" in client.get("/revisions/1", headers=AUTHORISED).text
    preview = client.get("/api/revisions/1/preview", headers=AUTHORISED).json()
    assert [line[:4] for line in preview["changes"]] == ["+ p1"]
    assert (preview["excepted"], preview["refused"]) == ({}, {})
    client.post("/rollback", data={"revision": "1"}, headers=AUTHORISED)
    snapshot = store.policies.snapshot()
    assert (snapshot.revision, [p.id for p in snapshot.active]) == (3, ["p1"])


def test_a_policy_is_switched_off_and_on_again(client: TestClient, store: Store) -> None:
    for step, status in (("retire", Status.RETIRED), ("activate", Status.ACTIVE), ("shadow", Status.SHADOW)):
        assert client.post(f"/policies/p1/{step}", headers=AUTHORISED).status_code == 303
        assert store.policies.get("p1").status is status
    history = client.get("/policies/p1", headers=AUTHORISED).text
    assert "active to retired on the console" in history


def test_a_person_decides_what_no_judge_could_and_the_loop_learns_from_it(client: TestClient, store: Store) -> None:
    answer = client.post("/exchanges/e1/verdict", data={"outcome": "breach", "back": "/queue"}, headers=AUTHORISED)
    assert answer.headers["location"].startswith("/queue?done=")
    verdict = store.exchanges.get("e1").verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.judge) == (Outcome.BREACH, "person:console")
    assert store.jobs.counts()["ready"] == 1
    assert client.post("/exchanges/e1/verdict", data={"outcome": "maybe"}, headers=AUTHORISED).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/policies/none", 404),
        ("GET", "/exchanges/none", 404),
        ("GET", "/exchanges?id=none", 303),
        ("GET", "/revisions/99", 404),
        ("GET", "/audit?before=x", 200),
        ("GET", "/policies?status=x", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/static/../app.py", 404),
        ("POST", "/policies/p1/explode", 404),
        ("POST", "/rollback", 400),
        ("POST", "/policies/none/retire", 404),
        ("POST", "/exchanges/e1/mistake", 409),
        ("GET", "/api/policies?status=x", 400),
        ("GET", "/api/exchanges?outcome=x", 400),
        ("POST", "/api/rollback", 400),
        ("POST", "/api/exchanges/e1/verdict", 400),
        ("DELETE", "/policies/p1", 405),
    ],
)
def test_wrong_requests_get_a_clear_answer(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers=AUTHORISED)
    assert answer.status_code == status
    if path.startswith("/api/"):
        assert answer.json()["error"]


def test_a_policy_without_a_passed_gate_report_cannot_be_activated(client: TestClient, store: Store) -> None:
    policy = Policy(Pattern("key"), Action.BLOCK, Direction.PROMPT, "unproven", id="p2")
    store.policies.commit(Change((policy,), "test", "propose"), expected=store.policies.snapshot().revision)
    answer = client.post("/policies/p2/activate", headers=AUTHORISED)
    assert (answer.status_code, "unproven" in answer.text) == (409, True)
    assert store.policies.get("p2").status is Status.PROPOSED
    assert client.post("/policies/p2/reject", headers=AUTHORISED).status_code == 303
    assert store.policies.get("p2").status is Status.REJECTED


def test_a_console_without_a_way_in_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="needs a token"):
        create_console(store)


def test_narrow_policies_of_one_kind_stand_on_one_line_and_each_is_reached(store: Store) -> None:
    vectors = np.zeros(4, "<f4").tobytes()
    many = tuple(
        Policy(
            Prototypes("fake", 4, vectors, 0.9, (f"request {number} {HOSTILE}",) if number else ()),
            Action.BLOCK,
            Direction.PROMPT,
            "Requests nearly like one that breached the model",
            id=f"n{number}",
            status=Status.ACTIVE,
            gate_report=GateReport(True),
            provenance=Provenance(("e1",), NARROW),
            evidence=Evidence(confirmations=1, hits=2),
        )
        for number in range(120)
    )
    store.policies.commit(Change(many, "test", "many", ("e1",)), expected=1)
    client = client_of(store, token=TOKEN)
    for path in ("/policies", "/exchanges/e1"):
        page = client.get(path, headers=AUTHORISED).text
        assert page.count("<summary>Requests nearly like one of") == 1
        shown = {number for number in range(120) if f'href="/policies/n{number}"' in page}
        assert len(shown) == (120 if path == "/policies" else 50)
        assert "request 119 &lt;script" in page
        assert "<script>alert" not in page
    assert ">n0, learned 2" in client.get("/policies", headers=AUTHORISED).text
    (line,) = lines_of(many)
    assert (line.hits, line.confirmations, line.mistakes) == (240, 120, 0)
    assert len(client.get("/api/policies", headers=AUTHORISED).json()) >= 100


def test_on_a_phone_every_number_and_state_has_its_name() -> None:
    """There a table is a list of cards without headings: only texts, links and buttons speak for themselves."""
    folder = Path(create_console.__code__.co_filename).parent / "templates"
    cells = [
        cell for page in folder.glob("*.html") for cell in re.findall(r"<td(?:{{.*?}}|[^>])*>", page.read_text("utf-8"))
    ]
    assert len(cells) > 60
    silent = [cell for cell in cells if "data-label" not in cell and re.search(r'class="(n|when)\b', cell)]
    assert silent == []
    fleet = (folder / "fleet.html").read_text("utf-8")
    assert fleet.count("<td") == fleet.count("data-label") + 1


def test_a_store_that_is_away_is_said_on_every_page(tmp_path: Path) -> None:
    with rigged(tmp_path, store=open_store(f"sqlite:///{tmp_path}/data/sisf.db")) as rig:
        (tmp_path / "data").rename(tmp_path / "away")
        for path in ("/", "/exchanges", "/policies/cave", "/queue", "/audit", "/api/overview", "/api/policies"):
            answer = rig.get(path)
            assert (answer.status_code, "cannot be reached" in answer.text) == (503, True), path
        assert rig.post("/policies/cave/shadow").status_code == 503
        (tmp_path / "away").rename(tmp_path / "data")
        assert wait_until(lambda: rig.get("/").status_code == 200)


def test_settings_are_shown_as_they_are_written_and_without_secrets() -> None:
    urls = ("postgresql://ann:hunter2@db/sisf", "postgresql://ann@db/sisf?password=hunter2&sslmode=require")
    for url in urls:
        given = {"store.url": url, "upstream.url": "http://model/v1", "admin.token": "hunter2"}
        shown = {s.key: s.value for s in shown_settings(load(environment={}, overrides=given), {})}
        assert "hunter2" not in str(shown)
        assert shown["store.url"].startswith("postgresql://ann")
        assert (shown["admin.enabled"], shown["listen.proxy_protocol"]) == ("true", "false")


def test_a_number_that_no_row_can_have_is_no_failure(tmp_path: Path) -> None:
    most = "9" * 30
    queries = ("after", "before", "limit", "page", "version", "from", "to", "since", "range", "minutes")
    with rigged(tmp_path) as rig:
        for path in ("/", "/audit", "/exchanges", "/policies", "/policies/cave", "/revisions", "/queue", "/probing"):
            for api in ("", "/api"):
                asked = "&".join(f"{name}={most}" for name in queries)
                assert rig.get(f"{api}{path}?{asked}").status_code < 500, path
                assert rig.get(f"{api}/revisions/{most}").status_code == 404


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (119.0, "119.0 s"), (728.5, "12 minutes"), (7_200.0, "2 hours"), (172_800.0, "2 days")],
)
def test_times_are_told_in_the_unit_that_people_use(seconds: float, said: str) -> None:
    assert lasting(seconds) == said
