"""From the options of a run to the records of its grid: spec, tasks, stages, trajectories, store."""
