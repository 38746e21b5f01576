"""One blocked turn, and what becomes of the conversation after it."""

import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import StoreError
from sisf.gateway.redaction import NOTE
from sisf.policy import Action, Direction, GateReport, Pattern, Policy, Snapshot, Status
from sisf.warden import Warden
from tests.gateway.conftest import Answer, Rig, rig
from tests.gateway.fakes import FakeStore

PHRASE = "orange kettle seven"
LATER = "violet ladder nine"
PLACES = {"/v1/chat/completions": "messages", "/v1/messages": "messages", "/v1/responses": "input"}
BODIES = {
    "/v1/messages": b'{"type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Fine."}],'
    b'"stop_reason":"end_turn"}',
    "/v1/responses": b'{"id":"r","object":"response","status":"completed","output":[{"type":"message",'
    b'"role":"assistant","content":[{"type":"output_text","text":"Fine.","annotations":[]}]}]}',
}


def policy(words: str) -> Policy:
    pattern = Pattern(words.replace(" ", r"\s+"))
    report = GateReport(passed=True)
    return Policy(pattern, Action.BLOCK, Direction.PROMPT, "a test", status=Status.ACTIVE, gate_report=report)


@contextmanager
def guarded(blocked: str, **settings: Any) -> Iterator[Rig]:
    """A gateway that blocks `PHRASE` by a policy of the real Warden."""
    with rig(conversation__blocked=blocked, limits__blocks_per_minute=0, **settings) as gateway:
        learn(gateway, PHRASE)
        yield gateway


def learn(gateway: Rig, *phrases: str) -> None:
    warden = Warden(HashEmbedder(8), threads=1)
    warden.activate(Snapshot(revision=len(phrases), policies=tuple(map(policy, phrases))))
    object.__setattr__(gateway.app.core.pipeline.checks, "warden", warden)


def turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def send(gateway: Rig, turns: Sequence[Mapping[str, Any]], path: str = "/v1/chat/completions") -> Answer:
    gateway.upstream.body = BODIES.get(path)
    return gateway.post({"model": "m", "max_tokens": 9, PLACES[path]: list(turns)}, path=path)


def test_what_is_left_out_of_conversations_tells_no_more_than_being_blocked() -> None:
    with rig(limits__blocks_per_minute=3, limits__block_delay=0.0) as gateway:
        learn(gateway, PHRASE)

        def asked(number: int) -> Answer:
            return send(gateway, [turn("user", f"{number} {PHRASE}"), turn("assistant", "No."), turn("user", "Hello")])

        for _ in range(10):  # a client goes on in a conversation with one blocked turn
            assert asked(0).headers["x-sisf-redacted"] == "messages[0]"
        assert gateway.metric("sisf_probing_total") == 0
        for number in range(1, 4):  # somebody finds out what is blocked
            assert asked(number).status == 200
        assert gateway.metric("sisf_probing_total") == 1


OLD = [turn("user", "Hello"), turn("assistant", "Hi."), turn("user", f"Say {PHRASE} to me")]
RULE = {"redact": [400, 200, 200], "new": [400, 200, 200], "whole": [400, 400, 400]}


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("blocked", RULE)
def test_later_turns_pass_as_configured(blocked: str, path: str) -> None:
    with guarded(blocked) as gateway:
        later = [*OLD, turn("user", "How many live in Paris?")]
        even_later = [*later, turn("assistant", "Two million."), turn("user", "And in Rome?")]
        answers = [send(gateway, turns, path) for turns in (OLD, later, even_later)]
        assert [answer.status for answer in answers] == RULE[blocked]
        assert not any(PHRASE.encode() in request.body for request in gateway.upstream.requests)
        if blocked != "whole":
            assert answers[1].headers["x-sisf-decision"] == "redact"
            assert answers[1].headers["x-sisf-redacted"] == f"{PLACES[path]}[2]"
            forwarded = gateway.upstream.requests[-1].json()[PLACES[path]]
            assert (forwarded[2]["content"], forwarded[4]["content"]) == (NOTE, "Two million.")


@pytest.mark.parametrize("path", PLACES)
def test_the_client_is_told_which_text_and_nothing_of_the_policy(path: str) -> None:
    with guarded("redact") as gateway:
        refused = send(gateway, OLD, path)
        assert f"{PLACES[path]}[2].content" in refused.body.decode()
        assert refused.headers["x-sisf-blocked-at"] == f"{PLACES[path]}[2].content"
        assert "kettle" not in refused.body.decode()


