"""Writes `first_look.safetensors`: a small network that guesses how harmful a text reads: `make first-look`.

A table of token vectors, one convolution over three tokens and a head on its mean are taught the encoder's own log-odds
of harm: of the authored corpus (`sisf.corpus.training`), of passages inside longer texts, and of the honest texts that
ship as a reference. The groups that training the encoder kept back are kept back here, too; those that seek harm go
into the file, and every revision is calibrated on them. No test set is read. Needs torch; nothing of it is needed to
run SISF. The same seed on the same machine gives the same file up to the rounding of sums.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sisf import corpus
from sisf.corpus.training import examples, in_development
from sisf.embedding import delta
from sisf.embedding.factory import create_embedder
from sisf.embedding.first_look import FILE, FirstLook, Known, packed
from sisf.embedding.kept import KeptEmbedder
from sisf.embedding.local import LocalEmbedder
from sisf.embedding.minilm_conversion import load_weights
from sisf.embedding.minilm_package import packaged_folder
from sisf.text.passages import passages
from sisf.warden.late_pooling import arbitrary

LONGEST, LONGEST_WINDOW = 600, 1_000
HONEST_WINDOWS, HOSTS = 1_600, 3_000
SEPARATORS = ("\n\n", " ", "\n")
WIDTH, FILTERS, HIDDEN = 64, 256, 64
MIDDLE = 2.0
"""Log-odds of harm around which the guess is to be exact: policies begin to match there."""
BATCH, RATE, DROPPED = 128, 3e-3, 0.2
KEPT = 2_000


@dataclass(frozen=True)
class Row:
    """A text to teach, or kept for calibration."""

    text: str
    harmful: bool
    kept: bool
    inside: bool = False
    """Whether it is a passage of a longer text."""


def rows_of(tokens: LocalEmbedder, seed: int) -> list[Row]:
    """Every text once: whole ones first."""
    chooser = random.Random(seed)
    known = examples(seed)
    whole = [Row(e.text, e.harmful, in_development(e)) for e in known]
    whole += [Row(s.text, False, False) for s in corpus.benign_reference()]
    fit = ("honest", "document", "company", "contrastive", "pair", "twin")
    honest = [(e.text, in_development(e)) for e in known if not e.harmful and e.part in fit]
    chooser.shuffle(honest)
    pools = {kept: [text for text, k in honest if k == kept] for kept in (False, True)}
    short = [e for e in known if e.harmful and len(e.text) <= LONGEST / 2 and e.part not in ("company", "document")]
    asks = {kept: [e.text for e in short if in_development(e) == kept] for kept in (False, True)}
    inside = [*passages_of(tokens, pools, chooser), *hosts_of(tokens, pools, asks, chooser)]
    return list({row.text: row for row in [*whole, *inside]}.values())


def joined(pool: Sequence[str], chars: int, chooser: random.Random) -> list[str]:
    taken: list[str] = []
    while sum(map(len, taken)) < chars:
        taken.append(chooser.choice(pool)[:LONGEST])
    return taken


def passages_of(tokens: LocalEmbedder, pools: dict[bool, list[str]], chooser: random.Random) -> Iterator[Row]:
    for number in range(HONEST_WINDOWS):
        kept = number % 8 == 0
        chars = chooser.choice((300, 600, 900))
        text = chooser.choice(SEPARATORS).join(joined(pools[kept], chars, chooser))
        for spans in (passages(text), list(arbitrary(text, tokens.tokens(text)[1]))):
            for start, end in chooser.sample(spans, min(7, len(spans))):
                yield Row(text[start:end], False, kept, inside=True)
        if number % 2 == 0:
            yield Row(text[:LONGEST_WINDOW], False, kept)


def hosts_of(
    tokens: LocalEmbedder, pools: dict[bool, list[str]], asks: dict[bool, list[str]], chooser: random.Random
) -> Iterator[Row]:
    """Requests for harm among honest sentences, and pieces of the text that hold most of them."""
    for number in range(HOSTS):
        kept = number % 5 == 0
        ask = chooser.choice(asks[kept])
        parts, mark = joined(pools[kept], chooser.choice((200, 400, 800)), chooser), chooser.choice(SEPARATORS)
        place = chooser.randrange(len(parts) + 1)
        before = mark.join(parts[:place]) + (mark if place else "")
        text = mark.join([*parts[:place], ask, *parts[place:]])
        first, last = len(before), len(before) + len(ask)
        cut = [
            (start, end)
            for start, end in arbitrary(text, tokens.tokens(text)[1])
            if min(end, last) - max(start, first) > 0.5 * min(len(ask), end - start)
        ]
        for start, end in chooser.sample(cut, min(3, len(cut))):
            yield Row(text[start:end], True, kept, inside=True)
        if number % 3 == 0:
            yield Row(text[:LONGEST_WINDOW], True, kept)


class Network(nn.Module):
    """What `FirstLook` computes, to be taught."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.tensor(table), freeze=False)
        self.filters = nn.Conv1d(WIDTH, FILTERS, 3, padding=1)
        self.linear = nn.Linear(FILTERS, 1, bias=False)
        self.hidden, self.out = nn.Linear(FILTERS, HIDDEN), nn.Linear(HIDDEN, 1)
        self.drop = nn.Dropout(DROPPED)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.drop(self.table(ids) * mask[..., None])
        found = functional.relu(self.filters(states.transpose(1, 2))).transpose(1, 2) * mask[..., None]
        mean = found.sum(1) / mask.sum(1, keepdim=True)
        scores: torch.Tensor = self.linear(mean) + self.out(functional.relu(self.hidden(self.drop(mean))))
        return scores[:, 0]


