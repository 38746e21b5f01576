"""Language models behind one protocol: OpenAI-compatible endpoints, scripted and recorded models."""
