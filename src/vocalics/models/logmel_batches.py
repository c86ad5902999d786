"""The default net as a scikit-learn classifier over log-mel spectrograms of any length.

One input is a tuple of float arrays (n_mels, n_frames), natural log of power: the clip itself first, then copies of it
that were changed as waveforms (room, codec, speed, ...). Training draws one of them, cuts, stretches and warps it,
colours it, adds noise, masks it (SpecAugment) and mixes it with another (mixup); prediction takes the first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from skorch.utils import to_tensor
from torch import Tensor
from torch.nn import functional

from vocalics.errors import RecipeError
from vocalics.frame_hints import FrameHints
from vocalics.models.logmel_cnn import DECIBEL, LEAST_FRAMES
from vocalics.models.neural import Labels, NeuralClassifier

Rng = np.random.Generator
# The log power of a band of noise scatters by some 2 dB from frame to frame; stretches of one table serve all.
_SCATTER = 0.5 * np.random.default_rng(0).standard_normal(1 << 20, dtype=np.float32)
LogMels = Sequence[npt.NDArray[np.floating[Any]]]


class Augmentation(Protocol):
    """What is done to a batch of inputs of uneven length, in this order; every draw is from the generator given."""

    def cut(self, clips: LogMels, rng: Rng) -> tuple[Tensor, Tensor, npt.NDArray[np.float64]]: ...

    def colour(self, x: Tensor, mask: Tensor, rng: Rng) -> Tensor: ...

    def mix(self, x: Tensor, mask: Tensor, target: Tensor, rng: Rng) -> tuple[Tensor, Tensor, Tensor]: ...


@dataclass(frozen=True)
class BatchAugmentation:
    """How a batch of log-mel spectrograms is changed; a strength of 0 turns a change off.

    Attributes:
        n_frames: Length that training clips are cut or filled up to; 100 frames are a second.
        stretch: Largest relative change of tempo.
        warp: Largest relative change of all frequencies, as of a longer or shorter vocal tract (VTLP; Jaitly and
            Hinton, ICML workshop 2013).
        colour_db: Deviation of a random smooth frequency response, in dB.
        noise: Share of clips that get stationary noise of a random colour.
        noise_snr_db: Range of its signal-to-noise ratio, in dB.
        frequency_masks: Number of masked bands of SpecAugment (Park et al., Interspeech 2019).
        frequency_mask: Their largest width, in bands.
        time_masks: Number of masked stretches of time.
        time_mask: Their largest length, in frames.
        mixup: The parameter of mixup's beta distribution (Zhang et al., ICLR 2018).
        mixup_share: Share of batches that are mixed.
    """

    n_frames: int = 300
    stretch: float = 0.15
    warp: float = 0.12
    colour_db: float = 4.0
    noise: float = 0.5
    noise_snr_db: tuple[float, float] = (3.0, 40.0)
    frequency_masks: int = 2
    frequency_mask: int = 10
    time_masks: int = 2
    time_mask: int = 30
    mixup: float = 0.3
    mixup_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what would break in the middle of a training."""
        if len(self.noise_snr_db) != 2:
            raise RecipeError(f"batch: noise_snr_db = {list(self.noise_snr_db)}; expected the lowest and the highest")
        if not 0 <= self.time_mask <= self.n_frames:
            raise RecipeError(f"batch: time_mask = {self.time_mask}; expected 0 to n_frames, {self.n_frames}")

    def cut(self, clips: LogMels, rng: Rng) -> tuple[Tensor, Tensor, npt.NDArray[np.float64]]:
        """Cut, stretch and warp clips to one length.

        Returns:
            (n, n_mels, n_frames) float32 and the mask (n, n_frames) of frames that exist; what does not exist holds
            the clip's lowest value. Then the place of each frame in its clip, (n, n_frames), in the clip's frames.
        """
        n, n_mels = len(clips), clips[0].shape[0]
        tempo = rng.uniform(1 - self.stretch, 1 + self.stretch, n)
        reach = int(np.ceil(self.n_frames * (1 + self.stretch))) + 2
        longest = min(reach, max(c.shape[1] for c in clips))
        source = np.empty((n, n_mels, longest), dtype=np.float32)
        first, available, starts = np.zeros(n), np.zeros(n), np.zeros(n)
        for i, clip in enumerate(clips):
            surplus = clip.shape[1] - self.n_frames * tempo[i]
            start = int(rng.uniform(0, surplus)) if surplus > 0 else 0
            part = clip[:, start : start + longest]
            source[i, :, : part.shape[1]] = part
            source[i, :, part.shape[1] :] = part[:, -1:]
            available[i], starts[i] = part.shape[1], start
            # A clip that is shorter than the window stands anywhere in it.
            first[i] = -rng.uniform(0, -surplus) if surplus < 0 else 0.0
        at = first[:, None] + np.arange(self.n_frames) * tempo[:, None]
        mask = torch.from_numpy((at >= 0) & (at <= available[:, None] - 1))
        bands = _warped_bands(n_mels, rng.uniform(1 - self.warp, 1 + self.warp, n))
        grid = np.empty((n, n_mels, self.n_frames, 2), dtype=np.float32)
        grid[..., 0] = (2 * at / max(1, longest - 1) - 1)[:, None, :]
        grid[..., 1] = (2 * bands / (n_mels - 1) - 1)[:, :, None]
        x = functional.grid_sample(
            torch.from_numpy(source)[:, None], torch.from_numpy(grid), padding_mode="border", align_corners=True
        )[:, 0]
        lowest = torch.from_numpy(source).amin(dim=(1, 2))
        return torch.where(mask[:, None], x, lowest[:, None, None]), mask, at + starts[:, None]

    def colour(self, x: Tensor, mask: Tensor, rng: Rng) -> Tensor:
        """Add a random frequency response, noise, and masks."""
        n, n_mels, n_frames = x.shape
        if self.colour_db:
            x = x + torch.from_numpy(_smooth(n, n_mels, self.colour_db, rng))[:, :, None]
        if self.noise:
            x = self._noisy(x, mask, rng)
        mean = (x * mask[:, None]).sum(dim=(1, 2)) / (mask.sum(dim=1).clamp(min=1) * n_mels)
        hidden = torch.zeros(n, n_mels, n_frames, dtype=torch.bool)
        for i in range(n):
            for _ in range(self.frequency_masks):
                width = int(rng.integers(0, min(self.frequency_mask, n_mels) + 1))
                start = int(rng.integers(0, n_mels - width + 1))
                hidden[i, start : start + width] = True
            for _ in range(self.time_masks):
                length = int(rng.integers(0, self.time_mask + 1))
                start = int(rng.integers(0, n_frames - length + 1))
                hidden[i, :, start : start + length] = True
        return torch.where(hidden, mean[:, None, None], x)

    def _noisy(self, x: Tensor, mask: Tensor, rng: Rng) -> Tensor:
        n, n_mels, n_frames = x.shape
        snr = rng.uniform(*self.noise_snr_db, n)
        snr[rng.uniform(size=n) >= self.noise] = 100.0
        power = (x.exp() * mask[:, None]).sum(dim=(1, 2)) / (mask.sum(dim=1).clamp(min=1) * n_mels)
        shape = _smooth(n, n_mels, 6.0, rng)
        shape -= np.log(np.exp(shape).mean(axis=1, keepdims=True))
        level = torch.log(power + 1e-20) - torch.from_numpy(snr * DECIBEL).float()
        first = rng.integers(0, len(_SCATTER) - n_mels * n_frames, n)
        scatter = np.stack([_SCATTER[i : i + n_mels * n_frames].reshape(n_mels, n_frames) for i in first])
        noise = (level[:, None] + torch.from_numpy(shape))[:, :, None] + torch.from_numpy(scatter)
        return torch.logaddexp(x, noise)

    def mix(self, x: Tensor, mask: Tensor, target: Tensor, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """Mix each clip, its mask and its target with another one's."""
        if not self.mixup or rng.uniform() >= self.mixup_share:
            return x, mask, target
        share = float(rng.beta(self.mixup, self.mixup))
        share = max(share, 1 - share)
        other = torch.from_numpy(rng.permutation(len(x)))
        # Levels are arbitrary: both are brought to the same loudest band first.
        level = x.amax(dim=(1, 2), keepdim=True)
        x = x - level
        return share * x + (1 - share) * x[other], mask | mask[other], share * target + (1 - share) * target[other]


class LogMelClassifier(NeuralClassifier):
    """The log-mel net over tuples of spectrograms; see the module's text.

    Args:
        module: As for :class:`NeuralClassifier`.
        augmentation: What is done to training batches.
        late: What is done to them from epoch ``late_from`` on; ``None`` is the same.
        late_from: Number of epochs before ``late``.
        weights: The probability with which each training clip is drawn (any scale); ``None`` is equal.
        draws: Clips drawn per epoch; 0 means as many as there are.
        targets: What the net is to say of each training clip, (n, n_classes) or, with hints, more columns; ``None`` is
            the labels.
        hint_weight: What the mean squared error of the hints counts beside the cross-entropy.
        frame_hints: What the net is to foretell of every moment of the training clips.
        frame_hint_weight: What their mean squared error counts.
        **settings: As for :class:`NeuralClassifier`.
    """

    def __init__(
        self,
        module: Any,
        *,
        augmentation: Augmentation | None = None,
        late: Augmentation | None = None,
        late_from: int = 0,
        weights: npt.NDArray[np.float64] | None = None,
        draws: int = 0,
        targets: npt.NDArray[np.float32] | None = None,
        hint_weight: float = 0.0,
        frame_hints: FrameHints | None = None,
        frame_hint_weight: float = 0.0,
        **settings: Any,
    ) -> None:
        self.augmentation = augmentation
        self.late = late
        self.late_from = late_from
        self.weights = weights
        self.draws = draws
        self.targets = targets
        self.hint_weight = hint_weight
        self.frame_hints = frame_hints
        self.frame_hint_weight = frame_hint_weight
        super().__init__(module, **settings)

    def check_data(self, X: Any, y: Labels | None) -> None:  # noqa: N803
        """Inputs of uneven length cannot be checked as arrays."""

    def get_loss(self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False) -> Tensor:  # noqa: N803
        """Cross-entropy of the emotions, and the error of what else the targets hold."""
        n = len(self.classes)
        y_true = to_tensor(y_true, device=self.device)
        loss = super().get_loss(y_pred[:, :n], y_true[:, :n] if y_true.ndim > 1 else y_true, X, training)
        if y_pred.shape[1] == n:
            return loss
        if self.frame_hints is not None:
            n_times = y_true.shape[1] - y_pred.shape[1]  # of each step the targets say, too, whether it is there
            size, shape = n_times * self.frame_hints.n, (len(y_pred), n_times, self.frame_hints.n)
            there = y_true[:, -n_times:]
            wanted = y_true[:, -n_times - size : -n_times].reshape(shape)
            told = y_pred[:, -size:].float().reshape(shape)
            error = ((told - wanted).square().mean(dim=2) * there).sum() / there.sum().clamp(min=1.0)
            loss = loss + self.frame_hint_weight * error
            y_pred, y_true = y_pred[:, :-size], y_true[:, : -n_times - size]
        if y_pred.shape[1] == n:
            return loss
        return loss + self.hint_weight * functional.mse_loss(y_pred[:, n:].float(), y_true[:, n:])

    def get_iterator(self, dataset: Any, training: bool = False) -> Iterable[Any]:
        """Return the training batches; each pass over them is another epoch, drawn by torch's seed of that epoch."""
        return _Epochs(
            dataset.X,
            np.eye(len(self.classes), dtype=np.float32)[np.asarray(dataset.y)]
            if self.targets is None
            else self.targets,
            np.ones(len(dataset.X)) if self.weights is None else np.asarray(self.weights),
            self._present,
            self.draws or len(dataset.X),
            min(self.batch_size, self.draws or len(dataset.X)),
            next(iter(inspect.signature(self.module_.forward).parameters)),
            self.frame_hints,
            getattr(self.module_, "middles", None),
        )

    def _present(self) -> Augmentation:
        """The augmentation of the epoch that is on."""
        late = self.late is not None and getattr(self, "epoch_", 0) >= self.late_from
        return (self.late if late else self.augmentation) or BatchAugmentation()

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:  # noqa: N803
        """Return probabilities (n, n_classes) for unchanged clips, computed in batches of like length."""
        order = np.argsort([clip[0].shape[1] for clip in X], kind="stable")
        out = np.zeros((len(X), len(self.classes)), dtype=np.float32)
        self.module_.eval()
        # In float32, as the model file computes: bfloat16 would make the choice of the epoch a matter of rounding.
        with torch.inference_mode():
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                x, mask = padded([X[i][0] for i in rows])
                said = self.module_(x.to(self.device), mask.to(self.device))
                out[rows] = torch.softmax(said.float(), dim=1).cpu().numpy()
        return out


@dataclass(frozen=True, eq=False)
class _Epochs:
    """Batches that are drawn anew at every pass."""

    clips: Sequence[LogMels]
    targets: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64]
    present: Callable[[], Augmentation]
    n_draws: int
    batch_size: int
    given: str
    frame_hints: FrameHints | None = None
    middles: Callable[[int], npt.NDArray[np.int64]] | None = None

    def __iter__(self) -> Iterator[Any]:
        rng, augmentation = np.random.default_rng(torch.initial_seed()), self.present()
        drawn = rng.choice(len(self.clips), size=self.n_draws, p=self.weights / self.weights.sum())
        for start in range(0, self.n_draws - self.batch_size + 1, self.batch_size):
            rows = drawn[start : start + self.batch_size]
            chosen = [self.clips[i][int(rng.integers(len(self.clips[i])))] for i in rows]
            x, mask, place = augmentation.cut(chosen, rng)
            x = augmentation.colour(x, mask, rng)
            target = torch.from_numpy(self.targets[rows])
            if self.frame_hints is not None:
                target = torch.cat([target, self._of_frames(rows, chosen, mask, place)], dim=1)
            x, mask, target = augmentation.mix(x, mask, target, rng)
            yield {self.given: x, "mask": mask}, target

    def _of_frames(
        self, rows: npt.NDArray[np.int64], chosen: LogMels, mask: Tensor, place: npt.NDArray[np.float64]
    ) -> Tensor:
        """What is to be foretold of every step of time, one behind the other, and then whether the clip is there.

        A copy may be faster or slower than the clip that the hints are of: places are parts of its length.
        """
        assert self.frame_hints is not None
        assert self.middles is not None
        middle = self.middles(place.shape[1])
        tempo = np.array([self.clips[i][0].shape[1] / c.shape[1] for i, c in zip(rows, chosen, strict=True)])
        wanted = torch.from_numpy(self.frame_hints.at(rows, place[:, middle] * tempo[:, None]))
        there = mask[:, middle].float()
        # Where a clip has ended there is nothing to foretell, and nothing that mixing could add to another's.
        return torch.cat([(wanted * there[:, :, None]).flatten(1), there], dim=1)


