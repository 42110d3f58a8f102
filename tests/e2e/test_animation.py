"""Pages and animations. The sources are painted here with Pillow, which is also the judge of the answers, together with sharp."""

import io
import struct

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps, ImageStat

import pictures
import sharp
from harness import Sluice
from pictures import fetch
from problems import assert_error

SIZE = (120, 90)
DELAYS = [100, 50, 200, 70, 70, 300]
COLOURS = [(220, 30, 30), (30, 180, 40), (40, 60, 220), (230, 210, 40), (200, 60, 200), (60, 200, 200)]


def frames():
    """One colour each, with a white square that wanders."""
    made = []
    for n, colour in enumerate(COLOURS):
        image = Image.new("RGB", SIZE, colour)
        ImageDraw.Draw(image).rectangle((10 + 15 * n, 30, 24 + 15 * n, 59), fill="white")
        made.append(image)
    return made


def save_animation(path, images, **options):
    images[0].save(path, save_all=True, append_images=images[1:], duration=DELAYS[: len(images)], loop=3, **options)


def tiny_gif(count):
    """`count` frames of one pixel in as few bytes as there can be."""
    frame = b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + count * frame + b"\x3b"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("animation")
    odd = folder / "odd"
    odd.mkdir()
    save_animation(odd / "moving.gif", frames(), disposal=2)
    save_animation(odd / "moving.webp", frames(), lossless=True)
    with Image.open(pictures.tests() / "tagged.jpg") as tagged:
        save_animation(odd / "tagged.webp", frames(), lossless=True, icc_profile=tagged.info["icc_profile"], exif=tagged.info["exif"])
    pages = [Image.new("RGB", size, colour) for size, colour in zip(((60, 40), (20, 10), (90, 80), (30, 30)), COLOURS)]
    pages[0].save(odd / "pages.tif", save_all=True, append_images=pages[1:])
    for count in (256, 257, 2000, 20000):
        (odd / f"{count}.gif").write_bytes(tiny_gif(count))
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/odd": {"image.origin": str(odd)},
        "/three": {"image.origin": str(odd), "image.max-pages": 3},
        "/small": {"image.origin": str(odd), "image.max-pixels": 3 * SIZE[0] * SIZE[1]},
    }
    with Sluice(folder, {"hosts": {"default": {"paths": paths}}}) as server:
        server.odd = odd
        yield server
        assert server.stop()


def read(body):
    """The frames of an answer, their delays, and how often it loops."""
    image, found, delays = Image.open(io.BytesIO(body)), [], []
    for n in range(getattr(image, "n_frames", 1)):
        image.seek(n)
        image.load()
        found.append(image.convert("RGBA"))
        delays.append(image.info.get("duration"))
    return found, delays, image.info.get("loop")


def assert_shows(found, expected, tolerance):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.size == other.size
        assert pictures.difference(one, other) < tolerance


def loops(source, output):
    """GIF counts how often an animation begins anew, WebP how often it is shown."""
    return 3 + (source.endswith("gif") and output == "webp") - (source.endswith("webp") and output == "gif")


NOISE = {"gif": 6, "webp": 6}


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_all_frames_stay(server, name, output):
    found, delays, loop = read(fetch(server, f"/odd/{name}?n=-1&output={output}").body)
    assert_shows(found, frames(), NOISE[output])
    assert (delays, loop) == (DELAYS, loops(name, output))


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
@pytest.mark.parametrize("width", [31, 60, 240])
def test_every_frame_is_scaled(server, name, output, width):
    found, delays, loop = read(fetch(server, f"/odd/{name}?n=-1&w={width}&output={output}").body)
    height = round(width * SIZE[1] / SIZE[0])
    assert_shows(found, [frame.resize((width, height), Image.Resampling.LANCZOS) for frame in frames()], NOISE[output] + 2)
    assert (delays, loop) == (DELAYS, loops(name, output))


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_frames_are_those_of_sharp(server, name):
    if sharp.missing():
        pytest.skip(f"sharp cannot judge: {sharp.missing()}")
    found, _, _ = read(fetch(server, f"/odd/{name}?n=-1&w=60&output=webp&q=95").body)
    tall = sharp.render(server.odd / name, ["resize", 60], animated=True)
    assert tall.size == (60, 45 * 6)
    assert_shows(found, [tall.crop((0, 45 * n, 60, 45 * (n + 1))) for n in range(6)], 4)


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_one_frame_unless_more_are_asked_for(server, name):
    for query in ("", "&n=1", "&output=png&n=-1", "&output=jpg&n=4", "&output=avif&n=2", "&n=1&output=webp"):
        found, _, _ = read(fetch(server, f"/odd/{name}?w=60{query}").body) if "avif" not in query else ([], 0, 0)
        if found:
            assert_shows(found, [frames()[0].resize((60, 45), Image.Resampling.LANCZOS)], 8)


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("page, n, kept", [(0, 2, [0, 1]), (2, 3, [2, 3, 4]), (4, -1, [4, 5]), (4, 200, [4, 5]), (5, 1, [5])])
@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_some_frames(server, name, output, page, n, kept):
    found, delays, _ = read(fetch(server, f"/odd/{name}?page={page}&n={n}&output={output}").body)
    assert_shows(found, [frames()[k] for k in kept], NOISE[output])
    if len(kept) > 1:
        assert delays == [DELAYS[k] for k in kept]


