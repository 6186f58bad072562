import subprocess
import sys

CODE = """
import sys
import prunebench.reports.reading, prunebench.reports.writing, prunebench.reports.show
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "torchvision", "torch_pruning", "pytest"})
assert not loaded, loaded
"""


def test_a_report_needs_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
