"""What every protocol writes: `summary.json`, `outcomes.jsonl`, plots and one `report.html`."""
