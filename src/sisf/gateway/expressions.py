"""What regular expressions and grammars have a model write, so that a word cut by their signs is read."""

import re
from collections.abc import Iterator

from sisf.errors import LimitExceeded

KEYS = frozenset("pattern regex grammar ebnf definition".split())
"""Keys whose strings are regular expressions or grammars, in schemas, tools and what constrains a server's output."""
OBJECTS = "patternProperties"
"""The key of objects whose keys are regular expressions."""
_READINGS = 3
"""One with the first of several alternatives and members of a class and with what may be left out, one with the second
and without it, one with the third and with it. Others stand in the expression itself, as does the whole of it."""
_MOST_SIGNS, _LONGEST_GROUP = 10_000, 20
"""Signs of an expression, and characters of what a group matched where it is matched again: groups of groups would
double what they say each time."""
_FEWEST_LETTERS = 4
_SIGNS = re.compile(r"[\\()\[\]{}|*+?.^$\"']")
_TOKEN = re.compile(
    r"""
      \\u\{(?P<braced>[0-9A-Fa-f]{1,6})\} | \\u(?P<four>[0-9A-Fa-f]{4}) | \\x(?P<two>[0-9A-Fa-f]{2})
    | \\[pPk](?:\{[^}]{0,40}\}|<[^>]{0,40}>) | \\(?P<escaped>.)
    | \[(?P<class>\[?(?:\\.|[^\[\]\\]){1,400}+)\]
    | (?P<mode>\(\?(?:[A-Za-z-]{1,8}|\#[^)]{0,400})\)) | (?P<beside>\(\?<?[=!])
    | (?P<open>\((?:\?(?::|>|P?<\w{1,40}>|[A-Za-z-]{1,8}:))?)
    | (?P<close>\)) | (?P<or>\|)
    | (?P<times>[*+?][+?]?|\{(?P<least>\d{0,6})(?P<range>,(?P<most>\d{0,6}))?\}[+?]?)
    | (?P<plain>[^\\()\[\]{}|*+?.^$]+(?![*+?{])|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBERED = re.compile(r"\((?:\?P?<\w{1,40}>)?")
"""What begins a group to which others refer by its number."""
_MEMBER = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})|\\(.)|(.)(?:-[^\]])?", re.DOTALL)
_WRITTEN = {"n": "\n", "r": "\n", "t": "\t", "s": " ", "v": " ", "f": " "}
_FREE = re.compile(r"\(\?[a-wyz]{0,6}x[a-z]{0,6}(?:-[a-z]{1,8})?[:)]")
"""With this flag gaps and comments of an expression say nothing."""
_SAYING_NOTHING = re.compile(r"(\\.|\[\]?(?:\\.|[^\]\\]){0,400}+\]|\(\?\#[^)]{0,400}\))|\s+|\#[^\n]*", re.DOTALL)
_LITERAL = re.compile(r""""((?:\\.|[^"\\\n])*+)"|'((?:\\.|[^'\\\n])*+)'|(\[(?:\\.|[^\[\]\\\n]){1,400}+\])""")
"""What stands in a rule of a grammar for what is written: quoted in one way or the other, or a class of characters."""


def readings(expression: str) -> list[str]:
    """Texts that a regular expression matches, and the literals of a grammar, one behind the other; empty where that is
    what the expression says as it stands, or hardly a word. Takes time linear in its length.

    Raises `LimitExceeded` for one of too many signs.
    """
    found: list[str] = []
    signs = len(_SIGNS.findall(expression))
    if signs > _MOST_SIGNS:
        raise LimitExceeded(
            f"A regular expression or a grammar of more than {_MOST_SIGNS:,} signs.", code="too_many_values"
        )
    if _FREE.search(expression):
        expression = _SAYING_NOTHING.sub(lambda each: each[1] or "", expression)
    if signs:
        found += (_matched(expression, number) for number in range(_READINGS))
    literals = _LITERAL.findall(expression)
    if len(literals) > 1:
        found.append("".join(_matched("".join(literal), 0) for literal in literals))
    return [text for text in dict.fromkeys(found) if text != expression and _says(text)]


def _says(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _FEWEST_LETTERS


def _matched(expression: str, number: int) -> str:
    """One text that it matches, as far as its signs are understood; what is not understood stands for itself."""
    outer: list[tuple[list[str], list[str], re.Match[str]]] = []
    groups: dict[int, str] = {}
    begun: list[int] = []
    """The groups that are open, by their numbers; 0 for one that has none."""
    count = 0
    alternatives: list[str] = []
    said: list[str] = []
    for token in _TOKEN.finditer(expression):
        kind = token.lastgroup
        if kind == "or":
            alternatives.append("".join(said))
            said = []
        elif kind in ("open", "beside"):
            count += (numbered := kind == "open" and _NUMBERED.fullmatch(token[0]) is not None)
            begun.append(count if numbered else 0)
            outer.append((alternatives, said, token))
            alternatives, said = [], []
        elif kind == "close" and outer:
            inner = _chosen([*alternatives, "".join(said)], number)
            alternatives, said, opened = outer.pop()
            said.append(inner if opened["open"] else "")
            groups[begun.pop()] = inner[:_LONGEST_GROUP]
        elif token["times"]:
            _repeat(said, token, number)
        elif (token["escaped"] or "").isdecimal():
            said.append(groups.get(int(token["escaped"]), ""))
        else:
            said.append(_one(token, number))
    while outer:
        inner = _chosen([*alternatives, "".join(said)], number)
        alternatives, said, _ = outer.pop()
        said.append(inner)
    return _chosen([*alternatives, "".join(said)], number)


def _chosen(alternatives: list[str], number: int) -> str:
    return alternatives[number % len(alternatives)]


def _one(token: re.Match[str], number: int) -> str:
    code = token["braced"] or token["four"] or token["two"]
    if code:
        return _character(code)
    if token["escaped"]:
        return _escaped(token["escaped"])
    if token["class"]:
        members = [] if token["class"].startswith("^") else list(_members(token["class"]))
        return _chosen(members, number) if members else ""
    plain = token["plain"] or ""
    return "" if plain in ("^", "$", ".") else plain


def _members(inside: str) -> Iterator[str]:
    for member in _MEMBER.finditer(inside):
        code = member[1] or member[2]
        said = _character(code) if code else _escaped(member[3]) if member[3] else member[4]
        if said:
            yield said


def _character(code: str) -> str:
    number = int(code, 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else ""


def _escaped(sign: str) -> str:
    """What a sign behind a backslash matches: itself, where it is no letter or digit, which stand for classes and for
    what was matched before."""
    return _WRITTEN.get(sign, "" if sign.isalnum() else sign)


def _repeat(said: list[str], token: re.Match[str], number: int) -> None:
    """What stands last, as often as it must at least, once where it may be left out, and then also without it."""
    if not said:
        return
    sign = token["times"][0]
    least = int(token["least"] or 0) if sign == "{" else int(sign == "+")
    most = int(token["most"] or 1) if token["range"] else least if sign == "{" else 1
    if most == 0 or (least == 0 and number % 2):
        said[-1] = ""
    elif least > 1 and len(said[-1]) == 1:
        said[-1] *= 2  # as in `o{2}`: no word has a letter more often
