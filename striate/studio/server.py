"""The studio's web server: one page, one model, this machine only."""

import asyncio
import mimetypes
import os
import re
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from striate.errors import ArgumentError, LimitError, StriateError
from striate.explain.sums import unfold
from striate.models import Model
from striate.studio.guard import Guard
from striate.studio.messages import (
    MAX_MESSAGE_BYTES,
    encode_error,
    encode_maps,
    encode_network,
    encode_origins,
    encode_trace,
    encode_uses,
    maps_of,
    parse_drawing,
)
from striate.studio.network import KEY, Network, Trace, encode_frame
from striate.studio.uploads import Uploads

Endpoint = Callable[[Request], Awaitable[Response]]

#: Terms of one sum that a page gets, the largest; and numbers that were computed from one.
MOST_TERMS, MOST_USES = 4096, 24
INTEGERS = re.compile("([0-9]{1,9}(,[0-9]{1,9}){0,7})?")
STATIC = Path(__file__).with_name("static")

# Windows may have another type for .js in its registry, and a browser then refuses our modules.
mimetypes.add_type("text/javascript", ".js")


def create_app(model: Model, *, memory: int | None = None) -> Starlette:
    """Return the studio for one model, as an ASGI application.

    A model with preprocessing for drawings gets paper to draw on; any other network gets pictures. ``memory``: see
    `Network`.

    Raises:
        ModelError: the model cannot take pictures, or its classes do not fit its outputs.
        ArgumentError: ``memory`` is too little for one picture.
    """
    network = Network(model, memory)
    # Compiling a network takes seconds; meanwhile the page opens, and the user looks for a picture.
    threading.Thread(target=network.warm_up, daemon=True).start()
    return Starlette(
        routes=[
            Route("/", _page(network)),
            Mount("/api", routes=[*_input_routes(network), WebSocketRoute("/draw", _draw(network))]),
            Mount("/", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={StriateError: _refuse, HTTPException: _refuse},
    )


def _page(network: Network) -> Endpoint:
    async def page(_: Request) -> Response:
        return FileResponse(STATIC / ("index.html" if network.draws else "photographs.html"))

    return page


def _draw(network: Network) -> Callable[[WebSocket], Awaitable[None]]:
    async def draw(websocket: WebSocket) -> None:
        await websocket.accept()
        newest: asyncio.Queue[str | bytes] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(_answer_newest(network, websocket, newest))
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                if newest.full():  # the pen is faster than the engine: that drawing is out of date
                    newest.get_nowait()
                newest.put_nowait(message.get("text") or message.get("bytes") or "")
            answering.cancel()

    return draw


def _input_routes(network: Network) -> list[BaseRoute]:
    uploads = Uploads(network.channels, lambda image: encode_trace(network.look(image)))

    def recall(request: Request) -> Trace:
        key = request.path_params["key"]
        trace = network.recall(key)
        if trace is None:
            known = KEY.fullmatch(key)  # it may have been kept once, or never existed
            raise HTTPException(410 if known else 404, "input: it is not kept any more. Open or draw it again.")
        return trace

    async def describe(_: Request) -> Response:
        return JSONResponse(encode_network(network))

    async def look(request: Request) -> Response:
        return _binary(await uploads.answer(request))

    async def answer(request: Request) -> Response:
        return _binary(encode_trace(recall(request)))

    async def frame(request: Request) -> Response:
        pixels = recall(request).frame
        if pixels is None:
            raise HTTPException(404, "input: it is a drawing, not a picture.")
        return Response(await asyncio.to_thread(encode_frame, pixels), media_type="image/png")

    async def maps(request: Request) -> Response:
        trace, layer = recall(request), request.path_params["layer"]
        first, count = _integer(request, "first"), _integer(request, "count")
        return _binary(await asyncio.to_thread(lambda: encode_maps(maps_of(network, trace, layer, first, count))))

    async def number(request: Request) -> Response:
        trace, place, index, of = recall(request), *_spot(request)
        return JSONResponse(
            await asyncio.to_thread(
                lambda: encode_origins(unfold(network.numbers(trace, of), place, index), MOST_TERMS)
            )
        )

    async def uses(request: Request) -> Response:
        trace, place, index, of = recall(request), *_spot(request)
        return JSONResponse(
            await asyncio.to_thread(lambda: encode_uses(network.numbers(trace, of).uses(place, index), MOST_USES))
        )

    return [
        Route("/network", describe),
        Route("/inputs/", look, methods=["POST"]),
        Route("/inputs/{key}", answer),
        Route("/inputs/{key}/frame.png", frame),
        Route("/inputs/{key}/layers/{layer:int}", maps),
        Route("/inputs/{key}/number", number),
        Route("/inputs/{key}/uses", uses),
    ]


def _spot(request: Request) -> tuple[str, tuple[int, ...], tuple[int, ...] | None]:
    """A number's place and index in a recording, and which number of the output gradients are of, if any."""
    of = _integers(request, "of") if "of" in request.query_params else None
    return request.query_params.get("place", ""), _integers(request, "index"), of


def _integers(request: Request, name: str) -> tuple[int, ...]:
    text = request.query_params.get(name, "")
    if not INTEGERS.fullmatch(text):
        raise ArgumentError(f"number: expected {name} as integers, such as 0,5,3, got {text[:20]!r}.")
    return tuple(map(int, text.split(","))) if text else ()


def _integer(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ArgumentError(f"maps: expected {name} as an integer, got {text[:20]!r}.")
    return int(text)


def _binary(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream")


async def _answer_newest(network: Network, websocket: WebSocket, newest: asyncio.Queue[str | bytes]) -> None:
    with suppress(WebSocketDisconnect):  # the page may close while its answer is computed
        while True:
            message = await newest.get()
            try:
                await websocket.send_bytes(await asyncio.to_thread(_answer_drawing, network, message))
            except StriateError as error:
                await websocket.send_json(encode_error(error))


def _answer_drawing(network: Network, message: str | bytes) -> bytes:
    drawing = parse_drawing(message)
    trace = network.draw(drawing.strokes, drawing.width)
    return encode_trace(trace, [maps_of(network, trace, *window) for window in drawing.maps], drawing=drawing.id)


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
    return JSONResponse(encode_error(error), status_code=413 if isinstance(error, LimitError) else 400)


def serve(model: Model, *, port: int = 0, open_browser: bool = True, memory: int | None = None) -> None:
    """Serve the studio on 127.0.0.1 until Ctrl-C.

    ``model`` recognises drawings or photographs. ``port`` 0 (default) takes a free one; the address is printed.
    ``open_browser`` opens the page, if there is a browser and a screen. ``memory``: see `create_app`.

    Raises ModelError and ArgumentError as `create_app` does; ArgumentError if the port is not available.
    """
    app = create_app(model, memory=memory)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ArgumentError(f"studio: cannot listen on port {port} ({error}). Use port 0 for any free one.") from None
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    print(f"Striate studio: {url} (Ctrl-C ends it)", flush=True)
    if open_browser:
        _open_browser(url)
    with suppress(KeyboardInterrupt):  # uvicorn shuts down in good order, then raises it again
        uvicorn.Server(server_config(app)).run(sockets=[listener])


def server_config(app: Starlette) -> uvicorn.Config:
    """Return the settings of a server for one person on this machine."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        # Above our own limit, so that a drawing slightly too large gets a message and not a closed connection.
        ws_max_size=4 * MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # the other end is on this machine
        timeout_graceful_shutdown=1,
    )


def _open_browser(url: str) -> None:
    has_screen = sys.platform in ("win32", "darwin") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    try:
        webbrowser.get()
    except webbrowser.Error:
        return
    if has_screen:
        # In a separate process, because browsers write to the terminal, and some do not return until they are closed.
        command = [sys.executable, "-m", "webbrowser", url]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
