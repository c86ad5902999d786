"""Recipes are strict: what is not known is an error that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.errors import RecipeError
from vocalics.recipe import Recipe, read, recipes


def test_every_bundled_recipe_reads() -> None:
    assert {"default", "open"} <= set(recipes())
    for name in recipes():
        recipe = read(name)
        assert recipe.name == name
        assert recipe.description and recipe.fit.n_epochs > 0


def test_overrides_replace_settings() -> None:
    changed = {"fit.n_epochs": 3, "fit.restart": 0, "seed": 7}
    assert read("default").fit.n_epochs != 3
    assert read("default", changed).fit.n_epochs == 3
    assert read("default", changed).seed == 7
    with pytest.raises(RecipeError, match=r"fit\.restart = 26 is not below fit\.n_epochs = 3"):
        read("default", {"fit.n_epochs": 3, "fit.restart": 26})


def test_a_table_that_need_not_be_is_left_out() -> None:
    assert read("default").teacher is not None
    assert read("default", {"teacher": "none"}).teacher is None
    assert read("svm", {"teacher": "none"}) == read("svm")
    with pytest.raises(RecipeError, match="is not a table"):
        read("default", {"fit": "none"})


BASE = "name = 'x'\ndescription = ''\nmodel = 'm'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae = 'x'", 'unknown key "nmae"; did you mean "name"?'),
        (BASE + "\n[fit]\nn_epoch = 3", 'unknown key "n_epoch"; did you mean "n_epochs"?'),
        (BASE + "\n[fit]\nn_epochs = 'many'", "expected int"),
        (BASE + "\nscheme = 'eigth'", 'did you mean "eight"?'),
        ("name = 'x'\ndescription = ''", 'lacks the key "model"'),
        (BASE + "\n[fit]\nschedule = 'cosin'", 'did you mean "cosine"?'),
        (BASE + "\n[[augment]]\nname = 'ad_noise'", 'did you mean "add_noise"?'),
        (
            BASE + "\n[[augment]]\nname = 'speed'\nfaktor = 1.0",
            'unknown setting "faktor"; did you mean "factor"?',
        ),
        (BASE + "\n[shares]\nsavee = 1.0", "shares names savee"),
        ("name = 'runs/x'\ndescription = ''\nmodel = 'm'", 'name = "runs/x" cannot be the name of a model file'),
        (BASE + "\n[fit]\nbatch_size = 0", "fit.batch_size = 0; expected at least 1"),
        (BASE + "\n[fit]\ndraws = -1", "fit.draws = -1 is below 0"),
        (BASE + "\nseed = -1", "seed = -1 is out of range; give a whole number from 0 to 4294967295"),
        (BASE + "\n[fit]\naverage = 1.0", "fit.average = 1.0 is not a share"),
        (BASE + "\ncorpora = ['tess']\n[shares]\ntess = 'all'", "shares.tess = 'all' is not a share"),
        ("name = ", "is not TOML"),
        (BASE + "\n[fit]\nn_epochs = 9\nrestart = 5\nschedule = 'cosine'", "restart = 5 without fit.restart_rate"),
        (BASE + "\n[teacher]\nfeatures = 'x'\nn_hints = 3", "n_hints and hint_weight go together"),
        (BASE + "\n[teacher]\nfeatures = 'x'\n[teacher.fit]\nschedule = 'cosin'", 'did you mean "cosine"?'),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read(str(path))
    assert message in str(caught.value)


def test_unknown_recipe_offers_the_closest() -> None:
    with pytest.raises(RecipeError, match='did you mean "default"'):
        read("defualt")


def test_a_recipe_is_frozen_and_plain() -> None:
    recipe = read("default")
    with pytest.raises(AttributeError):
        recipe.seed = 3  # type: ignore[misc]
    assert isinstance(recipe, Recipe)
    assert recipe.as_dict()["fit"]["batch_size"] == recipe.fit.batch_size
