"""The studio's web server: one page, one model, this machine only."""

import asyncio
import mimetypes
import os
import socket
import subprocess
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from striate.data.drawing import render
from striate.data.images import decode_image
from striate.errors import ArgumentError, LimitError, StriateError
from striate.studio.guard import Guard
from striate.studio.messages import MAX_MESSAGE_BYTES, encode_answer, encode_error, encode_model, parse_drawing
from striate.studio.recognition import Model, Recogniser

MAX_PICTURE_BYTES = 16 << 20
MAX_PICTURE_PIXELS = 32_000_000

# Windows may have another type for .js in its registry, and a browser then refuses our modules.
mimetypes.add_type("text/javascript", ".js")


def create_app(model: Model) -> Starlette:
    """Return the studio for one model, as an ASGI application.

    Raises ModelError if the model cannot take drawings, or does not name its classes.
    """
    recogniser = Recogniser(model)

    async def describe(_: Request) -> Response:
        return JSONResponse(encode_model(recogniser))

    async def picture(request: Request) -> Response:
        answer = await asyncio.to_thread(_answer_picture, recogniser, await _read(request))
        return Response(answer, media_type="application/octet-stream")

    async def draw(websocket: WebSocket) -> None:
        await websocket.accept()
        newest: asyncio.Queue[str | bytes] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(_answer_newest(recogniser, websocket, newest))
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                if newest.full():  # the pen is faster than the engine: nobody waits for that drawing any more
                    newest.get_nowait()
                newest.put_nowait(message.get("text") or message.get("bytes") or "")
            answering.cancel()

    return Starlette(
        routes=[
            Mount("/api", routes=[Route("/model", describe), Route("/picture", picture, methods=["POST"])]),
            WebSocketRoute("/draw", draw),
            Mount("/", StaticFiles(directory=Path(__file__).with_name("static"), html=True)),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={StriateError: _refuse, HTTPException: _refuse},
    )


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


def _answer_picture(recogniser: Recogniser, body: bytes) -> bytes:
    image = decode_image(body, max_pixels=MAX_PICTURE_PIXELS, channels=1)
    return encode_answer(recogniser.recognise(image, ink="auto"))


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        # A browser listens only after its upload: the rest of one that is too large is read, and dropped.
        if len(body) <= MAX_PICTURE_BYTES:
            body += chunk
    if len(body) > MAX_PICTURE_BYTES:
        raise LimitError(f"picture: expected at most {MAX_PICTURE_BYTES >> 20} MiB, got more. Save it smaller.")
    return bytes(body)


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
    return JSONResponse(encode_error(error), status_code=413 if isinstance(error, LimitError) else 400)


def serve(model: Model, *, port: int = 0, open_browser: bool = True) -> None:
    """Serve the studio on 127.0.0.1 until Ctrl-C.

    ``model`` recognises the drawings. ``port`` 0 (default) takes a free one; the address is printed. ``open_browser``
    shows the page, where there is a browser and a screen.

    Raises ModelError as `create_app` does; ArgumentError if the port cannot be had.
    """
    app = create_app(model)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ArgumentError(f"studio: cannot listen on port {port} ({error}). Use port 0 for any free one.") from None
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    print(f"Striate studio: {url} (Ctrl-C ends it)", flush=True)
    if open_browser:
        _open_browser(url)
    with suppress(KeyboardInterrupt):  # uvicorn ends in good order, then raises it again
        uvicorn.Server(server_config(app)).run(sockets=[listener])


def server_config(app: Starlette) -> uvicorn.Config:
    """Return the settings of a server for one person on this machine."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        # Above our own limit, so that a drawing somewhat too large gets a sentence and not a closed door.
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
        # In a process of its own, because browsers talk on the terminal, and some do not return until they are closed.
        command = [sys.executable, "-m", "webbrowser", url]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
