"""What goes wrong at an HTTP origin, end to end. After every test the server is idle, holds no reservation, and still works."""

import contextlib
import socket
import threading
import time

import pytest

import pictures
from clients import Asked
from harness import Sluice, free_port, wait_for
from origin import Origin
from problems import COMMON_SETTINGS, SLACK, assert_error, assert_sound, raw

MAX_OBJECT_BYTES = 300_000
DEAD = f"http://127.0.0.1:{free_port()}/"


@pytest.fixture(scope="module")
def origin():
    with Origin(pictures.tests()) as origin:
        yield origin


@pytest.fixture(scope="module")
def shared(tmp_path_factory, origin):
    settings = {"image-cache.max-object-size": MAX_OBJECT_BYTES, **COMMON_SETTINGS}
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/http": {"image.origin": origin.url("/")},
        "/hasty": {"image.origin": origin.url("/hasty/"), "image.origin-timeout": "300ms"},
        "/forgetful": {"image.origin": origin.url("/forgetful/"), "image.negative-ttl": "300ms"},
        "/nothing-kept": {"image.origin": origin.url("/nothing-kept/"), "image.negative-ttl": 0},
        "/stubborn": {"image.origin": origin.url("/stubborn/"), "image.max-redirects": 0},
        "/far": {"image.origin": origin.url("/far/"), "image.allow-origins": DEAD},
        "/dead": {"image.origin": DEAD},
        "/nameless": {"image.origin": "http://no-such-host.invalid/"},
        "/api": {"health.api": "ON"},
    }
    with Sluice(tmp_path_factory.mktemp("origin-errors"), {**settings, "hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


@pytest.fixture
def server(shared, origin):
    origin.forget()
    yield shared
    origin.scripts.clear()
    assert_sound(shared)


# --- names


@pytest.mark.parametrize("path", ["../x.png", "..%2fx.png", "%2e%2e/x.png", "a/..%2f..%2fx.png", "%00", "a//b", "", "a%0d%0ab"])
def test_no_such_name_reaches_an_origin(server, origin, path):
    assert raw(server, f"GET /http/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 404
    assert origin.count() == 0


@pytest.mark.parametrize(
    "name, sent", [("a%20b", "a%20b"), ("a%3fb%23", "a%3Fb%23"), ("%e2%82%ac", "%E2%82%AC"), ("a%25b", "a%25b"), ("a+b&c", "a+b&c")]
)
def test_odd_names_reach_an_origin_encoded(server, origin, name, sent):
    origin.script(f"/{sent}", file="rgb.png")
    assert server.get(f"/http/{name}?w=9").status == 200
    assert [(seen.path, seen.query) for seen in origin.seen()] == [(f"/{sent}", "")]


# --- more bytes than allowed


@pytest.mark.parametrize("length", ["right", "chunked", "close"])
def test_download_with_more_bytes_than_allowed(server, origin, length):
    before = server.rss_bytes()
    path = f"/endless-{length}.jpg"
    origin.script(path, size=10 << 30, prefix=b"\xff\xd8\xff", length=length)
    assert_error(server.get(f"/http{path}"), "source-too-large")
    origin.wait_for_abort(path)
    assert origin.seen(path)[0].sent < 32 << 20  # most of it in the sockets' buffers
    assert server.rss_bytes() - before < (16 << 20) * SLACK
    # it is remembered
    assert_error(server.get(f"/http{path}?w=9"), "source-too-large")
    assert origin.count(path) == 1


def test_download_of_just_the_bytes_allowed(server, origin):
    picture = (pictures.tests() / "baseline.jpg").read_bytes()
    for length in ("right", "chunked", "close"):
        for excess, status in ((0, 200), (1, 413)):
            path = f"/just-{length}-{excess}.jpg"
            origin.script(path, body=picture + bytes(MAX_OBJECT_BYTES - len(picture) + excess), length=length)
            assert server.get(f"/http{path}?w=9").status == status, path


# --- answers


def test_missing_at_the_origin(server, origin):
    origin.script("/gone.png", status=410)
    for path in ("/http/none.png", "/http/gone.png"):
        for query in ("", "?w=10", "?output=webp", ""):
            assert_error(server.get(path + query), "not-found")
    assert [seen.path for seen in origin.seen()] == ["/none.png", "/gone.png"]  # once each


def test_head_and_http2_see_the_same_error(server):
    get = server.get("/http/none-2.png")
    for options in ({"method": "HEAD"}, {"method": "HEAD", "http2": True}):
        head = server.get("/http/none-2.png", **options)
        assert (head.status, head.body, head.headers["Content-Length"]) == (404, b"", str(len(get.body)))
    http2 = server.get("/http/none-2.png", http2=True)
    assert_error(http2, "not-found")
    assert http2.body == get.body


def test_negative_answer_is_forgotten_in_time(server, origin):
    answer = server.get("/forgetful/a.png")
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "public, max-age=0")
    origin.script("/forgetful/a.png", file="rgb.png")
    wait_for(lambda: server.get("/forgetful/a.png").status == 200, 5, "the picture is found")
    assert origin.count("/forgetful/a.png") == 2


def test_negative_answer_is_not_kept_where_so_said(server, origin):
    for _ in range(3):
        assert server.get("/nothing-kept/a.png").status == 404
    assert origin.count("/nothing-kept/a.png") == 3


@pytest.mark.parametrize(
    "status, code",
    [
        *((status, "origin-failed") for status in (500, 501, 503, 599)),
        *((status, "origin-status") for status in (403, 401, 400, 418, 204, 206)),
    ],
)
def test_origin_answers_with_an_error(server, origin, status, code):
    path = f"/status-{status}.png"
    for _ in range(2):
        origin.script(path, status=status, body=b"" if status == 204 else b"<html>no</html>")
        assert_error(server.get(f"/http{path}"), code)
    assert origin.count(path) == 2  # not remembered: image.error-ttl is 0
    origin.script(path, file="rgb.png")
    assert server.get(f"/http{path}").status == 200


def test_long_error_page_is_not_read_to_its_end(server, origin):
    origin.script("/page.png", status=500, size=10 << 30)
    assert_error(server.get("/http/page.png"), "origin-failed")
    origin.wait_for_abort("/page.png")


def test_origin_sends_no_body(server, origin):
    for length in ("right", "chunked", "close"):
        origin.script(f"/empty-{length}.png", body=b"", length=length)
        assert_error(server.get(f"/http/empty-{length}.png"), "not-an-image")


def test_origin_hangs_up_within_its_headers(sluice):
    """unlike an empty picture, this may be better the next time: it is not remembered"""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def answer():
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    paths = {"/images": {"image.origin": f"http://127.0.0.1:{listener.getsockname()[1]}/"}}
    server = sluice({"image.error-ttl": 0, "hosts": {"default": {"paths": paths}}})
    with listener:
        for _ in range(2):
            assert_error(server.get("/images/page.png"), "origin-broken")
        thread.join(10)
    assert len(asked) == 2


def test_origin_is_dead(server):
    for _ in range(2):
        assert "image.origin" in assert_error(server.get("/dead/rgb.png"), "origin-unreachable")


def test_origin_has_no_address(server):
    assert_error(server.get("/nameless/rgb.png"), "origin-unreachable")


def test_origin_does_not_accept(tmp_path):
    """The queue of its listening socket is full, so that connections are neither accepted nor refused."""
    with socket.socket() as listener, contextlib.ExitStack() as clients:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        paths = {"/full": {"image.origin": f"http://127.0.0.1:{listener.getsockname()[1]}/", "image.connect-timeout": "200ms"}}
        paths |= {"/images": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}}
        with Sluice(tmp_path, {**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}}) as server:
            began = time.monotonic()
            assert "image.connect-timeout" in assert_error(server.get("/full/rgb.png"), "origin-timeout")
            assert time.monotonic() - began < 3 * SLACK
            assert_sound(server)


