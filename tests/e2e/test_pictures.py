"""Pictures end to end: formats, sizes, orientation, colours and metadata. What HTTP says about them is in test_http.py.

Two judges share no code with the server: Pillow, and the command vips. Sizes are computed here once more, in fractions.
"""

import io
import random
import re
import struct
from fractions import Fraction

import pytest
from PIL import Image, ImageStat

import pictures
from pictures import fetch, size_of
from harness import Sluice, run

OUTPUTS = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif"}
SOURCES = [name for name in pictures.SOUND if not name.startswith("exif-")]
SIGNATURES = {
    "jpg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG\r\n\x1a\n",
    "webp": rb"RIFF....WEBP",
    "gif": rb"GIF8[79]a",
    "avif": rb"....ftypavif",
}
# mean difference of an answer to its source, of 255: what the encoders lose at their default quality on these noisy pictures
TOLERANCE = {"jpg": 4, "png": 0.1, "webp": 4, "gif": 3, "avif": 5}
FITS = ("inside", "outside", "cover", "fill", "contain")
FIXTURES = sorted(path.name for path in pictures.fixtures_dir().iterdir()) if pictures.fixtures_dir() else []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all: the test pictures (/images), odd ones (/odd), photographs (/real)."""
    folder = tmp_path_factory.mktemp("pictures")
    odd = folder / "odd"
    odd.mkdir()
    Image.new("RGB", (1000, 3), "red").save(odd / "flat.png")
    Image.new("RGB", (3, 1000), "red").save(odd / "tall.png")
    Image.new("RGB", (333, 777), "red").save(odd / "odd.png")
    ink = Image.new("CMYK", (128, 32), (0, 0, 0, 0))
    ink.paste((255, 0, 0, 0), (64, 0, 128, 32))
    ink.save(odd / "ink.jpg", quality=95)
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/odd": {"image.origin": str(odd)},
    }
    if FIXTURES:
        paths["/real"] = {"image.origin": str(pictures.fixtures_dir())}
    with Sluice(folder, {"hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


def vips(*words):
    done = run(["vips", *words])
    assert done.returncode == 0, done.stderr


def thumbnail_by_command(source, folder, width, height, *options):
    """What the command vips makes of a picture, without loss. A profile is used where there is one: see
    test_colours_without_a_profile_stay."""
    fields = pictures.header(source).fields
    if "icc-profile-data" in fields:
        options += ("--export-profile", "srgb", "--intent", "perceptual")
    if fields["interpretation"] == "cmyk":  # of these the command leaves CMYK by its own intent, which is another one, ahead of ours
        vips("icc_transform", source, folder / "rgb.png", "srgb", "--embedded", "--intent", "perceptual")
        source = folder / "rgb.png"
    vips("thumbnail", source, folder / "thumbnail.png", width, "--height", height, *options)
    return pictures.decode(folder / "thumbnail.png")


def srgb_by_command(source, folder):
    """The same for a conversion by its profile alone."""
    vips("icc_transform", source, folder / "srgb.png", "srgb", "--embedded", "--intent", "perceptual")
    return Image.open(folder / "srgb.png")


# --- formats


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_format_from_every_format(server, tmp_path, source, output):
    path = pictures.tests() / source
    judge = srgb_by_command(path, tmp_path) if source == "cmyk.jpg" else pictures.decode(path)
    if output == "jpg" and judge.mode == "RGBA":
        judge = Image.alpha_composite(Image.new("RGBA", judge.size, "black"), judge)
    answer = fetch(server, f"/images/{source}?output={output}")
    assert answer.headers["Content-Type"] == OUTPUTS[output]
    decoded = pictures.decode(answer.body)
    assert format_by_signature(answer.body) == output
    assert decoded.size == pictures.SOUND[source][1:3]
    assert pictures.difference(decoded, judge) < TOLERANCE[output] + (2.5 if source == "cmyk.jpg" else 0)


@pytest.mark.parametrize("source", SOURCES)
def test_the_source_decides_the_format_by_its_content(server, source):
    answer = fetch(server, f"/images/{source}?w=20")
    expected = {"tiff": "jpg"}.get(pictures.SOUND[source].format, pictures.SOUND[source].format)
    assert (format_by_signature(answer.body), answer.headers["Content-Type"]) == (expected, OUTPUTS[expected])


@pytest.mark.parametrize("output", ["png", "webp", "avif", "gif"])
@pytest.mark.parametrize("source", ["rgba.png", "alpha.webp"])
def test_transparency_stays(server, source, output):
    image = pictures.decode(fetch(server, f"/images/{source}?w=160&output={output}").body).convert("RGBA")
    assert image.getpixel((0, 0))[3] < 8 and image.getpixel((80, 60))[3] > 247


def test_what_has_no_transparency_lies_on_black(server):
    image = pictures.decode(fetch(server, "/images/rgba.png?output=jpg").body)
    assert max(image.getpixel((0, 0))) < 16


def test_picture_of_an_animation_is_its_first(server):
    assert pictures.difference(fetch(server, "/images/animated.gif?output=png").body, pictures.tests() / "animated.gif") < 1.5


@pytest.mark.parametrize("output", ["jpg", "webp", "avif"])
def test_quality_changes_the_bytes(server, output):
    sizes = [len(fetch(server, f"/images/baseline.jpg?w=200&output={output}&q={q}").body) for q in (1, 30, 60, 100)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4, sizes


def format_by_signature(body):
    return next((name for name, signature in SIGNATURES.items() if re.match(signature, body, re.S)), None)


# --- sizes


def nearest(value):
    """The whole numbers nearest to a fraction: two where it lies between them; at least 1."""
    low = value.numerator // value.denominator
    return {max(1, side) for side in (low, low + 1) if abs(value - side) <= Fraction(1, 2)}


def sizes_expected(source, w, h, fit):
    """The possible widths and heights of an answer."""
    width, height = source
    if not w and not h:
        return {width}, {height}
    if fit == "fill":
        return {w or width}, {h or height}
    if w and h and fit in ("cover", "contain"):
        return {w}, {h}
    factors = [Fraction(asked, side) for asked, side in ((w, width), (h, height)) if asked]
    factor = max(factors) if fit == "outside" else min(factors)
    return nearest(width * factor), nearest(height * factor)


def assert_size(server, path, source, w, h, fit):
    query = "&".join(f"{name}={value}" for name, value in (("w", w), ("h", h), ("fit", fit)) if value)
    size = size_of(fetch(server, f"{path}?output=png&{query}").body)
    widths, heights = sizes_expected(source, w, h, fit)
    assert size[0] in widths and size[1] in heights, (path, query, size)
    if fit != "outside" or not (w and h):
        for side, asked in zip(size, (w, h)):
            assert not asked or side <= asked, (path, query, size)


@pytest.mark.parametrize("fit", ["", *FITS])
@pytest.mark.parametrize(
    "w, h",
    [(100, 0), (0, 100), (333, 0), (0, 77), (100, 100), (200, 50), (50, 200), (640, 480), (1, 1), (641, 481), (800, 0), (700, 999)],
)
def test_size(server, w, h, fit):
    assert_size(server, "/images/baseline.jpg", (640, 480), w, h, fit)


def test_size_of_random_questions(server):
    dice = random.Random(1)
    sources = {"/images/baseline.jpg": (640, 480), "/odd/odd.png": (333, 777), "/images/exif-6.jpg": (320, 240)}
    for _ in range(60):
        path, source = dice.choice(list(sources.items()))
        w, h = dice.choice([0, dice.randint(1, 400)]), dice.choice([0, dice.randint(1, 400)])
        assert_size(server, path, source, w, h, dice.choice(FITS))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name, source", [("flat.png", (1000, 3)), ("tall.png", (3, 1000))])
def test_size_of_extreme_shapes(server, name, source, fit):
    for w, h in ((10, 0), (0, 10), (10, 10), (1, 50), (50, 1)):
        if fit != "outside":
            assert_size(server, f"/odd/{name}", source, w, h, fit)
    assert_size(server, f"/odd/{name}", source, 7, 2, fit)


@pytest.mark.parametrize("w, h", [(100, 100), (317, 211), (64, 200), (500, 480)])
@pytest.mark.parametrize("fit, options", [("inside", []), ("fill", ["--size", "force"]), ("cover", ["--crop", "centre"])])
def test_size_and_pixels_are_those_of_the_command(server, tmp_path, fit, options, w, h):
    judge = thumbnail_by_command(pictures.tests() / "baseline.jpg", tmp_path, w, h, *options)
    answer = pictures.decode(fetch(server, f"/images/baseline.jpg?w={w}&h={h}&fit={fit}&output=png").body)
    assert pictures.difference(answer, judge) < 1.5  # the command shrinks less while it loads; of sizes that differ it says so
    lossy = pictures.decode(fetch(server, f"/images/baseline.jpg?w={w}&h={h}&fit={fit}&output=jpg").body)
    assert pictures.difference(lossy, judge) < TOLERANCE["jpg"] + 1


@pytest.mark.parametrize("output", ["png", "webp", "avif", "gif"])
@pytest.mark.parametrize("source", ["baseline.jpg", "rgba.png"])
def test_contain_has_transparent_borders(server, source, output):
    image = pictures.decode(fetch(server, f"/images/{source}?w=120&h=150&fit=contain&output={output}").body).convert("RGBA")
    assert image.size == (120, 150)
    assert [image.getpixel((60, y))[3] > 128 for y in (0, 20, 75, 129, 149)] == [False, False, True, False, False]


def test_contain_has_black_borders_in_jpeg(server, tmp_path):
    image = pictures.decode(fetch(server, "/images/baseline.jpg?w=120&h=150&fit=contain").body)
    assert [max(image.getpixel((60, y))) < 16 for y in (0, 20, 75, 129, 149)] == [True, True, False, True, True]
    judge = thumbnail_by_command(pictures.tests() / "baseline.jpg", tmp_path, 120, 90)
    assert pictures.difference(image.crop((0, 30, 120, 120)), judge) < 6


def test_cover_keeps_the_middle(server):
    image = pictures.decode(fetch(server, "/images/exif-1.jpg?w=100&h=240&fit=cover&output=png").body)
    whole = pictures.decode(pictures.tests() / "exif-1.jpg").crop((110, 0, 210, 240))
    assert pictures.difference(image, whole) < 1


# --- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "query, size", [("", (320, 240)), ("w=160", (160, 120)), ("h=60&output=png", (80, 60)), ("w=64&h=64&fit=fill", (64, 64))]
)
def test_upright(server, orientation, query, size):
    image = pictures.decode(fetch(server, f"/images/exif-{orientation}.jpg?{query}").body)
    assert (image.size, pictures.corners(image)) == (size, pictures.MARKS)


# --- colours and metadata


def means(image):
    return ImageStat.Stat(image.convert("RGB")).mean


@pytest.mark.parametrize("source, tolerance", [("cmyk.jpg", 3), ("tagged.jpg", 0.5)])
def test_colours_become_srgb(server, tmp_path, source, tolerance):
    judge = srgb_by_command(pictures.tests() / source, tmp_path)
    for output, noise in (("png", 0), ("webp", 4), ("jpg", 4)):
        # without decode(), which would use a profile that must not be there
        answer = Image.open(io.BytesIO(fetch(server, f"/images/{source}?output={output}").body)).convert("RGB")
        assert pictures.difference(answer, judge) < tolerance + noise
        assert max(abs(a - b) for a, b in zip(means(answer), means(judge))) < tolerance + (0.7 if noise else 0)
    # the judge would see it: the same numbers taken for sRGB are another picture
    assert pictures.difference(Image.open(pictures.tests() / source).convert("RGB"), judge) > 2


@pytest.mark.parametrize("output", ["png", "webp", "jpg"])
def test_colours_without_a_profile_stay(server, output):
    """An export profile without one to import from would darken every plain picture, and give grey a tint."""
    for source in ("rgb.png", "baseline.jpg", "grey.jpg", "16bit.png"):
        answer = pictures.decode(fetch(server, f"/images/{source}?output={output}").body)
        judge = pictures.decode(pictures.tests() / source)
        assert max(abs(a - b) for a, b in zip(means(answer), means(judge))) < (0.6 if output == "png" else 1.5)
    grey = means(pictures.decode(fetch(server, f"/images/grey.jpg?w=100&output={output}").body))
    assert max(grey) - min(grey) < 0.5


def test_cmyk_without_a_profile_becomes_rgb(server):
    """White paper stays white, and ink is what it says."""
    image = pictures.decode(fetch(server, "/odd/ink.jpg?w=64&output=png").body)
    assert image.mode == "RGB"
    left, right = image.getpixel((8, 8)), image.getpixel((56, 8))
    assert min(left) > 240 and right[1] > right[0] + 40 and right[2] > right[0] + 40, (left, right)  # white, cyan


def jpeg_segments(body):
    at, found = 2, []
    while body[at + 1] != 0xDA:
        found.append(body[at + 1])
        at += 2 + struct.unpack(">H", body[at + 2 : at + 4])[0]
    return found


def png_chunks(body):
    at, found = 8, []
    while at < len(body):
        found.append(body[at + 4 : at + 8].decode())
        at += 12 + struct.unpack(">I", body[at : at + 4])[0]
    return found


def webp_chunks(body):
    assert struct.unpack("<I", body[4:8])[0] == len(body) - 8
    at, found = 12, []
    while at < len(body):
        found.append(body[at : at + 4].decode())
        size = struct.unpack("<I", body[at + 4 : at + 8])[0]
        at += 8 + size + size % 2
    assert at == len(body)
    return found


@pytest.mark.parametrize("query", ["", "&w=100", "&w=100&h=100&fit=contain"])
@pytest.mark.parametrize("source", ["tagged.jpg", "exif-6.jpg", "cmyk.jpg", "rgba.png", "alpha.webp"])
def test_metadata_is_stripped(server, source, query):
    answer = {output: fetch(server, f"/images/{source}?output={output}{query}").body for output in OUTPUTS}
    app1_to_app15_and_comment = {*range(0xE1, 0xF0), 0xFE} - {0xEE}
    assert not app1_to_app15_and_comment & set(jpeg_segments(answer["jpg"]))
    assert set(png_chunks(answer["png"])) <= {"IHDR", "PLTE", "tRNS", "bKGD", "pHYs", "IDAT", "IEND"}
    chunks = webp_chunks(answer["webp"])
    assert chunks in (["VP8 "], ["VP8L"], ["VP8X", "ALPH", "VP8 "]), chunks
    for output, body in answer.items():
        for trace in (b"Exif\0", b"http://ns.adobe.com", b"Public Domain", b"xmpmeta", b"ICC_PROFILE", b"Noise", b"acsp"):
            assert trace not in body, (output, trace)
        info = Image.open(io.BytesIO(body)).info if output != "avif" else {}
        assert not {"exif", "icc_profile", "xmp", "XML:com.adobe.xmp", "comment"} & set(info), (output, info)
    fields = pictures.header(answer["avif"]).fields
    assert not {"exif-data", "xmp-data", "icc-profile-data", "iptc-data"} & set(fields), fields


# --- photographs of others


@pytest.mark.parametrize("name", FIXTURES)
def test_photograph(server, tmp_path, name):
    source = pictures.fixtures_dir() / name
    answer = server.get(f"/real/{name}?w=300&output=png")
    if pictures.header(source) is None or pictures.header(source).format == "svg":
        assert (answer.status, answer.json()["code"]) == (422, "not-an-image")
        return
    assert answer.status == 200, answer.body
    judge = thumbnail_by_command(source, tmp_path, 300, 10000)
    assert pictures.difference(answer.body, judge) < 3  # the command shrinks less while it loads
    for query in ("", "?w=64&h=64&fit=cover&output=webp", "?h=100&output=jpg"):
        pictures.decode(fetch(server, f"/real/{name}{query}").body)
