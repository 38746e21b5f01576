"""Fakes that ship: what SISF's own tests run against, for users' tests too."""
