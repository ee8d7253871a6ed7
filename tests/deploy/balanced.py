"""Two API nodes and a worker behind the balancers that are shipped, as mere processes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.e2e.server import Server
from tests.support.services.process import Service, free_port, program

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PER_ADDRESS = 40


class Deployment:
    """What `deploy/compose` runs in containers, without the containers."""

    def __init__(self, folder: Path, shared: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {
            **shared,
            "TERTULIA_SECRET": "a secret that all of them share, at length",
            "TERTULIA_TRUSTED_PROXIES": "127.0.0.1",
            "TERTULIA_EMBEDDING": "none",
            "TERTULIA_LIMITS__REQUESTS_PER_MINUTE_IP": str(PER_ADDRESS),
        }
        self.apis = [self._node("api"), self._node("api")]
        self.worker = self._node("worker")
        self.key = ""

    def _node(self, role: str) -> Server:
        number = len(list(self._folder.iterdir()))
        data = self._folder / f"{role}{number}"
        data.mkdir()
        return Server(data, role=role, environment=self._environment)

    def start(self) -> None:
        self.apis[0].command("migrate")
        for node in [*self.apis, self.worker]:
            node.start()
        self.key = self.apis[0].api_key()

    def stop(self) -> None:
        for node in [*self.apis, self.worker]:
            node.stop()

    def serving(self, transport: str) -> Server:
        """The API node that has the one open connection of that kind."""
        found = [node for node in self.apis if _connections(node, transport) == 1]
        assert len(found) == 1
        return found[0]

    def hand_over(self) -> None:
        """The worker ends as it is asked to, and another one comes."""
        assert self.worker.stop() == 0
        self.worker = self._node("worker").start()


def _connections(node: Server, transport: str) -> float:
    text = httpx.get(f"{node.url}/metrics").raise_for_status().text
    shown = re.search(
        rf'^tertulia_connections{{transport="{transport}"}} (\S+)$', text, re.MULTILINE
    )
    return float(shown[1]) if shown else 0.0


def _rendered(text: str, port: int, listen: str, nodes: list[Server]) -> str:
    """The shipped text with this machine's addresses, each of which must be there."""
    changes = {listen: listen.replace(":80", "80").replace("80", f"127.0.0.1:{port}")}
    for number, node in enumerate(nodes, 1):
        changes[f" api-{number}:8484"] = f" 127.0.0.1:{node.port}"
    for shipped, here in changes.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


def nginx(folder: Path, nodes: list[Server]) -> Service:
    port = free_port()
    text = (DEPLOY / "nginx" / "tertulia.conf").read_text()
    (folder / "tertulia.conf").write_text(_rendered(text, port, "listen 80;", nodes))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"""
        {user}
        daemon off;
        pid {folder}/nginx.pid;
        error_log stderr warn;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            include {folder}/tertulia.conf;
        }}
        """
    )
    found = program("nginx", "/usr/sbin")
    command = [found, "-e", "stderr", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    return Service("nginx", command, folder, port=port)


def haproxy(folder: Path, nodes: list[Server]) -> Service:
    port = free_port()
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    file = folder / "haproxy.cfg"
    file.write_text(_rendered(text, port, "bind :80", nodes))
    found = program("haproxy", "/usr/sbin")
    return Service("haproxy", [found, "-db", "-f", str(file)], folder, port=port)


BALANCERS: dict[str, Callable[[Path, list[Server]], Service]] = {
    "nginx": nginx,
    "haproxy": haproxy,
}
