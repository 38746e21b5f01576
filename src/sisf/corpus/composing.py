"""Long honest texts, composed of authored pieces the way documents, mail, chats, lists and pasted files look."""

import random
from collections.abc import Callable, Sequence

_HEADINGS = (
    "Overview", "Background", "Details", "Notes", "What happened", "Scope", "Chapter 3", "Appendix A", "Summary",
    "Discussion", "Before you start", "Known problems", "Minutes, continued", "From the archive", "Questions",
    "Results", "History", "Open points", "Example", "Section 7",
)  # fmt: skip
_SUBJECTS = ("notes from Tuesday", "draft for the handbook", "question about the text", "the report", "please check")
_DATES = ("3 March 2021", "17 May 2022", "9 September 2023", "28 January 2024", "11 June 2024")
_VOICES = (("User", "Assistant"), ("Q", "A"), ("Marta", "Joon"), ("Human", "AI"), ("Helga", "Tom"))
_TASKS = (
    "Summarise this in five bullet points.", "Translate the following into German.", "What are the main points here?",
    "Please proofread the text below.", "Which of these parts contradict each other?", "tl;dr please",
    "List all dates, places and numbers in it.", "Rewrite this in plain language.", "Extract the action items.",
    "Answer from the text only: who should read this first?", "make it shorter, same order",
)  # fmt: skip
_ASKED = 0.5
"""Share of the texts with a request before or after them."""


def compose(
    pieces: Sequence[str], count: int, shortest: int, longest: int, chooser: random.Random, *, asked: bool = True
) -> list[str]:
    """`count` texts of about `shortest` to `longest` characters, each of several pieces and in one of several shapes;
    half of them with an honest request about them if `asked`."""
    texts = []
    for _ in range(count):
        wanted = chooser.randint(shortest, longest)
        parts: list[str] = []
        while not parts or sum(map(len, parts)) < wanted:
            parts.append(chooser.choice(pieces))
        text = chooser.choice(_SHAPES)(parts, chooser)[:longest]
        if asked and chooser.random() < _ASKED:
            task = chooser.choice(_TASKS)
            text = f"{task}\n\n{text}" if chooser.random() < _ASKED else f"{text}\n\n{task}"
        texts.append(text)
    return texts


def _document(parts: Sequence[str], chooser: random.Random) -> str:
    mark = chooser.choice(("## ", "", "1. "))
    return "\n\n".join(f"{mark}{chooser.choice(_HEADINGS)}\n\n{part}" for part in parts)


def _mail(parts: Sequence[str], chooser: random.Random) -> str:
    first, *quoted = parts
    lines = [f"From: Marta\nDate: {chooser.choice(_DATES)}\nSubject: Re: {chooser.choice(_SUBJECTS)}\n\n{first}\n"]
    for part in quoted:
        lines.append(f"On {chooser.choice(_DATES)}, Joon wrote:")
        lines += [f"> {line}" for line in part.split("\n")]
    return "\n".join(lines)


def _chat(parts: Sequence[str], chooser: random.Random) -> str:
    voices = chooser.choice(_VOICES)
    return "\n\n".join(f"{voices[number % 2]}: {part}" for number, part in enumerate(parts))


def _bullets(parts: Sequence[str], chooser: random.Random) -> str:
    mark = chooser.choice(("- ", "* ", "• "))
    return "\n".join(f"{mark}{sentence.strip()}" for part in parts for sentence in part.split(". ") if sentence.strip())


def _files(parts: Sequence[str], chooser: random.Random) -> str:
    mark = chooser.choice(("### file", "===== part", "# chunk"))
    return "\n\n".join(f"{mark} {number}\n```\n{part}\n```" for number, part in enumerate(parts, start=1))


def _pasted(parts: Sequence[str], chooser: random.Random) -> str:
    return chooser.choice(("\n\n", "\n", " ", "\n--\n", "\n\n***\n\n")).join(parts)


_SHAPES: tuple[Callable[[Sequence[str], random.Random], str], ...] = (
    _document, _mail, _chat, _bullets, _files, _pasted, _pasted, _pasted,
)  # fmt: skip