def start_table() -> np.ndarray:
    """The encoder's own token vectors in fewer dimensions."""
    weights = load_weights(packaged_folder(), trained=True)
    vectors = next(w for name, w in weights.items() if "word_embeddings" in name).astype(np.float32)
    vectors -= vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(vectors[::3], full_matrices=False)
    table = vectors @ axes[:WIDTH].T
    return (table / table.std()).astype(np.float32)


def padded(texts: Sequence[np.ndarray]) -> torch.Tensor:
    longest = max(map(len, texts))
    ids, mask = np.zeros((len(texts), longest), np.int64), np.zeros((len(texts), longest), np.float32)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1.0
    return torch.tensor(ids), torch.tensor(mask)


def taught(ids: Sequence[np.ndarray], harm: np.ndarray, epochs: int, seed: int) -> Network:
    torch.manual_seed(seed)
    chooser = np.random.default_rng(seed)
    network = Network(start_table())
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    order = np.argsort(np.array([len(i) for i in ids]) + 4 * chooser.random(len(ids)))
    batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
    steps = epochs * len(batches)
    wanted = torch.tensor(harm - MIDDLE, dtype=torch.float32)
    began, step = time.time(), 0
    for epoch in range(epochs):
        chooser.shuffle(batches)  # type: ignore[arg-type]
        total = 0.0
        for batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - step / steps) + 1e-5
            guessed = network(*padded([ids[i] for i in batch]))
            loss = functional.binary_cross_entropy_with_logits(guessed, torch.sigmoid(wanted[batch]))
            loss = loss + 0.05 * functional.smooth_l1_loss(guessed, wanted[batch].clamp(-8, 8))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            step += 1
        print(f"epoch {epoch + 1}: loss {total / len(ids):.4f}, {time.time() - began:.0f} s", flush=True)
    return network.eval()


def exported(network: Network) -> FirstLook:
    """The network with its table in int8, no texts known yet."""
    parts = {name: value.detach().numpy().astype(np.float32) for name, value in network.state_dict().items()}
    table = parts["table.weight"]
    scales = np.abs(table).max(axis=0) / 127.0
    filters = parts["filters.weight"].transpose(2, 1, 0)  # places, width, filters
    return FirstLook(
        table=np.rint(table / scales).astype(np.int8),
        filters=(filters * scales[None, :, None]).reshape(3 * WIDTH, FILTERS),
        offsets=parts["filters.bias"],
        linear=parts["linear.weight"][0],
        hidden=parts["hidden.weight"].T.copy(),
        hidden_offsets=parts["hidden.bias"],
        out=parts["out.weight"][0],
        out_offset=float(parts["out.bias"][0]),
        known=Known((), np.zeros((0, 1), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)),
    )


def means_of(look: FirstLook, ids: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([look.means(look.sums(i), np.array([0]), np.array([len(i)])) for i in ids])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3, help="that of the encoder's training: the same groups are kept")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("src/sisf/embedding") / FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    embedder = create_embedder()
    assert isinstance(embedder, LocalEmbedder)
    rows = [row for row in rows_of(embedder, options.seed) if row.text.strip()]
    print(f"{len(rows)} texts", flush=True)
    exact = KeptEmbedder(embedder).embed([row.text for row in rows])
    ids = [embedder.tokens(row.text)[0] for row in rows]
    harm = delta.shipped_heads().harm_scores(exact)
    learned = [i for i, row in enumerate(rows) if not row.kept and len(ids[i])]
    look = exported(taught([ids[i] for i in learned], harm[learned], options.epochs, options.seed))
    kept = [i for i, row in enumerate(rows) if row.kept and row.harmful and not row.inside and len(ids[i])]
    kept = random.Random(options.seed).sample(kept, min(KEPT, len(kept)))
    guessed = np.array([look.score(ids[i]) for i in kept], np.float32)
    lengths = np.array([len(ids[i]) for i in kept], np.int32)
    look = look.knowing(Known(tuple(rows[i].text for i in kept), exact[kept], guessed, lengths))
    print(f"{len(kept)} kept, correlation with the encoder {np.corrcoef(guessed, harm[kept])[0, 1]:.3f}")
    options.out.write_bytes(packed(look))
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
