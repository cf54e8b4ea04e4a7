"""Lens by our own hand: the text-to-image model of the Lens report, whose hub repositories were withdrawn and which diffusers lacks.

``LensPipeline`` (pipeline.py) draws: with GPT-OSS to read the text (encoder.py, template.py), ``LensTransformer2DModel`` to remove noise
(transformer.py) and the autoencoder of FLUX.2, which diffusers has. No weights come with it; loading.py reads mirrors in the layout of
diffusers, and single files of the transformer, as they are. This file, schedule.py and buckets.py hold plain facts, and load no torch.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType

MULTIPLE = 16
"""Height and width in pixels are multiples of it: the autoencoder shrinks by 8, and 2x2 of its pixels are one token."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A published checkpoint, and what it is meant to be sampled with. At ``guidance`` 1 there is no unconditional branch."""

    name: str
    steps: int
    guidance: float


VARIANTS = MappingProxyType(
    {variant.name: variant for variant in (Variant("Lens", 20, 5.0), Variant("Lens-Turbo", 4, 1.0), Variant("Lens-Base", 50, 5.0))}
)
"""By name; steps and guidance are those of the model cards."""


def variant_of(name: str) -> Variant:
    """Which variant a folder, file or repository holds, by the last part of its ``name`` that speaks of Lens; "Lens" where none does."""
    for part in reversed(name.lower().replace("\\", "/").split("/")):
        # A snapshot in the hub's cache is named by its commit; the repository's name stands further up.
        found = re.search(r"lens(?:[-_ ](turbo|base))?", part)
        if found:
            return VARIANTS["-".join(["Lens", *filter(None, [(found[1] or "").capitalize()])])]
    return VARIANTS["Lens"]
