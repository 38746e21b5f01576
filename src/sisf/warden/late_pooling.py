"""What is short is not lost in what is long: the passages of a window that look most like what policies look for.

One look at a window of a long text gives the state of every token. Their mean over a passage is near to the vector
that the passage would have alone (late pooling, after Günther et al. 2024, arXiv 2409.04701), so all passages can be
ranked at once. The best few are then embedded for what they are: these vectors alone decide (docs/adr/0141).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from math import log2

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TokenVectors, Vectors
from sisf.text.edges import goes_on_after, goes_on_before
from sisf.text.inner_requests import InnerRequest, inner_requests
from sisf.text.ngrams import ORDER, located_words
from sisf.text.order import begins_with_order, order_begins_at
from sisf.text.passages import borders, letters_before, passages, worth
from sisf.warden.length import BRIEF, FEW_WORDS
from sisf.warden.semantic import Floats, SemanticEngine, lengths, running_sums

LENGTHS = (8, 10, 12, 14, 17, 20, 24, 30, 36)
"""Tokens of the fragments tried from each border."""
INNER = (10, 14, 20, 28)
"""Tokens of the fragments tried from every second token."""
WHOLE, END, START, BOTH = 0, 1, 2, 3
"""Which ends of a piece are arbitrary (the kinds add up), and how many steps of caution that asks for: verbs inside a
sentence seldom are orders."""
INSIDE, DENIED, TURNED = -1, -2, -3
"""A request inside a sentence (`sisf.text.inner_requests`), one in a sentence that says that it is not done, and what
is said to be done; what they are asked: `of_short`."""
_HALVED = 0.2
"""Steps of caution of a request inside a sentence for each time that it is half of the text: courtesies make no request
more doubtful than it is without them (docs/adr/0585)."""
_FEW_WORDS, _BRIEFLY = 8, 0.4
"""Asked of a piece of a short text for each word that it has less than a few: two words out of a sentence may say
anything."""
_FAR, _FARTHER, _ENOUGH = 2.0, 0.5, 1.0
"""Asked of a piece for each step beyond so many by which its window as a whole stays below the thresholds of all
probes: among pirates, `Describe your plan of attack` is another thing (docs/adr/0605). At most so much, and once more
what is asked of the piece anyway: a whole sentence means what it says, two words may mean anything (docs/adr/0680)."""
CHOSEN = {(WHOLE,): 3, (END, START): 2, (BOTH,): 2, (INSIDE, DENIED): 1}
"""Pieces of a window that are embedded, at most."""
CHOSEN_OF_SHORT = {(WHOLE,): 2, (INSIDE, DENIED): 2, (TURNED,): 1}
"""The same for a text that fits into one window."""
_NUMBER = re.compile(r"[\d.:/)-]*\d[.:)]?\s+(?=[^\W\d_])")
_ENDING = " \n.,;:!\"'”’»)"
_OFF, _OFF_OF_PIECES, _OFF_OF_PROTOTYPES = 6.0, 7.5, 20.0
"""Steps of caution by which the pooled vector of what is found may be below the threshold of a probe, of a piece with
what is asked of it, and below that of a prototype (docs/adr/0386, 0680)."""
_NEARLY_ALL, _OFF_OF_NEARLY_ALL = 0.9, 2.0
"""The same for a piece that is the text but for a last word or sign, of which the whole tells more."""
ALIKE = 0.7

Span = tuple[int, int]
Spans = NDArray[np.int64]
"""Shape `(spans, 2)`."""
Applies = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a window that deserves a look of its own."""

    start: int
    end: int
    asked: float
    """Steps of caution: honest sentences cut in two say odd things, and so do two words."""
    order: bool
    """Whether an order begins here."""
    inside: bool = False
    """Whether it is a request inside a sentence."""
    said: str | None = None
    """What it says, where that is not what stands there: an order, of what is told to be done."""
    turned: bool = False
    """Whether it tells of what is done, which reads unlike the order to do so."""
    denied: bool = False
    """Whether the sentence says that it is not done: of what is denied the whole says little."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The passages and fragments of a window that may say something by themselves, and what their words weigh."""

    spans: Sequence[Span]
    kinds: NDArray[np.int8]
    """Which ends of each are arbitrary, or `INSIDE`."""
    asked: NDArray[np.float32]
    """Steps of caution of each."""
    orders: NDArray[np.bool_]
    """Whether an order begins there."""
    lexical: Floats
    """What the words of each weigh for each row of the engine; last, those of the whole window."""
    short: bool
    said: Sequence[str | None] = ()
    """What each of a text of one window says, where that is not what stands there."""

    @classmethod
    def of(
        cls, text: str, tokens: Sequence[Span], engine: SemanticEngine, around: tuple[str, str] = ("", "")
    ) -> "Candidates":
        """Of a window of a long text: passages and fragments. `tokens` are the places of its tokens, `around` what
        stands before it and behind it."""
        whole, fragments = passages(text), arbitrary(text, tokens)
        orders = {start: order_begins_at(text, start) for start in {start for start, _ in (*whole, *fragments)}}
        edged = _with_edges(text, whole, orders, around)
        spans = edged | fragments | edged
        if not spans:
            return _NOTHING
        inside = [_inside(text, request) for request in inner_requests(text) if not request.turned]
        begins = [*(orders[start] for start, _ in spans), *(piece.order for piece in inside)]
        steps = [*_steps(text, tokens, spans), *(piece.asked for piece in inside)]
        kinds = [*spans.values(), *map(_kind, inside)]
        said = [*([None] * len(spans)), *(piece.said for piece in inside)]
        every = [*spans, *((piece.start, piece.end) for piece in inside)]
        lexical = _lexical(text, [*every, (0, len(text))], [*begins, begins_with_order(text)], engine)
        asked = np.array(steps, np.float32)
        return cls(every, np.array(kinds, np.int8), asked, np.array(begins), lexical, short=False, said=said)

    @classmethod
    def within(cls, text: str, engine: SemanticEngine) -> "Candidates":
        """Of a text of one window: whole passages, and requests inside its sentences."""
        pieces = of_short(text)
        if not pieces:
            return _NOTHING
        spans = [(piece.start, piece.end) for piece in pieces]
        kinds = np.array([_kind(piece) for piece in pieces], np.int8)
        steps = np.array([piece.asked for piece in pieces], np.float32)
        begins = [piece.order for piece in pieces]
        lexical = _lexical(text, [*spans, (0, len(text))], [*begins, begins_with_order(text)], engine)
        return cls(spans, kinds, steps, np.array(begins), lexical, True, [piece.said for piece in pieces])

    def chosen(self, tokens: TokenVectors, engine: SemanticEngine, applies: Applies) -> list[Piece]:
        """The most promising ones: by the states of the window's tokens, and what is asked of each. Whole passages
        first."""
        if not self.spans:
            return []
        every = self._above(tokens, engine, applies)
        above, whole = every[:-1], every[-1]
        margins = above.max(axis=1)
        far = np.minimum(_asked_by_whole(whole[engine.probes]), _ENOUGH + self.asked)
        asked = self.asked + far * (self.kinds != DENIED)
        hopeful = _in_reach(above - asked[:, None], engine, _OFF_OF_PIECES)
        if self.short:
            hopeful &= ~self._nearly_all(tokens.spans) | (margins > -_OFF_OF_NEARLY_ALL) | (self.kinds == TURNED)
        best: list[int] = []
        for kinds, most in (CHOSEN_OF_SHORT if self.short else CHOSEN).items():
            known = best if kinds[0] >= WHOLE else []  # a request reads unlike the sentence that it stands in
            of_kinds = np.logical_or.reduce([self.kinds == kind for kind in kinds])
            best += self._best(np.flatnonzero(hopeful & of_kinds), margins - asked, most, known)
        inside = self.kinds < WHOLE
        said = self.said or [None] * len(self.spans)
        return [Piece(*self.spans[p], float(asked[p]), bool(self.orders[p]), bool(inside[p]), said[p]) for p in best]

    def _above(self, tokens: TokenVectors, engine: SemanticEngine, applies: Applies) -> Floats:
        """How far the pooled vector of each span is above the thresholds, and last the vector of the whole.

        Of many spans what weighs the vectors is held against the tokens, each of which stands in many of them.
        """
        spans = _array(self.spans)
        if len(spans) <= len(tokens.spans):
            return engine.above(np.vstack([pooled(tokens, spans), tokens.vector]), self.lexical, applies)
        first, last = _tokens_in(tokens.spans, spans)
        above = engine.above_of_means(tokens.states, first, last, self.lexical[:-1], applies)
        return np.vstack([above, engine.above(tokens.vector[None], self.lexical[-1:], applies)])

    def _nearly_all(self, tokens: Sequence[Span]) -> NDArray[np.bool_]:
        """Which pieces are the text but for what it ends with."""
        first, least = tokens[0][0], _NEARLY_ALL * (tokens[-1][1] - tokens[0][0])
        return np.array([start == first and end - start >= least for start, end in self.spans], np.bool_)

    def _best(self, places: NDArray[np.intp], promise: Floats, count: int, known: Sequence[int]) -> list[int]:
        """Of these places the `count` that promise most, none of them nearly the same as another or a known."""
        found: list[int] = []
        for place in places[np.argsort(-promise[places], kind="stable")].tolist():
            if all(alike(self.spans[place], self.spans[other]) <= ALIKE for other in (*known, *found)):
                found.append(place)
                if len(found) == count:
                    break
        return found


