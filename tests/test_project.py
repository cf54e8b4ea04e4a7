"""The project as a whole: what is shipped, which way imports point, who reads the environment, whether the docs' links lead somewhere."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from benchmarks.startup import loaded_packages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("reasoner", "generator", "optimizer", "ui", "data")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def sources() -> list[Path]:
    """Every Python file that is shipped."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- the wheel


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The paths in the wheel, built without isolation and so without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-4:])
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_wheel_has_our_packages_and_nothing_else(wheel_names: frozenset[str]) -> None:
    top = {name.split("/", 1)[0] for name in wheel_names}
    assert top - set(PACKAGES) == {f"phoropter-{PYPROJECT['project']['version']}.dist-info"}
    assert top >= set(PACKAGES)
    strays = [name for name in wheel_names if re.search(r"__pycache__|\.pyc$|\.db$|(^|/)\.|(^|/)tests?/|~$", name)]
    assert strays == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"reasoner/prompts/.+\.md",
        r"optimizer/prompts/.+\.md",
        r"data/promptsets/.+\.jsonl",
        r"data/migrations/env\.py",
        r"data/migrations/versions/.+\.py",
        r"(ui|data)/(.+/)?profiles/.+\.toml",
        r"phoropter-[^/]+\.dist-info/licenses/LICENSE",
    ],
)
def test_wheel_has(wheel_names: frozenset[str], pattern: str) -> None:
    assert any(re.fullmatch(pattern, name) for name in wheel_names), f"nothing like {pattern} in the wheel"


def test_wheel_has_every_tracked_file_of_our_packages(wheel_names: frozenset[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "--", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert tracked - wheel_names == set()


# -- imports


def test_imports_point_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """The absolute names that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def requirement_name(requirement: str) -> str:
    """``psycopg`` of ``psycopg[binary]>=3``, in the normal form of PyPI."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_every_import_is_a_declared_dependency() -> None:
    """What happens to be installed because something else needs it may be gone with that one's next release."""
    project = PYPROJECT["project"]
    shipped = [
        *project["dependencies"],
        *(name for extra, names in project["optional-dependencies"].items() if extra != "dev" for name in names),
    ]
    declared = {requirement_name(requirement) for requirement in shipped}
    distributions = packages_distributions()
    undeclared: list[str] = []
    for path in sources():
        for module in imported_modules(ast.parse(path.read_text())):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            names = {requirement_name(name) for name in distributions.get(top, [top])}
            if not names & declared:
                undeclared.append(f"{relative(path)}: {top}")
    assert undeclared == []


def test_help_loads_nothing_heavy() -> None:
    """How long it takes is measured by benchmarks/startup.py: a clock would make this test fail on a busy machine."""
    assert loaded_packages() == {"import": [], "help": []}


# -- settings


def environment_reads(tree: ast.AST) -> Iterator[int]:
    """The lines where a file reads the environment, or TOML."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "getenvb"):
                yield node.lineno
            case ast.ImportFrom(module="os", names=names) if {"environ", "environb", "getenv", "getenvb"} & {name.name for name in names}:
                yield node.lineno
            case ast.Import(names=names) if {"tomllib", "tomlkit", "dotenv"} & {name.name.split(".")[0] for name in names}:
                yield node.lineno
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in ("tomllib", "tomlkit", "dotenv", "pydantic_settings"):
                yield node.lineno


def test_only_settings_read_the_environment_and_toml() -> None:
    reads = [
        f"{relative(path)}:{line}"
        for path in sources()
        if relative(path) != "ui/settings.py"
        for line in environment_reads(ast.parse(path.read_text()))
    ]
    assert reads == [], "ui/settings.py is the only reader of environment and TOML: pass what it read as an argument"


@pytest.mark.parametrize(
    "source",
    [
        "os.environ['A']",
        "from os import getenv",
        "import os\nos.getenv('A')",
        "import tomllib",
        "from pydantic_settings import BaseSettings",
    ],
)
def test_a_reader_of_the_environment_is_noticed(source: str) -> None:
    assert list(environment_reads(ast.parse(source)))


# -- texts


@pytest.mark.parametrize("folder", ["reasoner/prompts", "optimizer/prompts"])
def test_prompts_have_text(folder: str) -> None:
    prompts = sorted((ROOT / folder).glob("*.md"))
    assert prompts, f"no prompts in {folder}"
    assert [relative(path) for path in prompts if not path.read_text().strip()] == []


LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+\s+(.+?)\s*#*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """The relative links of a page that lead nowhere."""
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if (
            not file.exists()
            or not file.is_relative_to(ROOT)
            or (fragment and file.suffix == ".md" and fragment not in anchors(file.read_text()))
        ):
            yield f"{relative(page)}: {target}"


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    assert ROOT / "README.md" in pages
    assert [link for page in pages for link in broken_links(page)] == []


def test_ci_runs_make_test() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