@pytest.mark.parametrize("script", [{"delay_s": 60}, {"stop_after": 0}, {"stop_after": 5000}, {"bytes_per_second": 20000}], ids=str)
def test_origin_is_slow(server, origin, script):
    path = f"/hasty/{'-'.join(script)}-{sum(script.values())}.jpg"
    origin.script(path, file="baseline.jpg", **script)
    began = time.monotonic()
    assert "image.origin-timeout" in assert_error(server.get(path), "origin-timeout")
    assert 0.25 < time.monotonic() - began < 3 * SLACK
    origin.wait_for_abort(path)
    # not remembered
    origin.script(path, file="baseline.jpg")
    assert server.get(path).status == 200


@pytest.mark.parametrize("stop_after", [None, 100, 5000])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("length", ["right", "chunked", MAX_OBJECT_BYTES - 1])
def test_origin_breaks_off(server, origin, stop_after, reset, length):
    path = f"/cut-{length}-{reset}-{stop_after}.jpg"
    way = {"refuse": True} if stop_after is None else {"stop_after": stop_after, "then": "close"}
    origin.script(path, file="baseline.jpg", length=length, reset=reset, **way)
    for _ in range(2):
        assert_error(server.get(f"/http{path}"), "origin-broken")
    assert origin.count(path) >= 2  # a client may try again where a kept connection was closed on it


