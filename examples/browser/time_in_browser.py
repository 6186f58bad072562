"""Run the page in headless Chromium on one picture and print what it found, dense against pruned.

python time_in_browser.py picture.png [runs]
"""

import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NEEDED = ("node_modules/onnxruntime-web", "dense/network.onnx", "pruned/network.onnx")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")


def missing(folder: Path) -> str:
    """Say what is missing for a run; empty if nothing is."""
    lacking = [name for name in NEEDED if not (folder / name).exists()]
    if lacking:
        return f"{folder} has no {' and no '.join(lacking)}; README.md has the commands"
    return "" if browser() else f"no Chromium: none of {', '.join(NAMES)} is installed"


def browser() -> str:
    """Find Chromium; empty if it is absent."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


def serve(folder: Path, picture: Path, answers: "queue.Queue[dict[str, Any]]") -> ThreadingHTTPServer:
    """Serve the page's folder and the picture on a free port; what the page posts goes into the queue."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/given-picture":
                super().do_GET()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(picture.read_bytes())

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def handler(*given: Any) -> Handler:
        return Handler(*given, directory=str(folder))

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(folder: Path, picture: Path, runs: int = 20, timeout: float = 120) -> dict[str, Any]:
    """Open the page in headless Chromium and return what it posts: logits, times and ratios of both networks.

    Raises `RuntimeError` where something is missing, or the page fails or does not answer in time.
    """
    if lacking := missing(folder):
        raise RuntimeError(lacking)
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    server = serve(folder, picture, answers)
    address = f"http://127.0.0.1:{server.server_port}/index.html?picture=given-picture&runs={runs}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser(), *FLAGS, f"--user-data-dir={profile}", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answer = answers.get(timeout=timeout)
        except queue.Empty:
            raise RuntimeError(f"the page gave no answer within {timeout:g} s") from None
        finally:
            process.terminate()
            process.wait(timeout=30)
            server.shutdown()
            server.server_close()
    if "error" in answer:
        raise RuntimeError(f"the page failed: {answer['error']}")
    return answer


def main(words: list[str]) -> int:
    """Print a row for each network, and how many times as fast the pruned one is."""
    if not words or len(words) > 2:
        print(__doc__)
        return 2
    try:
        answer = run(HERE, Path(words[0]), int(words[1]) if len(words) == 2 else 20)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    dense, pruned = answer["networks"]
    for one in dense, pruned:
        size, shown = one["bytes"] / 2**20, f"{100 * one['probability']:.1f} %"
        print(f"{one['network']:8} {one['class']:12} {shown:>8} {size:8.2f} MiB {one['milliseconds']:8.2f} ms")
    ratios = sorted(answer["ratios"])
    middle = ratios[len(ratios) // 2]
    print(
        f"dense / pruned: {middle:.2f} (median of {len(ratios)} pairs; {ratios[0]:.2f} to {ratios[-1]:.2f}), one thread"
    )
    print(f"fastest runs alone: {dense['fastest'] / pruned['fastest']:.2f}, which a busy machine disturbs least")
    print(answer["agent"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
