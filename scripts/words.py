"""Writes src/sisf/text/data/words.txt: English words, most frequent first; and neighbours.txt: which follow which.

Sources: the plain words of the vocabulary of BERT base uncased (sorted by frequency), from the tokeniser of the
packaged embedding model; the words of the English texts that SISF ships, which know more of what is asked of models;
`rarer_words.txt`, since that vocabulary cuts rarer words into pieces; and what grammar makes of these. Which words
follow which is counted in the texts that SISF ships alone.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path

from sisf.embedding.minilm import packaged_folder
from sisf.text.order import VERBS
from sisf.text.words import spoken

ROOT = Path(__file__).parent.parent / "src/sisf"
RARER_WORDS = Path(__file__).parent / "rarer_words.txt"
MEASURED_ON = ("dangerous_words", "unseen_pairs")
"""What ships to measure on: nothing is taken from it."""
KEPT = 20_000
RANK_OF_OURS = 6_000
"""Where words that BERT lacks are filed: rarer than the common ones, likelier than the odd ones."""
RARER = 2
"""How much rarer than its stem a form is that no source has."""
TOGETHER = 2
"""Times that two words must stand side by side."""
ENGLISH = 0.7
"""Share of the words of a text that BERT knows, in texts of which the others are taken, too."""
SHORTEST = 4
VOWELS = "aeiou"
NAMING = ("er", "or", "ion", "ment", "ness", "ism", "ist", "age", "ance", "ence", "ity")
"""Ends of nouns, which have a form for many."""
MAKING = {"ated": "ate", "ating": "ate", "ized": "ize", "izing": "ize", "ised": "ise", "ified": "ify", "ifying": "ify"}
"""Ends of forms of verbs, and those of the verbs."""


def main() -> None:
    """Write the list."""
    tokeniser = json.loads((packaged_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    ranked = sorted(tokeniser["model"]["vocab"].items(), key=lambda item: item[1])
    words = [w for w, _ in ranked if re.fullmatch("[a-z]{2,}|[ai]", w)][:KEPT]
    known = set(words)
    counts: Counter[str] = Counter()
    for text in _texts():
        found = re.findall(r"(?<![\w'’-])[a-z]{3,}(?![\w'’])", text)
        if sum(word in known for word in found) >= ENGLISH * len(found):
            counts.update(found)
    ours = [w for w, _ in counts.most_common() if w not in known]
    ours += sorted(VERBS - known - set(ours))
    rarer = _rarer()
    verbs, nouns = rarer["Verbs"], rarer["Nouns"]
    ours += [w for w in dict.fromkeys(chain(*rarer.values())) if w not in known and w not in counts]
    words[RANK_OF_OURS:RANK_OF_OURS] = ours
    ranks = {word: float(rank) for rank, word in enumerate(words)}
    made = _formed(ranks, verbs, nouns)
    words = sorted(ranks | made, key=(made | ranks).__getitem__)
    target = ROOT / "text/data/words.txt"
    target.write_text("\n".join(words) + "\n", encoding="ascii")
    print(f"{target}: {len(words)} words, {len(ours)} of them ours, {len(made)} made")
    write_neighbours(set(words))


def write_neighbours(known: set[str]) -> None:
    """Write how often each word stands in our texts, and how often others follow it there."""
    counts: Counter[str] = Counter()
    pairs: dict[str, Counter[str]] = {}
    for text in _requests():
        words = [word if word in known else "" for word in spoken(text.lower())]
        counts.update(words)
        for word, following in pairwise(words):
            pairs.setdefault(word, Counter())[following] += 1
    lines = []
    for word in sorted(known & pairs.keys()):
        after = sorted((other, count) for other, count in pairs[word].items() if other and count >= TOGETHER)
        if after:
            lines.append(" ".join([word, str(counts[word]), *(f"{other} {count}" for other, count in after)]))
    target = ROOT / "text/data/neighbours.txt"
    target.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{target}: {len(lines)} words")


def _requests() -> Iterator[str]:
    """The texts that are shipped, and the requests by which the encoder was trained."""
    yield from _texts()
    for file in sorted((ROOT / "corpus").glob("*.txt")):
        yield from file.read_text(encoding="utf-8").splitlines()


def _texts() -> Iterator[str]:
    """Every string of what is shipped, but of what is measured on."""
    for file in sorted(file for file in (ROOT / "corpus").glob("*.jsonl") if file.stem not in MEASURED_ON):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield from _strings(json.loads(line))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)


def _rarer() -> dict[str, list[str]]:
    """The words of `rarer_words.txt`, by the heading above them."""
    sections = RARER_WORDS.read_text(encoding="ascii").split("# ")[1:]
    return {heading: words.split() for heading, _, words in (each.partition("\n") for each in sections)}


def _formed(ranks: Mapping[str, float], verbs: Collection[str], nouns: Collection[str]) -> dict[str, float]:
    """The forms of known verbs and nouns that are missing, with their ranks."""
    stems = dict(ranks)
    for word, rank in ranks.items():
        for end, of_verb in MAKING.items():
            if word.endswith(end) and len(word) - len(end) >= 2:
                stems.setdefault(word.removesuffix(end) + of_verb, RARER * rank)
    made = {stem: rank for stem, rank in stems.items() if stem not in ranks}
    for stem, rank in stems.items():
        if len(stem) < SHORTEST:
            continue
        many, *others = _forms(stem)
        forms = [many, *others] if stem in made or stem in verbs or any(form in ranks for form in others) else []
        forms += [many] if stem.endswith(NAMING) or stem in nouns else []
        for form in forms:
            if form not in ranks:
                made[form] = min(made.get(form, float("inf")), RARER * rank)
    return made


def _forms(stem: str) -> list[str]:
    """With `s`, `ed` and `ing`."""
    if stem.endswith("e"):
        return [f"{stem}s", f"{stem}d", f"{stem[:-1]}ing"]
    if stem.endswith("y") and stem[-2] not in VOWELS:
        return [f"{stem[:-1]}ies", f"{stem[:-1]}ied", f"{stem}ing"]
    many = f"{stem}es" if stem.endswith(("s", "x", "z", "ch", "sh")) else f"{stem}s"
    return [many, f"{stem}ed", f"{stem}ing"]


if __name__ == "__main__":
    main()
