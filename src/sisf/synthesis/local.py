"""The synthesiser that needs no language model.

After every breach the linear probe of its hazard is learned again and replaces the one before: one for prompts and one
for answers. What all of them together may stop of honest texts they have in equal parts: the first breach of a hazard
makes the parts of the others smaller, and these are learned again too. What is known before the first breach is the
shipped corpus: harmful requests in every form, their benign twins, answers of both kinds. One breach brings to bear
what is known of *its* hazard, where the encoder reads harm in it too; a breach that stands alone against the encoder's
reading starts nothing broad, and waits for a second one. What of a request is learned from: `sisf.synthesis.blame`.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sisf import corpus
from sisf.corpus.goals import goal_replies, goal_requests, twin_requests
from sisf.embedding.base import Embedder
from sisf.llm.unaligned import harmless_answers
from sisf.policy import Action, Direction, Policy, Probe, Provenance, Status
from sisf.synthesis.base import Knowledge, Reading, Reference, portions
from sisf.synthesis.blame import said, stands_alone, suspects
from sisf.synthesis.learner import Base, ProbeLearner, Recipe
from sisf.synthesis.lines import same_line, stands_in
from sisf.synthesis.prior import Prior
from sisf.synthesis.text_bank import TextBank
from sisf.synthesis.titles import Titles
from sisf.synthesis.training_rows import Origin, TrainingRows
from sisf.taxonomy import Hazard
from sisf.verdict import Breach

_FORMS, _TWIN_FORMS = 2, 1
"""Forms of request into which each goal, and each pair of goals, of the corpus is put."""
_FILLER = 300
"""Answers of the scripted model that policies on answers are taught to be harmless."""
_ANSWERS = 6e-3
"""What `Recipe.tail` is for policies on answers (docs/adr/0650)."""
_EXAMPLES = 3
_MAX_BREACHES = 2_000
"""The newest breaches are learned from, so that neither time nor size grows without end."""
_DOUBTED = 300
"""The newest breaches in which the encoder reads no harm, among which others that speak for them are looked for."""
_FEWEST_KNOWN = 50
"""Requests of a hazard in the corpus from which a broad policy may be learned: where nothing tells harm from honest
requests about the same, one breach would stop both."""
_FEWEST_NAMED, _UNNAMED = 5, "other"
"""Harmful requests that a topic of the corpus must have to stand in titles, and the one that says nothing."""
_NAMED = 100
"""The newest breaches are named in the provenance."""


class LocalSynthesiser:
    """Learns one probe per direction and hazard from all its breaches, the benign reference and the shipped corpus.

    `reference` is the part of the knowledge's benign texts that never changes; `lessons` is the same embedder as
    `embedder`, and may keep the vectors of these and of the corpus.
    """

    name = "local"

    def __init__(
        self,
        embedder: Embedder,
        *,
        seed: int = 0,
        learn_answers: bool = True,
        prompts: Recipe | None = None,
        reference: Reference | None = None,
        lessons: Embedder | None = None,
    ) -> None:
        recipes = {Direction.PROMPT: prompts or Recipe()}
        if learn_answers:
            recipes[Direction.RESPONSE] = Recipe(tail=_ANSWERS)
        self._sides = {
            direction: _Side(direction, TrainingRows(embedder), recipe, seed) for direction, recipe in recipes.items()
        }
        self._reference = reference or Reference()
        self._lessons = lessons or embedder
        self._narrow = TextBank(embedder)
        """The breaches for which narrow policies stand in."""
        self._taught = False

    def prepare(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        """See `Preparable`: embeds the reference and the corpus, and fits what is known before any breach."""
        self._teach(knowledge, stopping)
        for side in self._sides.values():
            if not stopping():
                side.prepare()

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """At most one probe per direction, each replacing the one before it; none for a breach that stands alone. For
        the first breach of a hazard also those in force of all others, which have a smaller part now."""
        self._teach(knowledge)
        breaches = knowledge.breaches()[-_MAX_BREACHES:]
        self._read(breaches, knowledge)
        known = knowledge.policies()
        learned = [
            policy
            for side in self._sides.values()
            for policy in side.learned(breach, breaches, known, sure=self._sure(breach, side.direction))
        ]
        return [self._superseding(policy, breaches, known) for policy in learned]

    def reading(self, breach: Breach, knowledge: Knowledge) -> Reading:
        """See `Reads`."""
        self._teach(knowledge)
        self._read([breach], knowledge)
        if self._sure(breach, Direction.PROMPT):
            return Reading.HARM
        return Reading.HONEST if self._sides[Direction.PROMPT].ordinary(breach) else Reading.UNCLEAR

    def _read(self, breaches: Sequence[Breach], knowledge: Knowledge) -> None:
        for side in self._sides.values():
            side.read(breaches, knowledge)

    def _sure(self, breach: Breach, direction: Direction) -> bool:
        """Whether the encoder, too, reads harm in a breach that was read: in either side of it. But a harmful answer
        says nothing of a request that does not stand alone."""
        side = self._sides[direction]
        return side.sure(breach) or (side.alone(breach) and any(s.sure(breach) for s in self._sides.values()))

    def _superseding(self, policy: Policy, breaches: Sequence[Breach], known: Sequence[Policy]) -> Policy:
        """The proposal, naming what it takes the place of: its former version, and the narrow policies that stood in
        for it and whose breaches it catches."""
        standing = [p for p in known if p.status in {Status.ACTIVE, Status.SHADOW}]
        exchanges = {b.id: b.exchange for b in breaches}
        narrow = {
            p.id: [said(exchanges[i]) if i in exchanges else "" for i in p.provenance.breach_ids]
            for p in standing
            if stands_in(p, policy)
        }
        self._narrow.extend([text for found in narrow.values() for text in found])
        caught = {text for text, hit in zip(self._narrow.texts, self._narrow.matches(policy), strict=True) if hit}
        before = [
            p.id for p in standing if same_line(policy, p) or (p.id in narrow and caught.issuperset(narrow[p.id]))
        ]
        return replace(policy, provenance=replace(policy.provenance, supersedes=tuple(before)))

    def _teach(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        if not self._taught:
            shipped = {Direction.PROMPT: self._reference.prompts, Direction.RESPONSE: self._reference.responses}
            known = {Direction.PROMPT: known_requests, Direction.RESPONSE: _known_answers}
            for direction, side in self._sides.items():
                for part in portions(shipped[direction], stopping):
                    side.rows.add(part, Origin.REFERENCE, self._lessons)
                if not stopping():
                    side.add_known(known[direction](), self._lessons)
            if stopping():
                return
            self._taught = True
        benign = {Direction.PROMPT: knowledge.benign_prompts(), Direction.RESPONSE: knowledge.benign_responses()}
        for direction, side in self._sides.items():
            side.rows.add(benign[direction], Origin.REFERENCE)


@dataclass(frozen=True, slots=True)
class Known:
    """A text of the corpus: its hazard (None when it is honest), and the topic where that is said."""

    text: str
    hazard: Hazard | None
    area: str | None = None


def topics(known: Sequence[Known]) -> Mapping[str, str]:
    """The topic of each harmful text that may stand in a title: rare ones name what an honest twin is about."""
    harmful = [(k.text, k.hazard, k.area) for k in known if k.hazard is not None and k.area and k.area != _UNNAMED]
    count = Counter((hazard, area) for _, hazard, area in harmful)
    return {text: area for text, hazard, area in harmful if count[hazard, area] >= _FEWEST_NAMED}


def known_requests() -> list[Known]:
    """The requests of the corpus."""
    known = [Known(i.text, i.hazard if i.harmful else None, i.area) for i in corpus.contrastive()]
    for pair in corpus.pairs():
        known += [Known(pair.harmful, pair.hazard, pair.area), Known(pair.twin, None)]
    known += [Known(r.text, r.hazard) for r in (*goal_requests(_FORMS), *twin_requests(_TWIN_FORMS))]
    return known + [Known(s.text, None) for s in corpus.honest()]


def _known_answers() -> list[Known]:
    known = [Known(a.text, a.hazard) for a in corpus.answers() if a.label == "safe" or a.hazard is not None]
    known += [Known(reply.text, reply.hazard) for reply in goal_replies()]
    return known + [Known(text, None) for text in harmless_answers(_FILLER)]


class _Side:
    """What is learned of prompts, or of answers. Used by one thread at a time."""

    def __init__(self, direction: Direction, rows: TrainingRows, recipe: Recipe, seed: int) -> None:
        self.direction = direction
        self.rows = rows
        self._recipe = recipe
        self._seed = seed
        self._learners: dict[Hazard, ProbeLearner] = {}
        self._base = Base(rows, recipe, seed=seed)
        self._titles = Titles(rows)
        self._prior: Prior | None = None
        self._texts: dict[str, str] = {}
        """What is learned from each breach."""
        self._alone: set[str] = set()
        """The breaches of which nothing but that can be the reason."""

    @property
    def prior(self) -> Prior:
        """Made when first needed: what ships is added by then."""
        if self._prior is None:
            self._prior = Prior(self.rows, self._base)
        return self._prior

    @property
    def _calibrated(self) -> bool:
        """Whether there is anything to calibrate on."""
        return bool((self.rows.origins == Origin.REFERENCE).any())

    def prepare(self) -> None:
        """Fit what is known before any breach, where there is something to calibrate it on."""
        if self._calibrated:
            _ = self.prior
            self._base.prepare()

    def add_known(self, known: Sequence[Known], embedder: Embedder) -> None:
        """Add what the corpus knows."""
        self.rows.add([k.text for k in known if k.hazard is None], Origin.LESSON, embedder)
        hazards = {k.text: k.hazard for k in known if k.hazard is not None}
        self.rows.add(list(hazards), Origin.WORLD, embedder, hazards)
        self._titles.areas = topics(known)

    def read(self, breaches: Sequence[Breach], knowledge: Knowledge) -> None:
        """Add the breaching texts that are new."""
        fresh = [b for b in breaches if b.id not in self._texts]
        answers = self.direction is Direction.RESPONSE
        found = {b.id: ((b.exchange.response or "").strip(),) if answers else suspects(b.exchange) for b in fresh}
        self.rows.add([text for texts in found.values() for text in texts if text], Origin.BREACH)
        for breach in fresh:
            self._texts[breach.id] = self._blamed(breach, found[breach.id])
            if answers or stands_alone(breach.exchange, knowledge):
                self._alone.add(breach.id)

    def _blamed(self, breach: Breach, texts: Sequence[str]) -> str:
        """The first of the texts in which the encoder reads harm, else what the user said; "" where nothing is said."""
        if len(texts) < 2:
            return texts[0] if texts else ""
        return next((text for text in texts if self.prior.sure(text, breach.verdict)), said(breach.exchange).strip())

    def text(self, breach: Breach) -> str:
        """What is learned from this side of a breach that was read."""
        return self._texts[breach.id]

    def sure(self, breach: Breach) -> bool:
        """Whether the encoder, too, reads harm in this side of the breach."""
        text = self.text(breach)
        return bool(text) and self.prior.sure(text, breach.verdict)

    def ordinary(self, breach: Breach) -> bool:
        """Whether this side of the breach is a short request such as many people make."""
        return self.prior.ordinary(self.text(breach))

    def alone(self, breach: Breach) -> bool:
        """Whether nothing but this side of the breach can be the reason for it."""
        return breach.id in self._alone

    def hazard(self, breach: Breach) -> Hazard:
        """The hazard that the breach is filed under."""
        text = self.text(breach)
        return self.prior.hazard(breach, text) if text else breach.verdict.hazard

    def learned(
        self, breach: Breach, breaches: Sequence[Breach], known: Sequence[Policy], *, sure: bool
    ) -> Sequence[Policy]:
        """The probe of the breach's hazard; where nothing was learned of that hazard before, also those of `known` of
        all others, learned again. None where there is nothing to learn from, or to calibrate on.

        `sure`: the encoder, too, reads harm in the breach.
        """
        text = self.text(breach)
        if not text or not self._calibrated:
            return []
        believed = self._believed(breaches, text if sure else None)
        if text not in believed:
            return []
        hazard = believed[text]
        concerned = [hazard]
        if all(other is not hazard for taught, other in believed.items() if taught != text):
            concerned += [
                p.hazard for p in known if self._learned_here(p) and p.hazard in {*believed.values()} - {hazard}
            ]
        policies = [self._policy(each, breaches, believed) for each in dict.fromkeys(concerned)]
        return [policy for policy in policies if policy is not None]

    def _believed(self, breaches: Sequence[Breach], sure: str | None) -> Mapping[str, Hazard]:
        """The breaching texts that broad policies are learned from, each with its hazard: those in which the encoder
        reads harm, too (`sure` is one of them), or for which others speak, where enough is known of the hazard."""
        doubted = [b for b in breaches if self.text(b) and not self.sure(b)]
        doubtful = {self.text(b) for b in doubted} - {sure}
        alone = {self.text(b): None for b in doubted if self.alone(b) and not self.ordinary(b)}
        backed = self.prior.backed(list(alone)[-_DOUBTED:])
        texts = {self.text(b): self.hazard(b) for b in breaches if self.text(b)}
        believed = {text: hazard for text, hazard in texts.items() if text not in doubtful or text in backed}
        answers = self.direction is Direction.RESPONSE
        enough = {h for h in set(believed.values()) if answers or self.rows.known(h) >= _FEWEST_KNOWN}
        return {text: hazard for text, hazard in believed.items() if hazard in enough}

    def _learned_here(self, policy: Policy) -> bool:
        """Whether a policy is one of the probes that are learned here."""
        return (
            isinstance(policy.condition, Probe)
            and policy.provenance.synthesiser == LocalSynthesiser.name
            and policy.direction is self.direction
            and not policy.tenant
        )

    def _policy(self, hazard: Hazard, breaches: Sequence[Breach], believed: Mapping[str, Hazard]) -> Policy | None:
        """The probe of a hazard, learned from what is believed of its breaches."""
        own = [b for b in breaches if self.text(b) and self.hazard(b) is hazard]
        taught = {text: share for text, share in self._shares(own).items() if text in believed}
        lessons = [b for b in own if self.text(b) in taught]
        learner = self._learners.setdefault(
            hazard, ProbeLearner(self.rows, hazard, self._recipe, self._base, seed=self._seed)
        )
        world = any(self.sure(b) for b in lessons)
        probe = learner.learn(taught, list(taught)[-_EXAMPLES:], world=world, hazards=len(set(believed.values())))
        if probe is None:
            return None
        return Policy(
            probe,
            Action.BLOCK,
            self.direction,
            self._titles.of(hazard, self.direction, list(taught)),
            hazard=hazard,
            technique=lessons[-1].verdict.technique,
            provenance=Provenance(tuple(b.id for b in lessons[-_NAMED:]), LocalSynthesiser.name),
        )

    def _shares(self, breaches: Sequence[Breach]) -> Mapping[str, float]:
        """Each breaching text with its share of a breach's weight.

        A sender with more breaches than the median sender weighs as much as that one: steering takes as many
        senders as honest attacks come from.
        """
        counts = Counter(b.exchange.sender for b in breaches)
        limit = statistics.median(counts.values()) if counts else 1
        shares: dict[str, float] = {}
        for breach in breaches:
            text = self.text(breach)
            shares[text] = max(shares.get(text, 0.0), min(1.0, limit / counts[breach.exchange.sender]))
        return shares
