"""The embedded world's generator: words → what is drawn (misreading.py) → where (layout.py) → pixels (painter.py)."""
