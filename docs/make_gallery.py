"""Make the gallery: real reports as published pages, with what was asked, what came out, and a picture of each.

python docs/make_gallery.py --data-root DATA [NAME ...]

Each report is run (finished results are reused), written, and photographed with Chromium. The texts of the page are
taken from the reports themselves.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "gallery.md"
WIDTH, HEIGHT = 1280, 1600
CIFAR = """
    --datasets folder:cifar10-subset-png --models resnet20 --weights resnet20-12fca82f.th --normalise imagenet
    --restart --epochs 0 --sparse-epochs 0 --rung-epochs 0
"""
CUTS = f"""{CIFAR} --finetune-epochs 0 --seeds 0-5 --keep macs=0.9,0.7,0.5,0.3
    --criteria magnitude,taylor,gate_taylor,group_norm,random
"""
GRID = f"""{CIFAR} --finetune-epochs 2 --finetune-rate 1 --train-fraction 0.2 --seeds 0-15 --keep macs=0.5,0.25
    --criteria magnitude,random,taylor,fpgm,obd,taylor_activation,group_fisher,bn_scale
"""


class Example(NamedTuple):
    """One report: its title, why it is worth a look, and the options of its run."""

    title: str
    about: str
    options: list[str]


EXAMPLES = {
    "fashion": Example(
        "Two regularisers against magnitude",
        "Fashion-MNIST x LeNet-5, from fresh weights. Look at the paired differences and at the measured speed.",
        ["--preset", "fashion", "--seeds", "0-5", "--criteria", "magnitude,random,l1,l0"],
    ),
    "grid": Example(
        "Eight criteria on a published checkpoint",
        "ResNet-20 on pictures of CIFAR-10, cut and trained for two epochs. See what sixteen seeds leave undecided.",
        GRID.split(),
    ),
    "cuts": Example(
        "A published checkpoint, cut and not trained",
        "The same network. Look at the accuracy right after the cut, and with BatchNorm re-estimated.",
        CUTS.split(),
    ),
}


def answer(report: str) -> list[str]:
    r"""Give the statements of a report's first section: its list, or its first paragraph.

    >>> answer("# R\n\n- tasks: a\n\n## The answer\n\nHow.\n\n- one\n- two\n\n## More\n\n- three")
    ['one', 'two']
    """
    section = report.split("\n## ")[1].partition("\n")[2].strip()
    return re.findall(r"^- (.*)$", section, re.MULTILINE) or [section.partition("\n\n")[0]]


def entry(name: str, example: Example, report: str) -> str:
    """Describe one report in Markdown."""
    command = shlex.join(["prunebench", "run", *example.options, "--results", name]).replace(" --", " \\\n    --")
    said = "".join(f"- {line}\n" for line in answer(report))
    picture = f"[![The report '{example.title}'](images/gallery-{name}.png)](gallery/{name}.html)"
    shell = f"```sh\n{command}\nprunebench time {name}\nprunebench report {name} -o {name}-report\n```"
    return (
        f"## {example.title}\n\n{example.about} [The whole page](gallery/{name}.html).\n\n{shell}\n\n"
        f"The report says:\n\n{said}\n{picture}\n"
    )


def photograph(page: Path, target: Path) -> None:
    """Save a picture of the top of a page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("make_gallery: no Chromium found; install chromium")
    size = [f"--window-size={WIDTH},{HEIGHT}", "--hide-scrollbars"]
    asked = [chromium, "--headless", "--no-sandbox", *size, f"--screenshot={target}", page.resolve().as_uri()]
    subprocess.run(asked, check=True, capture_output=True)


def _prunebench(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-P", "-m", "prunebench", *words], check=True, cwd=folder)


def main() -> None:
    """Run, report and photograph each example, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *EXAMPLES], help="which reports (default: all)")
    parser.add_argument("--data-root", type=Path, required=True, help="folder of datasets, checkpoint and results")
    given = parser.parse_args()
    text = "# Gallery\n\nReports of real runs, with the commands that made them.\n"
    for name in given.names or EXAMPLES:
        example = EXAMPLES[name]
        results, report = f"gallery/{name}", f"gallery/{name}-report"  # relative: the report shows its source
        _prunebench(given.data_root, "run", *example.options, "--data-root", ".", "--results", results)
        _prunebench(given.data_root, "time", results)
        _prunebench(given.data_root, "report", results, "-o", report)
        (DOCS / "gallery").mkdir(exist_ok=True)
        shutil.copy(given.data_root / report / "index.html", DOCS / f"gallery/{name}.html")
        photograph(given.data_root / report / "index.html", DOCS / f"images/gallery-{name}.png")
        text += "\n" + entry(name, example, (given.data_root / report / "report.md").read_text())
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
