"""Trials → better system prompts: evaluation, search, statistics, comparison. Knows protocols, and no engine, store or door."""
