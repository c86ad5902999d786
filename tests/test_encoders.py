"""Pre-trained encoders: what is computed is what transformers computes, at the clip's own length."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.request
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio, encoders
from vocalics.audio import Clip
from vocalics.errors import EncoderError, FeatureError
from vocalics.features.cache import FeatureCache, extract_manifest
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small encoders with random weights, as transformers write them: ``whisper`` and ``wav2vec``."""
    home = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    sizes = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=3, decoder_layers=1, vocab_size=60_000, max_source_positions=1500, **sizes
    )
    transformers.WhisperModel(config).save_pretrained(home / "whisper")
    transformers.WhisperFeatureExtractor().save_pretrained(home / "whisper")
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        num_conv_pos_embedding_groups=2, conv_dim=(8, 8, 8, 8, 8, 8, 8), do_stable_layer_norm=False,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(home / "wav2vec")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(home / "wav2vec")
    return home


def test_whole_whisper_inputs_give_what_transformers_gives(folder: Path) -> None:
    clip = fakes.voice(30.0)
    found = encoders.load(str(folder / "whisper"), 2).frames(clip)
    net = transformers.AutoModel.from_pretrained(folder / "whisper").get_encoder().eval()
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder / "whisper")
    mel = prepare(clip.samples, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        expected = net(mel, output_hidden_states=True).hidden_states
    assert found.shape == (3, 16, 1500) and found.dtype == np.float32
    for block in (0, 1, 2):
        np.testing.assert_allclose(found[block], expected[block][0].T.numpy(), atol=1e-5)
    assert np.abs(found[1] - found[2]).max() > 0.01


def test_encoders_of_waveforms_give_what_transformers_gives(folder: Path) -> None:
    clip = fakes.voice(1.0)
    found = encoders.load(str(folder / "wav2vec"), 2).frames(clip)
    net = transformers.AutoModel.from_pretrained(folder / "wav2vec").eval()
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder / "wav2vec")
    with torch.inference_mode():
        given = prepare(clip.samples, sampling_rate=16_000, return_tensors="pt").input_values
        expected = net(given, output_hidden_states=True).hidden_states
    assert found.shape == (3, 16, 49)
    for block in (0, 1, 2):
        np.testing.assert_allclose(found[block], expected[block][0].T.numpy(), atol=1e-5)


def test_a_clip_is_computed_at_its_own_length(folder: Path) -> None:
    encoder = encoders.load(str(folder / "whisper"), 1)
    assert encoder.frames(fakes.voice(1.0)).shape == (2, 16, 50)
    assert encoder.frames(fakes.voice(0.02)).shape[2] == 5  # filled up to 0.1 s
    long = fakes.voice(31.0)
    assert encoder.frames(long).shape[2] == 1550
    first = encoder.frames(Clip(long.samples[: 30 * 16_000], 16_000))
    np.testing.assert_allclose(encoder.frames(long)[..., :1500], first, atol=1e-5)
    assert encoder.frames(fakes.voice(1.0, sample_rate=44_100)).shape[2] == 50


def test_statistics_are_block_by_block_means_then_deviations() -> None:
    frames = np.random.default_rng(0).normal(size=(4, 4, 50)).astype(np.float32)
    found = encoders.statistics(frames, (3, 1))
    assert found.shape == (16,)
    np.testing.assert_allclose(found[:4], frames[3].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found[4:8], frames[3].std(axis=1), atol=1e-6)
    np.testing.assert_allclose(found[8:12], frames[1].mean(axis=1), atol=1e-6)


def test_the_course_is_told_by_the_first_and_last_third() -> None:
    frames = np.random.default_rng(0).normal(size=(3, 4, 50)).astype(np.float32)
    found = encoders.statistics(frames, (2, 1), course=True).reshape(2, 4, 4)
    np.testing.assert_allclose(found[:, :2].reshape(-1), encoders.statistics(frames, (2, 1)))
    np.testing.assert_allclose(found[0, 2], frames[2, :, :16].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found[1, 3], frames[1, :, 34:].mean(axis=1), atol=1e-6)
    short = encoders.statistics(frames[:, :, :2], (1,), course=True).reshape(4, 4)
    np.testing.assert_allclose(short[2:], frames[1, :, :2].T, atol=1e-6)


