"""The synthesiser that needs no language model.

After every breach two linear probes are learned again, one on prompts and one on answers, and replace the ones before.
What is known before the first breach is the shipped corpus: harmful requests, their benign twins, and answers of both
kinds; one breach brings all of that to bear.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from sisf import corpus
from sisf.embedding.base import Embedder
from sisf.policy import Action, Direction, Pattern, Policy, Probe, Provenance, Status
from sisf.synthesis.base import Knowledge
from sisf.synthesis.induction import in_words, induce
from sisf.synthesis.learner import Learned, ProbeLearner, Recipe
from sisf.synthesis.reference import TextBank
from sisf.synthesis.rows import Origin
from sisf.verdict import Breach

_SHOWN = 5
_EXAMPLES = 3
_MAX_BREACHES = 2_000
"""The newest breaches are learned from, so that neither time nor size grows without end."""
_NAMED = 100
"""The newest breaches are named in the provenance."""
_FREE_BREACHES = 20
_PRINCIPAL_SHARE = 0.2
"""Of the weight of all breaches, what one principal may bring once it brought more than `_FREE_BREACHES`."""


class LocalSynthesiser:
    """Learns one probe per direction from all breaches, the benign reference and the shipped corpus."""

    name = "local"

    def __init__(
        self,
        embedder: Embedder,
        *,
        seed: int = 0,
        learn_answers: bool = True,
        prompts: Recipe | None = None,
        answers: Recipe | None = None,
    ) -> None:
        self._learners = {
            Direction.PROMPT: ProbeLearner(embedder, prompts or Recipe(), seed=seed),
            Direction.RESPONSE: ProbeLearner(embedder, answers or Recipe(), seed=seed),
        }
        self._learned = tuple(self._learners) if learn_answers else (Direction.PROMPT,)
        self._taught = False
        self._benign_seen = {Direction.PROMPT: 0, Direction.RESPONSE: 0}

    def prepare(self, knowledge: Knowledge) -> None:
        """Embed the reference and the corpus: seconds, once. `synthesise` does it when nobody did before."""
        self._teach(knowledge)

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """At most one probe per direction, each replacing the one before it."""
        self._teach(knowledge)
        breaches = knowledge.breaches()[-_MAX_BREACHES:]
        proposals = []
        for direction in self._learned:
            policy = self._learn(direction, breach, breaches, knowledge)
            if policy is not None:
                proposals.append(policy)
        return [*proposals, *self._patterns(breach, breaches, proposals, knowledge)]

    def _patterns(
        self, breach: Breach, breaches: Sequence[Breach], proposals: Sequence[Policy], knowledge: Knowledge
    ) -> Sequence[Policy]:
        """A readable pattern where the probe would not stop the breach it was learned from."""
        prompt = breach.exchange.prompt
        embedder = self._learners[Direction.PROMPT].rows.embedder
        bank = TextBank(embedder)
        bank.extend([prompt])
        if not prompt.strip() or any(p.direction.covers(Direction.PROMPT) and bank.matches(p).any() for p in proposals):
            return []
        pattern = induce(prompt, [b.exchange.prompt for b in breaches], knowledge.benign_prompts())
        if pattern is None:
            return []
        return [
            Policy(
                Pattern(pattern),
                Action.BLOCK,
                Direction.PROMPT,
                f"Requests that name {in_words(pattern)}, as one did that breached the model",
                hazard=breach.verdict.hazard,
                technique=breach.verdict.technique,
                provenance=Provenance((breach.id,), self.name),
            )
        ]

    def _teach(self, knowledge: Knowledge) -> None:
        benign = {Direction.PROMPT: knowledge.benign_prompts(), Direction.RESPONSE: knowledge.benign_responses()}
        for direction in self._learned:
            self._learners[direction].rows.add(benign[direction][self._benign_seen[direction] :], Origin.REFERENCE)
            self._benign_seen[direction] = len(benign[direction])
        if not self._taught:
            items = corpus.contrastive()
            prompts = self._learners[Direction.PROMPT].rows
            prompts.add([i.text for i in items if not i.harmful], Origin.LESSON)
            prompts.add([i.text for i in items if i.harmful], Origin.WORLD)
            if Direction.RESPONSE in self._learned:
                answers = self._learners[Direction.RESPONSE].rows
                answers.add([a.text for a in corpus.answers() if a.label == "safe"], Origin.LESSON)
            self._taught = True

    def _learn(
        self, direction: Direction, breach: Breach, breaches: Sequence[Breach], knowledge: Knowledge
    ) -> Policy | None:
        texts = _texts(direction, breaches)
        if not _text(direction, breach) or not self._benign_seen[direction]:
            return None  # nothing to learn from, or nothing to calibrate on
        learner = self._learners[direction]
        learner.rows.add(list(texts), Origin.BREACH)
        learned = learner.learn(texts, list(texts)[-_EXAMPLES:])
        replaced = tuple(p.id for p in knowledge.policies() if self._mine(p, direction))
        return Policy(
            learned.probe,
            Action.BLOCK,
            direction,
            _describe(direction, len(texts), learned),
            hazard=breach.verdict.hazard,
            technique=breach.verdict.technique,
            provenance=Provenance(tuple(b.id for b in breaches[-_NAMED:]), self.name, supersedes=replaced),
        )

    def _mine(self, policy: Policy, direction: Direction) -> bool:
        return (
            policy.provenance.synthesiser == self.name
            and policy.direction is direction
            and isinstance(policy.condition, Probe)
            and policy.status in {Status.ACTIVE, Status.SHADOW}
        )


def _text(direction: Direction, breach: Breach) -> str:
    text = breach.exchange.prompt if direction is Direction.PROMPT else breach.exchange.response or ""
    return text.strip()


def _texts(direction: Direction, breaches: Sequence[Breach]) -> Mapping[str, float]:
    """Each breaching text with its share of a breach's weight: no principal brings more than its part."""
    counts = Counter(b.exchange.principal for b in breaches)
    limit = max(_FREE_BREACHES, _PRINCIPAL_SHARE * len(breaches))
    shares: dict[str, float] = {}
    for breach in breaches:
        text = _text(direction, breach)
        if text:
            shares[text] = max(shares.get(text, 0.0), min(1.0, limit / counts[breach.exchange.principal]))
    return shares


def _describe(direction: Direction, count: int, learned: Learned) -> str:
    words = ", ".join(f"“{gram}”" for gram in learned.strongest[:_SHOWN])
    what = "Requests like" if direction is Direction.PROMPT else "Answers like"
    return f"{what} the {count} that breached the model; strongest words: {words}"
