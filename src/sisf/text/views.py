"""Canonical views: a hostile text as a person, or a model told how, would read it.

The first view is the text as it stands. Others are made only when something in the text calls for them, and hold no
more than the passages that differ. A plain ASCII text has itself and its lower-case form.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sisf.errors import LimitExceeded
from sisf.text import (
    accents,
    alphabets,
    banners,
    bases,
    characters,
    ciphers,
    decoding,
    layout,
    marks,
    markup,
    noise,
    other_languages,
    spelling,
    texting,
    told,
)
from sisf.text.changed import Changed, Pairs, backwards, passages, word_by_word
from sisf.text.clues import Clues
from sisf.text.confusables import skeleton
from sisf.text.cut_words import glued
from sisf.text.imitation import imitated
from sisf.text.once import once
from sisf.text.transliteration import transliterated

LONG = 1_000
"""Characters from which a reading leaves out what stands in others too."""
MAX_DEPTH = 2
"""Encodings inside one another that are undone."""
MAX_SPELLINGS = 2
"""Spellings upon one another that are undone: digits for letters in words that hyphens part."""
GROWTH, ALLOWANCE = 3, 20_000
DENSE_GROWTH, DENSE_MOST = 16, 500_000
"""Other readings than the plain one may hold `GROWTH` times the characters of the text and `ALLOWANCE` more, or
`DENSE_GROWTH` times where these are no more than `DENSE_MOST`: a page of a code chart shows each character in several
encodings. Beyond, the text is refused: that bounds the time and memory that any text can cost here. What an embedder
has to read of it is counted by itself, against the time that an inspection has."""
MAX_VIEWS = 192
_SEPARATOR = "\n"
_SHORT = 4_000
"""Characters of a text whose clues are remembered for a moment."""

Transform = Callable[[str], Changed | None]


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text."""

    name: str
    """How it was made: `raw`, `folded`, `skeleton`, `base64`, `base64>rot13`, …"""
    text: str
    """All of the text for `raw` and `folded`; for others the passages that differ, a line break between them."""
    derived: bool = True
    """Whether it says something that `raw` does not say to an embedder, which knows no letter case."""


@once
def _all() -> tuple[tuple[str, str, Transform, bool], ...]:
    """Name, what in a text calls for it (RE2), how it is made, whether it is an encoding (and so counts as depth)."""
    return (
        ("base64", r"[A-Za-z0-9+/_-]{14}", decoding.from_base64, True),
        ("hex", r"(?i)(?:(?:0x|\\x)?[0-9a-fn-s]{2}[\s,:;-]{0,2}){6}", decoding.from_hex, True),
        ("percent", r"%[0-9A-Za-z]{2}", decoding.from_percent, True),
        ("entities", r"&(?:#|[A-Za-z][A-Za-z0-9]{1,31};)", decoding.from_entities, True),
        ("escapes", r"\\[uUx0-3nrt\"'/\\]|[Uu]\+[0-9A-Fa-f]{4}", decoding.from_escapes, True),
        ("base64 pieces", bases.CLUE_PIECES, bases.from_base64_pieces, True),
        ("base32", r"[A-Z2-7]{16}", bases.from_base32, True),
        ("base85", r"[!-~]{20}", bases.from_base85, True),
        ("uuencode", bases.CLUE_UU, bases.from_uuencode, True),
        ("base64 words", bases.CLUE_WORDS, bases.from_base64_words, True),
        ("quoted-printable", bases.CLUE_QUOTED, bases.from_quoted_printable, True),
        ("UTF-7", bases.CLUE_UTF7, bases.from_utf7, True),
        ("morse", alphabets.CLUE_MORSE, alphabets.from_morse, True),
        ("radio alphabet", alphabets.clue_names(), alphabets.from_names, True),
        ("numbers", alphabets.CLUE_NUMBERS, alphabets.from_numbers, True),
        ("initials", alphabets.CLUE_INITIALS, alphabets.from_initials, True),
        ("rot13", decoding.clue_rot13(), decoding.from_rot13, True),
        ("reversed", decoding.clue_reversed(), decoding.from_reversed, True),
        ("reversed words", decoding.clue_reversed(), decoding.from_reversed_words, True),
        ("reversed lines", decoding.clue_reversed(), decoding.from_reversed_lines, True),
        ("shown", markup.CLUE_SHOWN, markup.shown, False),
        ("comments", markup.CLUE_COMMENTS, markup.comments, False),
        ("strings", markup.CLUE_STRINGS, markup.strings, False),
        ("filled", markup.CLUE_FILLED, markup.filled, False),
        ("substituted", markup.CLUE_ASSIGNED, markup.substituted, False),
        ("numbered", noise.CLUE_NUMBERED, noise.numbered, False),
        ("rows", layout.CLUE_ROWS, layout.rows, False),
        ("bare", marks.CLUE_MARKED, marks.bare, False),
        ("unbroken", layout.CLUE_BROKEN, layout.unbroken, False),
        ("columns", layout.CLUE_COLUMNS, layout.columns, False),
        ("banners", banners.CLUE_BANNERS, banners.from_banners, True),
        ("as told", told.CLUE_TOLD, told.as_told, True),
        ("keyed", told.CLUE_KEYED, told.keyed, True),
        ("fronted", noise.CLUE_FRONTED, noise.fronted, False),
        ("words forwards", noise.clue_pairs(), noise.forwards, False),
        ("joined", r"(?:[A-Za-z0-9][^A-Za-z0-9]{1,40}){3}[A-Za-z0-9]", spelling.joined, False),
        ("parted", spelling.CLUE_BETWEEN, spelling.parted, False),
        ("unparted", noise.CLUE_INSERTED, noise.unparted, False),
        ("unuttered", noise.CLUE_UTTERED, noise.unuttered, False),
        ("unglued", r"[A-Za-z]{14}", spelling.unglued, False),
        ("unpinned", spelling.CLUE_PINNED, spelling.unpinned, False),
        ("texted", texting.CLUE_TEXTED, texting.texted, False),
        ("stretched", spelling.CLUE_STRETCHED, spelling.stretched, False),
        ("leet", r"[A-Za-z][0-9@$|+€£¥¢(\\/]|[0-9@$|!)\\/][A-Za-z]|/-\\|\|[_\\]\|", spelling.unleeted, False),
    )


