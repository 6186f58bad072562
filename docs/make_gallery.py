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
PAPERS = DOCS.parent / "examples" / "papers"
WIDTH, HEIGHT = 1280, 1600
EQUAL_MACS = """
    --preset examples/papers/reg-obd-2021-corrected.toml --ranking local --models vgg11:width=0.25
    --weights source.safetensors --rate 1e-3 --frozen-rate 3 --train-fraction 0.2
    --datasets folder:cifar10-subset-png,classes=dog/frog/horse/ship/truck,augment=flip
"""
PICTURES = """
    --preset examples/papers/reg-obd-2021-corrected.toml --ranking local --models vgg11:width=0.25
    --weights source.safetensors --rate 1e-3 --frozen-rate 3
    --datasets "mnist:size=32,channels=3,augment=none fashion_mnist:size=32,channels=3,augment=flip"
    --criteria "dense_continued random magnitude taylor_2020 taylor_activation_signed
    obd hsqgl12_2021 hsqgl12_2021+obd obd+hsqgl12_2021"
"""
CROSSED = """
    --datasets fashion_mnist --models vgg11_bn:width=0.25 --seeds 0-5 --keep macs=0.25 --restart --epochs 20
    --sparse-epochs 0 --rung-epochs 0 --train-fraction 0.1 --calibration 512 --finetune-rate 0.3
    --criteria magnitude,taylor,obd,fpgm,hrank,wanda,random
"""
COVID = """
    --preset examples/papers/reg-obd-2021-corrected.toml --ranking local --models vgg11:width=0.25
    --weights source.safetensors --rate 1e-3 --frozen-rate 3 --datasets covid_radiography:size=32,channels=3,twins=drop
    --train-fraction 1 --frozen-epochs 25 --sparse-epochs 30 --rung-epochs 5 --finetune-epochs 5
"""


class Example(NamedTuple):
    """One report: its title, why it is worth a look, and the options of its runs."""

    title: str
    about: str
    runs: list[list[str]]


EXAMPLES = {
    "papers": Example(
        "Regularisation and OBD, with controls",
        "Five classes of CIFAR-10 x a narrow VGG11: the second paper's networks at equal MACs. See the controls: "
        "the dense network trained as long, and random filters. `source.safetensors` is made by `scaled.sh`.",
        [EQUAL_MACS.split()],
    ),
    "pictures": Example(
        "Two tasks: MNIST and Fashion-MNIST",
        "The same networks on two of the paper's datasets. Compare the tasks: what is proven on one may be undecided "
        "on the other, such as the loss against the dense network trained as long.",
        [[" ".join(word.split()) for word in shlex.split(PICTURES)]],
    ),
    "crossed": Example(
        "Criterion, repair or fine-tuning",
        "Fashion-MNIST x VGG11-BN under eight protocols. Look at what decides the accuracy.",
        [
            [*CROSSED.split(), "--repair", repair, "--finetune-epochs", epochs]
            for repair in ("none", "batchnorm", "bias", "least-squares")
            for epochs in ("0", "3")
        ],
    ),
    "covid": Example(
        "A small test split",
        "The same networks on X-ray pictures of two classes. See what six seeds and 200 test pictures leave undecided.",
        [COVID.split()],
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
    runs = (shlex.join(["prunebench", "run", *options, "--results", name]) for options in example.runs)
    command = "\n".join(runs).replace(" --", " \\\n    --")
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


def entries(page: str) -> dict[str, str]:
    r"""Split a gallery into its entries, by title.

    >>> entries("# Gallery\n\nReports.\n\n## One\n\nText.\n\n## Two\n\nMore.\n")
    {'One': '## One\n\nText.\n', 'Two': '## Two\n\nMore.\n'}
    """
    parts = page.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def make(name: str, root: Path) -> str:
    """Run, time, report and photograph one example. root: folder of data and results. Gives its entry."""
    example = EXAMPLES[name]
    results, report = f"gallery/{name}", f"gallery/{name}-report"  # relative: the report shows its source
    for options in example.runs:
        _prunebench(root, "run", *options, "--data-root", ".", "--results", results)
    _prunebench(root, "time", results)
    _prunebench(root, "report", results, "-o", report)
    (DOCS / "gallery").mkdir(exist_ok=True)
    shutil.copy(root / report / "index.html", DOCS / f"gallery/{name}.html")
    photograph(root / report / "index.html", DOCS / f"images/gallery-{name}.png")
    return entry(name, example, (root / report / "report.md").read_text())


def main() -> None:
    """Make the named examples anew, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", choices=[[], *EXAMPLES], help="which reports (default: all; the page keeps the others)"
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder of datasets, checkpoint and results")
    given = parser.parse_args()
    shutil.copytree(PAPERS, given.data_root / "examples" / "papers", dirs_exist_ok=True)
    told = entries(PAGE.read_text())
    for name in given.names or EXAMPLES:
        told[EXAMPLES[name].title] = make(name, given.data_root)
    known = (told[one.title] for one in EXAMPLES.values() if one.title in told)
    PAGE.write_text("\n".join(("# Gallery\n\nReports of real runs, with the commands that made them.\n", *known)))


if __name__ == "__main__":
    main()
