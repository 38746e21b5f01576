"""The laboratory: data sets, protocols, baselines, statistics and reports."""
