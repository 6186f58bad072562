"""What is written or printed: pages, LaTeX, CSV, Parquet, and the texts of the commands. No room imports this one."""
