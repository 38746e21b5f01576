"""The MAPE-K loop: monitor, analyze, plan, execute over the shared knowledge of the store."""
