"""Pictures made to hurt a decoder: small files that ask for gigabytes or for hours, or that are two things at once. Each is answered in
time and within the budget, by a picture or by an error that is the picture's, and leaves the server as it was. What lies in headers
alone is in test_errors.py, truncated files as well."""

import concurrent.futures
import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

import pictures
from clients import assert_settles
from harness import Sluice

BUDGET_BYTES = 256 << 20
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *more, rows=None, colour=0):
    """Grey, black, with further chunks in front of the pixels; rows: of how many rows there are pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    pixels = zlib.compress(bytes((width * (3 if colour == 2 else 1) + 1) * (height if rows is None else rows)), 9)
    return PNG + header + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def zeros(megabytes):
    """Deflated: a thousandth of that."""
    pack = zlib.compressobj(9)
    return b"".join(pack.compress(bytes(1 << 20)) for _ in range(megabytes)) + pack.flush()


def picture(format, size=(64, 48), **options):
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def animation(format, frames, size=(16, 16)):
    images = [Image.new("RGB", size, (n % 256, n // 256, 128)) for n in range(frames)]
    file = io.BytesIO()
    images[0].save(file, format, save_all=True, append_images=images[1:], duration=20)
    return file.getvalue()


def tiff(*tags, more=b""):
    """One directory, which says that another one follows: itself."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 8) + more


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_of_many_scans(width, height, scans):
    """A progressive one, of which each scan walks all blocks and says nothing: 40 bytes of work for hundreds of megabytes."""
    one_code = segment(0xC4, b"\0" + b"\1" + bytes(15) + b"\0") + segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\xe0")
    head = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0") + one_code
    blocks = -(-width // 8) * -(-height // 8)
    dc = segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8 + 1)
    # runs of 2^14 blocks without anything: one code and 14 bits each
    ac = segment(0xDA, b"\1\1\0\1\x3f\0") + bytes(-(-blocks // 16384) * 15 // 8 + 2)
    return head + dc + ac * scans + b"\xff\xd9"


SOUND = {200}
BROKEN = {422}
TOO_MUCH = {413, 422}


def hostile():
    """name: content, the statuses that will do."""
    jpeg, webp, gif = picture("JPEG"), picture("WEBP"), picture("GIF")
    script = b"<script>alert(document.domain)</script>"
    archive = b"PK\5\6" + bytes(18)
    return {
        # what metadata unpacks to is nothing to us
        "profile.png": (png(64, 48, chunk(b"iCCP", b"bomb\0\0" + zeros(2000))), SOUND | BROKEN),
        "text.png": (png(64, 48, *[chunk(b"zTXt", b"bomb\0\0" + zeros(500))] * 4), BROKEN),
        "itext.png": (png(64, 48, chunk(b"iTXt", b"bomb\0\1\0\0\0" + zeros(1000))), BROKEN),
        "some-text.png": (png(64, 48, chunk(b"zTXt", b"some\0\0" + zeros(100))), SOUND),
        "chunks.png": (png(64, 48, *[chunk(b"tEXt", b"key%d\0value" % n) for n in range(100000)]), SOUND | BROKEN),
        "huge-chunk.png": (PNG + struct.pack(">I", 0x7FFFFFFF) + b"IHDR" + bytes(100), BROKEN),
        # more, or less, than the header says
        "long.png": (png(64, 48, rows=20_000_000 // 65), SOUND | BROKEN),
        "short.png": (png(64, 480, rows=1), BROKEN),
        "no-pixels.png": (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)) + chunk(b"IEND", b""), BROKEN),
        "crc.png": (png(64, 48).replace(b"IDAT\x78", b"IDAT\x79"), BROKEN),
        "zero.png": (png(0, 48, rows=0), BROKEN | TOO_MUCH),
        "tall.png": (png(1, 49_000_000, rows=1), TOO_MUCH),
        "wide.png": (png(49_000_000, 1, rows=0), TOO_MUCH),
        "zero.gif": (gif[:6] + bytes(4) + gif[10:], SOUND | BROKEN),
        "zero.jpg": (re.sub(rb"(\xff\xc0\0.\x08)....", lambda m: m[1] + bytes(4), jpeg, flags=re.S), BROKEN | TOO_MUCH),
        # the first frame is asked for, and made of little
        "frames.gif": (animation("GIF", 1000), SOUND),
        "frames.webp": (animation("WEBP", 1000), SOUND),
        "nothing.gif": (b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0, 0, 0) + b"\x21\xf9\x04\0\0\0\0\0" * 200000 + b"\x3b", BROKEN | TOO_MUCH),
        # tables that lead nowhere, or round
        "circle.tif": (tiff((256, 64), (257, 48), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 48), (279, 64)), BROKEN),
        "strips.tif": (tiff((256, 64), (257, 48), (258, 8), (259, 1), (262, 1), (273, 0xFFFFFFF0), (277, 1), (278, 1), (279, 0xFFFFFFFF)), BROKEN),
        "samples.tif": (tiff((256, 64), (257, 48), (258, 8), (259, 1), (262, 1), (273, 8), (277, 65535), (278, 48), (279, 64)), TOO_MUCH),
        # time
        "scans.jpg": (jpeg_of_many_scans(7000, 7000, 3000), BROKEN),
        "hundred-scans.jpg": (jpeg_of_many_scans(2000, 2000, 99), SOUND | BROKEN),
        # two things at once: what they are is decided by how they begin, and nothing of the other comes out
        "archive.png": (png(64, 48) + archive, SOUND),
        "script.gif": (gif[:-1] + b"\x21\xfe" + bytes([len(script)]) + script + b"\0\x3b", SOUND),
        "script.jpg": (jpeg[:2] + segment(0xFE, script) + jpeg[2:] + script, SOUND),
        "script.webp": (webp[:4] + struct.pack("<I", len(webp) + len(script) + 1) + webp[8:] + b"EXIF" + struct.pack("<I", len(script)) + script + b"\0", SOUND | BROKEN),
        "page.html": (b"<!doctype html>" + script + jpeg, BROKEN),
        "jpeg-in.png": (PNG + jpeg, BROKEN | TOO_MUCH),
        "png-in.jpg": (jpeg[:20] + png(64, 48), BROKEN),
        "elf.jpg": (b"\x7fELF" + jpeg, BROKEN),
    }  # fmt: skip


