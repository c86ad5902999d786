"""Pre-trained speech encoders, frozen: what their first blocks make of a clip.

An encoder is a folder as Hugging Face's transformers write it (``config.json``, ``model.safetensors``,
``preprocessor_config.json``), found by name or path. Only the blocks that are asked for are computed, and a clip is
computed at its own length: Whisper's encoder, too, without the 30 s of padding that its decoder is used to.

Weights are read from safetensors alone, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, pad, resample
from vocalics.errors import EncoderError, MissingExtraError
from vocalics.registry import suggestion

Floats = npt.NDArray[np.float32]

FOLDER_VARIABLE = "VOCALICS_ENCODERS"
"""Environment variable: a folder of encoders' folders, looked through before the hub's own cache."""

HUB: dict[str, tuple[str, str]] = {
    "whisper-base": ("openai/whisper-base", "e37978b90ca9030d5170a5c07aadb050351a65bb"),
}
"""Encoders with a short name: their name on the hub and the revision that is fetched."""

HUB_NAME = r"[\w.-]+/[\w.-]+"
"""What a name on the hub looks like."""

WANTED = ("config.json", "preprocessor_config.json", "model.safetensors")
"""The files of an encoder's folder."""

SAMPLE_RATE = 16_000
"""Of every kind of encoder here, in Hz."""
TRIM_DB = 35.0
"""Quiet ends of a clip, this much below its loudest part, are cut before an encoder hears it."""
_SHORTEST = 0.1  # seconds: what is shorter is filled with silence
_LONGEST = 30.0  # seconds: what is longer goes through in pieces
_WHOLE, _KEY, _IDENTITY = 64, 12, 16  # digits of a SHA-256, of a key, and of an identity in cards of before
_WAVEFORM_KINDS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")


def find(name: str) -> Path:
    """Return an encoder's folder.

    Args:
        name: A folder; or a name below the folder that ``VOCALICS_ENCODERS`` names; or a short name of :data:`HUB` or
            "owner/model" of the hub's cache on this machine.

    Raises:
        EncoderError: When it is nowhere; nothing is fetched here, see :func:`fetch`.
    """
    places = [Path(name)]
    if os.environ.get(FOLDER_VARIABLE):
        places.append(Path(os.environ[FOLDER_VARIABLE]) / Path(name).name)
    for place in places:
        if (place / "config.json").is_file():
            return place
    if name not in HUB and places[0].is_dir():
        raise EncoderError(f"{name}: holds no config.json; expected an encoder's folder, as transformers write it")
    hub_name, revision = HUB.get(name, (name, ""))
    if re.fullmatch(HUB_NAME, hub_name):
        try:
            return _snapshot(hub_name, revision, offline=True)
        except OSError:
            pass
    close = "" if name in HUB else suggestion(name, HUB)
    raise EncoderError(
        f'there is no encoder "{name}" on this machine{close or "."} Give its folder, or set '
        f"{FOLDER_VARIABLE} to the folder that holds it."
    )


def fetch(name: str) -> Path:
    """Return an encoder's folder, from the hub where it is not on this machine yet.

    Raises:
        EncoderError: When it is neither here nor to be had.
    """
    try:
        return find(name)
    except EncoderError as error:
        hub_name, revision = HUB.get(name, (name, ""))
        if not re.fullmatch(HUB_NAME, hub_name):
            raise
        try:
            return _snapshot(hub_name, revision, offline=False)
        except OSError as reason:
            raise EncoderError(
                f"{hub_name} cannot be fetched from the hub ({str(reason).splitlines()[0]}); {error}"
            ) from None