_UPON_OTHERS = frozenset(
    ("numbered", "bare", "joined", "parted", "unparted", "unglued", "unpinned", "stretched", "leet")
)
"""Spellings that are undone in texts in which others were."""
_LEET_L = "leet l"
_IN_PLACE: Mapping[str, Transform] = {
    "entities": decoding.from_entities,
    "escapes": decoding.from_escapes,
    "percent": decoding.from_percent,
}
"""Encodings of single characters. A long text that has several of them is read with all undone at once: one after the
other, in every order, would be read for each table that shows a character in each of them."""


def plain(text: str) -> bool:
    """Whether nothing in a text calls for an encoding or a spelling to be undone: its views cost next to nothing."""
    return text.isascii() and not _calling(text)


def go_on() -> None:
    """The pause of work that nobody else waits for."""


def views(text: str, pause: Callable[[], None] = go_on) -> tuple[View, ...]:
    """The views of a text, `raw` first. Linear in its length. `pause` is called between the steps; what it raises ends
    them.

    Raises `LimitExceeded` when the text unfolds into much more than itself: it is refused whole, never cut.
    """
    text = characters.scalar(text)
    folded = characters.folded(text)
    long = len(text) > LONG
    forms = not text.isascii() and folded != (lower := text.lower())
    known = [View("raw", text, derived=False)]
    if folded != text:
        known.append(View("folded", folded, derived=forms and not long))
    known += [View("glued", words, derived=False) for words in dict.fromkeys(map(glued, (text, folded))) if words]
    collector = _Collector(pause, most(len(text)), known, {text, folded})
    if long:
        collector.read = Pairs((text, lower) if forms else (text, folded))
        if forms and (changed := collector.read.without(folded)):
            collector.add("forms", changed)
            collector.read.add(folded)
    _unfold(text, "", 0, collector)
    return tuple(collector.views)


def most(length: int) -> int:
    """Characters that the other readings of a text of this length may hold."""
    return max(GROWTH * length + ALLOWANCE, min(DENSE_GROWTH * length, DENSE_MOST))


