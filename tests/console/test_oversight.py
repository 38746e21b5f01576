"""Why, what would change, and stop: what the on-call engineer asks of the console."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sisf.console.app import create_console
from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Fate
from sisf.policy import Action, Change, Decision, Direction, Match, Status
from sisf.store.records import ExchangeRecord, NoteKind, Said, Scope
from sisf.synthesis.coverage import Coverage, redundant
from sisf.testing import OpenGate
from sisf.verdict import Outcome, Verdict
from tests.console.system import TOKEN, TRICK, Rig, proposals, rigged


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as made:
        yield made


class TestWhy:
    def test_the_page_explains_as_sisf_check_does(self, rig: Rig) -> None:
        rig.record("please OPEN sesame now", "tale")
        page = rig.get("/exchanges/tale").text
        for told in (
            "please <mark>OPEN sesame</mark> now",
            "Asks the cave to open",
            "the pattern",
            "benign texts that synthesis knows",
            "the marked words would have to go",
        ):
            assert told in page, told
        why = rig.get("/api/exchanges/tale/why").json()
        assert why["decisions"][0]["reasons"][0]["snippet"] == ["please ", "OPEN sesame", " now"]

    def test_an_answer_that_waited_in_doubt_says_why(self, rig: Rig) -> None:
        came_near = Match("cave", Action.BLOCK, 0.8149, 0.83)
        decision = Decision(Action.ALLOW, (), 1, Direction.PROMPT, doubt=came_near)
        record = ExchangeRecord(Exchange.of("open barley", "done", id="near"), (decision,), Fate.WITHHELD)
        rig.system.store.exchanges.record(record, enqueue=False).result()
        said = "the request came near to policy cave (0.81; it blocks from 0.83 on), so the answer waited for a verdict"
        assert said.replace("the", "The", 1) in rig.get("/exchanges/near").text
        assert rig.get("/api/exchanges/near/why").json()["doubts"] == [said]

    def test_what_hides_is_shown_and_the_view_is_named(self, rig: Rig) -> None:
        rig.record(TRICK, "trick")
        page = rig.get("/exchanges/trick").text
        assert "\u200b" not in page
        assert "\u202e" not in page
        assert '<span class="hid" title="ZERO WIDTH SPACE">U+200B</span>' in page
        assert "invisible characters removed" in page
        assert "open <mark>" not in page  # the span lies in another reading of the text

    def test_it_explains_the_policies_of_that_time(self, rig: Rig) -> None:
        rig.record("open sesame", "tale")
        rig.post("/policies/cave/retire")
        assert "the pattern" in rig.get("/exchanges/tale").text

    def test_neighbours(self, rig: Rig) -> None:
        for name in ("a", "b", "c"):
            rig.record("hello", name)
        page = rig.get("/exchanges/b").text
        assert 'href="/exchanges/a"' in page
        assert 'href="/exchanges/c"' in page


class TestWords:
    def test_a_mistake_shows_what_it_changed_and_is_taken_back_with_it(self, rig: Rig) -> None:
        rig.record("open sesame is a fairy tale", "tale")
        assert rig.post("/exchanges/tale/mistake", "operator").status_code == 303
        page = rig.get("/exchanges/tale").text
        assert "Stopped by mistake" in page
        assert "said person:operator" in page
        word = rig.system.store.oversight.word("tale")
        assert word is not None
        assert f'href="/revisions/{word.revision}"' in page
        assert rig.system.store.policies.get("cave").condition.exceptions != ()  # type: ignore[union-attr]
        for again in ("mistake", "confirm"):
            refused = rig.post(f"/exchanges/tale/{again}", "second")
            assert (refused.status_code, "take that back first" in refused.text) == (409, True)
        assert len(rig.system.store.feedback.benign_cases()) == 1
        assert rig.post("/exchanges/tale/take-back", "second").status_code == 303
        assert rig.system.store.oversight.word("tale") is None
        assert rig.system.store.policies.get("cave").condition.exceptions == ()  # type: ignore[union-attr]
        assert rig.system.store.feedback.benign_cases() == []
        assert rig.post("/exchanges/tale/confirm", "second").status_code == 303
        assert rig.system.store.policies.get("cave").evidence.confirmations == 1
        page = rig.get("/exchanges/tale", "viewer").text
        assert "Rightly stopped" in page
        assert "Take it back" not in page  # a viewer sees the state and changes nothing

    def test_a_verdict_is_disagreed_with_and_taken_back(self, rig: Rig) -> None:
        judged = Verdict(Outcome.SAFE, "local", rationale="it declined")
        rig.record("hello", "x", response="an answer", verdict=judged)
        assert "Disagree: it is a breach" in rig.get("/exchanges/x").text
        rig.post("/exchanges/x/verdict", outcome="breach", reason="it told how")
        page = rig.get("/exchanges/x").text
        assert "it told how" in page
        assert "it declined" in page  # what the judge had said stays visible
        rig.post("/exchanges/x/unlabel")
        verdict = rig.system.store.exchanges.get("x").verdict
        assert verdict == judged

    def test_two_reviewers_lose_nothing(self, rig: Rig) -> None:
        rig.record("hello", "x", response="an answer", verdict=Verdict(Outcome.UNDECIDED, "local"))
        seen = "undecided:local"
        assert rig.post("/exchanges/x/verdict", "operator", outcome="safe", seen=seen).status_code == 303
        second = rig.post("/exchanges/x/verdict", "second", outcome="breach", seen=seen)
        assert (second.status_code, "person:operator decided meanwhile: safe" in second.text) == (409, True)
        verdict = rig.system.store.exchanges.get("x").verdict
        assert verdict is not None
        assert verdict.outcome is Outcome.SAFE


class TestUndo:
    def test_what_an_operator_does_with_one_click_they_undo_with_one(self, rig: Rig) -> None:
        done = rig.post("/policies/cave/retire", "operator")
        revision = done.headers["location"].partition("undo=")[2]
        assert "Undo" in rig.get(done.headers["location"], "operator").text
        assert rig.post("/undo", "operator", revision=revision).status_code == 303
        assert rig.system.store.policies.get("cave").status is Status.ACTIVE

    def test_every_step_has_a_way_back_by_the_policys_own_page(self, rig: Rig) -> None:
        for step, status in (("shadow", Status.SHADOW), ("activate", Status.ACTIVE), ("retire", Status.RETIRED)):
            assert rig.post(f"/policies/cave/{step}", "operator").status_code == 303
            assert rig.system.store.policies.get("cave").status is status
        assert "Restore" in rig.get("/policies/cave", "operator").text
        assert rig.post("/policies/cave/activate", "operator").status_code == 303
        assert rig.system.store.policies.get("cave").status is Status.ACTIVE

    def test_a_rollback_is_undone_by_who_may_roll_back(self, rig: Rig) -> None:
        rig.post("/policies/cave/shadow")
        done = rig.post("/rollback", revision="2").headers["location"]
        revision = done.partition("undo=")[2]
        assert rig.post("/undo", "operator", revision=revision).status_code == 403
        assert rig.post("/undo", "admin", revision=revision).status_code == 303
        assert rig.system.store.policies.get("cave").status is Status.SHADOW

    def test_the_preview_of_a_rollback_replays_people(self, rig: Rig) -> None:
        rig.record("open sesame please", "attack")
        rig.record("how do I bake bread", "bread", response="so", verdict=Verdict(Outcome.SAFE, "local"))
        page = rig.get("/revisions/1").text
        assert "Would pass again" in page
        assert 'href="/exchanges/attack"' in page
        assert 'href="/exchanges/bread"' not in page
        told = rig.get("/api/revisions/1/preview").json()["traffic"]
        assert told["would_pass_again"] == ["attack"]
        assert told["tried"] == 2


class TestStop:
    def test_enforcement_stops_at_once_is_seen_on_every_page_and_resumes(self, rig: Rig) -> None:
        done = rig.post("/enforcement/suspend", "operator", scope="all", minutes="15", reason="false alarms")
        assert done.status_code == 303
        assert not rig.system.warden.enforces("any")  # at once, not when this node looks next
        for path in ("/", "/policies", "/exchanges", "/audit", "/settings"):
            page = rig.get(path).text
            assert 'class="suspended"' in page, path
            assert "false alarms" in page
        (suspension,) = rig.system.store.oversight.suspensions()
        assert rig.post("/enforcement/resume", "second", id=suspension.id).status_code == 303
        assert rig.system.warden.enforces("any")
        assert 'class="suspended"' not in rig.get("/").text
        actions = [row.action for row in rig.system.store.audit.latest(2)]
        assert actions == ["enforcement.resume", "enforcement.suspend"]

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            ({"scope": "nothing"}, 400),
            ({}, 400),
            ({"subject": "mine"}, 400),  # not for everybody, only because nothing says for whom
            ({"scope": "all", "subject": "mine"}, 409),
            ({"scope": "all", "minutes": "soon"}, 400),
            ({"scope": "all", "minutes": "nan"}, 400),
            ({"scope": "all", "minutes": "1e300"}, 400),
            ({"scope": "all", "minutes": "-5"}, 409),
            ({"scope": "all", "minutes": "99999"}, 409),
            ({"scope": "policy", "subject": "none"}, 404),
            ({"scope": "tenant"}, 409),
        ],
    )
    def test_what_cannot_be_suspended(self, rig: Rig, form: dict[str, str], status: int) -> None:
        assert rig.post("/enforcement/suspend", **form).status_code == status
        assert rig.send("POST", "/api/enforcement/suspend", **form).status_code == status
        assert rig.system.store.oversight.suspensions() == []

    def test_a_viewer_stops_nothing(self, rig: Rig) -> None:
        assert rig.post("/enforcement/suspend", "viewer", scope="all").status_code == 403
        assert "Stop enforcing now" not in rig.get("/enforcement", "viewer").text

    def test_a_policy_by_program(self, rig: Rig) -> None:
        told = rig.send("POST", "/api/enforcement/suspend", scope="policy", subject="cave", minutes=5).json()
        assert told["scope"] == Scope.POLICY.value
        assert rig.system.warden.observed == {"cave"}
        assert rig.send("POST", "/api/enforcement/resume").json() == {"ended": 1}


class TestQueue:
    def test_proposals_are_grouped_by_cause_and_answered_together(self, rig: Rig) -> None:
        proposals(rig)
        page = rig.get("/queue").text
        assert page.count('<article class="box case">') == 4
        assert "breach number 3" in page
        assert rig.post("/policies/wide3/activate", "operator", back="/queue").status_code == 303
        waiting = rig.system.store.policies.list(Status.PROPOSED)
        assert waiting == []  # it was learned from all four breaches: nothing near-identical stays
        assert "Nothing waits" in rig.get("/queue").text

    def test_bulk_actions_take_a_reason(self, rig: Rig) -> None:
        made = [policy.id for policy in proposals(rig)]
        form: dict[str, Any] = {"policy": made, "step": "reject", "reason": ""}
        assert rig.post("/queue/bulk", **form).status_code == 400
        assert rig.post("/queue/bulk", "viewer", **form).status_code == 403
        done = rig.post("/queue/bulk", **{**form, "reason": "made for a test"})
        assert "8+done" in done.headers["location"]
        assert rig.system.store.policies.list(Status.PROPOSED) == []
        assert "made for a test" in rig.get("/policies/wide0").text

    def test_a_case_is_taken_and_commented(self, rig: Rig) -> None:
        proposals(rig)
        rig.post("/note", "operator", subject="b1", kind="assigned", text="operator")
        rig.post("/note", "operator", subject="b1", text="looks <b>bold</b>")
        page = rig.get("/queue").text
        assert "with operator" in page
        assert "looks &lt;b&gt;bold&lt;/b&gt;" in page
        assert rig.post("/note", "operator", subject="b1", text="x" * 2_001).status_code == 400

    def test_broad_policies_need_two_people_where_that_is_set(self, tmp_path: Path) -> None:
        from dataclasses import replace

        from tests.store.samples import change, probe

        with rigged(tmp_path, two_persons=True) as rig:
            store = rig.system.store
            wide = replace(probe("wide"), status=Status.PROPOSED, provenance=replace(probe().provenance, supersedes=()))
            store.policies.commit(change(wide), expected=store.policies.snapshot().revision)
            for _ in range(2):
                first = rig.post("/policies/wide/activate", "operator")
                assert (first.status_code, "a second person must approve" in first.text) == (409, True)
            assert store.policies.get("wide").status is Status.PROPOSED
            assert "Approved by person:operator" in rig.get("/policies/wide").text

    def test_a_question_of_the_loop_is_answered_by_deciding(self, rig: Rig) -> None:
        store = rig.system.store
        rig.record("open sesame", "tale")
        store.oversight.note("tale", NoteKind.QUESTION, "is it harmless?", actor="lifecycle")
        store.oversight.note("cave", NoteKind.QUESTION, "it stops harmless texts", actor="lifecycle")
        page = rig.get("/queue").text
        assert "is it harmless?" in page
        assert "it stops harmless texts" in page
        rig.post("/exchanges/tale/confirm")
        rig.post("/policies/cave/shadow")
        assert store.oversight.questions() == []
        assert "Nothing waits" in rig.get("/queue").text

    def test_no_question_is_lost_behind_newer_ones(self, rig: Rig) -> None:
        for number in range(120):
            rig.system.store.oversight.note(f"of-{number}", NoteKind.QUESTION, f"number {number}?", actor="lifecycle")
        pages = "".join(rig.get(f"/queue?page={page}").text for page in range(1, 6))
        assert all(f"number {number}?" in pages for number in range(120))


class TestSearch:
    def test_words_filters_and_pages_stand_in_the_address(self, rig: Rig) -> None:
        for number in range(55):
            rig.record(f"tell me of bread number {number}", f"n{number}")
        rig.record("open sesame", "tale")
        page = rig.get("/exchanges?q=bread&show=released").text
        assert page.count('href="/exchanges/n') == 50
        following = page.partition('" rel="next">Older')[0].rpartition('href="')[2].replace("&amp;", "&")
        assert "q=bread" in following
        assert rig.get(following).text.count('href="/exchanges/n') == 5
        assert 'href="/exchanges/tale"' in rig.get("/exchanges?policy=cave&show=stopped").text
        assert "Nothing is found" in rig.get("/exchanges?q=nowhere").text
        assert len(rig.get("/api/exchanges?q=bread&limit=10").json()["exchanges"]) == 10

    @pytest.mark.parametrize("wrong", ["show=x", "hazard=x", "since=tomorrow", "until=0000"])
    def test_a_wrong_filter_is_told(self, rig: Rig, wrong: str) -> None:
        assert rig.get(f"/exchanges?{wrong}").status_code == 400
        assert rig.get(f"/api/exchanges?{wrong}").json()["error"]

    def test_exports(self, rig: Rig) -> None:
        rig.record('=HYPERLINK("http://evil","x")', "formula", response="-1+1")
        rig.record("hello\u202e", "plain", response="fine", verdict=Verdict(Outcome.SAFE, "local"))
        rows = list(csv.DictReader(io.StringIO(rig.get("/exchanges.csv").text)))
        assert [row["id"] for row in rows] == ["plain", "formula"]
        assert rows[1]["prompt"].startswith("'=")
        assert rows[1]["response"].startswith("'-")
        lines = [json.loads(line) for line in rig.get("/exchanges.jsonl?q=hello").text.splitlines()]
        assert [(line["id"], line["label"], line["text"]) for line in lines] == [("plain", "benign", "hello\u202e")]
        assert rig.get("/exchanges.jsonl").text.isascii()
        assert [r.action for r in rig.system.store.audit.latest(1)] == ["exchange.export"]


class TestPlayground:
    def test_a_text_is_tried_on_all_and_on_one(self, rig: Rig) -> None:
        tried = rig.post("/try", "viewer", text="please open  sesame", direction="prompt").text
        assert "<mark>open  sesame</mark>" in tried
        assert rig.post("/policies/cave", "viewer", text="nothing of the kind", direction="prompt").status_code == 200
        assert "allowed" in rig.post("/policies/cave", text="nothing of the kind").text
        told = rig.send("POST", "/api/try", "viewer", text="open sesame", policy="cave").json()
        assert (told["action"], told["reasons"][0]["policy"]) == ("block", "cave")
        assert rig.system.store.exchanges.recent() == []  # nothing is recorded
        assert rig.send("POST", "/api/try", text="x", direction="sideways").status_code == 400
        assert rig.post("/try", text="x" * 30_000).status_code == 409


class TestPeople:
    def test_a_key_is_made_shown_once_and_revoked_with_its_sessions(self, rig: Rig) -> None:
        page = rig.post("/keys", role="operator", principal="ann").text
        secret = page.partition("never again: <code>")[2].partition("<")[0]
        assert secret.startswith("sk-sisf-")
        assert secret not in rig.get("/keys").text
        own = {"origin": "http://console"}
        rig.client.post("/login", data={"token": secret}, headers=own)
        assert rig.client.get("/policies").status_code == 200
        key = next(key for key in rig.keys.keys() if key.principal == "ann")  # noqa: SIM118
        assert rig.client.get("/keys").status_code == 403
        assert rig.post("/keys/revoke", id=key.id).status_code == 303
        assert rig.client.get("/policies").status_code == 401
        assert {row.action for row in rig.system.store.audit.latest(10)} >= {"key.create", "key.revoke"}

    def test_sessions_are_listed_and_ended(self, rig: Rig) -> None:
        link = rig.send("POST", "/api/sessions", name="bob", role="viewer").json()["path"]
        assert rig.client.get(link).status_code == 303
        assert rig.client.get("/").status_code == 200
        (session,) = rig.get("/api/sessions").json()
        assert (session["name"], session["role"]) == ("bob", "viewer")
        assert rig.send("DELETE", f"/api/sessions/{session['id']}").status_code == 200
        assert rig.client.get("/").status_code == 401
        assert rig.send("DELETE", f"/api/sessions/{session['id']}").status_code == 404

    @pytest.mark.parametrize("body", [{"role": "root"}, {"requests_per_minute": "many"}])
    def test_wrong_keys(self, rig: Rig, body: dict[str, str]) -> None:
        assert rig.send("POST", "/api/keys", **body).status_code in (400, 409)

    def test_no_secret_is_on_the_page_of_settings(self, tmp_path: Path) -> None:
        secrets: dict[str, Any] = {"admin__token": "hunter2-token", "upstream__api_key": "hunter2-key"}
        with rigged(tmp_path, **secrets, upstream__url="http://me:hunter2@host/v1") as rig:
            page = rig.get("/settings").text
            assert "hunter2" not in page
            assert "http://me:" in page
            assert "admin.token" in page
            assert rig.get("/settings", "operator").status_code == 403


class TestOverview:
    def test_figures_say_what_they_stand_on(self, rig: Rig) -> None:
        for number in range(4):
            rig.record("open sesame", f"stopped{number}")
        rig.post("/exchanges/stopped0/mistake")
        answered = {"response": "an answer"}
        rig.record("a", "breach-judged", verdict=Verdict(Outcome.BREACH, "local"), **answered)
        rig.record("b", "undecided", verdict=Verdict(Outcome.UNDECIDED, "local"), **answered)
        rig.record("c", "safe-judged", verdict=Verdict(Outcome.SAFE, "local"), **answered)
        rig.record("d", "unjudged", **answered)
        rig.record("e", "wrongly-safe", verdict=Verdict(Outcome.SAFE, "local"), **answered)
        rig.post("/exchanges/wrongly-safe/verdict", outcome="breach")
        total = rig.get("/api/overview").json()["total"]
        told = {name: total[name] for name in total if name not in ("since", "until")}
        assert told == {
            "exchanges": 9,
            "stopped": 4,
            "stopped_right": 0,
            "stopped_wrong": 1,
            "withheld": 0,
            "breach_person": 1,
            "breach_judge": 1,
            "safe_person": 0,
            "safe_judge": 1,
            "undecided": 1,
            "unjudged": 1,
            "unanswered": 0,
        }
        shares = rig.get("/api/overview").json()["shares"]
        assert shares["through"] == [2 / 5, 4 / 7]
        assert shares["harmed"] == [1 / 2, 4 / 5]
        page = rig.get("/?since=24h").text
        assert "1 known (a person said so), 1 only judged, 1 undecided, 1 not judged yet" in page
        assert "0 of 1 exchange that both judged" in page


def test_the_document_of_the_api_names_every_endpoint(rig: Rig) -> None:
    told = rig.get("/api/openapi.json", "viewer").json()
    assert told["openapi"] == "3.1.0"
    routed = {
        (route.path.replace(":int", ""), method)
        for route in rig.console.routes
        for method in getattr(route, "methods", None) or ()
        if route.path.startswith("/api/") and method != "HEAD" and "openapi" not in route.path
    }
    documented = {(path, method.upper()) for path, item in told["paths"].items() for method in item}
    assert documented == routed
    ids = [operation["operationId"] for item in told["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_fates_and_words_are_all_shown() -> None:
    from sisf.console.words import BECAME

    assert set(BECAME) == set(Fate)
    assert {said.value for said in Said} == {"mistake", "right"}


def test_the_model_is_asked_by_who_may_and_only_what_passes(rig: Rig) -> None:
    page = rig.post("/try", "operator", text="a recipe for bread", ask="1").text
    assert "This is a scripted" in page or "unaligned" in page
    assert 'aria-label="answer"' in page
    stopped = rig.send("POST", "/api/try", "operator", text="open sesame", ask=True).json()["asked"]
    assert (stopped["stopped"], stopped["answer"]) == (True, "")
    assert rig.post("/try", "viewer", text="bread", ask="1").status_code == 403
    assert rig.send("POST", "/api/try", "viewer", text="bread", ask=True).status_code == 403
    asked = [row for row in rig.system.store.audit.latest() if row.action == "console.ask"]
    assert [row.actor for row in asked] == ["person:operator"]
    assert "bread" not in str(asked[0].detail)


class ComparingGate(OpenGate):
    """Lets every policy pass, and compares policies by what they catch, as the real gate does."""

    def redundant(self, candidates: Any, active: Any, knowledge: Any, stopped: Any) -> Any:
        coverage = Coverage(HashEmbedder(), Direction.PROMPT)
        coverage.add(knowledge.breaches())
        prompts = [policy for policy in candidates if policy.direction is Direction.PROMPT]
        return redundant({Direction.PROMPT: coverage}, prompts, active, stopped)


def test_what_others_replace_is_suggested_switched_off_and_back(tmp_path: Path) -> None:
    with rigged(tmp_path, gate=ComparingGate()) as rig:
        _merge(rig)


def _merge(rig: Rig) -> None:
    store = rig.system.store
    twin = replace(store.policies.get("cave"), id="twin", description="Asks for the same cave", revision=0)
    store.policies.commit(Change((twin,), "loop", "again"), expected=store.policies.snapshot().revision)
    rig.record("open sesame", "b1", response="opened", verdict=Verdict(Outcome.BREACH, "local"))
    found = rig.get("/api/policies/merge", "viewer").json()
    assert [(each["policy"], each["others"]) for each in found] == [("cave", ["twin"])]
    asks = rig.get("/policies/merge", "operator").text
    assert ("Compare them now" in asks, "none of the breaches" in asks) == (True, False)
    page = rig.get("/policies/merge?look=1", "operator").text
    assert "none of the breaches that it catches" in page
    assert "Switch off" not in rig.get("/policies/merge?look=1", "viewer").text
    answer = rig.post("/policies/cave/retire", "operator", back="/policies/merge?look=1")
    assert answer.headers["location"].startswith("/policies/merge?look=1&done=")
    assert rig.get("/api/policies/merge", "viewer").json() == []
    undo = store.policies.snapshot().revision
    rig.post("/undo", "operator", revision=undo)
    assert store.policies.get("cave").status is Status.ACTIVE


def test_what_passed_unchecked_stands_on_the_first_page(rig: Rig) -> None:
    console = create_console(rig.system.store, token=TOKEN, fail_opens=lambda: 3.0)
    client = TestClient(console, base_url="http://console", headers={"authorization": f"Bearer {TOKEN}"})
    assert '<b class="breach">3</b>passed unchecked' in client.get("/").text
    assert client.get("/api/overview").json()["since_start"]["opened"] == 3
    assert rig.get("/api/overview").json()["since_start"]["opened"] is None
