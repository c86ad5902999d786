"""Steps of a recipe: what they draw, and that yesterday's recipes draw the same."""

from __future__ import annotations

from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, recipe
from vocalics.augment import AUGMENTATIONS, Step, chain, gain, material
from vocalics.errors import RecipeError
from vocalics.features.logmel import LogMel
from vocalics.logmel_bank import BankSettings
from vocalics.preprocess.settings import settings_of, table_of

# What the steps of the recipe "default" made of one second of a voice when the bundled models were trained: samples,
# root mean square, and the generator's next number, which tells how much was drawn.
TRAINED = [
    (16000, 0.06893493850546804, 0.9205803672313517),
    (14195, 0.0669454140774899, 0.4499020887601183),
    (16708, 0.06887977460078351, 0.5862254603418322),
    (16993, 0.06561428296621047, 0.4063252039718601),
    (16000, 0.06957785300976659, 0.5431409014060153),
    (16000, 0.042299366123590976, 0.7252024589920566),
    (16508, 0.06548636435948806, 0.812425384361759),
    (16000, 0.036697268217708565, 0.245069267775594),
]


@pytest.mark.parametrize("name", ["default", "open"])
def test_the_bundled_recipes_name_the_same_bank(name: str) -> None:
    one = recipe.read(name)
    assert BankSettings(LogMel(), one.steps, one.n_copies, one.seed).key == "5818912c7cac01f5"
    assert BankSettings(LogMel(), one.steps[1:], one.n_copies, one.seed).key != "5818912c7cac01f5"


@pytest.mark.parametrize(("seed", "made"), [*enumerate(TRAINED)])
def test_the_bundled_recipes_draw_the_same(seed: int, made: tuple[int, float, float]) -> None:
    rng = np.random.default_rng(seed)
    out = chain(recipe.read("default").steps, fakes.voice(1.0), rng)
    assert len(out.samples) == made[0]
    assert float(np.sqrt(np.mean(out.samples.astype(float) ** 2))) == pytest.approx(made[1], rel=1e-3)
    assert rng.random() == made[2]


def test_a_table_comes_back_from_a_step() -> None:
    for table in (
        {"name": "gain", "probability": 0.5, "gain_db": [-3.0, 3.0]},
        {"name": "telephone", "probability": 1.0},
        {"name": "add_noise", "probability": 1.0, "snr_db": [5.0, 5.0], "slope_db": [-6.0, 0.0]},
    ):
        assert Step.parse(table).as_dict() == table
    assert Step.parse({"name": "gain", "gain_db": 2}).settings == {"gain_db": (2.0, 2.0)}


def test_a_range_is_drawn_anew_for_every_clip() -> None:
    step, clip = Step.parse({"name": "gain", "gain_db": [-20, 0]}), fakes.voice(0.1)
    rng = np.random.default_rng(0)
    levels = [20 * np.log10(np.abs(step(clip, rng).samples).max() / np.abs(clip.samples).max()) for _ in range(500)]
    assert -20 < min(levels) < -19.5 and -0.5 < max(levels) < 0
    assert np.mean(levels) == pytest.approx(-10, abs=0.8)


def test_the_published_recipe_can_be_written() -> None:
    steps = [
        Step.parse(table_of("noise_by_peak level=0.035")),
        Step.parse(table_of("stretch_and_shift rate=0.8 semitones=0.7")),
    ]
    clip = fakes.voice(1.0, sample_rate=22_050)
    assert len(chain(steps, clip, np.random.default_rng(0)).samples) == round(22_050 / 0.8)


def test_every_setting_says_its_type() -> None:
    for name, function in AUGMENTATIONS.items():
        for key, setting in settings_of(function).items():
            assert setting.kind in (float, str, bool), (name, key)
    assert list(settings_of(gain)) == ["gain_db"] and settings_of(gain)["gain_db"].required


def test_material_is_another_where_a_file_was_added(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", fakes.noise(0.2))
    steps = [Step.parse({"name": "recorded_noise", "folder": str(tmp_path), "snr_db": 5})]
    before = material(steps)
    assert before == material(steps) and len(before) == 64
    audio.write(tmp_path / "b.wav", fakes.noise(0.2))
    assert material(steps) != before
    assert material(recipe.read("default").steps) == ""


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("telephone", {"name": "telephone"}),
        ("  gain   gain_db=-3 ", {"name": "gain", "gain_db": -3}),
        ("gain gain_db=[-3, 4.5] probability=.5", {"name": "gain", "gain_db": [-3, 4.5], "probability": 0.5}),
        ("recorded_noise folder=/a/b-1 snr_db=1e1", {"name": "recorded_noise", "folder": "/a/b-1", "snr_db": 10.0}),
        ("recorded_noise folder='my noises'", {"name": "recorded_noise", "folder": "my noises"}),
        ('recorded_noise folder="2024-01-01"', {"name": "recorded_noise", "folder": "2024-01-01"}),
        ("recorded_noise folder=2024-01-01", {"name": "recorded_noise", "folder": "2024-01-01"}),
        ("x y=true", {"name": "x", "y": True}),
    ],
)
def test_a_line_is_a_table(text: str, table: dict[str, object]) -> None:
    assert table_of(text) == table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with a name"),
        ("gain_db=3", "does not begin with a name; expected e.g."),
        ("gain 3", '"3" is not of the form setting=value'),
        ("gain gain_db=[1,2", r'"gain gain_db=\[1,2"|gain_db'),
        ("gain gain_db=1 gain_db=2", "gain_db is said twice"),
    ],
)
def test_a_line_of_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Step.parse(table_of(text))
