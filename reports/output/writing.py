"""Write a report: a page, Markdown, LaTeX, CSV, Parquet and figures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from prunebench.errors import UserError
from prunebench.paths import exists, real
from prunebench.processes import uncollected
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.analysis.margins import MARGIN
from prunebench.reports.document import Figure, Panel, Section
from prunebench.reports.figures.drawing import (
    Drawing,
    configured,
    in_language,
    png_bytes,
    side_by_side,
    split_title,
    svg_text,
)
from prunebench.reports.figures.drawings import all_drawings
from prunebench.reports.formatting import MISSING
from prunebench.reports.language.languages import ENGLISH, Language, find_language
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.output.assembly import make_document
from prunebench.reports.output.commands import making
from prunebench.reports.output.latex import latex_tables
from prunebench.reports.output.parquet import parquet_bytes, require_pyarrow
from prunebench.reports.output.rendering import html_page, markdown
from prunebench.reports.results import Results
from prunebench.reports.tables.speed import main_setting

Files = dict[str, str | bytes]


@uncollected()
def write_report(
    results: Results,
    folder: Path,
    margin: float = MARGIN,
    columnar: bool = False,
    front: tuple[Section, ...] = (),
    *,
    lang: str = ENGLISH,
) -> list[Path]:
    """Write `report.md`, `index.html`, `tables.tex`, the CSV tables and `figures/` into a folder. Gives their paths.

    margin: of non-inferiority, a fraction. The CSV tables hold fractions, not percent, and `n/a` for a missing number.
    columnar: write each table as Parquet too. front: sections before those of the report, which the commands of the
    results write, too. lang: of the page; all other files are in English. Raises `UserError` for a language that is
    not there, where the folder cannot be written, or where Parquet is asked for without pyarrow.
    """
    language = find_language(lang)
    if columnar:
        require_pyarrow()
    entries = compare_across_tasks(results)
    tables = make_tables(results, entries, margin)
    answers = find_answers(tables["summary"], tables["differences"], results.demonstration)
    drawings = all_drawings(
        tables, entries, answers, margin, main_setting(results), demonstration=results.demonstration
    )
    english = find_language(ENGLISH)
    figures = {one.name: _panels(one, english) for one in drawings}
    shown = figures if language == english else {one.name: _panels(one, language) for one in drawings}
    document = make_document(results, tables, entries, answers, shown, margin=margin, lang=lang)
    if front:
        document = replace(document, sections=(*front, *document.sections), commands=making(results))
    files = _table_files(tables, columnar) | _figure_files(figures)
    files |= {
        "report.md": markdown(document),
        "index.html": html_page(document, language),
        "tables.tex": latex_tables(document),
    }
    return _write(folder, files)


def refuse_results_folder(source: Path, folder: Path) -> None:
    """Raise `UserError` where a report would be written into results, over a benchmark JSON, or where a file is."""
    place = real(folder)
    inside = real(source) in (place, *place.parents)
    if exists(folder / "store.json") or inside:
        raise UserError(f"--output {folder}: this is where the results are; give another folder, such as report")
    file = next((one for one in (folder, *folder.parents) if exists(one) and not one.is_dir()), None)
    if file is not None:
        raise UserError(f"--output {folder}: {file} is a file; give a folder")


def _panels(drawing: Drawing, language: Language) -> Figure:
    panels = []
    for task, chart in drawing.charts:
        untitled, title, subtitle = split_title(chart)
        panels.append(Panel(task, svg_text(configured(in_language(untitled, language))), title, subtitle))
    return Figure(drawing.name, drawing.title, tuple(panels), drawing.criteria)


def _figure_files(figures: Mapping[str, Figure]) -> Files:
    """Join the panels of each figure, for papers."""
    files: Files = {}
    for name, figure in figures.items():
        titles = [(panel.title, panel.subtitle) for panel in figure.panels]
        svg = side_by_side([panel.svg for panel in figure.panels], titles)
        files |= {f"figures/{name}.svg": svg, f"figures/{name}.png": png_bytes(svg)}
    return files


def _table_files(tables: Mapping[str, pd.DataFrame], columnar: bool) -> Files:
    files: Files = {f"{name}.csv": _csv(table) for name, table in tables.items()}
    if columnar:
        files |= {f"{name}.parquet": parquet_bytes(table) for name, table in tables.items()}
    return files


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, na_rep=MISSING, lineterminator="\n"))


def _write(folder: Path, files: Files) -> list[Path]:
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written here: {error.strerror}; give another folder") from None
    return [folder / name for name in files]
