"""The options of the output: encoders, data: URLs, metadata as JSON, placeholders. The judges are Pillow, vipsheader and sharp, and
the bytes of the files themselves."""

import base64
import io
import zlib

import pytest
from PIL import Image, ImageStat

import pictures
import sharp
from harness import Sluice
from pictures import fetch

FIXTURES = sorted(
    path.name for path in (pictures.fixtures_dir() or pictures.harness.ROOT).iterdir() if path.suffix.lower() in (".jpg", ".png", ".webp", ".gif", ".tif")
)
MIME_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif", "tiff": "image/tiff"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    paths = {"/images": {"image.origin": str(pictures.tests())}}
    if pictures.fixtures_dir():
        paths["/real"] = {"image.origin": str(pictures.fixtures_dir())}
    with Sluice(folder, {"hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


def get(server, query, name="rgb.png"):
    return fetch(server, f"/images/{name}?{query}").body


def source(name="rgb.png"):
    return pictures.decode(pictures.tests() / name)


# --- encoders


def test_levels_of_png_change_the_bytes_and_nothing_else(server):
    sizes = []
    for level in range(10):
        body = get(server, f"output=png&l={level}")
        assert pictures.difference(body, source()) == 0
        sizes.append(len(body))
    assert sizes[0] > 320 * 240 * 3 and len(set(sizes)) > 6 and max(sizes[1:]) < 0.7 * sizes[0], sizes
    assert get(server, "output=png") == get(server, "output=png&l=6")


def png_filters(body):
    """The types of filters that the rows of a PNG with 3 bytes for a pixel have."""
    at, data = 8, b""
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        if body[at + 4 : at + 8] == b"IDAT":
            data += body[at + 8 : at + 8 + size]
        at += 12 + size
    rows, width = zlib.decompress(data), 3 * int.from_bytes(body[16:20], "big")
    return set(rows[:: width + 1])


def test_filters_of_png(server):
    assert png_filters(get(server, "output=png")) == {0}
    filtered = get(server, "output=png&af")
    assert len(png_filters(filtered)) > 1
    assert pictures.difference(filtered, source()) == 0


def test_interlaced(server):
    plain, progressive = get(server, "output=jpg"), get(server, "output=jpg&il")
    assert b"\xff\xc0" in plain[:700] and b"\xff\xc2" in progressive[:700] and b"\xff\xc2" not in plain[:700]
    assert Image.open(io.BytesIO(progressive)).info.get("progressive")
    assert pictures.difference(plain, progressive) < 0.1
    for query, interlace in (("output=png", 0), ("output=png&il", 1)):
        body = get(server, query)
        assert body[28] == interlace and pictures.difference(body, source()) == 0


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png"])
def test_lossless(server, name):
    body = get(server, "output=webp&ll", name)
    assert b"VP8L" in body[:64] and b"VP8 " not in body[:64]
    assert pictures.difference(body, source(name)) == 0
    assert b"VP8L" not in get(server, "output=webp", name)[:64]
    assert pictures.difference(get(server, "output=avif&ll", name), source(name)) < 1


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "grey.jpg", "baseline.jpg", "photo.tif", "16bit.png", "cmyk.jpg"])
def test_tiff(server, name):
    answer = fetch(server, f"/images/{name}?output=tiff&w=200")
    assert answer.headers["Content-Type"] == "image/tiff"
    image = Image.open(io.BytesIO(answer.body))
    assert (image.format, image.size[0]) == ("TIFF", 200)
    assert image.tag_v2[259] == 7  # compressed as JPEG
    assert not {700, 34675, 34665, 33723} & set(image.tag_v2), dict(image.tag_v2)  # XMP, profile, EXIF, IPTC
    png = get(server, "output=png&w=200&bg=000000", name)  # a TIFF of JPEG has no transparency
    assert pictures.difference(pictures.decode(answer.body), pictures.decode(png)) < 5
    assert len(get(server, "output=tiff&w=200&q=20", name)) < len(answer.body)


def test_of_a_tiff_the_web_gets_what_it_can_show(server):
    assert get(server, "w=50", "photo.tif")[:3] == b"\xff\xd8\xff"


# --- data: URLs


@pytest.mark.parametrize("output", MIME_TYPES)
@pytest.mark.parametrize("width", [1, 37, 38, 39, 300])
def test_base64_is_the_picture_in_a_url(server, output, width):
    answer = fetch(server, f"/images/rgba.png?w={width}&output={output}&encoding=base64")
    assert answer.headers["Content-Type"] == "text/plain"
    head, _, data = answer.body.decode("ascii").partition(",")
    assert head == f"data:{MIME_TYPES[output]};base64"
    assert base64.b64decode(data, validate=True) == get(server, f"w={width}&output={output}", "rgba.png")


