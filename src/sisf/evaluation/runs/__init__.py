"""How an experiment is run: trial by trial, written as it goes, resumed where it was stopped, side by side."""
