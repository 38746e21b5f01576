"""Policies as data and back: nothing is lost, and what does not belong is refused with its place."""

import dataclasses
import math
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import PolicyError
from sisf.policy import (
    Action,
    Direction,
    Evidence,
    GateReport,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Provenance,
    Status,
    Substitution,
)
from sisf.policy.codec import from_dict, from_json, from_yaml, to_dict, to_json, to_yaml
from sisf.taxonomy import Hazard, Technique

TEXT = st.text(max_size=40)
WORDS = TEXT.filter(str.strip)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FLOAT32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
TIMES = st.datetimes(timezones=st.just(UTC))
IDS = st.from_regex(r"[0-9a-z][0-9A-Za-z_.-]{0,20}", fullmatch=True)


def packed(numbers: list[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


CONDITIONS = st.one_of(
    st.builds(Pattern, WORDS, st.lists(TEXT, max_size=3).map(tuple)),
    st.builds(Substitution, WORDS, TEXT),
    st.builds(
        Prototypes,
        TEXT,
        st.just(3),
        st.lists(FLOAT32, min_size=3, max_size=3).map(packed),
        FLOATS,
        st.lists(TEXT, max_size=3).map(tuple),
    ),
    st.builds(
        Probe,
        TEXT,
        st.just(2),
        st.lists(FLOAT32, min_size=2, max_size=2).map(packed),
        st.dictionaries(TEXT, FLOATS, max_size=4),
        FLOATS,
        FLOATS,
        TEXT,
        st.lists(TEXT, max_size=2).map(tuple),
    ),
)
POLICIES = st.builds(
    Policy,
    condition=CONDITIONS,
    action=st.sampled_from([Action.BLOCK, Action.FLAG, Action.REWRITE]),
    direction=st.sampled_from(Direction),
    description=WORDS,
    hazard=st.sampled_from(Hazard),
    technique=st.sampled_from(Technique),
    id=IDS,
    status=st.sampled_from(Status),
    provenance=st.builds(Provenance, st.lists(TEXT, max_size=2).map(tuple), TEXT, TEXT, st.lists(TEXT).map(tuple)),
    evidence=st.builds(Evidence, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    gate_report=st.none() | st.builds(GateReport, st.booleans(), st.lists(TEXT, max_size=2).map(tuple)),
    tenant=TEXT,
    revision=st.integers(0, 1000),
    created=TIMES,
    updated=TIMES,
)


@given(POLICIES)
def test_json_and_back(policy: Policy) -> None:
    text = to_json(policy)
    assert text.isascii()
    assert from_json(text) == policy


@given(POLICIES)
def test_yaml_and_back(policy: Policy) -> None:
    assert from_dict(from_yaml(to_yaml(to_dict(policy)), "here")) == policy


def minimal(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "condition": {"form": "pattern", "pattern": "x"},
        "action": "block",
        "direction": "prompt",
        "description": "blocks x",
        **changes,
    }
    return {key: value for key, value in data.items() if value is not ...}


def test_what_has_a_default_may_be_left_out() -> None:
    policy = from_dict(minimal())
    assert policy.status is Status.PROPOSED
    assert policy.condition == Pattern("x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be a mapping"),
        (minimal(condition=...), "`condition` is missing"),
        (minimal(action=...), "`action` is missing"),
        (minimal(code="import os"), "unknown key `code`"),
        (minimal(action="explode"), "here.action: Invalid enum value 'explode'"),
        (minimal(action="allow"), "cannot `allow`"),
        (minimal(description=" "), "here.description"),
        (minimal(description=7), "here.description: Expected `str`, got `int`"),
        (minimal(id="../../etc"), "here.id"),
        (minimal(id=""), "here.id"),
        (minimal(condition={"form": "python", "code": "x"}), "here.condition.form: must be one of"),
        (minimal(condition={"pattern": "x"}), "here.condition.form"),
        (minimal(condition={"form": "pattern", "pattern": "x", "flags": "s"}), "unknown key `flags`"),
        (minimal(condition={"form": "pattern", "pattern": ""}), "is empty"),
        (minimal(condition={"form": "pattern"}), "`pattern` is missing"),
        (minimal(condition={"form": "pattern", "pattern": "x", "exceptions": "abc"}), "here.condition.exceptions"),
        (minimal(provenance={"breach_ids": [1]}), "here.provenance.breach_ids"),
        (minimal(provenance={"who": "me"}), "unknown key `who`"),
        (minimal(gate_report={"reasons": []}), "here.gate_report: `passed` is missing"),
        (minimal(created="yesterday"), "here.created"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: object, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        from_dict(data, "here")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": b"123"}, "vectors"),
        ({"vectors": b""}, "vectors"),
        ({"dimensions": 0}, "vectors"),
        ({"vectors": struct.pack("<2f", 1.0, math.nan)}, "not finite"),
        ({"threshold": math.inf}, "threshold"),
    ],
)
def test_vectors_must_be_whole_and_finite(changes: dict[str, Any], message: str) -> None:
    condition = dataclasses.replace(Prototypes("e", 2, struct.pack("<2f", 1.0, 0.0), 0.5), **changes)
    policy = Policy(condition, Action.BLOCK, Direction.PROMPT, "x")
    with pytest.raises(PolicyError, match=message):
        from_dict(to_dict(policy))


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\na: 2", "!!python/object/apply:os.system ['true']", "\x00", "? {a: b}\n: c"]
)
def test_yaml_that_is_not_plain_data_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        from_dict(from_yaml(text, "bundle.yaml"), "bundle.yaml")


def test_times_survive_exactly() -> None:
    policy = dataclasses.replace(from_dict(minimal()), created=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))
    assert from_json(to_json(policy)).created == policy.created
