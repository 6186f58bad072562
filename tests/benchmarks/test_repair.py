import torch

from prunebench.plugins.registry import load_registry
from prunebench.timing.pricing import noise, untrained
from tests.conftest import load_script


def test_what_is_priced_repairs_a_network_of_half_the_units() -> None:
    benchmark = load_script("benchmarks/test_repair.py")
    before, batches = untrained("vgg11_bn:width=0.0625", 3, 32, load_registry(())), noise(1, 3, 32, batch=4)
    after = benchmark.halved(before)
    assert all(len(after.kept[group.name]) == group.units - group.units // 2 for group in before.table.groups)
    assert benchmark.HOWS == ["batchnorm", "bias", "least-squares"]
    for how in benchmark.HOWS:
        assert benchmark.repairing(how, before, batches)() is True


def test_lenet5_is_not_priced_with_a_repair_that_it_lacks() -> None:
    repairs = [case.values[0] for case in load_script("benchmarks/test_repair.py").QUICK]
    assert repairs == ["bias", "least-squares"]


def test_a_network_is_built_the_same_each_time() -> None:
    one, other = (untrained("lenet5", 1, 28, load_registry(())).model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
