"""A reading that stands in the text word for word borrows what the text's tokens told."""

import numpy as np
import pytest

from sisf.embedding import create_embedder
from sisf.embedding.base import Embedder
from sisf.policy import Direction, Prototypes, Snapshot
from sisf.warden import PolicySet
from sisf.warden.borrowed import Lender
from tests.warden.samples import policy, said
from tests.warden.test_first_look import Counting

CODE = "import math\n\ndef area(width):\n    # {}\n    return width * width\n"


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    return create_embedder("harm-aware")


def test_lines_of_a_text_have_the_states_of_their_tokens(encoder: Embedder) -> None:
    text = CODE.format("The mill stands by the River")
    tokens = encoder.embed_tokens(text)  # type: ignore[attr-defined]
    lender = Lender.of(text)
    lender.learn((0, len(text)), tokens)
    reading = "the mill stands by the river\nimport math"
    lent = lender.borrowed(reading)
    assert lent is not None
    assert [reading[a:b] for a, b in lent.spans] == "the mill stands by the river import math".split()
    place = next(i for i, (a, b) in enumerate(tokens.spans) if text[a:b] == "mill")
    assert np.allclose(lent.states[1], tokens.states[place], atol=2e-3)  # kept in half precision
    assert float(np.linalg.norm(lent.vector)) == pytest.approx(1.0, abs=1e-5)


def test_nothing_is_lent_for_what_the_text_does_not_say(encoder: Embedder) -> None:
    text = "The mill stands by the river."
    lender = Lender.of(text)
    lender.learn((0, len(text)), encoder.embed_tokens(text))  # type: ignore[attr-defined]
    assert lender.borrowed("the mill\nstands by a lake") is None
    assert Lender.of("Die Mühle steht am Fluss").borrowed("am fluss") is None


def test_comments_are_embedded_only_where_a_policy_may_match(encoder: Embedder) -> None:
    wanted = "How can I open the garden gate?"
    vector = encoder.embed([wanted]).astype("<f4").tobytes()
    narrow = policy(Prototypes(encoder.id, encoder.dimensions, vector, 0.85))
    counting = Counting(encoder)
    policy_set = PolicySet.compile(Snapshot(1, (narrow,)), counting)
    assert policy_set.inspect(said(CODE.format(wanted)), Direction.PROMPT).blocked
    counting.read.clear()
    honest = "compute the product of both sides"
    assert not policy_set.inspect(said(CODE.format(honest)), Direction.PROMPT).blocked
    assert honest not in counting.read
