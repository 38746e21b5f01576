"""Words in rows and columns: one or a few to a row, behind numbers, times and names; cells that are read downwards.

Each function returns the text with such rows read as one sentence, or None. All take time linear in the text.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from sisf.text.changed import Changed, Span
from sisf.text.wordless import without_repeated_lines

CLUE_ROWS = r"(?:(?:^|\n)[^A-Za-z]+[A-Za-z][^\n]*){3}|(?:(?:^|\n)\w+\(?[\"'=:\]>][^\n]+){4}"
CLUE_COLUMNS = r"(?:(?:^|\n)[^\n]*[^\s|](?:[ \t][ \t]+|\t)[^\n]+){3}|(?:(?:^|\n)\S(?: +\S)+ *){4}"
"""What in a text calls for each (RE2); without bounds that count, of which automata would keep every state."""
_FEWEST = 4
"""Rows that are read together; one less where much stands around them."""
_MOST_WORDS = 6
"""Words of a row, on average; a row of more is a sentence of its own."""
_WORDS_OF_A_LIST = 1.5
"""Words of a row up to which rows are one text cut up, even where little stands in front of them."""
_AROUND = 0.5
"""What stands around longer rows, for each of their letters, from which they are that."""
_ALIKE = 0.75
"""Share of the rows that begin with the same word for it to be no part of what they say."""
_BEFORE, _BEHIND = re.compile(r"[\W\d_]*"), re.compile(r"[^\w.!?,;]*")
"""What stands around the words of a row; behind them seen from its end."""
_MOST_LABELS = 3
_LABEL = re.compile(r"([^\W\d_]+)[\W\d_]+(?=[^\W\d_])")
_LETTER = re.compile(r"[^\W\d_]")
_CELLS = re.compile(r"\t|[ ]{2,}")
_FEWEST_ROWS = 3
_WORDY = 0.75
"""Share of the cells that must be words."""
_LONGEST, _MOST_CELLS = 200, 24
"""Characters, and cells, of a row that may be one of a table."""


def rows(text: str) -> Changed | None:
    """Neighbouring rows of few words as one sentence, without what stands around the words of each. Records that say
    what others say are read once."""
    said: list[str] = []
    fresh: list[Span] = []
    length = 0
    for lines, joined in _blocks(without_repeated_lines(text)):
        part = joined if joined is not None else "\n".join(lines)
        if joined is not None:
            fresh.append((length, length + len(part)))
        said.append(part)
        length += len(part) + 1
    return Changed("\n".join(said), tuple(fresh)) if fresh else None


def _blocks(text: str) -> Iterator[tuple[list[str], str | None]]:
    """The lines in blocks, each with what it says as rows; None where it is none."""
    block: list[str] = []
    for line in text.split("\n"):
        if len(line.split()) > 3 * _MOST_WORDS:
            yield block, _sentence(block)
            yield [line], None
            block = []
        else:
            block.append(line)
    yield block, _sentence(block)


def _sentence(lines: Sequence[str]) -> str | None:
    """What rows say as one sentence; None where they are no rows of few words with something around them."""
    cores = [_core(line) for line in lines if _LETTER.search(line)]
    cores = _unlabelled(cores)
    if len(cores) < _FEWEST - 1:
        return None
    words = sum(len(core.split()) for core in cores)
    if words > _MOST_WORDS * len(cores):
        return None
    kept = sum(map(len, cores))
    around = sum(len(line) - line.count(" ") for line in lines) - kept
    few = words <= _WORDS_OF_A_LIST * len(cores) and len(cores) >= _FEWEST
    if around <= (0 if few else _AROUND * kept):
        return None
    return " ".join(cores)


def _core(line: str) -> str:
    found = _BEFORE.match(line)
    core = line[found.end() :] if found else line
    behind = _BEHIND.match(core[::-1])
    return core[: len(core) - behind.end()] if behind else core


def _unlabelled(cores: Sequence[str]) -> list[str]:
    """Without the words with which nearly all rows begin."""
    left = list(cores)
    for _ in range(_MOST_LABELS if len(left) >= _FEWEST else 0):
        labels = [_LABEL.match(core) for core in left]
        counts = Counter(found[1] for found in labels if found)
        label, count = counts.most_common(1)[0] if counts else ("", 0)
        if count < _ALIKE * len(left):
            break
        left = [
            core[found.end() :] if found and found[1] == label else core
            for core, found in zip(left, labels, strict=True)
        ]
    return left


def columns(text: str) -> Changed | None:
    """Cells read downwards, one column after the other, and letters that stand below each other."""
    lines = [line for line in text.split("\n") if line.strip()]
    apart = [line for line in lines if len(line) <= _LONGEST and not line[1::2].strip()]
    if len(apart) >= _FEWEST and sum(map(len, apart)) >= _FEWEST * len(apart):
        downwards = ("".join(column).strip() for column in zip_longest(*apart, fillvalue=" "))
        return Changed(" ".join(word for word in downwards if word))
    table = [cells for line in lines if 1 < len(cells := _CELLS.split(line.strip())) <= _MOST_CELLS]
    if len(table) < _FEWEST_ROWS:
        return None
    cells = [cell for row in table for cell in row]
    if sum(cell.strip(".,:;!?").isalpha() for cell in cells) < _WORDY * len(cells):
        return None
    return Changed(" ".join(cell for column in zip_longest(*table, fillvalue="") for cell in column if cell))
