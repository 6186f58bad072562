"""Hostile presets and configuration files: read, or refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.records.requested import parse_seeds
from prunebench.study.spec import Spec, make_spec

Make = Callable[..., Any]
PRESET = """\
# A preset.
criteria = ["magnitude", "obd:curvature=exact", "hsqgl12+obd"]
datasets = ["digits"]
models = "lenet5"
seeds = "0-4"
keep = "macs=0.5,0.25"
epochs = 3
rate = 0.05
rung_epochs = [3, 2, 1]
save = "all"
normalise = "imagenet"
"""
VALUES = (
    *("nan", "-inf", "1e999", "-0.0", "9" * 5000, "9" * 400, "-1", "0", "true", "0x7fffffffffffffffff", "1e308"),
    *("1979-05-27T07:32:00Z", "07:32:00", "1979-05-27", '""', "[]", "[[]]", "{}", "{a.b = 1}", "[1, 'a', 2.0]"),
    *('"\\u0000"', '"\\ufffe"', '"a\\nb"', '"../../../../etc/passwd"', '"/dev/zero"', '"~nobody/x.py"', '"/"'),
    *('"9-1"', '"0-99999999999"', '"macs=1e-300"', '"weights=nan"', '"1=2=3"', '"a x b"', '" x "', '"l1:strength=nan"'),
    *('"' + "a" * 5000 + '"', '"' + "a," * 5000 + '"', '"' + "l1+" * 3000 + '"', '"' + "l1:" * 3000 + '"'),
    *(
        "[" * 3000 + "]" * 3000,
        '["é", "\\uD7FF"]',
        "'''\n'''",
        '"٣"',
        '["0.5", 0.25]',
        "[0.5, 0.5]",
        '"shuffle:shuffle:l1"',
    ),
)
KEYS = st.sampled_from([*Spec.model_fields, "rung-epochs", "unknown", "a.b", '"\\ufffe"', '""', "schema_version"])
WORDS = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: repr(text) if "'" not in text else '"x"')


def preset(drawn: Any) -> bytes:
    """Edit lines of a preset, or its bytes."""
    lines = PRESET.splitlines()
    for _ in range(drawn.draw(st.integers(1, 4))):
        value = drawn.draw(st.sampled_from(VALUES) | WORDS)
        line = f"{drawn.draw(KEYS)} = {value}"
        place = drawn.draw(st.integers(0, len(lines)))
        lines[place : place + drawn.draw(st.integers(0, 1))] = [line]
    content = "\n".join(lines).encode()
    return drawn.bytes_of(content) if not drawn.draw(st.integers(0, 3)) else content


def use(path: Path, how: str) -> None:
    spec = make_spec({"preset": str(path)}) if how == "preset" else make_spec({}, path)
    parse_seeds(spec.seeds)
    spec.protocol()
    for text in spec.criteria:
        parse_method(text, load_registry(()))


@pytest.mark.parametrize("how", ["preset", "config"])
def test_presets_are_read_or_refused(
    attack: Make, bearing: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(PRESET)
    use(path, how)

    def body(drawn: Any) -> None:
        path.write_bytes(preset(drawn))
        bearing(lambda: use(path, how))

    attack(body)
    assert list(tmp_path.iterdir()) == [path]