def test_origin_says_less_than_it_sends(server, origin):
    """The picture ends where the length says, and what comes then is no answer to the next question, even if it looks like one."""
    whole, other = (pictures.tests() / "baseline.jpg").read_bytes(), (pictures.tests() / "rgba.png").read_bytes()
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(other), other)
    for n in range(5):
        origin.script(f"/less-{n}.jpg", body=whole[:5000] + forged * 3, length=5000)
        assert_error(server.get(f"/http/less-{n}.jpg"), "broken-image")
        origin.script(f"/honest-{n}.png", file="rgb.png")
        answer = server.get(f"/http/honest-{n}.png")
        assert (answer.status, answer.body) == (200, server.get("/images/rgb.png").body)


def test_connections_to_an_origin_are_kept(server, origin):
    origin.script("/kept.png", file="rgb.png")
    assert server.get("/http/kept.png").status == 200
    connections = set(origin.server.connections)
    for n in range(5):
        origin.script(f"/kept-{n}.png", file="rgb.png")
        assert server.get(f"/http/kept-{n}.png").status == 200
        assert set(origin.server.connections) == connections


def test_origin_says_more_than_it_sends(server, origin):
    origin.script("/more.jpg", body=(pictures.tests() / "baseline.jpg").read_bytes(), length=MAX_OBJECT_BYTES - 1)
    assert_error(server.get("/http/more.jpg"), "origin-broken")


@contextlib.contextmanager
def speaker(words):
    """A server that says the same to everyone, whatever they ask."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(words)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\1\2\3" * 100,
        b"HTTP/1.1 ABC\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\nabc\r\n",
    ],
    ids=["greeting", "bytes", "status", "length", "chunk"],
)
def test_origin_does_not_speak_http(tmp_path, words):
    with speaker(words) as port:
        paths = {"/odd": {"image.origin": f"http://127.0.0.1:{port}/"}, "/api": {"health.api": "ON"}}
        paths["/images"] = {"image.origin": str(pictures.tests())}
        with Sluice(tmp_path, {**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}}) as server:
            assert_error(server.get("/odd/rgb.png"), "origin-broken")
            assert_sound(server)


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed(server, origin, status):
    origin.chain(f"/hop-{status}", 1, "/rgb.png", status)
    answer = server.get(f"/http/hop-{status}?w=31")
    assert (answer.status, answer.body) == (200, server.get("/http/rgb.png?w=31").body)


def test_redirects_have_a_limit(server, origin):
    origin.chain("/three", 3, "/rgb.png")
    origin.chain("/four", 4, "/rgb.png")
    assert server.get("/http/three").status == 200
    assert "image.max-redirects" in assert_error(server.get("/http/four"), "origin-redirects")


def test_redirects_may_be_off(server, origin):
    origin.chain("/stubborn/one", 1, "/rgb.png")
    assert_error(server.get("/stubborn/one"), "origin-redirects")
    assert origin.count() == 1


def test_redirect_in_a_ring(server, origin):
    origin.loop("/ring")
    assert_error(server.get("/http/ring"), "origin-redirects")
    assert origin.count() == 4


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "dict://127.0.0.1/", "data:image/png,AAAA", None]
)
def test_redirect_to_what_is_not_http(server, origin, location):
    path = f"/to-{location and location.partition(':')[0]}"
    origin.script(path, status=302, location=location)
    assert_error(server.get(f"/http{path}"), "origin-redirects")


def test_redirect_to_the_dead_and_to_the_missing(server, origin):
    origin.script("/far/to-dead", status=302, location=DEAD)
    origin.script("/to-missing", status=302, location="/none-3.png")
    assert_error(server.get("/far/to-dead"), "origin-unreachable")
    assert_error(server.get("/http/to-missing"), "not-found")


# --- errors that are shared


def test_all_who_wait_get_the_error(server, origin):
    origin.script("/shared.png", status=500)
    origin.hold("/shared.png")
    asked = [Asked(server, "/http/shared.png")]
    origin.wait_for_request("/shared.png")
    asked += [Asked(server, "/http/shared.png") for _ in range(9)]
    wait_for(lambda: server.get("/api/health").json()["operations"]["requests"] >= 10, 10, "ten wait")
    origin.release("/shared.png")
    answers = [one.answer() for one in asked]
    assert_error(answers[0], "origin-failed")
    for answer in answers[1:]:
        assert_error(answer, "origin-failed", collapsed=True)
    assert origin.count("/shared.png") == 1
