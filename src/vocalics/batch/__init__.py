"""Many recordings: predictions, timelines or features of each, into Parquet, on all cores or a Ray cluster.

:func:`run` divides its sources into blocks, hands them to an engine and returns what became of them. Every input ends
up in the ledger exactly once, whatever is killed in between; see :mod:`vocalics.batch.store` for how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocalics.batch.job import Job
    from vocalics.batch.running import Summary, run
    from vocalics.batch.tally import Status

__all__ = ["Job", "Status", "Summary", "run"]


def __getattr__(name: str) -> Any:
    # Imported when used: a worker process needs none of what divides and supervises.
    if name in __all__:
        from vocalics.batch import job, running, tally

        return getattr({"Job": job, "Status": tally}.get(name, running), name)
    raise AttributeError(f"module 'vocalics.batch' has no attribute '{name}'")
