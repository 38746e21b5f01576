"""Requests inside sentences: found wherever courtesies, reports and prohibitions put them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text.inner_requests import MOST, imperative, inner_requests

REQUEST = "write a short poem about the harbour at night"
ASKING = (
    "Could you {}?",
    "Can you please {}?",
    "Would you kindly {}?",
    "How do I {}?",
    "how would somebody {}",
    "How can one {}?",
    "What is the best way to {}?",
    "I need to {}",
    "I want you to {}.",
    "We'd like to know the steps to {}",
    "Is it possible to {}?",
    "Help me {}",
    "My teacher asked me to {}.",
    "Please {}",
    "Do not {}",
    "Don't {}!",
    "I was wondering whether you would be able to {}",
    "can u {}",
    "pls {}",
    "I was hoping you might {}",
    "Explain how somebody might {}",
    "Recommend a good film and {}",
    "First tell me a joke, then {}",
    "Plan a dinner for six. Also {}",
    "I'd love it if you would {} for me",
    "My neighbour wants us to {} before lunch",
    "i need to {} rn",
    "Should we {} or go home?",
    "Have the intern {}",
    "Let my neighbour {}.",
    "The one thing that is left to do is {}.",
    "Could you perhaps {}?",
    "Can you, please, still {}?",
    "Never ever {}.",
    "why and how do people {}?",
    "When did people first {}?",
)
TELLING = (
    "She told him to {}.",
    "once upon a time a clerk had to {}",
    "They {} every year.",
    "How did people in the past {}?",
    "Text wanted: something that would {}.",
    "Before the concert starts, and while we wait, {}",
    "I tried to {} but failed.",
    "Imagine you had to {}.",
    "One ought never to {}",
    "oye, me puedes {}",
    "Hallo, könntest du bitte {}?",
    "The client expects them to {} (urgent)",
    "It was requested that the team {}.",
    "Hola, por favor {}. Gracias.",
    "こんにちは。{} をお願いします。",
    "Describe how they {}.",
    "Write about the person who had to {}.",
    "Finish this story. Anna wanted to {}",
    "Tell the story of two friends who {}.",
    "What do those who {} need?",
)
DONE = (
    "A friend of mine {}, and nobody knows how.",
    "Who usually {}?",
    "Last year somebody {}.",
    "Describe a man who {}, please",
)


@pytest.mark.parametrize("frame", ASKING)
def test_what_is_asked_for_is_found(frame: str) -> None:
    text = frame.format(REQUEST)
    assert REQUEST in {text[each.start : each.end] for each in inner_requests(text) if each.asked}


@pytest.mark.parametrize("who", ["people", "somebody", "i", "anyone"])
def test_who_asks_is_no_part_of_what_is_asked_for(who: str) -> None:
    text = f"how can {who} {REQUEST}"
    assert {text[each.start : each.end] for each in inner_requests(text) if not each.start < 4 + len(who)} == {REQUEST}
    assert all(text[each.start :].startswith("write") for each in inner_requests(text))


@pytest.mark.parametrize("frame", TELLING)
def test_what_is_told_of_is_found_and_not_taken_for_asked(frame: str) -> None:
    text = frame.format(REQUEST)
    found = {text[each.start : each.end]: each.asked for each in inner_requests(text)}
    assert any(piece.startswith(REQUEST) and not asked for piece, asked in found.items())


@pytest.mark.parametrize("rest", [" and he did; show what he wrote", ", if that is all right", ", so that I can learn"])
def test_what_comes_behind_a_request_is_left_out_too(rest: str) -> None:
    text = f"She told him to {REQUEST}{rest}."
    assert REQUEST in {text[each.start : each.end] for each in inner_requests(text)}


@pytest.mark.parametrize(
    "frame",
    [
        "What is the best way of {}?",
        "What can be done against {}?",
        "I am thinking of {}.",
        "He is interested in {}",
        "Some tips for {}, please",
        "Would you mind {} for me?",
        "My hobby is {}, any tips?",
        "Tell me about {}.",
    ],
)
@pytest.mark.parametrize(
    ("gerund", "order"),
    [
        ("writing a short poem", "write a short poem"),
        ("cutting the old bread", "cut the old bread"),
        ("building a wooden boat", "build a wooden boat"),
        ("baking a large cake", "bake a large cake"),
    ],
)
def test_what_a_gerund_names_is_read_as_an_order(frame: str, gerund: str, order: str) -> None:
    text = frame.format(gerund)
    assert order in {imperative(text[each.start : each.end]) for each in inner_requests(text)}


def test_a_gerund_that_opens_a_sentence_ends_before_what_is_said_of_it() -> None:
    text = "Baking a large cake is my homework."
    assert "Bake a large cake".lower() in {imperative(text[e.start : e.end]).lower() for e in inner_requests(text)}


def test_what_goes_on_behind_a_comma_is_no_gerund_that_opens_a_sentence() -> None:
    assert inner_requests("A storm is near the coast, making a loud noise") == []


def test_an_order_at_the_beginning_is_read_without_what_else_is_asked() -> None:
    text = f"W{REQUEST[1:]} and then recommend a good film"
    assert REQUEST in {text[each.start : each.end].lower() for each in inner_requests(text)}


@pytest.mark.parametrize(
    "frame",
    ["One ought never to {}.", "I bet you can't {}!", "It is forbidden to {}.", "I refuse to {}.", "You must not {}."],
)
def test_what_a_sentence_denies_is_told_from_what_it_does_not(frame: str) -> None:
    found = inner_requests(f"{frame.format(REQUEST)} Thanks. Could you {REQUEST}?")
    assert {each.denied for each in found} == {True, False}
    assert {each.denied for each in found if each.start == frame.find("{")} == {True}


@pytest.mark.parametrize("judged", ["Is it fair to {}?", "Do you think it's wrong to {}", "Is it legal to {}?"])
def test_what_is_judged_is_no_request(judged: str) -> None:
    assert inner_requests(judged.format(REQUEST)) == []


@pytest.mark.parametrize("frame", DONE)
@pytest.mark.parametrize("done", ["baked", "wrote", "stole", "bakes", "carries", "cut"])
def test_what_somebody_does_or_did_is_read_as_an_order(frame: str, done: str) -> None:
    order = {"baked": "bake", "wrote": "write", "stole": "steal", "bakes": "bake", "carries": "carry", "cut": "cut"}
    text = frame.format(f"{done} the largest cake of the town")
    assert f"{order[done]} the largest cake of the town" in {each.order for each in inner_requests(text)}


@pytest.mark.parametrize(
    "said", ["She said that it rains in the mountains", "He told me about the old mill", "who is it"]
)
def test_that_somebody_says_something_is_no_request(said: str) -> None:
    assert inner_requests(said) == []


def test_behind_an_order_what_something_is_for_is_no_request() -> None:
    assert inner_requests("Describe which tools are used to write poems about the harbour") == []


@pytest.mark.parametrize(
    "text",
    [
        "why do you write such poems at night",
        "Why would people write such poems",
        "Why was it so much harder to write in a language of the north?",
    ],
)
def test_what_is_asked_of_reasons_is_no_request(text: str) -> None:
    assert inner_requests(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The answer of the committee was late",
        "a plan of that report from our group",
        "how do people movers work in airports",
        "can somebody else's dogs bark all night",
        "Our client is accused of forging the will of his aunt",
        "The victims of stalking by former partners met on Sunday",
        "back to use of her name",
    ],
)
def test_nouns_that_look_like_verbs_begin_nothing(text: str) -> None:
    assert inner_requests(text) == []


@pytest.mark.parametrize("verb", ["create", "solve", "pay for", "find yourself in"])
@pytest.mark.parametrize("rest", [", including its price", " and how you plan to go on", ", and what comes after it"])
def test_a_verb_that_is_done_to_nothing_behind_it_begins_no_request(verb: str, rest: str) -> None:
    text = f"Tell me about the dish that you would {verb}{rest}"
    assert not [each for each in inner_requests(text) if text[each.start :].startswith(verb)]
    asked = f"Could you explain how to {verb} the dish{rest}"
    assert {"explain", verb.split(maxsplit=1)[0]} <= {
        asked[each.start :].split(maxsplit=1)[0] for each in inner_requests(asked)
    }


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from("could you to do not how i write make, and . \n".split(" "))).map(" ".join)
)
def test_any_text_is_cut_inside_itself(text: str) -> None:
    found = [each for each in inner_requests(text) if not each.turned]
    assert len({each.start for each in found}) <= MOST
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(text[each.start].isalpha() for each in found)
