"""A gateway that starts with another embedder than the stored policies were made for moves them first."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sisf.bootstrap import store_of_settings
from sisf.cli.policy_code import move_to_the_embedder_in_use
from sisf.embedding.factory import create_embedder
from sisf.embedding.hashing import HashEmbedder
from sisf.policy import Action, Change, Condition, Direction, GateReport, Pattern, Policy, Prototypes, Status
from sisf.settings import Settings, load
from sisf.store import Store

ATTACK = "zorble the quux with frobnicated grommets"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(overrides={"store.url": f"sqlite:///{tmp_path / 'upgrade.db'}", "embedder.name": "hash"})


@contextlib.contextmanager
def stored(settings: Settings) -> Iterator[Store]:
    with contextlib.closing(store_of_settings(settings)) as store:
        yield store


def policy(name: str, condition: Condition) -> Policy:
    return Policy(
        condition, Action.BLOCK, Direction.PROMPT, "x", id=name, status=Status.ACTIVE, gate_report=GateReport(True)
    )


def prototypes(examples: tuple[str, ...]) -> Prototypes:
    former = HashEmbedder(64)
    vectors = former.embed([ATTACK]).astype("<f4").tobytes()
    return Prototypes(former.id, former.dimensions, vectors, 0.9, examples)


def test_what_can_be_moved_is_in_force_and_the_rest_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with stored(settings) as store:
        policies = (
            policy("moves", prototypes((ATTACK,))),
            policy("cannot", prototypes(())),
            policy("pattern", Pattern("frobnicated")),
        )
        store.policies.commit(Change(policies, "loop", "x"), expected=0)
    move_to_the_embedder_in_use(settings)
    told = capsys.readouterr().err
    assert "2 stored policies were made for another embedder than hash" in told
    assert "could not move cannot" in told
    with stored(settings) as store:
        snapshot = store.policies.snapshot()
        assert {p.id for p in snapshot.active} == {"moves", "pattern"}
        (moved,) = [p.condition for p in snapshot.active if isinstance(p.condition, Prototypes)]
        assert moved.embedder == create_embedder("hash").id
    move_to_the_embedder_in_use(settings)
    assert capsys.readouterr().err == ""
    with stored(settings) as store:
        assert store.policies.snapshot().revision == snapshot.revision