def _asked_by_whole(above: Floats) -> float:
    """Steps of caution asked of pieces of a window for how far it is above the thresholds of probes as a whole."""
    nearest = float(above.max(initial=-np.inf))
    return _FARTHER * max(0.0, -_FAR - nearest) if np.isfinite(nearest) else 0.0


def in_reach(tokens: TokenVectors, features: Mapping[str, float], engine: SemanticEngine, applies: Applies) -> bool:
    """Whether a text of which the pooled vector is known may be found, if it is embedded."""
    return bool(_in_reach(engine.above(tokens.vector[None], engine.lexical([features]), applies), engine, _OFF)[0])


def _in_reach(above: Floats, engine: SemanticEngine, of_probes: float) -> Applies:
    """Of which pooled vectors the true ones may be above a threshold."""
    off = np.where(engine.probes, of_probes, _OFF_OF_PROTOTYPES)
    found: Applies = np.any(above > -off, axis=1)
    return found


def of_short(text: str) -> list[Piece]:
    """The pieces of a text that fits into one window: its passages, and the requests inside its sentences."""
    inside = inner_requests(text)
    known = {(0, len(text)), *((each.start, each.end) for each in inside)}  # the text itself is scored anyway
    spans = [span for span in dict.fromkeys(_unsigned(text, span) for span in passages(text)) if span not in known]
    orders = {start: order_begins_at(text, start) for start, _ in spans}
    begun = {start: START * (goes_on_before(text, start) and not order) for start, order in orders.items()}
    whole = [Piece(*span, begun[span[0]] + _BRIEFLY * _missing(text, span), orders[span[0]]) for span in spans]
    return [*whole, *(_inside(text, request) for request in inside)]


