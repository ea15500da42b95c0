"""The studio answers only its own pages.

It listens on this machine, but every page that is open in a browser could reach it there. A foreign page is recognised
by its requests: they carry its own Origin, and a name that resolves to 127.0.0.1 (DNS rebinding) shows as the Host.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuse foreign requests with 403, and add the headers that isolate a page to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"].endswith("response.start"):
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # Answers are never cached; files are revalidated each time, so that an upgrade shows at once.
                headers["Cache-Control"] = "no-store" if scope["path"].startswith("/api/") else "no-cache"
            await send(message)

        refusal = _refusal(scope)
        app = JSONResponse({"error": refusal}, status_code=403) if refusal else self._app
        await app(scope, receive, send_with_headers)


def _refusal(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    port = scope["server"][1]
    suffix = "" if port == 80 else f":{port}"
    hosts = [f"127.0.0.1{suffix}", f"localhost{suffix}"]
    host = headers.get("host", "")
    if host not in hosts:
        return f"studio: expected the host {' or '.join(hosts)}, got {host!r}. Open http://{hosts[0]}/ instead."
    # Programs such as curl send no Origin, and are accepted; no page can make a browser leave it out.
    origin = headers.get("origin", f"http://{host}")
    if origin != f"http://{host}":
        return f"studio: expected a request from its own page, http://{host}, got one of {origin!r}."
    return None
