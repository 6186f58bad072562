"""`python -m prunebench` is the command `prunebench`."""

from prunebench.cli.main import main

main()