# --- metadata


@pytest.mark.parametrize("name", [name for name in pictures.SOUND if name != "png-named.jpg"])
def test_json_is_what_vipsheader_says(server, name):
    answer = fetch(server, f"/images/{name}?output=json")
    assert answer.headers["Content-Type"] == "application/json"
    facts, header, known = answer.json(), pictures.header(pictures.tests() / name), pictures.SOUND[name]
    assert (facts["width"], facts["height"], facts["channels"]) == (known.width, known.height, header.bands)
    assert facts["format"] == {"jpg": "jpeg", "avif": "heif"}.get(known.format, known.format)
    assert (facts["space"], facts["depth"]) == (header.fields["interpretation"], header.fields["format"])
    assert facts["orientation"] == (header.orientation if "orientation" in header.fields else 0)
    assert facts["hasProfile"] == ("icc-profile-data" in header.fields)
    assert facts["isProgressive"] == ("interlaced" in header.fields)
    assert facts.get("chromaSubsampling") == header.fields.get("jpeg-chroma-subsample")
    assert facts.get("pages", 1) == known.pages


@pytest.mark.parametrize("name", [name for name in pictures.SOUND if name not in ("png-named.jpg", "palette.png", "plain.gif")])
def test_json_is_what_sharp_says(server, name):
    if sharp.missing():
        pytest.skip(f"sharp cannot judge: {sharp.missing()}")
    facts, other = fetch(server, f"/images/{name}?output=json").json(), sharp.metadata(pictures.tests() / name)
    for field in ("format", "width", "height", "space", "channels", "depth", "chromaSubsampling", "isProgressive", "pages", "loop",
                  "delay", "hasProfile", "hasAlpha", "compression"):  # fmt: skip
        if field in other:
            assert facts.get(field) == other[field], field
    assert facts["orientation"] == other.get("orientation", 0)


def test_json_of_an_animation_names_all_frames(server):
    facts = fetch(server, "/images/animated.gif?output=json").json()
    with Image.open(pictures.tests() / "animated.gif") as image:
        delays = []
        for frame in range(image.n_frames):
            image.seek(frame)
            delays.append(image.info["duration"])
    assert (facts["pages"], facts["pageHeight"], facts["delay"]) == (8, 120, delays)


def test_json_decodes_nothing(server):
    """The second half of the file is missing, which only decoding would show."""
    for name in ("truncated.jpg", "truncated.png"):
        assert fetch(server, f"/images/{name}?output=json").json()["width"] > 0
        assert server.get(f"/images/{name}?output=png").status == 422


# --- placeholders


def mean(image):
    flat = Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image.convert("RGBA"))
    return ImageStat.Stat(flat.convert("RGB")).mean


@pytest.mark.parametrize("path", [f"/images/{name}" for name in pictures.SOUND] + ([f"/real/{name}" for name in FIXTURES] if pictures.fixtures_dir() else []))
def test_placeholder(server, path):
    body = fetch(server, f"{path}?lqip").body
    image, whole = pictures.decode(body), pictures.decode(fetch(server, f"{path}?output=png&w=200&h=200").body)
    assert body[8:12] == b"WEBP" and len(body) <= 700, len(body)
    assert max(image.size) <= 24 and (max(image.size) == 24 or "1x1" in path or "tall" in path)
    assert abs(image.width / image.height - whole.width / whole.height) < 0.12 * whole.width / whole.height
    assert max(abs(a - b) for a, b in zip(mean(image), mean(whole))) < 12
    assert pictures.difference(image.resize(whole.size, Image.Resampling.BICUBIC), whole) < 45


@pytest.mark.parametrize("output", ["jpg", "png", "webp", "avif", "gif"])
def test_placeholder_in_a_format_that_is_asked_for(server, output):
    body = fetch(server, f"/images/baseline.jpg?lqip&output={output}").body
    assert pictures.header(body).format == output and max(pictures.decode(body).size) == 24
    assert len(body) < 2000, len(body)


def test_placeholder_of_what_was_asked_for(server):
    """Crops, borders and adjustments show in it."""
    small = pictures.decode(fetch(server, "/images/baseline.jpg?w=100&h=300&fit=cover&filt=negate&lqip&output=png").body)
    whole = pictures.decode(fetch(server, "/images/baseline.jpg?w=100&h=300&fit=cover&filt=negate&output=png").body)
    assert small.size == (8, 24)
    assert pictures.difference(small, whole.resize((8, 24), Image.Resampling.LANCZOS)) < 6


def test_placeholder_in_a_page(server):
    answer = fetch(server, "/images/baseline.jpg?lqip&encoding=base64")
    assert answer.body.startswith(b"data:image/webp;base64,") and len(answer.body) < 700
