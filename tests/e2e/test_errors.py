"""What goes wrong with a request, a file or a picture, end to end: the status, the code and the headers, and what is remembered.

Errors of HTTP origins are in test_origin_errors.py. After every test the server is idle, holds no reservation, and still works.
"""

import contextlib
import os
import re
import shutil
import socket
import stat
import struct
import time
from pathlib import Path

import pytest

import pictures
from clients import Asked
from harness import ROOT, Sluice, request, wait_for
from problems import COMMON_SETTINGS, ERRORS, SLACK, assert_error, assert_problem, assert_sound, raw

MAX_OBJECT_BYTES = 300_000
# the second needs a system that is out of memory; nobody is there to see the third
FILES_OF_ERRORS = (
    "test_errors.py", "test_origin_errors.py", "test_origin_guard.py", "test_never_fits.py", "test_deadlines.py", "test_cache_status.py",
    "test_animation.py", "test_svg.py", "test_drain.py",
)  # fmt: skip
NOT_PROVOKED = {"ok", "out-of-memory", "cancelled"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A local origin: the test pictures and what can stand in their way."""
    outside = tmp_path_factory.mktemp("outside")
    shutil.copy(pictures.tests() / "rgb.png", outside / "secret.png")
    folder = outside / "origin"
    shutil.copytree(pictures.tests(), folder)
    shutil.copytree(pictures.tests(), folder / "few")
    (folder / "folder").mkdir()
    (folder / "folder" / "inside.png").symlink_to("../rgb.png")
    (folder / "out.png").symlink_to("../secret.png")
    (folder / "out-absolute.png").symlink_to(outside / "secret.png")
    (folder / "out").symlink_to("..")
    (folder / "dangling.png").symlink_to("nothing.png")
    (folder / "ring.png").symlink_to("ring.png")
    os.mkfifo(folder / "fifo.jpg")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "socket.jpg"))
    (folder / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(MAX_OBJECT_BYTES))
    (folder / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>')
    tiff = (folder / "photo.tif").read_bytes()
    (folder / "truncated.tif").write_bytes(tiff[: len(tiff) // 2])
    for name, signature in SIGNATURES.items():
        (folder / f"stub.{name}").write_bytes(signature)
        (folder / f"junk.{name}").write_bytes(signature + b"This is no picture. " * 50)
    write_bombs(folder)
    return folder


SIGNATURES = {
    "jpg": b"\xff\xd8\xff\xe0",
    "png": b"\x89PNG\r\n\x1a\n",
    "webp": b"RIFF\x64\0\0\0WEBP",
    "gif": b"GIF89a\x40\0\x40\0",
    "avif": b"\0\0\0\x1cftypavif",
    "tif": b"II*\0",
}
BOMBS = [*pictures.ABSURD, "bomb.gif", "bomb-lossy.webp", "bomb-lossless.webp", "bomb-extended.webp", "bomb.tif", "bomb.avif"]


def only_chunk(webp, name):
    """A WebP file without its extended header and metadata."""
    at = webp.index(name)
    chunk = webp[at : at + 8 + struct.unpack("<I", webp[at + 4 : at + 8])[0]]
    return bytearray(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)


def write_bombs(folder):
    """Small files whose headers claim gigabytes of pixels, besides absurd.jpg and bomb.png."""
    gif = bytearray((folder / "plain.gif").read_bytes())
    gif[6:10] = struct.pack("<HH", 60000, 60000)
    (folder / "bomb.gif").write_bytes(gif)
    lossy = only_chunk((folder / "lossy.webp").read_bytes(), b"VP8 ")
    lossy[26:30] = struct.pack("<HH", 16383, 16383)
    (folder / "bomb-lossy.webp").write_bytes(lossy)
    lossless = only_chunk((folder / "lossless.webp").read_bytes(), b"VP8L")
    lossless[21:25] = struct.pack("<I", struct.unpack("<I", lossless[21:25])[0] | (1 << 28) - 1)
    (folder / "bomb-lossless.webp").write_bytes(lossless)
    extended = bytearray((folder / "alpha.webp").read_bytes())
    at = extended.index(b"VP8X") + 12
    extended[at : at + 6] = b"\xff\xff\0\xff\xff\0"
    (folder / "bomb-extended.webp").write_bytes(extended)
    # width, height, bits, compression, photometric, strip offset, samples, rows per strip, strip length
    tags = [(256, 60000), (257, 60000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60000), (279, 4)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (folder / "bomb.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4))
    avif = bytearray((folder / "photo.avif").read_bytes())
    at = avif.index(b"ispe") + 8
    avif[at : at + 8] = struct.pack(">II", 30000, 30000)
    (folder / "bomb.avif").write_bytes(avif)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, folder):
    settings = {"image-cache.max-object-size": MAX_OBJECT_BYTES, **COMMON_SETTINGS}
    paths = {
        "/images": {"image.origin": str(folder)},
        "/lenient": {"image.origin": str(folder), "image.strict": "OFF"},
        "/few": {"image.origin": str(folder / "few"), "image.max-pixels": 76800, "image.max-side": 200},
        "/few-too": {"image.origin": str(folder / "few")},
        "/vast": {"image.origin": str(folder), "image.max-side": 65535},
        "/api": {"health.api": "ON"},
    }
    with Sluice(tmp_path_factory.mktemp("errors"), {**settings, "hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


@pytest.fixture
def server(shared):
    yield shared
    assert_sound(shared)


def test_every_error_has_its_tests():
    codes = re.findall(r'\{\d+, "[^"]+", "([a-z-]+)"', (ROOT / "module/errors.c").read_text())
    assert set(codes) == {*ERRORS, *NOT_PROVOKED}
    tests = "".join(Path(__file__).with_name(name).read_text() for name in FILES_OF_ERRORS)
    assert [code for code in ERRORS if f', "{code}"' not in tests] == []


# --- options


KNOWN = ("w", "h", "dpr", "fit", "a", "cx", "trim", "ro", "blur", "filt", "q", "output", "n", "lqip", "auto", "maxage", "p")


@pytest.mark.parametrize("query", ["x=1", "widths=9", "W=9", "x", "x=", "=1", "w=9&x=1&h=9", "utm=y", "%78=1", "w%20=1", "a;b"])
def test_unknown_option_is_told_the_known_ones(server, query):
    detail = assert_problem(server.get(f"/images/rgb.png?{query}"), 400, "bad-option")
    assert "unknown option `" in detail and "image.strict" in detail
    assert set(KNOWN) <= set(re.findall(r"\w+", detail.partition("known are")[2]))


def test_option_of_wsrv_nl_that_is_missing_is_called_so(server):
    assert "option `mask` of wsrv.nl is not supported" in assert_problem(server.get("/images/rgb.png?mask=circle"), 400, "bad-option")


@pytest.mark.parametrize(
    "query, texts",
    [
        *((f"w={value}", ["option w ", "1 to 8192"]) for value in ("0", "8193", "-1", "+1", "1.5", "1e2", "", "0x10", "9" * 20)),
        *((f"h={value}", ["option h ", "1 to 8192"]) for value in ("0", "8193", "x")),
        *((f"q={value}", ["option q ", "1 to 100"]) for value in ("0", "101", "-1", "", "best")),
        *((f"fit={value}", ["inside, outside, cover, fill or contain"]) for value in ("", "crops", "insid", "insidee")),
        *((f"output={value}", ["option output ", "jpg, png, webp, gif, avif, tiff, json"]) for value in ("", "svg", "jp", "text")),
        ("fm=bmp", ["option fm ", "`bmp`"]),
        ("w", ["option w "]),
        ("w=100&w=0", ["option w "]),
        ("w=100&fit=cover&q=1000", ["option q "]),
    ],
)  # fmt: skip
def test_bad_value_is_told_the_good_ones(server, query, texts):
    for prefix in ("/images", "/lenient"):
        detail = assert_problem(server.get(f"{prefix}/rgb.png?{query}"), 400, "bad-option")
        assert all(text in detail for text in texts), detail


@pytest.mark.parametrize(
    "query",
    ["w=%00", "w=%zz", "w=%1", "%", "w=1%0a", "w=%e2%82%ac", "\u20ac=1", "x=" + "y" * 100, "y" * 100 + "=1", '"><b>=1', "%5c%22=1"],
)
def test_odd_text_is_refused_in_sound_json(server, query):
    answer = raw(server, f"GET /images/rgb.png?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert_problem(answer, 400, "bad-option")


def test_unknown_options_are_ignored_where_strict_is_off(server):
    plain = server.get("/lenient/rgb.png?w=50")
    assert plain.status == 200
    for query in ("w=50&x=1", "utm_source=a&w=50&utm_medium=b", "w=50&%00=1", "w=50&" + "y" * 100 + "=1", "w=50&y=" + "z" * 100):
        answer = server.get(f"/lenient/rgb.png?{query}")
        assert (answer.status, answer.body) == (200, plain.body)
        assert answer.headers["Cache-Status"].startswith("sluice; hit")  # one meaning, one entry


# --- methods


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_only_get_and_head(server, method, http2):
    for path in ("/images/rgb.png?w=51", "/images/none.png", "/images/rgb.png?x=1", "/api/health"):
        answer = server.get(path, method=method, body=b"a body" if method in ("POST", "PUT", "PATCH") else None, http2=http2)
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "GET, HEAD"


def test_connection_is_kept_after_a_refused_method(server):
    connection = server.connection()
    try:
        for method, body, status in (("POST", b"x" * 10000, 405), ("GET", None, 200), ("DELETE", None, 405), ("HEAD", None, 200)):
            assert request(connection, "/images/rgb.png?w=52", method=method, body=body).status == status
    finally:
        connection.close()


# --- names


@pytest.mark.parametrize(
    "path",
    [
        "/images", "/images/", "/images//rgb.png", "/images/folder//inside.png", "/images/rgb.png/", "/images/%00",
        "/images/rgb.png%00", "/images/rgb.png%00.jpg", "/images/a%0ab", "/images/%7f.png", "/images/%01",
        "/images/" + "a" * 1100, "/images/" + "a/" * 600, "/images/" + "%e2" * 900,
    ],
    ids=lambda path: path[:30],
)  # fmt: skip
def test_names_that_no_picture_can_have(server, path):
    assert_problem(raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 404, "bad-path")


@pytest.mark.parametrize(
    "path",
    [
        "/images/../secret.png", "/images/%2e%2e/secret.png", "/images/%2E%2E%2fsecret.png", "/images/..%2fsecret.png",
        "/images/folder/../../secret.png", "/images/folder/%2e%2e/%2e%2e/secret.png", "/images/folder/..%2f..%2fsecret.png",
        "/images/..\\secret.png", "/images/%2e%2e%5csecret.png", "/images/....//secret.png", "/images/%252e%252e/secret.png",
        "/images/..;/secret.png", "/images/%c0%ae%c0%ae/secret.png", "/images/out.png", "/images/out-absolute.png",
        "/images/out/secret.png", "/images//../secret.png",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_folder(server, path):
    # some of these names h2o itself resolves, to a path that it does not serve
    assert raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 404


@pytest.mark.parametrize(
    "name",
    ["none.png", "folder", "folder/none.png", "rgb.png/x", "dangling.png", "ring.png", "fifo.jpg", "socket.jpg", "a" * 300],
    ids=lambda name: name[:20],
)
def test_no_file_of_this_name(server, name):
    began = time.monotonic()
    assert "image.origin" in assert_error(server.get(f"/images/{name}"), "not-found")
    assert time.monotonic() - began < 2 * SLACK  # nobody writes to the pipe


def test_links_within_the_folder_are_followed(server, folder):
    assert server.get("/images/folder/inside.png").body == server.get("/images/rgb.png").body


def test_bad_requests_are_not_remembered(server):
    assert_problem(server.get("/images/rgb.png?w=0"), 400, "bad-option")
    assert server.get("/images/rgb.png?w=53").status == 200


def test_file_that_may_not_be_read(tmp_path, folder):
    """The server does not run as root here."""
    locked = tmp_path / "locked"
    shutil.copytree(pictures.tests(), locked)
    (locked / "rgba.png").chmod(0)
    (locked / "dark").mkdir()
    shutil.copy(locked / "rgb.png", locked / "dark")
    (locked / "dark").chmod(0)
    locked.chmod(0o755)
    config = COMMON_SETTINGS | ({"user": "nobody"} if os.getuid() == 0 else {})
    config["hosts"] = {"default": {"paths": {"/images": {"image.origin": str(locked)}, "/api": {"health.api": "ON"}}}}
    try:
        with Sluice(tmp_path, config) as server:
            for path in ("/images/rgba.png", "/images/dark/rgb.png"):
                assert "may not read" in assert_error(server.get(path), "origin-unreadable")
            (locked / "rgba.png").chmod(stat.S_IRUSR | stat.S_IROTH)
            assert server.get("/images/rgba.png").status == 200  # it was not remembered
            assert_sound(server)
    finally:
        (locked / "dark").chmod(0o700)


# --- what is no picture, or a bad one


@pytest.mark.parametrize("name", [*pictures.NO_PICTURE, "drawing.svg"])
def test_not_an_image(server, name):
    for query in ("", "?w=10", "?output=webp"):
        assert_error(server.get(f"/images/{name}{query}"), "not-an-image")


@pytest.mark.parametrize("output", ["jpg", "png", "webp"])
@pytest.mark.parametrize("name", [*pictures.TRUNCATED, "truncated.tif"])
def test_half_a_picture_is_broken(server, name, output):
    for query in ("", "&w=10", "&w=50&h=50&fit=cover", "&w=50&h=50&fit=contain"):
        assert_error(server.get(f"/images/{name}?output={output}{query}"), "broken-image")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_alone_is_broken(server, name):
    assert_error(server.get(f"/images/stub.{name}"), "broken-image")
    # the words behind it stand for a large size, where one is expected
    assert_error(server.get(f"/images/junk.{name}"), "too-many-pixels" if name == "png" else "broken-image")


def test_broken_pictures_write_no_log(server):
    wait_for(lambda: "workers" in server.log(), 10, "the line of the start")
    before = server.log()
    for name in pictures.TRUNCATED:
        assert_error(server.get(f"/images/{name}?w=11"), "broken-image")
    assert server.log() == before


# --- what is too large


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_by_its_header(server, name):
    assert_sound(server)
    before, began = server.rss_bytes(), time.monotonic()
    for query in ("", "?w=10", "?w=10&h=10&fit=cover&output=webp"):
        answer = server.get(f"/images/{name}{query}")
        # libheif has a limit of its own, and finds this one broken
        assert_error(answer, "broken-image" if name == "bomb.avif" and answer.status == 422 else "too-many-pixels")
    assert time.monotonic() - began < 1 * SLACK
    assert server.rss_bytes() - before < (8 << 20) * SLACK


def test_source_with_more_pixels_than_allowed(server):
    """320 x 240 is just allowed."""
    for name in ("rgb.png", "photo.avif", "photo.tif"):
        assert server.get(f"/few/{name}?w=100").status == 200
    for name in ("baseline.jpg", "progressive.jpg"):
        assert "image.max-pixels" in assert_error(server.get(f"/few/{name}?w=100"), "too-many-pixels")


@pytest.mark.parametrize("query", ["w=8000&h=8000&fit=outside", "h=7000", "w=1&h=6200&fit=outside"])
def test_answer_larger_than_allowed(server, query):
    assert "image.max-side" in assert_error(server.get(f"/images/baseline.jpg?{query}"), "answer-too-large")
    assert server.get("/images/baseline.jpg?w=12").status == 200  # of the picture itself it says nothing


def test_answer_larger_than_its_path_allows(server):
    assert_error(server.get("/few/rgb.png"), "answer-too-large")
    assert "1 to 200" in assert_problem(server.get("/few/rgb.png?w=201"), 400, "bad-option")
    assert server.get("/few/rgb.png?w=200").status == 200


def test_limit_of_one_path_is_not_that_of_another(server):
    """Of one picture: what is remembered of it under one path need not be true under another."""
    for width in (21, 22):
        assert_error(server.get(f"/few/baseline.jpg?w={width}"), "too-many-pixels")
        assert server.get(f"/few-too/baseline.jpg?w={width}").status == 200


@pytest.mark.parametrize("output, side", [("webp", 16384), ("avif", 16385), ("jpg", 65501)])
def test_answer_larger_than_its_format_allows(server, output, side):
    for query in (f"w={side}&h=1", f"w=1&h={side}"):
        assert_error(server.get(f"/vast/baseline.jpg?{query}&fit=fill&output={output}"), "answer-too-large")
    assert server.get("/vast/baseline.jpg?w=14").status == 200  # of the picture itself it says nothing


@pytest.mark.parametrize("output, side", [("webp", 16383), ("avif", 16384), ("jpg", 65500), ("png", 65535), ("gif", 65535)])
def test_answer_as_large_as_its_format_allows(server, output, side):
    for query in (f"w={side}&h=1", f"w=1&h={side}"):
        answer = server.get(f"/vast/rgb.png?{query}&fit=fill&output={output}")
        assert answer.status == 200, answer.body


def test_file_with_more_bytes_than_allowed(server):
    assert "image-cache.max-object-size" in assert_error(server.get("/images/large.jpg"), "source-too-large")


# --- too little memory, time or room


def small_server(tmp_path, settings, origin=None):
    """A server of its own, for limits of the process."""
    paths = {"/images": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}}
    if origin:
        paths["/http"] = {"image.origin": origin.url("/")}
    return Sluice(tmp_path, {**COMMON_SETTINGS, **settings, "hosts": {"default": {"paths": paths}}})


def test_picture_that_can_never_fit(tmp_path):
    with small_server(tmp_path, {"pressure.budget": "300MB"}) as server:
        detail = assert_error(server.get("/images/baseline.jpg?w=8000&output=avif"), "never-fits")
        need, budget, left = map(int, re.match(r"(\d+) MiB .* pressure.budget \((\d+) MiB\) leaves (\d+) MiB: ", detail).groups())
        assert budget == 300 * 10**6 >> 20 and left < budget < need
        assert_sound(server)


@pytest.mark.skipif(SLACK != 1, reason="the sanitizers' own memory is most of it")
def test_no_room_now(tmp_path):
    """Two pictures that would each fit, but not both."""
    with small_server(tmp_path, {"pressure.budget": "350MB", "image.queue-timeout": "300ms"}) as server:
        large = Asked(server, "/images/baseline.jpg?w=8000&output=png")
        wait_for(lambda: server.get("/api/health").json()["operations"]["transforms"] == 1, 10, "the first is at work")
        began = time.monotonic()
        assert "pressure.budget" in assert_error(server.get("/images/progressive.jpg?w=8000&output=png"), "no-room")
        assert 0.25 < time.monotonic() - began < 5
        assert server.get("/images/rgb.png?w=10").status == 200  # for a small one there is
        large.hang_up()
        assert_sound(server)


def test_queue_is_full(tmp_path, origin):
    settings = {"image.workers": 1, "image.max-queue": 2}
    with small_server(tmp_path, settings, origin) as server:
        names = ["rgb.png", "rgba.png", "palette.png"]
        for name in names:
            origin.hold(f"/{name}")
        asked = [Asked(server, f"/http/{name}?w=33") for name in names]
        for name in names:
            origin.wait_for_request(f"/{name}")
        assert "image.max-queue" in assert_error(server.get("/http/grey.jpg?w=33"), "queue-full")
        assert_error(server.get("/images/grey.jpg?w=33"), "queue-full")
        for name in names:
            origin.release(f"/{name}")
        assert [one.answer().status for one in asked] == [200, 200, 200]
        assert server.get("/http/grey.jpg?w=33").status == 200
        assert_sound(server)


def test_downloads_wait_for_one_another_not_for_ever(tmp_path, origin):
    with small_server(tmp_path, {"image.max-fetches": 1, "image.queue-timeout": "300ms"}, origin) as server:
        origin.hold("/rgb.png")
        held = Asked(server, "/http/rgb.png?w=34")
        origin.wait_for_request("/rgb.png")
        assert_error(server.get("/http/grey.jpg?w=34"), "queue-full")
        origin.release("/rgb.png")
        assert held.answer().status == 200
        assert server.get("/http/grey.jpg?w=34").status == 200
        assert_sound(server)


def test_transform_takes_too_long(tmp_path):
    with small_server(tmp_path, {"image.transform-timeout": "100ms"}) as server:
        answer = server.get("/images/baseline.jpg?w=8000&output=png")
        assert "image.transform-timeout" in assert_error(answer, "transform-timeout")
        # of the picture itself it says nothing
        assert server.get("/images/baseline.jpg?w=10").status == 200
        assert_sound(server)
