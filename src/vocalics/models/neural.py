"""Neural nets as scikit-learn classifiers, through skorch: seeded per epoch, averaged, resumable.

Nothing that decides the course of training lives outside the checkpoint: the randomness of an epoch follows from the
seed and the epoch's number, and the learning rate follows from the history. A run that was killed and resumed
therefore ends as an undisturbed one.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.utils import to_tensor
from torch import Tensor, nn

from vocalics.errors import VocalicsError
from vocalics.files import replacing
from vocalics.metrics import unweighted_average_recall
from vocalics.models.optimisers import Muon
from vocalics.recipe import Fit
from vocalics.registry import suggestion

Labels = npt.NDArray[Any]


DEVICES = ("auto", "cpu", "cuda")


class _FinishedError(Exception):
    """Raised by a callback to end training early."""


class NeuralClassifier(NeuralNetClassifier):  # type: ignore[misc]  # skorch is untyped
    """A torch module that maps a batch to logits, as a scikit-learn classifier over named classes.

    Args:
        module: The ``torch.nn.Module`` class or a function that builds one.
        classes: Class names; their order is the order of the logits and of ``predict_proba``'s columns.
        autocast: Compute in bfloat16 where torch holds that to be safe and the device has instructions for it.
        label_smoothing: Share of each target spread evenly over all classes.
        seed: Of initial weights, order and augmentation.
        **settings: As for ``skorch.NeuralNetClassifier``; ``device`` is where it computes, see :func:`device_named`.
    """

    def __init__(
        self,
        module: Any,
        *,
        classes: Sequence[str],
        autocast: bool = False,
        label_smoothing: float = 0.0,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self.autocast = autocast
        self.label_smoothing = label_smoothing
        self.seed = seed
        settings.setdefault("criterion", nn.CrossEntropyLoss)
        settings.setdefault("optimizer", torch.optim.AdamW)
        settings.setdefault("train_split", None)
        settings.setdefault("iterator_train__shuffle", True)
        settings.setdefault("verbose", 0)
        settings.setdefault("callbacks__print_log", None)
        super().__init__(module, classes=list(classes), **settings)

    def initialize(self) -> NeuralClassifier:
        """Build module and optimiser; the initial weights follow from the seed alone."""
        torch.manual_seed(self.seed)
        self.set_params(criterion__label_smoothing=self.label_smoothing)
        super().initialize()
        self.module_.to(memory_format=torch.channels_last)  # the fast layout of convolutions in two dimensions
        return self

    def fit(self, X: Any, y: Labels, **fit_params: Any) -> NeuralClassifier:  # noqa: N803 - scikit-learn's name
        """Train from new weights on ``X`` and class names ``y``."""
        super().fit(X, self.encode(y), **fit_params)
        return self

    def resume(self, X: Any, y: Labels, n_epochs: int) -> NeuralClassifier:  # noqa: N803
        """Train ``n_epochs`` more on top of the present state (of an initialised classifier)."""
        self.partial_fit(X, self.encode(y), epochs=n_epochs)
        return self

    def partial_fit(self, X: Any, y: Labels | None = None, epochs: int | None = None, **fit_params: Any) -> Any:  # noqa: N803
        """As skorch's, with a number of epochs."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        with contextlib.suppress(_FinishedError):
            self.fit_loop(X, y, epochs=self.max_epochs if epochs is None else epochs, **fit_params)
        self.notify("on_train_end", X=X, y=y)
        return self

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """As skorch's; a last training batch of a single clip, of which batch norm can make nothing, is left out."""
        if training and len(dataset) > self.batch_size > 1 and len(dataset) % self.batch_size == 1:
            settings = {"batch_size": self.batch_size, **self.get_params_for("iterator_train"), "drop_last": True}
            return self.iterator_train(dataset, **settings)
        return super().get_iterator(dataset, training=training)

    def encode(self, y: Labels) -> npt.NDArray[np.int64]:
        """Return class positions for class names (or positions, which stay)."""
        array = np.asarray(y)
        if array.dtype.kind in "iu":
            return array.astype(np.int64)
        position = {name: i for i, name in enumerate(self.classes)}
        return np.array([position[str(name)] for name in array], dtype=np.int64)

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Run the module, in bfloat16 where ``autocast`` is set and it is training."""
        kind = torch.device(self.device).type
        enabled = self.autocast and self.module_.training and has_bfloat16(kind)
        with torch.autocast(kind, torch.bfloat16, enabled=enabled):
            return super().infer(x, **fit_params)

    def get_loss(self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False) -> Tensor:  # noqa: N803
        """Cross-entropy, plus the module's own ``l2_penalty()`` where it has one."""
        loss: Tensor = self.criterion_(y_pred.float(), to_tensor(y_true, device=self.device))
        penalty = getattr(self.module_, "l2_penalty", None)
        return loss + penalty() if training and penalty is not None else loss

    def predict(self, X: Any) -> Labels:  # noqa: N803
        """Return the most probable class's name per row."""
        names: Labels = np.array(self.classes)[self.predict_proba(X).argmax(axis=1)]
        return names


