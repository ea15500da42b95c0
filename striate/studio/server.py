"""The studio's web server: one page, one model, this machine only."""

import asyncio
import mimetypes
import os
import socket
import subprocess
import sys
import threading
import webbrowser
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

from striate import models
from striate.data.drawing import Preprocessing, render
from striate.errors import ArgumentError, LimitError, StriateError
from striate.studio.guard import Guard
from striate.studio.messages import (
    MAX_MESSAGE_BYTES,
    encode_answer,
    encode_error,
    encode_maps,
    encode_model,
    encode_sight,
    parse_drawing,
)
from striate.studio.photographs import NAME, Photographs, Sight, encode_frame
from striate.studio.recognition import Model, Recogniser
from striate.studio.uploads import Uploads

STATIC = Path(__file__).with_name("static")

# Windows may have another type for .js in its registry, and a browser then refuses our modules.
mimetypes.add_type("text/javascript", ".js")


def create_app(model: Model, *, memory: int | None = None) -> Starlette:
    """Return the studio for one model, as an ASGI application.

    A model with preprocessing for drawings gets a page to draw on; any other network gets pictures. ``memory``: see
    `Photographs`; drawings are not kept.

    Raises ModelError if the model cannot take pictures, or its classes do not fit its outputs; ArgumentError if
    ``memory`` is too little for one picture.
    """
    if isinstance(model, models.Model) and not isinstance(model.preprocessing, Preprocessing):
        return _app(*_photograph_routes(Photographs(model, memory)))
    return _app(*_drawing_routes(Recogniser(model)))


def _app(*routes: BaseRoute) -> Starlette:
    return Starlette(
        routes=[*routes, Mount("/", StaticFiles(directory=STATIC, html=True))],
        middleware=[Middleware(Guard)],
        exception_handlers={StriateError: _refuse, HTTPException: _refuse},
    )


def _drawing_routes(recogniser: Recogniser) -> list[BaseRoute]:
    uploads = Uploads(1, lambda image: encode_answer(recogniser.recognise(image, ink="auto")))

    async def describe(_: Request) -> Response:
        return JSONResponse(encode_model(recogniser))

    async def picture(request: Request) -> Response:
        return _binary(await uploads.answer(request))

    async def draw(websocket: WebSocket) -> None:
        await websocket.accept()
        newest: asyncio.Queue[str | bytes] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(_answer_newest(recogniser, websocket, newest))
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                if newest.full():  # the pen is faster than the engine: that drawing is out of date
                    newest.get_nowait()
                newest.put_nowait(message.get("text") or message.get("bytes") or "")
            answering.cancel()

    return [
        Mount("/api", routes=[Route("/model", describe), Route("/picture", picture, methods=["POST"])]),
        WebSocketRoute("/draw", draw),
    ]


def _photograph_routes(photographs: Photographs) -> list[BaseRoute]:
    # Compiling a network takes seconds; meanwhile the page opens, and the user looks for a picture.
    threading.Thread(target=photographs.warm_up, daemon=True).start()
    uploads = Uploads(photographs.channels, lambda image: encode_sight(photographs.recognise(image)))

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "photographs.html")

    async def describe(_: Request) -> Response:
        return JSONResponse(encode_model(photographs))

    async def look(request: Request) -> Response:
        return _binary(await uploads.answer(request))

    async def answer(request: Request) -> Response:
        return _binary(encode_sight(_recall(photographs, request)))

    async def frame(request: Request) -> Response:
        content = await asyncio.to_thread(encode_frame, _recall(photographs, request))
        return Response(content, media_type="image/png")

    async def maps(request: Request) -> Response:
        tensors = _recall(photographs, request).tensors
        number = request.path_params["layer"]
        if number >= len(tensors):
            raise HTTPException(404, f"layer: expected a number below {len(tensors)}, got {number}.")
        first, count = (_number(request, name) for name in ("first", "count"))
        return _binary(await asyncio.to_thread(encode_maps, tensors[number], first, count))

    pictures = [
        Route("/", look, methods=["POST"]),
        Route("/{picture}", answer),
        Route("/{picture}/frame.png", frame),
        Route("/{picture}/layers/{layer:int}", maps),
    ]
    return [Route("/", page), Mount("/api", routes=[Route("/model", describe), Mount("/pictures", routes=pictures)])]


def _recall(photographs: Photographs, request: Request) -> Sight:
    sight = photographs.recall(request.path_params["picture"])
    if sight is None:
        known = NAME.fullmatch(request.path_params["picture"])  # it may have been kept once, or never existed
        raise HTTPException(410 if known else 404, "picture: it is not kept any more. Open it again.")
    return sight


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ArgumentError(f"maps: expected {name} as an integer, got {text[:20]!r}.")
    return int(text)


def _binary(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream")


async def _answer_newest(recogniser: Recogniser, websocket: WebSocket, newest: asyncio.Queue[str | bytes]) -> None:
    with suppress(WebSocketDisconnect):  # the page may close while its answer is computed
        while True:
            message = await newest.get()
            try:
                await websocket.send_bytes(await asyncio.to_thread(_answer_drawing, recogniser, message))
            except StriateError as error:
                await websocket.send_json(encode_error(error))


def _answer_drawing(recogniser: Recogniser, message: str | bytes) -> bytes:
    drawing = parse_drawing(message)
    answer = recogniser.recognise(render(drawing.strokes, width=drawing.width), ink="bright")
    return encode_answer(answer, drawing=drawing.id)


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
