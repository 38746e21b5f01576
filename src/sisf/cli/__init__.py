"""The command `sisf`."""
