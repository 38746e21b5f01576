"""SISF inside other people's clients and frameworks. Each module needs the package it is named after."""
