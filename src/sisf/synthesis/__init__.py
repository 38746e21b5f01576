"""The Policy Synthesis Module and the gate that its proposals must pass."""
