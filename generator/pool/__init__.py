"""What the Ray pool (generator/engines/ray.py) is made of: the cluster that it finds or starts, and what lives in its actors' processes.

Importing this imports Ray; UsageError where it is not installed.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from data.errors import UsageError

try:
    import ray
    import ray.exceptions as exceptions
except ImportError as missing:
    raise UsageError("the ray engine needs Ray, which is not installed", hint="pip install 'phoropter[ray]'") from missing

__all__ = ["exceptions", "ray"]
