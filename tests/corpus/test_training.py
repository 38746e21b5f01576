"""What the encoder is trained on: labelled both ways in every form, fixed by its seed, and apart from what is measured
with."""

import random
from collections import Counter, defaultdict

from sisf import corpus
from sisf.corpus import goals
from sisf.corpus.composing import compose
from sisf.corpus.training import examples
from sisf.synthesis.local import known_requests

EXAMPLES = examples()


def test_the_same_seed_gives_the_same_texts_and_another_seed_others() -> None:
    assert examples(0) == EXAMPLES
    assert examples(1) != EXAMPLES


def test_every_part_but_the_plainly_honest_ones_teaches_both_sides() -> None:
    sides = defaultdict(set)
    for example in EXAMPLES:
        sides[example.part].add(example.harmful)
    assert {part for part, seen in sides.items() if len(seen) == 1} == {"honest"}


def test_a_harmful_request_and_its_twin_share_a_group() -> None:
    by_group: dict[str, list[bool]] = defaultdict(list)
    for example in EXAMPLES:
        if example.part == "pair":
            by_group[example.group].append(example.harmful)
    whole = [labels for labels in by_group.values() if len(labels) == 2]
    assert len(whole) > 0.95 * len(corpus.pairs())
    assert all(sorted(labels) == [False, True] for labels in whole)


def test_no_form_gives_the_label_away() -> None:
    """Each opening word that is common stands before harmful and before honest requests."""
    openings: dict[str, Counter[bool]] = defaultdict(Counter)
    for example in EXAMPLES:
        if example.part in ("pair", "goal", "twin", "contrastive"):
            openings[example.text.split()[0].lower()][example.harmful] += 1
    common = {word: seen for word, seen in openings.items() if seen.total() >= 150}
    assert len(common) > 15
    for word, seen in common.items():
        assert min(seen[True], seen[False]) > 0.15 * seen.total(), word


def test_what_is_calibrated_on_or_shown_in_the_demo_or_measured_on_is_not_trained_on() -> None:
    shown = *corpus.sample_attacks(), *corpus.sample_benign(), *corpus.dangerous_words(), *corpus.unseen_pairs()
    kept = {sample.text for sample in (*corpus.benign_reference(), *shown)}
    assert not kept & {example.text for example in EXAMPLES}
    assert not kept & {known.text for known in known_requests()}


def test_nothing_harmful_names_minors_as_its_hazard() -> None:
    assert not [e for e in EXAMPLES if e.hazard is not None and e.hazard.value == "cse" and e.part == "pair"]


def test_pairs_cover_every_hazard_and_form() -> None:
    pairs = corpus.pairs()
    assert len(pairs) >= 2_000
    assert min(Counter(pair.hazard for pair in pairs).values()) >= 60
    forms = {"order", "question", "statement", "plea", "completion", "roleplay", "system", "passage", "dialogue"}
    assert forms <= {pair.form for pair in pairs}
    assert len({pair.language for pair in pairs}) >= 10


def test_twins_of_goals_are_put_into_the_same_forms() -> None:
    for _, sought, honest in list(goals.twins(4, random.Random(0)))[:50]:
        assert len(sought) == len(honest) == 4
        assert [text.split()[0] for text in sought][1:] == [text.split()[0] for text in honest][1:]


def test_composed_texts_have_the_lengths_asked_for() -> None:
    pieces = [s.text for s in corpus.documents() if len(s.text) > 100]
    texts = compose(pieces, 40, 500, 2_000, random.Random(0))
    assert len(texts) == 40
    assert all(300 < len(text) < 2_200 for text in texts)
