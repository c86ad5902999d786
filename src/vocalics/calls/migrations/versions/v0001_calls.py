"""The first tables: calls, parties, turns, moments, keywords, topics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("analysed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("emotions", sa.JSON(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("n_turns", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Double(), nullable=False),
        sa.Column("silence", sa.Double(), nullable=False),
        sa.Column("longest_silence", sa.Double(), nullable=False),
        sa.Column("n_interruptions", sa.Integer(), nullable=False),
        sa.Column("transcript_by", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("pseudonymised", sa.Boolean(), nullable=False),
        sa.Column("kept", sa.String(length=8), nullable=False),
        sa.Column("audio", sa.Text(), nullable=True),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint("digest", name="uq_calls_digest"),
    )
    op.create_index("ix_calls_agent", "calls", ["agent"])
    op.create_index("ix_calls_customer", "calls", ["customer"])
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_table(
        "topics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("coherence", sa.Double(), nullable=False),
        sa.Column("n_calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topics"),
        sa.UniqueConstraint("number", name="uq_topics_number"),
    )
    op.create_table(
        "call_topics",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("topic_id", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_call_topics_call_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name="fk_call_topics_topic_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "topic_id", name="pk_call_topics"),
    )
    op.create_index("ix_call_topics_topic_id", "call_topics", ["topic_id"])
    op.create_table(
        "parties",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("speech_seconds", sa.Double(), nullable=False),
        sa.Column("talk_share", sa.Double(), nullable=False),
        sa.Column("n_turns", sa.Integer(), nullable=False),
        sa.Column("n_interruptions", sa.Integer(), nullable=False),
        sa.Column("pace", sa.Double(), nullable=True),
        sa.Column("trend", sa.String(length=16), nullable=False),
        sa.Column("n_course_turns", sa.Integer(), nullable=False),
        sa.Column("anger_beginning", sa.Double(), nullable=True),
        sa.Column("anger_ending", sa.Double(), nullable=True),
        sa.Column("anger_change", sa.Double(), nullable=True),
        sa.Column("anger_low", sa.Double(), nullable=True),
        sa.Column("anger_high", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_parties_call_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_parties"),
    )
    op.create_index("ix_parties_role_trend_anger_change", "parties", ["role", "trend", "anger_change"])
    op.create_index("uq_parties_call_id_role", "parties", ["call_id", "role"], unique=True)
    op.create_table(
        "moments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("party_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=False),
        sa.Column("strength", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_moments_call_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["party_id"], ["parties.id"], name="fk_moments_party_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_moments"),
    )
    op.create_index("ix_moments_call_id", "moments", ["call_id"])
    op.create_index("ix_moments_kind_strength", "moments", ["kind", "strength"])
    op.create_index("ix_moments_party_id", "moments", ["party_id"])
    op.create_table(
        "party_emotions",
        sa.Column("party_id", sa.Integer(), nullable=False),
        sa.Column("emotion", sa.String(length=16), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["parties.id"], name="fk_party_emotions_party_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("party_id", "emotion", name="pk_party_emotions"),
    )
    op.create_index("ix_party_emotions_emotion_probability", "party_emotions", ["emotion", "probability"])
    op.create_table(
        "tracks",
        sa.Column("party_id", sa.Integer(), nullable=False),
        sa.Column("windows", sa.JSON(), nullable=False),
        sa.Column("levels", sa.JSON(), nullable=False),
        sa.Column("level_step", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["parties.id"], name="fk_tracks_party_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("party_id", name="pk_tracks"),
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("party_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=False),
        sa.Column("speech_seconds", sa.Double(), nullable=False),
        sa.Column("emotion", sa.String(length=16), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        sa.Column("anger", sa.Double(), nullable=False),
        sa.Column("level_db", sa.Double(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("pace", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_turns_call_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["party_id"], ["parties.id"], name="fk_turns_party_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
    )
    op.create_index("ix_turns_emotion", "turns", ["emotion"])
    op.create_index("ix_turns_party_id_anger", "turns", ["party_id", "anger"])
    op.create_index("uq_turns_call_id_number", "turns", ["call_id", "number"], unique=True)
    op.create_table(
        "keywords",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("turn_id", sa.Integer(), nullable=True),
        sa.Column("term", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_keywords_call_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_keywords_turn_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_keywords"),
    )
    op.create_index("ix_keywords_call_id", "keywords", ["call_id"])
    op.create_index("ix_keywords_term", "keywords", ["term"])
    op.create_index("ix_keywords_turn_id", "keywords", ["turn_id"])


def downgrade() -> None:
    """Take the tables back to the version before."""
    op.drop_table("keywords")
    op.drop_table("turns")
    op.drop_table("tracks")
    op.drop_table("party_emotions")
    op.drop_table("moments")
    op.drop_table("parties")
    op.drop_table("call_topics")
    op.drop_table("topics")
    op.drop_table("calls")
