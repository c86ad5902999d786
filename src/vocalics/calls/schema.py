"""The tables that calls are kept in; the same on SQLite and PostgreSQL.

    calls ─┬─ parties ─┬─ party_emotions
           │           └─ tracks          windows and levels, for drawing only
           ├─ turns
           ├─ keywords
           ├─ moments
           └─ call_topics ── topics       of the last fit over all calls that have a transcript

All that belongs to a call goes with it. Times are seconds from a recording's beginning, ``started_at`` is UTC. The
migrations in ``migrations`` make these tables; a test holds one against the other.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

LONGEST_NAME = 200
"""Characters of an agent, a customer, a keyword."""


class Written(TypeDecorator[str]):
    """Text as any database takes it: no NUL, and what is no Unicode (half a surrogate pair) escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text that is kept."""
        return None if value is None else written(value)


class Instant(TypeDecorator[datetime]):
    """A time in UTC, aware on the way in and out; SQLite keeps none of a time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def written(text: str) -> str:
    """Return a text as it is kept: see :class:`Written`.

    >>> written("a\\x00b \\udcff")
    'ab \\\\udcff'
    """
    return text.replace("\x00", "").encode("utf-8", "backslashreplace").decode("utf-8")


def called(name: str) -> str:
    """Return a person's name as it is kept: composed (NFC), and with single spaces between its words only.

    The same name can be typed in several ways that nobody sees a difference of.

    >>> called("  Zoe\\u0308  Ann\\n") == "Zo\\u00eb Ann"
    True
    """
    return " ".join(unicodedata.normalize("NFC", written(name)).split())


