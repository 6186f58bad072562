from pathlib import Path

from prunebench.plugins.lines import criterion_lines
from prunebench.plugins.registry import Registry

ONE = '''"""Cube: the third power (Somebody, 2020).

More.
"""
from prunebench import Criterion


def cube(weight):
    """Sum of cubes."""
    return weight.abs().pow(3).sum(1)


CRITERION = Criterion(cube)
'''
SECOND = '''

def fourth(weight):
    """Sum of fourth powers.

    More.
    """
    return weight.pow(4).sum(1)


def silent(weight):
    return weight.sum(1)


OTHER, LAST = Criterion(fourth), Criterion(silent, reference="Nobody 2021")
'''


def test_a_file_of_one_criterion_speaks_for_it(tmp_path: Path) -> None:
    (tmp_path / "cube.py").write_text(ONE)
    known = Registry((str(tmp_path / "cube.py"),))
    assert criterion_lines(["cube", "shuffle:cube+l1", "dense_continued"], known) == {
        "cube": "Cube: the third power (Somebody, 2020).",
        "l1": "L1: sparse training with the L1 norm of the weights, then the L1 norm as score.",
    }


def test_several_criteria_in_a_file_speak_for_themselves(tmp_path: Path) -> None:
    (tmp_path / "powers.py").write_text(ONE + SECOND)
    known = Registry((str(tmp_path / "powers.py"),))
    assert criterion_lines(["cube", "fourth", "silent"], known) == {
        "cube": "Sum of cubes.",
        "fourth": "Sum of fourth powers.",
        "silent": "Nobody 2021",
    }
