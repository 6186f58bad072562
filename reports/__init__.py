"""Records to tables, statistics, figures and a page; free of torch.

`reading.read_results` reads a results folder or a benchmark JSON, `writing.write_report` writes the report,
`show.layer_table` prints one point.
"""