@dataclass(slots=True)
class _Collector:
    """Keeps each reading once, of a long text each pair of neighbouring sentences once, within the budget of
    characters."""

    pause: Callable[[], None]
    budget: int
    """Characters that readings may hold."""
    views: list[View] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    read: Pairs | None = None
    spent: int = 0

    def new(self, changed: Changed, *, fold: bool = False) -> str:
        """The passages that differ, without what another reading holds already."""
        found = _passages(changed)
        found = characters.folded(found) if fold else found
        return self.read.without(found) if self.read is not None else found

    def add(self, name: str, text: str, *, derived: bool = True) -> bool:
        """Whether the reading is new."""
        if text in self.seen:
            return False
        if derived:
            self.spent += len(text)
        if self.spent > self.budget or len(self.views) >= MAX_VIEWS:
            raise LimitExceeded(
                "the text unfolds into far more text than it is long, encodings undone: send it plainly"
            )
        self.seen.add(text)
        if self.read is not None and derived:
            self.read.add(text)
        self.views.append(View(name, text, derived))
        return True

    def add_folded(self, name: str, text: str) -> None:
        """Add the reading in lower case and without forms of letters: only these are news to an embedder."""
        folded, lower = characters.folded(text), text.lower()
        if self.read is not None and folded != lower:
            self.add(name, Pairs((lower,)).without(folded))
        self.add(name, folded, derived=self.read is None and folded != lower)
        if self.read is not None:
            self.read.add(folded)


def _unfold(text: str, path: str, depth: int, out: _Collector, spellings: tuple[str, ...] = ()) -> None:
    """Add every reading of `text`, which itself was added by the caller. `spellings`: what was undone in it already."""
    if text.isascii() and not characters.has_invisible(text):
        _respelled(text, path, depth, out, spellings)
        return
    if depth < MAX_DEPTH:
        for piece in characters.hidden(text):
            _child(piece, _name(path, "hidden"), depth, out)
    for name, shown in _shown(text):
        _difference(text, shown, _name(path, name), out)
        _canonical(shown, path, depth, out, spellings)
    turned = characters.upright(text) if depth < MAX_DEPTH else None
    if turned is not None:
        _child(out.new(backwards(turned)), _name(path, "upright"), depth, out)
        _child(out.new(turned), _name(path, "upright in place"), depth, out)


def _shown(text: str) -> Iterator[tuple[str, str]]:
    """The text without what cannot be seen, in the orders in which it may be shown."""
    yield "visible", characters.visible(text)
    erased = characters.erased(text)
    if erased != text:
        yield "erased", characters.visible(erased)
    reordered = characters.reordered(erased)
    if reordered != erased:
        yield "reordered", characters.visible(reordered)


def _canonical(shown: str, path: str, depth: int, out: _Collector, spellings: tuple[str, ...]) -> None:
    """Fold, strip marks, map look-alikes; then the last of these is what spelling and encodings are read from."""
    plain = characters.unmarked(characters.composed(shown))
    _difference(characters.folded(shown), characters.folded(plain), _name(path, "unmarked"), out)
    mapped = skeleton(plain)
    _difference(characters.folded(plain), characters.folded(mapped), _name(path, "skeleton"), out)
    _respelled(mapped, path, depth, out, spellings)
    seen = imitated(plain)
    for name, meant in (("imitation", seen), ("transliteration", transliterated(seen or plain))):
        if meant is not None and characters.folded(meant) != characters.folded(mapped):
            _difference(characters.folded(plain), characters.folded(meant), _name(path, name), out)
            _respelled(meant, path, depth, out, spellings)


def _difference(before: str, after: str, name: str, out: _Collector) -> None:
    changed = word_by_word(before, after)
    if changed is not None and (part := out.new(changed)):
        out.add(name, part)
        out.add_folded(name, part)


def _respelled(text: str, path: str, depth: int, out: _Collector, spellings: tuple[str, ...]) -> None:
    """Spelling and encodings that something in the text calls for."""
    for name, _, make, encoding in _called(text, path, depth, out):
        out.pause()
        backwards_again = name.startswith("reversed") and "reversed" in path
        again = name in spellings or (spellings and name not in _UPON_OTHERS)
        if again or (encoding and depth >= MAX_DEPTH) or backwards_again:
            continue
        changed = make(text) if name != "unglued" else make(characters.folded(text))
        if changed is None:
            continue
        part = out.new(changed, fold=not encoding)
        if not part:
            continue
        if encoding:
            _child(part, _name(path, name), depth, out)
        elif name == "leet":
            if _unleeted(text, _name(path, name), changed, "i", out):
                _unleeted_otherwise(text, path, out)
                _again(part, _name(path, name), depth, out, (*spellings, name))
        elif out.add(_name(path, name), part):
            _again(part, _name(path, name), depth, out, (*spellings, name))

    out.pause()
    _reread(text, path, out)
    unfilled = None if spellings else noise.unechoed(text) or noise.unfilled(text)
    if unfilled is not None and out.add(_name(path, "unfilled"), characters.folded(unfilled.text)):
        _reread(unfilled.text, _name(path, "unfilled"), out)


