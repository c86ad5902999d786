"""What a recipe says of its model and batches, checked before anything is read or computed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from vocalics import ensembles
from vocalics.dataset import Data
from vocalics.distillation import check_teacher
from vocalics.emotions import scheme
from vocalics.errors import EncoderError, RecipeError, VocalicsError
from vocalics.features.feature_set import COURSE, FRAMES, SEPARATOR, encoded_front_end, encoded_kind, feature_set
from vocalics.models import ENCODER, WAVEFORM, ModelSpec, model_spec
from vocalics.recipe import Recipe, parse
from vocalics.training.inputs import GIVEN


def check(recipe: Recipe) -> ModelSpec:
    """Check what a recipe says of its model and batches, before anything is read or computed; return the model.

    Raises:
        RecipeError: For an unknown model, model setting or batch setting.
        MissingExtraError: Where torch or scikit-learn is missing.
    """
    if recipe.members:
        _check_ensemble(recipe)
        specs = [check(member) for member in ensembles.members(recipe)]
        return specs[0]
    spec = model_spec(recipe.model)
    spec.check_settings(recipe.model_settings, given(spec), f"recipe {recipe.name}: model_settings")
    if spec.uneven:
        batches(recipe, spec)
        if spec.features == ENCODER:
            blocks, kind = encoded_kind(recipe.features)
            if kind:
                raise RecipeError(
                    f"recipe {recipe.name}: {spec.name} takes the frames of an encoder's blocks; expected features = "
                    f'"{blocks}", without "{kind}"'
                )
            encoded_front_end(recipe.features)
        else:
            try:
                spec.build(len(scheme(recipe.scheme).emotions), **recipe.model_settings)
            except RecipeError as error:
                raise RecipeError(f"recipe {recipe.name}: model_settings: {error}") from None
        if recipe.teacher is not None:
            try:
                check_teacher(recipe.teacher)
            except EncoderError as error:
                raise EncoderError(
                    f"{error} The teacher of recipe {recipe.name} sits on it; --set teacher=none trains without one."
                ) from None
        foretold = recipe.teacher is not None and recipe.teacher.n_frame_hints
        if foretold and any(step.name == "time_shift" for step in recipe.steps):
            raise RecipeError(
                f"recipe {recipe.name}: time_shift moves the sound of a copy, but teacher.n_frame_hints says what "
                "stands where; leave one of them out"
            )
        if recipe.teacher is not None and spec.features == ENCODER:
            raise RecipeError(f"recipe {recipe.name}: a net on an encoder learns from no teacher here; leave it out")
        if recipe.variants:
            raise RecipeError(
                f"recipe {recipe.name}: variants are for models of features; {spec.name} takes n_copies and augment"
            )
    else:
        if recipe.fit.vote_share:
            raise RecipeError(f"recipe {recipe.name}: {spec.name} learns from labels alone; leave fit.vote_share out")
        _check_features(recipe, spec)
        if recipe.late_batch or (recipe.batch and not spec.neural):
            key = "batch" if recipe.batch and not spec.neural else "late_batch"
            raise RecipeError(f"recipe {recipe.name}: {spec.name} has no {key}; leave it out")
        if spec.neural and recipe.batch:
            from vocalics.models.rows import RowAugmentation

            change = parse(RowAugmentation, recipe.batch, f"recipe {recipe.name}: batch")
            if change.voice:
                _check_voice(recipe, spec)
        if recipe.teacher is not None:
            raise RecipeError(f"recipe {recipe.name}: only nets over spectrograms learn from a teacher; leave it out")
    return spec


def check_classes(recipe: Recipe, data: Data) -> None:
    """Refuse training clips of which nothing can be learned, or too few of an emotion to divide.

    Raises:
        VocalicsError: For clips of a single emotion, or, for a model of scikit-learn, a single clip of one.
    """
    clips = Counter(data.manifest[i].emotion for i in data.train)
    if len(clips) < 2:
        raise VocalicsError(
            f"recipe {recipe.name}: every training clip is {next(iter(clips), 'left out')}; expected two emotions or "
            f"more of the scheme {recipe.scheme} ({', '.join(data.emotions)})"
        )
    models = [recipe, *ensembles.members(recipe)]
    divided = any(not one.members and not model_spec(one.model).neural for one in models)
    if divided and (few := sorted(name for name, n in clips.items() if n < 2)):
        raise VocalicsError(
            f"recipe {recipe.name}: only one training clip is {', one is '.join(few)}; expected two or more of every "
            "emotion; add recordings, or choose a scheme that merges or drops it"
        )


def given(spec: ModelSpec) -> tuple[str, ...]:
    """Return the settings of a model that follow from the rest of a recipe, which does not give them."""
    return ("n_classes", "n_hints", "n_frame_hints", *GIVEN) if spec.uneven else ("n_classes",)


def check_copies(recipe: Recipe) -> None:
    """Refuse a recipe whose augmentation would do nothing, or whose copies would all be the same.

    Raises:
        RecipeError: For steps without copies, or copies without steps.
    """
    if bool(recipe.augment) != bool(recipe.n_copies):
        raise RecipeError(
            f"recipe {recipe.name}: augment is what is done to n_copies copies of every clip; give both, or neither"
        )


_OF_MEMBERS = (
    "features", "model_settings", "shares", "n_copies", "augment", "preprocess", "variants", "batch", "late_batch",
    "fit", "teacher",
)  # fmt: skip


def _check_ensemble(recipe: Recipe) -> None:
    """Refuse what no member would hear of, and members that one file cannot hold."""
    defaults = {one.name: one for one in dataclasses.fields(Recipe)}
    for name in _OF_MEMBERS:
        one = defaults[name]
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        if getattr(recipe, name) != default:
            raise RecipeError(
                f"recipe {recipe.name}: {name} is a setting of the models that it averages; give it in the recipes of "
                f"its members ({', '.join(recipe.members)})"
            )
    listed = ensembles.members(recipe)
    if any(member.preparation != listed[0].preparation for member in listed):
        raise RecipeError(
            f"recipe {recipe.name}: its members prepare their clips in different ways (preprocess); one file prepares "
            "them once"
        )
    taken = {member.name: _taken(member) for member in listed}
    if len({*taken.values()}) == 1:
        return
    encoders = {encoded_kind(blocks)[0].rpartition(SEPARATOR)[0] for blocks in taken.values()}
    if len(encoders) > 1 or "" in encoders:
        raise RecipeError(
            f"recipe {recipe.name}: {', '.join(f'{name} takes {blocks}' for name, blocks in taken.items())}: expected "
            "one input, or blocks of one encoder"
        )
    own = [name for name, blocks in taken.items() if not encoded_kind(blocks)[1]]
    if own:
        raise RecipeError(
            f"recipe {recipe.name}: {', '.join(own)} takes statistics of a clip at its own level, which the mean of "
            f'models with other inputs cannot; train it on "...{COURSE}"'
        )


def _taken(member: Recipe) -> str:
    """The feature set that a member's model takes; :data:`WAVEFORM` for a net of sound."""
    spec = model_spec(member.model)
    return f"{member.features}{FRAMES}" if spec.features == ENCODER else member.features or spec.features


