"""One file per way to reach a language model; each is a ChatEngine (data/chat.py)."""
