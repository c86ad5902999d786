"""The card of a run's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import vocalics
from vocalics import encoders
from vocalics.corpora import corpora, corpus
from vocalics.dataset import Data, short
from vocalics.features.feature_set import FeatureSet, encoded_front_end
from vocalics.manifest import Utterance
from vocalics.modelfile import Card
from vocalics.models import model_spec
from vocalics.recipe import Recipe


def card(recipe: Recipe, data: Data, **values: Any) -> Card:
    """Return the card of a run's model, but for what only its export knows."""
    trained = [data.manifest[i] for i in (*data.train, *data.validation)]
    held_out = f"; apart: {', '.join(map(short, data.tests))}" if data.tests else ""
    rows = tuple(_corpus_row(name, trained, data.notes) for name in sorted({u.corpus for u in trained}))
    unheard = data.never_heard()
    said = "chose the epoch" if recipe.fit.keep == "best" else "watched the training, the last epoch was kept"
    if recipe.members:
        said = "gave its members their weights"
    elif not model_spec(recipe.model).neural:
        said = "watched" if data.validation else ""
    by_temperature = recipe.members or model_spec(recipe.model).neural
    if (recipe.fit.calibrate or recipe.members) and data.validation:
        said += ", the temperature is theirs" if by_temperature else ", the sets of candidates are theirs"
    share = f"{_counted(data, data.validation)} apart {said}" if data.validation else "none apart"
    return Card(
        name=recipe.name,
        description=recipe.description,
        emotions=data.emotions,
        excluded=data.excluded,
        corpora=rows,
        commercial=all(row["commercial"] for row in rows),
        licence="Apache-2.0 for the weights as software; the corpora's licences bind their use" + _forbidden(rows),
        protocol=f"{_counted(data, data.train, 'training ')}, {share}{held_out}",
        seed=recipe.seed,
        preprocess=recipe.preprocess,
        intended_use=recipe.intended_use,
        limits=f"{recipe.limits} Never heard in training: {', '.join(unheard)}.".strip() if unheard else recipe.limits,
        training_speakers=data.speakers(data.train),
        validation_speakers=data.speakers(data.validation),
        recipe=recipe.as_dict(),
        created=datetime.now(UTC).date().isoformat(),
        vocalics_version=vocalics.__version__,
        **values,
    )


def _counted(data: Data, positions: Sequence[int], what: str = "") -> str:
    """Speakers, and clips of nobody known: "9 training speakers", "9 speakers and 4 clips of unknown speakers"."""
    n, n_nameless = len(data.speakers(positions)), sum(not data.manifest[i].speaker for i in positions)
    speakers = f"{n} {what}speakers" if n or not n_nameless else ""
    clips = f"{n_nameless} {'' if speakers else what}clips of unknown speakers" if n_nameless else ""
    return " and ".join(filter(None, (speakers, clips)))


def feature_card(recipe: Recipe, data: Data, chosen: Any, n_features: int | None, n_parameters: int) -> Card:
    return card(
        recipe,
        data,
        input="features",
        sample_rate=chosen.sample_rate,
        feature_set=chosen.card_name or chosen.name,
        front_end=_encoder_of(chosen) if chosen.source else {},
        n_features=n_features,
        n_parameters=n_parameters,
    )


def _encoder_of(chosen: FeatureSet) -> dict[str, Any]:
    """What a card says of the encoder that a model's features come from."""
    folder = encoders.find(encoded_front_end(chosen.name).name)
    return {"encoder": chosen.source, "weights": encoders.identity(folder)}


def _forbidden(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a licence says of corpora that do not allow commercial use, or of which that is not known."""
    forbidden = ", and some of them forbid commercial use" if any(row["commercial"] is False for row in rows) else ""
    unknown = [row["name"] for row in rows if row["commercial"] is None]
    return forbidden + (f"; what {', '.join(unknown)} allows is for its owner to say" if unknown else "")


def _corpus_row(name: str, trained: Sequence[Utterance], notes: Mapping[str, str]) -> dict[str, Any]:
    own = [u for u in trained if u.corpus == name]
    known = corpus(name) if name in corpora() else None
    return {
        "name": name,
        "licence": known.licence if known else "the user's own",
        # Of a corpus of the user's own nobody has said what it allows.
        "commercial": known.commercial if known else None,
        "clips": len(own),
        "speakers": len({u.speaker for u in own} - {""}),
        **({"note": notes[name]} if name in notes else {}),
    }
