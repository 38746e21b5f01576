"""Any causal language model that `transformers` loads, with the paper's sampling. Needs the extra `hf`."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.errors import ConfigurationError, ModelError, quoted
from sisf.exchange import Message
from sisf.llm.base import Completion

_TOKEN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn; the defaults are the paper's."""

    max_tokens: int = 256
    temperature: float = 0.6
    """0 takes the likeliest token each time."""
    top_p: float = 0.9
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these."""
    seed: int | None = None


class HfModel:
    """A model in this process. One answer is written at a time; others wait.

    A model without a chat template (a base model) is given the texts of the messages, one after the other.
    Raises `ConfigurationError` when the extra is missing or the model cannot be loaded.
    """

    def __init__(self, source: str, *, name: str = "", template: str = "", device: str = "auto") -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise ConfigurationError(
                f"{quoted(source)} is none of the models that ship (unaligned, recorded); transformers would load it, "
                f"which needs the extra `hf` (pip install 'sisf[hf]'): {error}"
            ) from None
        self._torch, self._transformers = torch, transformers
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(source)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(source, dtype="auto")
            self._model.to(chosen).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigurationError(f"{source}: is no causal model that transformers can load: {error}") from None
        self._name = name or (Path(source).resolve().name if Path(source).exists() else source)
        self._template = template
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The model's name."""
        return self._name

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 256,
        temperature: float = 0.6,
    ) -> Completion:
        """See `ChatModel.complete`. Raises `ModelError` for a `schema`: such a model has no structured output."""
        if schema is not None:
            raise ModelError(f"{self._name} has no structured output")
        return self.write(self.render(messages), Sampling(max_tokens, temperature))

    def render(self, messages: Sequence[Message]) -> str:
        """The one prompt that messages become: by the template given, else the model's own, else text after text.

        Raises `ModelError` when the template refuses them.
        """
        if not (self._template or self._tokenizer.chat_template):
            return "\n\n".join(message.content for message in messages)
        wire = [{"role": message.role.value, "content": message.content} for message in messages]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    wire, chat_template=self._template or None, tokenize=False, add_generation_prompt=True
                )
            )
        except Exception as error:  # noqa: BLE001 - templates raise what they like
            raise ModelError(f"the chat template of {self._name} refuses these messages: {error}") from None

    def write(self, prompt: str, sampling: Sampling) -> Completion:
        """The whole answer to a prompt."""
        *_, last = self.stream(prompt, sampling)
        assert isinstance(last, Completion)  # noqa: S101 - the last item always is
        return last

    def stream(self, prompt: str, sampling: Sampling) -> Iterator[str | Completion]:
        """The pieces of the answer as they are written, then the whole. Closing the iterator ends the writing."""
        encoded = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not self._begins(prompt))
        encoded = {k: v.to(self._model.device) for k, v in encoded.items() if k in ("input_ids", "attention_mask")}
        count = int(encoded["input_ids"].shape[1])
        room = int(getattr(self._model.config, "max_position_embeddings", 0) or 0)
        if room and count >= room:
            raise ModelError(f"the prompt has {count} tokens; {self._name} reads {room}")
        limit = min(sampling.max_tokens, room - count) if room else sampling.max_tokens
        with self._lock:
            yield from self._generate(encoded, count, limit, sampling)

    def _generate(
        self, encoded: Mapping[str, Any], count: int, limit: int, sampling: Sampling
    ) -> Iterator[str | Completion]:
        ended = threading.Event()
        streamer = self._transformers.TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=_TOKEN_SECONDS
        )
        written: list[int] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                with self._torch.no_grad():
                    if sampling.seed is not None:
                        self._torch.manual_seed(sampling.seed)
                    out = self._model.generate(
                        **encoded,
                        **self._options(limit, sampling),
                        streamer=streamer,
                        stopping_criteria=[_Ended(ended)],
                    )
                written.append(int(out.shape[1]) - count)
            except Exception as error:  # noqa: BLE001 - told to whoever waits for the pieces
                failure.append(error)
                streamer.end()

        thread = threading.Thread(target=run, name=f"generate {self._name}", daemon=True)
        thread.start()
        text = _Text(sampling.stop)
        try:
            for piece in streamer:
                if (fresh := text.add(piece)) != "":
                    yield fresh
                if text.stopped:
                    break
        finally:
            ended.set()
            thread.join()
        if failure:
            raise ModelError(f"{self._name} failed: {type(failure[0]).__name__}: {failure[0]}")
        if rest := text.rest():
            yield rest
        tokens = written[0]
        reason = "length" if tokens >= limit and not text.stopped else "stop"
        yield Completion(text.whole, self._name, count, tokens, reason)

    def _options(self, limit: int, sampling: Sampling) -> dict[str, Any]:
        pad = self._tokenizer.pad_token_id
        options = {"max_new_tokens": limit, "pad_token_id": self._tokenizer.eos_token_id if pad is None else pad}
        if sampling.temperature <= 0:
            return {**options, "do_sample": False}
        # top_k is off: the paper names temperature and top-p alone, the library would add 50.
        drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return {**options, **drawn}

    def _begins(self, prompt: str) -> bool:
        """Whether the template has put the beginning-of-text mark there already."""
        mark = self._tokenizer.bos_token
        return bool(mark) and prompt.startswith(mark)


class _Ended:
    """Tells `generate` to stop."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        import torch

        return torch.full((input_ids.shape[0],), self._event.is_set(), dtype=torch.bool, device=input_ids.device)


class _Text:
    """The answer so far, held back where a stop text may have begun."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(text for text in stop if text)
        self._hold = max((len(text) for text in self._stop), default=1) - 1
        self._sent = 0
        self.whole = ""
        self.stopped = False

    def add(self, piece: str) -> str:
        """Take a piece; returns what may be sent."""
        start = max(0, len(self.whole) - self._hold)
        self.whole += piece
        ends = [at for text in self._stop if (at := self.whole.find(text, start)) >= 0]
        if ends:
            self.whole, self.stopped = self.whole[: min(ends)], True
        return self._send(len(self.whole) if self.stopped else len(self.whole) - self._hold)

    def rest(self) -> str:
        """What is left at the end."""
        return self._send(len(self.whole))

    def _send(self, end: int) -> str:
        fresh = self.whole[self._sent : max(self._sent, end)]
        self._sent += len(fresh)
        return fresh
