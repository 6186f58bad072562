import pytest

from prunebench.choosing.asked import check_alone, read_bound
from prunebench.errors import UserError


@pytest.mark.parametrize("given", ["92", 92, "92%", "0", 1, "1", "-0.5", "nan", "inf", "", True, None, [0.9], "0,92"])
def test_what_is_no_share_is_refused(given: object) -> None:
    with pytest.raises(UserError, match=r"^--at-least .*: not an accuracy to reach; give a share .*, as 0\.92$"):
        read_bound(given)


def test_a_bound_stands_alone() -> None:
    with pytest.raises(UserError, match=r"^--at-least 0\.9: the search finds the keep itself; leave --keep out$"):
        check_alone(0.9, "0.5", None)
    with pytest.raises(UserError, match=r"no smaller plan for a budget; leave --budget out$"):
        check_alone(0.9, None, "2h")
    check_alone(0.9, None, None)
