"""The synthesiser that needs no language model.

After every breach the linear probe of its kind of speech is learned again and replaces the one before: prompts that
begin with an order have one, all others another; answers have one. What is known before the first breach is the shipped
corpus: harmful requests in every form, their benign twins, and harmless answers; one breach brings all of that to bear.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sisf import corpus
from sisf.corpus.goals import goal_requests
from sisf.embedding.base import Embedder
from sisf.llm.unaligned import harmless_answers
from sisf.policy import Action, Direction, Pattern, Policy, Provenance, Status
from sisf.synthesis.base import Knowledge
from sisf.synthesis.induction import in_words, induce
from sisf.synthesis.learner import Learned, ProbeLearner, Recipe
from sisf.synthesis.speech import Speech, same_line
from sisf.synthesis.text_bank import TextBank
from sisf.synthesis.training_rows import Origin, TrainingRows
from sisf.verdict import Breach

_SPOKEN = {
    Speech.ORDERS: "Requests that begin with an order,",
    Speech.OTHERS: "Requests that do not begin with an order,",
    Speech.ANY: "Requests",
}
_FORMS = 3
"""Forms of request into which each goal of the corpus is put."""
_FILLER = 300
"""Answers of the scripted model that policies on answers are taught to be harmless."""
_SHOWN = 5
_EXAMPLES = 3
_MAX_BREACHES = 2_000
"""The newest breaches are learned from, so that neither time nor size grows without end."""
_NAMED = 100
"""The newest breaches are named in the provenance."""


class LocalSynthesiser:
    """Learns one probe per direction and kind of speech from all breaches, the benign reference and the shipped corpus.

    `lessons` is the same embedder as `embedder`, and may keep the vectors of what ships.
    """

    name = "local"

    def __init__(
        self,
        embedder: Embedder,
        *,
        seed: int = 0,
        learn_answers: bool = True,
        prompts: Recipe | None = None,
        answers: Recipe | None = None,
        lessons: Embedder | None = None,
    ) -> None:
        learned: dict[Direction, tuple[Recipe, tuple[Speech, ...]]] = {
            Direction.PROMPT: (prompts or Recipe(), (Speech.ORDERS, Speech.OTHERS))
        }
        if learn_answers:
            learned[Direction.RESPONSE] = (answers or Recipe(), (Speech.ANY,))
        self._rows = {direction: TrainingRows(embedder) for direction in learned}
        self._learners = {
            direction: [ProbeLearner(self._rows[direction], speech, recipe, seed=seed) for speech in kinds]
            for direction, (recipe, kinds) in learned.items()
        }
        self._taught = False
        self._honest: Sequence[str] = ()
        """The corpus' honest requests."""
        self._lessons = lessons or embedder
        self._benign_seen = dict.fromkeys(self._rows, 0)

    def prepare(self, knowledge: Knowledge) -> None:
        """Embed the reference and the corpus: seconds, once. `synthesise` does it when nobody did before."""
        self._teach(knowledge)

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """At most one probe per direction and kind of speech, each replacing the one before it."""
        self._teach(knowledge)
        breaches = knowledge.breaches()[-_MAX_BREACHES:]
        proposals = [p for d in self._learners for p in self._learn(d, breach, breaches, knowledge)]
        return [*proposals, *self._patterns(breach, breaches, proposals, knowledge)]

    def _patterns(
        self, breach: Breach, breaches: Sequence[Breach], proposals: Sequence[Policy], knowledge: Knowledge
    ) -> Sequence[Policy]:
        """A readable pattern where the probe would not stop the breach it was learned from."""
        prompt = breach.exchange.prompt
        embedder = self._rows[Direction.PROMPT].embedder
        bank = TextBank(embedder)
        bank.extend([prompt])
        if not prompt.strip() or any(p.direction.covers(Direction.PROMPT) and bank.matches(p).any() for p in proposals):
            return []
        benign = [*knowledge.benign_prompts(), *self._honest]
        pattern = induce(prompt, [b.exchange.prompt for b in breaches], benign)
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
        for direction, rows in self._rows.items():
            rows.add(benign[direction][self._benign_seen[direction] :], Origin.REFERENCE)
            self._benign_seen[direction] = len(benign[direction])
        if self._taught:
            return
        asked = [(i.text, i.harmful) for i in corpus.contrastive()]
        asked += [(r.text, r.harmful) for r in goal_requests(_FORMS)]
        asked += [(s.text, False) for s in corpus.honest()]
        prompts = self._rows[Direction.PROMPT]
        self._honest = [text for text, harmful in asked if not harmful]
        prompts.add(self._honest, Origin.LESSON, self._lessons)
        prompts.add([text for text, harmful in asked if harmful], Origin.WORLD, self._lessons)
        if Direction.RESPONSE in self._rows:
            answers = [a.text for a in corpus.answers() if a.label == "safe"] + harmless_answers(_FILLER)
            self._rows[Direction.RESPONSE].add(answers, Origin.LESSON, self._lessons)
        self._taught = True

    def _learn(
        self, direction: Direction, breach: Breach, breaches: Sequence[Breach], knowledge: Knowledge
    ) -> Sequence[Policy]:
        texts = _texts(direction, breaches)
        text = _text(direction, breach)
        if not text or not self._benign_seen[direction]:
            return ()  # nothing to learn from, or nothing to calibrate on
        self._rows[direction].add(list(texts), Origin.BREACH)
        proposals = []
        for learner in self._learners[direction]:
            own = learner.of_this_kind(texts)
            learned = learner.learn(own, list(own)[-_EXAMPLES:]) if text in own else None
            if learned is not None:
                policy = Policy(
                    learned.probe,
                    Action.BLOCK,
                    direction,
                    _describe(direction, learner.speech, len(own), learned),
                    hazard=breach.verdict.hazard,
                    technique=breach.verdict.technique,
                    provenance=Provenance(tuple(b.id for b in breaches[-_NAMED:]), self.name),
                )
                proposals.append(_superseding(policy, knowledge.policies()))
        return proposals


def _superseding(policy: Policy, known: Sequence[Policy]) -> Policy:
    """A proposal that names the policies whose place it takes."""
    before = [p.id for p in known if p.status in {Status.ACTIVE, Status.SHADOW} and same_line(policy, p)]
    return replace(policy, provenance=replace(policy.provenance, supersedes=tuple(before)))


def _text(direction: Direction, breach: Breach) -> str:
    text = breach.exchange.prompt if direction is Direction.PROMPT else breach.exchange.response or ""
    return text.strip()


def _texts(direction: Direction, breaches: Sequence[Breach]) -> Mapping[str, float]:
    """Each breaching text with its share of a breach's weight.

    A principal that brings more breaches than the median principal weighs as much as that one: steering takes as many
    principals as honest attacks come from.
    """
    counts = Counter(b.exchange.sender for b in breaches)
    limit = statistics.median(counts.values()) if counts else 1
    shares: dict[str, float] = {}
    for breach in breaches:
        text = _text(direction, breach)
        if text:
            shares[text] = max(shares.get(text, 0.0), min(1.0, limit / counts[breach.exchange.sender]))
    return shares


def _describe(direction: Direction, speech: Speech, count: int, learned: Learned) -> str:
    words = ", ".join(f"“{gram}”" for gram in learned.strongest[:_SHOWN])
    what = "Answers" if direction is Direction.RESPONSE else _SPOKEN[speech]
    return f"{what} like the {count} that breached the model; strongest words: {words}"