def _check_voice(recipe: Recipe, spec: ModelSpec) -> None:
    """Refuse a net that an offset of its features does not reach as one."""
    model = spec.build(len(scheme(recipe.scheme).emotions), **recipe.model_settings)
    first = next((m for m in model.modules() if next(m.parameters(recurse=False), None) is not None), None)
    if len(model.shape) != 1 or type(first).__name__ != "Linear":
        raise RecipeError(
            f"recipe {recipe.name}: voice in its batch is for nets that begin with a dense layer on one row of "
            f"features, as dense_head; {spec.name} does not: leave it out"
        )


def _check_features(recipe: Recipe, spec: ModelSpec) -> None:
    """Refuse a feature set whose shape is not what the model takes."""
    chosen = feature_set(recipe.features or spec.features)
    model = spec.build(len(scheme(recipe.scheme).emotions), **recipe.model_settings)
    if spec.neural:
        takes = tuple(model.shape)
    else:
        fits = chosen.is_vector or (spec.takes_frames and None not in chosen.shape)
        takes = chosen.shape if fits else ("n",)
    if chosen.shape != takes:
        sizes = [" x ".join("any" if n is None else str(n) for n in shape) for shape in (chosen.shape, takes)]
        raise RecipeError(
            f"recipe {recipe.name}: the features {chosen.name} are {sizes[0]} numbers, the model {spec.name} takes "
            f"{sizes[1]}; it is made for {spec.features}"
        )


def batches(recipe: Recipe, spec: ModelSpec) -> tuple[Any, Any]:
    """What is done to batches before and after ``fit.restart``."""
    from vocalics.models.logmel_batches import BatchAugmentation
    from vocalics.models.transfer import FrameAugmentation

    kind = BatchAugmentation if spec.features == WAVEFORM else FrameAugmentation
    late = {**recipe.batch, **recipe.late_batch}
    return (
        parse(kind, recipe.batch, f"recipe {recipe.name}: batch"),
        parse(kind, late, f"recipe {recipe.name}: late_batch"),
    )
