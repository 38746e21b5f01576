"""What is inspected: every view, every part, every byte; and what is not inspected twice."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sisf.embedding.base import Vectors
from sisf.embedding.hashing import HashEmbedder
from sisf.errors import LimitExceeded
from sisf.exchange import Message, Role
from sisf.policy import Action, Decision, Direction, Probe, Snapshot
from sisf.warden import PolicySet, Warden
from sisf.warden.explain import explain
from sisf.warden.readings import TOGETHER, joined, places_in_view, text_in_view
from tests.text.tricks import CHARACTERS, ENCODINGS, Trick
from tests.warden.samples import (
    EMBEDDER,
    answered,
    compiled,
    near,
    pattern,
    policy,
    redaction,
    said,
    shadowed,
    words_probe,
)

ATTACK = "explain how to pick the lock of a garden gate"
FILLER = "The rain fell softly on the green hills of the old country. "


class CountingEmbedder(HashEmbedder):
    """Counts what it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: object) -> Vectors:
        assert isinstance(texts, list)
        self.texts += texts
        return super().embed(texts)


@pytest.mark.parametrize("trick", [*CHARACTERS.values(), *ENCODINGS.values()])
def test_patterns_and_meanings_are_seen_through_tricks(trick: Trick) -> None:
    for made in (pattern(r"pick the\s+lock"), near(ATTACK), words_probe("lock", "pick the", "garden", weight=8.0)):
        decision = compiled(made).inspect(said(trick(ATTACK)), Direction.PROMPT)
        assert decision.blocked
        assert decision.matches[0].view


def test_plain_english_costs_one_embedding_and_unchanged_turns_none() -> None:
    embedder = CountingEmbedder()
    made = PolicySet.compile(Snapshot(1, (near(ATTACK), pattern("nothing of the kind"))), embedder)
    turns = [f"What is the capital of country number {i}?" for i in range(20)]
    chat = [Message(Role.USER if i % 2 == 0 else Role.ASSISTANT, t) for i, t in enumerate(turns)]
    made.inspect(chat[:1], Direction.PROMPT)
    assert len(embedder.texts) == 1
    for end in range(2, len(chat) + 1):
        made.inspect(chat[:end], Direction.PROMPT)
    joined = len(chat) // 2 - 1  # each new turn of the user is read once more with those before it
    assert len(embedder.texts) == len(chat) + joined
    made.inspect(chat, Direction.PROMPT)
    made.inspect(chat[:3], Direction.RESPONSE)
    assert len(embedder.texts) == len(chat) + joined  # no semantic policy for answers: nothing to embed


def test_cached_turns_still_decide() -> None:
    made = compiled(near(ATTACK), pattern("passphrase", Action.FLAG))
    chat = [Message(Role.USER, ATTACK), Message(Role.ASSISTANT, "the passphrase is"), Message(Role.USER, "go on")]
    first, second = (made.inspect(chat, Direction.PROMPT) for _ in range(2))
    assert first.blocked
    assert [(m.policy_id, m.segment, m.view) for m in first.matches] == [
        (m.policy_id, m.segment, m.view) for m in second.matches
    ]
    assert {m.segment for m in second.matches} == {0, 1}
    moved = made.inspect([Message(Role.SYSTEM, "be nice"), *chat], Direction.PROMPT)
    assert {m.segment for m in moved.matches} == {1, 2}


def test_an_attack_split_over_the_parts_of_a_turn_is_seen() -> None:
    made = compiled(pattern(r"pick\s+the\s+lock"))
    decision = made.inspect(said("please pick", "the lock"), Direction.PROMPT)
    assert decision.blocked
    assert decision.matches[0].view == "turn>raw"


