"""Writes src/sisf/text/data/words.txt: English words, most frequent first.

Sources: the plain words of the vocabulary of BERT base uncased (sorted by frequency), from the tokeniser of the
packaged embedding model, and the words of the texts that SISF ships, which know more of what is asked of models.
"""

import json
import re
from collections import Counter
from pathlib import Path

from sisf.embedding.minilm import packaged_folder

ROOT = Path(__file__).parent.parent / "src/sisf"
KEPT = 20_000
RANK_OF_OURS = 6_000
"""Where words that BERT lacks are filed: rarer than the common ones, likelier than the odd ones."""


def main() -> None:
    """Write the list."""
    tokeniser = json.loads((packaged_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    ranked = sorted(tokeniser["model"]["vocab"].items(), key=lambda item: item[1])
    words = [w for w, _ in ranked if re.fullmatch("[a-z]{2,}|[ai]", w)][:KEPT]
    known = set(words)
    counts: Counter[str] = Counter()
    for file in sorted((ROOT / "corpus").glob("*.jsonl")):
        counts.update(re.findall(r"(?<![\w'])[a-z]{3,}(?![\w'])", file.read_text(encoding="utf-8")))
    ours = [w for w, _ in counts.most_common() if w not in known]
    words[RANK_OF_OURS:RANK_OF_OURS] = ours
    target = ROOT / "text/data/words.txt"
    target.write_text("\n".join(words) + "\n", encoding="ascii")
    print(f"{target}: {len(words)} words, {len(ours)} of them ours")


if __name__ == "__main__":
    main()
