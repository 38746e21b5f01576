"""What is said to be done is read as an order to do it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text.inner_requests import inner_requests
from sisf.text.passives import passives

THINGS = [
    ("a large cake", "baked", "bake"),
    ("the old wooden boat", "sold", "sell"),
    ("two letters", "written", "write"),
]
FRAMES = [
    "How can {} be {}?",
    "Could {} be {}, please?",
    "Explain how {} is {}.",
    "so how does {} get {}?",
    "how are {} {}?",
    "{} should be {}.",
    "Thanks. By tomorrow {} has to be easily {}.",
    "I would like {} to be {}.",
    "I need {} {} by Monday.",
    "Get {} {} for me",
    "Is it true that {} can be {} within a day?",
    "Do you know whether {} should be {}",
    "Would it be possible for {} to be {} this week?",
    "How was {} usually {} in former times?",
]
DESCRIBED = ["that speaks of all the others", "that could change everything", "of a man who knew it"]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("thing", "done", "verb"), THINGS)
def test_what_is_done_is_read_as_an_order(frame: str, thing: str, done: str, verb: str) -> None:
    found = [each.order for each in passives(frame.format(thing, done))]
    assert any(order.startswith(f"{verb} ") and thing in order for order in found), found


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("described", DESCRIBED)
def test_what_is_said_of_a_thing_belongs_to_it(frame: str, described: str) -> None:
    found = [each.order for each in passives(frame.format(f"a report {described}", "sold"))]
    assert any(order.startswith("sell ") and f"a report {described}" in order for order in found), found


def test_what_stands_behind_the_verb_is_read_with_it_and_left_out() -> None:
    text = "How can a bird house be built from an old box without nails? Thanks!"
    assert [(each.order, text[each.start : each.end]) for each in inner_requests(text) if each.turned] == [
        ("build a bird house from an old box without nails", "a bird house be built from an old box without nails"),
        ("build a bird house", "a bird house be built"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Describe what must be done.",
        "Write a text that can be used by all",
        "Why can a cake be baked without eggs?",
        "It should be written by tomorrow.",
        "The garden will be green in May",
        "How do I get there by bus?",
    ],
)
def test_what_does_not_say_what_is_done_is_left(text: str) -> None:
    assert not [each for each in inner_requests(text) if each.turned]


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from("how can a cake be baked is to have , . : needs sold\n".split(" "))).map(" ".join)
)
def test_any_text_is_cut_inside_itself(text: str) -> None:
    assert all(0 <= each.start < each.end <= len(text) for each in passives(text))