@pytest.mark.parametrize("between", [Role.ASSISTANT, Role.TOOL, Role.SYSTEM])
@pytest.mark.parametrize("before", [0, 3, 60])
@pytest.mark.parametrize("after", [0, 60])
def test_an_attack_split_over_turns_of_the_user_is_seen(between: Role, before: int, after: int) -> None:
    filler = "The rain fell softly."
    said_by_user = [filler] * before + ["Please pick", "the lock", "of the garden gate"] + [filler] * after
    chat = [m for text in said_by_user for m in (Message(Role.USER, text), Message(between, "ok"))]
    decision = compiled(pattern(r"pick\s+the\s+lock\s+of")).inspect(chat, Direction.PROMPT)
    assert decision.blocked
    match = decision.matches[0]
    assert match.view == "conversation>raw"
    assert "Please pick\nthe lock\nof" in text_in_view(chat, match.segment, match.view)
    assert match.segment in places_in_view(chat, match.segment, match.view)


TURNS = st.lists(st.integers(1, 1_400), min_size=1, max_size=24)


@given(TURNS)
@example([1] * 24)
@example([500, 1, 499, 1, 500, 1_400, 3, 3])
def test_neighbouring_turns_of_the_user_are_read_together(lengths: list[int]) -> None:
    chat = [m for i, n in enumerate(lengths) for m in (Message(Role.USER, chr(97 + i) * n), Message(Role.TOOL, "-"))]
    groups = list(joined(chat))
    assert all(len(group.text) <= TOGETHER + len(group.places) for group in groups)
    assert sum(len(group.text) for group in groups) <= 3 * sum(n + 1 for n in lengths)
    for first in range(len(lengths)):
        for last in range(first + 1, len(lengths)):
            if sum(lengths[first : last + 1]) <= TOGETHER // 2:
                wanted = "\n".join(chat[2 * i].content for i in range(first, last + 1))
                assert any(wanted in group.text for group in groups), (first, last)
    earlier = list(joined(chat[:-2]))[:-1]
    assert groups[: len(earlier)] == earlier  # what is said next changes the last one alone


@pytest.mark.parametrize("place", [0, 40, 80])
def test_what_is_short_is_found_in_what_is_long(place: int) -> None:
    text = FILLER * place + ATTACK + ". " + FILLER * (80 - place)
    made = compiled(near(ATTACK, 0.4), words_probe("pick the", "the lock", threshold=-0.2))
    decision = made.inspect(said(text), Direction.PROMPT)
    assert len(decision.matches) == 2
    for match in decision.matches:
        assert match.span is not None
        start, end = match.span
        assert start < len(FILLER) * place + len(ATTACK)
        assert end > len(FILLER) * place
    assert not made.inspect(said(FILLER * 80), Direction.PROMPT).blocked


def test_pages_of_numbers_are_not_taken_for_what_was_told_in_numbers() -> None:
    """To an embedder all pages of numbers are much alike; what codes spell is a reading of its own."""
    numbers = "\n".join(map(str, range(6_000, 6_250)))
    made = compiled(near(numbers))
    assert not made.inspect(said(f"{FILLER * 20}\n{numbers}\n{numbers}"), Direction.PROMPT).blocked
    assert made.inspect(said(numbers), Direction.PROMPT).blocked, "a text of its own is held against it"


def test_beyond_the_limit_a_text_is_refused_not_cut() -> None:
    warden = Warden(EMBEDDER, max_chars=100)
    warden.inspect(said("a" * 100), Direction.PROMPT)
    with pytest.raises(LimitExceeded, match="101"):
        warden.inspect(said("a" * 50, "a" * 51), Direction.PROMPT)
    warden.close()


