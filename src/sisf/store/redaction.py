"""Personal data and secrets in texts, made unreadable before they are kept. Linear-time patterns, a closed list.

What is found: e-mail addresses, telephone numbers, payment cards (Luhn-checked), IBANs, IPv4 and IPv6 addresses, US
social security numbers, private keys in PEM, JSON web tokens, and keys of common providers (OpenAI, Anthropic, AWS,
GitHub, GitLab, Slack, Google, Stripe, Hugging Face) as well as `password=…` and the like. Names and postal addresses
are not: recognising them takes a language model. Who must not keep them sets `privacy.exchanges: hashed` or `none`.
"""

from collections.abc import Callable

import re2

_LABELS = (
    ("private_key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)-----END [A-Z ]*PRIVATE KEY-----"),
    ("token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    (
        "secret",
        r"\b(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}"
        r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}"
        r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{20,})",
    ),
    (
        "credential",
        r"(?i)\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{4,}",
    ),
    ("email", r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}\b"),
    ("iban", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    ("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b"),
    ("ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"),
    ("ip", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"),
    ("ip", r"(?i)\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})\b"),
    (
        "phone",
        r"\+[0-9]{1,3}(?:[ .-]?[0-9]{2,4}){2,5}\b|\([0-9]{2,5}\) ?[0-9]{3,4}[ .-]?[0-9]{3,4}\b"
        r"|\b[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4}\b",
    ),
)
LABELS = tuple(dict.fromkeys(label for label, _ in _LABELS))
"""The kinds of what is found, as they stand in brackets in a redacted text."""
_PATTERNS = tuple((label, re2.compile(pattern)) for label, pattern in _LABELS)
# One scan says whether there is anything to do at all, which for most texts there is not.
_ANY = re2.compile("|".join(f"(?:{pattern})" for _, pattern in _LABELS))


def redact(text: str) -> str:
    """The text with what was found replaced by its kind, e.g. `[email]`."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # RE2 takes no lone surrogates
    if _ANY.search(text) is None:
        return text
    for label, pattern in _PATTERNS:
        text = pattern.sub(_replacement(label), text)
    return text


def _replacement(label: str) -> Callable[["re2._Match[str]"], str]:
    def replace(found: "re2._Match[str]") -> str:
        text: str = found.group(0)
        return text if label == "card" and not _luhn(text) else f"[{label}]"

    return replace


def _luhn(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
