"""Calls: who spoke, how it sounded, what was said, and how it went; one call, and many in a database.

:func:`~vocalics.calls.analysis.analyse` makes a :class:`~vocalics.calls.call.Call` of a recording, and
:class:`~vocalics.calls.storage.Storage` keeps calls and answers questions about them.
"""
