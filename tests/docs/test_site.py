"""The site: its pages are listed, their links lead somewhere, and nothing is loaded from another machine."""

import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [f"docs/{path.relative_to(DOCS).as_posix()}" for path in sorted(DOCS.rglob("*.md"))]
PAGES += ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
FROM_ROOT = {"changelog.md", "contributing.md"}


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub and the site do."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target, anchor in re.findall(r"\]\(((?!https?:)[^)#]*)#?([^)]*)\)", text):
        place = (ROOT / page).parent / target if target else ROOT / page
        assert place.exists(), target
        assert not page.startswith("docs/") or place.resolve().is_relative_to(DOCS), f"{target} is not in the site"
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


def test_every_page_is_in_the_navigation() -> None:
    (listed,) = re.findall(r"^nav:\n(.*)", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE | re.DOTALL)
    named = re.findall(r"[\w/-]+\.md", listed)
    assert len(named) == len(set(named))
    assert set(named) == {page[5:] for page in PAGES if page.startswith("docs/")} | FROM_ROOT


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(DOCS)
    import hooks  # type: ignore[import-not-found]

    return hooks  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "loaded",
    [
        '<script src="https://unpkg.com/a.js"></script>',
        "<img alt=a src=//example.org/a.png>",
        '<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Roboto">',
        "@import 'https://example.org/a.css';",
        "a { background: url(https://example.org/a.png) }",
    ],
)
def test_what_comes_from_another_machine_is_found(hooks: ModuleType, loaded: str) -> None:
    assert len(hooks.from_elsewhere(loaded)) == 1


def test_links_and_own_files_are_left_alone(hooks: ModuleType) -> None:
    own = '<a href="https://example.org">x</a><script src="assets/a.js"></script><link rel=stylesheet href=a.css>'
    assert hooks.from_elsewhere(own + "a { background: url(data:image/svg+xml,//a) }") == []
