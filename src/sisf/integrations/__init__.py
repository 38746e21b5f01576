"""SISF inside agent frameworks. Each module needs the framework it is named after (extras of the same names)."""
