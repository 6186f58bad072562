"""`prune` against the harness, against masks, and that it leaves everything as it was."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import prunebench
from prunebench import Criterion, Pruned, UserError, prune
from prunebench.plugins.dataset import Source
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.pruning.removal import zero_units
from prunebench.records.protocol import Protocol
from prunebench.study.cut import Cutter
from prunebench.study.stages import Stage
from prunebench.study.task import make_task

CPU = torch.device("cpu")
KINDS = nn.Conv2d | nn.Linear


def small(channels: int = 1, classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = nn.Conv2d(channels, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 16, 3)
    return nn.Sequential(*convolutions, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes))


def data(count: int = 100, classes: int = 10) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(1)
    return torch.randn(count, 1, 8, 8, generator=draws), torch.randint(classes, (count,), generator=draws)


def slope(weight: Tensor, grad: Tensor) -> Tensor:
    return (weight * grad).abs().sum(1)


@pytest.mark.parametrize("criterion", ["magnitude", "taylor", "obd", "wanda", "random", "synflow", "lasso"])
@pytest.mark.parametrize("ranking", ["local", "global"])
def test_the_harness_removes_the_same_units(criterion: str, ranking: Any) -> None:
    protocol = Protocol(calibration=64, calibration_batch=16, ranking=ranking)
    task = make_task("digits", "lenet5", protocol, Source(Path("/nowhere")))
    network, drawn = task.fresh(3, CPU), task.data(3, CPU)
    method, stage = parse_method(criterion, load_registry(())), Stage("point", "finetune", "", 0, 0.5)
    cut = Cutter(task.protocol, task.structure("macs"), "macs", 3).by_scores(network, method, drawn, stage).network
    batches = list(drawn.calibration.batches(16))
    found = prune(network.model, batches, criterion=criterion, keep={"macs": 0.5}, ranking=ranking, seed=3)
    kept = Pruned.of(found).kept
    assert {group: units.tolist() for group, units in kept.items()} == {g: u.tolist() for g, u in cut.kept.items()}
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), cut.model.parameters(), strict=True))


def test_a_global_ranking_may_divide_each_layers_scores_by_a_statistic() -> None:
    """`group_norm` was published with the mean of each group; other criteria may be ranked like it."""
    model = small()
    with torch.no_grad():
        model[3].weight.mul_(5)

    def widths(criterion: str, **options: Any) -> Any:
        return Pruned.of(prune(model, shape=(1, 8, 8), criterion=criterion, keep={"units": 0.5}, **options)).widths

    as_published = widths("group_norm", ranking="published")
    assert widths("group_norm", ranking="global", normalise_scores="mean") == as_published
    assert widths("group_norm", ranking="global") != as_published
    kept = {
        how: widths("magnitude", ranking="global", normalise_scores=how)["0"][1]
        for how in ("none", "mean", "max", "l2", "standard")
    }
    assert all(kept["none"] < kept[how] for how in ("mean", "max", "l2", "standard"))  # the enlarged layer wins no more


def test_calibration_pictures_and_batches_are_those_of_the_harness() -> None:
    protocol = Protocol(calibration=100, calibration_batch=16)
    task = make_task("digits", "lenet5", protocol, Source(Path("/nowhere")))
    train = task.data(0, CPU).train.pictures
    images, labels = next(iter(train.batches([torch.arange(len(train))])))
    floats, seen = task.data(0, CPU).train.floats(images), []

    def watched(weight: Tensor, output: Tensor) -> Tensor:
        seen.append(output.shape[0])
        return weight.abs().sum(1)

    network = task.fresh(0, CPU).model
    prune(network, (floats, labels), criterion=watched, keep={"macs": 0.5}, calibration=100, calibration_batch=16)
    assert seen[:: len(seen) // 7][:7] == [16, 16, 16, 16, 16, 16, 4]
    cutter = Cutter(task.protocol, task.structure("macs"), "macs", 0)
    method, stage = parse_method("taylor", load_registry(())), Stage("point", "finetune", "", 0, 0.5)
    expected = cutter.by_scores(task.fresh(0, CPU), method, task.data(0, CPU), stage).network.kept
    options = {"calibration": 100, "calibration_batch": 16}
    kept = Pruned.of(prune(network, (floats, labels), criterion="taylor", keep={"macs": 0.5}, **options)).kept
    assert {g: u.tolist() for g, u in kept.items()} == {g: u.tolist() for g, u in expected.items()}


def equals_masks(model: nn.Module, pictures: Tensor, classes: int = 10) -> None:
    model = model.double().eval()
    pictures = pictures.double()
    labels = torch.arange(len(pictures)) % classes
    found = prune(model, (pictures, labels), criterion="taylor", keep={"macs": 0.6})
    masked = Network.dense(model, analyse(model, pictures))
    gone = {g.name: torch.arange(g.units)[~torch.isin(torch.arange(g.units), Pruned.of(found).kept[g.name])]
            for g in masked.table.groups}  # fmt: skip
    assert sum(map(len, gone.values())) > 0
    with torch.no_grad():
        small_output = found(pictures)
        zero_units(masked, gone)  # changes the given model
        torch.testing.assert_close(small_output, masked.model(pictures), rtol=0, atol=1e-12)


def test_the_mlps_of_a_transformer_alone_are_pruned_and_equal_their_masks() -> None:
    torch.manual_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 64, "num_classes": 10}
    network = torchvision.models.VisionTransformer(image_size=8, patch_size=4, **sizes)
    small = prune(network, shape=(3, 8, 8), keep={"macs": 0.6})
    changed = [layer for layer, (dense, now) in Pruned.of(small).widths.items() if now < dense]
    assert changed == [f"encoder.layers.encoder_layer_{number}.mlp.0" for number in (0, 1)]
    equals_masks(network, torch.randn(4, 3, 8, 8))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_a_network_of_torchvision_equals_its_masks(name: str) -> None:
    torch.manual_seed(0)
    equals_masks(getattr(torchvision.models, name)(num_classes=10), torch.randn(4, 3, 64, 64))


def test_the_given_network_and_the_process_stay_as_they_were() -> None:
    model, (pictures, labels) = small().train(), data()
    calls: list[int] = []
    handle = model[0].register_forward_hook(lambda *_: None)
    model[3].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random_state, threads = torch.get_rng_state(), torch.get_num_threads()
    found = prune(model, (pictures, labels), criterion="obd", keep={"macs": 0.5})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes and calls == []
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model[3].weight.requires_grad and not found.get_parameter("3.weight").requires_grad
    assert list(model[0]._forward_hooks) == [handle.id]
    assert torch.equal(random_state, torch.get_rng_state()) and threads == torch.get_num_threads()
    assert found.training and not hasattr(model, "pruned")
    assert not {id(p) for p in model.parameters()} & {id(p) for p in found.parameters()}


def test_a_compiled_network_is_pruned_as_the_network_inside() -> None:
    given = small()
    compiled = torch.compile(given)
    found = prune(compiled, shape=(1, 8, 8), keep=0.5)
    assert type(found) is nn.Sequential and type(compiled) is not nn.Sequential
    expected = prune(given, shape=(1, 8, 8), keep=0.5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning", "ignore:.*torch.jit.script:DeprecationWarning")
def test_torchscript_is_refused() -> None:
    with pytest.raises(UserError, match="is TorchScript, whose layers cannot be changed"):
        prune(torch.jit.script(small()), shape=(1, 8, 8), keep=0.5)


def test_the_pruned_network_trains_and_tells_its_facts() -> None:
    found = prune(small(), data(), criterion=slope, keep={"macs": 0.5})
    facts = Pruned.of(found)
    nn.functional.cross_entropy(found(data()[0]), data()[1]).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in found.parameters())
    assert facts.macs <= 0.5 * facts.dense.macs and facts.widths["7"] == (10, 10)
    assert facts.params == sum(parameter.numel() for parameter in found.parameters())
    assert len(found.get_parameter("0.weight")) == facts.widths["0"][1]
    assert "MACs" in str(facts) and "widths: 0 " in facts._repr_html_()
    with pytest.raises(UserError, match="a Sequential without facts"):
        Pruned.of(small())


def test_single_weights_are_zero_and_masked() -> None:
    found = prune(small(), data(), criterion="taylor", keep={"weights": 0.1})
    facts = Pruned.of(found)
    for layer, mask in facts.masks.items():
        assert not found.get_parameter(f"{layer}.weight")[~mask].any()
    kept = sum(int(mask.sum()) for mask in facts.masks.values())
    assert kept <= 0.1 * sum(mask.numel() for mask in facts.masks.values())


def test_a_repair_brings_the_logits_closer() -> None:
    model, (pictures, _) = small().eval(), data()
    errors = {}
    for how in ("none", "batchnorm", "bias", "least-squares"):
        cut = prune(model, pictures, criterion="magnitude", keep={"macs": 0.5}, repair=how)
        with torch.no_grad():
            errors[how] = float((cut(pictures) - model(pictures)).square().sum())
    assert errors["least-squares"] < errors["bias"] < errors["none"] != errors["batchnorm"]


def test_batchnorm_takes_no_statistics_from_single_pictures() -> None:
    with pytest.raises(UserError, match=r"batches of one picture; give two pictures or more, by calibration"):
        prune(small(), data()[0], criterion="magnitude", keep={"macs": 0.5}, repair="batchnorm", calibration_batch=1)


def test_a_repair_without_anything_to_mend_is_refused() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    with pytest.raises(
        UserError, match="repair='batchnorm': the network has no BatchNorm that keeps statistics; give another"
    ):
        prune(plain, data()[0], criterion="magnitude", keep={"macs": 0.5}, repair="batchnorm")


@pytest.mark.parametrize("keep", [{"params": 0.4}, {"units": 0.5}, "macs=0.5"])
def test_other_budgets(keep: Any) -> None:
    assert Pruned.of(prune(small(), shape=(1, 8, 8), keep=keep)).cost.units < 28


def test_data_come_in_many_forms_and_give_the_same() -> None:
    pictures, labels = data(64)
    pairs = torch.utils.data.TensorDataset(pictures, labels)
    loader = torch.utils.data.DataLoader(pairs, batch_size=16)
    listed = list(zip(pictures.split(16), labels.split(16), strict=True))
    forms = [loader, listed, [list(batch) for batch in listed], iter(listed)]
    kept = [Pruned.of(prune(small(), one, criterion="taylor", keep={"macs": 0.5})).kept for one in forms]
    assert all(torch.equal(kept[0][group], one[group]) for one in kept for group in one)
    whole = [(pictures, labels), [pictures, labels], (pictures.numpy(), labels.numpy()), pairs]
    whole += [torch.utils.data.Subset(pairs, range(64))]
    kept = [Pruned.of(prune(small(), one, criterion="taylor", keep={"macs": 0.5})).kept for one in whole]
    assert all(torch.equal(kept[0][group], one[group]) for one in kept for group in one)


def test_a_loader_is_read_only_as_far_as_needed() -> None:
    pictures, labels = data(64)
    read: list[int] = []

    def endless() -> Any:
        while True:
            read.append(1)
            yield pictures, labels

    prune(small(), endless(), criterion="taylor", keep={"macs": 0.5}, calibration=128)
    assert len(read) == 2


def test_bytes_are_scaled_and_normalised() -> None:
    draws = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (32, 1, 8, 8), generator=draws).to(torch.uint8)
    seen: list[Tensor] = []

    def look(model: nn.Module, batches: Any, generator: Any) -> dict[str, Tensor]:
        seen.extend(images for images, _ in batches)
        return {
            name: layer.weight.flatten(1).sum(1) for name, layer in model.named_modules() if isinstance(layer, KINDS)
        }

    prune(small(), (pictures, torch.zeros(32, dtype=torch.int64)), criterion=look, keep={"macs": 0.5})
    whole = torch.cat(seen)
    assert abs(float(whole.mean())) < 1e-5 and float(whole.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_a_criterion_may_be_a_record_an_expression_or_a_lambda() -> None:
    record = Criterion(slope, name="mine")
    forms = [slope, record, lambda weight, grad: (weight * grad).abs().sum(1), {"own": slope}]
    kept = [Pruned.of(prune(small(), data(), criterion=one, keep={"macs": 0.5})).kept for one in forms]
    assert all(torch.equal(kept[0][group], one[group]) for one in kept for group in one)
    known = load_registry(()).criteria["obd"].plugin
    found = [
        Pruned.of(prune(small(), data(), criterion=one, keep={"macs": 0.5})).criterion
        for one in ("obd:curvature=exact", known, known.with_options({"curvature": "exact"}))
    ]
    assert found == ["obd:curvature=exact", "obd", "obd:curvature=exact"]


def test_a_regulariser_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "prunebench"):
        prune(small(), shape=(1, 8, 8), criterion="l1", keep={"macs": 0.5})
    assert "'l1' ranks by its score alone" in caplog.text


PAIR = data()
BAD: list[tuple[Any, dict[str, Any], str]] = [
    (PAIR, {"keep": [0.5, "a"]}, r"keep=\[0.5, .a.\]: a keep is a fraction of one of macs, params, units, weights"),
    (PAIR, {"keep": {"mac": 0.5}}, "unknown budget metric 'mac' in keep=.*did you mean 'macs'"),
    (PAIR, {"keep": {"macs": 0.5, "params": 0.5}}, "a keep is a fraction of one of"),
    (PAIR, {"keep": {"macs": 2}}, r'keep=\{"macs": 2\}: 2 is outside \(0, 1\]'),
    (PAIR, {"keep": {"macs": True}}, "fractions are numbers"),
    (PAIR, {"keep": {"macs": [0.5, 0.2]}}, "a network has one keep, got 2"),
    (PAIR, {"keep": {"macs": 0.001}}, r'keep=\{"macs": 0.001\} cannot be reached: floors leave at least 0\.0\d+; give'),
    (PAIR, {"criterion": "tailor"}, "unknown criterion 'tailor'; did you mean 'taylor'"),
    (PAIR, {"criterion": "reg_obd"}, "criterion 'reg_obd' needs training"),
    (PAIR, {"criterion": "shuffle:taylor"}, "needs training, and `prune` trains nothing"),
    (PAIR, {"criterion": 3}, "criterion: an int; give a name, a Criterion, or a function"),
    (PAIR, {"criterion": ["taylor", "obd"]}, "2 given; `prune` takes one"),
    (PAIR, {"criterion": lambda w: w}, "unknown evidence 'w'"),
    (PAIR, {"rankin": "local"}, "unknown argument 'rankin' in prune; did you mean 'ranking'"),
    (PAIR, {"criteria": "taylor"}, "unknown argument 'criteria' in prune; did you mean 'criterion'"),
    (PAIR, {"seeds": 1}, "did you mean 'seed'.* Known: .*criterion, .*keep, .*seed, shape, units"),
    (PAIR, {"ranking": "lokal"}, "ranking='lokal': must be 'local'"),
    (None, {}, "criterion 'taylor' needs pictures with labels"),
    (None, {"criterion": "magnitude"}, "none given; give some, or shape="),
    (None, {"criterion": "magnitude", "repair": "bias"}, "repair=bias: needs pictures; give a tensor"),
    (PAIR, {"repair": "lstsq"}, "repair='lstsq': must be 'none', 'batchnorm', 'bias' or 'least-squares'"),
    (PAIR, {"repair": "least-squares", "keep": {"weights": 0.5}}, "repair='least-squares': .* is for units"),
    (PAIR[0], {}, "criterion 'taylor' needs labels, too"),
    ((PAIR[0], PAIR[1][:9]), {}, r"labels of shape \(9,\) for 100 pictures"),
    ((PAIR[0], PAIR[1].float()), {}, "labels of type torch.float32"),
    ((PAIR[0], PAIR[1] + 5), {}, "label 14, but the network has 10 outputs, so 0 to 9"),
    ((PAIR[0], PAIR[1] - 1), {}, "label -1 is below 0"),
    ((PAIR[0].long(), PAIR[1]), {}, "pictures of type torch.int64; give uint8 from 0 to 255, or floats"),
    ((PAIR[0][:, 0], PAIR[1]), {}, "add the channel by pictures.unsqueeze"),
    ((PAIR[0].permute(0, 2, 3, 1), PAIR[1]), {}, "channels last"),
    ((PAIR[0].repeat(1, 3, 1, 1), PAIR[1]), {}, "3 x 8 x 8 pixels in layer '0'.* to have 1 channels, but got 3"),
    ((PAIR[0] * float("nan"), PAIR[1]), {}, "not finite"),
    ([], {}, "there are no batches"),
    ("cifar10", {}, "a str; give"),
    (5, {}, "an int; give"),
    ([1, 2], {}, "batch 0: an int; give pictures"),
]


@pytest.mark.parametrize(("given", "changed", "message"), BAD, ids=[message[:40] for _, _, message in BAD])
def test_bad_input_is_one_clear_line(given: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as found:
        prune(small(), given, **({"criterion": "taylor", "keep": {"macs": 0.5}} | changed))
    assert "\n" not in str(found.value) and "--" not in str(found.value)


def test_a_failing_score_is_one_clear_line() -> None:
    def broken(weight: Tensor) -> Tensor:
        raise ValueError("no such thing")

    with pytest.raises(UserError, match="criterion 'broken' on layer '0' failed: ValueError: no such thing"):
        prune(small(), shape=(1, 8, 8), criterion=broken, keep={"macs": 0.5})
    with pytest.raises(UserError, match=r"model: a str; give a torch\.nn\.Module"):
        prunebench.prune("resnet20", keep={"macs": 0.5})  # type: ignore[arg-type]
