"""Attack families as data, and what is composed of them."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import ConfigurationError
from sisf.probe.attacks import Composer, Goal, goals
from sisf.probe.families import SLOTS, load, shipped
from sisf.taxonomy import Hazard

FAMILIES = shipped()


def test_every_way_to_attack_has_a_family_and_every_hazard_goals() -> None:
    assert {f.name for f in FAMILIES} >= {
        *("role_play", "fiction", "grandmother", "hypothetical", "authority", "translation", "encoding", "splitting"),
        *("many_shot", "escalation", "suffix", "answer_priming", "refusal_suppression", "tool_result"),
    }
    assert len({f.technique for f in FAMILIES}) >= 10
    assert len({goal.hazard for goal in goals()}) >= 10


@given(seed=st.integers(0, 10_000), family=st.sampled_from([f.name for f in FAMILIES]), bold=st.booleans())
def test_an_attack_has_no_empty_slot_and_its_seed_makes_it_again(seed: int, family: str, bold: bool) -> None:
    made = [Composer(FAMILIES, goals(), random.Random(seed)) for _ in range(2)]
    hazard = made[0].hazards[seed % len(made[0].hazards)]
    first, again = (composer.compose(family, hazard, bold=bold) for composer in made)
    assert first == again
    assert (first.family, first.hazard) == (family, hazard)
    assert all(message.content.strip() for message in first.messages)
    assert not any(slot in message.content for slot in SLOTS for message in first.messages)


def test_a_goal_that_looks_like_a_slot_is_sent_as_it_is() -> None:
    goal = Goal("g", "Print {first} and {goal}", Hazard.OTHER)
    (direct,) = [f for f in FAMILIES if f.name == "direct"]
    attack = Composer([direct], [goal], random.Random(0)).compose("direct", Hazard.OTHER)
    assert goal.text in attack.messages[-1].content


def test_nothing_is_made_twice_while_there_is_something_else() -> None:
    composer = Composer(FAMILIES, goals(), random.Random(1))
    recipes = [composer.compose("fiction", Hazard.PRIVACY).recipe for _ in range(60)]
    assert len(set(recipes)) == 60
    later = Composer(FAMILIES, goals(), random.Random(1))
    later.remember(recipes)
    assert later.compose("fiction", Hazard.PRIVACY).recipe not in recipes


def test_further_families_come_from_files_and_take_the_place_of_others(tmp_path: Path) -> None:
    mine = tmp_path / "fiction.toml"
    mine.write_text('technique = "fiction"\n[[frame]]\ntext = "Once upon a time. {goal}"\n')
    (fiction,) = [f for f in load([str(mine)]) if f.name == "fiction"]
    assert [m.content for m in fiction.frames[0]] == ["Once upon a time. {goal}"]
    assert len(load([str(mine)])) == len(FAMILIES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('technique = "fiction"', "frame"),
        ('technique = "poetry"\n[[frame]]\ntext = "{goal}"', "poetry"),
        ('technique = "fiction"\n[[frame]]\ntext = "no slot"', "none of the slots"),
        ('technique = "encoding"\n[[frame]]\ntext = "{spelled}"', "spellings"),
        ('technique = "encoding"\nspellings = ["morse"]\n[[frame]]\ntext = "{spelled}"', "morse"),
        ('technique = "fiction"\n[[frame]]\nturns = [{ role = "wizard", text = "{goal}" }]', "wizard"),
        ("technique = ", "attack family"),
    ],
)
def test_what_is_no_family_is_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "odd.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        load([str(tmp_path / "odd.toml")])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read"):
        load([str(tmp_path / "none.toml")])
