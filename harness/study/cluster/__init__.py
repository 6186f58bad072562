"""Works the jobs of a grid on a Ray cluster. Ray is imported where `--engine ray` asks for it, not before."""