def _kind(piece: Piece) -> int:
    if piece.turned:
        return TURNED
    return DENIED if piece.denied else INSIDE if piece.inside else WHOLE


def _unsigned(text: str, span: Span) -> Span:
    """A passage without a number before it, which is a list's, and the signs that end it, which are a sentence's."""
    start, end = span
    numbered = _NUMBER.match(text, start, end)
    end = start + len(text[start:end].rstrip(_ENDING))
    return (numbered.end() if numbered and numbered.end() < end else start), end


def _inside(text: str, request: InnerRequest) -> Piece:
    span = request.start, request.end
    asked = _BRIEFLY * _missing(text, span) + _HALVED * log2(len(text) / (request.end - request.start))
    order = begins_with_order(request.order)
    return Piece(*span, asked, order, inside=True, denied=request.denied, said=request.order, turned=request.turned)


def _missing(text: str, span: Span) -> int:
    """How many words a piece has less than a few."""
    return max(0, _FEW_WORDS - len(text[slice(*span)].split()))


_NOTHING = Candidates(
    (),
    np.zeros(0, np.int8),
    np.zeros(0, np.float32),
    np.zeros(0, np.bool_),
    np.zeros((0, 0), np.float32),
    short=True,
)


def _with_edges(
    text: str, spans: Sequence[Span], orders: Mapping[int, bool], around: tuple[str, str]
) -> dict[Span, int]:
    """Each passage with its kind: one that begins or ends inside a sentence is a fragment, at the edges of a window as
    elsewhere. An order begins where it begins; `orders` says so of each beginning."""
    whole, offset = "".join((around[0], text, around[1])), len(around[0])
    before = {
        start: START if goes_on_before(whole, offset + start) and not orders[start] else WHOLE
        for start in {start for start, _ in spans}
    }
    after = {end: END if goes_on_after(whole, offset + end) else WHOLE for end in {end for _, end in spans}}
    return {(start, end): before[start] + after[end] for start, end in spans}


def _steps(text: str, tokens: Sequence[Span], kinds: Mapping[Span, int]) -> list[float]:
    """Steps of caution asked of each piece of a long text: for its ends, and for the words that it has less than a
    fragment."""
    letters = np.fromiter(accumulate((_begins_word(text, start) for start, _ in tokens), initial=0), np.int64)
    first, last = _tokens_in(tokens, _array(kinds))
    missing = np.maximum(FEW_WORDS - (letters[last] - letters[first]), 0)
    steps: list[float] = (np.fromiter(kinds.values(), np.float64, len(kinds)) + BRIEF * missing).tolist()
    return steps


