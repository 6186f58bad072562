"""Evidence: the right numbers, in the right shapes, and a network left as it was."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck, ResNet

from prunebench.errors import CellError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Group, Network, Slice, Table
from prunebench.pruning.removal import remove
from prunebench.scoring.evidence import gather, undisturbed
from prunebench.scoring.places import producers
from prunebench.testing import toys
from prunebench.testing.toys import Net

FIRST = frozenset({"grad", "bias_grad"})
FLOW = frozenset({"output", "output_grad", "activation", "activation_grad"})


def observe(network: Network, names: frozenset[str]) -> dict[str, dict[str, Tensor]]:
    return gather(network, names, toys.batches()[0], torch.Generator().manual_seed(0))


def single(model: nn.Module, layers: tuple[str, ...], tail: dict[str, str] | None = None) -> Network:
    groups = []
    for name in layers:
        units = len(model.get_submodule(name).get_parameter("weight"))
        groups.append(Group(name, units, (name,), (Slice(name, "out", torch.arange(units)[:, None]),)))
    return Network.dense(model.double(), Table(tuple(groups), {}, {}, tail or {}))


@pytest.mark.parametrize("toy", toys.TOYS)
def test_gradients_are_those_of_the_mean_loss(toy: str) -> None:
    network, reference = toys.TOYS[toy](), toys.TOYS[toy]().model.eval()
    pictures, labels = toys.batches()[0]
    F.cross_entropy(reference(pictures), labels).backward()  # type: ignore[no-untyped-call]
    for layer, values in observe(network, FIRST).items():
        module: Any = reference.get_submodule(layer)
        torch.testing.assert_close(values["grad"], module.weight.grad.flatten(1), rtol=1e-12, atol=1e-15)
        expected = torch.zeros(len(module.weight)).double() if module.bias is None else module.bias.grad
        torch.testing.assert_close(values["bias_grad"], expected, rtol=1e-12, atol=1e-15)


def test_what_passes_through_is_each_samples_own() -> None:
    network = toys.chain()
    pictures, labels = toys.batches()[0]
    found = observe(network, FLOW)["2"]
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    for n in range(len(labels)):
        output = model[:3](pictures[n : n + 1]).detach().requires_grad_()
        activation = F.relu(model[3](output))
        loss = F.cross_entropy(model[5:](activation), labels[n : n + 1])
        expected = (output, *torch.autograd.grad(loss, [output, activation], retain_graph=True))
        for name, value in zip(("output", "output_grad", "activation_grad"), expected, strict=True):
            torch.testing.assert_close(found[name][n : n + 1], value.detach(), rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(found["activation"][n : n + 1], activation.detach())


def test_in_place_operations_do_not_change_the_evidence() -> None:
    def forward(net: Any, pictures: Tensor) -> Any:
        x = net.a(pictures)
        y = net.b(x)
        if net.swish.inplace:
            y += x
        else:
            y = y + x
        return net.head(net.swish(y).mean((2, 3)))

    names = FLOW | FIRST | {"curvature", "bias_curvature"}
    found = []
    for in_place in (False, True):
        torch.manual_seed(0)
        layers = {"a": nn.Conv2d(1, 3, 3, padding=1), "b": nn.Conv2d(3, 3, 3, padding=1), "head": nn.Linear(3, 3)}
        network = single(Net(forward, **layers, swish=nn.Hardswish(in_place)), ("a", "b"), {"a": "a", "b": "b"})
        found.append(observe(network, names))
    for layer, values in found[0].items():
        assert set(values) == names
        for name, value in values.items():
            torch.testing.assert_close(found[1][layer][name], value, msg=f"{layer} {name}")


@pytest.mark.parametrize(("functional", "passes"), [(False, 1), (True, 2)])
def test_only_unknown_changes_in_place_cost_another_pass(functional: bool, passes: int) -> None:
    ran: list[int] = []

    def forward(net: Any, pictures: Tensor) -> Any:
        ran.append(1)
        x = net.a(pictures)
        return net.head((F.relu_(x) if functional else net.relu(x)).mean((2, 3)))

    model: Any = Net(forward, a=nn.Conv2d(1, 3, 3), relu=nn.ReLU(inplace=True), head=nn.Linear(3, 3))
    observe(single(model, ("a",), {"a": "a"}), frozenset({"output", "output_grad"}))
    assert len(ran) == passes and model.relu.inplace


def test_one_relu_may_serve_several_layers() -> None:
    layers = {"a": nn.Conv2d(1, 3, 3), "b": nn.Conv2d(3, 3, 3), "relu": nn.ReLU(inplace=True)}
    model = Net(lambda net, x: net.relu(net.b(net.relu(net.a(x)))).mean((2, 3)), **layers)
    network = single(model, ("a", "b"), {"a": "relu", "b": "relu"})
    found = observe(network, FLOW)
    for layer in ("a", "b"):
        torch.testing.assert_close(found[layer]["activation"], found[layer]["output"].relu())


@torch.no_grad()
def test_activations_of_a_torchvision_resnet_are_those_of_a_forward_pass_by_hand() -> None:
    torch.manual_seed(0)
    model = ResNet(Bottleneck, [2, 1, 1, 1], num_classes=3).double().eval()
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    pictures = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    network = Network.dense(model, analyse(model, pictures, check=False))
    names = frozenset({"activation", "feature_map"})
    found = gather(network, names, (pictures, torch.tensor([0, 2])), torch.Generator())
    expected = {"conv1": model.bn1(model.conv1(pictures)).relu()}
    stream = F.max_pool2d(expected["conv1"], 3, 2, 1)
    joined: dict[str, Tensor] = {}
    for number, block in enumerate(model.layer1):  # one ReLU serves three places
        name = f"layer1.{number}"
        first = expected[f"{name}.conv1"] = block.bn1(block.conv1(stream)).relu()
        second = expected[f"{name}.conv2"] = block.bn2(block.conv2(first)).relu()
        third = expected[f"{name}.conv3"] = block.bn3(block.conv3(second))  # the ReLU comes after the addition
        if number == 0:
            stream = expected[f"{name}.downsample.0"] = block.downsample(stream)
        stream = (third + stream).relu()
        joined[f"{name}.conv3"] = stream
        if number == 0:
            joined[f"{name}.downsample.0"] = stream
    for layer, value in expected.items():
        torch.testing.assert_close(found[layer]["activation"], value, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(found[layer]["feature_map"], joined.get(layer, value), rtol=1e-12, atol=1e-14)


def test_a_linear_layer_on_sequences_shows_units_second() -> None:
    layers = {"linear": nn.Linear(6, 4), "head": nn.Linear(4, 3)}
    model = Net(lambda net, x: net.head(net.linear(x.squeeze(1)).tanh().mean(1)), **layers)
    found = observe(single(model, ("linear",)), FLOW | FIRST | {"weight", "bias"})["linear"]
    assert found["output"].shape == found["output_grad"].shape == found["activation"].shape == (5, 4, 6)
    change = (found["output"] * found["output_grad"]).sum(2).mean(0)
    expected = (found["weight"] * found["grad"]).sum(1) + found["bias"] * found["bias_grad"]
    torch.testing.assert_close(change, expected)


def test_what_needs_no_data() -> None:
    network = toys.residual()
    names = frozenset({"weight", "bias", "gamma", "gate"})
    found = gather(network, names, (torch.empty(0), torch.empty(0)), torch.Generator())
    assert producers(network) == list(found) == ["stem", "conv"]
    assert found["stem"]["weight"].shape == (5, 9)
    assert found["stem"]["bias"].tolist() == [0.0] * 5
    assert torch.equal(found["conv"]["gamma"], network.layer("bn2").get_parameter("weight"))
    assert torch.equal(found["conv"]["gate"], network.gates["stem"])
    assert not any(value.requires_grad for value in found["conv"].values())
    assert gather(toys.grouped(), names, (torch.empty(0), torch.empty(0)), torch.Generator())["2"]["gamma"].eq(1).all()


def test_the_gate_of_tied_positions_is_the_units() -> None:
    network = toys.grouped()
    network.gates["2"] = torch.tensor([1.0, 2.0, 3.0])
    assert observe(network, frozenset({"gate"}))["2"]["gate"].tolist() == [1, 2, 3, 1, 2, 3]


def test_no_gates_is_said() -> None:
    network = toys.chain()
    network.gates.clear()
    with pytest.raises(CellError, match="layer '0' has no gates"):
        observe(network, frozenset({"gate"}))


def test_a_pruned_network_shows_the_units_still_there() -> None:
    network = toys.residual()
    small = remove(network, {"stem": torch.tensor([1, 3])})
    dense, found = observe(network, frozenset({"weight", "gate"})), observe(small, FLOW | {"weight", "gate"})
    for layer in ("stem", "conv"):
        assert found[layer]["output"].shape[1] == 3
        assert torch.equal(found[layer]["gate"], dense[layer]["gate"][[0, 2, 4]])


@pytest.mark.parametrize(
    ("names", "forwards", "backwards"),
    [
        ({"weight", "bias"}, 0, 0),
        ({"output", "activation"}, 1, 0),
        ({"grad", "output_grad", "activation"}, 1, 1),
        ({"curvature", "weight"}, 2, 1),
        ({"curvature", "grad"}, 3, 2),
    ],
)
def test_only_what_is_asked_for_is_computed(
    names: set[str], forwards: int, backwards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, calls = toys.chain(), {"forward": 0, "backward": 0}
    original = torch.autograd.grad

    def counted(*args: Any, **options: Any) -> Any:
        calls["backward"] += 1
        return original(*args, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    network.model.register_forward_hook(lambda *_: calls.update(forward=calls["forward"] + 1))
    found = observe(network, frozenset(names))
    assert (calls["forward"], calls["backward"]) == (forwards, backwards)
    assert set(found["0"]) == names


def test_weights_are_frozen_unless_their_gradient_is_wanted() -> None:
    network, flags = toys.chain(), []
    network.model.register_forward_hook(lambda m, *_: flags.append([p.requires_grad for p in m.parameters()]))
    observe(network, frozenset({"output_grad"}))
    observe(network, frozenset({"grad"}))
    assert not any(flags[0])
    assert any(flags[1])


def test_everything_comes_back_even_after_an_error() -> None:
    network = toys.chain()
    network.model.train()
    network.layer("3").eval()
    parameters = list(network.model.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.ones_like(parameters[1])
    hooks = [len(m._forward_hooks) for m in network.model.modules()]
    random_state = torch.get_rng_state()
    handle = network.layer("9").register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        observe(network, FLOW | FIRST)
    handle.remove()
    assert [name for name, m in network.model.named_modules() if not m.training] == ["3"]
    assert [p.requires_grad for p in parameters] == [False] + [True] * (len(parameters) - 1)
    assert parameters[1].grad is not None
    assert parameters[0].grad is None
    assert hooks == [len(m._forward_hooks) for m in network.model.modules()]
    assert torch.equal(torch.get_rng_state(), random_state)


def test_the_global_random_state_is_put_back() -> None:
    model, before = nn.Linear(1, 1), torch.get_rng_state()
    with undisturbed(model):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_frozen_layers_have_gradients() -> None:
    network = toys.chain()
    wanted = observe(network, FIRST)
    network.model.requires_grad_(False)
    for layer, values in observe(network, FIRST).items():
        assert torch.equal(values["grad"], wanted[layer]["grad"])


def test_what_readers_are_given_has_a_gradient_of_its_own() -> None:
    network, (pictures, labels) = toys.residual(), toys.batches()[0]
    model: Any = network.model.eval()
    found = observe(network, frozenset({"read", "read_grad"}))
    assert {layer for layer, values in found.items() if values} == {"conv", "linear"}
    stream = F.relu(model.bn1(model.stem(pictures)))
    inner = stream.detach().requires_grad_()
    pooled = F.relu(model.bn2(model.conv(inner)) + stream.detach()).mean((2, 3))
    loss = F.cross_entropy(model.linear(pooled), labels, reduction="sum")
    expected = torch.autograd.grad(loss, [inner, pooled])
    for layer, value, gradient in zip(("conv", "linear"), (inner, pooled), expected, strict=True):
        torch.testing.assert_close(found[layer]["read"], value.detach())
        torch.testing.assert_close(found[layer]["read_grad"], gradient)


@pytest.mark.parametrize("named", [False, True])
def test_what_is_read_is_kept_as_it_was_even_if_changed_in_place_later(named: bool) -> None:
    def run(net: Any, pictures: Tensor) -> Any:
        stream = net.a(pictures)
        inner = net.b(input=stream) if named else net.b(stream)
        stream += inner
        return net.end(F.relu_(stream).mean((2, 3)))

    layers = {"a": nn.Conv2d(1, 3, 3, padding=1), "b": nn.Conv2d(3, 3, 3, padding=1), "end": nn.Linear(3, 3)}
    model: Any = Net(run, **layers).double().eval()
    network = Network.dense(model, analyse(model, toys.batches()[0][0]))
    found = observe(network, frozenset({"read", "read_grad"}))["b"]
    own = model.a(toys.batches()[0][0]).detach()
    given = own.clone().requires_grad_()
    loss = F.cross_entropy(model.end(F.relu(own + model.b(given)).mean((2, 3))), toys.batches()[0][1], reduction="sum")
    torch.testing.assert_close(found["read"], own)
    torch.testing.assert_close(found["read_grad"], torch.autograd.grad(loss, given)[0])


def test_a_reader_that_runs_twice_is_refused() -> None:
    layers = {"a": nn.Conv2d(1, 2, 1), "b": nn.Conv2d(2, 2, 1)}
    model = Net(lambda net, x: net.b(net.b(net.a(x))).mean((2, 3)), **layers).double()
    parts = (Slice("a", "out", torch.arange(2)[:, None]), Slice("b", "in", torch.arange(2)[:, None]))
    network = Network.dense(model, Table((Group("a", 2, ("a",), parts),), {}))
    with pytest.raises(CellError, match="layer 'b' runs more than once"):
        observe(network, frozenset({"read"}))


def test_a_unit_without_a_batchnorm_of_its_own_has_the_largest_weight_of_those_that_read_it() -> None:
    network = toys.dense()
    network.layer("bn3").get_parameter("weight").data.neg_()
    norms = {name: network.layer(name).get_parameter("weight").detach().abs() for name in ("bn1", "bn2", "bn3")}
    found = observe(network, frozenset({"gamma"}))
    wanted = {"stem": torch.stack([norms["bn1"], norms["bn2"][:4], norms["bn3"][2:6]]).amax(0)}
    wanted |= {"conv1": torch.maximum(norms["bn2"][4:], norms["bn3"][6:]), "conv2": norms["bn3"][:2]}
    for layer, gamma in wanted.items():
        assert torch.equal(found[layer]["gamma"], gamma)
    small = remove(network, {"stem": torch.tensor([1, 3])})
    assert torch.equal(observe(small, frozenset({"gamma"}))["stem"]["gamma"], wanted["stem"][[0, 2]])


def test_a_nonlinearity_that_does_not_run_after_its_layer_is_said() -> None:
    model = Net(lambda net, x: net.a(net.relu(x)).mean((2, 3)), a=nn.Conv2d(1, 3, 3), relu=nn.ReLU())
    for name in ("activation", "feature_map"):
        with pytest.raises(CellError, match="the nonlinearity of layer 'a' does not run after it"):
            observe(single(model, ("a",), {"a": "relu"}), frozenset({name}))


def test_a_layer_that_runs_twice_or_never_is_refused() -> None:
    layers = {"a": nn.Conv2d(1, 1, 3, padding=1), "b": nn.Conv2d(1, 1, 3)}
    model = Net(lambda net, x: net.a(net.a(x)).mean((2, 3)).expand(-1, 3), **layers)
    with pytest.raises(CellError, match="layer 'a' runs more than once"):
        observe(single(model, ("a",)), frozenset({"output"}))
    with pytest.raises(CellError, match="layer 'b' does not run"):
        observe(single(model, ("b",)), frozenset({"output"}))
    assert observe(single(model, ("b",)), frozenset({"grad"}))["b"]["grad"].eq(0).all()


@pytest.mark.parametrize("names", [{"grad"}, {"output_grad"}, {"curvature"}, {"grad", "curvature"}])
def test_it_is_the_same_where_gradients_are_switched_off(names: set[str]) -> None:
    pictures, labels = toys.batches()[0]
    wanted = frozenset(names)
    found = [gather(toys.chain(), wanted, (pictures, labels), torch.Generator().manual_seed(0))]
    with torch.no_grad():
        found.append(gather(toys.chain(), wanted, (pictures, labels), torch.Generator().manual_seed(0)))
    for layer, values in found[0].items():
        for name, value in values.items():
            assert torch.equal(value, found[1][layer][name])
            assert value.any()
