"""Titles of learned policies in plain words: the hazard, and what the breaches were about."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sisf.policy import Direction
from sisf.synthesis.logistic import Floats
from sisf.synthesis.training_rows import HAZARDS, TrainingRows
from sisf.taxonomy import Hazard

_NAMED = 4
"""Topics that a title names."""


class Titles:
    """Names the topics of breaches after the nearest requests of their hazard in the corpus whose topic is known."""

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        self.areas: Mapping[str, str] = {}
        """The topic of each text of the corpus that has one."""
        self._known: dict[Hazard, tuple[list[str], Floats]] = {}

    def of(self, hazard: Hazard, direction: Direction, breaches: Sequence[str]) -> str:
        """A title such as `Non-violent crimes: phishing, malware`."""
        what = hazard.label[0].upper() + hazard.label[1:]
        title = what if direction is Direction.PROMPT else f"Answers that help with {hazard.label}"
        topics = [area for area, _ in Counter(self._topics(hazard, breaches)).most_common(_NAMED)]
        return f"{title}: {', '.join(topics)}" if topics else title

    def _topics(self, hazard: Hazard, breaches: Sequence[str]) -> list[str]:
        names, vectors = self._named(hazard)
        if not names:
            return []
        found = []
        for text in breaches:
            own = self._vectors(text)
            if len(own):
                found.append(names[int((own @ vectors.T).max(axis=0).argmax())])
        return found

    def _named(self, hazard: Hazard) -> tuple[list[str], Floats]:
        """The topics of the hazard's own requests, and their vectors."""
        if hazard not in self._known:
            rows, width = self._rows, self._rows.embedder.dimensions
            first = {text: places[0] for text in self.areas if len(places := rows.rows_of(text))}
            own = {text: row for text, row in first.items() if rows.hazards[row] == HAZARDS.index(hazard)}
            places = np.fromiter(own.values(), np.intp, len(own))
            self._known[hazard] = [self.areas[text].replace("_", " ") for text in own], rows.dense[places, :width]
        return self._known[hazard]

    def _vectors(self, text: str) -> Floats:
        return self._rows.dense[self._rows.rows_of(text), : self._rows.embedder.dimensions]