class Base(DeclarativeBase):
    """The root of all tables; every constraint and index has a name that a migration can use."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Written,
        datetime: Instant,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


def _of(table: str, **options: Any) -> Any:
    """A column that points to another table's row, and goes with it."""
    return mapped_column(ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


_PARTS: dict[str, Any] = {"cascade": "all, delete-orphan", "passive_deletes": True}


class CallRow(Base):
    """A call: see :class:`vocalics.calls.call.Call`.

    Attributes:
        text: A transcript without times, which belongs to no turn; only where text is kept.
        kept: What was kept besides figures: "none", "audio", "text" or "all".
        audio: The name of the recording's copy in the storage's folder of audio, or ``None``.
    """

    __tablename__ = "calls"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    path: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(index=True)
    analysed_at: Mapped[datetime]
    duration: Mapped[float]
    sample_rate: Mapped[int]
    model: Mapped[str]
    emotions: Mapped[list[Any]]
    agent: Mapped[str | None] = mapped_column(index=True)
    customer: Mapped[str | None] = mapped_column(index=True)
    n_turns: Mapped[int]
    overlap: Mapped[float]
    silence: Mapped[float]
    longest_silence: Mapped[float]
    n_interruptions: Mapped[int]
    transcript_by: Mapped[str]
    text: Mapped[str | None]
    pseudonymised: Mapped[bool]
    kept: Mapped[str] = mapped_column(String(8))
    audio: Mapped[str | None]
    notes: Mapped[list[Any]]

    parties: Mapped[list[PartyRow]] = relationship(back_populates="call", order_by="PartyRow.id", **_PARTS)
    turns: Mapped[list[TurnRow]] = relationship(back_populates="call", order_by="TurnRow.number", **_PARTS)
    moments: Mapped[list[MomentRow]] = relationship(back_populates="call", order_by="MomentRow.start", **_PARTS)
    keywords: Mapped[list[KeywordRow]] = relationship(back_populates="call", order_by="KeywordRow.id", **_PARTS)
    topics: Mapped[list[CallTopicRow]] = relationship(back_populates="call", **_PARTS)


class PartyRow(Base):
    """One side of a call, with the course of its anger; see :class:`vocalics.calls.call.Party`."""

    __tablename__ = "parties"
    __table_args__ = (
        Index("uq_parties_call_id_role", "call_id", "role", unique=True),
        Index("ix_parties_role_trend_anger_change", "role", "trend", "anger_change"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = _of("calls")
    role: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(32))
    speech_seconds: Mapped[float]
    talk_share: Mapped[float]
    n_turns: Mapped[int]
    n_interruptions: Mapped[int]
    pace: Mapped[float | None]
    trend: Mapped[str] = mapped_column(String(16))
    n_course_turns: Mapped[int]
    anger_beginning: Mapped[float | None]
    anger_ending: Mapped[float | None]
    anger_change: Mapped[float | None]
    anger_low: Mapped[float | None]
    anger_high: Mapped[float | None]

    call: Mapped[CallRow] = relationship(back_populates="parties")
    emotions: Mapped[list[PartyEmotionRow]] = relationship(**_PARTS)
    track: Mapped[TrackRow | None] = relationship(**_PARTS)


class PartyEmotionRow(Base):
    """How much of an emotion a party's speech holds: the mean probability by seconds of speech."""

    __tablename__ = "party_emotions"
    __table_args__ = (Index("ix_party_emotions_emotion_probability", "emotion", "probability"),)

    party_id: Mapped[int] = _of("parties", primary_key=True)
    emotion: Mapped[str] = mapped_column(String(16), primary_key=True)
    probability: Mapped[float]


class TrackRow(Base):
    """A party's channel all along.

    Attributes:
        windows: ``{"start": [...], "end": [...], "probabilities": [[...], ...]}``, in the order of the call's emotions.
        levels: Peaks, full scale 1.
        level_step: Seconds of each.
    """

    __tablename__ = "tracks"

    party_id: Mapped[int] = _of("parties", primary_key=True)
    windows: Mapped[dict[str, Any]]
    levels: Mapped[list[Any]]
    level_step: Mapped[float]


class TurnRow(Base):
    """A turn: see :class:`vocalics.calls.call.Turn`; ``words`` only where text is kept."""

    __tablename__ = "turns"
    __table_args__ = (
        Index("uq_turns_call_id_number", "call_id", "number", unique=True),
        Index("ix_turns_party_id_anger", "party_id", "anger"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = _of("calls")
    party_id: Mapped[int] = _of("parties")
    number: Mapped[int]
    start: Mapped[float]
    end: Mapped[float]
    speech_seconds: Mapped[float]
    emotion: Mapped[str | None] = mapped_column(String(16), index=True)
    confidence: Mapped[float]
    probabilities: Mapped[dict[str, Any]]
    anger: Mapped[float]
    level_db: Mapped[float | None]
    words: Mapped[str | None]
    pace: Mapped[float | None]

    call: Mapped[CallRow] = relationship(back_populates="turns")
    party: Mapped[PartyRow] = relationship()


class MomentRow(Base):
    """A moment: see :class:`vocalics.calls.call.Moment`; ``party_id`` and ``turn`` are ``None`` for silence."""

    __tablename__ = "moments"
    __table_args__ = (Index("ix_moments_kind_strength", "kind", "strength"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = _of("calls", index=True)
    party_id: Mapped[int | None] = _of("parties", index=True)
    kind: Mapped[str] = mapped_column(String(16))
    turn: Mapped[int | None]
    start: Mapped[float]
    end: Mapped[float]
    strength: Mapped[float]
    confidence: Mapped[float]

    call: Mapped[CallRow] = relationship(back_populates="moments")
    party: Mapped[PartyRow | None] = relationship()


class KeywordRow(Base):
    """A term of the user's list in a turn, or in a transcript without times; only where text is kept."""

    __tablename__ = "keywords"

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = _of("calls", index=True)
    turn_id: Mapped[int | None] = _of("turns", index=True)
    term: Mapped[str] = mapped_column(index=True)

    call: Mapped[CallRow] = relationship(back_populates="keywords")
    turn: Mapped[TurnRow | None] = relationship()


class TopicRow(Base):
    """A topic of the last fit over all calls with a transcript.

    Attributes:
        number: Counted from 1, the most frequent first.
        words: Its most probable words, the most probable first.
        coherence: UMass coherence of those words.
        n_calls: Of the fit.
    """

    __tablename__ = "topics"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    words: Mapped[list[Any]]
    coherence: Mapped[float]
    n_calls: Mapped[int]


class CallTopicRow(Base):
    """How much of a call a topic takes, 0 to 1."""

    __tablename__ = "call_topics"

    call_id: Mapped[int] = _of("calls", primary_key=True)
    topic_id: Mapped[int] = _of("topics", primary_key=True, index=True)
    weight: Mapped[float]

    call: Mapped[CallRow] = relationship(back_populates="topics")
    topic: Mapped[TopicRow] = relationship()