FITTED = {
    "w=40&h=80&fit=cover": lambda frame: ImageOps.fit(frame, (40, 80), Image.Resampling.LANCZOS),
    "w=80&h=80&fit=contain&cbg=ff0000": lambda frame: ImageOps.pad(frame, (80, 80), Image.Resampling.LANCZOS, "red"),
    "cx=20&cy=10&cw=50&ch=40": lambda frame: frame.crop((20, 10, 70, 50)),
    "cx=20&cy=10&cw=50&ch=40&precrop&w=25": lambda frame: frame.crop((20, 10, 70, 50)).resize((25, 20), Image.Resampling.LANCZOS),
    "ro=90": lambda frame: frame.transpose(Image.Transpose.ROTATE_270),
    "flip": ImageOps.flip,
    "flop": ImageOps.mirror,
    "filt=negate": ImageOps.invert,
}


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("query", FITTED)
@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_every_frame_is_cropped_and_turned_for_itself(server, name, query, output):
    found, delays, _ = read(fetch(server, f"/odd/{name}?n=-1&{query}&output={output}").body)
    assert_shows(found, [FITTED[query](frame) for frame in frames()], NOISE[output] + 3)
    assert delays == DELAYS


def test_frames_do_not_bleed_into_each_other(server):
    """A blur as wide as the picture: its rims keep the colour of their own frame."""
    found, _, _ = read(fetch(server, "/odd/moving.webp?n=-1&blur=15&output=webp&q=95").body)
    for frame, colour in zip(found, COLOURS):
        for y in (0, 89):
            assert max(abs(a - b) for a, b in zip(frame.getpixel((119 if frame is found[0] else 0, y)), colour)) < 40


@pytest.mark.parametrize("page, index", [(0, 0), (1, 1), (3, 3), (-1, 2), (-2, 1)])
def test_pages_of_a_tiff(server, page, index):
    image = pictures.decode(fetch(server, f"/odd/pages.tif?page={page}&output=png").body)
    assert image.size == ((60, 40), (20, 10), (90, 80), (30, 30))[index]
    assert ImageChops.difference(image, Image.new("RGB", image.size, COLOURS[index])).getbbox() is None


@pytest.mark.parametrize("name, page", [("moving.gif", 6), ("moving.webp", 100), ("pages.tif", 4)])
def test_page_that_is_not_there(server, name, page):
    assert "page" in assert_error(server.get(f"/odd/{name}?page={page}"), "no-such-page")
    assert server.get(f"/odd/{name}").status == 200  # this was not remembered


@pytest.mark.parametrize("page", [-1, -2])
def test_frames_of_an_animation_are_all_as_large(server, page):
    assert fetch(server, f"/odd/moving.gif?page={page}&output=png").body == fetch(server, "/odd/moving.gif?output=png").body


def test_animated_webp_is_stripped(server):
    body = fetch(server, "/odd/tagged.webp?n=-1").body
    found, delays, _ = read(body)
    assert len(found) == 6 and delays == DELAYS
    for chunk in (b"ICCP", b"EXIF", b"XMP "):
        assert chunk not in body
    assert body[20] & ~0x12 == 0  # no flag but alpha and animation


# --- limits


def code(answer):
    return answer.status, answer.json()["code"]


def test_pages_are_limited(server):
    assert len(read(fetch(server, "/odd/256.gif?n=-1&output=gif").body)[0]) >= 1
    assert "image.max-pages" in assert_error(server.get("/odd/257.gif?n=-1"), "too-many-pages")
    assert server.get("/odd/257.gif?n=256").status == 200
    assert server.get("/odd/2000.gif").status == 200
    assert code(server.get("/odd/2000.gif?n=-1&output=webp")) == (413, "too-many-pages")
    assert server.get("/odd/2000.gif?n=-1&output=png").status == 200  # of which one is decoded
    assert code(server.get("/odd/20000.gif")) == (413, "too-many-pages")
    assert code(server.get("/three/moving.gif?n=4")) == (413, "too-many-pages")
    assert len(read(fetch(server, "/three/moving.gif?n=3").body)[0]) == 3
    assert code(server.get("/three/pages.tif?page=-1")) == (413, "too-many-pages")


def test_pixels_of_all_frames_are_limited(server):
    assert len(read(fetch(server, "/small/moving.webp?n=3").body)[0]) == 3
    assert code(server.get("/small/moving.webp?n=4")) == (413, "too-many-pixels")
    assert code(server.get("/small/moving.gif?n=-1&w=10")) == (413, "too-many-pixels")


def test_placeholder_and_json_of_an_animation(server):
    found, _, _ = read(fetch(server, "/odd/moving.gif?n=-1&lqip").body)
    assert len(found) == 1 and max(found[0].size) == 24
    assert max(abs(a - b) for a, b in zip(ImageStat.Stat(found[0].convert("RGB")).mean, ImageStat.Stat(frames()[0]).mean)) < 12
    facts = fetch(server, "/odd/moving.webp?output=json").json()
    assert (facts["pages"], facts["pageHeight"], facts["delay"], facts["loop"]) == (6, 90, DELAYS, 3)
