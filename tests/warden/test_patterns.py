"""Patterns from strangers: within limits, linear, and never near `re`."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.errors import PolicyError
from sisf.policy import Direction
from sisf.warden import patterns
from tests.warden.samples import compiled, pattern, said, shadowed

HOSTILE = [
    "",
    "(",
    "a" * 600,
    r"(a+)+\1",
    "(?=x)y",
    ".*",
    "x*",
    "a|",
    "(a{1,50}){1,50}",
    "a{65}",
    "((a{8}){8}){8}",
    r"\pL{1,60}\pN{1,60}\pS{1,60}",
    "(?:a|b).{0,60}(?:c|d).{0,60}e.{0,60}",
    "\ud800",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_patterns_are_refused(hostile: str) -> None:
    with pytest.raises(PolicyError):
        patterns.validate(hostile)


@pytest.mark.parametrize(
    "fair",
    [
        r"(?i)\bhow (?:to|do i)\b.{0,40}\b(?:bomb|explosive)s?\b",
        r"(?i)ignore (?:all|any) (?:previous|prior) instructions",
        r"[A-Z]{3}-\d{4,8}",
        r"(a+)+$",
        r"\$\{[^}]{1,60}\}",
    ],
)
def test_fair_patterns_pass(fair: str) -> None:
    patterns.validate(fair)


@pytest.mark.parametrize(
    ("pattern_text", "highest"),
    [("a{3}", 3), ("(a{3}){4}", 12), ("(a{3}b{5}){2,4}", 20), (r"a\{3}", 1), ("[{9}]", 1), ("((a{2}){3}){4}c{5}", 24)],
)
def test_nested_counts_multiply(pattern_text: str, highest: int) -> None:
    assert patterns.repetition(pattern_text) == highest


def random_pattern(rng: random.Random) -> str:
    parts = [
        "a",
        "b",
        ".",
        r"\w",
        r"\s",
        "[ab]",
        "[^a]",
        "(?:",
        ")",
        "(",
        "|",
        "*",
        "+",
        "?",
        "{0,40}",
        "{30}",
        "^",
        r"\b",
    ]
    return "".join(rng.choices(parts, k=rng.randint(1, 20)))


def accepted_and_large(count: int, seed: int) -> list[str]:
    """The patterns of `count` that pass although their automata are large, or find something in nothing. RE2 takes at
    most a step for each instruction and byte."""
    rng = random.Random(seed)
    text = "".join(rng.choices("ab ", k=2_000)).encode()
    large = []
    for _ in range(count):
        made = random_pattern(rng)
        try:
            patterns.validate(made)
        except PolicyError:
            continue
        patterns.PatternLayer.compile([made]).search(text)
        compiled_alone = patterns.compile_one(made)
        size = max(compiled_alone.programsize, compiled_alone.reverseprogramsize)
        if size > patterns.MAX_PROGRAM or compiled_alone.search("") is not None:
            large.append(made)
    return large


def test_nothing_large_is_accepted() -> None:
    assert accepted_and_large(400, seed=1) == []


def test_what_takes_long_on_a_provoking_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "worst_cost", lambda _: patterns.MAX_BYTE_US + 0.1)
    with pytest.raises(PolicyError, match="µs a byte"):
        patterns.validate("lock")


def test_patterns_that_passed_no_gate_stay_linear_in_shadow() -> None:
    """Nobody should put them there; if somebody does, the text is inspected all the same, and they block nothing. What
    tries all ways would take longer than the time limit of a test."""
    letters = "abcdefgh"
    hostile = [
        shadowed(pattern(rf"(?:{a}|{b}).{{0,90}}{b}.{{0,90}}{a}{b}.{{0,90}}z"))
        for a, b in itertools.permutations(letters[:5], 2)
    ]
    policy_set = compiled(*hostile, pattern("lock"))
    text = "".join(random.Random(1).choices(letters, k=3_000))
    decision = policy_set.inspect(said(f"{text} lock"), Direction.PROMPT)
    assert decision.blocked


@pytest.mark.soak
def test_of_ten_thousand_hostile_patterns_none_large_is_accepted_and_none_reaches_re(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import re

    def refuse(given: object, *_: object) -> object:
        raise AssertionError(f"re was asked to compile {given!r}")

    monkeypatch.setattr(re, "_compile", refuse)
    assert accepted_and_large(10_000, seed=2) == []


def test_automata_that_need_too_much_memory_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_SET_MEMORY", 1 << 16)
    large = [rf"\b\d{{{i % 5 + 1}}}\w{{1,9}}\d{{{i // 5 + 1}}}\b" for i in range(40)]
    (layer,) = patterns.build(large)
    assert len(layer.loose) > 1
    assert sorted(i for _, numbers in layer.loose for i in numbers) == list(range(40))
    assert large[7] in layer.search(b"123xyz45")
    assert patterns.PatternLayer.compile(large).search(b"nothing") == []


LETTERS = [*"k K \u212a s ſ ß ẞ ss i I İ ı é É е Е σ ς Σ ab".split(), " "]
PIECES = [*LETTERS, *r"\b \s+ . .{0,9} [ab] [^k] \w* (?:ab|k) (?:ſs|é|) (?i:é) \d? x{2}".split()]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9))
def test_layers_find_what_each_pattern_alone_finds(seed: int) -> None:
    rng = random.Random(seed)
    made = {
        rng.choice(("", "(?i)")) + "".join(rng.choices(PIECES, k=rng.randint(1, 6))) + rng.choice(("", "|ab", "|ß"))
        for _ in range(40)
    }
    wanted = sorted(made)
    layers = (*patterns.build(wanted[:20]), *patterns.build(wanted[20:]))
    for _ in range(30):
        text = "".join(rng.choices([*LETTERS, "x", "7"], k=rng.randint(0, 12)))
        alone = {p for p in wanted if patterns.compile_one(p).search(text) is not None}
        for arranged in (layers, patterns.build(wanted)):
            assert {p for layer in arranged for p in layer.search(text.encode())} == alone


def test_no_module_of_enforcement_hands_a_policy_to_re(monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    secret = "se[c]ret{1,2}"

    def refuse(given: object, *_: object) -> object:
        raise AssertionError(f"re was asked to compile {given!r}")

    made = compiled(pattern(secret))
    monkeypatch.setattr(re, "_compile", refuse)
    assert made.inspect(said("a secret"), Direction.PROMPT).blocked
