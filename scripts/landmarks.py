"""Choose the landmarks (`sisf.embedding.landmarks`) among the harmful requests of the corpus: one for each cluster.

Run after the encoder or the corpus changed, before anything is measured: python scripts/landmarks.py
"""

from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

import sisf.embedding
from sisf.embedding import create_embedder
from sisf.embedding.kept import KeptEmbedder
from sisf.synthesis.local import known_requests

COUNT, LONGEST = 256, 160


def main() -> None:
    """Write `landmarks.txt`."""
    harmful = sorted({k.text for k in known_requests() if k.hazard is not None and len(k.text) <= LONGEST})
    texts = [text for text in harmful if len(text.splitlines()) == 1]
    vectors = KeptEmbedder(create_embedder()).embed(texts)
    centres = KMeans(COUNT, random_state=0, n_init=3).fit(vectors).cluster_centers_
    nearest = (centres / np.linalg.norm(centres, axis=1, keepdims=True) @ vectors.T).argmax(axis=1)
    chosen = [texts[place] for place in np.unique(nearest)]
    file = Path(sisf.embedding.__file__).with_name("landmarks.txt")
    file.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    print(f"{len(chosen)} landmarks of {len(texts)} requests: {file}")


if __name__ == "__main__":
    main()
