"""Figures that tests measured, shown together at the end: `make soak` is read for them."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests recorded with `record_property`."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    figures = [(report.nodeid, *figure) for report in reports for figure in report.user_properties]
    if not figures:
        return
    terminalreporter.section("figures")
    last = ""
    for test, name, value in figures:
        if test != last:
            terminalreporter.write_line(test)
            last = test
        terminalreporter.write_line(f"  {name}: {value}")
