"""A rule machine that rewrites prompts of the embedded world: it follows instructions it recognises (rules.py) and writes (writer.py)."""
