"""Features of a clip, each a function on :class:`vocalics.audio.Clip`, and named sets of them.

``spectral``, ``chroma``, ``tonnetz`` and ``prosody`` hold the functions; ``feature_set`` the named sets; ``logmel`` the
front end of the default net; ``cache`` the extraction of whole manifests.
"""
