"""Figures, each with its goal: ``python -m benchmarks.NAME``."""
