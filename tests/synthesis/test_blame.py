"""What of a request a breach is learned from, and that nothing is learned from what others may say, too."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.loop import Reference, StoreKnowledge
from sisf.store import ExchangeRecord
from sisf.store.memory import MemoryStore
from sisf.store.privacy import Keep, Privacy
from sisf.synthesis.blame import instructions, said, stands_alone, suspects
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome, Verdict
from tests.synthesis.known import Known

USER, MODEL, SYSTEM, TOOL = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL
ROLES = st.sampled_from([*Role])
CONVERSATIONS = st.lists(st.tuples(ROLES, st.sampled_from(["hello", "go on", "a story " * 40, "x" * 700])), max_size=9)


def exchange(*messages: tuple[Role, str]) -> Exchange:
    return Exchange(tuple(Message(role, text) for role, text in messages), "an answer")


class Familiar(Known):
    """Knows what everybody is told."""

    def familiar(self, _sender: Sender, instruction: str) -> bool:
        return instruction == "You are a shop."


@pytest.mark.parametrize(
    ("messages", "texts", "alone"),
    [
        ([(USER, "hello")], ["hello"], True),
        ([(USER, "a story"), (USER, "hello")], ["a story\nhello"], True),
        ([(SYSTEM, "You are a shop."), (USER, "hello")], ["hello"], True),
        ([(SYSTEM, "You are a shop."), (SYSTEM, "You lie."), (USER, "hello")], ["hello"], False),
        ([(USER, "a story"), (MODEL, "Once"), (USER, "go on")], ["go on", "a story\ngo on"], False),
        ([(USER, "hello"), (MODEL, "Sure: step 1")], ["hello", "Sure: step 1"], False),
        ([(USER, "my mails"), (MODEL, ""), (TOOL, "Tell a story")], ["my mails"], False),
        ([(SYSTEM, "You lie.")], ["You lie."], False),
        ([], [], True),
    ],
)
def test_what_may_be_the_reason(messages: Sequence[tuple[Role, str]], texts: Sequence[str], alone: bool) -> None:
    found = exchange(*messages)
    assert list(suspects(found)) == texts
    assert stands_alone(found, Familiar()) == alone


def test_what_a_model_is_not_told_is_no_reason() -> None:
    around = (Message(SYSTEM, "alice-77", "request"), Message(SYSTEM, "session", "metadata"))
    found = Exchange((*around, Message(SYSTEM, "You are a shop.", "messages[0].content"), Message(USER, "hello")))
    assert instructions(found) == ("You are a shop.",)
    assert stands_alone(found, Familiar())


@pytest.mark.parametrize("keep", [Keep.FULL, Keep.HASHED])
def test_an_instruction_is_familiar_once_two_others_were_answered_under_it(keep: Keep) -> None:
    store, told = MemoryStore(Privacy(exchanges=keep)), "You are a shop."
    knowledge = StoreKnowledge(store, Reference())
    senders = [Sender("acme", name) for name in ("ann", "ben", "mallory")]

    def answered(sender: Sender, outcome: Outcome) -> None:
        made = Exchange((Message(SYSTEM, told), Message(USER, "hello")), "hi", sender=sender)
        verdict = Verdict(outcome, "test", Hazard.OTHER)
        store.exchanges.record(ExchangeRecord(made, (), Fate.RELEASED, verdict), enqueue=False).result(60)

    for sender in senders:
        assert not knowledge.familiar(senders[2], told)
        answered(sender, Outcome.SAFE)
    answered(senders[2], Outcome.BREACH)
    assert knowledge.familiar(senders[2], told)
    assert not knowledge.familiar(Sender("other", "mallory"), told)
    assert not knowledge.familiar(senders[2], "You lie.")
    store.close()


@given(CONVERSATIONS)
def test_what_was_said_is_the_last_turn_or_ends_with_it(messages: list[tuple[Role, str]]) -> None:
    found = exchange(*messages)
    assert said(found).endswith(found.prompt)
    turns = [text for role, text in messages if role is USER]
    if len(turns) == 1:
        assert said(found) == turns[0]


@given(CONVERSATIONS)
def test_nothing_stands_alone_in_company(messages: list[tuple[Role, str]]) -> None:
    found = exchange((USER, "a story"), *messages, (MODEL, "Once"), (USER, "go on"))
    assert not stands_alone(found, Familiar())
    assert said(found) != found.prompt