def test_the_course_does_not_hear_the_level(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(folder))
    chosen = feature_set("whisper@1,3:course")
    assert chosen.shape == (128,) and chosen.columns[32] == "block1_first_0" and chosen.card_name.endswith(":course")
    clip = fakes.voice(1.0)
    quiet = Clip(clip.samples * np.float32(0.01), clip.sample_rate)
    np.testing.assert_allclose(chosen.extract(clip), chosen.extract(quiet), atol=1e-4)
    plain = feature_set("whisper@1,3")
    assert np.abs(plain.extract(clip) - plain.extract(quiet)).max() > 1e-2


def test_blocks_are_a_feature_set_like_any_other(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(folder))
    chosen = feature_set("whisper@1,3")
    assert chosen.shape == (64,) and len(chosen.columns) == 64
    assert chosen.columns[0] == "block1_mean_0" and chosen.columns[-1] == "block3_deviation_15"
    path = tmp_path / "a.wav"
    audio.write(path, fakes.voice(1.0))
    manifest = Manifest((Utterance(str(path), "c", "c/1", "", "happy"),)).with_digests()
    (row,) = extract_manifest(manifest, chosen, tmp_path / "cache", workers=1)
    assert row.values is not None and row.values.shape == (64,) and row.values.std() > 0.01
    (again,) = extract_manifest(manifest, chosen, tmp_path / "cache", workers=1)
    assert again.cached
    by_path = feature_set(f"{folder / 'whisper'}@1,3")
    assert FeatureCache(tmp_path).path("ab", by_path).relative_to(tmp_path).parts[0].startswith("_")
    np.testing.assert_array_equal(by_path.extract(audio.read(path)), row.values)


def test_another_encoder_under_the_same_name_meets_no_old_features(folder: Path, tmp_path: Path) -> None:
    """Two encoders of one configuration differ in one number at the end of the file."""
    copy = tmp_path / "whisper"
    shutil.copytree(folder / "whisper", copy)
    key = encoders.about(folder / "whisper").key
    assert encoders.about(copy).key == key and key in feature_set(f"{folder / 'whisper'}@1").settings
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(data))
    assert encoders.about(copy).key != key


def test_an_encoder_is_the_heads_by_the_whole_hash_where_its_card_knows_it(folder: Path, tmp_path: Path) -> None:
    home, other = folder / "whisper", folder / "wav2vec"
    known, weights = encoders.about(home), encoders.identity(home)
    assert len(known.sha256) == len(weights) == 64 and known.sha256.startswith(known.key) and len(known.key) == 12
    for whole in ({"encoder": known.key, "weights": weights}, {"encoder": known.sha256}, {"weights": weights}):
        assert encoders.same(home, whole) and not encoders.same(other, whole)
    # Heads of before know the beginnings, and stay usable.
    for short in ({"encoder": known.key}, {"encoder": "0" * 12, "weights": weights[:16]}, {}):
        assert encoders.same(home, short)
    assert not encoders.same(other, {"encoder": known.key, "weights": weights[:16]})
    # One who has found other weights of the same first digits has not found those of the rest.
    forged = weights[:16] + "0" * 48
    for whole in (
        {"encoder": known.key, "weights": forged},
        {"encoder": known.key + "0" * 52},
        {"encoder": known.sha256[:-1] + "!", "weights": weights[:16]},
    ):
        assert not encoders.same(home, whole)
    # No beginning but these: an empty one would begin every hash.
    for cut in ({"encoder": known.key[:4]}, {"encoder": "x", "weights": weights[:15]}, {"encoder": "x", "weights": ""}):
        assert not encoders.same(home, cut)
    # Stored as they are used, they are still the same weights.
    copy = tmp_path / "half"
    shutil.copytree(home, copy)
    net = transformers.AutoModel.from_pretrained(home).half()
    net.save_pretrained(copy)
    assert encoders.about(copy).sha256 != known.sha256
    assert encoders.same(copy, {"encoder": known.sha256, "weights": weights})