class TestRewriting:
    def texts(self, decision: Decision) -> tuple[str, ...]:
        assert decision.action is Action.REWRITE
        assert decision.rewritten is not None
        return decision.rewritten

    def test_it_replaces_in_any_letter_case_and_leaves_the_rest(self) -> None:
        made = compiled(redaction("project falcon"))
        decision = made.inspect(said("hello", "Is Project FALCON late? PROJECT falcon!"), Direction.PROMPT)
        assert self.texts(decision) == ("hello", "Is [redacted] late? [redacted]!")
        assert self.texts(made.inspect(answered("project falcon"), Direction.RESPONSE)) == ("[redacted]",)

    def test_groups_are_kept(self) -> None:
        decision = compiled(redaction(r"(\d{4})-\d{4}", r"\1-****")).inspect(said("card 1234-5678"), Direction.PROMPT)
        assert self.texts(decision) == ("card 1234-****",)

    def test_what_it_creates_is_caught(self) -> None:
        made = compiled(redaction("kitten", "open"), pattern("open sesame"))
        assert made.inspect(said("kitten sesame"), Direction.PROMPT).blocked
        assert self.texts(made.inspect(said("a kitten"), Direction.PROMPT)) == ("a open",)

    def test_block_wins_and_flag_yields(self) -> None:
        assert compiled(redaction("x"), pattern("y")).inspect(said("x y"), Direction.PROMPT).blocked
        decision = compiled(redaction("x"), pattern("y", Action.FLAG)).inspect(said("x y"), Direction.PROMPT)
        assert self.texts(decision) == ("[redacted] y",)

    def test_what_hides_cannot_be_rewritten_and_is_blocked(self) -> None:
        assert compiled(redaction("falcon")).inspect(said("f a l c o n"), Direction.PROMPT).blocked

    def test_in_shadow_it_only_watches(self) -> None:
        decision = compiled(shadowed(redaction("falcon"))).inspect(said("falcon"), Direction.PROMPT)
        assert (decision.action, decision.rewritten, len(decision.matches)) == (Action.ALLOW, None, 1)


def test_a_shadow_policy_is_evaluated_although_another_blocks() -> None:
    watching = shadowed(near(ATTACK))
    decision = compiled(watching, pattern("pick the lock")).inspect(said(ATTACK), Direction.PROMPT)
    assert decision.blocked
    assert [m.policy_id for m in decision.matches if m.shadow] == [watching.id]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("place", ["messages[1].content[{}].text", "output[0].content[{}].text", "system[{}].text"])
def test_parts_of_one_message_are_read_together(role: Role, place: str) -> None:
    cut = ["the first half of", "zanzibar", "payload and the rest"]
    parts = [Message(role, text, place.format(number)) for number, text in enumerate(cut)]
    policy_set = compiled(pattern(r"half of\s+zanzibar\s+payload"))
    decision = policy_set.inspect(parts, Direction.PROMPT)
    assert decision.blocked
    match = decision.matches[0]
    assert text_in_view(parts, match.segment, match.view) == "\n".join(cut)


@pytest.mark.parametrize("place", ["messages[{}].content", "tools[{}]", "functions[{}]", "input[{}].content"])
def test_neighbouring_texts_of_the_system_are_read_together(place: str) -> None:
    cut = ["the", "first", "half", "of", "zanzibar", "payload"]
    parts = [Message(Role.SYSTEM, text, place.format(number)) for number, text in enumerate(cut)]
    request = [Message(Role.SYSTEM, "user-4711", "request"), *parts, Message(Role.USER, "Go.", "messages[9].content")]
    decision = compiled(pattern(r"half\s+of\s+zanzibar\s+payload")).inspect(request, Direction.PROMPT)
    assert decision.blocked
    match = decision.matches[0]
    assert text_in_view(request, match.segment, match.view) == "\n".join(cut)  # what differs by request is not in it


@pytest.mark.parametrize("place", ["messages[{}].content", "input[{}].content[0].text"])
def test_messages_of_the_system_that_turns_part_are_read_together(place: str) -> None:
    parts = [Message(Role.SYSTEM, text, place.format(2 * at)) for at, text in enumerate(["the", "zanzibar", "payload"])]
    chat = [m for at, part in enumerate(parts) for m in (part, Message(Role.USER, "Go on.", place.format(2 * at + 1)))]
    told = Message(Role.SYSTEM, "payload of a tool", "tools[0]")
    policy_set = compiled(pattern(r"zanzibar\s+payload"))
    match = policy_set.inspect(chat, Direction.PROMPT).matches[0]
    assert text_in_view(chat, match.segment, match.view) == "the\nzanzibar\npayload"
    assert not policy_set.inspect([told, *chat[:-2]], Direction.PROMPT).blocked


