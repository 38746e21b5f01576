"""Learned from one model's breaches, protecting others."""
