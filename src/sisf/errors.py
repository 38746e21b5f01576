"""Every error that SISF raises on purpose. One root; each message says what was wrong, where, and what to do."""

import errno
from enum import StrEnum
from traceback import clear_frames
from typing import Any


def reason(error: Exception) -> str:
    """Why a file could not be read, written or parsed, on one line and in words for people.

    For what follows `PATH: cannot be read: `: it names neither the path again, nor the number of an error, nor a codec.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in UTF-8 (byte {error.start + 1})"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"there is no {quoted(error.args[0])} in it"
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    said = (getattr(error, "context", None), getattr(error, "problem", None))
    return f"line {mark.line + 1}, column {mark.column + 1}: {', '.join(part for part in said if part)}"


def emptied(error: BaseException) -> BaseException:
    """The error, which tells where it was raised and no longer holds what was worked on there.

    A frame that raised an error which it had a name for holds it, and is held by its traceback: documents would stay in
    memory until a collection of all garbage.
    """
    each: BaseException | None = error
    while each is not None:
        clear_frames(each.__traceback__)
        each = each.__context__
    return error


def packaged(name: str, error: OSError) -> str:
    """What is said of a file of the package that cannot be read: installing again helps where it is missing, and not
    where this process may open no more files."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        mend = "raise the limit of open files (`ulimit -n`)"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR):
        mend = "install sisf again"
    else:
        mend = "see that whoever runs sisf may read it, or install sisf again"
    return f"the packaged file {name} cannot be read ({reason(error)}); {mend}"


def quoted(value: object, most: int | None = 200) -> str:
    """A name or a value as every message shows it: in backticks, on one line, cut where it is long, and with what a
    terminal would act on escaped: it may come from anybody."""
    text = str(value)
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:most])
    return f"`{shown}{'…' if len(text) > len(text[:most]) else ''}`"


def counted(number: int, what: str) -> str:
    """So many of something, as every message says it: `1 breach`, `2,000 breaches`."""
    if number == 1:
        return f"1 {what}"
    if what.endswith(("ch", "sh", "s", "x")):
        return f"{number:,} {what}es"
    return f"{number:,} {what[:-1]}ies" if what[-1] == "y" and what[-2] not in "aeiou" else f"{number:,} {what}s"


class SisfError(Exception):
    """The root. A command line that meets one prints its message on one line and exits with 2."""


class ConfigurationError(SisfError):
    """`sisf.yaml`, an environment variable or an option is wrong."""


class DataError(SisfError):
    """A data set, bundle or other input file cannot be used as it is."""


class PolicyError(SisfError):
    """A policy is malformed, or cannot be compiled."""


class StoreError(SisfError):
    """The Adaptive Policy Store could not read or write."""


class StoreUnavailable(StoreError):
    """It cannot be reached, read or written now: nothing is said about what stands in it."""


class RevisionConflict(StoreError):
    """The policy set moved on since it was read: compare-and-swap failed. Read again and retry."""


class LeaseLost(StoreError):
    """Another worker took the job over: what this worker did with it must not be written."""


class ModelError(SisfError):
    """A language model, judge, embedder endpoint or upstream failed or answered out of form."""


class LimitExceeded(SisfError):
    """An input is larger than the stated limit; it is refused whole, never truncated.

    `code` says which limit in one word, `param` where in the request it was met.
    """

    def __init__(self, message: str, *, code: str = "too_large", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class TooLongToInspect(LimitExceeded):
    """Texts that cannot be inspected in the time that an inspection may take. Says how much can."""


class RateLimited(LimitExceeded):
    """A caller asks too often, or is stopped again and again. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, code="rate_limited")
        self.retry_after = retry_after


class HttpFailure(SisfError):
    """What a client of the gateway is told in place of an answer: the HTTP status, a code for programs, a message."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        *,
        retry_after: int | None = None,
        upstream: bool = False,
        why: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        """Where in the request the mistake stands."""
        self.retry_after = retry_after
        """Seconds after which to try again."""
        self.upstream = upstream
        """Whether the model's server is at fault, not the client."""
        self.why = why
        """What operators are told beyond the message: it names addresses, which are not the clients' business."""


class InspectionFailed(SisfError):
    """A text could not be inspected, judged or recorded, so it went no further: in-process use fails closed too.

    `retry_after` is in seconds, where it is known.
    """

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Blocked(SisfError):
    """In-process use: a policy stopped a prompt or an answer, or the judge withheld an answer.

    Says which policy at which revision, and nothing of what the policy looks for.
    """

    def __init__(
        self, message: str, *, fate: StrEnum, exchange_id: str, decision: Any = None, verdict: Any = None
    ) -> None:
        super().__init__(message)
        self.fate = fate
        """`intercepted_prompt`, `intercepted_response` or `withheld` (a `sisf.exchange.Fate`)."""
        self.exchange_id = exchange_id
        """Under which the store knows the exchange."""
        self.decision = decision
        """The `sisf.policy.Decision` that stopped it; None where no policy did."""
        self.verdict = verdict
        """The `sisf.verdict.Verdict` of inline adjudication, where there was one."""
