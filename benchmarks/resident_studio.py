"""Memory of a studio that many pictures and drawings come to: ``python -m benchmarks.resident_studio``.

The server runs in this process, without a socket: its application gets what a page would send.
"""

import asyncio
import io
import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from starlette.applications import Starlette

import striate
from benchmarks.memory import resident
from striate.architectures import squeezenet1_1
from striate.studio import create_app

HOST = [(b"host", b"127.0.0.1")]
SERVER = ("127.0.0.1", 80)


def pictures(count: int) -> Iterator[int]:
    """Photographs of many sizes shown to SqueezeNet, and maps of each; yields what is held after each."""
    app = create_app(squeezenet1_1())
    random = np.random.default_rng(0)
    with asyncio.Runner() as runner:
        layers = len(json.loads(runner.run(_answer(app, "GET", "/api/network")))["layers"])
        for _ in range(count):
            sight = runner.run(_answer(app, "POST", "/api/inputs/", _photograph(random)))
            (length,) = np.frombuffer(sight, "<u4", 1)
            picture = json.loads(sight[4 : 4 + length])["input"]
            runner.run(_answer(app, "GET", f"/api/inputs/{picture}/frame.png"))
            for layer in random.integers(0, layers, 3):
                path = f"/api/inputs/{picture}/layers/{layer}"
                runner.run(_answer(app, "GET", path, query=b"first=0&count=32"))
            yield resident("VmRSS")


def drawings(count: int) -> Iterator[int]:
    """Drawings of many sizes read as digits; yields what is held after each answer."""
    app = create_app(striate.load_model("digits"))
    with asyncio.Runner() as runner:
        drawer = runner.run(_Drawer.connected(app))
        for number in range(count):
            runner.run(drawer.answer(json.dumps(_drawing(number))))
            yield resident("VmRSS")
        runner.run(drawer.leave())


def _photograph(random: np.random.Generator) -> bytes:
    """A JPEG of some colours that run into each other, 100 to 1,600 pixels on a side."""
    height, width = (int(side) for side in random.integers(100, 1600, 2))
    colours = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    file = io.BytesIO()
    colours.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def _drawing(number: int) -> dict[str, Any]:
    """A spiral with 1 to 60 points, each of another shape, drawn with one of 40 brushes."""
    turns = 0.5 + number % 17 / 10
    angles = [turns * step / 10 for step in range(number % 60 + 1)]
    spiral = [(0.5 + angle / 30 * math.cos(angle), 0.5 + angle / 30 * math.sin(angle)) for angle in angles]
    inside = [(min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in spiral]
    return {"id": number, "width": 0.04 + number % 40 / 400, "strokes": [inside]}


async def _answer(app: Starlette, method: str, path: str, body: bytes = b"", query: bytes = b"") -> bytes:
    """What the studio answers to a request."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": HOST, "server": SERVER}
    await app(scope | {"root_path": "", "scheme": "http", "http_version": "1.1"}, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{method} {path}: {content.decode()}")
    return content


class _Drawer:
    """A page that draws, at the other end of a web socket."""

    def __init__(self, app: Starlette):
        self._to: asyncio.Queue[Any] = asyncio.Queue()
        self._from: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "websocket", "path": "/api/draw", "query_string": b"", "headers": HOST, "server": SERVER}
        self._task = asyncio.ensure_future(
            app(scope | {"root_path": "", "scheme": "ws", "subprotocols": []}, self._to.get, self._from.put)
        )

    @classmethod
    async def connected(cls, app: Starlette) -> "_Drawer":
        drawer = cls(app)
        await drawer._to.put({"type": "websocket.connect"})
        await drawer._from.get()
        return drawer

    async def answer(self, message: str) -> Any:
        await self._to.put({"type": "websocket.receive", "text": message})
        return await self._from.get()

    async def leave(self) -> None:
        await self._to.put({"type": "websocket.disconnect", "code": 1000})
        await self._task


def main() -> None:
    for program, count in ((pictures, 200), (drawings, 2000)):
        held = list(itertools.islice(program(count), count))
        places = sorted({0, 29, count // 2, count - 1})
        print(program.__name__, *(f"after {place + 1:,}: {held[place] / 1e6:.0f} MB" for place in places), sep="\t")


if __name__ == "__main__":
    main()
