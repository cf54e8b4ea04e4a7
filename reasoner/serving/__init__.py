"""A `vllm serve` of our own: found, started, watched, restarted, stopped with all that it started. server.py is what others use."""
