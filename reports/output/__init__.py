"""What is written or printed: pages, LaTeX, CSV, Parquet and the texts of the commands. On top of all other rooms."""
