"""What MkDocs does not do by itself: pages from the root of the project, and a check that the site needs no network."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preconnect|preload|icon)\b[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import )["']?((?:https?:)?//[^"'\s)]+)"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand in the root of the project."""
    for name in ROOT_PAGES:
        text = (ROOT / name).read_text()
        files.append(File.generated(config, name.lower(), content=re.sub(r"\]\(docs/", "](", text)))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Fail where a page or a style sheet loads something from another machine."""
    for file in sorted(Path(config.site_dir).rglob("*")):
        if file.suffix in (".html", ".css") and (found := from_elsewhere(file.read_text())):
            raise PluginError(f"{file}: loads {found[0]}; the site has to work without a network")


def from_elsewhere(text: str) -> list[str]:
    """List what a page loads from other machines; links do not count.

    >>> from_elsewhere('<a href="https://example.org">x</a> <script src="//example.org/a.js"></script>')
    ['//example.org/a.js']
    """
    return ["".join(found) for found in LOADED.findall(text)]
