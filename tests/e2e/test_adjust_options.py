"""The options that change colours, sharpness and background, as wsrv.nl has them. The judges are the command vips, Pillow, sharp,
and for curves the formulas, written down here once more."""

import math

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageOps

import pictures
import sharp
from harness import Sluice, run
from pictures import fetch


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adjust")
    odd = folder / "odd"
    odd.mkdir()
    half = Image.new("RGBA", (64, 64), (255, 0, 0, 128))
    half.paste((0, 0, 255, 0), (32, 0, 64, 64))
    half.save(odd / "half.png")
    half.convert("LA").save(odd / "half-grey.png")
    edge = Image.new("RGB", (200, 100), "black")
    edge.paste("white", (100, 0, 200, 100))
    edge.save(odd / "edge.png")
    Image.new("RGB", (40, 40), (200, 40, 90)).save(odd / "flat.png")
    paths = {"/images": {"image.origin": str(pictures.tests())}, "/odd": {"image.origin": str(odd)}}
    with Sluice(folder, {"hosts": {"default": {"paths": paths}}}) as server:
        server.odd = odd
        yield server
        assert server.stop()


@pytest.fixture
def by_sharp():
    if sharp.missing():
        pytest.skip(f"sharp cannot judge: {sharp.missing()}")


def answer(server, name, query):
    folder, _, file = name.rpartition("/")
    return pictures.decode(fetch(server, f"/{folder or 'images'}/{file}?output=png&{query}").body)


def source(name):
    return pictures.decode(pictures.tests() / name)


class Judge:
    """The command vips at a picture, one operation after the other."""

    def __init__(self, folder, picture):
        self.folder, self.count, self.picture = folder, 0, picture

    def __call__(self, operation, *words):
        self.count += 1
        out = self.folder / f"judge{self.count}.v"
        done = run(["vips", operation, self.picture, out, *words])
        assert done.returncode == 0, done.stderr
        self.picture = out
        return self

    def image(self):
        self("cast", "uchar")
        done = run(["vips", "copy", self.picture, self.folder / "judge.png"])
        assert done.returncode == 0, done.stderr
        return pictures.decode(self.folder / "judge.png")


@pytest.fixture
def judge(tmp_path):
    return lambda name: Judge(tmp_path, pictures.tests() / name)


def through(image, curve):
    """An image with a function of 0 to 255 at its colours, not its alpha."""
    table = [min(255, max(0, curve(value))) for value in range(256)]
    bands = image.split()
    return Image.merge(image.mode, [*(band.point(table) for band in bands[:3]), *bands[3:]])


def sigmoid(percent):
    steepness = abs(percent) * 0.3

    def level(x):
        return 1 / (1 + math.exp(steepness * (0.5 - x)))

    low, high = level(0), level(1)

    def curve(value):
        x = value / 255
        y = (level(x) - low) / (high - low) if percent > 0 else 0.5 - math.log(1 / (low + x * (high - low)) - 1) / steepness
        return round(255 * y)

    return curve


# --- curves

CURVES = {
    "bri=20": lambda value: value + 51,
    "bri=-35": lambda value: value - 89.25,
    "bri=100": lambda value: 255,
    "con=20": sigmoid(20),
    "con=100": sigmoid(100),
    "con=-40": sigmoid(-40),
    "con=-100": sigmoid(-100),
    "gam=1.5": lambda value: 255 * (value / 255) ** 1.5,
    "gam=3": lambda value: 255 * (value / 255) ** 3,
    "filt=negate": lambda value: 255 - value,
    "bri=10&con=15": lambda value: sigmoid(15)(min(255, value + 25.5)),
    "con=-15&gam=2": lambda value: 255 * (sigmoid(-15)(value) / 255) ** 2,
    "gam=2&filt=negate": lambda value: 255 - 255 * (value / 255) ** 2,
}


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "palette.png"])
@pytest.mark.parametrize("query", CURVES)
def test_curves(server, query, name):
    image = answer(server, name, query)
    expected = through(source(name), CURVES[query])
    assert image.mode == expected.mode
    if image.mode == "RGBA":
        assert ImageChops.difference(image.getchannel("A"), expected.getchannel("A")).getextrema() == (0, 0)
    worst = max(high for _, high in ImageChops.difference(image.convert("RGB"), expected.convert("RGB")).getextrema())
    assert worst <= 2, worst  # rounded once or after each of two