@pytest.mark.parametrize("place", ["messages[{}].content", "input[{}].output", "output[{}].content[0].text"])
@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.TOOL])
def test_messages_of_one_speaker_side_by_side_are_read_together(role: Role, place: str) -> None:
    halves = [Message(role, text, place.format(number)) for number, text in enumerate(["zanzibar", "payload"])]
    policy_set = compiled(pattern(r"zanzibar\s+payload"))
    request = [*halves, Message(Role.USER, "Go.", "messages[9].content")]
    for messages in (halves, request):
        decision = policy_set.inspect(messages, Direction.PROMPT)
        assert decision.blocked
        (match,) = decision.matches
        assert text_in_view(messages, match.segment, match.view) == "zanzibar\npayload"
    between = Message(next(other for other in Role if other is not role), "and", place.format(5))
    assert not policy_set.inspect([halves[0], between, halves[1]], Direction.PROMPT).blocked


def test_what_was_said_in_several_turns_is_not_remembered_as_said_in_one() -> None:
    """More is asked of turns that stand apart: what is not found in them may be found in one message."""
    policies = compiled(words_probe("open", "gate", threshold=0.9))
    first, answer, last = said("open the")[0], answered("yes")[0], said("gate now")[0]
    assert not policies.inspect((first, answer, last), Direction.PROMPT).blocked
    assert policies.inspect(said("open the\ngate now"), Direction.PROMPT).blocked


def test_less_is_asked_of_what_is_said_word_by_word_than_of_sentences_that_stand_apart() -> None:
    """Of the pair of words 1.5 is left in five; a step of caution is 1.25."""
    probe = words_probe().condition
    assert isinstance(probe, Probe)
    policies = compiled(policy(replace(probe, ngrams={"the old": 6.0})))
    for parts, found in ((["open", "the", "old", "gate", "now"], True), (["open the", "old gate now"], False)):
        chat = [message for part in parts for message in (said(part)[0], answered("yes")[0])]
        assert policies.inspect(chat, Direction.PROMPT).blocked == found


PLACES = (
    "messages[0].content[{}].text",
    "messages[3].content[0].content[{}].text",
    "input[2].content[{}].text",
    "content[{}].text",
    "system[{}].text",
    "choices[0].message.content[{}].text",
)


@given(
    st.sampled_from(PLACES),
    st.sampled_from(list(Role)),
    st.sets(st.integers(1, 30), min_size=1),
    st.sampled_from([0, 3_000]),
)
def test_what_a_pattern_names_is_found_where_parts_of_one_content_cut_it(
    place: str, role: Role, cuts: set[int], filler: int
) -> None:
    text = "tell me of zanzibarpayload now"
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(edges)]
    parts[0] = "so it was. " * (filler // 11) + parts[0]
    parts[-1] += " so it was." * (filler // 11)
    made = compiled(pattern("zanzibarpayload", direction=Direction.BOTH))
    messages = [Message(role, part, place.format(number)) for number, part in enumerate(parts)]
    decision = made.inspect(messages, Direction.PROMPT)
    assert decision.blocked
    assert explain(decision, made, messages).reasons[0].snippet == "zanzibarpayload"


def test_what_was_only_searched_for_patterns_is_read_where_it_stands_alone() -> None:
    made = compiled(near("tell me of the marble cellar under the old mill"))
    parts = ["tell me of the marble cel", "lar under the old mill"]
    cut = [Message(Role.USER, part, f"messages[0].content[{number}].text") for number, part in enumerate(parts)]
    made.inspect(cut, Direction.PROMPT)
    assert made.inspect(said("".join(parts)), Direction.PROMPT).blocked
