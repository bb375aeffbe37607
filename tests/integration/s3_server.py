"""An S3 server that nobody here wrote (moto's), which asks for keys, behind a line that breaks.

The line is a forwarder on loopback: it passes, refuses with 503, is cut after so many octets,
or swallows everything.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.client import Config as BotoConfig

BUCKET = "yuenyan"
_BUSY = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 49\r\n"
    b"Connection: close\r\n\r\n<Error><Code>SlowDown</Code><Message/></Error>   "
)


class Line:
    """A forwarder to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.busy = 0
        """So many connections are told 503."""
        self.cut_after: int | None = None
        """A connection breaks when its client has sent so much."""
        self.deaf = False
        """Nothing is answered."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(20)
            if self.deaf:
                while client.recv(65_536):
                    pass
                return
            if self.busy > 0:
                self.busy -= 1
                client.recv(65_536)
                client.sendall(_BUSY)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65_536):
                    pass
                return
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                back = threading.Thread(target=_pour, args=(server, client), daemon=True)
                back.start()
                sent = 0
                while octets := client.recv(65_536):
                    sent += len(octets)
                    if self.cut_after is not None and sent > self.cut_after:
                        server.shutdown(socket.SHUT_RDWR)
                        return
                    server.sendall(octets)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65_536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)


@dataclass(slots=True)
class S3Server:
    """One server with one bucket and one key that may do everything in it."""

    process: subprocess.Popen[bytes]
    port: int
    line: Line
    access_key: str = ""
    secret_key: str = field(default="", repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.line.port}"

    def client(self, service: str, access: str = "first", secret: str = "key") -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            config=BotoConfig(s3={"addressing_style": "path"}),
        )

    def s3(self) -> Any:
        """As another program sees the bucket."""
        return self.client("s3", self.access_key, self.secret_key)

    def write_keys(self, path: Path) -> Path:
        path.write_text(f"{self.access_key}\n{self.secret_key}\n", encoding="ascii")
        path.chmod(0o600)
        return path

    def stop(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.wait()


def start_s3(folder: Path) -> S3Server:
    """A server on a free port of loopback."""
    log = folder / "s3.log"
    program = Path(sys.executable).with_name("moto_server")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", "0"], stdout=stream, stderr=stream
        )
    try:
        return _ready(process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise


def _ready(process: subprocess.Popen[bytes], log: Path) -> S3Server:
    deadline = time.monotonic() + 60
    while not (found := re.search(rb"http://127\.0\.0\.1:(\d+)", log.read_bytes())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    port = int(found[1])
    server = S3Server(process, port, Line(port))
    server.client("s3").create_bucket(Bucket=BUCKET)
    iam = server.client("iam")
    iam.create_user(UserName="yuenyan")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_user_policy(
        UserName="yuenyan",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    key = iam.create_access_key(UserName="yuenyan")["AccessKey"]
    server.access_key, server.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
    # From here on every request must be signed with a key that the server knows.
    address = f"http://127.0.0.1:{port}/moto-api/reset-auth"
    request = Request(address, data=b"0", headers={"Content-Type": "text/plain"}, method="POST")
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    return server
