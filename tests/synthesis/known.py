"""Knowledge held in lists, and breaches made of words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sisf.exchange import Exchange, Sender
from sisf.policy import Policy
from sisf.taxonomy import Hazard
from sisf.verdict import Breach, Outcome, Verdict

TOPICS = ["bread", "gardens", "history", "music", "chess", "weather", "cycling", "painting", "stars", "birds"]
FORMS = ["explain {} number {} to a child", "write a poem on {} in {} lines", "list {1} facts on {0} for my class"]
BENIGN = [form.format(topic, number) for form in FORMS for topic in TOPICS for number in range(60)]
ANSWERS = [f"here are {number} honest remarks about {topic} for you" for topic in TOPICS for number in range(120)]


def breach(
    prompt: str, answer: str | None = None, principal: str = "anna", hazard: Hazard = Hazard.NON_VIOLENT_CRIMES
) -> Breach:
    """A breach by one client; with `Hazard.OTHER` the judge names no hazard."""
    return Breach(Exchange.of(prompt, answer, principal=principal), Verdict(Outcome.BREACH, "test", hazard))


@dataclass
class Known:
    """Knowledge held in lists."""

    found: list[Breach] = field(default_factory=list)
    in_force: list[Policy] = field(default_factory=list)
    benign: Sequence[str] = tuple(BENIGN)
    answers: Sequence[str] = tuple(ANSWERS)

    def breaches(self) -> Sequence[Breach]:
        """Oldest first."""
        return self.found

    def policies(self) -> Sequence[Policy]:
        """In force."""
        return self.in_force

    def benign_prompts(self) -> Sequence[str]:
        """Benign prompts."""
        return self.benign

    def benign_responses(self) -> Sequence[str]:
        """Benign answers."""
        return self.answers

    def familiar(self, _sender: Sender, _instruction: str) -> bool:
        """Whether others hear it, too."""
        return False
