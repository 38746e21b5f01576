"""A narrow policy that stands in where no broad one may act yet: it stops what is said nearly the same way.

It holds vectors alone, never the client's words: those are kept only as the store's privacy settings say.
"""

from sisf.embedding.base import Embedder
from sisf.embedding.minilm import heads_of
from sisf.embedding.windows import inspected_windows
from sisf.policy import Action, Direction, Policy, Prototypes, Provenance
from sisf.synthesis.base import NARROW_COSINE
from sisf.synthesis.blame import said
from sisf.synthesis.lines import NARROW, TEACHER, WAITING
from sisf.synthesis.prior import filed_under
from sisf.text.passages import says_little
from sisf.verdict import Breach

_WINDOWS = 4


def narrow_policy(breach: Breach, embedder: Embedder, *, waits: bool = False) -> Policy | None:
    """Prototypes of the breach's own request, matching from 0.85 on; None for a request without words.

    `waits`: it is to act only when others speak for it.
    """
    prompt = said(breach.exchange)
    if not prompt.strip():
        return None
    windows = [window.text for window in inspected_windows(embedder, prompt)]
    # To an encoder all pages of numbers are alike.
    telling = [text for text in windows if not says_little(text)] or windows
    vectors = embedder.embed(telling[:_WINDOWS])
    name = WAITING if waits else NARROW
    hazard = filed_under(breach, vectors, heads_of(embedder.id))
    return Policy(
        Prototypes(embedder.id, embedder.dimensions, vectors.astype("<f4").tobytes(), NARROW_COSINE),
        Action.BLOCK,
        Direction.PROMPT,
        f"Requests nearly like one that {TEACHER[name]} ({hazard.label})",
        hazard=hazard,
        technique=breach.verdict.technique,
        provenance=Provenance((breach.id,), name),
    )