FILES = hostile()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, (content, _) in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "sound.jpg").write_bytes(picture("JPEG", (640, 480)))
    settings = {"pressure.budget": BUDGET_BYTES, "image.transform-timeout": "5s", "image.workers": 2}
    paths = {"/images": {"image.origin": str(folder)}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    with Sluice(folder, {**settings, "hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert_settles(server)
        assert peak_bytes(server) < BUDGET_BYTES
        assert server.stop()


def peak_bytes(server):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())[1]) << 10


@pytest.mark.parametrize("query", ["w=32&output=png", "output=webp", "w=20&h=20&fit=cover&output=jpg"])
@pytest.mark.parametrize("name", FILES)
def test_hostile_picture(server, name, query):
    answer = server.get(f"/images/{name}?{query}")
    assert answer.status in FILES[name][1], (name, answer.status, answer.body[:300])
    if answer.status == 200:
        assert b"script" not in answer.body and b"PK\5\6" not in answer.body
        image = pictures.decode(answer.body)
        assert max(image.size) <= 7000
    else:
        assert answer.json()["code"] in {"not-an-image", "broken-image", "too-many-pixels", "never-fits", "source-never-fits", "transform-timeout"}
    assert server.get("/images/sound.jpg?w=64").status == 200


def test_memory_stays_within_the_budget(server):
    """All of them at once, and again."""
    paths = [f"/images/{name}?w={width}" for width in (30, 31) for name in FILES]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(server.get, paths)]
    assert set(statuses) <= {200, 413, 422, 503}
    assert peak_bytes(server) < BUDGET_BYTES
    assert server.get("/api/health").json()["status"] == "healthy"
