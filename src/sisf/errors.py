"""Every error that SISF raises on purpose. One root; each message says what was wrong, where, and what to do."""


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


class RevisionConflict(StoreError):
    """The policy set moved on since it was read: compare-and-swap failed. Read again and retry."""


class LeaseLost(StoreError):
    """Another worker took the job over: what this worker did with it must not be written."""


class ModelError(SisfError):
    """A language model, judge, embedder endpoint or upstream failed or answered out of form."""


class LimitExceeded(SisfError):
    """An input is larger than the stated limit; it is refused whole, never truncated."""
