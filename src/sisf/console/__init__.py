"""The oversight pages: a person sees, questions and undoes everything."""
