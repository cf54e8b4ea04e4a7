"""Tiny pipelines on disk, each made once per run. They are shared: tests that change one work on a copy."""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the pipeline that this module of tests/tiny_models makes."""
    root = tmp_path_factory.mktemp("tiny")

    @cache
    def made(name: str) -> Path:
        pytest.importorskip("torch")
        pytest.importorskip("diffusers")
        from generator.local.quiet import hush

        hush()
        importlib.import_module(f"tests.tiny_models.{name}").build(root / name)
        return root / name

    return made
