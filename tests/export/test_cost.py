"""Operations counted in a graph, against those reckoned by hand and those that torch counts."""

from __future__ import annotations

from pathlib import Path

import fakes
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from vocalics.export import onnx as onnx_export
from vocalics.export.card import with_card
from vocalics.export.cost import macs
from vocalics.models.cnn2d import MODELS


def test_a_linear_map_is_its_size(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    about = fakes.card(input="features", feature_set="log_mel", n_features=4)
    path.write_bytes(with_card(fakes.features_graph(4, 8), about))
    assert macs(path, np.zeros((1, 4), np.float32)) == 32
    assert macs(path, np.zeros((5, 4), np.float32)) == 160


def test_a_convolutional_net_costs_what_torch_counts(tmp_path: Path) -> None:
    net = MODELS["cnn2d"].build(8).eval()
    x = torch.zeros(1, *net.shape)
    with FlopCounterMode(display=False) as counted:
        net(x)
    graph = onnx_export.from_torch(net, tuple(net.shape), None, None)
    path = tmp_path / "m.onnx"
    path.write_bytes(graph.SerializeToString())
    assert macs(path, x.numpy()) == counted.get_total_flops() // 2