def _snapshot(hub_name: str, revision: str, offline: bool) -> Path:
    """The folder of a model in the hub's cache.

    Raises:
        OSError: When it is not there, or (not offline) not to be had.
    """
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise OSError("huggingface_hub is not installed; the extra accurate has it") from None
    if not offline:
        _resolve_hub()
    try:
        folder = Path(
            snapshot_download(
                hub_name, revision=revision or None, allow_patterns=list(WANTED), local_files_only=offline
            )
        )
    except Exception as error:  # the hub's, requests' and httpx's errors share no parent but Exception
        raise OSError(str(error) or type(error).__name__) from None
    if missing := [name for name in WANTED if not (folder / name).is_file()]:
        raise OSError(f"{folder} lacks {', '.join(missing)}")
    return folder


def _resolve_hub() -> None:
    """Look the hub's address up: without a network, its library would try again for half a minute.

    Raises:
        OSError: When it is not known; a proxy is left to look it up itself.
    """
    import urllib.request

    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(ENDPOINT)
    if address.hostname and address.scheme not in urllib.request.getproxies():
        try:
            socket.getaddrinfo(address.hostname, address.port or address.scheme)
        except OSError as error:
            raise OSError(f"{address.hostname}: {error.strerror or error}; is there a network?") from None


@dataclass(frozen=True)
class About:
    """What an encoder's folder says of it.

    Attributes:
        kind: transformers' model type, "whisper", "wav2vec2", "hubert", "wavlm" or "data2vec-audio".
        width: Numbers per frame.
        n_blocks: Number of transformer blocks.
        key: Follows from configuration and weights: another encoder under the same name has another.
        n_mels: Bands of the spectrogram that it takes; 0 where it takes a waveform.
        sha256: What the key is the beginning of: the key finds things again, this tells whether they are genuine.
    """

    kind: str
    width: int
    n_blocks: int
    key: str
    n_mels: int = 0
    sha256: str = ""


