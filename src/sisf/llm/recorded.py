"""A model that replays the answers of a data set: experiments with a real model's words, without the model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sisf.errors import DataError, quoted, reason
from sisf.exchange import Exchange, Message
from sisf.llm.base import ChatModel, Completion
from sisf.llm.unaligned import UnalignedModel


class RecordedModel:
    """Answers a known prompt with its recorded response and every other one as `fallback` does (`unaligned`)."""

    def __init__(
        self, answers: Mapping[str, str], *, name: str = "recorded", fallback: ChatModel | None = None
    ) -> None:
        self._answers = {_key(prompt): answer for prompt, answer in answers.items() if answer}
        self._name = name
        self._fallback = fallback or UnalignedModel()

    @classmethod
    def from_files(cls, paths: Iterable[Path], *, field: str = "response", name: str = "recorded") -> "RecordedModel":
        """Read `text` (or the last user turn of `messages`) and `field` of each line of JSONL files.

        Lines without an answer are left to the fallback. Raises `DataError` with file and line.
        """
        answers: dict[str, str] = {}
        for path in paths:
            answers.update(_read(path, field))
        return cls(answers, name=name)

    @property
    def id(self) -> str:
        """The model's name."""
        return self._name

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
            model=self._name,
            prompt_tokens=sum(len(m.content.split()) for m in messages),
            completion_tokens=len(answer.split()),
        )


def _key(prompt: str) -> str:
    return prompt.strip()


def _read(path: Path, field: str) -> dict[str, str]:
    answers: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    prompt, answer = _record(line, field, f"{path}:{number}")
                    answers[prompt] = answer
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    return answers


def _record(line: str, field: str, where: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
        text = record["text"] if "text" in record else _last_user(record["messages"])
        answer = record.get(field) or ""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{where}: is not a record with `text` or `messages`") from None
    if not isinstance(text, str) or not isinstance(answer, str):
        raise DataError(f"{where}: `text` and {quoted(field)} must be strings")
    return text, answer


def _last_user(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(next(m["content"] for m in reversed(messages) if m["role"] == "user"))
