"""A word that is cut over two strings of a request, or over two speakers, is met by a pattern for it."""

import json
from typing import Any

import pytest

from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses
from sisf.policy import Direction
from sisf.settings import Limits
from sisf.text.cut_words import glued
from tests.warden.samples import compiled, pattern

ONE, OTHER = "Kumqu", "atorchard"
SECRET = pattern(rf"(?i)\b{ONE}{OTHER}\b", direction=Direction.BOTH)


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def parts(kind: str) -> list[dict[str, str]]:
    return [{"type": kind, "text": f"Tell me of {ONE}"}, {"type": kind, "text": f"{OTHER} now"}]


HELLO, OK = said("user", "Hello."), said("assistant", "Yes, go on.")
FIRST, SECOND = f"Tell me all that you know of {ONE}", f"{OTHER}, with a list."
CHAT: dict[str, Any] = {
    "parts": {"messages": [said("user", parts("text"))]},
    "messages of the user": {"messages": [said("user", FIRST), said("user", SECOND)]},
    "turns": {"messages": [said("user", FIRST), OK, said("user", SECOND)]},
    "messages of the system": {"messages": [said("system", FIRST), HELLO, said("system", SECOND), HELLO]},
    "system and user": {"messages": [said("system", FIRST), said("user", SECOND)]},
    "user and prefill": {"messages": [said("user", FIRST), said("assistant", SECOND)]},
    "content and refusal": {"messages": [HELLO, {**said("assistant", FIRST), "refusal": SECOND}, HELLO]},
    "results of tools": {"messages": [HELLO, *({**said("tool", t), "tool_call_id": "a"} for t in (FIRST, SECOND))]},
    "values of a list": {"tools": [{"function": {"name": "f", "parameters": {"enum": [ONE, OTHER]}}}]},
    "three values": {"tools": [{"function": {"name": "f", "parameters": {"enum": ["a1", ONE, OTHER, "b"]}}}]},
    "keys": {"tools": [{"function": {"name": "f", "parameters": {"properties": {ONE: {}, OTHER: {}}}}}]},
    "keys of metadata": {"metadata": {ONE: "", OTHER: ""}},
    "names of tools": {"tools": [{"function": {"name": ONE}}, {"function": {"name": OTHER}}]},
    "descriptions of tools": {"tools": [{"function": {"description": t}} for t in (FIRST, SECOND)]},
    "stops": {"stop": [ONE, OTHER]},
}
LETTERS = [*f"{ONE}{OTHER}"]
PIECES = [f"{ONE}{OTHER}"[i : i + 4] for i in range(0, len(ONE + OTHER), 4)]
for how, cut in (("letters", LETTERS), ("pieces", PIECES)):
    CHAT |= {
        f"values, {how}": {"tools": [{"function": {"name": "f_1", "parameters": {"enum": cut}}}]},
        f"turns, {how}": {"messages": [m for piece in cut for m in (said("user", piece), OK)]},
    }
OTHERS: list[tuple[Dialect, dict[str, Any]]] = [
    (Completions(), {"prompt": FIRST, "suffix": SECOND}),
    (Completions(), {"prompt": [FIRST, SECOND]}),
    (Responses(), {"input": SECOND, "instructions": FIRST}),
    (Responses(), {"input": [said("user", parts("input_text"))]}),
    (Responses(), {"input": [{"type": "function_call_output", "call_id": "a", "output": t} for t in (FIRST, SECOND)]}),
    (Messages(), {"max_tokens": 1, "messages": [said("user", SECOND)], "system": FIRST}),
    (Messages(), {"max_tokens": 1, "messages": [said("user", FIRST), said("assistant", SECOND)]}),
    (Messages(), {"max_tokens": 1, "messages": [HELLO], "tools": [{"name": ONE}, {"name": OTHER}]}),
]


def blocked(dialect: Dialect, body: dict[str, Any]) -> bool:
    read = dialect.request({"model": "m", **body}, Limits())
    policies = compiled(SECRET)
    return any(policies.inspect(texts, Direction.PROMPT).blocked for texts in (read.messages, read.aside) if texts)


@pytest.mark.parametrize("place", CHAT)
def test_a_word_cut_over_strings_of_a_conversation_is_met(place: str) -> None:
    assert blocked(Chat(), {"messages": [HELLO], **CHAT[place]})


@pytest.mark.parametrize("number", range(len(OTHERS)))
def test_a_word_cut_over_strings_of_other_apis_is_met(number: int) -> None:
    assert blocked(*OTHERS[number])


def test_a_word_cut_over_the_texts_of_an_answer_is_met() -> None:
    message = {"role": "assistant", "content": FIRST, "refusal": SECOND}
    tree = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    (choice,) = Chat().answers(tree, Asked({"model": "m"}))
    assert compiled(SECRET).inspect(choice.messages, Direction.RESPONSE).blocked


def test_words_alone_are_put_together() -> None:
    assert glued("say Bluef\n  in now") == "Bluefin"
    assert glued("1234\n5678\nThe xqz.\nvf it\n- onq\n- twq") == ""
    assert glued("Bl\nue\nf\nin") == "Blue\nuef\nfin\nBluefin"
    assert glued(json.dumps(["Bluef", "in"])) == ""


def test_what_is_a_word_by_itself_was_not_cut() -> None:
    """Lines of honest text end between words, and two of them make a third one now and then."""
    assert glued("She was my hero\nin every way, and the\nrapist went to prison.\nI\nam\nso\nhappy") == ""
    drug = pattern(r"(?i)\bheroin\b", direction=Direction.BOTH)
    asked = [said("user", "Describe him as a hero"), said("user", "in every way.")]
    read = Chat().request({"model": "m", "messages": asked}, Limits())
    assert not compiled(drug).inspect(read.messages, Direction.PROMPT).blocked


def test_the_words_beside_each_other_are_named() -> None:
    decision = compiled(SECRET).inspect(
        Chat().request({"model": "m", **CHAT["system and user"]}, Limits()).messages, Direction.PROMPT
    )
    assert [match.view for match in decision.matches] == ["across>raw"]
