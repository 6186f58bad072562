"""Measure words per sentence: of Markdown pages, and of the docstrings of Python files."""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"\s*(```|~~~)")
SKIPPED = re.compile(r"\s*(\||#+ |<[!/a-z]|\[[^]]+\]: )")  # rows of tables, headings, HTML, definitions of links
HEADING = re.compile(r"\s*(Args|Arguments|Returns|Raises|Yields|Attributes|Examples?|Notes?):\s*$")
ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
FIELD = re.compile(r"\s*[*`]*\w+`*(?:, [*`]*\w+`*)*: ")  # `name: what it is`, an item of a docstring
IMAGE, LINK = re.compile(r"!\[[^]]*\]\([^)]*\)"), re.compile(r"\[([^]]*)\]\([^)]*\)")
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
MARK = re.compile(r"(?:(?<=[^\s.])\.\.\.|(?<!\.)\.|[!?])['\")\]*_]*(?=\s|$)")
NEVER = {"e.g", "i.e", "cf", "vs", "eq", "eqs", "fig", "figs", "sec", "ch", "vol", "pp", "approx", "dr", "prof"}
SOMETIMES = {"al", "etc"}  # end a sentence where the next word begins with a capital


class Sentence(NamedTuple):
    """How many words a sentence has, and where it begins."""

    words: int
    file: str
    line: int
    text: str


def sentences(text: str, file: str = "", line: int = 1) -> Iterator[Sentence]:
    """Split one paragraph, which begins at a line of a file. Code in backticks is one word."""
    text = LINK.sub(r"\1", IMAGE.sub("", text))
    text = CODE.sub(lambda found: "\n" * found[2].count("\n") + "CODE", text)
    ends = [m.end() for m in MARK.finditer(text) if _ends(text[: m.start()].split(), m[0], text[m.end() :])]
    for start, end in pairwise([0, *ends, len(text)]):
        part = text[start:end].lstrip()
        if words := [word for word in part.split() if re.search(r"\w", word)]:
            yield Sentence(len(words), file, line + text[: end - len(part)].count("\n"), " ".join(part.split()))


def _ends(before: list[str], mark: str, after: str) -> bool:
    """Tell whether a mark ends a sentence; before: the words up to it."""
    inside = after.lstrip()[:1].islower()
    if not mark.startswith(".") or mark.startswith("..."):
        return not inside
    word = before[-1].lstrip("('\"[*_") if before else ""
    if word.lower() in NEVER or (word.lower() == "no" and after.lstrip()[:1].isdigit()):
        return False
    initial = len(word) == 1 and word.isupper() and (len(before) == 1 or before[-2][-1] in ",.")
    return not initial and (word.lower() not in SOMETIMES or after.lstrip(" (['\"*_\n")[:1].isupper())


def prose(lines: Iterable[tuple[int, str]], file: str, docstring: bool) -> Iterator[Sentence]:
    """Give the sentences of numbered lines, without code, tables, headings and doctests."""
    block: list[str] = []
    begun, fenced, doctest, item, literal = 0, False, False, False, 1000
    for number, line in [*lines, (0, "")]:
        indent, blank = len(line) - len(line.lstrip()), not line.strip()
        literal = literal if blank or indent > literal else 1000  # what stands deeper than a line that ends with `::`
        doctest = not blank and (doctest or line.lstrip().startswith(">>> "))
        indented = not docstring and indent >= 4
        code = fenced or FENCE.match(line) or doctest or literal < 1000 or (indented and not block and not item)
        fenced ^= bool(FENCE.match(line))
        skipped = blank or code or (HEADING if docstring else SKIPPED).match(line)
        field = docstring and (not block or block[-1].rstrip()[-1:] in ".!?)") and FIELD.match(line)
        found = ITEM.match(line)
        if block and (skipped or found or field):
            yield from sentences("\n".join(block), file, begun)
            block = []
        if not skipped:
            begun = begun if block else number
            item = bool(found) or (item and (bool(block) or indented))
            block.append(line[found.end() if found else 0 :].removeprefix("> "))
            literal = indent if docstring and line.endswith("::") else literal


def of_file(path: Path) -> Iterator[Sentence]:
    """Give the sentences of a Markdown page, or of all docstrings of a Python file."""
    name = str(path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path)
    if path.suffix != ".py":
        yield from prose(enumerate(path.read_text().splitlines(), 1), name, False)
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and ast.get_docstring(node):
                yield from prose(enumerate(str(first.value.value).splitlines(), first.lineno), name, True)


def parts(given: list[Path]) -> dict[str, list[Path]]:
    """Name what is measured: the given files and folders, else the project's pages and docstrings."""
    if not given:
        folders = [path for path in sorted(ROOT.iterdir()) if path.is_dir() and path.name[0] != "."]
        pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
        return {"docs": pages, "docstrings": [path for folder in folders for path in sorted(folder.rglob("*.py"))]}
    found = {str(path): [path] for path in given if not path.is_dir()}
    return found | {f"{f}/*{kind}": sorted(f.rglob(f"*{kind}")) for f in given if f.is_dir() for kind in (".md", ".py")}


def main(arguments: list[str]) -> int:
    """Print the figures and the worst sentences; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="pages, Python files or folders (default: the project's)")
    parser.add_argument("--worst", type=int, default=5, help="how many long sentences to print (default: 5)")
    parser.add_argument("--mean", type=float, default=15, help="most words of a mean sentence (default: 15)")
    parser.add_argument("--longest", type=int, default=32, help="most words of any sentence (default: 32)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a limit is passed")
    given = parser.parse_args(arguments)
    passed, everything = True, list[Sentence]()
    print(f"{'':30} sentences   mean   above {given.longest}")
    for name, files in parts(given.files).items():
        measured = [sentence for path in files for sentence in of_file(path)]
        total, above = len(measured), sum(s.words > given.longest for s in measured)
        mean = sum(s.words for s in measured) / max(total, 1)
        print(f"{name:30} {total:9} {mean:6.1f} {100 * above / max(total, 1):8.1f} %")
        passed, everything = passed and mean <= given.mean and not above, everything + measured
    for s in sorted(everything, reverse=True)[: given.worst]:
        print(f"{s.file}:{s.line}: {s.words} words: {s.text if len(s.text) < 120 else s.text[:117] + '...'}")
    return 1 if given.check and not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
