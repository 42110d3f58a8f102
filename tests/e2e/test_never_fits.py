"""Sources that are of no use: what the first bytes tell ends the download, and nobody asks for it again so soon."""

import io
import re
import struct

import pytest
from PIL import Image

import pictures
from clients import Asked
from harness import Sluice
from problems import COMMON_SETTINGS, SLACK, assert_error, assert_sound

MIB = 1 << 20
BUDGET = 128 * MIB
SIZE = 48 * MIB  # of the sources
IN_FLIGHT = 12 * MIB  # that the sockets between the origin and the server may hold

pytestmark = pytest.mark.skipif(SLACK != 1, reason="the sanitizers' own memory is more than this budget")


def progressive_jpeg(width=3000, height=3000):
    """Its beginning. The coefficients of 9 megapixels of CMYK take 72 MB, for whatever is made of them: of grey and of three
    components the small answers take less."""
    parts = b"".join(bytes([number, 0x11, 0]) for number in range(1, 5))
    metadata = b"\xff\xe1" + struct.pack(">H", 40002) + b"Exif" + bytes(39996)
    return b"\xff\xd8" + metadata + b"\xff\xc2" + struct.pack(">HBHHB", 20, 8, height, width, 4) + parts


def interlaced_png(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1) + b"abcd"


CASES = {
    "jpeg": (progressive_jpeg(), "source-never-fits"),
    "png": (interlaced_png(6000, 4000), "source-never-fits"),
    "bomb": (interlaced_png(60000, 60000), "too-many-pixels"),
    "page": (b"<!DOCTYPE html>" + b" " * 1000, "not-an-image"),
}


@pytest.fixture
def server(tmp_path, origin):
    (tmp_path / "files").mkdir()
    paths = {
        "/http": {"image.origin": origin.url("/")},
        "/files": {"image.origin": str(tmp_path / "files")},
        "/images": {"image.origin": str(pictures.tests())},
        "/api": {"health.api": "ON"},
    }
    config = {**COMMON_SETTINGS, "pressure.budget": BUDGET, "hosts": {"default": {"paths": paths}}}
    with Sluice(tmp_path, config) as server:
        yield server


def numbers(detail):
    """need, budget and what is left of it, in MiB"""
    return tuple(map(int, re.match(r"(\d+) MiB .* pressure\.budget \((\d+) MiB\) leaves (\d+) MiB: ", detail).groups()))


def test_the_log_says_at_the_start_what_one_picture_may_take(server, origin):
    """As does each 413; no more than the server grows smaller."""
    origin.script("/large", prefix=CASES["jpeg"][0], size=SIZE)
    left = numbers(assert_error(server.get("/http/large?w=300"), "source-never-fits"))[2]
    said = int(re.search(r"at most (\d+) MiB for one picture", server.log())[1])
    assert said <= left <= said + 4


@pytest.mark.parametrize("length", ["right", "chunked"])
@pytest.mark.parametrize("case", CASES)
def test_download_is_cut_short_and_remembered(server, origin, case, length):
    prefix, code = CASES[case]
    origin.script("/large", prefix=prefix, size=SIZE, length=length)
    assert_sound(server)
    resident = server.rss_bytes()
    detail = assert_error(server.get("/http/large?w=300"), code)
    origin.wait_for_abort("/large")
    assert origin.seen("/large")[0].sent < IN_FLIGHT
    assert server.rss_bytes() < resident + IN_FLIGHT
    if code == "source-never-fits":
        need, budget, left = numbers(detail)
        assert budget == 128 and 30 < left < 85
        # the pixels or coefficients and, where it is known, the source
        assert 70 <= need - (SIZE // MIB if length == "right" else 0) <= 72
    again = server.get("/http/large?w=500&output=webp")
    assert assert_error(again, code) == detail and "hit" in again.headers["cache-status"]
    assert origin.count("/large") == 1
    assert_sound(server)


@pytest.mark.parametrize("case", CASES)
def test_file_is_not_read_to_its_end(server, tmp_path, case):
    prefix, code = CASES[case]
    with open(tmp_path / "files" / "large", "wb") as file:
        file.write(prefix)
        file.truncate(SIZE)
    assert_sound(server)
    resident = server.rss_bytes()
    detail = assert_error(server.get("/files/large?w=300"), code)
    assert server.rss_bytes() < resident + IN_FLIGHT
    (tmp_path / "files" / "large").unlink()
    assert assert_error(server.get("/files/large?w=301"), code) == detail  # remembered: the file is gone
    assert_sound(server)


def test_others_are_served_meanwhile(server, origin):
    """Of many that never fit and one that does, all at once."""
    for number in range(20):
        origin.script(f"/large-{number}", prefix=progressive_jpeg(), size=SIZE)
    asked = [Asked(server, f"/http/large-{number}?w=300") for number in range(20)]
    assert server.get("/http/rgb.png?w=100").status == 200
    for one in asked:
        assert_error(one.answer(), "source-never-fits")
    assert_sound(server)


def test_beginning_that_comes_in_pieces(server, origin):
    """No piece of it says that it never fits, but all of them."""
    beginning = progressive_jpeg()
    origin.script("/slow.jpg", prefix=beginning, size=SIZE, stop_after=len(beginning) - 5)
    asked = Asked(server, "/http/slow.jpg?w=300")
    origin.wait_for(lambda: origin.seen("/slow.jpg") and origin.seen("/slow.jpg")[0].sent == len(beginning) - 5)
    origin.release("/slow.jpg")
    assert_error(asked.answer(), "source-never-fits")
    origin.wait_for_abort("/slow.jpg")


def test_a_thumbnail_fits_where_the_whole_does_not(server, tmp_path):
    """Of a progressive JPEG of 24 megapixels, the coefficients of which take 72 MB. What is made of it is what Pillow makes of it."""
    gradient = Image.merge("RGB", [Image.linear_gradient("L").rotate(angle).resize((6000, 4000)) for angle in (0, 90, 180)])
    gradient.save(tmp_path / "files/large.jpg", quality=90, progressive=True)
    answer = server.get("/files/large.jpg?w=300")
    assert answer.status == 200
    assert pictures.difference(Image.open(io.BytesIO(answer.body)), gradient.resize((300, 200), Image.Resampling.BOX)) < 2
    assert_error(server.get("/files/large.jpg?w=1600"), "never-fits")
    assert server.get("/files/large.jpg?w=750").status == 200
    assert_sound(server)


LIARS = {
    "small-jpeg": progressive_jpeg(64, 64),
    "small-png": interlaced_png(64, 64),
    "half-a-frame": progressive_jpeg()[:-12],
    "gif": b"GIF89a" + b"\xff" * 7,
}


@pytest.mark.parametrize("prefix", LIARS.values(), ids=LIARS)
def test_header_that_promises_more_than_there_is(server, origin, prefix):
    """Nothing is wrong with the beginning; that is for the decoder to say."""
    origin.script("/liar", prefix=prefix, size=300000)
    answer = server.get("/http/liar?w=30")
    assert answer.status in (413, 422) and answer.json()["code"] in ("broken-image", "too-many-pixels", "source-never-fits")
    assert_sound(server)


def test_connection_is_kept_behind_a_small_page(server, origin):
    """What is left of it is less work to read than a new connection."""
    origin.script("/page", body=b"<html>" + b" " * 5000)
    assert_error(server.get("/http/page?w=30"), "not-an-image")
    origin.wait_for(lambda: origin.seen("/page")[0].finished)
    assert not origin.seen("/page")[0].aborted