def padded(clips: LogMels) -> tuple[Tensor, Tensor]:
    """Stack clips of uneven length: (n, n_mels, longest), filled with each clip's lowest value, and their mask."""
    longest = max(LEAST_FRAMES, *(c.shape[1] for c in clips))
    x = np.empty((len(clips), clips[0].shape[0], longest), dtype=np.float32)
    mask = np.zeros((len(clips), longest), dtype=bool)
    for i, clip in enumerate(clips):
        x[i] = clip.min()
        x[i, :, : clip.shape[1]] = clip
        mask[i, : clip.shape[1]] = True
    return torch.from_numpy(x), torch.from_numpy(mask)


def _warped_bands(n_mels: int, factor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return, per clip, the band position from which each band is read when frequencies are scaled by ``factor``."""
    # Positions of the default front end's bands on the HTK mel scale; only their ratio to the warp matters.
    low, high = (2595 * np.log10(1 + f / 700) for f in (60.0, 7600.0))
    step = (high - low) / (n_mels + 1)
    centre = 700 * (10 ** ((low + step * np.arange(1, n_mels + 1)) / 2595) - 1)
    source = 2595 * np.log10(1 + centre[None] / factor[:, None] / 700)
    bands: npt.NDArray[np.float64] = np.clip((source - low) / step - 1, 0, n_mels - 1)
    return bands


def _smooth(n: int, n_mels: int, deviation_db: float, rng: Rng) -> npt.NDArray[np.float32]:
    """Return random smooth curves over the bands (n, n_mels), zero on average, in natural log of power."""
    position = (np.arange(n_mels) + 0.5) / n_mels
    orders = np.arange(1, 6)
    cosines = np.cos(np.pi * orders[:, None] * position)
    scale = deviation_db * DECIBEL * np.sqrt(2) / orders / np.sqrt(np.sum(1 / orders**2))
    curves: npt.NDArray[np.float32] = (rng.standard_normal((n, len(orders))) * scale @ cosines).astype(np.float32)
    return curves
