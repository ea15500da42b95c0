"""A8, R3: files from a server on this machine, which redirects, lies, stops in the middle and never ends."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data import download
from striate.errors import ArgumentError, FormatError, LimitError, StriateError

CONTENT = bytes(range(256)) * 5000  # more than one piece
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NONE = hashlib.sha256(b"").hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
        elif self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        elif self.path == "/silent":
            self.server.done.wait(10)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:-7] if self.path == "/short" else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.done = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_A8_is_fetched_once_and_checked_again(server, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = download(f"{server.url}/some/digits.npz?raw=1", SHA256, folder)
    assert path == folder / f"{SHA256[:16]}-digits.npz"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    assert download(f"{server.url}/some/digits.npz?raw=1", SHA256.upper(), folder) == path
    assert len(server.asked) == 1
    path.write_bytes(CONTENT[:-1])
    download(f"{server.url}/some/digits.npz?raw=1", SHA256, folder)
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/..%2f..%2fevil", "evil"),
        ("/a%00b", "a_b"),
        ("/%2e%2e", ".."),
        ("/%c3%a4.npz", "_.npz"),
        ("/", ""),
        ("/" + "x" * 300, "x" * 100),
    ],
)
def test_R3_names_stay_in_the_folder(server, tmp_path, address, name):
    assert download(server.url + address, SHA256, tmp_path) == tmp_path / f"{SHA256[:16]}-{name}"


def test_A8_follows_redirects(server, tmp_path):
    assert download(f"{server.url}/to?/there", SHA256, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["http://example.com/a", "ftp://127.0.0.1/a", "https:///a"])
def test_R3_redirects_to_plain_http_are_not_followed(server, tmp_path, target):
    with pytest.raises(FormatError, match=f"expected redirects to https:// addresses, http.* leads to '{target}'"):
        download(f"{server.url}/to?{target}", SHA256, tmp_path)
    assert not list(tmp_path.iterdir())


def test_R3_redirects_from_the_network_do_not_reach_this_machine():
    from urllib.request import HTTPRedirectHandler, Request

    from striate.data.downloads import _opener

    (redirects,) = (one for one in _opener().handlers if isinstance(one, HTTPRedirectHandler))
    asked = Request("https://example.com/a")
    assert redirects.redirect_request(asked, None, 302, "", {}, "https://example.org/a").full_url.endswith(".org/a")
    with pytest.raises(FormatError, match=r"https://example.com/a leads to 'http://localhost/a'"):
        redirects.redirect_request(asked, None, 302, "", {}, "http://localhost/a")


def test_R3_another_content_is_not_kept(server, tmp_path):
    message = rf"expected content with the sha256 {NONE}, got {SHA256} \(1,280,000 bytes\): http.*/a\. .* is kept\."
    with pytest.raises(FormatError, match=f"download: {message}"):
        download(f"{server.url}/a", NONE, tmp_path)
    assert not list(tmp_path.iterdir())


def test_R3_cut_short_on_its_way(server, tmp_path):
    # Whether Python notices depends on its version; the checksum does.
    with pytest.raises(FormatError, match=r"download: (cannot fetch|expected content .* \(1,279,993 bytes\)).*/short"):
        download(f"{server.url}/short", SHA256, tmp_path)
    assert not list(tmp_path.iterdir())


def test_R3_longer_than_the_limit(server, tmp_path):
    with pytest.raises(LimitError, match=r"download: expected at most 1,279,999 bytes, got more: http"):
        download(f"{server.url}/a", SHA256, tmp_path, max_bytes=len(CONTENT) - 1)
    assert not list(tmp_path.iterdir())
    assert download(f"{server.url}/a", SHA256, tmp_path, max_bytes=len(CONTENT)).exists()


def test_R4_cannot_be_fetched(server, tmp_path):
    with pytest.raises(FormatError, match=r"download: cannot fetch http://127.*/missing: HTTP Error 404: Not Found\."):
        download(f"{server.url}/missing", SHA256, tmp_path)
    with pytest.raises(FormatError, match=r"download: cannot fetch .*/silent: .*timed out"):
        download(f"{server.url}/silent", SHA256, tmp_path, timeout=0.2)
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(FormatError, match=r"download: cannot fetch .*[Rr]efused"):
            download(f"http://127.0.0.1:{taken.getsockname()[1]}/a", SHA256, tmp_path)
    assert not list(tmp_path.iterdir())


def test_R4_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FormatError, match=r"download: cannot make .*file"):
        download("https://example.com/a", SHA256, tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a", "http://127.0.0.1.example.com/a", "http://127.0.0.1@example.com/", "file:///etc/passwd",
     "ftp://example.com/a", "https:///a", "https://[/", "data:,a", "", "example.com"],
)  # fmt: skip
def test_R4_other_addresses(tmp_path, url):
    with pytest.raises(ArgumentError, match="download: expected a url that begins with https://, got "):
        download(url, SHA256, tmp_path)


@pytest.mark.parametrize("sha256", ["", "abc", SHA256 + "0", "sha256:" + SHA256[7:], "g" * 64])
def test_R4_other_checksums(tmp_path, sha256):
    with pytest.raises(ArgumentError, match="download: expected sha256 of 64 hexadecimal digits, got "):
        download("https://example.com/a", sha256, tmp_path)


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(["http://127.0.0.1:1/", "http://127.0.0.1:", "http://localhost:1", ""]))
def test_R3_random_addresses(tmp_path_factory, text, begin):
    with pytest.raises(StriateError):
        download(begin + text, SHA256, tmp_path_factory.getbasetemp() / "none")
