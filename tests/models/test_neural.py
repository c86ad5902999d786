"""The course of training: rates, and vector nets as scikit-learn classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vocalics.models.logmel_batches import BatchAugmentation, LogMelClassifier
from vocalics.models.logmel_cnn import LogMelCnn
from vocalics.models.neural import Course, NeuralClassifier, Schedule
from vocalics.models.optimisers import Muon


def net(n_classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, n_classes))


def blobs(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    names = np.array(["sad", "angry", "happy"] * (n // 3))
    centre = {"sad": -2.0, "angry": 0.0, "happy": 2.0}
    x = np.stack([centre[str(c)] + 0.5 * rng.standard_normal(4) for c in names]).astype(np.float32)
    return x, names


def test_cosine_rises_falls_and_starts_over() -> None:
    schedule = Schedule("cosine", 1.0, 30, restart=20, restart_rate=0.5)
    rates = [schedule(p / 10, []) for p in range(300)]
    assert rates[20] == pytest.approx(1.0)
    assert rates[10] == pytest.approx(0.5)
    assert rates[199] < 0.01
    assert max(rates[200:]) == pytest.approx(0.5)
    assert rates[299] < 0.01
    assert max(Schedule("cosine", 1.0, 30)(p / 10, []) for p in range(200, 300)) < 0.35


def test_plateau_falls_when_the_loss_does_not() -> None:
    schedule = Schedule("plateau", 1.0, 50, factor=0.4, patience=2)
    assert schedule(3, [3.0, 2.0, 1.0]) == 1.0
    assert schedule(3, [3.0, 2.0, 2.0]) == 1.0
    assert schedule(4, [3.0, 2.0, 2.0, 2.0]) == pytest.approx(0.4)  # two epochs without a lower loss, as in Keras
    assert schedule(6, [3.0, 2.0, 2.0, 2.0, 2.0, 2.0]) == pytest.approx(0.16)
    assert schedule(5, [3.0, 2.0, 2.0, 1.9, 1.9]) == 1.0
    assert Schedule("constant", 0.1, 5)(4, [1.0, 1.0, 1.0, 1.0]) == 0.1


def test_the_best_epoch_is_kept_and_training_stops_early(tmp_path: Path) -> None:
    x, names = blobs()
    seen: list[dict[str, float]] = []
    course = Course(tmp_path, Schedule("constant", 1e-2, 40), (x[:30], names[:30]), patience=3, report=seen.append)
    classifier = NeuralClassifier(
        net, classes=["angry", "happy", "sad"], callbacks=[("course", course)], max_epochs=40, lr=1e-2, batch_size=15
    )
    classifier.fit(x[30:], names[30:])
    assert 4 <= len(seen) < 40
    best = max(seen, key=lambda r: r["valid_uar"])
    assert best["epoch"] == len(seen) - 3
    classifier.module_.load_state_dict(course.best)
    assert (classifier.predict(x[:30]) == names[:30]).mean() > 0.9
    assert classifier.predict_proba(x).shape == (90, 3)


@pytest.mark.parametrize("how", [{}, {"optimizer": Muon, "optimizer__smallest": 4}], ids=["adamw", "muon"])
def test_a_resumed_course_equals_an_undisturbed_one(how: dict[str, Any], tmp_path: Path) -> None:
    x, names = blobs()

    def start(folder: Path) -> tuple[NeuralClassifier, Course]:
        folder.mkdir(exist_ok=True)
        course = Course(folder, Schedule("plateau", 1e-2, 6), (x[:30], names[:30]), average=0.9)
        classifier = NeuralClassifier(
            net,
            classes=["angry", "happy", "sad"],
            callbacks=[("course", course)],
            lr=1e-2,
            batch_size=15,
            seed=3,
            **how,
        )
        return classifier.initialize(), course

    whole, whole_course = start(tmp_path / "whole")
    whole.resume(x[30:], names[30:], 6)
    first, _ = start(tmp_path / "part")
    first.resume(x[30:], names[30:], 2)
    second, second_course = start(tmp_path / "part")
    assert second_course.load(second) == 2
    second.resume(x[30:], names[30:], 4)
    for key, value in whole.module_.state_dict().items():
        assert torch.equal(value, second.module_.state_dict()[key])
        assert torch.equal(whole_course.averaged[key], second_course.averaged[key])
        assert not torch.equal(value, first.module_.state_dict()[key])


def test_every_epoch_draws_another_order_that_the_seed_fixes() -> None:
    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    orders: dict[int, list[list[float]]] = {}

    class Told(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            seen.append(input[:, 0].tolist())
            return super().forward(input)

    for run in (0, 1):
        seen: list[list[float]] = []
        classifier = NeuralClassifier(Told, classes=["a", "b"], module__in_features=4, module__out_features=2)
        classifier.set_params(max_epochs=2, batch_size=8).fit(x, np.array(["a"] * 4 + ["b"] * 4))
        orders[run] = seen
    first, second = orders[0]
    assert first != sorted(first) and sorted(first) == x[:, 0].tolist()
    assert first != second
    assert orders[0] == orders[1]


def test_a_single_clip_left_over_is_no_batch() -> None:
    x, names = blobs(30)

    def normalised() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))

    for n, batches in ((9, 2), (10, 3)):
        classifier = NeuralClassifier(normalised, classes=["angry", "happy", "sad"], batch_size=4, max_epochs=1)
        classifier.fit(x[:n], names[:n])
        assert len(classifier.history[0, "batches"]) == batches


def test_late_batches_are_changed_in_another_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = np.empty(16, dtype=object)
    for i in range(16):
        clips[i] = (rng.standard_normal((64, 50)).astype(np.float32),)
    names = np.array(["a", "b"] * 8)
    calls: list[str] = []

    class Told(BatchAugmentation):
        def cut(self, *arguments: object) -> object:  # type: ignore[override]
            calls.append(f"{self.noise}")
            return super().cut(*arguments)  # type: ignore[arg-type]

    course = Course(tmp_path, Schedule("constant", 1e-3, 3), None)
    LogMelClassifier(
        LogMelCnn,
        classes=["a", "b"],
        augmentation=Told(noise=0.25, n_frames=40),
        late=Told(noise=0.75, n_frames=40),
        late_from=2,
        module__n_classes=2,
        module__channels=(4, 4, 4, 4),
        module__n_hidden=4,
        callbacks=[("course", course)],
        batch_size=8,
        max_epochs=3,
    ).fit(clips, names)
    assert calls == ["0.25"] * 4 + ["0.75"] * 2


def test_only_the_second_course_competes_once_it_has_begun(tmp_path: Path) -> None:
    x, names = blobs()
    course = Course(tmp_path, Schedule("cosine", 1e-2, 6, restart=4, restart_rate=1e-9), (x[:30], names[:30]))
    classifier = NeuralClassifier(
        net, classes=["angry", "happy", "sad"], callbacks=[("course", course)], max_epochs=6, batch_size=15
    )
    kept: list[dict[str, torch.Tensor]] = []
    course.report = lambda record: kept.append({k: v.clone() for k, v in course.best.items()})
    classifier.fit(x[30:], names[30:])
    # The rate of the second course is next to nothing: its first epoch is as good as any, and takes the place.
    assert torch.equal(kept[4]["3.weight"], kept[5]["3.weight"])
    assert not torch.equal(kept[3]["3.weight"], kept[4]["3.weight"])


def test_the_last_epoch_is_kept_where_asked(tmp_path: Path) -> None:
    x, names = blobs()
    kept = {}
    for keep in ("best", "last"):
        (tmp_path / keep).mkdir()
        course = Course(tmp_path / keep, Schedule("constant", 1e-2, 12), (x[:30], names[:30]), keep=keep)
        classifier = NeuralClassifier(
            net, classes=["angry", "happy", "sad"], callbacks=[("course", course)], max_epochs=12, batch_size=15
        )
        classifier.fit(x[30:], names[30:])
        kept[keep] = torch.equal(course.best["3.weight"], classifier.module_.state_dict()["3.weight"])
    assert kept == {"best": False, "last": True}
