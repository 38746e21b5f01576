"""One inspection: every text in every view, heuristics first, then what costs a forward pass."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, TokenVectors, Vectors
from sisf.exchange import Message
from sisf.policy import Action, Decision, Direction, Match, Policy
from sisf.text.characters import scalar
from sisf.text.views import View, go_on, views
from sisf.warden.borrowed import MOST_WINDOWS, Lender
from sisf.warden.cache import Found, key_of
from sisf.warden.compiled import Compiled
from sisf.warden.first_look import in_reach as can_be_guessed
from sisf.warden.first_look import ordinary
from sisf.warden.inspected_text import InspectedText, inspected_texts
from sisf.warden.late_pooling import Candidates, Piece, in_reach
from sisf.warden.length import ONE_MORE, Read, asked_of_words, read
from sisf.warden.matcher import located, match_of, spared
from sisf.warden.readings import (
    CLOSED_UP,
    Window,
    is_joined,
    plainly,
    surroundings,
)
from sisf.warden.semantic import Hit

_SHORT = 0.3
"""Steps of caution asked of a passage of a text that fits into one window, as one more chance to be wrong."""
_BATCH = 64
"""Windows scored at once: the views of a text that fits into one window are at most so many."""
_EMBEDDED_AT_ONCE = 8
"""Texts embedded between two pauses."""
_LEAST_TOKENS = 10
"""What a text counts at least: a look at a short one costs as much."""
_LENT = 4
"""Tokens that count as one where a reading borrows those of the text: it is ranked, and embedded only in part."""


class Inspection:
    """Takes the texts of one request through the stages. Used by one thread at a time."""

    def __init__(
        self,
        compiled: Compiled,
        messages: Sequence[Message],
        direction: Direction,
        tenant: str,
        *,
        remember: bool = True,
        pause: Callable[[], None] = go_on,
    ) -> None:
        """`pause` is called between the steps of long work; what it raises ends the inspection."""
        self.pause = pause
        self._started = time.perf_counter()
        self.compiled = compiled
        self.messages = messages
        self.direction = direction
        self.tenant = tenant
        self._scope = compiled.scope(direction, tenant)
        self._blocked = False
        self._remembers = remember
        self._texts = inspected_texts(messages)
        for text in self._texts:
            how = CLOSED_UP if text.patterns_only else f"{text.asked:g}"
            text.key = key_of(direction, tenant, f"{how} {text.content}")
            text.known = compiled.cache.texts.get(text.key)
            self._blocked |= text.known is not None and any(_blocks(m) for m in text.known.matches)

    @property
    def known(self) -> bool:
        """Whether all texts were seen before: nothing is left to be searched."""
        return all(text.known is not None for text in self._texts)

    @property
    def work(self) -> int:
        """Tokens that `semantics` has to look at, once `heuristics` is through; before, those of the plain texts."""
        if not self.needs_semantics:
            return 0
        return sum(map(self._work_on, self._to_be_read))

    def _work_on(self, text: InspectedText) -> int:
        """Tokens of what is known to be read of a text."""
        self.pause()
        if not text.views:
            text.plain = text.plain or plainly(scalar(text.content), self.compiled.embedder)
            return max(_LEAST_TOKENS, text.plain[0].tokens)
        raw, *others = [each.reading for each in self._readings(text)]
        lender, lent_by = Lender.of(raw.view.text), [window.span for window in raw.windows[:MOST_WINDOWS]]
        work = max(_LEAST_TOKENS, raw.tokens)
        for window in (window for reading in others for window in reading.windows):
            work += window.tokens // (_LENT if lender.holds(window.text, lent_by) else 1)
        return work

    def _readings(self, text: InspectedText) -> Sequence[Read]:
        """How a text is read, whose views are made."""
        if not text.readings:
            self.pause()
            text.readings = read(text.views, self.compiled.embedder, text.plain)
        return text.readings

    @property
    def needs_semantics(self) -> bool:
        """Whether `semantics` has anything to do."""
        scope = self._scope
        if not scope.semantic or (self._blocked and not scope.shadow_semantic):
            return False
        return bool(self._to_be_read)

    @property
    def _to_be_read(self) -> list[InspectedText]:
        """The texts that `semantics` reads."""
        return [text for text in self._texts if text.known is None and not text.patterns_only]

    def heuristics(self) -> None:
        """Search the patterns in every view. Microseconds for a prompt, linear in the texts' length."""
        for text in self._texts:
            if text.known is None:
                text.views = views(text.content, self.pause)
                for view in text.views:
                    self.pause()
                    self._search(text, view)
        self._blocked |= any(_blocks(m) for text in self._texts for m in text.found.values())

    def semantics(self) -> None:
        """Score prototypes and probes on every window of every view that says something new."""
        if self.needs_semantics:
            for text in self._to_be_read:
                self._score(text)
        if self._remembers and not self._blocked:
            self._remember()

    def decision(self) -> Decision:
        """What was found, strongest first."""
        found = [(t.segment, t.known or Found(tuple(t.found.values()), t.doubt)) for t in self._texts]
        matches = [replace(m, segment=segment) for segment, each in found for m in each.matches]
        if matches:
            matches = _deduplicated(matches)
            matches.sort(key=lambda m: (m.shadow, -m.action.precedence, -(m.score - m.threshold)))
        enforced = [m.action for m in matches if not m.shadow]
        action = max(enforced, key=lambda a: a.precedence, default=Action.ALLOW)
        elapsed = 1e6 * (time.perf_counter() - self._started)
        doubt = next((replace(each.doubt, segment=segment) for segment, each in found if each.doubt), None)
        return Decision(action, tuple(matches), self.compiled.revision, self.direction, elapsed, doubt=doubt)

    def _remember(self) -> None:
        for text in self._texts:
            if text.known is None and text.key is not None:
                self.compiled.cache.texts.put(text.key, Found(tuple(text.found.values()), text.doubt))

    def _search(self, text: InspectedText, view: View) -> None:
        data = view.text.encode()
        applies = self._scope.applies
        for layer in self.compiled.pattern_layers:
            for pattern in layer.search(data):
                for index in self.compiled.pattern_owners.get(pattern, ()):
                    if applies[index] and index not in text.found:
                        match = located(self.compiled.index.policies[index], pattern, view, text.views[0])
                        if match is not None:
                            text.found[index] = text.named(match)

    def _score(self, text: InspectedText) -> None:
        windows = self._windows(text)
        before = len(text.found)
        while part := list(islice(windows, _BATCH)):
            self.pause()
            self._search_semantics(text, part)
            if self._settled(text):
                return
        if self._remembers and len(text.found) == before and not text.exempt and text.doubt is None:
            for key, asked in text.read:
                self.compiled.cache.windows.put(key, asked)

    def _read_before(self, text: InspectedText, window: Window, kind: str, asked: float) -> bool:
        """Whether the same window was read in another text, and nothing found though no more was asked."""
        key = key_of(self.direction, self.tenant, f"{kind} {window.text}")
        known = self.compiled.cache.windows.get(key)
        if known is not None and known <= asked:
            return True
        text.read.append((key, asked))
        return False

    def _settled(self, text: InspectedText) -> bool:
        """Whether what stands further on in a text can change nothing: it is blocked, and nobody watches."""
        return not self._scope.shadow_semantic and any(_blocks(match) for match in text.found.values())

    def _search_semantics(self, text: InspectedText, part: Sequence[Window]) -> None:
        asked = np.array([w.asked for w in part], np.float32) if any(w.asked for w in part) else None
        guessed = np.array([w.guessed for w in part]) if any(w.guessed for w in part) else None
        lexical, applies = [w.features() for w in part], self._scope.applies
        near = self.compiled.doubt
        hits = self.compiled.semantics.search(self._embedded(part), lexical, applies, asked, near, guessed=guessed)
        for hit in hits:
            known = text.found.get(hit.number)
            policy, window = self.compiled.index.policies[hit.number], part[hit.window]
            if not hit.reached:
                self._doubt(text, policy, hit, window)
            elif known is None or hit.score > known.score:
                if spared(policy, text.views[0]):
                    text.exempt = True  # the same window in another text may not be
                    continue
                self.compiled.looks.tally.missed += window.audited and known is None
                match = match_of(policy, hit.score, hit.threshold, window.view, window.place)
                text.found[hit.number] = text.named(match)

    def _doubt(self, text: InspectedText, policy: Policy, hit: Hit, window: Window) -> None:
        """Note that a policy came near, if it is the first that would have blocked."""
        match = match_of(policy, hit.score, hit.threshold, window.view, window.place)
        if text.doubt is None and _blocks(match) and not spared(policy, text.views[0]):
            text.doubt = text.named(match)

    def _embedded(self, windows: Sequence[Window]) -> Vectors:
        missing = [w.text for w in windows if w.vector is None]
        computed: list[NDArray[np.float32]] = []
        for first in range(0, len(missing), _EMBEDDED_AT_ONCE):
            self.pause()
            computed.extend(self.compiled.embedder.embed(missing[first : first + _EMBEDDED_AT_ONCE]))
        fresh = iter(computed)
        return np.stack([next(fresh) if w.vector is None else w.vector for w in windows])

    def _windows(self, text: InspectedText) -> Iterator[Window]:
        """Every different window of the views that an embedder can tell apart, and what deserves a closer look."""
        seen: set[str] = set()
        looked = ordinary(text.views)
        readings = self._readings(text)
        lender = Lender.of(readings[0].view.text)
        for reading in readings:
            for window in self._closer(text, reading, lender, looked=looked):
                said = window.said
                if said not in seen and reading.tells(window):
                    seen.add(said)
                    yield window

    def _closer(self, text: InspectedText, reading: Read, lender: Lender, *, looked: bool) -> Iterator[Window]:
        """The windows of a view, and of each the passages that promise most, or finer windows.

        A text of one window is looked into as well where it has several passages: a greeting before a request, or a
        sentence after it, changes what the whole reads like.
        """
        compiled, view, windows = self.compiled, reading.view, reading.windows
        short = len(windows) == 1 and not (reading.long and view.name == "raw")
        more = text.asked + reading.asked + (ONE_MORE if reading.long else _SHORT) * short
        for window in windows:
            window.asked += text.asked
        for window in windows:
            self.pause()
            around = surroundings(view, window)
            how = f"{short:d}{looked:d}{window.beside:d} {around}"
            if not (short and view.name == "raw") and self._read_before(text, window, how, more):
                continue  # (a whole text is remembered as such)
            pieces = self._glanced(window, looked=looked) if short else None
            if pieces is not None:
                yield from (self._piece(window, piece, more) for piece in pieces)
                continue
            candidates = Candidates.within(window.text, compiled.semantics) if short else None
            tokens = None
            lent = lender.borrowed(window.text) if view.name != "raw" else None
            if lent is not None:
                lent_to = candidates or Candidates.of(window.text, lent.spans, compiled.semantics, around)
                yield from self._ranked(window, lent_to, lent, more)
                continue
            if candidates is None or candidates.spans:
                tokens = _tokens(compiled.embedder, window.text)
            if candidates is None:
                if tokens is None:
                    yield from windows
                    yield from (replace(w, asked=w.asked + text.asked) for w in reading.fine(compiled.embedder))
                    return
                candidates = Candidates.of(window.text, tokens.spans, compiled.semantics, around)
            if view.name == "raw" and tokens is not None:
                lender.learn(window.span, tokens)
            yield from self._read(window, candidates, tokens, more)

    def _ranked(self, window: Window, candidates: Candidates, lent: TokenVectors, more: float) -> Iterator[Window]:
        """What may be found in a window of which other windows told already."""
        engine, applies = self.compiled.semantics, self._scope.applies
        if in_reach(lent, window.features(), engine, applies):
            yield window
        for piece in candidates.chosen(lent, engine, applies):
            yield self._piece(window, piece, more)

    def _read(
        self, window: Window, candidates: Candidates, tokens: TokenVectors | None, more: float
    ) -> Iterator[Window]:
        """The window and its best passages."""
        window.vector = None if tokens is None else tokens.vector
        yield window
        if tokens is None:
            return
        for piece in candidates.chosen(tokens, self.compiled.semantics, self._scope.applies):
            yield self._piece(window, piece, more)

    def _piece(self, window: Window, piece: Piece, more: float) -> Window:
        said = window.text[piece.start : piece.end] if piece.said is None else piece.said
        place = (window.span[0] + piece.start, window.span[0] + piece.end)
        return Window(
            said,
            window.view,
            place,
            asked=piece.asked + more + asked_of_words(said, window),
            guessed=window.guessed,
            order=piece.order,
            audited=window.audited,
            whole=window.whole,
        )

    def _glanced(self, window: Window, *, looked: bool) -> Sequence[Piece] | None:
        """The pieces of a text of one window that a first look leaves to be read; None where the whole is."""
        looks = self.compiled.looks
        bounds = self.compiled.bounds(self.direction, self.tenant) if looked and can_be_guessed(window.text) else None
        if bounds is None:
            return None
        worth = bounds.worth(window.text, self.compiled.embedder)
        window.audited = worth == [] and looks.audits()
        looks.tally.count(discarded=worth == [], audited=window.audited)
        return None if window.audited else worth


def _tokens(embedder: Embedder, text: str) -> TokenVectors | None:
    """What the embedder tells of each token of a text, if it tells of tokens at all."""
    found: TokenVectors | None = getattr(embedder, "embed_tokens", lambda _: None)(text)
    return found


def _blocks(match: Match) -> bool:
    return match.action is Action.BLOCK and not match.shadow


def _deduplicated(matches: Sequence[Match]) -> list[Match]:
    """A policy that matched in a text is not reported again for what the text is a part of."""
    alone = {m.policy_id for m in matches if not is_joined(m.view)}
    return [m for m in matches if not (is_joined(m.view) and m.policy_id in alone)]
