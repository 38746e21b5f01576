"""The Adversarial Probing Agent: attacks its own system to find breaches first."""
