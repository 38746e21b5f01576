"""The factory gives the judge that the settings name, with its fallbacks."""

import pytest

from sisf.adjudicator.factory import create_adjudicator
from sisf.embedding.hashing import HashEmbedder
from sisf.settings import Adjudication, JudgeModel

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("settings", "environment", "name"),
    [
        (Adjudication(), {}, "local"),
        (Adjudication(), {"OPENAI_API_KEY": "k"}, "llm:gpt-4o>local"),
        (Adjudication(llm=JudgeModel(base_url="http://127.0.0.1:9/v1", model="m")), {}, "llm:m>local"),
        (Adjudication(judge="llm", fallback=()), {}, "llm:gpt-4o"),
        (Adjudication(judge="local", fallback=("llm",)), {}, "local>llm:gpt-4o"),
    ],
)
def test_names(settings: Adjudication, environment: dict[str, str], name: str) -> None:
    assert create_adjudicator(settings, embedder=HashEmbedder(), environment=environment).name == name
