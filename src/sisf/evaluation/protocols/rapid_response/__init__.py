"""From a few seen examples of each jailbreak strategy to the rest of it."""
