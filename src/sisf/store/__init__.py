"""The Adaptive Policy Store: policies, revisions, exchanges, verdicts, jobs and audit, durable."""
