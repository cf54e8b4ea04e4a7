"""One file per way to get pixels; each is an ImageGenerator (generator/__init__.py)."""
