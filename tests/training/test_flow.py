"""The report of gradient flow against norms that are worked out by hand, and on nets made to vanish and explode."""

import io
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import GraphError
from chainrule.training import gradient_flow

X = np.random.default_rng(0).normal(size=(16, 8))
Y = np.random.default_rng(1).normal(size=(16, 8))


def deep(activation, depth=8, scale=None):
    steps = []
    for i in range(depth):
        layer = nn.Linear(8, 8, dtype=float, rng=i)
        if scale is not None:
            layer.weight.data = scale * np.linalg.qr(np.random.default_rng(i).normal(size=(8, 8)))[0]
        steps += [layer, activation()]
    return nn.Sequential(*steps)


def test_the_numbers_are_those_of_the_delta_rule():
    net = nn.Sequential(nn.Linear(8, 5, dtype=float, rng=0), nn.Tanh(), nn.Linear(5, 8, dtype=float, rng=1))
    flow = gradient_flow(net, X, Y, loss=nn.MSELoss("half_sum"))
    h = np.tanh(X @ net[0].weight.data.T + net[0].bias.data)
    last = h @ net[2].weight.data.T + net[2].bias.data - Y
    arriving = last @ net[2].weight.data
    first = arriving * (1 - h * h)
    norm = np.linalg.norm
    expected = {
        "delta": [norm(first), norm(last)],
        "gradient": [norm(first.T @ X), norm(last.T @ h)],
        "by_slope": [norm(first) / norm(arriving), None],
        "by_weights": [norm(arriving) / norm(last), None],
    }
    for name, column in expected.items():
        # A few sums of a hundred products, in another order.
        assert [held for held in flow[name] if held is not None] == pytest.approx(
            [held for held in column if held is not None], rel=1e-12
        )
    assert flow["by_weights"][-1] is None
    assert flow["layer"] == ["0", "2"]
    assert flow["units"] == [5, 8]
    assert json.loads(flow.json())[1]["by_slope"] is None


def test_a_deep_sigmoid_net_vanishes_through_its_slopes():
    flow = gradient_flow(deep(nn.Sigmoid, scale=1.0), X, Y, loss=nn.MSELoss())
    # Orthogonal weights keep every norm, and a sigmoid's slope is at most a quarter.
    assert flow["by_weights"][:-1] == pytest.approx([1.0] * 7, rel=1e-12)
    assert all(factor <= 0.25 for factor in flow["by_slope"])
    assert flow["delta"][0] <= 0.25**7 * flow["delta"][-1]
    assert flow.note.startswith("the gradient vanishes: from layer 14 back to layer 0")
    assert "above all the slopes of the activations multiply it by 0.2" in flow.note


def test_large_weights_explode_and_small_ones_vanish():
    class Same(nn.Module):
        def forward(self, x):
            return x

    grown = gradient_flow(deep(Same, scale=3.0), X, Y, loss=nn.MSELoss())
    assert grown["delta"][0] / grown["delta"][-1] == pytest.approx(3.0**7, rel=1e-12)
    assert "explodes" in grown.note
    assert "above all the weights multiply it by 3 a layer" in grown.note
    faded = gradient_flow(deep(Same, scale=0.1), X, Y, loss=nn.MSELoss())
    assert "vanishes" in faded.note
    assert "above all the weights multiply it by 0.1 a layer" in faded.note
    fine = gradient_flow(deep(Same, scale=1.0), X, Y, loss=nn.MSELoss())
    assert fine.note.startswith("the gradient arrives")


@pytest.mark.parametrize("activation", [nn.ReLU(), cr.relu], ids=["module", "function"])
def test_dead_units_are_counted(activation):
    net = nn.Sequential(nn.Linear(8, 6, rng=0), activation, nn.Linear(6, 8, rng=1))
    net[0].bias.data[:2] = -1e3
    flow = gradient_flow(net, X, Y, loss=nn.MSELoss())
    active = (X @ net[0].weight.data.T + net[0].bias.data > 0).any(0)
    assert flow["dead"] == [int((~active).sum()), None]
    assert flow["dead"][0] >= 2
    assert flow["saturated"][0] == 0


def test_saturated_units_are_counted():
    net = nn.Sequential(nn.Linear(8, 6, rng=0), nn.Sigmoid(), nn.Linear(6, 8, rng=1))
    net[0].bias.data[:3] = [20.0, -20.0, 20.0]
    flow = gradient_flow(net, X, Y, loss=nn.MSELoss())
    assert (flow["dead"][0], flow["saturated"][0]) == (0, 3)


def test_images_count_channels_and_look_behind_a_normalisation():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2, rng=1)
    )
    net[1].bias.data[1] = -100.0
    before = net.state_dict()
    images = np.random.default_rng(2).normal(size=(5, 1, 6, 6))
    flow = gradient_flow(net, images, np.array([0, 1, 0, 1, 1]), loss=nn.CrossEntropyLoss())
    assert flow["layer"] == ["0", "5"]
    assert (flow["units"], flow["dead"]) == ([4, 2], [1, None])
    assert all((held.data == before[name].data).all() for name, held in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_functions_made_of_several_operations_are_slopes_too():
    net = nn.Sequential(nn.Linear(8, 8, rng=0), nn.GELU(), nn.Linear(8, 8, rng=1), nn.Softmax())
    flow = gradient_flow(net, X, Y, loss=nn.MSELoss())
    assert flow["by_slope"][0] is not None
    assert flow["by_slope"][1] is None  # a softmax mixes its entries: it has no slope of each


def test_attention_is_one_layer_with_its_projection():
    flow = gradient_flow(nn.TransformerBlock(8, 2, rng=0), X[None], Y[None], loss=nn.MSELoss())
    assert flow["layer"] == ["self_attn", "linear1", "linear2"]
    block = nn.TransformerBlock(8, 2, rng=0)
    nn.MSELoss()(block(X[None].astype(np.float32)), Y[None].astype(np.float32)).backward()
    both = [block.self_attn.in_proj_weight, block.self_attn.out_proj.weight]
    expected = np.hypot(*(np.linalg.norm(p.grad.data) for p in both))
    # The same pass in the same dtype; norms of float32 are summed differently.
    assert flow["gradient"][0] == pytest.approx(expected, rel=1e-5)


def test_a_bare_layer_is_named_by_its_kind():
    flow = gradient_flow(nn.Linear(8, 8, rng=0), X, Y, loss=nn.MSELoss())
    assert (flow["layer"], flow["kind"]) == (["Linear"], ["Linear"])
    assert flow.note == f"the gradient arrives: Linear is the only layer, and the norm there is {flow['delta'][0]:.3g}"


def test_a_model_without_layers_is_refused():
    with pytest.raises(GraphError, match="no layer with weights"):
        gradient_flow(nn.Sequential(nn.LayerNorm(8)), X, Y, loss=nn.MSELoss())


def test_it_prints_with_rich():
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(gradient_flow(deep(nn.Sigmoid), X, Y, loss=nn.MSELoss()))
    assert "by_slope" in console.export_text()