def optimiser(fit: Fit, device: str = "cpu") -> dict[str, Any]:
    """Return a recipe's optimiser as settings of a :class:`NeuralClassifier` that computes on a device."""
    kinds: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "muon": Muon,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }
    settings: dict[str, Any] = {"optimizer": kinds[fit.optimiser], "optimizer__weight_decay": fit.weight_decay}
    if fit.optimiser in ("sgd", "rmsprop"):
        settings["optimizer__momentum"] = fit.momentum
    if fit.optimiser == "muon":
        settings["optimizer__low_precision"] = fit.autocast and has_bfloat16(torch.device(device).type)
    return settings


def device_named(name: str) -> str:
    """Return where a net is trained: "cpu", or "cuda" for torch's first graphics processor.

    Args:
        name: One of the two, or "auto": a graphics processor where torch finds one.

    Raises:
        VocalicsError: For another name, or a graphics processor that torch does not find.
    """
    if name not in DEVICES:
        raise VocalicsError(
            f'there is no device "{name}"{suggestion(name, DEVICES) or "."} Known: {", ".join(DEVICES)}.'
        )
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise VocalicsError(
            "device cuda: torch finds no graphics processor; install a build of torch for it, or train with cpu"
        )
    if name == "cpu" or not found:
        return "cpu"
    # What cuBLAS needs to give the same sums every time; read when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return "cuda"


def has_bfloat16(kind: str = "cpu") -> bool:
    """Whether a kind of device computes in bfloat16 itself; what emulates it is several times slower than float32."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@dataclass(frozen=True)
class Schedule:
    """How the learning rate runs: "constant", "cosine" (with a linear start) or "plateau".

    Attributes:
        name: One of the three.
        rate: The highest rate.
        n_epochs: The whole length.
        restart: Epoch after which a cosine starts over (Loshchilov and Hutter, "SGDR", ICLR 2017); 0 is never.
        restart_rate: Highest rate of the second course.
        warm_up: Share of the whole in which a cosine rises.
        factor: What a plateau multiplies the rate by.
        patience: Epochs without a lower loss that make a plateau.
        lowest: The rate below which it does not fall.
    """

    name: str
    rate: float
    n_epochs: int
    restart: int = 0
    restart_rate: float = 0.0
    warm_up: float = 0.1
    factor: float = 0.4
    patience: int = 2
    lowest: float = 1e-6

    @classmethod
    def of(cls, fit: Fit) -> Schedule:
        """Return a recipe's schedule."""
        return cls(
            fit.schedule,
            fit.rate,
            fit.n_epochs,
            fit.restart,
            fit.restart_rate,
            fit.warm_up,
            factor=fit.factor,
            patience=fit.plateau_patience,
            lowest=fit.lowest_rate,
        )

    def __call__(self, progress: float, losses: Sequence[float]) -> float:
        """Return the rate at ``progress`` epochs, given the losses of the epochs that are over."""
        if self.name == "cosine":
            if self.restart and progress >= self.restart:
                length = self.n_epochs - self.restart
                return self._cosine((progress - self.restart) / length, self.restart_rate)
            return self._cosine(progress / (self.restart or self.n_epochs), self.rate)
        rate = self.rate
        if self.name == "plateau":
            best, since = math.inf, 0
            for loss in losses:
                best, since = (loss, 0) if loss < best - 1e-4 else (best, since + 1)
                if since >= max(1, self.patience):
                    rate, since = max(self.lowest, rate * self.factor), 0
        return rate

    def _cosine(self, share: float, highest: float) -> float:
        if share < self.warm_up:
            return highest * max(share / self.warm_up, 0.02)
        falling = (share - self.warm_up) / (1 - self.warm_up)
        return max(self.lowest, highest * 0.5 * (1 + math.cos(math.pi * falling)))


