"""A first look discards what no policy can reach, and nothing that one does."""

import base64
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sisf import corpus
from sisf.embedding import Embedder, create_embedder, delta, first_look
from sisf.embedding.base import TokenVectors, Vectors
from sisf.embedding.wrapping import Wrapper
from sisf.policy import Direction, Probe, Prototypes, Snapshot
from sisf.warden import PolicySet, Warden
from sisf.warden.first_look import FirstLooks, in_reach, ordinary
from tests.warden.samples import near, policy, said


class Counting(Wrapper):
    """Keeps the texts that were looked at, and those that the encoder read."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.seen: list[str] = []
        self.read: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        return self.inner.embed(texts)

    def embed_tokens(self, text: str) -> TokenVectors | None:
        self.read.append(text)
        return super().embed_tokens(text)

    def tokens(self, text: str) -> tuple[NDArray[np.int64], Sequence[tuple[int, int]]]:
        self.seen.append(text)
        return super().tokens(text)


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    return create_embedder("harm-aware")


@pytest.fixture
def counting(encoder: Embedder) -> Counting:
    return Counting(encoder)


@pytest.fixture(scope="module")
def snapshot(encoder: Embedder) -> Snapshot:
    """A policy on what reads as harmful as half of the attacks do."""
    heads = delta.shipped_heads()
    scores = heads.harm_scores(encoder.embed([s.text for s in corpus.sample_attacks()[::3]]))
    threshold = float(np.median(scores))
    probe = Probe(encoder.id, encoder.dimensions, heads.harm.astype("<f4").tobytes(), {}, heads.harm_bias, threshold)
    return Snapshot(1, (policy(probe),))


@pytest.fixture
def looking(counting: Counting, snapshot: Snapshot) -> PolicySet:
    return PolicySet.compile(snapshot, counting, looks=never_audited())


def never_audited() -> FirstLooks:
    look = first_look.first_look_of(create_embedder("harm-aware").id)
    if look is None:
        pytest.skip("what ships was made for another encoder, so no first look is taken: make first-look")
    looks = FirstLooks(look)
    looks.audits = lambda: False  # type: ignore[method-assign]
    return looks


def test_attacks_that_are_stopped_are_stopped_with_it(
    looking: PolicySet, encoder: Embedder, snapshot: Snapshot
) -> None:
    full = PolicySet.compile(snapshot, encoder, looks=FirstLooks.off())
    attacks = [s.text for s in corpus.sample_attacks()[::3]]
    stopped = [text for text in attacks if full.inspect(said(text), Direction.PROMPT).blocked]
    assert len(stopped) > len(attacks) / 3
    lost = [text for text in stopped if not looking.inspect(said(text), Direction.PROMPT).blocked]
    assert len(lost) <= 0.02 * len(attacks), lost
    assert looking.looks.tally.inspected >= len(stopped) - 1


def test_many_honest_texts_are_read_no_further(looking: PolicySet, counting: Counting) -> None:
    honest = [s.text for s in corpus.sample_benign()[::8]]
    for text in honest:
        assert not looking.inspect(said(text), Direction.PROMPT).blocked
    assert len(counting.seen) >= len(honest)
    assert looking.looks.tally.discarded > len(honest) * 0.1


def test_signs_of_tricks_turn_it_off(looking: PolicySet, counting: Counting) -> None:
    coded = base64.b64encode(b"Where does the river end, and who keeps the old mill there?").decode()
    looking.inspect(said(f"Read this: {coded}"), Direction.PROMPT)
    looking.inspect(said("Где кончается река, и кто держит там старую мельницу?"), Direction.PROMPT)
    assert not counting.seen
    assert counting.read


def test_what_is_ordinary() -> None:
    from sisf.text.views import views

    assert ordinary(views("Please summarise the <b>second</b> chapter."))
    assert ordinary(views("def area(width):  # of a garden\n    return width * width"))
    assert not ordinary(views("".join(chr(0x1F170 + n) for n in (1, 14, 12, 1)) + " for me"))
    assert in_reach("The café at the corner sells good bread")
    assert not in_reach("東京へ行きたい")


def test_what_is_discarded_is_audited_and_misses_are_counted(counting: Counting, snapshot: Snapshot) -> None:
    """The bound is broken on purpose: nothing would be read, so what audits find is a miss."""
    looks = never_audited()
    looks.audits = lambda: True  # type: ignore[method-assign]
    watched = PolicySet.compile(snapshot, counting, looks=looks)
    bounds = watched.bounds(Direction.PROMPT, "")
    assert bounds is not None
    watched._bounds[Direction.PROMPT, ""] = replace(bounds, least=(1e6,) * 3)
    full = PolicySet.compile(snapshot, counting, looks=FirstLooks.off())
    attack = next(s.text for s in corpus.sample_attacks() if full.inspect(said(s.text), Direction.PROMPT).blocked)
    assert watched.inspect(said(attack), Direction.PROMPT).blocked, "what an audit finds is enforced"
    watched.inspect(said("What grows in the shade of an old mill?"), Direction.PROMPT)
    assert looks.tally.missed == 1
    assert looks.tally.audited == 2


def test_none_is_taken_where_a_prototype_is_in_force(counting: Counting, snapshot: Snapshot) -> None:
    vector = counting.embed(["How can I open the garden gate?"]).astype("<f4").tobytes()
    narrow = replace(near("gate"), condition=Prototypes(counting.id, counting.dimensions, vector, 0.85))
    both = PolicySet.compile(Snapshot(2, (*snapshot.policies, narrow)), counting, looks=never_audited())
    assert both.inspect(said("How can I open the garden gate?"), Direction.PROMPT).blocked
    assert not counting.seen


def test_what_is_put_around_a_request_hides_it_from_no_look(looking: PolicySet, snapshot: Snapshot) -> None:
    """Each passage is looked at as well: honest sentences around a request change its own guess by nothing."""
    bounds = looking.bounds(Direction.PROMPT, "")
    assert bounds is not None
    attacks = [s.text.rstrip(".") + "." for s in corpus.sample_attacks()[::12]]
    reached = [attack for attack in attacks if bounds.worth(attack, looking.embedder) != []]
    assert len(reached) > len(attacks) / 2
    around = "The mill stands by the river. {} In spring the meadow is full of flowers and bees."
    lost = [attack for attack in reached if bounds.worth(around.format(attack), looking.embedder) == []]
    assert len(lost) <= 0.05 * len(reached), lost


def test_the_guess_for_a_span_is_that_for_its_tokens_alone(encoder: Embedder) -> None:
    """But for the neighbours of its ends."""
    look = first_look.first_look_of(encoder.id)
    if look is None:
        pytest.skip("what ships was made for another encoder: make first-look")
    ids, _ = encoder.tokens("Where does the river end, and who keeps the old mill there?")  # type: ignore[attr-defined]
    sums = look.sums(ids)
    means = look.means(sums, np.array([0, 3, 5]), np.array([len(ids), 9, 5]))
    assert look.scores(means)[0] == pytest.approx(look.score(ids), abs=1e-4)
    assert not means[2].any()
    inner = look.means(look.sums(ids[2:10]), np.array([1]), np.array([7]))
    assert np.allclose(inner[0], means[1], atol=1e-4)


def test_it_is_off_for_another_encoder_or_by_setting(
    encoder: Embedder, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    warden = Warden(encoder)
    warden.activate(snapshot)
    assert warden.policy_set.bounds(Direction.PROMPT, "") is None
    warden.close()
    first_look._shipped.cache_clear()
    monkeypatch.setattr(delta, "digest", lambda: "another")
    assert first_look.first_look_of("harm-aware-another") is None
    first_look._shipped.cache_clear()
