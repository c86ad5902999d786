"""What the OpenAPI document says of bodies and answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from vocalics.web import problems

PREDICTION: dict[str, Any] = {
    "path": "speech.wav",
    "start": 0.0,
    "end": 2.4,
    "emotion": "happy",
    "label": "happy",
    "confidence": 0.71,
    "probabilities": {"neutral": 0.12, "happy": 0.71, "sad": 0.05, "angry": 0.12},
    "model": "default",
    "candidates": ["happy"],
    "strangeness": 0.42,
}


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    limit: float | None = Field(default=None, description="The limit that was exceeded.")
    unit: str | None = Field(default=None, description="Of the limit.")


class Prediction(BaseModel):
    """What a model says about a stretch of sound; of one file among several that is no sound, path and error only."""

    path: str = Field(description='The file\'s name, "-" where it has none.')
    start: float | None = Field(default=None, description="Seconds.")
    end: float | None = Field(default=None, description="Seconds.")
    emotion: str | None = Field(default=None, description="Null where none is named.")
    label: str | None = Field(default=None, description='The emotion, or "no speech", "unsure" or "unfamiliar".')
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    model: str | None = None
    candidates: list[str] | None = None
    strangeness: float | None = None
    error: ProblemDetails | None = None


class Predictions(BaseModel):
    """One for every file, in their order."""

    predictions: list[Prediction]

    model_config = {"json_schema_extra": {"examples": [{"predictions": [PREDICTION]}]}}


class Timeline(BaseModel):
    """A recording by segments and windows."""

    model_config = {"extra": "allow"}


class ModelSummary(BaseModel):
    """A model's card in short."""

    name: str
    default: bool
    description: str
    emotions: list[str]
    sample_rate: int
    window_seconds: float
    hop_seconds: float
    n_parameters: int
    commercial: bool
    licence: str
    coverages: list[float] = Field(description="What the parameter coverage may be.")
    tells_strangeness: bool
    gets_used_to_voices: bool = Field(description="Whether a stream or a timeline may ask for adapt.")
    sha256: str


class Models(BaseModel):
    """All that are served."""

    models: list[ModelSummary]


def upload(several: bool) -> dict[str, Any]:
    """Return the OpenAPI of a body that holds one file, or several where a form may."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    part = {"type": "string", "format": "binary"}
    file: dict[str, Any] = {"type": "array", "items": part, "minItems": 1} if several else part
    form = {"schema": {"type": "object", "properties": {"file": file}, "required": ["file"]}}
    content = {"application/octet-stream": binary, "audio/wav": binary, "multipart/form-data": form}
    return {"requestBody": {"required": True, "content": content, "description": "Any audio/* type is taken."}}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI of the problems with some statuses."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        known = [(kind, title) for kind, (number, title) in problems.PROBLEMS.items() if number == status]
        kind, title = known[0]
        example = {"type": f"/docs#{kind}", "title": title, "status": status, "detail": "..."}
        schema = {"$ref": "#/components/schemas/ProblemDetails"}
        found[status] = {
            "description": "; ".join(title for _, title in known),
            "content": {problems.MEDIA_TYPE: {"schema": schema, "example": example}},
        }
    return found
