"""HTTP and WebSocket around recognizers: ``vocalics serve``.

    bodies, sound      what comes in: bytes of files, bounded while they are read and decoded
    judging            the model's work, off the event loop: one queue for uploads and streams
    service            what a running server knows; an upload from its admission to its answer
    stream_start, stream
                       a WebSocket that takes sound and answers with predictions
    app, server        the routes; the process and its end

Nothing of a sound is written to a disk or a log.
"""
