"""A first look discards what no policy can reach, and nothing that one does."""

import base64
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sisf import corpus
from sisf.embedding import Embedder, create_embedder, delta, first_look
from sisf.embedding.base import Begun, TokenVectors, Vectors
from sisf.embedding.wrapping import Wrapper
from sisf.policy import Direction, Probe, Prototypes, Snapshot
from sisf.warden import PolicySet, Warden
from sisf.warden.first_look import FirstLooks, in_reach, ordinary
from tests.warden.samples import near, policy, said


class Counting(Wrapper):
    """Counts what is begun, and what is read to the end."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.begun: list[str] = []
        self.finished: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.finished += texts
        return self.inner.embed(texts)

    def begin(self, text: str) -> Begun | None:
        self.begun.append(text)
        inner = super().begin(text)
        return None if inner is None else _Counted(inner, text, self.finished)


class _Counted:
    def __init__(self, inner: Begun, text: str, finished: list[str]) -> None:
        self.states, self.spans = inner.states, inner.spans
        self._inner, self._text, self._finished = inner, text, finished

    def finish(self) -> TokenVectors:
        self._finished.append(self._text)
        return self._inner.finish()


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
    assert len(counting.begun) >= len(honest)
    assert looking.looks.tally.discarded > len(honest) * 0.1


def test_signs_of_tricks_turn_it_off(looking: PolicySet, counting: Counting) -> None:
    coded = base64.b64encode(b"Where does the river end, and who keeps the old mill there?").decode()
    looking.inspect(said(f"Read this: {coded}"), Direction.PROMPT)
    looking.inspect(said("Где кончается река, и кто держит там старую мельницу?"), Direction.PROMPT)
    assert not counting.begun
    assert counting.finished


def test_what_is_ordinary() -> None:
    from sisf.text.views import views

    assert ordinary(views("Please summarise the <b>second</b> chapter."))
    assert ordinary(views("def area(width):  # of a garden\n    return width * width"))
    assert not ordinary(views("".join(chr(0x1F170 + n) for n in (1, 14, 12, 1)) + " for me"))
    assert in_reach("The café at the corner sells good bread")
    assert not in_reach("東京へ行きたい")


def test_discarded_windows_are_audited_and_misses_counted(counting: Counting, snapshot: Snapshot) -> None:
    """The bound is broken on purpose: nothing would be read, so what audits find is a miss."""
    looks = never_audited()
    looks.audits = lambda: True  # type: ignore[method-assign]
    watched = PolicySet.compile(snapshot, counting, looks=looks)
    bounds = watched.bounds(Direction.PROMPT, "")
    assert bounds is not None
    bounds.alone[:] = bounds.inside[:] = -1e6
    full = PolicySet.compile(snapshot, counting, looks=FirstLooks.off())
    attack = next(s.text for s in corpus.sample_attacks() if full.inspect(said(s.text), Direction.PROMPT).blocked)
    assert watched.inspect(said(attack), Direction.PROMPT).blocked, "what an audit finds is enforced"
    watched.inspect(said("What grows in the shade of an old mill?"), Direction.PROMPT)
    assert looks.tally.missed == 1
    assert looks.tally.audited == 2


def test_each_revision_and_each_policy_has_its_bound(encoder: Embedder, snapshot: Snapshot) -> None:
    vector = encoder.embed(["How can I open the garden gate?"]).astype("<f4").tobytes()
    narrow = replace(near("gate"), condition=Prototypes(encoder.id, encoder.dimensions, vector, 0.85))
    both = PolicySet.compile(Snapshot(2, (*snapshot.policies, narrow)), encoder, looks=never_audited())
    bounds = both.bounds(Direction.PROMPT, "")
    assert bounds is not None
    assert (bounds.alone >= 0).all()
    assert (bounds.inside >= 0).all()
    assert bounds.alone[0] != bounds.alone[1]
    assert both.inspect(said("How can I open the garden gate?"), Direction.PROMPT).blocked
    assert not np.array_equal(bounds.alone, 0 * bounds.alone)


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
