"""The page at /docs: the OpenAPI document for readers, in one piece of HTML without scripts.

The web framework's own page loads its scripts from another host; this one works without a network.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from vocalics.web.problems import PROBLEMS

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Vocalics: the server's interface</title><style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
pre { overflow: auto; padding: .75rem; border: 1px solid #8886; border-radius: 6px; font-size: 14px; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .75rem .25rem 0; }
td { border-top: 1px solid #8886; vertical-align: top; } h2 { margin-top: 2.5rem; font-size: 1.15rem; }
</style></head><body><h1>The server's interface</h1>
<p>The same as <a href="/openapi.json">OpenAPI</a>, for machines. Errors are <code>application/problem+json</code>
(RFC 9457); <a href="#problems">their kinds</a> stand below.</p>
"""

_STREAM = """<h2 id="stream">WS /v1/stream</h2>
<p>First a text message with the stream's settings, then binary messages of little-endian samples, each a whole number
of them; a text message ends it.</p>
<pre>→ {"sample_rate": 48000, "format": "pcm16", "channels": 1, "window": 3.0, "hop": 0.5, "max_lag": 1.0,
   "adapt": false, "model": "default", "token": "…"}
← {"type": "ready", "model": "default", "emotions": […], "window": 3.0, "hop": 0.5, "max_lag": 1.0,
   "adapt": false}
→ binary, binary, …
← {"type": "prediction", "start": 0.0, "end": 3.0, "emotion": "happy", "label": "happy", …,
   "shown": {"emotion": "happy", "label": "happy", …}, "skipped": 0}
→ {"type": "end"}
← {"type": "end", "seconds": 4.2, "skipped": 0}, and the close code 1000</pre>
<p>All but <code>sample_rate</code> may be left out; <code>format</code> is pcm16 or float32. Where the server is too
busy for every window, one whose end lies more than <code>max_lag</code> seconds behind the sound is left out when a
later one is there; <code>skipped</code> counts those left out before a prediction, and in all at the end. Without
<code>max_lag</code> none is, and the sender has to wait. With <code>adapt</code> a model that gets used to voices
(<code>gets_used_to_voices</code> in /v1/models) judges each window with what those before it told of the voice. An
error is
<code>{"type": "error", "problem": …, "title": …, "status": …, "detail": …}</code>, where <code>problem</code> is the
type of the problem, and a close code: 1003 another kind of message was expected, 1007 bad
data, 1008 token, another site's page or too many streams, 1009 too large, 1011 ours; 1001 where the server stops.</p>
"""


def page(document: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    parts = [_HEAD]
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            parts.append(_operation(path, method, about))
    parts.append(_STREAM)
    rows = "".join(
        f'<tr id="{kind}"><td><code>{kind}</code></td><td>{status}</td><td>{escape(title)}</td></tr>'
        for kind, (status, title) in PROBLEMS.items()
    )
    parts.append(f'<h2 id="problems">Problems</h2><table><tr><th>kind<th>status<th>means</tr>{rows}</table>')
    return "".join(parts) + "</body></html>\n"


def _operation(path: str, method: str, about: dict[str, Any]) -> str:
    parts = [
        f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(about.get('description', about.get('summary', '')))}</p>"
    ]
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in about.get("parameters", [])
    )
    if rows:
        parts.append(f"<table>{rows}</table>")
    if "requestBody" in about:
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in about["requestBody"]["content"])
        parts.append(f"<p>Body: {kinds}.</p>")
        parts.append(
            f"<pre>curl --data-binary @speech.wav -H 'Content-Type: audio/wav' http://127.0.0.1:8000{path}</pre>"
        )
    for status, answer in about.get("responses", {}).items():
        for content in answer.get("content", {}).values():
            if status == "200" and "example" in content:
                text = json.dumps(content["example"], indent=1, ensure_ascii=False)
                parts.append(f"<pre>{escape(text)}</pre>")
    return "".join(parts)
