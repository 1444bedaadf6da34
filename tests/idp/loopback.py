"""What the identity servers of the tests share: a free port, a folder that goes away, and an end.

A server script prints `{"port": N}` when its server answers, and ends it when standard input closes, so
that it never outlives the test that started it.
"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
# Of a server that says nothing at all; a slow machine needs a fraction of it.
PATIENCE = 120


def settings(**defaults):
    """The defaults with what the first argument, a JSON object, says otherwise."""
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    unknown = set(given) - set(defaults)
    if unknown:
        sys.exit(f"unknown settings: {', '.join(sorted(unknown))}")
    return {**defaults, **given}


def free_port():
    """A port that was free a moment ago, for servers that cannot tell which one they took."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


def call(method, url, body=None, headers=None):
    """One request with a JSON body; status, headers and body of the answer, whatever the status."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def want(expected, answer):
    """The answer's body, if its status is the expected one."""
    status, _, body = answer
    if status != expected:
        raise SystemExit(f"status {status} instead of {expected}: {body[:500]!r}")
    return body


@contextlib.contextmanager
def folder():
    """A folder for the server's files, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="dcrgate-idp-") as path:
        yield Path(path)


@contextlib.contextmanager
def running(command, url, environment=None, log=None):
    """The command as a process of its own group, once the URL answers anything at all."""
    output = open(log, "wb") if log else sys.stderr
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                call("GET", url)
                break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    told = Path(log).read_text(errors="replace")[-4000:] if log else ""
                    raise SystemExit(f"{command[0]} does not answer\n{told}") from None
                time.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def serve(port, **more):
    """Tells the test that the server is ready, and returns when the test is done."""
    print(json.dumps({"port": port, **more}), flush=True)
    sys.stdin.read()
