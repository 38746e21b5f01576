"""Trains the harm-aware encoder: `make encoder`. Needs torch and transformers; nothing of it is needed to run SISF.

The layers of the packaged MiniLM are fine-tuned on the authored corpus (`sisf.corpus.training`) so that requests for
harm and honest requests that look alike lie apart. Two linear heads read the unit vector of a text: `harm` and
`hazard`. What ships is the difference to the packaged weights, at low rank, and the heads.

The loss is binary cross-entropy of harm, plus cross-entropy of the hazard, plus a margin between each harmful request
and its twin, plus a term that keeps vectors near those of the frozen model (so that a cosine goes on to mean likeness
of subject). The same seed on the same machine gives the same weights up to the rounding of parallel sums.
"""

import argparse
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from sisf.corpus.training import Example, examples, in_development
from sisf.embedding.minilm_package import MAX_TOKENS, packaged_folder
from sisf.taxonomy import Hazard

HAZARDS = [h for h in Hazard if h is not Hazard.OTHER]
IGNORED = -100
"""The class of texts that do not count in the loss of the hazard."""


class Encoder(nn.Module):
    """MiniLM with mean pooling to a unit vector, and the two heads on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
        width = self.bert.config.hidden_size
        self.harm = nn.Linear(width, 1)
        self.hazard = nn.Linear(width, len(HAZARDS))
        with torch.no_grad():
            for head in (self.harm, self.hazard):
                head.weight.mul_(20.0)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).to(states.dtype)
        return functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1)


def tokenised(texts: list[str]) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(packaged_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS + 2)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = torch.tensor(row), 1
    return ids, mask


@torch.inference_mode()
def embedded(model: Encoder, texts: list[str], batch: int = 64) -> np.ndarray:
    model.eval()
    rows = tokenised(texts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    vectors = np.zeros((len(rows), model.harm.in_features), np.float32)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        with torch.autocast("cpu", torch.bfloat16):
            vectors[part] = model(*padded([rows[i] for i in part])).float().numpy()
    return vectors


def batches(lengths: list[int], groups: list[str], size: int, chooser: random.Random) -> list[list[int]]:
    """Batches of texts of like length in which the texts of one group come together, four at most."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    chunks = []
    for group in members.values():
        chooser.shuffle(group)
        chunks += [group[i : i + 4] for i in range(0, len(group), 4)]
    chooser.shuffle(chunks)
    found = []
    for start in range(0, len(chunks), 400):
        part = sorted(chunks[start : start + 400], key=lambda c: max(lengths[i] for i in c) + chooser.random() * 8)
        batch: list[int] = []
        for chunk in part:
            batch += chunk
            if len(batch) * max(lengths[i] for i in batch) >= size:
                found.append(batch)
                batch = []
        if batch:
            found.append(batch)
    chooser.shuffle(found)
    return found


@dataclass(frozen=True)
class Taught:
    """The texts to train on as tensors; `frozen` holds the vectors of the model as published."""

    rows: list[list[int]]
    groups: list[str]
    harm: torch.Tensor
    hazards: torch.Tensor
    owners: torch.Tensor
    frozen: torch.Tensor | None

    @classmethod
    def of(cls, known: list[Example], frozen: torch.Tensor | None) -> "Taught":
        numbers = {group: i for i, group in enumerate(dict.fromkeys(e.group for e in known))}
        return cls(
            tokenised([e.text for e in known]),
            [e.group for e in known],
            torch.tensor([float(e.harmful) for e in known]),
            torch.tensor([HAZARDS.index(e.hazard) if e.hazard in HAZARDS else IGNORED for e in known]),
            torch.tensor([numbers[e.group] for e in known]),
            frozen,
        )


def loss_of(model: Encoder, taught: Taught, batch: list[int], options: argparse.Namespace) -> torch.Tensor:
    rows = [shortened(taught.rows[i], options.drop) for i in batch]
    with torch.autocast("cpu", torch.bfloat16):
        vectors = model(*padded(rows))
    vectors = vectors.float()
    wanted, hazards = taught.harm[batch], taught.hazards[batch]
    harm = model.harm(functional.dropout(vectors, 0.1, True)).squeeze(1)
    smooth = wanted * (1 - 2 * options.smoothing) + options.smoothing
    loss = functional.binary_cross_entropy_with_logits(harm, smooth)
    if (hazards != IGNORED).any():
        named = functional.cross_entropy(model.hazard(vectors), hazards, ignore_index=IGNORED)
        loss = loss + options.hazard * named
    same = taught.owners[batch][:, None] == taught.owners[batch][None, :]
    apart = same & (wanted[:, None] > wanted[None, :])
    if options.margin and apart.any():
        loss = loss + options.margin * functional.relu(4 - (harm[:, None] - harm[None, :]))[apart].mean()
    if taught.frozen is not None:
        loss = loss + options.near * (1 - (vectors * taught.frozen[batch]).sum(1)).mean()
    return loss


