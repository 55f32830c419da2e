"""The web server among clients that are slow, rude and many."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from edged.metrics import http_server
from edged.metrics.http_server import HEAD_BYTES, MOST_CONNECTIONS, Answer, HttpServer
from tests.metrics.asking import Page, ask

BIG = b"x" * 40_000_000  # more than the kernel keeps for a reader


def pages(path: str) -> Answer | None:
    if path == "/bug":
        raise ValueError("a page with a bug")
    return {"/metrics": Answer(200, b"figures\n"), "/big": Answer(200, BIG)}.get(path)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    served = HttpServer("127.0.0.1", 0, pages)
    served.start()
    yield served
    served.stop()


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def said(server: HttpServer, request: bytes) -> bytes:
    """What comes back, to the end."""
    with connect(server) as client:
        client.sendall(request)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65536):
            found += data
    return found


def insist(port: int) -> Page:
    """As one who asks again: on a busy machine, a crowd may push him out between two words."""
    for _ in range(5):
        with contextlib.suppress(ConnectionError):
            return ask(port)
    return ask(port)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_page_is_answered_with_its_length_and_nothing_is_kept_open(server: HttpServer) -> None:
    page = ask(server.port)
    assert (page.status, page.body) == (200, b"figures\n")
    assert page.headers["Content-Length"] == "8"
    assert page.headers["Connection"] == "close"


def test_head_tells_the_length_and_no_more(server: HttpServer) -> None:
    answer = said(server, b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 8\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("target", ["/metrics?name[]=up", "http://127.0.0.1/metrics"])
def test_what_follows_the_path_is_passed_over(server: HttpServer, target: str) -> None:
    assert said(server, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()).endswith(b"figures\n")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1", 404),
        (b"GET /../../etc/passwd HTTP/1.1", 404),
        (b"GET //[ HTTP/1.1", 400),
        (b"POST /metrics HTTP/1.1", 405),
        (b"DELETE /metrics HTTP/1.1", 405),
        (b"GET /metrics", 400),
        (b"GET /metrics SMTP/1.1", 400),
        (b"", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /bug HTTP/1.1", 500),
        (b"GET /metrics HTTP/1.1\r\nHost: attacker.example", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost.attacker.example:17710", 421),
        (b"GET /metrics HTTP/1.1\r\nhost:   192.168.1.5", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: [::1]:17710", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost:9", 200),
        (b"GET /metrics HTTP/1.0", 200),
    ],
)
def test_what_is_asked_wrongly_gets_its_status(server: HttpServer, request_head: bytes, status: int) -> None:
    assert said(server, request_head + b"\r\n\r\n").split(b" ")[1] == str(status).encode()
    assert ask(server.port).status == 200


def test_a_head_of_ten_megabytes_is_cut_off(server: HttpServer) -> None:
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            for _ in range(160):
                client.sendall(b"x" * 65536)
            client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert ask(server.port).status == 200


def test_a_head_may_come_byte_by_byte_and_be_as_long_as_is_allowed(server: HttpServer) -> None:
    head = b"GET /metrics HTTP/1.1\r\nX: "
    head += b"x" * (HEAD_BYTES - len(head) - 4) + b"\r\n\r\n"
    with connect(server) as client:
        for byte in head[:50]:
            client.sendall(bytes([byte]))
        client.sendall(head[50:])
        assert everything(client).endswith(b"figures\n")


def test_who_does_not_finish_the_question_is_left_and_holds_up_nobody(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 0.3)
    with connect(server) as slow:
        slow.sendall(b"GET /met")
        assert ask(server.port).status == 200
        assert everything(slow) == b""


def test_who_does_not_take_the_answer_is_left(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 0.3)
    with connect(server) as deaf:
        deaf.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        until(lambda: not server._connections)
        assert ask(server.port).status == 200
        assert len(everything(deaf)) < len(BIG)


def test_a_long_answer_arrives_whole(server: HttpServer) -> None:
    assert ask(server.port, "/big").body == BIG


def test_a_thousand_connections_that_say_nothing_keep_nobody_out_and_none_open(server: HttpServer) -> None:
    ask(server.port)
    before = len(os.listdir("/proc/self/fd"))
    crowd: list[socket.socket] = []
    try:
        for _ in range(1000):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            crowd.append(client)
        assert insist(server.port).status == 200
        assert len(server._connections) <= MOST_CONNECTIONS
    finally:
        for client in crowd:
            client.close()
    until(lambda: not server._connections)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_whoever_asked_is_answered_before_he_makes_room(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # All of them are taken in one turn: the server is at another page while they come.
    entered, go_on = threading.Event(), threading.Event()

    def slow(path: str) -> Answer | None:
        entered.set()
        go_on.wait(20)
        return pages(path)

    monkeypatch.setattr(server, "_pages", slow)
    with connect(server) as first:
        first.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert entered.wait(20)
        with contextlib.ExitStack() as crowd:
            askers = [crowd.enter_context(connect(server)) for _ in range(3)]
            for asker in askers:
                asker.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(2 * MOST_CONNECTIONS):
                crowd.enter_context(connect(server))
            go_on.set()
            assert all(b"figures" in everything(asker) for asker in askers)


def test_clients_that_come_at_once_are_all_answered(server: HttpServer) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(ask(server.port).status)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 20


def test_a_port_that_is_taken_is_said_and_taken_over_once_it_is_free(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "RETRY_SECONDS", 0.1)
    second = HttpServer("127.0.0.1", server.port, pages)
    second.start()
    try:
        assert second.error is not None
        assert second.error.strerror == "Address already in use"
        assert second.port == 0
        server.stop()
        until(lambda: second.error is None)
        assert ask(second.port).status == 200
    finally:
        second.stop()


def test_nothing_is_left_open_by_one_that_was_never_started() -> None:
    before = len(os.listdir("/proc/self/fd"))
    HttpServer("127.0.0.1", 0, pages).stop()
    assert len(os.listdir("/proc/self/fd")) == before


def test_it_ends_with_clients_still_there_and_leaves_nothing_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    served = HttpServer("::1" if socket.has_ipv6 and _has_loopback6() else "127.0.0.1", 0, pages)
    served.start()
    with socket.create_connection((str(served._address), served.port), timeout=20) as client:
        client.sendall(b"GET /")
        until(lambda: bool(served._connections))
        served.stop()
        assert everything(client) == b""
    served.stop()
    assert len(os.listdir("/proc/self/fd")) == before


def _has_loopback6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False
