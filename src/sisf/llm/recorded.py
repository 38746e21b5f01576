"""A model that replays the answers of a data set: experiments with a real model's words, without the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.exchange import Exchange, Message
from sisf.llm.base import Completion
from sisf.llm.unaligned import UnalignedModel


class RecordedModel:
    """Answers a known prompt with its recorded response and every other one as `unaligned` does."""

    id = "recorded"

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = {_key(prompt): answer for prompt, answer in answers.items() if answer}
        self._fallback = UnalignedModel()

    def __len__(self) -> int:
        """How many prompts have a recorded answer."""
        return len(self._answers)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """Replay the recorded answer to the last user turn, whole, whatever `max_tokens` says."""
        answer = self._answers.get(_key(Exchange(tuple(messages)).prompt))
        if answer is None or schema is not None:
            return self._fallback.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature)
        return Completion(
            text=answer,
            model=self.id,
            prompt_tokens=sum(len(m.content.split()) for m in messages),
            completion_tokens=len(answer.split()),
        )


def _key(prompt: str) -> str:
    return prompt.strip()
