"""Hits on targets that were asked for before, which take the shortest way: they say and send what the first answer did, hold on to
their picture for exactly as long as they need it, and never take one thing for another."""

import contextlib
import itertools
import json
import socket
from pathlib import Path

import pytest

import pictures
from clients import Http2, assert_settles, metrics
from harness import compile_c, request, wait_for
from pictures import fetch
from structured import cache_status

LARGE = "/images/photo.tif?w=3200&output=png"  # more than the sockets between a server and a slow reader take
MIB = 1 << 20
LRU = {"image-cache.policy": "lru"}


def start(sluice, paths=None, hosts=None, loaded=None, **settings):
    """One event loop, so that all requests come to the one that has seen them before. loaded: a further module."""
    paths = {"/images": {"image.origin": str(pictures.tests())}, **(paths or {})}
    own = {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    hosts = {"default": {"paths": {**paths, **own}}, **(hosts or {})}
    config = {"pressure.budget": "2GiB", **settings, "hosts": hosts}
    if loaded:
        config = f"load-module: {loaded}\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())
    return sluice(config, threads=1)


def remember(server, path, **options):
    """The first answer is made, the second one found by its key, and from the third one on by its target."""
    first, second, third = (fetch(server, path, **options) for _ in range(3))
    assert first.body == second.body == third.body
    return third


def is_hit(answer):
    return "hit" in cache_status(answer)


def evict_all(server):
    """Fills the cache with other pictures, twice, so that the least recently used ones go, which are all that were there, and what
    they left is used again."""
    sent, widths = 0, itertools.count(900)
    while sent <= 2 * metrics(server)["sluice_image_cache_capacity_bytes"]:
        sent += len(fetch(server, f"/images/photo.tif?w={next(widths)}&output=png").body)


# --- what they say


@pytest.mark.parametrize("http2", [False, True])
def test_they_say_what_the_first_hit_said(sluice, http2):
    server = start(sluice)
    paths = [f"/images/{source}?w=50&output={output}" for source in ("rgba.png", "baseline.jpg") for output in ("jpg", "png", "webp")]
    made = {path: fetch(server, path) for path in paths}
    for _ in range(4):
        for path in paths:
            answer = fetch(server, path, http2=http2)
            assert is_hit(answer)
            assert answer.body == made[path].body
            for name in ("Content-Type", "ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Length"):
                assert answer.headers[name] == made[path].headers[name], (path, name)
            assert set(map(str.lower, made[path].headers)) - set(map(str.lower, answer.headers)) <= {"server-timing", "connection"}


def test_their_age_goes_on(sluice):
    server = start(sluice, **{"image.ttl": "100s"})
    remember(server, "/images/baseline.jpg?w=50")
    seen = set()

    def is_older():
        answer = fetch(server, "/images/baseline.jpg?w=50")
        age, ttl = int(answer.headers["Age"]), cache_status(answer)["ttl"]
        assert 99 <= age + ttl <= 100
        seen.add(age)
        return age >= 2

    wait_for(is_older, 30, "Age is 2")
    assert seen == {0, 1, 2}


def test_conditions_and_ranges_are_looked_at(sluice):
    server = start(sluice)
    path = "/images/baseline.jpg?w=50"
    whole = remember(server, path)
    etag = whole.headers["ETag"]
    for _ in range(2):
        unchanged = server.get(path, {"If-None-Match": etag})
        assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in unchanged.headers
        assert server.get(path, {"If-Match": '"other"'}).status == 412
        assert server.get(path, {"Range": f"bytes={len(whole.body)}-"}).status == 416
        part = server.get(path, {"Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, whole.body[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.body)}"
        head = server.get(path, method="HEAD")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))
        assert server.get(path, method="DELETE").status == 405
        assert fetch(server, path).body == whole.body


# --- what they are taken for


def test_one_target_means_different_things_in_different_places(sluice, tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, source in zip(folders, ("baseline.jpg", "rgba.png", "lossy.webp")):
        folder.mkdir()
        (folder / "a.jpg").write_bytes((pictures.tests() / source).read_bytes())
    one, two, three = ({"/images": {"image.origin": str(folder)}} for folder in folders)
    server = start(sluice, paths=one, hosts={"two.example": {"paths": two}, "three.example": {"paths": three}})
    target, hosts = "/images/a.jpg?w=40&output=png", ("default", "two.example", "three.example")
    bodies = {host: fetch(server, target, headers={"Host": host}).body for host in hosts}
    assert len(set(bodies.values())) == 3
    for host in hosts * 3:
        answer = fetch(server, target, headers={"Host": host})
        assert is_hit(answer) and answer.body == bodies[host]


def test_other_spellings_are_the_same_picture(sluice):
    server = start(sluice)
    answer = remember(server, "/images/baseline.jpg?w=50&q=70")
    for spelling in ("?q=70&w=50", "?w=50&q=70&", "?w=9&w=50&q=70"):
        again = remember(server, f"/images/baseline.jpg{spelling}")
        assert (again.body, again.headers["ETag"]) == (answer.body, answer.headers["ETag"])
    assert metrics(server)["sluice_transforms_total"] == 1


def test_a_target_too_long_to_remember_is_a_hit_all_the_same(sluice):
    server = start(sluice)
    path = "/images/baseline.jpg?" + "w=50&" * 60
    assert is_hit(remember(server, path))


def test_expired_pictures_are_not_hits(sluice):
    server = start(sluice, **{"image.ttl": "1s"})
    answer = remember(server, "/images/baseline.jpg?w=50")
    wait_for(lambda: not is_hit(fetch(server, "/images/baseline.jpg?w=50")), 30, "the picture expires")
    assert fetch(server, "/images/baseline.jpg?w=50").body == answer.body


def test_what_took_the_place_of_an_evicted_picture_is_not_taken_for_it(sluice, tmp_path):
    source = tmp_path / "a.jpg"
    source.write_bytes((pictures.tests() / "baseline.jpg").read_bytes())
    server = start(sluice, {"/mine": {"image.origin": str(tmp_path)}}, **LRU, **{"image-cache.capacity": "4MiB"})
    for kind in ("rgba.png", "baseline.jpg", "lossy.webp"):
        old = remember(server, "/mine/a.jpg?w=50&output=png")
        (tmp_path / "new").write_bytes((pictures.tests() / kind).read_bytes())
        (tmp_path / "new").rename(source)
        evict_all(server)
        new = fetch(server, "/mine/a.jpg?w=50&output=png")
        assert not is_hit(new) and new.body != old.body
        assert remember(server, "/mine/a.jpg?w=50&output=png").body == new.body


# --- how long they hold on to it


class SlowReader:
    """Asks over HTTP/1.1, and reads nothing behind the head until told to."""

    def __init__(self, server, path):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: default\r\nConnection: close\r\n\r\n".encode())
        self.input = b""
        while b"\r\n\r\n" not in self.input:
            self.input += self.socket.recv(1024)

    def body(self):
        while more := self.socket.recv(1 << 16):
            self.input += more
        return self.input.partition(b"\r\n\r\n")[2]


def pinned_bytes(server):
    return metrics(server)["sluice_image_cache_pinned_bytes"]


@pytest.fixture
def small(sluice, tmp_path):
    """A server whose cache is soon full, with a log of what was answered."""
    log = {"path": str(tmp_path / "access.log"), "format": "%r|%s|%{etag}o|%{cache-status}o"}
    return start(sluice, **LRU, **{"image-cache.capacity": "12MiB", "access-log": log})


def logged(folder, path):
    """[status, ETag, Cache-Status] of the requests for a path"""
    lines = (folder / "access.log").read_text().replace(r"\x22", '"').splitlines()
    return [line.split("|")[1:] for line in lines if line.startswith(f"GET {path} ")]


def test_slow_readers_get_whole_what_was_evicted(small, tmp_path):
    expected = remember(small, LARGE)
    assert len(expected.body) > 5 * MIB
    readers = [SlowReader(small, LARGE) for _ in range(4)]
    with Http2(small, window=65536) as connection:
        streams = [connection.ask(LARGE) for _ in range(4)]
        for stream in streams:
            connection.wait_for_bytes(stream, 65536)
        evict_all(small)
        assert pinned_bytes(small) > len(expected.body)
        for stream in streams:
            connection.widen(stream, MIB * 16)
        assert all(connection.answer(stream).body == expected.body for stream in streams)
    assert pinned_bytes(small) > len(expected.body)
    assert all(reader.body() == expected.body for reader in readers)
    assert_settles(small)
    said = logged(tmp_path, LARGE)
    assert len(said) == 11
    assert all(line[:2] == ["200", expected.headers["ETag"]] and line[2].startswith("sluice; hit") for line in said[1:])


def test_readers_that_hang_up_let_go(small):
    remember(small, LARGE)
    readers = [SlowReader(small, LARGE) for _ in range(4)]
    connections = [Http2(small, window=65536) for _ in range(2)]
    streams = [(connection, connection.ask(LARGE)) for connection in connections for _ in range(4)]
    for connection, stream in streams:
        connection.wait_for_bytes(stream, 65536)
    evict_all(small)
    assert pinned_bytes(small) != 0
    for reader in readers:
        reader.socket.close()
    for stream in range(1, 8, 2):
        connections[0].reset(stream)
    connections[1].close()
    assert_settles(small)
    assert connections[0].answer(connections[0].ask("/api/health")).status == 200
    connections[0].close()


@pytest.mark.parametrize("http2", [False, True])
def test_answers_that_are_sent_on_let_go(sluice, tmp_path, http2):
    """Another module replaces pictures by what is elsewhere: on a path of another kind, and on none that is configured."""
    compile_c(Path(__file__).parent / "modules/send_on.c", tmp_path / "send_on.so")
    away = {"/on/health": "http://default/api/health", "/on/nowhere": "http://default/nowhere"}
    paths = {path: {"image.origin": str(pictures.tests()), "send-on": url} for path, url in away.items()}
    server = start(sluice, paths, loaded=tmp_path / "send_on.so", **LRU, **{"image-cache.capacity": "4MiB"})
    for path, status in {"/on/health": 200, "/on/nowhere": 404}.items():
        for width in (50, 50, 50, 51, 50):
            answer = server.get(f"{path}/baseline.jpg?w={width}", http2=http2)
            assert answer.status == status and "ETag" not in answer.headers
    evict_all(server)
    assert_settles(server)


def test_answers_of_all_kinds_let_go(small):
    path = "/images/baseline.jpg?w=50"
    etag = remember(small, path).headers["ETag"]
    kinds = {200: {}, 206: {"Range": "bytes=0-9"}, 304: {"If-None-Match": etag}, 412: {"If-Match": '"x"'}, 416: {"Range": "bytes=9999999-"}}
    with contextlib.closing(small.connection()) as connection:
        for status, headers in kinds.items():
            assert request(connection, path, headers).status == status
            assert request(connection, path, headers, method="HEAD").status == (status if status in (304, 412) else 200)
    evict_all(small)
    assert_settles(small)
