"""Uploaded pictures: a few at a time are decoded, on separate threads, and their number is limited.

A picture of 31 megapixels takes half a second and a hundred megabytes. So none is decoded on the threads that answer
drawings, and beyond `MAX_IN_FLIGHT` pictures at once, uploads are refused with "try again".
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.exceptions import HTTPException
from starlette.requests import Request

from striate.data.images import decode_image
from striate.errors import LimitError
from striate.studio.network import Channels, Pixels

MAX_PICTURE_BYTES = 16 << 20
MAX_PICTURE_PIXELS = 32_000_000
#: Threads that decode and answer pictures.
THREADS = 2
#: Pictures that are being received, are waiting, or are being answered.
MAX_IN_FLIGHT = 8


class Uploads:
    """Pictures on their way in; a `Network` gets them as pixels.

    Arguments:
        channels: of the pixels: 1, grey, or 3, RGB.
        answer: computes the response from the pixels, on one of the threads.
    """

    def __init__(self, channels: Channels, answer: Callable[[Pixels], bytes]) -> None:
        self._channels, self._answer = channels, answer
        self._threads = ThreadPoolExecutor(THREADS, "pictures")
        self._in_flight = 0

    async def answer(self, request: Request) -> bytes:
        """The response to a request's picture.

        Raises HTTPException 503 while there are `MAX_IN_FLIGHT` already; LimitError for a picture that is too large;
        StriateError if it cannot be decoded, or as ``answer`` does.
        """
        if self._in_flight == MAX_IN_FLIGHT:
            await _read(request, 0)
            raise HTTPException(
                503,
                f"picture: expected at most {MAX_IN_FLIGHT} pictures at a time, got one more. Try again in a moment.",
                {"Retry-After": "1"},
            )
        self._in_flight += 1
        try:
            body = await _read(request, MAX_PICTURE_BYTES)
            if len(body) > MAX_PICTURE_BYTES:
                raise LimitError(f"picture: expected at most {MAX_PICTURE_BYTES >> 20} MiB, got more. Save it smaller.")
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._prepared, body)
        finally:
            self._in_flight -= 1

    def _prepared(self, body: bytes) -> bytes:
        return self._answer(decode_image(body, max_pixels=MAX_PICTURE_PIXELS, channels=self._channels))


async def _read(request: Request, most: int) -> bytes:
    """A request's body; if it is longer than ``most`` bytes, a little more than these."""
    body = bytearray()
    async for chunk in request.stream():
        # A browser reads the answer only after its upload: the rest of one that is too large is read, and dropped.
        if len(body) <= most:
            body += chunk
    return bytes(body)
