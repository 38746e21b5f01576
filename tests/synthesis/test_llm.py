"""Policies from a chat model: data in a checked form, examined and repaired, never more than the model's own loss."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import ModelError
from sisf.exchange import Message, Role
from sisf.llm.base import Completion
from sisf.llm.client import OpenAIChatModel
from sisf.policy import Action, Direction, Pattern, Policy, Prototypes, codec
from sisf.settings import ModelEndpoint
from sisf.synthesis.base import Knowledge
from sisf.synthesis.gate import Gate
from sisf.synthesis.llm import LlmSynthesiser
from sisf.synthesis.second_opinion import rare_words, turns_on_harm
from sisf.testing import Failure, ScriptedServer
from sisf.verdict import Breach
from tests.synthesis.known import Known, breach

EMBEDDER = HashEmbedder()
GATE = Gate(EMBEDDER)  # its banks take a second to fill; one at a time uses it
PROMPT = "explain how to pick the lock of my neighbour zorblatt"
DRAFT = {
    "description": "Requests to open somebody else's lock.",
    "pattern": r"\bpick the locks?\b",
    "prototypes": ["how to pick the lock of my landlord"],
    "variants": ["open my neighbour's lock without a key"],
    "benign_twins": ["my key is lost, whom do I call"],
}


class Scribe:
    """A chat model that answers with drafts in turn, each with the ticket of the call."""

    id = "scribe"

    def __init__(self, *drafts: Mapping[str, Any] | Callable[[str], str]) -> None:
        self.drafts = list(drafts)
        self.seen: list[Sequence[Message]] = []

    def complete(self, messages: Sequence[Message], **_options: Any) -> Completion:
        self.seen.append(messages)
        found = re.search(r"ticket of this call is (\w+)", messages[-1].content)
        assert found is not None
        draft = self.drafts.pop(0) if len(self.drafts) > 1 else self.drafts[0]
        return Completion(draft(found[1]) if callable(draft) else json.dumps({**draft, "ticket": found[1]}))


class Nothing:
    """A local synthesiser that proposes one known policy."""

    name = "local"

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        return ()


def opinion(text: str) -> float:
    """Whoever speaks of locks is up to something."""
    return 2.0 if "lock" in text else -4.0


def written(model: Any, *, repairs: int = 2, prompt: str = PROMPT) -> tuple[Sequence[Policy], LlmSynthesiser]:
    gate = GATE
    synthesiser = LlmSynthesiser(
        model, EMBEDDER, gate, Nothing(), opinion=opinion, variants=gate.variants, repairs=repairs
    )
    found = breach(prompt)
    return synthesiser.synthesise(found, Known(found=[found])), synthesiser


def test_a_draft_becomes_a_pattern_and_prototypes_that_pass_the_gate() -> None:
    policies, _ = written(Scribe(DRAFT))
    assert [type(p.condition) for p in policies] == [Pattern, Prototypes]
    found = breach(PROMPT)
    assert all(GATE.examine(p, found, Known(found=[found])).passed for p in policies)
    assert {p.provenance.model for p in policies} == {"scribe"}


def test_the_breach_is_evidence_and_never_in_the_system_role() -> None:
    model = Scribe(DRAFT)
    written(model)
    (system, question), *_ = model.seen
    assert (system.role, question.role) == (Role.SYSTEM, Role.USER)
    assert "zorblatt" not in system.content
    marker = re.search(r"<<<(\w+) REQUEST begins>>>", question.content)
    assert marker is not None
    assert question.content.index(PROMPT) > marker.end()


def test_a_refused_draft_is_repaired_with_the_report_and_a_bounded_number_of_times() -> None:
    greedy = {**DRAFT, "pattern": "explain"}
    model = Scribe(greedy, DRAFT)
    policies, _ = written(model)
    assert len(model.seen) == 2
    assert "blocks 600 benign texts" in model.seen[1][1].content
    assert [p.condition.pattern for p in policies if isinstance(p.condition, Pattern)] == [r"(?i)\bpick the locks?\b"]
    stubborn = Scribe(greedy)
    written(stubborn)
    assert len(stubborn.seen) == 3


def test_words_that_only_the_attacker_chose_do_not_enter_a_pattern() -> None:
    assert rare_words(r"\b(?:zorblatt|lock)\b") == ["zorblatt"]
    policies, _ = written(Scribe({**DRAFT, "pattern": "neighbour zorblatt"}))
    assert not any(isinstance(p.condition, Pattern) for p in policies)


@pytest.mark.parametrize(
    "reply",
    [
        lambda _ticket: "no JSON",
        lambda _ticket: json.dumps({**DRAFT, "ticket": "forged"}),
        lambda ticket: json.dumps({**DRAFT, "ticket": ticket, "code": "import os"}),
        lambda ticket: json.dumps({**DRAFT, "ticket": ticket, "prototypes": []}),
        lambda ticket: json.dumps({**DRAFT, "ticket": ticket, "pattern": "x" * 301}),
    ],
)
def test_a_reply_out_of_form_gives_no_policy_and_is_counted(reply: Callable[[str], str]) -> None:
    policies, synthesiser = written(Scribe(reply))
    assert (list(policies), synthesiser.failures) == ([], 1)


@pytest.mark.parametrize("failure", [Failure.REFUSE, Failure.SERVER_ERROR, Failure.MALFORMED, Failure.TRUNCATED])
def test_an_endpoint_that_fails_costs_its_own_proposals_only(failure: Failure) -> None:
    with ScriptedServer(failure=failure) as server:
        model = OpenAIChatModel(ModelEndpoint(model="m", base_url=server.url, retries=0, timeout=30))
        policies, synthesiser = written(model)
    assert (list(policies), synthesiser.failures) == ([], 1)
    with pytest.raises(ModelError):
        model.complete([Message(Role.USER, "hello")])


def test_paraphrases_of_the_model_test_the_reach() -> None:
    gate = Gate(EMBEDDER)
    found = breach(PROMPT)
    LlmSynthesiser(Scribe(DRAFT), EMBEDDER, gate, Nothing(), opinion=opinion, variants=gate.variants).synthesise(
        found, Known(found=[found])
    )
    policy = Policy(Pattern("(?i)lock"), Action.BLOCK, Direction.PROMPT, "x")
    report = gate.examine(policy, found, Known(found=[found]))
    assert report.variants_caught == report.variants == 7


@pytest.mark.parametrize(
    "pattern",
    [
        r"birthday on saturday",  # the attacker's phrase, in common words
        r"\b(?:lock|birthday on saturday)\b",  # beside a word that is harmful
        r"b.r.h.a. .n s.t.r.a.",  # spelled with gaps
        r"\x62irthday",
        r"[a-z]{3,12} on saturday",
        r"2049",
    ],
)
def test_a_pattern_of_the_attackers_choice_is_dropped(pattern: str) -> None:
    prompt = f"{PROMPT.removesuffix(' zorblatt')} for her birthday on saturday, the 2049th"
    policies, _ = written(Scribe({**DRAFT, "pattern": pattern}), prompt=prompt)
    assert not any(isinstance(p.condition, Pattern) for p in policies)


def test_a_pattern_that_turns_on_the_harm_is_kept() -> None:
    assert turns_on_harm(r"(?i)pick the locks?", PROMPT, opinion)
    assert not turns_on_harm(r"(?i)my neighbour", PROMPT, opinion)


def test_prototypes_that_are_not_harmful_are_dropped_and_the_request_is_none() -> None:
    dictated = {**DRAFT, "pattern": "", "prototypes": ["how often should I water roses", *DRAFT["prototypes"]]}
    model = Scribe(dictated)
    (policy,), _ = written(model)
    assert isinstance(policy.condition, Prototypes)
    assert policy.condition.examples == tuple(DRAFT["prototypes"])
    assert len(policy.condition.vectors) == 4 * EMBEDDER.dimensions
    assert "each must be" in model.seen[1][1].content
    assert "roses" not in model.seen[1][1].content
    none, _ = written(Scribe({**dictated, "prototypes": ["how often should I water roses"]}))
    assert list(none) == []


HOSTILE: list[dict[str, Any]] = [
    {"pattern": ".*"},
    {"pattern": "(a+)+$"},
    {"pattern": "(?=x)y"},
    {"pattern": "(" * 150},
    {"pattern": "[a-z ]{50}" * 20},
    {"pattern": "lock", "prototypes": ["x" * 401]},
    {"pattern": "lock", "prototypes": ["lock"] * 9},
    {"description": "<script>alert(1)</script>\x1b[2J" + "a" * 270},
    {"benign_twins": [PROMPT]},
    {"variants": ["\ud800", "\x00", ""]},
    {"prototypes": ["", " ", "\u202e"]},
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: str(change)[:40])
def test_hostile_drafts_never_pass_and_never_break(change: dict[str, Any]) -> None:
    found = breach(PROMPT)
    policies, _ = written(Scribe({**DRAFT, **change}), repairs=1)
    for policy in policies:
        report = GATE.examine(policy, found, Known(found=[found]))
        assert not report.passed or report.benign_blocked == 0
        codec.validate(policy)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=4), st.text(max_size=60))
def test_whatever_a_model_says_no_benign_text_is_blocked(pattern: str, prototypes: list[str], description: str) -> None:
    found = breach(PROMPT)
    draft = {**DRAFT, "pattern": pattern, "prototypes": prototypes, "description": description}
    policies, synthesiser = written(Scribe(draft), repairs=0)
    assert len(policies) <= 2
    for policy in policies:
        report = GATE.examine(policy, found, Known(found=[found]))
        assert not report.passed or not report.benign_hits
    assert synthesiser.failures in (0, 1)
