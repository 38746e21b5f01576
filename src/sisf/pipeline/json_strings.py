"""What JSON says while it is written: its strings, escapes undone, each on a line of its own."""

import re

_SIGN = re.compile(r'"|\\u[0-9A-Fa-f]{4}|\\[^u]|[^"\\]+', re.DOTALL)
_OPEN_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?")
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class JsonStrings:
    """Takes the pieces of a JSON document, cut anywhere. What is no JSON says whatever stands between its quotes."""

    def __init__(self) -> None:
        self._rest = ""
        self._inside = False
        self._high = 0
        """The first half of a surrogate pair, until the second one comes."""
        self.escaped = False
        """Whether anything was hidden by an escape so far: if not, the strings stand in the document as they are."""

    @property
    def pending(self) -> bool:
        """Whether the end of an escape is still to come."""
        return bool(self._rest or self._high)

    def feed(self, piece: str) -> str:
        """What the strings say that this piece brings."""
        text, self._rest = self._rest + piece, ""
        said: list[str] = []
        place = 0
        while place < len(text):
            found = _SIGN.match(text, place)
            sign = found[0] if found else text[place]
            if found is None and _OPEN_ESCAPE.fullmatch(text, place):
                self._rest = text[place:]
                break
            place += len(sign)
            if sign == '"':
                said.append(self._half() + ("\n" if self._inside else ""))
                self._inside = not self._inside
            elif self._inside:
                said.append(self._decoded(sign))
        return "".join(said)

    def _decoded(self, sign: str) -> str:
        if not sign.startswith("\\") or sign == "\\":
            return self._half() + sign
        self.escaped = True
        if len(sign) == 2:
            return self._half() + _NAMED.get(sign[1], sign[1])
        code = int(sign[2:], 16)
        if 0xDC00 <= code < 0xE000 and self._high:
            high, self._high = self._high, 0
            return chr(0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00))
        before = self._half()
        if 0xD800 <= code < 0xDC00:
            self._high = code
            return before
        return before + ("\ufffd" if 0xDC00 <= code < 0xE000 else chr(code))

    def _half(self) -> str:
        """A replacement for the first half of a pair whose second half did not come."""
        half, self._high = ("\ufffd" if self._high else ""), 0
        return half
