"""Words per sentence, against numbers counted by hand."""

from pathlib import Path

import pytest

from tests.conftest import load_script

ROOT = Path(__file__).parents[1]
PAGES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
PAGES += ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
FOLDERS = ["harness", "reports", "criteria", "datasets", "models", "benchmarks"]  # their docstrings


readability = load_script("docs/readability.py")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One sentence here. And another one.", [3, 3]),
        ("Some layers, e.g. Linear ones, stay. They do.", [6, 2]),
        ("Molchanov et al. proposed it. Others followed.", [5, 2]),
        ("This is by Molchanov et al. Others followed.", [6, 2]),
        ("The score is eq. 8 of Molchanov et al. (2019). It is squared.", [10, 3]),
        ("OBD vs. SGD: what is what? Nobody knows.", [6, 2]),
        ("The keep is 0.5. The floor is .1 of it.", [4, 6]),
        ("Version 1.2.3 reads `store.json`. See README.md for more.", [4, 4]),
        ("See README.md. Then run.", [2, 2]),
        ("It reads masks, networks, etc. from disk. It writes them, etc. Then it ends.", [7, 4, 3]),
        ("LeCun, Y. and Denker, J. wrote it. D. Blalock did not.", [7, 4]),
        ("It is tested against A and B. Neither wins.", [7, 2]),
        ("'Is X better?' the report asks. 'No.' (It is not.) Good!", [6, 1, 3, 1]),
        ("From vgg11 ... vgg19 all work. And so on... Next one.", [5, 3, 2]),
        ("`one two three` is one word. `Two`, and `a. b` too.", [4, 4]),
        ("Links [count by their text](a/very/long_target.md). Images ![do not](x.png) count.", [5, 2]),
        ("**Bold ends.** *So does this.* Numbers = words: 2 x 3 %", [2, 3, 5]),
        ("Nothing ends it", [3]),
        ("No. 5 is a name. The answer is no. Next.", [5, 4, 1]),
    ],
)
def test_sentences_have_the_words_counted_by_hand(text: str, words: list[int]) -> None:
    assert [sentence.words for sentence in readability.sentences(text)] == words


def test_a_page_is_measured_without_code_tables_and_headings(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading. Not counted.\n\nFirst `code over\ntwo lines` here. Second\nsentence ends.\n\n"
        "| a | table |\n|---|---|\n| not | counted. |\n\n"
        "- an item without an end\n- another\n  that goes on\n\n1. a number\n\n"
        "```sh\nnot counted. Either.\n```\n\nSetting up:\n\n    pip install this\n\n> A quotation.\n"
    )
    found = [(sentence.line, sentence.words) for sentence in readability.of_file(page)]
    assert found == [(3, 3), (4, 3), (11, 5), (12, 4), (15, 2), (21, 2), (25, 2)]


def test_docstrings_are_measured_without_doctests_and_headings(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        '"""One line about it."""\n\n\ndef f(a, b):\n    """Do a thing.\n\n    Longer: this\n    goes on.\n\n'
        "    >>> f(1, 2)\n    not counted. Either.\n\n    Args:\n        a: what it is.\n"
        "        b: a second. With more.\n            And more: of it.\n\n"
        '    Like this::\n\n        not counted.\n    """\n    x = """No docstring."""\n'
    )
    found = [(sentence.line, sentence.words) for sentence in readability.of_file(source)]
    assert found == [(1, 4), (5, 3), (7, 4), (14, 4), (15, 3), (15, 2), (16, 4), (18, 2)]


def test_the_check_fails_by_the_longest_and_by_the_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("One two three four. One two.\n")
    assert readability.main([str(page), "--check"]) == 0
    assert readability.main([str(page), "--longest", "3"]) == 0
    assert readability.main([str(page), "--longest", "3", "--check"]) == 1
    assert "2    3.0     50.0 %" in capsys.readouterr().out
    assert readability.main([str(page), "--mean", "2.9", "--check", "--worst", "1"]) == 1
    assert f"{page}:1: 4 words: One two three four." in capsys.readouterr().out


def test_a_folder_is_measured_by_pages_and_by_docstrings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.md").write_text("One two.\n")
    (tmp_path / "module.py").write_text('"""One two three four five."""\n')
    assert readability.main([str(tmp_path), "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines[1:3]] == [["1", "2.0"], ["1", "5.0"]]


@pytest.mark.parametrize("page", [*PAGES, *FOLDERS])
def test_pages_and_docstrings_keep_the_limits(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert readability.main([str(ROOT / page), "--check"]) == 0, capsys.readouterr().out
