"""Size, crop and orientation, pixel by pixel: fit, we, a, cx cy cw ch, precrop, trim, cbg, ro, rbg, flip, flop.

The judge is the command vips where something is scaled, rotated or searched, and Pillow where pixels only move. Positions are
computed here once more, in fractions. What geometry alone can tell is in tests/unit/test_geometry.c.
"""

import random
import re
from fractions import Fraction

import pytest
from PIL import Image, ImageDraw, ImageOps

import pictures
from clients import assert_settles, metrics
from harness import Sluice, run
from pictures import fetch, size_of
from problems import SLACK

PHOTO = (640, 480)  # of photo.png
NEAR = 1  # what two ways to scale may differ by on the average, of 255; a picture that is off by one pixel differs by more than 2


def vips(*words):
    # its code with vector instructions rounds in another way, by which attention may fall on another place
    done = run(["env", "VIPS_NOVECTOR=1", "vips", *words])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    vips("copy", pictures.tests() / "baseline.jpg", folder / "photo.png")
    photo = Image.open(folder / "photo.png").convert("RGB")
    photo.resize((40, 30)).save(folder / "small.png")
    photo.convert("L").save(folder / "grey.png")
    grey = photo.convert("L")
    Image.merge("RGBA", (*photo.split(), grey)).save(folder / "rgba.png")
    Image.new("RGB", (1, 10000), "red").save(folder / "line.png")
    for name, mode, paper in (("framed", "RGB", "white"), ("framed-grey", "L", 255), ("framed-alpha", "RGBA", (0, 0, 0, 0))):
        framed = Image.new(mode, (400, 300), paper)
        framed.paste(photo.resize((120, 90)).convert(mode), (150, 40))
        framed.save(folder / f"{name}.png")
        if mode != "RGBA":
            framed.save(folder / f"{name}.jpg", quality=90)
            framed.save(folder / f"{name}-progressive.jpg", quality=90, progressive=True)
            framed.save(folder / f"{name}.gif")
        framed.save(folder / f"{name}.webp", lossless=True)
    turned = Image.open(folder / "framed.png").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "framed-turned.jpg", quality=90, exif=exif)
    vips("colourspace", folder / "framed.png", folder / "framed-16.png", "rgb16")
    vips("copy", folder / "framed.png", folder / "framed.tif")
    vips("copy", folder / "framed.png", f"{folder}/framed.avif[lossless]")
    vips("copy", folder / "framed.png", f"{folder}/framed-interlaced.png[interlace]")
    steps = Image.new("RGB", (200, 200), "white")
    for n, grey in enumerate((245, 200, 120, 10)):
        steps.paste((grey,) * 3, (10 + 20 * n, 10 + 20 * n, 190 - 10 * n, 190 - 10 * n))
    steps.save(folder / "steps.png")
    vips("colourspace", folder / "steps.png", folder / "steps-16.png", "rgb16")
    blank = Image.new("RGB", (1000, 800), "white")
    blank.save(folder / "blank.png")
    ImageDraw.Draw(blank).line((500, 100, 500, 700), "black", width=3)
    blank.save(folder / "stroke.png")
    Image.new("RGB", (2, 9), "white").save(folder / "narrow.png")
    strip = Image.new("RGB", (1000, 10), "white")
    strip.paste("navy", (500, 0, 510, 10))
    strip.save(folder / "strip.png")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder):
    paths = {"/made": {"image.origin": str(folder)}, "/images": {"image.origin": str(pictures.tests())}}
    if pictures.fixtures_dir():
        paths["/real"] = {"image.origin": str(pictures.fixtures_dir())}
    with Sluice(tmp_path_factory.mktemp("server"), {"hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


def answer(server, path, query=""):
    """What the server makes of a picture, without loss."""
    return pictures.decode(fetch(server, f"{path}?output=png&{query}").body)


def scaled(source, folder, width, height):
    vips("thumbnail", source, folder / "scaled.png", width, "--height", height, "--size", "force")
    return pictures.decode(folder / "scaled.png")


def rounded(value):
    """To the nearest, from the middle to even, and 1 at least."""
    return max(1, round(Fraction(value)))


def covering(source, w, h):
    factor = max(Fraction(w, source[0]), Fraction(h, source[1]))
    return rounded(source[0] * factor), rounded(source[1] * factor)


def assert_like(image, judge, tolerance=NEAR):
    assert image.size == judge.size
    assert pictures.difference(image, judge) < tolerance


# --- how large


@pytest.mark.parametrize("fit", ["inside", "outside", "cover", "fill", "contain"])
def test_without_enlargement(server, folder, tmp_path, fit):
    """Only what is too large is scaled; what is smaller than its canvas lies on it as it is."""
    small = Image.open(folder / "small.png").convert("RGB")
    image = answer(server, "/made/small.png", f"w=100&h=90&fit={fit}&we")
    expected = {"contain": (100, 90)}.get(fit, (40, 30))
    assert image.size == expected
    if fit == "contain":
        assert image.getpixel((29, 30))[3] == 0 and image.getpixel((30, 30))[3] == 255
        image = image.crop((30, 30, 70, 60))
    assert pictures.difference(image, small) == 0
    assert size_of(fetch(server, f"/made/small.png?w=100&h=90&fit={fit}").body) != (40, 30)
    # of a side each, only where they do not belong together
    assert answer(server, "/made/photo.png", "w=700&h=100&fit=fill&we").size == (640, 100)
    assert answer(server, "/made/photo.png", "w=700&h=100&fit=cover&we").size == (640, 100)
    assert answer(server, "/made/photo.png", "w=320&we").size == (320, 240)


def test_shares(server):
    assert answer(server, "/made/photo.png", "w=50%25").size == (320, 240)
    assert answer(server, "/made/photo.png", "w=25%25&h=100%25&fit=fill").size == (160, 480)
    assert answer(server, "/images/exif-6.jpg", "w=50%25&h=100%25&fit=fill").size == (160, 240)
    assert answer(server, "/images/exif-6.jpg", "h=50%25").size == (160, 120)


def test_what_is_too_large_on_the_way_only(server):
    """10 x 100000 pixels of which 100 x 100 are kept; what has to be searched for them would have to be there."""
    assert set(answer(server, "/made/line.png", "w=100&h=100&fit=cover").getcolors()) == {(10000, (255, 0, 0))}
    assert answer(server, "/made/line.png", "w=100&h=100&fit=cover&ro=90").size == (100, 100)
    assert answer(server, "/made/line.png", "w=100&h=100&fit=inside").size == (1, 100)
    for query in ("w=100&h=100&fit=cover&a=entropy", "w=100", "w=8192&h=8192&fit=cover", "w=7000&h=7000&fit=fill&ro=45"):
        refusal = server.get(f"/made/line.png?{query}")
        assert (refusal.status, refusal.json()["code"]) == (413, "answer-too-large"), query


# --- cover: what is kept

EDGES = {
    "": (Fraction(1, 2), Fraction(1, 2)),
    "center": (Fraction(1, 2), Fraction(1, 2)),
    "top": (Fraction(1, 2), 0),
    "right": (1, Fraction(1, 2)),
    "bottom": (Fraction(1, 2), 1),
    "left": (0, Fraction(1, 2)),
    "top-left": (0, 0),
    "top-right": (1, 0),
    "bottom-left": (0, 1),
    "bottom-right": (1, 1),
}


@pytest.mark.parametrize("w, h", [(201, 50), (61, 203)])
@pytest.mark.parametrize("align", EDGES)
def test_cover_by_edges(server, folder, tmp_path, align, w, h):
    whole = scaled(folder / "photo.png", tmp_path, *covering(PHOTO, w, h))
    left, top = (int((size - part) * share) for size, part, share in zip(whole.size, (w, h), EDGES[align]))
    judge = whole.crop((left, top, left + w, top + h))
    assert_like(answer(server, "/made/photo.png", f"w={w}&h={h}&fit=cover" + (f"&a={align}" if align else "")), judge)


@pytest.mark.parametrize("align", ["top", "right", "bottom-left"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_cover_by_edges_of_what_is_seen(server, orientation, align):
    path = f"/images/exif-{orientation}.jpg"
    for w, h in ((320, 60), (60, 240)):
        whole = pictures.decode(pictures.tests() / f"exif-{orientation}.jpg")
        left, top = (int((size - part) * share) for size, part, share in zip(whole.size, (w, h), EDGES[align]))
        assert_like(answer(server, path, f"w={w}&h={h}&fit=cover&a={align}"), whole.crop((left, top, left + w, top + h)), 2)


@pytest.mark.parametrize("w, h", [(200, 40), (60, 200)])
@pytest.mark.parametrize("x, y", [("0", "0"), ("0.5", "0.5"), ("0.31", "0.77"), ("1", "1"), ("0.9", "0.4")])
def test_cover_by_a_focal_point(server, folder, tmp_path, x, y, w, h):
    whole = scaled(folder / "photo.png", tmp_path, *covering(PHOTO, w, h))
    factor = max(Fraction(w, PHOTO[0]), Fraction(h, PHOTO[1]))
    starts = []
    for share, side, part, size in zip((x, y), PHOTO, (w, h), whole.size):
        middle = Fraction(share) * side * factor - Fraction(part, 2)
        starts.append(min(max(int(middle + Fraction(1, 2)), 0), size - part))
    left, top = starts
    judge = whole.crop((left, top, left + w, top + h))
    assert_like(answer(server, "/made/photo.png", f"w={w}&h={h}&fit=cover&a=focal&fpx={x}&fpy={y}"), judge)


@pytest.mark.parametrize("source", ["photo.png", "rgba.png", "grey.png"])
@pytest.mark.parametrize("align", ["entropy", "attention"])
@pytest.mark.parametrize("w, h", [(640, 150), (180, 480)])
def test_cover_by_what_is_interesting(server, folder, tmp_path, align, source, w, h):
    vips("smartcrop", folder / source, tmp_path / "judge.png", w, h, "--interesting", align)
    image = answer(server, f"/made/{source}", f"w={w}&h={h}&fit=cover&a={align}")
    assert_like(image, pictures.decode(tmp_path / "judge.png"), 0.01)
    part = answer(server, f"/made/{source}", f"w={w}&h={h}&fit=cover&a={align}&cx=10&cw=30")
    assert pictures.difference(part, image.crop((10, 0, 40, h))) == 0


@pytest.mark.parametrize("align", ["entropy", "attention"])
def test_what_is_interesting_is_scaled_before(server, folder, tmp_path, align):
    scaled(folder / "photo.png", tmp_path, *covering(PHOTO, 60, 200))
    vips("smartcrop", tmp_path / "scaled.png", tmp_path / "judge.png", 60, 200, "--interesting", align)
    assert_like(answer(server, "/made/photo.png", f"w=60&h=200&fit=cover&a={align}"), pictures.decode(tmp_path / "judge.png"))


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_what_is_interesting_is_searched_upright(server, tmp_path, orientation):
    source = pictures.tests() / f"exif-{orientation}.jpg"
    vips("autorot", source, tmp_path / "upright.png")
    vips("smartcrop", tmp_path / "upright.png", tmp_path / "judge.png", 100, 240, "--interesting", "attention")
    image = answer(server, f"/images/exif-{orientation}.jpg", "w=100&h=240&fit=cover&a=attention")
    assert_like(image, pictures.decode(tmp_path / "judge.png"))


# --- crops by numbers


@pytest.mark.parametrize(
    "crop, box",
    [
        ("cx=10&cy=20&cw=100&ch=50", (10, 20, 110, 70)),
        ("cx=300&cw=100", (300, 0, 320, 240)),
        ("cy=239", (0, 239, 320, 240)),
        ("cx=320&cy=10&cw=10&ch=10", (0, 10, 10, 20)),
        ("cx=25%25&cy=50%25&cw=50%25&ch=100%25", (80, 120, 240, 240)),
    ],
)
def test_crop(server, folder, tmp_path, crop, box):
    whole = scaled(folder / "photo.png", tmp_path, 320, 240)
    assert_like(answer(server, "/made/photo.png", f"w=320&{crop}"), whole.crop(box))
    # of what is seen: a quarter turn later it is another part
    turned = answer(server, "/made/photo.png", f"h=320&w=240&fit=fill&ro=90&{crop}")
    other = scaled(folder / "photo.png", tmp_path, 240, 320).transpose(Image.Transpose.ROTATE_270)
    assert_like(turned, other.crop(box))


def test_crop_follows_cover(server, folder, tmp_path):
    whole = scaled(folder / "photo.png", tmp_path, *covering(PHOTO, 200, 200))
    image = answer(server, "/made/photo.png", "w=200&h=200&fit=cover&a=bottom-right&cx=10&cy=30&cw=100&ch=50")
    left, top = whole.width - 200 + 10, 30
    assert_like(image, whole.crop((left, top, left + 100, top + 50)))


@pytest.mark.parametrize("source", ["photo.png", "/images/baseline.jpg", "/images/progressive.jpg"])
@pytest.mark.parametrize("query, size", [("w=100", (100, 80)), ("w=64&h=200&fit=cover&a=right", (64, 200)), ("", (250, 200))])
def test_crop_first(server, folder, tmp_path, source, query, size):
    """The part is cut out of the source, with all the pixels that it has there."""
    path, file = (source, pictures.tests() / source[8:]) if source[0] == "/" else (f"/made/{source}", folder / source)
    vips("crop", file, tmp_path / "part.png", 101, 51, 250, 200)
    image = answer(server, path, f"cx=101&cy=51&cw=250&ch=200&precrop&{query}")
    if "cover" in query:
        judge = scaled(tmp_path / "part.png", tmp_path, 250, 200).crop((250 - 64, 0, 250, 200))
    else:
        judge = scaled(tmp_path / "part.png", tmp_path, *size)
    assert_like(image, judge)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_first_of_what_is_seen(server, folder, tmp_path, orientation):
    upright = pictures.decode(pictures.tests() / f"exif-{orientation}.jpg")
    image = answer(server, f"/images/exif-{orientation}.jpg", "cx=200&cy=10&cw=100&ch=60&precrop&flop")
    assert_like(image, ImageOps.mirror(upright).crop((200, 10, 300, 70)))
    image = answer(server, f"/images/exif-{orientation}.jpg", "cx=5&cy=200&ch=100&precrop&ro=270&w=235&h=50&fit=fill")
    upright.transpose(Image.Transpose.ROTATE_90).crop((5, 200, 240, 300)).save(tmp_path / "part.png")
    assert_like(image, scaled(tmp_path / "part.png", tmp_path, 235, 50))


# --- trim

FRAMED = ["framed.png", "framed-grey.png", "framed-alpha.png", "framed.jpg", "framed-grey.jpg", "framed-progressive.jpg", "framed.gif",
          "framed.webp", "framed-alpha.webp", "framed-16.png", "framed.tif", "framed.avif", "framed-interlaced.png"]  # fmt: skip


def find_trim(file, threshold, *options):
    """The box of what the command finds."""
    words = vips("find_trim", file, "--threshold", threshold, *options)
    left, top, width, height = map(int, re.findall(r"\d+", words))
    return left, top, left + width, top + height


def trimmed(folder, tmp_path, name, threshold):
    source = folder / name
    options = ["--background", "0 0 0"] if "alpha" in name else []
    if name in ("framed-16.png",):
        box = find_trim(source, threshold * 256, "--background", "65535")
    else:
        box = find_trim(source, threshold, *options)
    assert 60 < box[2] - box[0] <= 130 and 40 < box[3] - box[1] <= 100, box  # it is the picture within the frame
    return box


@pytest.mark.parametrize("name", FRAMED)
def test_trim(server, folder, tmp_path, name):
    box = trimmed(folder, tmp_path, name, 30)
    whole = pictures.decode(folder / name)
    assert_like(answer(server, f"/made/{name}", "trim=30"), whole.crop(box))
    whole.crop(box).save(tmp_path / "part.png")
    height = rounded(Fraction((box[3] - box[1]) * 60, box[2] - box[0]))
    assert_like(answer(server, f"/made/{name}", "trim=30&w=60"), scaled(tmp_path / "part.png", tmp_path, 60, height))


def test_trim_by_threshold(server, folder, tmp_path):
    boxes = {threshold: find_trim(folder / "steps.png", threshold) for threshold in (1, 9, 10, 54, 55, 135, 244, 245, 254)}
    assert len(set(boxes.values())) == 5
    for threshold, box in boxes.items():
        size = (box[2] - box[0], box[3] - box[1]) if threshold < 245 else (200, 200)
        for name in ("steps.png", *(["steps-16.png"] if threshold not in (10, 55, 135, 245) else [])):  # of 16 bits, those differ by more
            assert answer(server, f"/made/{name}", f"trim={threshold}").size == size, (name, threshold)


def test_trim_with_other_options(server, folder, tmp_path):
    left, top, right, bottom = trimmed(folder, tmp_path, "framed.png", 10)
    whole = pictures.decode(folder / "framed.png")
    part = whole.crop((left, top, right, bottom))
    # what is stored is trimmed, and then turned
    upright = answer(server, "/made/framed-turned.jpg", "trim=30")
    assert_like(upright, pictures.decode(folder / "framed.jpg").crop(find_trim(folder / "framed.jpg", 30)), 4)
    assert_like(answer(server, "/made/framed.png", "trim=10&ro=90&flip"), ImageOps.flip(part.transpose(Image.Transpose.ROTATE_270)))
    assert_like(answer(server, "/made/framed.png", "trim=10&cx=20&cw=50&precrop"), part.crop((20, 0, 70, part.height)))
    assert_like(answer(server, "/made/framed.png", "trim=10&cx=20&cy=5"), part.crop((20, 5, *part.size)))
    assert answer(server, "/made/framed.png", "trim=10&w=50%25").size[0] == 200  # of the source's side
    contained = answer(server, "/made/framed.png", "trim=10&w=200&h=200&fit=contain&cbg=00f")
    assert contained.size == (200, 200) and contained.getpixel((100, 2))[:3] == (0, 0, 255)
    assert answer(server, "/made/framed.png", "trim=10&w=30&h=80&fit=cover&a=attention").size == (30, 80)
    assert answer(server, "/made/framed.png", "trim=10&w=100&h=75&fit=fill&ro=45").size == (124, 124)


def test_nothing_to_trim(server, folder):
    assert answer(server, "/made/blank.png", "trim=10").size == (1000, 800)
    assert answer(server, "/made/blank.png", "trim=10&w=100").size == (100, 80)
    assert answer(server, "/made/narrow.png", "trim=10").size == (2, 9)
    assert answer(server, "/images/1x1.png", "trim=200").size == (1, 1)


def test_what_trimming_leaves_may_be_too_large(server):
    """3 x 600 pixels are left, and are nothing to refuse before they are known."""
    assert answer(server, "/made/stroke.png", "trim=10").size == (3, 601)
    assert answer(server, "/made/stroke.png", "trim=10&h=300").size == (1, 300)
    assert answer(server, "/made/stroke.png", "trim=10&w=30").size == (30, 6010)
    assert answer(server, "/made/stroke.png", "trim=10&w=90&h=90&fit=cover").size == (90, 90)
    assert answer(server, "/made/stroke.png", "trim=10&w=90&we").size == (3, 601)
    refusal = server.get("/made/stroke.png?trim=10&w=90")
    assert (refusal.status, refusal.json()["code"]) == (413, "answer-too-large")


@pytest.mark.skipif(SLACK != 1, reason="the sanitizers' own memory is more than this budget")
def test_memory_for_what_trimming_leaves(tmp_path, folder):
    """A square in a strip: as wide as the strip was to be, it is a hundred times as high. Its memory is asked for when that is known."""
    paths = {"/made": {"image.origin": str(folder)}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    config = {"pressure.budget": 160 << 20, "image.transform-timeout": "60s", "hosts": {"default": {"paths": paths}}}
    with Sluice(tmp_path, config) as server:
        assert size_of(fetch(server, "/made/strip.png?w=8000").body) == (8000, 80)
        refusal = server.get("/made/strip.png?w=8000&trim=10&output=webp")
        assert (refusal.status, refusal.json()["code"]) == (413, "never-fits")
        assert re.match(r"4\d\d MiB of memory are needed", refusal.json()["detail"]), refusal.json()
        assert_settles(server, 5)
        assert size_of(fetch(server, "/made/strip.png?w=2400&trim=10").body) == (2400, 2400)
        assert_settles(server, 5)
        values = metrics(server)
        assert values["sluice_transform_overruns_total"] == 0
        assert values['sluice_transform_memory_ratio_count{format="png"}'] == 2
        assert server.stop()


@pytest.mark.parametrize("name", pictures.TRUNCATED)
def test_broken_pictures_cannot_be_trimmed(server, name):
    refusal = server.get(f"/images/{name}?trim=10")
    assert (refusal.status, refusal.json()["code"]) == (422, "broken-image")


# --- contain

COLOURS = {"f00": (255, 0, 0, 255), "8000ff00": (0, 255, 0, 128), "fff": (255, 255, 255, 255), "": (0, 0, 0, 0)}


@pytest.mark.parametrize("source", ["photo.png", "rgba.png", "grey.png"])
@pytest.mark.parametrize("colour", COLOURS)
def test_contain(server, folder, tmp_path, source, colour):
    size = rounded(Fraction(101 * 640, 480)), 101
    whole = scaled(folder / source, tmp_path, *size).convert("RGBA")
    for align, left in (("center", (200 - size[0]) // 2), ("left", 0), ("bottom-right", 200 - size[0])):
        judge = Image.new("RGBA", (200, 101), COLOURS[colour])
        judge.paste(whole, (left, 0))
        image = answer(server, f"/made/{source}", f"w=200&h=101&fit=contain&a={align}" + (f"&cbg={colour}" if colour else ""))
        assert_like(image.convert("RGBA"), judge)
        assert image.convert("RGBA").getchannel("A").getextrema() == judge.getchannel("A").getextrema()
    image = answer(server, f"/made/{source}", f"w=200&h=101&fit=contain&a=focal&fpx=0.25" + (f"&cbg={colour}" if colour else ""))
    judge = Image.new("RGBA", (200, 101), COLOURS[colour])
    judge.paste(whole, (int((200 - size[0]) * Fraction(1, 4) + Fraction(1, 2)), 0))
    assert_like(image.convert("RGBA"), judge)


def test_contain_where_there_is_no_alpha(server):
    """Colours lie on black."""
    for colour, expected in (("", 0), ("&cbg=fff", 255), ("&cbg=80ffffff", 128)):
        image = pictures.decode(fetch(server, f"/made/photo.png?w=200&h=100&fit=contain&output=jpg{colour}").body)
        assert max(abs(value - expected) for value in image.getpixel((4, 50))) < 8
        assert max(image.getpixel((100, 50))) > 40


def test_contain_of_what_is_turned(server):
    """The canvas is turned with the picture, which stays whole."""
    image = answer(server, "/images/exif-1.jpg", "w=320&h=100&fit=contain&ro=90&a=top&cbg=000")
    assert image.size == (100, 320)
    assert pictures.corners(image.crop((0, 0, 100, 133))) == ("blue", "red", "white", "green")
    assert image.getpixel((50, 200))[:3] == (0, 0, 0)


# --- turns

TURNS = {
    0: lambda image: image,
    90: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    180: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    270: lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns(server, orientation):
    """What is seen is what is turned, and then flipped: pixels only move."""
    upright = pictures.decode(pictures.tests() / f"exif-{orientation}.jpg")
    for degrees, turn in TURNS.items():
        for flip in (0, 1):
            for flop in (0, 1):
                judge = turn(upright)
                judge = ImageOps.flip(judge) if flip else judge
                judge = ImageOps.mirror(judge) if flop else judge
                query = f"ro={degrees}" + "&flip" * flip + "&flop" * flop
                assert_like(answer(server, f"/images/exif-{orientation}.jpg", query), judge, 0.5)


def test_sides_are_those_before_the_turn(server):
    assert answer(server, "/made/photo.png", "w=320&h=100&fit=fill&ro=270").size == (100, 320)
    assert answer(server, "/made/photo.png", "w=320&h=100&fit=cover&ro=90").size == (100, 320)
    assert answer(server, "/made/photo.png", "w=320&ro=-90").size == (240, 320)
    assert answer(server, "/images/exif-8.jpg", "w=160&h=100&fit=fill").size == (160, 100)


@pytest.mark.parametrize("name", ["16bit.png", "grey.jpg", "cmyk.jpg", "rgba.png", "lossless.webp", "photo.avif", "plain.gif", "photo.tif"])
def test_turns_of_every_kind(server, name):
    plain, turned = (answer(server, f"/images/{name}", query) for query in ("w=100", "w=100&ro=90"))
    assert_like(turned, plain.transpose(Image.Transpose.ROTATE_270), 0.01)


@pytest.mark.parametrize("source", ["photo.png", "rgba.png", "grey.png", "/images/exif-6.jpg"])
@pytest.mark.parametrize("degrees", [1, 30, 135, 301])
def test_rotation(server, folder, tmp_path, source, degrees):
    path, file = (source, pictures.tests() / source[8:]) if source[0] == "/" else (f"/made/{source}", folder / source)
    vips("autorot", file, tmp_path / "upright.png")
    vips("thumbnail", tmp_path / "upright.png", tmp_path / "small.png", 200)
    alpha = pictures.header(tmp_path / "small.png").bands % 2 == 0
    background = "0" if source == "grey.png" else "255 0 0 255" if alpha else "255 0 0"
    vips("rotate", tmp_path / "small.png", tmp_path / "judge.png", degrees, "--background", background)
    image = answer(server, path, f"w=200&ro={degrees}&rbg={'000' if source == 'grey.png' else 'f00'}")
    assert_like(image, pictures.decode(tmp_path / "judge.png"))


def test_rotation_shows_its_background(server, folder):
    """Transparent, half transparent, on black in JPEG, coloured around grey."""
    clear = answer(server, "/made/photo.png", "w=200&ro=45")
    assert clear.mode == "RGBA" and clear.getpixel((2, 2))[3] == 0 and clear.getpixel((120, 120))[3] == 255
    half = answer(server, "/made/photo.png", "w=200&ro=45&rbg=80642800")
    assert max(abs(a - b) for a, b in zip(half.getpixel((2, 2)), (100, 40, 0, 128))) <= 2
    assert max(abs(a - b) for a, b in zip(answer(server, "/made/grey.png", "w=200&ro=45&rbg=00f").getpixel((2, 2)), (0, 0, 255))) <= 1
    jpeg = pictures.decode(fetch(server, "/made/photo.png?w=200&ro=45&output=jpg").body)
    assert max(jpeg.getpixel((4, 4))) < 8
    assert fetch(server, "/images/exif-6.jpg?w=100&ro=45").headers["Content-Type"] == "image/jpeg"


def test_rotation_follows_the_canvas(server):
    image = answer(server, "/made/photo.png", "w=200&h=200&fit=contain&cbg=00f&ro=45&rbg=f00")
    assert image.size == (283, 283)
    assert image.getpixel((3, 3))[:3] == (255, 0, 0)
    blue = image.getpixel((206, 76))[:3]  # what was over the middle, above the picture
    assert blue[2] > 200 and blue[0] < 60, blue


# --- all together


def test_random_questions_give_sound_pictures(server):
    """Whatever is combined: an answer of the size that its own steps give, or a refusal that says why."""
    dice = random.Random(5)
    sources = ["/made/photo.png", "/made/rgba.png", "/made/grey.png", "/made/framed.jpg", "/images/exif-5.jpg", "/images/16bit.png",
               "/images/alpha.webp", "/images/cmyk.jpg", "/images/animated.gif", "/made/framed-16.png"]  # fmt: skip
    for _ in range(150):
        words = [f"output={dice.choice(['jpg', 'png', 'webp'])}"]
        for name, values in (
            ("w", (20, 77, 300, "30%25")), ("h", (20, 91, 250, "40%25")), ("fit", ("cover", "contain", "fill", "outside")),
            ("a", ("top", "right", "entropy", "attention", "focal")), ("cx", (5, "10%25")), ("cy", (7,)), ("cw", (40, "60%25")),
            ("ch", (30,)), ("precrop", (1,)), ("trim", (5, 40)), ("ro", (90, 180, 270, 33)), ("flip", (1,)), ("flop", (1,)), ("we", (1,)),
            ("cbg", ("f00", "80ff0000")), ("rbg", ("0f0",)),
        ):  # fmt: skip
            if dice.random() < 0.4:
                words.append(f"{name}={dice.choice(values)}")
        path = f"{dice.choice(sources)}?{'&'.join(words)}"
        reply = server.get(path)
        assert reply.status == 200, (path, reply.body)
        pictures.decode(reply.body)


FIXTURES = sorted(path.name for path in pictures.fixtures_dir().iterdir()) if pictures.fixtures_dir() else []


@pytest.mark.parametrize("name", FIXTURES)
def test_photograph(server, tmp_path, name):
    source = pictures.fixtures_dir() / name
    if pictures.header(source) is None or pictures.header(source).format == "svg":
        assert server.get(f"/real/{name}?trim=10").status == 422
        return
    whole = answer(server, f"/real/{name}", "w=240&h=180&fit=fill")
    for degrees, turn in TURNS.items():
        assert_like(answer(server, f"/real/{name}", f"w=240&h=180&fit=fill&ro={degrees}&flip"), ImageOps.flip(turn(whole)), 0.01)
    assert_like(answer(server, f"/real/{name}", "w=240&h=180&fit=fill&cx=20&cy=10&cw=50%25"), whole.crop((20, 10, 140, 180)), 0.01)
    for query in ("trim=10&w=200", "w=100&h=100&fit=cover&a=attention", "w=100&h=100&fit=cover&a=entropy&ro=90", "w=100&ro=20",
                  "cx=10%25&cw=50%25&precrop&w=100", "w=100&h=90&fit=contain&cbg=fff"):  # fmt: skip
        pictures.decode(fetch(server, f"/real/{name}?{query}").body)
