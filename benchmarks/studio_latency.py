"""P1: from the last point of a stroke, or from dropping a photograph, to the answer on the screen, in a real browser.

    python -m benchmarks.studio_latency [RUNS]

Draws the digits of tests/studio/strokes.py with the mouse, for the model that ships. Each pointer event is timed until
the frame that shows the answer to a drawing with that point, or a later one; the same for the server alone. Then drops
JPEG photographs of 640 × 480 on the page of two networks for ImageNet (with fresh weights, which take as long). Prints
n, median, p95 and maximum in milliseconds. Needs the [test] extra and Debian's chromium.
"""

import base64
import io
import json
import shutil
import statistics
import sys
import time

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from websockets.sync.client import connect

import striate
from tests.studio.conftest import BROWSER, running
from tests.studio.strokes import DIGITS, Strokes

EVENTS_PER_SECOND = 125  # of an ordinary mouse

# Follows what the page itself sends and receives, so that what is measured is what a person sees.
WATCH = """() => {
  window.latencies = [];
  const waiting = [];
  let moved = 0;
  document.getElementById("pad").addEventListener("pointermove", (event) => { moved = event.timeStamp; }, true);
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    if (!this.watched) {
      this.watched = true;
      this.addEventListener("message", ({ data }) => {
        const header = new TextDecoder().decode(new Uint8Array(data, 4, new DataView(data).getUint32(0, true)));
        const { drawing } = JSON.parse(header);
        requestAnimationFrame(() => setTimeout(() => {
          while (waiting.length && waiting[0].id <= drawing) {
            window.latencies.push(performance.now() - waiting.shift().moved);
          }
        }));
      });
    }
    if (moved) waiting.push({ id: JSON.parse(text).id, moved });
    send.call(this, text);
  };
}"""


# Drops a file, and waits for the frame that shows what the network sees of it, and so its answer.
DROP = """(text) => new Promise((resolve) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "photograph.jpg", { type: "image/jpeg" }));
  const begin = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begin)));
  });
  seen.observe(document.getElementById("seen"), { attributeFilter: ["src"] });
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
})"""


def draw(page: Page, strokes: Strokes) -> None:
    """Draw at the pace of a hand."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    for stroke in strokes:
        for number, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if number == 0:
                page.mouse.down()
            time.sleep(1 / EVENTS_PER_SECOND)
        page.mouse.up()


def in_browser(address: str, runs: int) -> list[float]:
    """Milliseconds from pointer event to painted answer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://{address}/")
        page.wait_for_selector(".bars")
        page.evaluate(WATCH)
        for _ in range(runs):
            for hands in DIGITS.values():
                draw(page, hands[0])
                page.wait_for_timeout(200)
                page.keyboard.press("Delete")
        latencies: list[float] = page.evaluate("() => window.latencies")
        browser.close()
    return latencies


def photographs(address: str, runs: int) -> list[float]:
    """Milliseconds from dropping a photograph to its painted answer; the first, for which code is written, left out."""
    generator = np.random.default_rng(0)
    times: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://{address}/")
        page.wait_for_selector("#outline details")
        for _ in range(runs + 1):
            coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
            content = io.BytesIO()
            coarse.resize((640, 480), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
            times.append(page.evaluate(DROP, base64.b64encode(content.getvalue()).decode()))
            page.wait_for_timeout(500)  # the maps that are in sight are fetched
        browser.close()
    return times[1:]


def at_server(address: str, runs: int) -> list[float]:
    """Milliseconds from sending a whole digit to having its answer."""
    latencies = []
    with connect(f"ws://{address}/api/draw", max_size=None) as websocket:
        for _ in range(runs):
            for digit, hands in DIGITS.items():
                message = json.dumps({"id": int(digit), "width": 0.08, "strokes": hands[0]})
                start = time.perf_counter()
                websocket.send(message)
                websocket.recv()
                latencies.append(1000 * (time.perf_counter() - start))
    return latencies


def report(name: str, latencies: list[float]) -> None:
    """Print n, median, p95 and maximum."""
    p95 = statistics.quantiles(latencies, n=20, method="inclusive")[-1]
    median = statistics.median(latencies)
    print(f"{name:24} n {len(latencies):5}  median {median:6.1f}  p95 {p95:6.1f}  maximum {max(latencies):6.1f} ms")


def main() -> None:
    """Measure and report."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with running(striate.load_model("digits")) as address:
        report("server, whole digit", at_server(address, runs))
        report("browser, event to answer", in_browser(address, runs))
    for name in ("squeezenet1_1", "resnet18"):
        with running(getattr(striate.architectures, name)()) as address:
            report(f"{name}, drop to answer", photographs(address, 5 * runs))


if __name__ == "__main__":
    main()
