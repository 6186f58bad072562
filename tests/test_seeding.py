import torch

from prunebench.seeding import derive, generator, seeded


def test_equal_purposes_give_equal_draws_and_others_do_not() -> None:
    first = torch.rand(4, generator=generator(3, "order"))
    assert torch.equal(first, torch.rand(4, generator=generator(3, "order")))
    assert not torch.equal(first, torch.rand(4, generator=generator(3, "split")))
    assert not torch.equal(first, torch.rand(4, generator=generator(4, "order")))


def test_derived_seeds_do_not_depend_on_the_process() -> None:
    assert derive(0, "split") == 5861598955000012809
    assert 0 <= derive(10**9, "a", 1, 0.5) < 2**63


def test_the_global_generator_is_put_back() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(7, "initialisation"):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded(7, "initialisation"):
        assert torch.equal(torch.rand(3), inside)
