from markdown_it import MarkdownIt
from markupsafe import escape

from prunebench.reports.document import Document, Figure, Items, Panel, Section, Table, Text
from prunebench.reports.output.rendering import html_page, markdown

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path aria-label="taylor|+0.5 points" d="M0,0"/></svg>'


def document(*blocks: Table | Text | Items | Figure, **changes: object) -> Document:
    section = Section("Which is better?", blocks)
    return Document("A report", ("Mind this.",), (("seeds", "0-2"),), (section,), **changes)  # type: ignore[arg-type]


def test_addresses_do_not_depend_on_the_position() -> None:
    named = Section("Other", (), name="curves")
    page = html_page(Document("A report", (), (), (Section("First", ()), named)))
    assert 'id="first"' in page and 'id="curves"' in page and 'href="#curves"' in page


def test_cells_have_styles_and_tools() -> None:
    table = Table("c", ("criterion", "keep"), (("taylor", "+1"),), styles=(("", "better"),), tools=True, task="a x b")
    page = html_page(document(table))
    assert '<td class=" better">+1</td>' in page and '<table class="tools">' in page and 'data-task="a x b"' in page


def test_marks_of_a_figure_are_found_and_told() -> None:
    page = html_page(document(Figure("forest", "Differences.", (Panel("a x b", SVG),), ("taylor",))))
    assert '<path data-criterion="taylor" d="M0,0"><title>+0.5 points</title></path>' in page
    assert 'role="img" aria-label="a x b Differences."' in page
    assert '<button type="button" aria-pressed="true" data-criterion="taylor"' in page


def test_the_title_of_a_panel_stands_above_its_picture() -> None:
    panel = Panel("a x b", SVG, "a <x> b", "local ranking")
    page = html_page(document(Figure("forest", "Differences.", (panel,))))
    assert "<p>a &lt;x&gt; b <small>local ranking</small></p><svg" in page


def test_whatever_is_given_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    figure = Figure("f", bad, (Panel(bad, "<svg></svg>"),), (bad,))
    page = html_page(
        document(Table(bad, (bad,), ((bad,),), task=bad), Text(bad), Items((bad,)), figure, tasks=(bad, "b"))
    )
    assert "alert(1)</script>" not in page


def test_whatever_is_given_is_no_html_and_no_link_in_markdown() -> None:
    """Backticks, backslashes and entities of names may close what the report opens."""
    marks = ("", "`", "``", "\\", "`\\", "&#96;", "|", "\\|", "a`b` `", "[", "![", "](x)[")
    ways_in = (
        "<b>",
        "</p>",
        "<!-- x",
        "<?x",
        "<https://a.b>",
        "<img src=x>",
        "[a](b)",
        "![a](b)",
        "&lt;",
        "[a]\\(b)",
        "[a]: http://x.y",
    )
    for bad in (f"{mark}{way}{end}" for mark in marks for way in ways_in for end in marks[:4]):
        figure = Figure("f", bad, (Panel(bad, "<svg></svg>"),))
        table = Table(bad, (bad, "b"), ((bad, bad),))
        commands = (("report", f"prunebench report {bad}"),)
        text = markdown(
            document(table, Text(bad), Text(f"of `{bad}` b"), Items((bad, "[a]")), figure, commands=commands)
        )
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
        found = [one for token in tokens for one in (token, *(token.children or ()))]
        assert not [one.content for one in found if one.type.startswith("html")], text
        places = {one.attrs.get("src", one.attrs.get("href")) for one in found if one.type in ("link_open", "image")}
        assert places <= {"figures/f.svg"}, text


def test_markdown_keeps_a_number_and_its_interval_together() -> None:
    text = markdown(document(Table("c", ("a", "b"), (("x", "89.09 ± 0.43"),))))
    assert "89.09\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.43" in text and "> **Mind this.**" in text


def test_commands_are_copied() -> None:
    steps = (("results in a b", ("prunebench tune", "prunebench run")), ("this report", ("prunebench report 'a b'",)))
    page = html_page(document(commands=steps))
    script = "# results in a b\nprunebench tune\nprunebench run\n# this report\nprunebench report 'a b'"
    assert str(escape(script)).join(('data-copy="', '"')) in page
    assert page.count('<code dir="ltr">prunebench') == 3
    assert f"\n```sh\n{script}\n```\n" in markdown(document(commands=steps))