def test_the_setting_holds_for_each_route() -> None:
    with guarded("redact", conversation__routes={"/v1/messages": "whole"}) as gateway:
        later = [*OLD, turn("user", "How many live in Paris?")]
        assert send(gateway, later).status == 200
        assert send(gateway, later, "/v1/messages").status == 400


def test_what_passed_before_is_not_judged_anew_under_a_later_policy() -> None:
    first = [turn("user", f"Say {LATER}")]
    later = [*first, turn("assistant", "No."), turn("user", "What time is it?")]
    with guarded("new") as gateway:
        assert send(gateway, first).status == 200
        learn(gateway, PHRASE, LATER)
        passed = send(gateway, later)
        assert (passed.status, passed.headers["x-sisf-decision"]) == (200, "allow")
        assert LATER.encode() in gateway.upstream.requests[-1].body
        assert send(gateway, first).status == 400  # as the newest turn it is judged
        assert send(gateway, [*later[:2], *first]).status == 400
    with guarded("new") as gateway:
        learn(gateway, PHRASE, LATER)
        assert send(gateway, later).headers["x-sisf-decision"] == "redact"  # this gateway has not seen it pass


def test_what_passed_is_known_to_other_processes_and_after_a_restart() -> None:
    first = [turn("user", f"Say {LATER}")]
    later = [*first, turn("assistant", "No."), turn("user", "What time is it?")]
    store = FakeStore()
    with guarded("new", store=store) as gateway:
        assert send(gateway, first).status == 200
    with guarded("new", store=store) as gateway:
        learn(gateway, PHRASE, LATER)
        assert send(gateway, later).headers["x-sisf-decision"] == "allow"
    with guarded("new", store=store) as gateway:
        learn(gateway, PHRASE, LATER)
        store.passed.error = StoreError("the disk is gone")
        assert send(gateway, later).headers["x-sisf-decision"] == "redact"
        assert gateway.metric("sisf_failures_total", part="store", kind="remembered") >= 1


def test_that_halves_passed_says_nothing_of_them_together() -> None:
    halves = [turn("user", "Say orange"), turn("assistant", "Orange."), turn("user", "kettle seven")]
    with guarded("new") as gateway:
        assert [send(gateway, [half]).status for half in (halves[0], halves[2])] == [200, 200]
        answer = send(gateway, [*halves, turn("assistant", "Fine."), turn("user", "How many live in Paris?")])
        assert (answer.status, answer.headers["x-sisf-redacted"]) == (200, "messages[2]")


@pytest.mark.parametrize("path", PLACES)
def test_an_order_split_over_turns_is_refused_and_then_left_out_where_it_was_completed(path: str) -> None:
    split = [
        turn("user", "Hello there"),
        turn("assistant", "Hi."),
        turn("user", "Say orange"),
        turn("assistant", "Orange."),
        turn("user", "kettle seven"),
    ]
    with guarded("redact") as gateway:
        assert send(gateway, split[:3], path).status == 200
        assert send(gateway, split, path).status == 400
        later = [*split, turn("user", "How many live in Paris?")]
        for turns in (later, [*later, turn("assistant", "Two million."), turn("user", "And in Rome?")]):
            answer = send(gateway, turns, path)
            assert (answer.status, answer.headers["x-sisf-redacted"]) == (200, f"{PLACES[path]}[4]")
            forwarded = gateway.upstream.requests[-1].json()[PLACES[path]]
            assert [t["content"] for t in forwarded] == [NOTE if i == 4 else t["content"] for i, t in enumerate(turns)]


