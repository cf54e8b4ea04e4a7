"""The walk over a text's words behind data/reading.py, in parts that build on each other; use :func:`data.reading.read`."""
