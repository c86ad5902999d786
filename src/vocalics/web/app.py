"""The routes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import vocalics
from vocalics import confidence
from vocalics.recognizer import Recognizer
from vocalics.web import docs_page, logs, metrics, origins, problems, schemas, stream, tokens
from vocalics.web import service as uploads
from vocalics.web.bodies import CLOSE
from vocalics.web.middleware import Requests
from vocalics.web.problems import Problem
from vocalics.web.service import Service
from vocalics.web.settings import Settings

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Content security of the page: nothing comes from, or goes to, another host."""

_bearer = HTTPBearer(auto_error=False, description="Needed where the server was started with tokens.")

ModelName = Annotated[str | None, Query(description="One of those at /v1/models.", examples=["default"])]
Seconds = Annotated[float | None, Query(gt=0, allow_inf_nan=False, description="Seconds; the model's own if left out.")]


def create_app(settings: Settings, models: Mapping[str, Recognizer]) -> FastAPI:
    """Return the application; ``app.state.service`` is its :class:`Service`.

    Args:
        settings: How it works.
        models: What it serves, by name.

    Raises:
        VocalicsError: When there is no model.
    """
    service = Service(settings, models)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        # A thread that an end need not wait for.
        threading.Thread(target=_warmed, args=(service,), daemon=True).start()
        yield
        service.close()

    app = FastAPI(
        title="Vocalics",
        version=vocalics.__version__,
        description="Speech emotion recognition. What is heard is expression; it can be wrong.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(Requests, service=service)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.include_router(_versioned(service))
    app.include_router(_probes(service))
    app.add_api_websocket_route("/v1/stream", partial(_stream, service), name="stream")
    _add_page(app, settings)
    return app


async def _stream(service: Service, websocket: WebSocket) -> None:
    await stream.serve(websocket, service)


def _warmed(service: Service) -> None:
    try:
        service.warm_up()
    except Exception as error:  # told, and the server stays not ready: a thread's exception would be lost
        logs.failure("warm-up failed", error)


def _versioned(service: Service) -> APIRouter:
    guards = [Depends(_authorised(service)), Depends(_admitted(service)), Depends(_known_parameters)]
    router = APIRouter(prefix="/v1", dependencies=guards, responses=schemas.answers(401, 403, 422, 503))
    limits = service.limits
    refusals = schemas.answers(400, 408, 413, 415, 429)

    @router.post(
        "/predict",
        response_model=schemas.Predictions,
        responses={
            **refusals,
            200: {"content": {"application/json": {"example": {"predictions": [schemas.PREDICTION]}}}},
        },
        openapi_extra=schemas.upload(several=True),
    )
    async def predict(
        request: Request,
        model: ModelName = None,
        coverage: Annotated[
            float | None,
            Query(
                gt=0,
                lt=1,
                allow_inf_nan=False,
                description="How often the candidates are to hold the true emotion; one of the model's coverages.",
            ),
        ] = None,
    ) -> Response:
        """Judge one file, or every file of a form, each as a whole."""
        recognizer = service.recognizer(model)
        if coverage is not None and confidence.chosen(recognizer.card.conformal, coverage) is None:
            known = ", ".join(recognizer.card.conformal) or "none"
            detail = f"coverage is {coverage:g}; the model {model or service.default} knows: {known}"
            raise Problem("invalid-parameter", detail)
        judged = partial(uploads.predictions, recognizer, coverage, limits)
        return Response(await service.answer(request, judged), media_type="application/json")

    @router.post(
        "/timeline",
        response_model=schemas.Timeline,
        responses=refusals,
        openapi_extra=schemas.upload(several=False),
    )
    async def timeline(
        request: Request,
        model: ModelName = None,
        window: Seconds = None,
        hop: Seconds = None,
        mix: Annotated[bool, Query(description="Judge the mean of all channels, not each by itself.")] = False,
        adapt: Annotated[bool, Query(description="Get used to the voice of each channel: one person each.")] = False,
    ) -> Response:
        """Judge a long recording by its segments and by windows."""
        recognizer = service.recognizer(model)
        service.check_windows(recognizer, window, hop)
        if adapt and not recognizer.model.voice_width:
            detail = (
                f"adapt is true; the model {model or service.default} gets used to no voice (/v1/models says which do)"
            )
            raise Problem("invalid-parameter", detail)
        judged = partial(uploads.timeline, recognizer, window, hop, mix, adapt, limits)
        return Response(await service.answer(request, judged), media_type="application/json")

    @router.get("/models", response_model=schemas.Models)
    async def models() -> Response:
        """List the models that are served, in short."""
        return JSONResponse({"models": [_summary(service, name) for name in service.models]})

    @router.get("/models/{name}", responses=schemas.answers(404))
    async def model_card(name: str) -> Response:
        """Show all that is known about one model: its card."""
        if name not in service.models:
            raise Problem("not-found", f"no model {name[:100]!r} is served; expected {', '.join(service.models)}")
        return JSONResponse(_card(service.models[name]))

    return router


def _known_parameters(request: Request) -> None:
    """Refuse what an address names and nothing takes: a misspelt option would be without effect."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    if unknown := [key[:40] for key in request.query_params if key not in known]:
        expected = f"expected {', '.join(known)}" if known else "this address takes none"
        raise Problem("invalid-parameter", f"{', '.join(unknown[:5])}: no parameter of {request.url.path}; {expected}")


def _probes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "alive"}

    @router.get("/readyz", responses=schemas.answers(503))
    async def readiness() -> dict[str, str]:
        """Whether requests are taken: not yet at the start, no longer before the end."""
        if service.draining.is_set():
            raise Problem("draining", "the server is about to stop; ask another one")
        if not service.ready:
            raise Problem("starting", "the models were not run yet; try again")
        return {"status": "ready"}

    @router.get("/metrics", dependencies=[Depends(_authorised(service))], responses=schemas.answers(401, 403))
    async def metrics_text() -> Response:
        """Counters as Prometheus reads them."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router


def _add_page(app: FastAPI, settings: Settings) -> None:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    index = settings.static / "index.html"

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        if not index.is_file():
            raise Problem("not-found", "this server comes without its page; /docs says what else it does")
        return FileResponse(index, headers=headers)

    @app.get("/docs", include_in_schema=False)
    async def reference() -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(docs_page.page(app.openapi()), headers={"Content-Security-Policy": policy})

    if settings.static.is_dir():
        app.mount("/static", StaticFiles(directory=settings.static), name="static")


def _authorised(service: Service) -> Any:
    """What lets in those who hold a token, and where there are none everybody but other sites' pages."""
    known = service.settings.tokens

    async def check(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
    ) -> None:
        if not known:
            origins.check(request.headers)
            return
        request.state.owner = tokens.owner(known, given.credentials) if given else None
        if request.state.owner is None:
            what = "the token is not one of ours" if given else "there is no token"
            raise Problem(
                "unauthorized",
                f"{what}; expected the header Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer", **CLOSE},
            )

    return check


def _admitted(service: Service) -> Any:
    """What sends away those who come while the server stops."""

    async def check() -> None:
        if service.draining.is_set():
            raise Problem("draining", "the server is about to stop; ask another one", headers=CLOSE)

    return check


def _summary(service: Service, name: str) -> dict[str, Any]:
    recognizer = service.models[name]
    card = recognizer.card
    return {
        "name": name,
        "default": name == service.default,
        "description": card.description,
        "emotions": list(card.emotions),
        "sample_rate": card.sample_rate,
        "window_seconds": card.window_seconds,
        "hop_seconds": card.hop_seconds,
        "n_parameters": card.n_parameters,
        "commercial": card.commercial,
        "licence": card.licence,
        "coverages": sorted(map(float, card.conformal)),
        "tells_strangeness": recognizer.model.tells_strangeness,
        "gets_used_to_voices": recognizer.model.voice_width > 0,
        "sha256": recognizer.model.sha256,
    }


def _card(recognizer: Recognizer) -> dict[str, Any]:
    return {**json.loads(recognizer.card.to_json()), "sha256": recognizer.model.sha256}


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()]
    return Problem("invalid-parameter", "; ".join(faults)[:1000]).response()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problems.of_status(error.status_code, str(error.detail), error.headers)