def _called(text: str, path: str, depth: int, out: _Collector) -> Sequence[tuple[str, str, Transform, bool]]:
    """The transforms that something in the text calls for, without what was undone at once here."""
    called = [_all()[index] for index in _calling(text) if index < len(_all())]
    in_place = [name for name, *_ in called if name in _IN_PLACE]
    if out.read is None or len(in_place) < 2 or depth >= MAX_DEPTH:
        return called
    if part := out.new(Changed(_undone(text))):
        _child(part, _name(path, "+".join(in_place)), depth, out)
    return [each for each in called if each[0] not in _IN_PLACE]


def _undone(text: str) -> str:
    """The text with all encodings of single characters undone."""
    for undo in _IN_PLACE.values():
        changed = undo(text)
        text = changed.text if changed is not None else text
    return text


def _reread(text: str, path: str, out: _Collector) -> None:
    """What the pieces that do not read may be. What chats write short is written out already, and marks of a long text
    stand in pages of code and tables."""
    if path.endswith(("texted", "bare")) and len(text) > LONG:
        return
    lower = characters.folded(text)
    for name, changed in (("accent", accents.heard(lower)), ("in English", other_languages.in_english(lower))):
        if changed is not None and (part := out.new(changed)):
            out.add(_name(path, name), part)
    for name, read in ciphers.readings(text, long=out.read is not None, typed=not path).items():
        if not ("reversed" in path and "reversed" in name):
            out.add(_name(path, name), characters.folded(read))


def _again(text: str, path: str, depth: int, out: _Collector, spellings: tuple[str, ...]) -> None:
    """What else is hidden in a short text in which spellings were undone, as long as half of the budget is left."""
    if len(spellings) < MAX_SPELLINGS and not depth and len(text) <= LONG and 2 * out.spent < out.budget:
        _unfold(text, path, depth, out, spellings)
    else:
        _reread(text, path, out)


def _unleeted_otherwise(text: str, path: str, out: _Collector) -> None:
    """The other reading of `1`."""
    other = spelling.unleeted(text, "l")
    if other is not None:
        _unleeted(text, _name(path, _LEET_L), other, "l", out)


def _unleeted(text: str, name: str, changed: Changed, one: str, out: _Collector) -> bool:
    """Digits and signs read as letters; whether any of it is new. Code has many that make no word: patterns are
    searched in these, and they tell an embedder nothing."""
    telling = spelling.telling(text, changed, one)
    part = "" if telling is None else out.new(telling, fold=True)
    whole = characters.folded(_passages(changed))
    new = whole != part and out.add(name, whole, derived=False)
    return (bool(part) and out.add(name, part)) or new


def _child(text: str, name: str, depth: int, out: _Collector) -> None:
    text = characters.scalar(text)
    if out.add(name, text):
        out.add_folded(name, text)
        _unfold(text, name, depth + 1, out)


def _passages(changed: Changed) -> str:
    spans = passages(changed.text, changed.fresh)
    return _SEPARATOR.join(changed.text[start:end].strip() for start, end in spans)


def _name(path: str, name: str) -> str:
    return f"{path}>{name}" if path else name


def _calling(text: str) -> tuple[int, ...]:
    """The clues in a text."""
    return _calling_lately(text) if len(text) <= _SHORT else tuple(_clues().found(text))


@lru_cache(maxsize=16)
def _calling_lately(text: str) -> tuple[int, ...]:
    """Who asks whether a text is `plain` asks for its views next."""
    return tuple(_clues().found(text))


@once
def _clues() -> Clues:
    """All clues: plain text is told from suspicious text by them."""
    clues = [clue for _, clue, _, _ in _all()]
    return Clues.of([*clues, r"[\x00-\x08\t\v\f\r\x0E-\x1F\x7F]"])  # the last: controls and odd spaces, not plain
