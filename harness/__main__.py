"""`python -m prunebench` is the command `prunebench`."""

import sys


def start() -> None:
    """Run the command line. Ctrl-C may also come while the command is imported."""
    try:
        from prunebench.cli.main import main
    except KeyboardInterrupt:
        print("prunebench: interrupted before anything was computed", file=sys.stderr)
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()
