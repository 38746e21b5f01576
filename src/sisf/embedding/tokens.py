"""The tokeniser of a local model: ids for the network, offsets for windows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordPiece

from sisf.embedding.base import TextWindow
from sisf.embedding.windows import check_window, cut_windows
from sisf.errors import ModelError

_STRETCH = 8_192
"""Characters that are tokenised at once for windows: some 3 ms, in which the library holds Python's lock."""
_CHARS_A_TOKEN = 3
"""Of short texts, about: prose has five, machine text less than two."""


class ModelTokenizer:
    """A `tokenizer.json`. Thread-safe: settings are fixed at construction and encoding does not change it.

    `max_tokens` does not count the model's own markers (`[CLS]`, `[SEP]`).
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        try:
            whole, short = Tokenizer.from_file(str(path)), Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the library raises bare `Exception`
            raise ModelError(f"{path}: cannot be read as a tokeniser: {error}") from None
        self.max_tokens = max_tokens
        for tokenizer in (whole, short):
            # `[SEP]` in a text is what somebody typed, not a marker of ours.
            tokenizer.encode_special_tokens = True
            _see_long_words(tokenizer)
        # What the file says of padding and truncation is for other runtimes: padding would change int8 vectors.
        whole.no_padding()
        whole.no_truncation()
        short.no_padding()
        short.enable_truncation(max_tokens + short.num_special_tokens_to_add(False))
        self._whole = whole
        self._short = short

    def ids(self, text: str) -> NDArray[np.int64]:
        """Token ids with markers, truncated to what the model sees; shape `(1, n)`."""
        return np.array([self._short.encode(_encodable(text)).ids], dtype=np.int64)

    def located(self, text: str) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
        """As `ids`, and the place of each token, markers left out, in characters."""
        encoding = self._short.encode(_encodable(text))
        spans = [o for o, marker in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not marker]
        return np.array([encoding.ids], dtype=np.int64), spans

    def count(self, text: str) -> int:
        """Tokens of the whole text without markers."""
        return len(self._whole.encode(_encodable(text), add_special_tokens=False).ids)

    def windows(self, text: str, size: int | None, overlap: int) -> list[TextWindow]:
        """See `Embedder.windows`."""
        size = self.max_tokens if size is None else size
        check_window(size, overlap, self.max_tokens)
        if len(text) < size and text.isascii():  # an ASCII character is never more than one token
            return [TextWindow(0, len(text), text, len(text) // _CHARS_A_TOKEN + 1)]
        return self._windows_by_stretch(_encodable(text), text, size, overlap)

    def _windows_by_stretch(self, encodable: str, text: str, size: int, overlap: int) -> list[TextWindow]:
        """Tokenise stretch by stretch: the tokens of a megabyte would take some 200 MB at once.

        The last window of a stretch may end within a word, so the next stretch starts where that window starts.
        """
        windows: list[TextWindow] = []
        position, length = 0, _STRETCH
        while True:
            end = position + length
            encoding = self._whole.encode(encodable[position:end], add_special_tokens=False)
            found = cut_windows(
                text[position:end], encoding.offsets, _word_starts(encoding.word_ids), size, overlap, begin=position
            )
            if end >= len(text):
                return windows + found
            if len(found) == 1:  # few tokens in many characters
                length *= 2
                continue
            windows += found[:-1]
            position, length = found[-1].start, _STRETCH


def _see_long_words(tokenizer: Tokenizer) -> None:
    """WordPiece turns a word of more than 100 characters into one `[UNK]`: words glued together would go unseen.

    Such words are cut every 100 characters instead; all other text keeps its tokens.
    """
    if isinstance(tokenizer.model, WordPiece):
        longest = tokenizer.model.max_input_chars_per_word
        before = tokenizer.pre_tokenizer
        cutter = pre_tokenizers.FixedLength(length=longest)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([before, cutter] if before else [cutter])


def _word_starts(word_ids: Sequence[int | None]) -> list[int]:
    return [i for i, word in enumerate(word_ids) if i == 0 or word is None or word != word_ids[i - 1]]


def _encodable(text: str) -> str:
    """JSON may carry lone surrogates, which UTF-8 cannot: each becomes one `?`, so that offsets stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
