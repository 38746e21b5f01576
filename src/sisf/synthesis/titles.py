"""Titles of learned policies in plain words: the hazard, and what the breaches were about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

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

    def of(self, hazard: Hazard, direction: Direction, breaches: Sequence[str]) -> str:
        """A title such as `Non-violent crimes: phishing, malware`."""
        what = hazard.label[0].upper() + hazard.label[1:]
        title = what if direction is Direction.PROMPT else f"Answers that help with {hazard.label}"
        topics = [area for area, _ in Counter(self._topics(hazard, breaches)).most_common(_NAMED)]
        return f"{title}: {', '.join(topics)}" if topics else title

    def _topics(self, hazard: Hazard, breaches: Sequence[str]) -> list[str]:
        if hazard not in self._named:
            return []
        names, vectors = self._named[hazard]
        found = []
        for text in breaches:
            own = self._vectors(text)
            if len(own):
                found.append(names[int((own @ vectors.T).max(axis=0).argmax())])
        return found

    @cached_property
    def _named(self) -> Mapping[Hazard, tuple[list[str], Floats]]:
        """The topics of each hazard's own requests, and the vectors of these. Made for the first title: `areas` and the
        rows of the corpus are there by then, and stay."""
        rows, width = self._rows, self._rows.embedder.dimensions
        topics = {row: area for text, area in self.areas.items() for row in rows.rows_of(text)[:1]}
        places = np.fromiter(topics, np.intp, len(topics))
        names, hazards = np.array([area.replace("_", " ") for area in topics.values()]), rows.hazards[places]
        return {
            HAZARDS[each]: (names[hazards == each].tolist(), rows.dense[places[hazards == each], :width])
            for each in np.unique(hazards[hazards >= 0])
        }

    def _vectors(self, text: str) -> Floats:
        return self._rows.dense[self._rows.rows_of(text), : self._rows.embedder.dimensions]
