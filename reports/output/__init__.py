"""Files and terminal output: pages, LaTeX, CSV, Parquet and the texts of the commands. Imports every other room."""
