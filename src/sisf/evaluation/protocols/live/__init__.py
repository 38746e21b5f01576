"""Other protocols against a gateway that is running, over HTTP."""