class Course(Callback):  # type: ignore[misc]  # skorch is untyped
    """Seeds each epoch, sets the rate, averages the weights, validates, keeps the best epoch and the checkpoint.

    The best epoch is that of the highest validation UAR; once a second course has begun, only its epochs compete: the
    first one's weights have not yet heard clips under the milder changes that the second brings.

    Args:
        folder: Where ``checkpoint.safetensors`` is written after every epoch; the records of one that is there are
            known at once.
        schedule: The learning rate.
        validation: Inputs and class names of validation speakers, or ``None``: then the last epoch is kept.
        average: Decay per batch of the running average of the weights that is validated and kept; 0 is none.
        patience: Epochs without a better validation UAR after which training stops; 0 is never.
        keep: "best" for the best epoch, "last" for the last.
        plateau_of: The loss that a plateau is seen in, "validation" or "training".
        report: Called with the epoch's record.
    """

    def __init__(
        self,
        folder: Path,
        schedule: Schedule,
        validation: tuple[Any, Labels] | None,
        average: float = 0.0,
        patience: int = 0,
        keep: str = "best",
        plateau_of: str = "validation",
        report: Any = None,
    ) -> None:
        self.folder = folder
        self.schedule = schedule
        self.validation = validation
        self.average = average
        self.patience = patience
        self.keep = keep
        self.plateau_of = plateau_of
        self.report = report
        self.averaged: dict[str, Tensor] = {}
        self.best: dict[str, Tensor] = {}
        self.records: list[dict[str, Any]] = []
        self.n_batches, self.loss, self.started, self.computed = 0, 0.0, 0.0, 0.0
        if self.path.exists():
            try:
                with safe_open(self.path, framework="pt") as file:
                    self.records = json.loads(file.metadata()["records"])
            except (SafetensorError, ValueError, TypeError, KeyError):
                raise VocalicsError(
                    f"{self.path}: is not what a training writes, or damaged; remove it to begin this training anew"
                ) from None

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.folder / "checkpoint.safetensors"

    def on_epoch_begin(self, net: NeuralClassifier, **_: Any) -> None:
        net.epoch_ = len(self.records)
        torch.manual_seed(net.seed * 100_003 + len(self.records))
        self.n_batches, self.loss, self.started, self.computed = 0, 0.0, time.monotonic(), time.process_time()

    def on_batch_begin(self, net: NeuralClassifier, batch: Any = None, training: bool = False, **_: Any) -> None:
        if training:
            epoch = len(self.records)
            share = min(1.0, self.n_batches / self.records[0]["batches"]) if self.records else 0.0
            losses = [
                r.get("valid_loss" if self.plateau_of == "validation" else "", r["train_loss"]) for r in self.records
            ]
            rate = self.schedule(epoch + share, losses)
            for group in net.optimizer_.param_groups:
                group["lr"] = rate

    def on_batch_end(self, net: NeuralClassifier, training: bool = False, loss: Any = None, **_: Any) -> None:
        if not training:
            return
        self.n_batches += 1
        self.loss += float(loss.detach())
        if self.average:
            state = learned(net.module_)
            if not self.averaged:
                self.averaged = {k: v.detach().clone() for k, v in state.items()}
            # A young average follows faster, so that the first weights do not linger.
            step = sum(r["batches"] for r in self.records) + self.n_batches
            decay = min(self.average, (1 + step) / (10 + step))
            for key, value in state.items():
                if value.is_floating_point():
                    self.averaged[key].lerp_(value, 1 - decay)
                else:
                    self.averaged[key].copy_(value)

    def on_epoch_end(self, net: NeuralClassifier, **_: Any) -> None:
        record: dict[str, Any] = {
            "epoch": len(self.records) + 1,
            "train_loss": self.loss / max(1, self.n_batches),
            "rate": float(net.optimizer_.param_groups[0]["lr"]),
            "seconds": round(time.monotonic() - self.started, 1),
            "batches": self.n_batches,
        }
        trained = {k: v.clone() for k, v in learned(net.module_).items()}
        kept = {k: v.clone() for k, v in self.averaged.items()} if self.average else trained
        if self.validation is not None:
            inputs, names = self.validation
            restore(net.module_, kept)
            probabilities = net.predict_proba(inputs)
            restore(net.module_, trained)
            truth = net.encode(names)
            record["valid_loss"] = float(-np.log(probabilities[np.arange(len(truth)), truth] + 1e-9).mean())
            record["valid_uar"] = float(unweighted_average_recall(truth, probabilities.argmax(axis=1)))
        record["processor_seconds"] = round(time.process_time() - self.computed, 3)
        self.records.append(record)
        if self.keep == "last" or self._best() == len(self.records) - 1:
            self.best = kept
        self.save(net)
        if self.report is not None:
            self.report(record)
        if self.finished:
            raise _FinishedError

    @property
    def finished(self) -> bool:
        """Whether the epochs are over, or none of the last ``patience`` was better than those before."""
        if len(self.records) >= self.schedule.n_epochs:
            return True
        return bool(self.patience and self.records and len(self.records) - 1 - self._best() >= self.patience)

    def _best(self) -> int:
        """Position of the first epoch of highest validation UAR; where a second course has begun, within that one."""
        first = self.schedule.restart if len(self.records) > self.schedule.restart else 0
        scores = [r.get("valid_uar", r["epoch"]) for r in self.records[first:]]
        return first + scores.index(max(scores))

    def save(self, net: NeuralClassifier) -> None:
        """Write the state of training, atomically: tensors, and the records as JSON beside them.

        It is all that a run goes on from; once it is over, the weights that are kept.
        """
        tensors = {f"best.{k}": v for k, v in self.best.items()}
        if not self.finished:
            tensors |= {f"model.{k}": v for k, v in learned(net.module_).items()}
            tensors |= {f"average.{k}": v for k, v in self.averaged.items()}
            for i, state in net.optimizer_.state_dict()["state"].items():
                tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
        tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
        with replacing(self.path) as part:
            save_file(tensors, part, metadata={"records": json.dumps(self.records)})

    def load(self, net: NeuralClassifier) -> int:
        """Restore the state of training into an initialised classifier; return the number of epochs it holds."""
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        with safe_open(self.path, framework="pt") as file:
            self.records = json.loads(file.metadata()["records"])
            for key in file.keys():  # noqa: SIM118 - not a mapping
                group, name = key.split(".", 1)
                groups[group][name] = file.get_tensor(key).to(net.device)
        restore(net.module_, groups["model"])
        self.averaged, self.best = groups["average"], groups["best"]
        optimiser = net.optimizer_.state_dict()
        optimiser["state"] = _optimiser_state(groups["optimizer"])
        net.optimizer_.load_state_dict(optimiser)
        return len(self.records)


def learned(module: nn.Module) -> dict[str, Tensor]:
    """Return what training changes of a module: its buffers, and its parameters but those that are frozen."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: value.detach() for name, value in module.state_dict().items() if name not in frozen}


def restore(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put what :func:`learned` gave back into a module.

    Raises:
        RuntimeError: For values of another module.
    """
    module.load_state_dict({**module.state_dict(), **state})


def _optimiser_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return state
