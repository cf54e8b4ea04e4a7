"""Guards to choose from (generator/guard.py): OpenAI's moderation, and any chat model that is given our policy."""
