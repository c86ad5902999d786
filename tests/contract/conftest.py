"""An encoder of Whisper base's width with hardly any weights, for the models that sit on one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vocalics import encoders


@pytest.fixture(scope="session", autouse=True)
def _encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=512, encoder_layers=4, decoder_layers=1, vocab_size=60_000, max_source_positions=1500,
        encoder_attention_heads=8, decoder_attention_heads=1, encoder_ffn_dim=32, decoder_ffn_dim=8,
    )  # fmt: skip
    encoder = transformers.WhisperModel(config).half()
    encoder.decoder = None
    encoder.save_pretrained(folder / "whisper-base")
    transformers.WhisperFeatureExtractor().save_pretrained(folder / "whisper-base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(encoders.FOLDER_VARIABLE, str(folder))
        yield
