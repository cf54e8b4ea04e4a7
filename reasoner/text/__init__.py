"""What texts are made of: quotes, numbers, lists, languages, and what models wrap around a prompt. Pure functions; parse.py, intent.py and
checks.py put them to use."""
