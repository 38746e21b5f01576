"""The texts of an answer while it is written: what events bring of them, and how far each was read and released."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sisf.pipeline.json_strings import JsonStrings
from sisf.pipeline.ports import Inspector


class StreamStopped(Exception):
    """The answer may not go on; it is recorded."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text in a stream."""

    choice: int
    """The choice (or block) that it belongs to; negative for a text beside the answer, or one that repeats it."""
    channel: str
    """Where the text goes (`0.content`, `0.tool_calls.1.function.arguments`): pieces of one channel follow each other,
    and are read as one text, whatever their choice."""
    text: str
    whole: bool = False
    """True for JSON, as a call's arguments: escapes may hide what it says, so it is inspected decoded, too, and as a
    whole before its end is released."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What one event of a stream brings."""

    deltas: Sequence[Delta] = ()
    finished: Collection[int] = ()
    """Choices (or blocks) whose texts end with this event."""
    done: bool = False
    """The stream ends with this event."""
    opened: Collection[int] = ()
    """Blocks (or items) that clients see begin, and must see end."""
    closed: Collection[int] | None = None
    """Those that clients see end; None: the finished ones."""


@dataclass(slots=True)
class Reading:
    """One way to read a text while it is written. Offsets count characters of this reading."""

    inspector: Inspector
    fed: int = 0
    released: int = 0


@dataclass(slots=True)
class Call:
    """The arguments of a call while they are written: as they stand, and what they say."""

    raw: Reading
    said: Reading | None = None
    """From the first escape on."""
    strings: JsonStrings = field(default_factory=JsonStrings)
    before: str = ""
    """The end of what the strings said."""
    length: int = 0
    """Characters that the strings have said."""
    marks: deque[tuple[int, int, int]] = field(default_factory=deque)
    """Of each piece its end: as it stands, in what the strings say, and in all calls of the choice together."""
    held: bool = False
    """JSON in a string of it has escapes of its own: it is read to the end first."""

    def released(self, together: int, so_far: int) -> int:
        """Up to where every reading was released."""
        said = self.said.released if self.said else self.length
        while self.marks and not self.held:
            end, of_strings, of_all = self.marks[0]
            if end > self.raw.released or of_strings > said or of_all > together:
                break
            so_far = end
            self.marks.popleft()
        return so_far


@dataclass(slots=True)
class Channel:
    """One text of the answer while it is written. Offsets count characters."""

    choice: int
    name: str
    whole: bool = False
    inspector: Inspector | None = None
    pieces: list[str] = field(default_factory=list)
    fed: int = 0
    released: int = 0
    overlap: int = 0
    """Characters of earlier text that the inspector was shown again and that are released already."""
    silent: int = 0
    """Characters that other texts of its choice have brought since it spoke."""
    ended: int = 0
    """Up to where it was, when it last ended."""
    muted: bool = False
    """Blocked in observe mode: one block is enough to know, the rest passes."""
    call: Call | None = None
    """How far it was read, where it is inspected as a whole."""
    turns: list[tuple[int, int]] = field(default_factory=list)
    """Which choice speaks from which piece on."""
    interleaved: bool = False
    """Whether a choice went on after another one had spoken: then each is read by itself, too."""
    own: bool = False
    """It is what one choice says of an interleaved text."""

    def turn_to(self, choice: int) -> bool:
        """Another choice speaks; whether it has spoken before."""
        before = any(spoke == choice for spoke, _ in self.turns)
        self.turns.append((choice, len(self.pieces)))
        self.choice = choice
        return before

    def said_by(self, choice: int) -> str:
        """What one choice has said."""
        ends = [start for _, start in self.turns[1:]] + [len(self.pieces)]
        spans = [(start, end) for (spoke, start), end in zip(self.turns, ends, strict=True) if spoke == choice]
        return "".join(piece for start, end in spans for piece in self.pieces[start:end])

    @property
    def said(self) -> list[str]:
        """Its text; of an interleaved one that of each choice."""
        if not self.interleaved:
            return ["".join(self.pieces)]
        return [self.said_by(choice) for choice in dict.fromkeys(spoke for spoke, _ in self.turns)]


Needs = list[tuple[Channel, int]]
"""Up to where each text must be released before an event may go."""