def test_weights_are_counted_up_to_a_block(folder: Path) -> None:
    net = transformers.AutoModel.from_pretrained(folder / "whisper").get_encoder()
    last = sum(p.numel() for p in net.layers[2].parameters())
    whole = sum(p.numel() for p in net.parameters())
    assert sum(encoders.sizes(folder / "whisper", 3).values()) == whole
    assert sum(encoders.sizes(folder / "whisper", 2).values()) == whole - last


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whisper@", "names no blocks of an encoder; expected e.g. whisper-base@2,3"),
        ("whisper@-1", "has the blocks 1 to 3; expected some of them, each once"),
        ("whisper@2,2", "has the blocks 1 to 3"),
        ("whisper@4", "has the blocks 1 to 3"),
    ],
)
def test_blocks_that_are_none_are_refused(
    name: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(folder))
    with pytest.raises(FeatureError, match=message):
        feature_set(name)


def test_what_is_no_encoder_is_said_to_be_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv(encoders.FOLDER_VARIABLE, raising=False)
    with pytest.raises(
        EncoderError, match=r'no encoder "whisper-bose".*did you mean "whisper-base".*VOCALICS_ENCODERS'
    ):
        encoders.find("whisper-bose")
    with pytest.raises(EncoderError, match=r'no encoder "whisper-base" on this machine\. Give its folder'):
        encoders.find("whisper-base")
    with pytest.raises(EncoderError, match=r"holds no config\.json"):
        encoders.find(str(tmp_path))
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(EncoderError, match=r"config\.json: is not JSON"):
        encoders.about(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(EncoderError, match="is a bert; expected a speech encoder: whisper, wav2vec2"):
        encoders.about(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"model\.safetensors: No such file"):
        encoders.about(tmp_path)
    with pytest.raises(EncoderError, match="has 3 blocks; block 4 is none of them"):
        encoders.load(str(folder / "whisper"), 4)


def test_an_encoder_that_cannot_be_fetched_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(encoders.FOLDER_VARIABLE, raising=False)
    asked = []

    def unreachable(name: str, revision: str, offline: bool) -> Path:
        asked.append((name, revision, offline))
        raise OSError("no route to the hub")

    monkeypatch.setattr(encoders, "_snapshot", unreachable)
    with pytest.raises(
        EncoderError, match=r"openai/whisper-base cannot be fetched from the hub \(no route to the hub\)"
    ):
        encoders.fetch("whisper-base")
    assert asked == [("openai/whisper-base", encoders.HUB["whisper-base"][1], offline) for offline in (True, False)]


def test_without_a_network_the_hub_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name: str, **settings: Any) -> str:
        asked.append(settings["local_files_only"])
        raise OSError("not to be had")

    def unknown(*_: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.delenv(encoders.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(hub, "snapshot_download", download)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    with pytest.raises(EncoderError, match=r"Name or service not known; is there a network\?"):
        encoders.fetch("whisper-base")
    assert asked == [True]
    # A proxy looks names up itself.
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://proxy:3128"})
    with pytest.raises(EncoderError, match=r"\(not to be had\)"):
        encoders.fetch("whisper-base")
    assert asked == [True, True, False]


@pytest.mark.corpus
def test_the_shared_encoder_tells_anger_from_calm_in_a_new_voice(shared: Path) -> None:
    chosen = feature_set(f"{shared / 'encoders' / 'whisper-base'}@3")

    def rows(actor: str, emotion: str) -> np.ndarray:
        clips = sorted((shared / "corpora" / "ravdess" / f"Actor_{actor}").glob(f"03-01-{emotion}-*.flac"))
        assert len(clips) == 8
        return np.stack([chosen.extract(audio.read(path)) for path in clips])

    angry, calm = (
        np.mean([rows(actor, emotion).mean(axis=0) for actor in ("01", "04")], axis=0) for emotion in ("05", "02")
    )
    for emotion, own, other in (("05", angry, calm), ("02", calm, angry)):
        new = rows("02", emotion)
        assert (np.linalg.norm(new - own, axis=1) < np.linalg.norm(new - other, axis=1)).mean() >= 0.75
