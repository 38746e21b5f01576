"""The demonstration: the whole loop over HTTP, on this machine, with nothing to configure."""