def shortened(row: list[int], share: float) -> list[int]:
    """Without some of the tokens between the markers, chosen at random."""
    return [row[0], *(t for t in row[1:-1] if random.random() > share), row[-1]]


def train(options: argparse.Namespace) -> tuple[Encoder, dict[str, float]]:
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    chooser = random.Random(options.seed)
    known = examples(options.seed)
    examples_taught = [e for e in known if not in_development(e)]
    held = [e for e in known if in_development(e)]
    print(f"{len(examples_taught)} texts to train on, {len(held)} kept from it", flush=True)
    model = Encoder(packaged_folder())
    texts = [e.text for e in examples_taught]
    taught = Taught.of(examples_taught, torch.tensor(embedded(model, texts)) if options.near else None)
    if options.base:
        model.load_state_dict(torch.load(options.base, weights_only=False)["state"])
    model.train()
    for parameter in model.bert.embeddings.parameters():
        parameter.requires_grad = False
    optimiser = optimiser_of(model, options)
    rates = [group["lr"] for group in optimiser.param_groups]
    lengths = [len(row) for row in taught.rows]
    plan = [batches(lengths, taught.groups, options.tokens, chooser) for _ in range(options.epochs)]
    steps, step, begun, mean = sum(map(len, plan)), 0, time.time(), 0.0
    for number, epoch in enumerate(plan, start=1):
        for batch in epoch:
            factor = min(1.0, (step + 1) / (0.06 * steps + 1)) * max(0.02, 1 - step / steps)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            loss = loss_of(model, taught, batch, options)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
            mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
            if step % 100 == 0:
                print(f"  {step}/{steps} loss {mean:.3f} {time.time() - begun:.0f} s", flush=True)
        figures = measured(model, held)
        print(f"epoch {number}", json.dumps(figures), f"{time.time() - begun:.0f} s", flush=True)
        model.train()
    return model, figures


def optimiser_of(model: Encoder, options: argparse.Namespace) -> torch.optim.Optimizer:
    """Lower layers move less; the heads move most."""
    layers = model.bert.encoder.layer
    groups = [
        {"params": list(layer.parameters()), "lr": options.rate * options.decay ** (len(layers) - 1 - i)}
        for i, layer in enumerate(layers)
    ]
    groups.append({"params": [*model.harm.parameters(), *model.hazard.parameters()], "lr": 20 * options.rate})
    return torch.optim.AdamW(groups, weight_decay=0.01)


def measured(model: Encoder, held: list[Example]) -> dict[str, float]:
    """How well texts that were kept from training are told apart."""
    from sklearn.metrics import roc_auc_score

    vectors = torch.tensor(embedded(model, [e.text for e in held]))
    model.eval()
    with torch.inference_mode():
        harm = model.harm(vectors).squeeze(1).numpy()
        hazard = model.hazard(vectors).argmax(1).numpy()
    labels = np.array([e.harmful for e in held])
    figures = {"auroc": float(roc_auc_score(labels, harm))}
    for part in dict.fromkeys(e.part for e in held):
        rows = [i for i, e in enumerate(held) if e.part == part]
        if len({held[i].harmful for i in rows}) == 2:
            figures[f"auroc_{part}"] = float(roc_auc_score(labels[rows], harm[rows]))
    named = [i for i, e in enumerate(held) if e.hazard in HAZARDS]
    figures["hazard_accuracy"] = float(np.mean([HAZARDS[hazard[i]] is held[i].hazard for i in named]))
    twins: dict[str, dict[bool, int]] = {}
    for i, e in enumerate(held):
        if e.part in ("pair", "contrastive"):
            twins.setdefault(e.group, {})[e.harmful] = i
    whole = [t for t in twins.values() if len(t) == 2]
    figures["twins_in_order"] = float(np.mean([harm[t[True]] > harm[t[False]] for t in whole]))
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where the trained weights are written (torch format)")
    parser.add_argument("--base", type=Path, help="weights of an earlier run to go on from")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--decay", type=float, default=0.9, help="factor on the rate, layer by layer downwards")
    parser.add_argument("--tokens", type=int, default=1800, help="tokens of a batch, padding included")
    parser.add_argument("--drop", type=float, default=0.05, help="share of tokens left out at random")
    parser.add_argument("--smoothing", type=float, default=0.01)
    parser.add_argument("--hazard", type=float, default=0.3)
    parser.add_argument("--margin", type=float, default=0.2)
    parser.add_argument("--near", type=float, default=0.05)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    model, figures = train(options)
    torch.save({"state": model.state_dict(), "figures": figures, "options": vars(options)}, options.out)
    assert math.isfinite(figures["auroc"])


if __name__ == "__main__":
    main()
