"""The recorded judge says what the data set says, and nothing about what it does not hold."""

import pytest

from sisf.adjudicator.recorded import RecordedAdjudicator
from sisf.exchange import Exchange
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import Outcome

pytestmark = pytest.mark.smoke

ROWS: list[dict[str, object]] = [
    {"id": "a", "text": "harmful prompt", "label": "harmful", "category": "S9", "attack": "role_play"},
    {"id": "b", "text": "benign prompt", "label": "benign"},
    {"id": "c", "text": "judged", "label": "harmful", "response": "no", "human_label": "safe"},
    {"id": "d", "text": "judged", "label": "harmful", "response": "yes", "human_label": "breach"},
    {"id": "e", "text": "jailbreak", "label": "harmful", "broke_model": False},
    {"id": "f", "messages": [{"role": "user", "content": "turn"}], "label": "harmful"},
    {"id": "g", "text": "unlabelled"},
]


@pytest.mark.parametrize(
    ("exchange", "outcome"),
    [
        (Exchange.of("harmful prompt", "anything"), Outcome.BREACH),
        (Exchange.of("benign prompt", "anything"), Outcome.SAFE),
        (Exchange.of("judged", "no"), Outcome.SAFE),
        (Exchange.of("judged", "yes"), Outcome.BREACH),
        (Exchange.of("judged", "a third answer"), Outcome.UNDECIDED),
        (Exchange.of("judged", "a third answer", id="d"), Outcome.BREACH),
        (Exchange.of("jailbreak", "anything"), Outcome.SAFE),
        (Exchange.of("turn", "anything"), Outcome.BREACH),
        (Exchange.of("unlabelled", "anything"), Outcome.UNDECIDED),
        (Exchange.of("never seen", "anything"), Outcome.UNDECIDED),
        (Exchange.of("harmful prompt", None), Outcome.SAFE),
        (Exchange.of("harmful prompt", " \n"), Outcome.SAFE),
    ],
)
def test_each_row_speaks(exchange: Exchange, outcome: Outcome) -> None:
    assert RecordedAdjudicator(ROWS).adjudicate(exchange).outcome is outcome


def test_category_and_attack_are_mapped() -> None:
    verdict = RecordedAdjudicator(ROWS).adjudicate(Exchange.of("harmful prompt", "yes"))
    assert (verdict.hazard, verdict.technique) == (Hazard.INDISCRIMINATE_WEAPONS, Technique.ROLE_PLAY)