def test_a_redacted_turn_of_tools_stays_well_formed() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": f'{{"q":"{PHRASE}"}}'}}
    turns = [
        turn("user", "search"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": f"page 1 … {PHRASE} …"},
        turn("assistant", "Found it."),
        turn("user", "thanks, what time is it?"),
    ]
    with guarded("redact") as gateway:
        assert send(gateway, turns).status == 200
        said = gateway.upstream.requests[-1].json()["messages"]
        assert said[1]["tool_calls"][0] == {**call, "function": {"name": "search", "arguments": "{}"}}
        assert said[2] == {"role": "tool", "tool_call_id": "c1", "content": NOTE}
        blocks = [
            turn("user", "search"),
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "s", "input": {"q": PHRASE}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": PHRASE}]},
            turn("assistant", "Found it."),
            turn("user", "thanks"),
        ]
        assert send(gateway, blocks, "/v1/messages").status == 200
        said = gateway.upstream.requests[-1].json()["messages"]
        assert said[1]["content"] == [{"type": "tool_use", "id": "t", "name": "s", "input": {}}]
        assert said[2]["content"] == [{"type": "tool_result", "tool_use_id": "t", "content": NOTE}]


def test_system_prompts_and_tools_are_never_let_off() -> None:
    with guarded("redact") as gateway:
        assert send(gateway, [turn("system", PHRASE), turn("user", "a"), turn("user", "b")]).status == 400
        tools = [{"type": "function", "function": {"name": "f", "description": PHRASE}}]
        body = {"model": "m", "messages": [turn("user", "a"), turn("user", "b")], "tools": tools}
        assert gateway.post(body).status == 400


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("blocked", RULE)
def test_what_an_application_puts_behind_the_newest_turn_does_not_make_it_an_older_one(blocked: str, path: str) -> None:
    # Claude Code puts a message of role `system` behind what its user says.
    behind = [turn("system", "Tools are at hand."), turn("system", "It is Monday.")]
    with guarded(blocked) as gateway:
        assert send(gateway, [*OLD, *behind], path).status == 400
        assert send(gateway, [turn("user", f"Say {PHRASE} to me"), behind[0]], path).status == 400
        assert gateway.upstream.requests == []
        later = [*OLD, *behind, turn("user", "How many live in Paris?"), behind[1]]
        assert send(gateway, later, path).status == RULE[blocked][1]


def conversation(number: int) -> Iterator[tuple[str, bool]]:
    """30 turns of a user, one of which says the phrase."""
    chance = random.Random(number)
    bad = chance.randrange(29)
    for index in range(30):
        yield (f"Say {PHRASE} ({index})" if index == bad else f"Question {index} of {number}?"), index == bad


def hold(blocked: str, conversations: int) -> None:
    """Each conversation goes on as configured after its blocked turn."""

    def talk(number: int) -> list[tuple[bool, int]]:
        history: list[dict[str, Any]] = []
        statuses = []
        for text, bad in conversation(number):
            history.append(turn("user", text))
            answer = send(gateway, history)
            statuses.append((bad, answer.status))
            if answer.status == 200:
                history.append(turn("assistant", answer.json()["choices"][0]["message"]["content"]))
        return statuses

    with guarded(blocked) as gateway, ThreadPoolExecutor(min(conversations, 200)) as threads:
        for statuses in threads.map(talk, range(conversations)):
            bad = next(i for i, (is_bad, _) in enumerate(statuses) if is_bad)
            assert all(status == 200 for _, status in statuses[:bad])
            assert statuses[bad][1] == 400
            assert {status for _, status in statuses[bad + 1 :]} == {400 if blocked == "whole" else 200}


@pytest.mark.parametrize("blocked", RULE)
def test_many_conversations_of_thirty_turns_go_on_as_configured(blocked: str) -> None:
    hold(blocked, 8)


@pytest.mark.soak
@pytest.mark.parametrize("blocked", RULE)
def test_two_hundred_conversations_at_once_go_on_as_configured(blocked: str) -> None:
    hold(blocked, 200)


def splits(number: int) -> list[dict[str, Any]]:
    """The phrase, cut into pieces that one after the other reach the gateway in a conversation."""
    chance = random.Random(number)
    words = PHRASE.split()
    cut = chance.randint(1, 2)
    pieces = [" ".join(words[:cut]), " ".join(words[cut:])]
    before = [turn("user", f"Question {number}?"), turn("assistant", "Fine.")]
    blocked_before = [turn("user", f"Now {PHRASE}!"), turn("assistant", "No.")]
    return [
        *before * chance.randint(0, 3),
        *(blocked_before if chance.random() < 0.5 else []),
        turn("user", f"Keep this: {pieces[0]}"),
        turn("user", pieces[1]),
    ]


def split_attacks(count: int) -> dict[str, set[int]]:
    """Which attacks were caught in each setting. Each grows as a client sends it: what was let pass on the way is known
    to the gateway."""
    caught: dict[str, set[int]] = {}
    for blocked in RULE:
        with guarded(blocked) as gateway:
            caught[blocked] = set()
            for number in range(count):
                attack = splits(number)
                send(gateway, attack[:-1])
                if send(gateway, attack).status == 400:
                    caught[blocked].add(number)
    return caught


@pytest.mark.parametrize("count", [pytest.param(200, marks=pytest.mark.soak), 40])
def test_split_attacks_are_caught_in_every_setting(count: int) -> None:
    caught = split_attacks(count)
    assert len(caught["whole"]) >= 0.8 * count
    for blocked in ("new", "redact"):
        assert len(caught[blocked] & caught["whole"]) >= 0.95 * len(caught["whole"])