def test_curves_of_grey(server):
    """One channel in, one out."""
    for query in ("con=20", "bri=20", "filt=negate"):
        body = fetch(server, f"/images/grey.jpg?output=png&{query}").body
        assert pictures.header(body).bands == 1
        assert pictures.difference(body, through(source("grey.jpg"), CURVES[query])) < 1.5


def test_gamma_is_that_of_the_command(server, judge):
    assert pictures.difference(answer(server, "rgb.png", "gam=2.2"), judge("rgb.png")("gamma", "--exponent", 1 / 2.2).image()) < 0.6


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png"])
def test_negation_is_that_of_sharp(server, by_sharp, name):
    expected = sharp.render(pictures.tests() / name, ["negate", {"alpha": False}])
    assert pictures.difference(answer(server, name, "filt=negate"), expected) < 0.1


# --- modulate, tint and filters


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png"])
@pytest.mark.parametrize("mod, sat, hue", [(1.4, 1, 0), (0.5, 1, 0), (1, 0.5, 0), (1, 2, 0), (1, 0, 0), (1, 1, 120), (1.2, 0.7, 270)])
def test_modulate(server, judge, by_sharp, name, mod, sat, hue):
    image = answer(server, name, f"mod={mod}&sat={sat}&hue={hue}")
    more = ("1", "0") if name == "rgba.png" else ("", "")
    expected = judge(name)("colourspace", "lch")("linear", f"{mod} {sat} 1 {more[0]}", f"0 0 {hue} {more[1]}")
    assert pictures.difference(image, expected("colourspace", "srgb").image()) < 0.6
    other = sharp.render(pictures.tests() / name, ["modulate", {"brightness": mod, "saturation": sat, "hue": hue}])
    assert pictures.difference(image, other) < 1


def test_modulated_grey_stays_grey(server):
    body = fetch(server, "/images/grey.jpg?output=png&hue=90&sat=2").body
    assert pictures.header(body).bands == 1
    assert pictures.difference(body, source("grey.jpg")) < 1


def test_greyscale(server, judge, by_sharp):
    body = fetch(server, "/images/rgb.png?output=png&filt=greyscale").body
    assert pictures.header(body).bands == 1
    assert pictures.difference(body, judge("rgb.png")("colourspace", "b-w").image()) < 0.6
    assert pictures.difference(body, sharp.render(pictures.tests() / "rgb.png", ["greyscale"])) < 1.5


SEPIA = (0.3588, 0.7044, 0.1368, 0, 0.2990, 0.5870, 0.1140, 0, 0.2392, 0.4696, 0.0912, 0)


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "grey.jpg"])
def test_sepia(server, name):
    image = answer(server, name, "filt=sepia")
    expected = source(name).convert("RGB").convert("RGB", SEPIA)
    if "A" in image.getbands():
        expected.putalpha(source(name).getchannel("A"))
    assert image.mode == expected.mode
    assert pictures.difference(image, expected) < 1.5


def lab_of(color):
    """Of CIE L*a*b* under D65."""
    linear = [(value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4) for value in color]
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(a * b for a, b in zip(row, linear)) / white for row, white in zip(rows, (0.95047, 1, 1.08883))]
    f = [value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in xyz]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize("start, stop", [("", ""), ("001030", "ffe0d0"), ("ff0000", "00ff00")])
