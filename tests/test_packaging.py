"""What is built: every folder of code, every data file, one version; and in the checkout, no stray files."""

import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOT_PACKAGED = {"benchmarks", "docs", "examples", "tests"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def mapping(project: dict[str, Any]) -> dict[str, str]:
    return dict(project["tool"]["setuptools"]["package-dir"])


def test_every_folder_with_code_is_packaged(project: dict[str, Any]) -> None:
    folders = {file.parent.relative_to(ROOT).as_posix() for file in ROOT.glob("[a-z]*/**/*.py")}
    code = {folder for folder in folders if folder.partition("/")[0] not in {*NOT_PACKAGED, "build", "dist"}}
    assert code == set(mapping(project).values())


def test_every_mapped_folder_is_a_listed_package_with_an_init(project: dict[str, Any]) -> None:
    assert set(project["tool"]["setuptools"]["packages"]) == set(mapping(project))
    assert [folder for folder in mapping(project).values() if not (ROOT / folder / "__init__.py").exists()] == []


def test_every_data_file_is_packaged(project: dict[str, Any]) -> None:
    patterns = project["tool"]["setuptools"]["package-data"]
    for package, folder in mapping(project).items():
        named = {file for pattern in patterns.get(package, []) for file in (ROOT / folder).glob(pattern)}
        data = {file for file in (ROOT / folder).rglob("*.*") if file.is_file() and file.suffix not in (".py", ".pyc")}
        assert data <= named


def test_the_installed_package_has_all_of_the_checkout(project: dict[str, Any]) -> None:
    for package, folder in mapping(project).items():
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        files = {file.relative_to(ROOT / folder) for file in (ROOT / folder).rglob("*") if file.suffix != ".pyc"}
        assert {file for file in files if not (Path(spec.origin).parent / file).exists()} - {
            Path("__pycache__")
        } == set()


def test_the_source_distribution_takes_what_the_wheel_leaves(project: dict[str, Any]) -> None:
    manifest = (ROOT / "MANIFEST.in").read_text().split()
    files = {"tox.ini", "mkdocs.yml", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md"}
    assert {*NOT_PACKAGED, ".ci", *files} <= set(manifest)


def test_one_version(project: dict[str, Any]) -> None:
    expected = project["project"]["version"]
    assert version("prunebench") == expected
    assert f"\nversion: {expected}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {expected}" in (ROOT / "CHANGELOG.md").read_text()
