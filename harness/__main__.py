"""`python -m prunebench` is the command `prunebench`."""

from prunebench.cli.app import main

main()