@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "grey.jpg"])
def test_duotone(server, name, start, stop):
    query = "filt=duotone" + (f"&start={start}&stop={stop}" if start else "")
    image = answer(server, name, query)
    low, high = (tuple(bytes.fromhex(color)) for color in (start or "c83658", stop or "d8e74f"))
    grey = answer(server, name, "filt=greyscale").convert("RGBA")
    assert image.mode == source(name).mode
    for x in range(5, image.width, 31):
        for y in range(5, image.height, 29):
            share = grey.getpixel((x, y))[0] / 255
            expected = [a + share * (b - a) for a, b in zip(lab_of(low), lab_of(high))]
            got = image.getpixel((x, y))
            inside = all(0 < value < 255 for value in got[:3])  # what is out of range was cut
            assert not inside or max(abs(a - b) for a, b in zip(lab_of(got[:3]), expected)) < 2, (x, y)
    if image.mode == "RGBA":
        assert ImageChops.difference(image.getchannel("A"), source(name).getchannel("A")).getextrema() == (0, 0)


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "grey.jpg"])
@pytest.mark.parametrize("tint", ["aa7766", "6688aa"])
def test_tint_keeps_the_lightness_and_takes_the_colour(server, name, tint):
    image, before = answer(server, name, f"tint={tint}"), source(name)
    _, a, b = lab_of(bytes.fromhex(tint))
    seen = 0
    for x in range(5, image.width, 31):
        for y in range(5, image.height, 29):
            got = image.getpixel((x, y))
            if all(0 < value < 255 for value in got[:3]):
                seen += 1
                lightness = lab_of(before.getpixel((x, y))[:3])[0]
                assert max(abs(p - q) for p, q in zip(lab_of(got[:3]), (lightness, a, b))) < 2.5, (x, y)
    assert seen > 3
    assert pictures.difference(image, before) > 5
    if image.mode == "RGBA":
        assert ImageChops.difference(image.getchannel("A"), before.getchannel("A")).getextrema() == (0, 0)


# --- blur and sharpen


def test_mild_blur(server, by_sharp):
    image = answer(server, "rgb.png", "blur")
    expected = source("rgb.png").filter(ImageFilter.Kernel((3, 3), [1] * 9))
    inside = (1, 1, 319, 239)
    assert pictures.difference(image.crop(inside), expected.crop(inside)) < 0.6
    assert pictures.difference(image, sharp.render(pictures.tests() / "rgb.png", ["blur"])) < 0.6


@pytest.mark.parametrize("sigma", [0.3, 1, 5, 8])
def test_blur(server, judge, sigma):
    assert pictures.difference(answer(server, "rgb.png", f"blur={sigma}"), judge("rgb.png")("gaussblur", sigma).image()) < 0.6


@pytest.mark.parametrize("sigma", [9, 20, 60])
def test_wide_blur_is_as_if_it_was_exact(server, judge, sigma):
    """It is made of a smaller picture. The command cuts the bell at a fifth of its height, the server that of the smaller one."""
    expected = judge("rgb.png")("gaussblur", sigma, "--precision", "float").image()
    assert pictures.difference(answer(server, "rgb.png", f"blur={sigma}"), expected) < 3
    edge = answer(server, "odd/edge.png", f"blur={sigma}").convert("L")
    assert 110 < edge.getpixel((100, 50)) < 145
    assert edge.getpixel((40, 50)) < edge.getpixel((80, 50)) + 1 < edge.getpixel((100, 50)) < edge.getpixel((120, 50))


def test_widest_blur_is_one_colour(server):
    image = answer(server, "odd/edge.png", "blur=1000")
    assert all(high - low < 8 and 100 < low < 150 for low, high in image.getextrema())


@pytest.mark.parametrize("query", ["blur", "blur=3", "blur=20", "sharp"])
def test_what_is_transparent_gives_no_colour(server, query):
    """The right half of the picture is blue, which nobody can see."""
    image = answer(server, "odd/half.png", query)
    assert image.mode == "RGBA"
    for x in range(64):
        red, _, blue, alpha = image.getpixel((x, 32))
        assert alpha < 16 or (red > 240 and blue < 16), (x, red, blue, alpha)


def test_mild_sharpening(server, by_sharp):
    image = answer(server, "rgb.png", "sharp")
    inside = (1, 1, 319, 239)
    expected = source("rgb.png").filter(ImageFilter.Kernel((3, 3), [-1] * 4 + [32] + [-1] * 4, scale=24))
    assert pictures.difference(image.crop(inside), expected.crop(inside)) < 0.6
    assert pictures.difference(image, sharp.render(pictures.tests() / "rgb.png", ["sharpen"])) < 0.6
    assert pictures.difference(image, source("rgb.png")) > 1