def _array(spans: Collection[Span]) -> Spans:
    """Spans as rows."""
    return np.fromiter(chain.from_iterable(spans), np.int64, 2 * len(spans)).reshape(-1, 2)


def _tokens_in(tokens: Sequence[Span], spans: Spans) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first token that stands in each span, and the one behind the last."""
    places = _array(tokens)
    first = np.searchsorted(places[:, 0], spans[:, 0])
    return first, np.maximum(first, np.searchsorted(places[:, 1], spans[:, 1], side="right"))


def _begins_word(text: str, start: int) -> bool:
    """Whether a token begins a word; of scripts without case, which do not part words, each token may."""
    first = text[start]
    return first.isalpha() and not (text[start - 1 : start].isalpha() and (first.islower() or first.isupper()))


def arbitrary(text: str, tokens: Sequence[Span]) -> dict[Span, int]:
    """Fragments, of which one end at least is arbitrary, each with its kind; `tokens` are the places of the tokens."""
    if not tokens:
        return {}
    letters, places = np.array(letters_before(text)), _array(tokens)
    parts = [*_fragments(text, places), _inner(places)]
    kinds = np.repeat((END, START, BOTH), [len(part) for part in parts])
    spans = np.concatenate(parts)
    worthy = worth(letters, spans[:, 0], spans[:, 1])
    spans, kinds = spans[worthy], kinds[worthy]
    _, known = np.unique(spans[:, 0] * (len(text) + 1) + spans[:, 1], return_index=True)
    known.sort()
    return dict(zip(map(tuple, spans[known].tolist()), kinds[known].tolist(), strict=True))


def _fragments(text: str, tokens: Spans) -> tuple[Spans, Spans]:
    """Pieces of fixed lengths that begin at a border, and that end at one."""
    starts, ends = borders(text)
    opening, closing, count = tokens[:, 0], tokens[:, 1], len(tokens)
    first = np.searchsorted(opening, starts)
    first = first[first < count].repeat(len(LENGTHS))
    last = np.searchsorted(closing, ends, side="right")
    last = last[last > 0].repeat(len(LENGTHS))
    longer = np.tile(LENGTHS, len(first) // len(LENGTHS)), np.tile(LENGTHS, len(last) // len(LENGTHS))
    return (
        np.column_stack([opening[first], closing[np.minimum(first + longer[0], count) - 1]]),
        np.column_stack([opening[np.maximum(last - longer[1], 0)], closing[last - 1]]),
    )


def _inner(tokens: Spans) -> Spans:
    """Pieces of fixed lengths that begin and end anywhere."""
    first = np.arange(0, len(tokens), 2).repeat(len(INNER))
    last = first + np.tile(INNER, (len(tokens) + 1) // 2)
    inside = last <= len(tokens)
    return np.column_stack([tokens[first[inside], 0], tokens[last[inside] - 1, 1]])


def pooled(tokens: TokenVectors, spans: Spans) -> Vectors:
    """The mean of the states of the tokens in each span, brought to length 1; zero where there are none."""
    first, last = _tokens_in(tokens.spans, spans)
    sums = running_sums(tokens.states)
    found: Vectors = sums[last]
    found -= sums[first]  # a sum has the direction of the mean
    found /= lengths(found)[:, None]
    return found


def _lexical(text: str, spans: Sequence[Span], orders: Sequence[bool], engine: SemanticEngine) -> Floats:
    """What the words of each span weigh for each row, a word that comes twice counted twice, and the orders."""
    words = located_words(text)
    names = [word for word, _, _ in words]
    first, last = _tokens_in([(start, end) for _, start, end in words], _array(spans))
    single = running_sums(engine.weights(names))
    paired = running_sums(engine.weights([f"{one} {other}" for one, other in pairwise(names)]))
    final = np.maximum(last - 1, first)  # the last word of a span begins no pair in it
    inside = np.minimum(final, len(paired) - 1), np.minimum(first, len(paired) - 1)
    weights: Floats = single[last] - single[first] + paired[inside[0]] - paired[inside[1]]
    weights /= np.sqrt(np.maximum(2 * (last - first) - 1, 1), dtype=np.float32)[:, None]
    weights += np.outer(orders, engine.weights([ORDER]))
    return weights


def alike(one: Span, other: Span) -> float:
    """What two spans share, over what they cover together."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return common / max(1, max(one[1], other[1]) - min(one[0], other[0]))
