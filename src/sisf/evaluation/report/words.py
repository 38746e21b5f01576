"""Figures in words, and the tables that every report has."""

from collections.abc import Mapping
from typing import Any

from sisf.evaluation.report.document import Table


def percent(value: float) -> str:
    """A share in per cent, with as many digits as it can use."""
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}"


def rate_text(rate: Mapping[str, Any]) -> str:
    """A rate with its interval."""
    return f"{percent(rate['mean'])} ({interval(rate)})"


def interval(rate: Mapping[str, Any]) -> str:
    """A rate's 95 % interval."""
    low, high = (percent(x) for x in rate["ci95"])
    return f"{low.removesuffix('%')}–{high}"


def settings_table(summary: Mapping[str, Any]) -> Table:
    """Settings and versions, flattened."""
    rows = [*_flat(summary["settings"]), *((f"version {k}", v) for k, v in summary["versions"].items())]
    return Table("Settings and versions", ("what", "value"), rows, folded=True)


def data_table(summary: Mapping[str, Any]) -> Table:
    """The data sets, by name, rows and hash."""
    rows = [(d["name"], f"{d['rows']:,}", d["sha256"]) for d in summary["datasets"]]
    return Table("Data", ("set", "#rows", "SHA-256"), rows, folded=True)


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append(
                (f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
            )
    return rows
