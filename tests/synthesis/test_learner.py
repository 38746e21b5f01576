"""What a probe reaches that was fitted to breaches alone."""

from sisf.embedding.hashing import HashEmbedder
from sisf.synthesis.learner import Base, ProbeLearner, Recipe
from sisf.synthesis.text_bank import TextBank
from sisf.synthesis.training_rows import Origin, TrainingRows
from sisf.taxonomy import Hazard
from tests.synthesis.known import BENIGN

BREACHES = [f"glimmering teapots {n} sing quietly beneath seven lanterns of amber dusk" for n in range(3)]
FILES = [f"static struct buffer {n} return inline char pointer teapots lanterns" for n in range(100)]
"""Unlike anything of the reference, and a little like the breaches."""


def test_what_breaches_alone_teach_stays_near_them() -> None:
    embedder = HashEmbedder()
    rows = TrainingRows(embedder)
    rows.add(BENIGN, Origin.REFERENCE)
    rows.add(BREACHES, Origin.BREACH)
    learner = ProbeLearner(rows, Hazard.HATE, Recipe(), Base(rows, Recipe()))
    probe = learner.learn(dict.fromkeys(BREACHES, 1.0), BREACHES, world=False, hazards=1)
    assert probe is not None
    bank = TextBank(embedder)
    bank.extend([*BREACHES, *FILES])
    blocked = bank.scores(probe) >= probe.threshold
    assert blocked[: len(BREACHES)].all()
    assert blocked[len(BREACHES) :].mean() < 0.2  # all of them just above the reference's honest texts
