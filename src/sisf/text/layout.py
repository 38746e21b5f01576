"""Words in rows and columns: one or a few to a row, behind numbers, times and names; cells that are read downwards.

Speakers are labels, too, whoever speaks a row; a line that ends inside a word goes on in the next one.

Each function returns the text with such rows read as one sentence, or None. All take time linear in the text.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from sisf.text.changed import Changed, Span, substitute
from sisf.text.wordless import without_repeated_lines
from sisf.text.words import costs, readable

CLUE_ROWS = (
    r"(?:(?:^|\n)[^A-Za-z]+[A-Za-z][^\n]*){3}|(?:(?:^|\n)\w+\(?[\"'=:\]>][^\n]+){4}"
    r"|(?:(?:^|\n)[A-Za-z][^\n:>]*[:>][^\n]+){3}|(?:(?:^|\n)[^\n]*[0-9:][^\n]*\n[^\n]*[A-Za-z][^\n]*){3}"
)
CLUE_BROKEN = r"(?:[A-Za-z ]+(?:[|/~•·…;*+#=]|\.\.+|--+)){4}|[A-Za-z]-?\n\s*[a-z][^\n]*[A-Za-z]-?\n\s*[a-z]"
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
_SPEAKER = re.compile(r"([^\W\d_][^:>\n]{0,24}?)[:>][\W\d_]*(?=[^\W\d_])")
_CITED = re.compile("[\"'“„«]$")
_FEW_SPEAKERS, _EACH_SPEAKS = 6, 0.75
"""Different names before rows for these to be speakers, and names for each of the rows."""
_LETTER = re.compile(r"[^\W\d_]")
_RULE, _DASHES = frozenset("|:- \t"), "---"
"""The line below the heads of a table, which are none of its rows: what it is made of, and what it has."""
_WALL = "|"
"""Stands between the cells of a table, each of which is a row."""
_BROKEN = re.compile(r"(?<![^\W\d_])([A-Za-z]{1,20})(-?)[ \t]*\n[ \t]*([a-z]{1,20})(?![^\W\d_])")
_FEWEST_BROKEN = 2
_CELLS = re.compile(r"\t|[ ]{2,}")
_FEWEST_ROWS = 3
_WORDY = 0.75
"""Share of the cells that must be words."""
_LONGEST, _MOST_CELLS = 200, 24
"""Characters, and cells, of a row that may be one of a table."""


_NUMBER, _HEADER = re.compile(r"\d+"), re.compile(r"\d|\W$")
_MOST_OF_HEADER, _FEWEST_HEADERS, _HEADERS = 8, 3, (0.3, 0.7)
"""Most words of a line that stands above each message of a chat, the fewest of such lines, and their share of all."""
_PARTING = re.compile(r"\n|[^\w\s]{1,3}")
_FEWEST_CUT, _LONGEST_CUT = 5, 24
"""Pieces of one length into which a text is cut, and their characters at most."""
_READS, _BETTER = 0.7, 0.1
"""Share of the letters that must stand in known words where pieces are put together, and how much more than before."""


def rows(text: str) -> Changed | None:
    """Neighbouring rows of few words as one sentence, without what stands around the words of each. Records that say
    what others say are read once."""
    said: list[str] = []
    fresh: list[Span] = []
    length = 0
    below = _below_headers(text)
    if below is not None:
        return Changed(below)
    for lines, joined in _blocks(without_repeated_lines(text)):
        part = joined if joined is not None else "\n".join(lines)
        if joined is not None:
            fresh.append((length, length + len(part)))
        said.append(part)
        length += len(part) + 1
    return Changed("\n".join(said), tuple(fresh)) if fresh else None


def _below_headers(text: str) -> str | None:
    """Messages of a few words each as one sentence, without the lines above them that say who speaks and when: these
    are the same but for numbers. None where a text has none."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    forms = [_NUMBER.sub("0", line) if len(line.split()) <= _MOST_OF_HEADER else "" for line in lines]
    counts = Counter(forms)
    above = [counts[form] > 1 and _HEADER.search(form) is not None for form in forms]
    headers, (least, most) = sum(above), _HEADERS
    if headers < _FEWEST_HEADERS or not least * len(lines) <= headers <= most * len(lines):
        return None
    said = [line for line, header in zip(lines, above, strict=True) if not header]
    few = sum(len(line.split()) for line in said) <= _MOST_WORDS * len(said)
    return " ".join(said) if few else None


