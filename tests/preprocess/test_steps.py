"""Preprocessing as steps of a recipe."""

from __future__ import annotations

import json

import fakes
import numpy as np
import pytest

from vocalics import recipe
from vocalics.audio import Clip
from vocalics.errors import RecipeError
from vocalics.preprocess import PREPROCESSING, Preparation, chain, normalise_rms, trim_silence
from vocalics.preprocess.settings import settings_of, table_of

TABLES = [{"name": "trim_silence", "below_db": 30, "margin": 0.05}, {"name": "normalise_rms", "rms_db": -20}]


def test_steps_are_applied_in_order() -> None:
    clip = Clip(np.concatenate([np.zeros(16_000), fakes.voice(1.0).samples]).astype(np.float32), 16_000)
    steps = [Preparation.parse(t) for t in TABLES]
    done = chain(steps, clip)
    assert np.array_equal(done.samples, normalise_rms(trim_silence(clip, 30, 0.05), -20).samples)
    assert not np.array_equal(done.samples, chain(steps[::-1], clip).samples), "the order matters"
    assert chain([], clip) is clip


@pytest.mark.parametrize("name", PREPROCESSING)
def test_every_step_works_without_settings_and_is_the_same_again(name: str) -> None:
    clip = fakes.voice(1.0)
    before = clip.samples.copy()
    step = Preparation.parse({"name": name})
    assert np.array_equal(step(clip).samples, step(clip).samples) and np.array_equal(clip.samples, before)
    assert step(clip).sample_rate == clip.sample_rate
    assert all(not s.required for s in settings_of(PREPROCESSING[name]).values())


def test_steps_travel_as_json() -> None:
    steps = [Preparation.parse(t) for t in TABLES]
    assert [Preparation.parse(json.loads(json.dumps(s.as_dict()))) for s in steps] == steps
    assert Preparation.parse(table_of("trim_silence below_db=30 margin=0.05")) == steps[0]


def test_a_recipe_names_them() -> None:
    made = recipe.parse(recipe.Recipe, {"name": "x", "description": "", "model": "m", "preprocess": TABLES}, "x.toml")
    assert [p.name for p in made.preparation] == ["trim_silence", "normalise_rms"]
    assert recipe.Recipe("x", "", "m").preparation == ()
    json.dumps(made.as_dict())
    with pytest.raises(RecipeError, match='unknown preprocessing "normalize_rms"; did you mean "normalise_rms"'):
        recipe.parse(
            recipe.Recipe,
            {"name": "x", "description": "", "model": "m", "preprocess": [{"name": "normalize_rms"}]},
            "x.toml",
        )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "trim"}, 'unknown preprocessing "trim"'),
        ({"name": "normalise_peak", "peak": -1}, 'unknown setting "peak"; did you mean "peak_db"'),
        ({"name": "normalise_peak", "peak_db": [-3, -1]}, r"peak_db = \[-3, -1\] is not a number$"),
        ({"name": "normalise_peak", "peak_db": 3}, "peak_db: 3 is out of range; expected -120 to 0"),
        ({"name": "reduce_noise", "strength": "much"}, "strength = 'much' is not a number"),
        ({"name": "reduce_noise", "probability": 0.5}, 'unknown setting "probability"'),
        ({"strength": 1}, "has no name; expected one of normalise_loudness"),
    ],
)
def test_mistaken_steps_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Preparation.parse(table)
