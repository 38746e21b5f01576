"""Writes what training changed as the small file that ships: the mean of the given runs, at low rank, in float16.

Run by `make encoder` after `scripts/train_encoder.py`. Prints how far the file is from what was trained.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save

from sisf.embedding.delta import DOWN, FILE, SHIFT, UP
from sisf.embedding.minilm_package import packaged_folder
from sisf.taxonomy import Hazard

HAZARDS = [h for h in Hazard if h is not Hazard.OTHER]


def mean_state(paths: list[Path]) -> dict[str, np.ndarray]:
    states = [torch.load(path, weights_only=False)["state"] for path in paths]
    return {name: np.mean([s[name].float().numpy() for s in states], axis=0) for name in states[0]}


def factors(change: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    left, sizes, right = np.linalg.svd(change, full_matrices=False)
    root = np.sqrt(sizes[:rank])
    return left[:, :rank] * root, right[:rank] * root[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--rank", type=int, default=96)
    parser.add_argument("--out", type=Path, default=Path("src/sisf/embedding") / FILE)
    options = parser.parse_args()
    trained = mean_state(options.runs)
    packaged = load_file(packaged_folder() / "model.safetensors")
    parts: dict[str, np.ndarray] = {}
    lost, total = 0.0, 0.0
    for name, value in trained.items():
        base = name.removeprefix("bert.")
        if not name.startswith("bert.encoder.layer."):
            continue
        change = value - packaged[base].astype(np.float32)
        if change.ndim == 1:
            parts[base + SHIFT] = change.astype(np.float16)
            continue
        up, down = factors(change, options.rank)
        parts[base + UP], parts[base + DOWN] = up.astype(np.float16), down.astype(np.float16)
        lost += float(np.square(change - up @ down).sum())
        total += float(np.square(change).sum())
    parts["harm.weight"] = trained["harm.weight"][0].astype(np.float32)
    parts["harm.bias"] = trained["harm.bias"].astype(np.float32)
    parts["hazard.weight"] = trained["hazard.weight"].astype(np.float32)
    parts["hazard.bias"] = trained["hazard.bias"].astype(np.float32)
    parts["hazards"] = np.frombuffer(" ".join(HAZARDS).encode("ascii"), np.uint8)
    content = save(parts)
    options.out.write_bytes(content)
    print(json.dumps({"bytes": len(content), "share_of_the_change_left_out": round(lost / total, 4)}))


if __name__ == "__main__":
    main()
