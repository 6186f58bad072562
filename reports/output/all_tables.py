"""All tables of a report, by the name of their file."""

import pandas as pd

from prunebench.reports.analysis.across_tasks import aggregates_table, compare_across_tasks, ranks_table, wilcoxon_table
from prunebench.reports.analysis.causes import causes_table
from prunebench.reports.analysis.curves import areas_table
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.fidelity import fidelity_table
from prunebench.reports.analysis.fronts import fronts_table
from prunebench.reports.analysis.margins import MARGIN, failed_points, margins_table, smallest_keeps_table
from prunebench.reports.analysis.power import power_table
from prunebench.reports.analysis.score_matrix import score_matrix_table
from prunebench.reports.results import Results
from prunebench.reports.tables.records import records_table
from prunebench.reports.tables.scoring_cost import prices_table
from prunebench.reports.tables.speed import speed_table
from prunebench.reports.tables.stages import stages_table
from prunebench.reports.tables.summary import summary_table
from prunebench.reports.tables.widths import widths_table


def make_tables(results: Results, margin: float = MARGIN) -> dict[str, pd.DataFrame]:
    """Make every table once. margin: of non-inferiority, and the difference that `power` asks for; a fraction."""
    summary, differences, margins = summary_table(results), differences_table(results), margins_table(results, margin)
    entries = compare_across_tasks(results)
    return {
        "records": records_table(results),
        "summary": summary,
        "differences": differences,
        "causes": causes_table(results),
        "margins": margins,
        "smallest_keeps": smallest_keeps_table(margins, failed_points(results)),
        "areas": areas_table(results),
        "fronts": fronts_table(summary),
        "power": power_table(differences, margin),
        "ranks": ranks_table(entries),
        "wilcoxon": wilcoxon_table(entries),
        "aggregates": aggregates_table(results, entries),
        "fidelity": fidelity_table(results.fidelity),
        "score_matrix": score_matrix_table(results.fidelity),
        "prices": prices_table(results.prices),
        "speed": speed_table(results),
        "widths": widths_table(results),
        "stages": stages_table(results),
    }
