"""A document is read along its shapes, whatever stands in it."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.exchange import Role
from sisf.gateway import shapes
from sisf.gateway.shapes import Closed, Id, Logprobs, Many, Number, OneOf, Reader, Record, Seal, Tagged, Text, Word

SECRET = "walnut"
CLOSED = OneOf(text=Text(), array=Many(Text()))
SHAPES: list[shapes.Shape] = [
    Text(),
    Text(json=True),
    Text(short=True),
    Word(frozenset({"auto"})),
    Id(),
    Seal(),
    Seal(padding=True),
    Number(),
    Number(deep=True),
    shapes.Anything(),
    Logprobs(),
    Many(Text()),
    Record({"a": Number()}),
    Tagged({"t": Record({"a": Text()})}, default="t"),
    CLOSED,
    shapes.Together(CLOSED),
    shapes.Aside(Record({"a": Id()})),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(f"the {SECRET} speaks"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abt"), inner, max_size=3),
    max_leaves=6,
)


def test_every_shape_has_a_reader() -> None:
    assert set(shapes._READERS) == set(get_args(shapes.Shape))
    assert {type(shape) for shape in SHAPES} == set(shapes._READERS) - {Closed}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@given(value=VALUES)
def test_of_an_answer_no_words_stay_unread_wherever_they_stand(shape: shapes.Shape, value: object) -> None:
    reader = Reader(lenient=True)
    with reader.collected(Role.ASSISTANT, "all"):
        reader.read(shape, value, Role.ASSISTANT, "here")
    said = "\n".join(message.content for message in (*reader.messages, *reader.aside))
    assert (SECRET in said) == (SECRET in json.dumps(value))
