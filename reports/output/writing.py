"""Write a report: Markdown, LaTeX, CSV, Parquet, figures and a self-contained page."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunebench.errors import UserError
from prunebench.paths import exists
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.margins import MARGIN
from prunebench.reports.document import Document, Figure, Section
from prunebench.reports.figures.accuracy import accuracy_figure
from prunebench.reports.figures.drawing import png_bytes, svg_text
from prunebench.reports.figures.speed import speed_figure
from prunebench.reports.formatting import MISSING
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.output.latex import latex_tables
from prunebench.reports.output.parquet import parquet_bytes, require_pyarrow
from prunebench.reports.results import Results
from prunebench.reports.sections.assembly import make_document

TEMPLATES = Path(__file__).parents[1] / "templates"
TITLES = {
    "accuracy": "Accuracy after fine-tuning against MACs kept (single weights: against weights kept); "
    "bands: 95 % t intervals over seeds, cut off at 0 and 100 % and at the frame; dashed: controls.",
    "speed": "Speed-up by the count of MACs (tick) and as measured (dot; line: 95 % interval, cut off at the frame; "
    "hollow: unreliable).",
}


def write_report(
    results: Results,
    folder: Path,
    margin: float = MARGIN,
    columnar: bool = False,
    front: tuple[Section, ...] = (),
) -> list[Path]:
    """Write `report.md`, `index.html`, `tables.tex`, the CSV tables and `figures/` into a folder. Gives their paths.

    margin: of non-inferiority, a fraction. The CSV tables hold fractions, not percent, and `n/a` for a missing number.
    columnar: write each table as Parquet too. front: sections before those of the report. Raises `UserError` where the
    folder cannot be written, or where Parquet is asked for without pyarrow.
    """
    if columnar:
        require_pyarrow()
    entries = compare_across_tasks(results)
    tables = make_tables(results, entries, margin)
    files: dict[str, str | bytes] = {f"{name}.csv": _csv(table) for name, table in tables.items()}
    if columnar:
        files |= {f"{name}.parquet": parquet_bytes(table) for name, table in tables.items()}
    drawn = {"accuracy": accuracy_figure(tables["summary"]), "speed": speed_figure(tables["summary"])}
    pictures = []
    for name, figure in drawn.items():
        if figure is not None:
            text = svg_text(figure)
            files |= {f"figures/{name}.svg": text, f"figures/{name}.png": png_bytes(figure)}
            pictures.append(Figure(name, TITLES[name], text))
    document = make_document(results, tables, entries, pictures)
    document = replace(document, sections=(*front, *document.sections))
    files |= {"report.md": markdown(document), "index.html": html_page(document), "tables.tex": latex_tables(document)}
    return _write(folder, files)


def refuse_results_folder(source: Path, folder: Path) -> None:
    """Raise `UserError` where a report would be written into results, over a benchmark JSON, or where a file is."""
    inside = folder.resolve() == source.resolve() or source.resolve() in folder.resolve().parents
    if exists(folder / "store.json") or inside:
        raise UserError(f"--output {folder}: this is where the results are; give another folder, such as report")
    file = next((one for one in (folder, *folder.parents) if exists(one) and not one.is_dir()), None)
    if file is not None:
        raise UserError(f"--output {folder}: {file} is a file; give a folder")


def markdown(document: Document) -> str:
    """Render a report as GitHub's Markdown. Pictures lie in `figures/`."""
    return _environment(escape=False).get_template("report.md.j2").render(document=document)


def html_page(document: Document) -> str:
    """Render a report as one HTML page with its pictures inside."""
    return _environment(escape=True).get_template("index.html.j2").render(document=document)


def _environment(escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"kind": lambda block: type(block).__name__, "inline": _inline_svg, "code": _code_markup}
    return environment


def _inline_svg(picture: Figure) -> Markup:
    """Make an SVG part of a page. Its ids get the picture's name, as two pictures use the same ids."""
    text = re.sub(r'(id="|url\(#)', rf"\g<1>{picture.name}-", picture.svg)
    return Markup(text[text.index("<svg") :])


def _code_markup(text: str) -> Markup:
    """Turn `names` in backticks into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, na_rep=MISSING, lineterminator="\n"))


def _write(folder: Path, files: dict[str, str | bytes]) -> list[Path]:
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written here: {error.strerror}; give another folder") from None
    return [folder / name for name in files]
