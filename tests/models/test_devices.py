"""Where nets are trained: the names of devices, what a checkpoint holds, and what a graphics processor computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from vocalics.errors import VocalicsError
from vocalics.models import dense, logmel_cnn, neural
from vocalics.models.logmel_batches import BatchAugmentation, LogMelClassifier
from vocalics.models.neural import Course, NeuralClassifier, Schedule, device_named
from vocalics.models.rows import RowAugmentation, RowClassifier

CLASSES = ("angry", "sad", "neutral")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor that torch finds")


def test_a_device_that_there_is_not_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VocalicsError, match='no device "cdua"; did you mean "cuda"'):
        device_named("cdua")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_named("auto") == device_named("cpu") == "cpu"
    with pytest.raises(VocalicsError, match="device cuda: torch finds no graphics processor"):
        device_named("cuda")


def test_a_graphics_processor_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as it was")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (device_named("auto"), device_named("cuda"), device_named("cpu")) == ("cuda", "cuda", "cpu")


class Half(nn.Module):
    """A dense layer that is frozen, and one that learns."""

    def __init__(self, n_classes: int = 3) -> None:
        super().__init__()
        self.known = nn.Linear(4, 64).requires_grad_(False)
        self.norm = nn.BatchNorm1d(64)
        self.head = nn.Linear(64, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.known(x)))
        return logits


def half(folder: Path, n_epochs: int = 3, report: Any = None) -> tuple[NeuralClassifier, Course]:
    course = Course(folder, Schedule("constant", 1e-2, n_epochs), None, average=0.9, keep="last", report=report)
    net = NeuralClassifier(Half, classes=CLASSES, batch_size=16, max_epochs=n_epochs, callbacks=[("course", course)])
    return net.initialize(), course


def keys(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as file:
        return set(file.keys())


def test_a_checkpoint_holds_what_is_learned_and_in_the_end_what_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4)).astype(np.float32), rng.choice(CLASSES, 64)
    on_the_way: list[set[str]] = []
    net, course = half(tmp_path, report=lambda _: on_the_way.append(keys(course.path)))
    known = net.module_.known.weight.detach().clone()
    net.resume(x, y, 3)
    assert {k.split(".")[0] for k in on_the_way[0]} == {"model", "average", "best", "optimizer"}
    assert not any("known" in k for k in on_the_way[0]) and "model.norm.running_mean" in on_the_way[0]
    assert on_the_way[2] == keys(course.path) == {f"best.{k}" for k in course.best}
    assert torch.equal(net.module_.known.weight, known)

    other, again = half(tmp_path)
    assert again.finished and again.records == course.records
    again.load(other)
    neural.restore(other.module_, again.best)
    neural.restore(net.module_, course.best)
    np.testing.assert_array_equal(other.predict_proba(x), net.predict_proba(x))


def spectrograms(n: int, rng: np.random.Generator) -> Any:
    clips = np.empty(n, dtype=object)
    for i in range(n):
        clips[i] = (rng.normal(size=(64, int(rng.integers(80, 160)))).astype(np.float16),)
    return clips


@gpu
def test_a_net_over_spectrograms_is_trained_there_twice_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = spectrograms(48, rng), np.array([CLASSES[i % 3] for i in range(48)])
    said = []
    for run in "ab":
        (tmp_path / run).mkdir()
        course = Course(tmp_path / run, Schedule("cosine", 1e-3, 2), (x, y), average=0.9, keep="last")
        net = LogMelClassifier(
            logmel_cnn.MODELS["logmel_cnn"].build, augmentation=BatchAugmentation(n_frames=96), classes=CLASSES,
            device=device_named("cuda"), autocast=True, batch_size=16, draws=48, module__n_classes=3,
            callbacks=[("course", course)],
        ).initialize()  # fmt: skip
        net.resume(x, y, 2)
        neural.restore(net.module_, course.best)
        said.append(net.predict_proba(x))
    np.testing.assert_array_equal(*said)
    assert course.records[0]["valid_loss"] != course.records[1]["valid_loss"]
    net.module_.to("cpu")
    net.device = "cpu"
    np.testing.assert_allclose(net.predict_proba(x), said[1], atol=1e-4)


@gpu
def test_a_net_over_rows_is_trained_and_resumed_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 20)).astype(np.float32), np.array([CLASSES[i % 3] for i in range(64)])
    for kind, more in ((NeuralClassifier, {}), (RowClassifier, {"augmentation": RowAugmentation(mixup=0.3)})):
        said = []
        for name, parts in ((f"{kind.__name__}-whole", (4,)), (f"{kind.__name__}-broken", (2, 2))):
            (tmp_path / name).mkdir()
            for n in parts:
                course = Course(tmp_path / name, Schedule("constant", 1e-3, 4), (x, y), average=0.9, keep="last")
                net = kind(
                    dense.MODELS["dense_head"].build, classes=CLASSES, device=device_named("cuda"), autocast=True,
                    batch_size=16, module__n_classes=3, module__n_features=20, callbacks=[("course", course)], **more,
                ).initialize()  # fmt: skip
                if course.path.exists():
                    course.load(net)
                net.resume(x, y, n)
            neural.restore(net.module_, course.best)
            said.append(net.predict_proba(x))
        np.testing.assert_array_equal(*said)
