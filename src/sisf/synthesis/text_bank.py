"""A bank of texts whose features are computed once, so that a policy is tried on thousands of them in milliseconds.

What a policy recognises is `sisf.warden.matcher`'s to say: the bank keeps the readings, embeddings and n-grams that the
matcher asks for, and has no rule of its own.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, Vectors
from sisf.embedding.landmarks import landmarks_of, with_nearness
from sisf.errors import LimitExceeded
from sisf.policy import Policy, Probe, Prototypes
from sisf.text.views import View, views
from sisf.warden.length import asked_of_guess, read
from sisf.warden.lexical import Postings, hashed
from sisf.warden.matcher import located, pattern_of, spared
from sisf.warden.merge_schedule import due
from sisf.warden.patterns import compile_one
from sisf.warden.readings import Window
from sisf.warden.semantic import rows_of, window_scores

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]

_FEW_TABLES, _LARGEST_TABLE = 4, 1 << 24


class TextBank:
    """Texts as the Warden reads them: their views, the embeddings of their windows, and what n-grams these hold.

    Grows only: `extend` adds texts. A long text is read as the Warden reads it with an embedder that cannot look into
    a text: in coarse and in fine windows. Which passages the Warden embeds besides, where it can, depends on all
    policies in force; whoever needs that answer for one text asks `matcher.rehearsed` (docs/adr/0285).
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.texts: list[str] = []
        self._seen: set[str] = set()
        self._views: list[tuple[View, ...]] = []
        self._embeddings: Vectors = np.zeros((0, embedder.dimensions), np.float32)
        self._wide: Vectors = self._embeddings
        """The same with their nearness to landmarks, for as many as were asked for."""
        self._owner: list[int] = []
        """The text of each window."""
        self._asked: list[float] = []
        """The steps of caution asked of each window."""
        self._guessed: list[bool] = []
        """Which windows are guesses."""
        self._postings: list[Postings] = []
        """What n-grams the windows hold, by window."""

    def __len__(self) -> int:
        return len(self.texts)

    def __contains__(self, text: str) -> bool:
        return text in self._seen

    def extend(self, texts: Iterable[str], embedder: Embedder | None = None) -> None:
        """Add texts that are not there yet. Embeds them, some milliseconds each, with `embedder` if it is given."""
        fresh = [t for t in dict.fromkeys(texts) if t not in self._seen]
        windows: list[str] = []
        features: dict[int, Mapping[str, float]] = {}
        for text in fresh:
            found = _views_of(text)
            for window in self._windows(found):
                features[len(self._owner)] = window.features()
                self._owner.append(len(self.texts))
                self._asked.append(window.asked)
                self._guessed.append(window.guessed)
                windows.append(window.text)
            self.texts.append(text)
            self._views.append(found)
            self._seen.add(text)
        if windows:
            self._embeddings = np.vstack([self._embeddings, (embedder or self.embedder).embed(windows)])
            self._postings.append(Postings.of(features))
            self._merge()

    def matches(self, policy: Policy, start: int = 0) -> Mask:
        """Which texts, from the one numbered `start` on, the policy recognises."""
        return self.tried(policy, start)[0]

    def scores(self, condition: Prototypes | Probe) -> Scores:
        """What each text scores: the highest score of its windows."""
        return self._pooled(self._window_scores(condition, 0), 0)

    def tried(self, policy: Policy, start: int = 0) -> tuple[Mask, Scores | None]:
        """Which texts the policy recognises, and what each scores; None for a pattern."""
        condition = policy.condition
        if isinstance(condition, Prototypes | Probe):
            return self._scored(policy, condition, start)
        return self._searched(policy, start), None

    def _windows(self, views: Sequence[View]) -> Iterable[Window]:
        """The different windows of a text."""
        found: dict[str, Window] = {}
        for reading in read(views, self.embedder):
            several = len(reading.windows) > 1
            for window in (*reading.windows, *(reading.fine(self.embedder) if several else ())):
                if reading.tells(window):
                    found.setdefault(window.said, window)
        return found.values()

    def _merge(self) -> None:
        count = due([len(table) for table in self._postings], _LARGEST_TABLE, _FEW_TABLES)
        if count:
            young = self._postings[-count:]
            rows = np.arange(len(self._owner), dtype=np.int32)
            self._postings[-count:] = [Postings.merged(young, rows)]

    def _searched(self, policy: Policy, start: int) -> Mask:
        pattern = pattern_of(policy.condition) or ""
        search = compile_one(pattern).search

        def recognised(read: Sequence[View]) -> bool:
            return any(search(v.text) is not None and located(policy, pattern, v, read[0]) is not None for v in read)

        reads = self._views[start:]
        return np.fromiter(map(recognised, reads), np.bool_, len(reads))

    def _scored(self, policy: Policy, condition: Prototypes | Probe, start: int) -> tuple[Mask, Scores]:
        first = bisect_left(self._owner, start)
        scores = self._pooled(self._window_scores(condition, first), start)
        mask: Mask = scores >= np.float32(condition.threshold)
        for place in np.flatnonzero(mask) if condition.exceptions else ():
            mask[place] = not spared(policy, self._views[start + place][0])
        return mask, scores

    def _window_scores(self, condition: Prototypes | Probe, first: int) -> Scores:
        """The best score of each window, from the one numbered `first` on, less what is asked of it."""
        vectors, bias, caution = rows_of(condition)
        if first == len(self._owner):
            return np.zeros(0, np.float32)
        seen = self._near() if condition.dimensions > self.embedder.dimensions else self._embeddings
        scores = window_scores(seen[first:], vectors, bias)
        best: Scores = scores[:, 0] if len(vectors) == 1 else scores.max(axis=1)
        if isinstance(condition, Probe) and condition.ngrams:
            best += self._lexical(condition.ngrams, first)
        best -= np.float32(caution) * np.asarray(self._asked[first:], np.float32)
        if isinstance(condition, Probe):
            best -= asked_of_guess(condition.threshold) * np.asarray(self._guessed[first:], np.float32)
        return best

    def _near(self) -> Vectors:
        """The embedding of each window with its nearness to the landmarks."""
        known = len(self._wide)
        if known < len(self._embeddings):
            fresh = with_nearness(self._embeddings[known:], landmarks_of(self.embedder))
            self._wide = np.vstack([self._wide, fresh]) if known else fresh
        return self._wide

    def _lexical(self, ngrams: Mapping[str, float], first: int) -> Scores:
        """What the words of each window weigh for a probe."""
        weighed = np.zeros(len(self._owner), np.float32)
        grams = hashed(ngrams, len(ngrams))
        weights = np.fromiter(ngrams.values(), np.float32, len(ngrams))
        for table in self._postings:
            if len(table) and table.rows.max() >= first:
                table.add(weighed, grams, weights)
        return weighed[first:]

    def _pooled(self, scores: Scores, start: int) -> Scores:
        """The highest score of each text's windows; minus infinity where there are none."""
        owner = np.asarray(self._owner[len(self._owner) - len(scores) :], np.intp) - start
        best = np.full(len(self.texts) - start, -np.inf, np.float32)
        np.maximum.at(best, owner, scores)
        return best


def _views_of(text: str) -> tuple[View, ...]:
    """The views of a text; none of one that unfolds without end: it is refused whatever the policies say."""
    try:
        return views(text)
    except LimitExceeded:
        return ()
