"""The page as a folder of files that needs no server of ours: the model runs in the browser, by onnxruntime-web.

Nothing of a voice leaves the browser. The runtime comes from its npm package, of one pinned version, and of it only
what one thread needs: no header has to be set where the folder is served.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vocalics.errors import ModelFileError, VocalicsError

VERSION = "1.30.0"
"""Of onnxruntime-web."""

INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the version's tarball, as the registry and lock files spell it."""

TARBALL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"

RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""The files of the package that the page uses; despite its name the second one runs on a single thread, too."""

STATIC = Path(__file__).parent / "static"

_PLACE = "onnxruntime-web"
_LICENCE = """ONNX Runtime Web is under the MIT License. Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def build(output: Path, models: Sequence[str], runtime: Path | None = None) -> dict[str, int]:
    """Write the folder; return its files with their sizes in bytes.

    A folder that was written before is written anew.

    Args:
        output: The folder; it is made where it is missing.
        models: Names of bundled models, or model files; the page begins with the first one.
        runtime: An unpacked npm package onnxruntime-web; ``None`` fetches the pinned one.

    Raises:
        ModelFileError: For a model that cannot be used, or that a browser cannot run.
        VocalicsError: When the runtime cannot be had, or the folder holds something else.
    """
    _refuse_foreign(output)
    bundled = [_bundled(name) for name in models]
    names = [entry["name"] for entry, _ in bundled]
    if len(set(names)) < len(names):
        raise VocalicsError(f"two models have one name ({', '.join(names)}); expected every model once")
    files = unpacked(runtime) if runtime is not None else fetched()

    for made in (output / "static", output / "models", output / _PLACE):
        shutil.rmtree(made, ignore_errors=True)
    # The mark first: a folder in which writing was interrupted is ours as well.
    config = output / "static" / "config.js"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_config([entry for entry, _ in bundled]), encoding="utf-8")
    shutil.copytree(
        STATIC, output / "static", ignore=shutil.ignore_patterns("index.html", "config.js"), dirs_exist_ok=True
    )
    shutil.copyfile(STATIC / "index.html", output / "index.html")
    written = {f"{_PLACE}/{name}": data for name, data in files.items()}
    written[f"{_PLACE}/LICENSE.txt"] = _LICENCE.encode()
    written |= {entry["file"]: data for entry, data in bundled}
    for name, data in written.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_bytes(data)
    return {str(path.relative_to(output)): path.stat().st_size for path in sorted(output.rglob("*")) if path.is_file()}


def unpacked(folder: Path) -> dict[str, bytes]:
    """Return the runtime's files from an unpacked package.

    Raises:
        VocalicsError: When they are not there.
    """
    for place in (folder / "dist", folder / "package" / "dist", folder):
        if all((place / name).is_file() for name in RUNTIME):
            return {name: (place / name).read_bytes() for name in RUNTIME}
    raise VocalicsError(
        f"{folder}: holds no dist/{RUNTIME[0]} and dist/{RUNTIME[1]}; expected the npm package onnxruntime-web "
        f"{VERSION}, unpacked (npm pack onnxruntime-web@{VERSION})"
    )


def fetched(address: str = TARBALL) -> dict[str, bytes]:
    """Return the runtime's files from the registry, checked by the tarball's hash.

    Raises:
        VocalicsError: When the registry cannot be reached, or what it sends is something else.
    """
    advice = f"on a machine with network: npm pack onnxruntime-web@{VERSION}; unpack it; --onnxruntime-web FOLDER"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            data = answer.read()
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        raise VocalicsError(f"{address}: cannot be fetched ({reason}); {advice}") from None
    found = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != INTEGRITY:
        raise VocalicsError(f"{address}: is not what was published (its hash is {found}); nothing was used; {advice}")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {name: tar.extractfile(f"package/dist/{name}").read() for name in RUNTIME}  # type: ignore[union-attr]


def _bundled(name: str) -> tuple[dict[str, Any], bytes]:
    """What the page is told of a model, and the model's file."""
    from vocalics import modelfile
    from vocalics.named_models import model_path

    path = model_path(name)
    loaded = modelfile.load(path)
    card = loaded.card
    if card.input != "waveform":
        raise ModelFileError(
            f"the model {card.name} takes the features {card.feature_set}, which a browser does not compute; expected "
            "one that takes sound, as default and open do"
        )
    if card.preprocess:
        steps = ", ".join(str(step.get("name")) for step in card.preprocess)
        raise ModelFileError(f"the model {card.name} has its sound prepared ({steps}), which the page does not do")
    if loaded.is_thin:
        raise ModelFileError(f"the model {card.name} lacks weights of its encoder; vocalics models join puts them back")
    told = {**json.loads(card.to_json()), "sha256": loaded.sha256}
    entry = {
        "name": card.name,
        "file": f"models/{path.stem}-{loaded.sha256[:12]}.onnx",
        "card": told,
        "voice_width": loaded.voice_width,
    }
    return entry, path.read_bytes()


_MARK = "Written by `vocalics site`."


def _is_ours(config: Path) -> bool:
    """Whether a page's configuration is one that was written here: what stands beside it is replaced."""
    return config.is_file() and _MARK in config.read_text(encoding="utf-8", errors="replace")


def _config(models: Sequence[Mapping[str, Any]]) -> str:
    told = {"engine": "local", "api": "", "runtime": f"{_PLACE}/", "models": models}
    return (
        f"/** Who judges: the browser. {_MARK} */\n\n"
        f"export const config = {json.dumps(told, ensure_ascii=True, indent=1)};\n"
    )


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise VocalicsError(f"{output}: is a file; expected a folder, or the name of a new one")
    if output.is_dir() and any(output.iterdir()) and not _is_ours(output / "static" / "config.js"):
        raise VocalicsError(f"{output}: holds other files; expected an empty folder, or one that was written before")