@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "grey.jpg"])
@pytest.mark.parametrize("sigma, flat, jagged", [(1, None, None), (3, 0.5, 2.5), (10, 2, 4)])
def test_sharpening(server, judge, by_sharp, name, sigma, flat, jagged):
    slopes = f"&sharpf={flat}&sharpj={jagged}" if flat else ""
    image = answer(server, name, f"sharp={sigma}{slopes}")
    words = ("--sigma", sigma, "--m1", flat or 1, "--m2", jagged or 2)
    assert pictures.difference(image, judge(name)("sharpen", *words).image()) < (1.2 if name == "grey.jpg" else 0.6)
    if name != "rgba.png":  # which sharp multiplies by its alpha before
        other = sharp.render(pictures.tests() / name, ["sharpen", {"sigma": sigma, "m1": flat or 1, "m2": jagged or 2}])
        assert pictures.difference(image, other) < 1.5


# --- background


@pytest.mark.parametrize("background", ["ffffff", "f80", "00000000", "80ff8800"])
@pytest.mark.parametrize("name", ["images/rgba.png", "odd/half.png", "odd/half-grey.png"])
def test_background(server, name, background):
    folder, _, file = name.partition("/")
    body = fetch(server, f"/{name}?output=png&bg={background}").body
    before = pictures.decode((pictures.tests() if folder == "images" else server.odd) / file).convert("RGBA")
    digits = "".join(2 * c for c in background) if len(background) == 3 else background
    alpha, *color = bytes.fromhex(digits if len(digits) == 8 else "ff" + digits)
    if file == "half-grey.png" and alpha == 255:
        color = 3 * [0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2]]
    below = Image.new("RGBA", before.size, (*(round(value) for value in color), alpha))
    expected = Image.alpha_composite(below, before) if alpha else before
    assert pictures.difference(body, expected) < 1
    assert ("A" in pictures.decode(body).getbands()) == (alpha < 255)


@pytest.mark.parametrize("query, color", [("", (0, 0, 0)), ("&bg=ffffff", (255, 255, 255)), ("&bg=102030", (16, 32, 48))])
def test_background_of_what_knows_no_transparency(server, query, color):
    image = pictures.decode(fetch(server, f"/images/rgba.png?output=jpg{query}").body)
    assert max(abs(a - b) for a, b in zip(image.getpixel((0, 0)), color)) < 8


def test_background_changes_nothing_that_is_opaque(server):
    assert pictures.difference(answer(server, "rgb.png", "bg=ff0000"), source("rgb.png")) == 0


# --- the order, and what comes together


def test_order(server, judge):
    """Brightness, then contrast, then the filter, then blur, then tint: each pair would be another picture the other way round."""
    bright = through(source("rgb.png"), CURVES["bri=10&con=15"])
    assert pictures.difference(answer(server, "rgb.png", "con=15&bri=10"), bright) < 0.6
    other = through(through(source("rgb.png"), CURVES["con=20"]), lambda value: value + 25.5)
    assert pictures.difference(other, answer(server, "rgb.png", "bri=10&con=20")) > 2

    grey = judge("rgb.png")("colourspace", "b-w")("gaussblur", 4)("colourspace", "srgb").image()
    assert pictures.difference(answer(server, "rgb.png", "blur=4&filt=greyscale"), grey) < 0.8


def test_scaling_comes_first(server, tmp_path):
    """A blur of 2 is one of 2 pixels of the answer."""
    small = tmp_path / "small.png"
    answer(server, "rgb.png", "w=80").save(small)
    expected = Judge(tmp_path, small)("gaussblur", 2).image()
    assert pictures.difference(answer(server, "rgb.png", "w=80&blur=2"), expected) < 0.6


@pytest.mark.parametrize("query", ["w=100&h=100&fit=contain&blur=3", "w=100&h=100&fit=cover&sharp=2&con=10&filt=sepia", "w=60&blur&sharp&tint=f00&bg=fff"])
@pytest.mark.parametrize("name", ["exif-6.jpg", "rgba.png", "grey.jpg", "alpha.webp", "cmyk.jpg", "16bit.png", "photo.avif"])
def test_all_sources_and_outputs_take_adjustments(server, name, query):
    for output in ("jpg", "png", "webp", "avif", "gif"):
        pictures.decode(fetch(server, f"/images/{name}?output={output}&{query}").body)
    assert ImageOps.exif_transpose(answer(server, name, query)).size[0] in (60, 100)
