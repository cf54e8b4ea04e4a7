"""``python -m tests.tiny_models OUT [NAME …]``: tiny pipelines with random weights, of the real classes, in the real layouts.

Without arguments it lists what it can make. Each module beside this one makes what its name says.
"""

import argparse
import importlib
from pathlib import Path

NAMES = (
    "lens",
    "lens_single_file",
    "gpt_oss",
    "qwen_image",
    "qwen_image_21",
    "stable_diffusion_xl",
    "flux2_klein",
    "z_image",
    "clip",
)
"""Modules of this folder; each has ``DESCRIPTION`` and ``build(folder)``."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tiny_models", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="folder to make them in; without it, they are listed")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; without names, all")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        module = importlib.import_module(f"tests.tiny_models.{name}")
        if arguments.out is None:
            print(f"{name:20} {module.DESCRIPTION}")
            continue
        folder = arguments.out / name
        module.build(folder)
        print(f"{name:20} {folder}", flush=True)


if __name__ == "__main__":
    main()
