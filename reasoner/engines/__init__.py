"""One file per way to reach a language model; each is a ChatEngine (reasoner/chat.py)."""