def about(folder: Path) -> About:
    """Read what an encoder's folder says of it.

    Raises:
        EncoderError: For a folder that is incomplete, or an encoder of another kind.
    """
    weights = folder / "model.safetensors"
    try:
        text = (folder / "config.json").read_text(encoding="utf-8")
        config = json.loads(text)
        state = weights.stat()
        digest = _digest(str(weights), state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise EncoderError(f"{error.filename}: {error.strerror}; an encoder's folder holds its weights there") from None
    except ValueError as error:
        raise EncoderError(f"{folder / 'config.json'}: is not JSON ({error})") from None
    kind = str(config.get("model_type"))
    if kind != "whisper" and kind not in _WAVEFORM_KINDS:
        raise EncoderError(f"{folder}: is a {kind}; expected a speech encoder: whisper, {', '.join(_WAVEFORM_KINDS)}")
    width, n_blocks = ("d_model", "encoder_layers") if kind == "whisper" else ("hidden_size", "num_hidden_layers")
    whole = hashlib.sha256(text.encode() + digest.encode()).hexdigest()
    n_mels = int(config.get("num_mel_bins", 0))
    return About(kind, int(config[width]), int(config[n_blocks]), whole[:_KEY], n_mels, whole)


@lru_cache(maxsize=8)
def _digest(path: str, changed: int, size: int) -> str:
    """SHA-256 of a file's bytes; what else is given tells one state of the file from another."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(folder: Path) -> str:
    """Return what tells the weights of an encoder from others', however they are stored.

    A folder of the encoder alone in float16 and one of the whole model in float32 have different :class:`About` keys;
    where the weights are the same to float16, as those that were published in it, they have one identity.

    Returns:
        A SHA-256 in hexadecimal; heads of before hold the first 16 digits of it.

    Raises:
        EncoderError: When the weights cannot be read.
    """
    file = folder / "model.safetensors"
    try:
        state = file.stat()
        return _identity(str(file), state.st_mtime_ns, state.st_size)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{file}: cannot be read as weights ({error})") from None


def same(folder: Path, front_end: Mapping[str, Any]) -> bool:
    """Whether a folder holds the encoder that a model was trained on.

    Args:
        folder: The encoder's.
        front_end: Of the model's card: "encoder", its key or whole SHA-256, and "weights", its identity or, of heads of
            before, the beginning of it; as far as they are known.
    """
    encoder, weights = (str(front_end.get(name, "")) for name in ("encoder", "weights"))
    if not encoder and not weights:
        return True
    known = about(folder)
    # Whoever can make another encoder of the same few digits cannot make one of all: these decide where they are known.
    if _WHOLE in (len(encoder), len(weights)):
        return encoder == known.sha256 or weights == identity(folder)
    return encoder == known.key or (bool(weights) and weights == identity(folder)[:_IDENTITY])


@lru_cache(maxsize=8)
def _identity(path: str, changed: int, size: int) -> str:
    """SHA-256 of the encoder's tensors as float16, in the order of their names; see :func:`_digest` for the rest."""
    kinds: dict[str, Any] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            raise ValueError(f"its head is said to be {length:,} bytes")
        tensors: dict[str, Any] = json.loads(file.read(length))
        named = {
            name.rpartition("encoder.")[2]: tensor
            for name, tensor in tensors.items()
            if name != "__metadata__" and "decoder" not in name
        }
        for name, tensor in sorted(named.items()):
            first, last = tensor["data_offsets"]
            file.seek(8 + length + first)
            values = np.frombuffer(file.read(last - first), kinds[tensor["dtype"]])
            with np.errstate(over="ignore"):
                found.update(f"{name} {tensor['shape']}".encode() + values.astype("<f2").tobytes())
    return found.hexdigest()


def sizes(folder: Path, n_blocks: int | None = None) -> dict[str, int]:
    """Return how many numbers each tensor of an encoder holds, from the head of its file; a decoder's are left out.

    Args:
        folder: The encoder's.
        n_blocks: Up to which block; ``None`` takes all.
    """
    with (folder / "model.safetensors").open("rb") as file:
        tensors = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    found = {}
    for name, tensor in tensors.items():
        block = re.search(r"\blayers\.(\d+)\.", name)
        wanted = block is None or n_blocks is None or int(block[1]) < n_blocks
        if name != "__metadata__" and "decoder" not in name and wanted:
            found[name] = int(np.prod(tensor["shape"]))
    return found


def macs(folder: Path, n_blocks: int, seconds: float) -> int:
    """Count the multiply-accumulate operations of an encoder's blocks for so much sound, its front end left out.

    Args:
        folder: The encoder's.
        n_blocks: How many blocks are computed.
        seconds: Length of the sound.
    """
    encoder = load(str(folder), n_blocks)
    from torch.utils.flop_counter import FlopCounterMode

    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE), dtype=np.float32)
    with FlopCounterMode(display=False) as counted:
        encoder.frames(Clip(0.1 * noise, SAMPLE_RATE))
    return int(counted.get_total_flops() // 2)


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen encoder cut off behind the last block that is wanted.

    Attributes:
        about: What it is.
        n_blocks: How many of its blocks are computed.
    """

    about: About
    n_blocks: int
    _net: Any
    _prepare: Any

    @property
    def blocks(self) -> Any:
        """The transformer blocks, torch modules."""
        return self._net.layers if self.about.kind == "whisper" else self._net.encoder.layers

    def frames(self, clip: Clip) -> Floats:
        """Return what goes into the first block, and what comes out of every block.

        Args:
            clip: At any sample rate. Shorter than 0.1 s, silence is added; longer than 30 s, it goes through in
                pieces of 30 s.

        Returns:
            float32, shape (n_blocks + 1, width, n_frames), block by its number, what goes into the first at 0; 50
            frames per second.
        """
        import torch

        clip = pad(resample(clip, SAMPLE_RATE), _SHORTEST)
        piece = round(_LONGEST * SAMPLE_RATE)
        found = []
        with torch.inference_mode():
            for start in range(0, len(clip.samples), piece):
                samples = clip.samples[start : start + piece]
                if len(samples) >= _SHORTEST * SAMPLE_RATE:
                    found.append(self._blocks(samples))
        whole: Floats = torch.cat(found, dim=2).numpy()
        return whole

    def _blocks(self, samples: npt.NDArray[np.float32]) -> Any:
        """Float32 tensor (n_blocks + 1, width, n_frames) of one piece."""
        import torch

        given = self._prepare(
            samples, sampling_rate=SAMPLE_RATE, return_tensors="pt",
            **({"padding": "do_not_pad", "truncation": False} if self.about.kind == "whisper" else {}),
        )  # fmt: skip
        if self.about.kind != "whisper":
            out = self._net(given["input_values"], output_hidden_states=True).hidden_states[: self.n_blocks + 1]
            return torch.stack([h[0].T for h in out])
        net, gelu = self._net, torch.nn.functional.gelu
        mel = given["input_features"]
        hidden = gelu(net.conv2(gelu(net.conv1(mel)))).permute(0, 2, 1)
        hidden = hidden + net.embed_positions.weight[: hidden.shape[1]]
        out = [hidden[0].T]
        for block in net.layers:
            hidden = block(hidden, attention_mask=None)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            out.append(hidden[0].T)
        return torch.stack(out)


def load(name: str, n_blocks: int) -> Encoder:
    """Load the first blocks of an encoder, see :func:`find`; the last ones loaded are kept.

    Raises:
        EncoderError: When there is none, or it has fewer blocks.
        MissingExtraError: Where torch or transformers is not installed.
    """
    folder = find(name)
    known = about(folder)
    if not 0 <= n_blocks <= known.n_blocks:
        raise EncoderError(f"{name}: has {known.n_blocks} blocks; block {n_blocks} is none of them")
    return _loaded(folder, known, n_blocks)


@lru_cache(maxsize=2)
def _loaded(folder: Path, known: About, n_blocks: int) -> Encoder:
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the encoder {folder.name}", "transfer") from error
    transformers.logging.disable_progress_bar()
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    net = transformers.AutoModel.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, trust_remote_code=False
    )
    if known.kind == "whisper":
        net = net.get_encoder()
        net.layers = net.layers[:n_blocks]
    else:
        net.encoder.layers = net.encoder.layers[:n_blocks]
    return Encoder(known, n_blocks, net.eval().requires_grad_(False), prepare)


@dataclass(frozen=True)
class FrontEnd:
    """Some blocks' frames, as the front end of a net.

    Attributes:
        name: The encoder's, see :func:`find`.
        blocks: Numbers of blocks, from 1 on; 0 is what goes into the first.
        key: The encoder's, see :class:`About`.
        trim_db: Quiet ends, this much below a clip's loudest part, are cut before.
    """

    name: str
    blocks: tuple[int, ...]
    key: str
    trim_db: float = TRIM_DB

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return SAMPLE_RATE

    def __call__(self, clip: Clip) -> Floats:
        """Return the blocks' frames one below the other, float32, shape (n_blocks · width, n_frames)."""
        frames = load(self.name, max(self.blocks)).frames(clip)[list(self.blocks)]
        return np.ascontiguousarray(frames.reshape(-1, frames.shape[2]))


def statistics(frames: Floats, blocks: Sequence[int], course: bool = False) -> Floats:
    """Return mean and deviation over time of some blocks, and how they go from start to end.

    Args:
        frames: (n_blocks + 1, width, n_frames), see :meth:`Encoder.frames`.
        blocks: Numbers of blocks.
        course: Whether the means of the first and of the last third follow.

    Returns:
        float32, shape (len(blocks) · 2 · width,), with the course twice as many: block by block its means, its
        deviations, and the means of the first and of the last third.
    """
    wanted = frames[list(blocks)].astype(np.float64)
    parts = [wanted.mean(axis=2), wanted.std(axis=2)]
    if course:
        third = max(1, wanted.shape[2] // 3)
        parts += [wanted[:, :, :third].mean(axis=2), wanted[:, :, -third:].mean(axis=2)]
    return np.stack(parts, axis=1).reshape(-1).astype(np.float32)
