"""Records to tables, statistics, figures and a page, without torch.

`reading.read_results` reads a results folder or a benchmark JSON. `output.writing.write_report` writes the report.
The rooms from top to bottom: output, sections, figures and analysis, tables, the modules here, statistics. A room
imports only rooms below it.
"""
