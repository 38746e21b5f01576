"""What the embedder tells of the inside of one window: as far as it was read, and to the end where that is asked."""

from dataclasses import dataclass

from sisf.embedding.base import Begun, Embedder, TokenVectors
from sisf.warden.late_pooling import Candidates
from sisf.warden.semantic import SemanticEngine


@dataclass(slots=True)
class Inside:
    """A window whose passages may be looked at one by one."""

    candidates: Candidates
    begun: Begun | None = None
    """The first layers, where a first look is to be taken."""
    read: TokenVectors | None = None

    @classmethod
    def of(cls, text: str, embedder: Embedder, engine: SemanticEngine, *, short: bool, begin: bool) -> "Inside | None":
        """Read a window: its first layers alone where `begin` says so and the embedder can stop there.

        None for a long text where the embedder tells nothing of its tokens.
        """
        begun = getattr(embedder, "begin", lambda _: None)(text) if begin else None
        if begun is not None:
            return cls(Candidates.of(text, begun.spans, engine, short=short), begun)
        look = getattr(embedder, "embed_tokens", lambda _: None)
        if short:
            candidates = Candidates.of(text, (), engine, short=True)
            return cls(candidates, read=look(text) if candidates.spans else None)
        tokens = look(text)
        return None if tokens is None else cls(Candidates.of(text, tokens.spans, engine, short=False), read=tokens)

    def tokens(self) -> TokenVectors | None:
        """Every token as the last layer leaves it; None where nobody looked because there is nothing to look for."""
        if self.read is None and self.begun is not None:
            self.read = self.begun.finish()
        return self.read
