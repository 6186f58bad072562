"""All tables of a report."""

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks, aggregates_table, ranks_table, wilcoxon_table
from prunebench.reports.analysis.causes import causes_table
from prunebench.reports.analysis.crossed import crossed_designs
from prunebench.reports.analysis.decomposition import choices_table, decomposition_table
from prunebench.reports.analysis.differences import contrast_tables
from prunebench.reports.analysis.effects import effects_table
from prunebench.reports.analysis.fidelity import fidelity_table
from prunebench.reports.analysis.fronts import fronts_table
from prunebench.reports.analysis.margins import MARGIN, failed_points, margins_table, smallest_keeps_table
from prunebench.reports.analysis.score_matrix import score_matrix_table
from prunebench.reports.results import Results
from prunebench.reports.tables.classes import class_tables
from prunebench.reports.tables.layer_weights import layer_weights_table
from prunebench.reports.tables.loss_curves import loss_curves_table
from prunebench.reports.tables.prices import growth_table, prices_table, repair_prices_table
from prunebench.reports.tables.records import records_table
from prunebench.reports.tables.samples import samples_table
from prunebench.reports.tables.speed import main_setting, speed_table
from prunebench.reports.tables.stages import stages_table
from prunebench.reports.tables.summary import summary_table
from prunebench.reports.tables.weights import weights_table
from prunebench.reports.tables.widths import widths_table


def make_tables(results: Results, entries: list[AcrossTasks], margin: float = MARGIN) -> dict[str, pd.DataFrame]:
    """Make every table once, by the name of its file.

    entries: as `compare_across_tasks`. margin: of non-inferiority, a fraction.
    """
    designs = [*crossed_designs(results)]
    records, speed = records_table(results), speed_table(results)
    summary = summary_table(records, speed, main_setting(results))
    (differences, areas), margins = contrast_tables(results), margins_table(results, margin)
    return {
        "records": records,
        "summary": summary,
        "differences": differences,
        "causes": causes_table(results),
        "decomposition": decomposition_table(designs),
        "choices": choices_table(designs),
        "effects": effects_table(designs),
        "margins": margins,
        "smallest_keeps": smallest_keeps_table(margins, failed_points(results)),
        "areas": areas,
        "fronts": fronts_table(summary),
        "ranks": ranks_table(entries),
        "wilcoxon": wilcoxon_table(entries),
        "aggregates": aggregates_table(results, entries),
        "fidelity": fidelity_table(results),
        "score_matrix": score_matrix_table(results),
        "prices": prices_table(results.prices),
        "repair_prices": repair_prices_table(results.repair_prices),
        "growth": growth_table(results.growth),
        "speed": speed,
        "widths": widths_table(results),
        "stages": stages_table(results),
        "loss_curves": loss_curves_table(results),
        **class_tables(results),
        "samples": samples_table(results),
        "weights": weights_table(results),
        "layer_weights": layer_weights_table(results),
    }