def _blocks(text: str) -> Iterator[tuple[list[str], str | None]]:
    """The lines in blocks, each with what it says as rows; None where it is none."""
    block: list[str] = []
    for line in text.split("\n"):
        if len(line.split()) > 3 * _MOST_WORDS or (_DASHES in line and _RULE.issuperset(line)):
            yield block, _sentence(block)
            yield [line], None
            block = []
        else:
            block.append(line)
    yield block, _sentence(block)


def _sentence(lines: Sequence[str]) -> str | None:
    """What rows say as one sentence; None where they are no rows of few words with something around them."""
    cores = [_core(cell) for line in lines for cell in line.split(_WALL) if _LETTER.search(cell)]
    spoken = _without_speakers(cores)
    cores = _unlabelled(spoken or cores)
    if len(cores) < _FEWEST - 1 or len(lines) < _FEWEST - 1:
        return None
    words = sum(len(core.split()) for core in cores)
    if words > _MOST_WORDS * len(cores):
        return None
    kept = sum(map(len, cores))
    around = sum(len(line) - line.count(" ") for line in lines) - kept
    few = words <= _WORDS_OF_A_LIST * len(cores) and len(cores) >= _FEWEST
    if around <= (0 if few or spoken else _AROUND * kept):
        return None
    return " ".join(cores)


def _core(line: str) -> str:
    found = _BEFORE.match(line)
    core = line[found.end() :] if found else line
    behind = _BEHIND.match(core[::-1])
    return core[: len(core) - behind.end()] if behind else core


def _without_speakers(cores: Sequence[str]) -> Sequence[str] | None:
    """Without the names of speakers before nearly all rows: few names, or any before what is cited; else None."""
    spoken = [_SPEAKER.match(core) for core in cores]
    names = {found[1] for found in spoken if found}
    said = sum(found is not None for found in spoken)
    cited = sum(found is not None and _CITED.search(found[0]) is not None for found in spoken)
    few = len(names) <= min(_FEW_SPEAKERS, _EACH_SPEAKS * len(cores))
    if said < _ALIKE * len(cores) or not (few or cited >= _ALIKE * len(cores)):
        return None
    return [core[found.end() :] if found else core for core, found in zip(cores, spoken, strict=True)]


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


def unbroken(text: str) -> Changed | None:
    """Words that go on in the next line put together, where several lines end inside one; other lines with a gap. Where
    all pieces have one length, whatever parts them, nothing else stood between them."""
    recut = _recut(text)
    if recut is not None:
        return Changed(recut)
    if sum(_put_together(match) is not None for match in _BROKEN.finditer(text)) < _FEWEST_BROKEN:
        return None
    return substitute(_BROKEN, lambda match: _put_together(match) or f"{match[1]} {match[3]}", text)


def _recut(text: str) -> str | None:
    """A text that was cut every so many characters, as it was before; None where it was not."""
    signs = Counter(_PARTING.findall(text)).most_common(1)
    if not signs:
        return None
    sign, apart = signs[0][0], f" {signs[0][0]} "
    pieces = text.strip("\n").split(apart if text.count(apart) == text.count(sign) else sign)
    if len(pieces) < _FEWEST_CUT:
        return None
    lengths = set(map(len, pieces[:-1]))
    if len(lengths) > 1 or not len(pieces[-1]) <= max(lengths) <= _LONGEST_CUT:
        return None
    whole = "".join(pieces)
    reads = readable(whole)
    return whole if reads >= _READS and reads > readable(" ".join(pieces)) + _BETTER else None


def _put_together(match: "re.Match[str]") -> str | None:
    first, hyphen, last = match.groups()
    known, whole = costs(), f"{first}{last}"
    parts = first.lower() in known and last in known
    return whole if whole.lower() in known and (hyphen or not parts) else None


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
