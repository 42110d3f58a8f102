"""The options of an image URL, end to end: which spellings are one picture, lists of widths, presets.

Whether two URLs mean the same picture is what the cache says: the second one is a hit.
"""

import itertools

import pytest
from PIL import ImageColor

import pictures
from harness import Sluice
from problems import assert_problem
from structured import cache_status

WIDTHS = [640, 320, 960]
PRESETS = {"thumb": "w=30&h=20&fit=cover&output=png", "small": "w=40", "half": "h=50%25"}
serial = itertools.count(100)  # for widths that no test has asked for


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = str(pictures.tests())
    paths = {
        "/images": {"image.origin": folder},
        "/lenient": {"image.origin": folder, "image.strict": "OFF"},
        "/widths": {"image.origin": str(pictures.samples()), "image.widths": WIDTHS},
        "/presets": {"image.origin": folder, "image.presets": PRESETS},
        "/only": {"image.origin": folder, "image.presets": PRESETS, "image.presets-only": "ON"},
        "/only-lenient": {"image.origin": folder, "image.presets": PRESETS, "image.presets-only": "ON", "image.strict": "OFF"},
    }
    with Sluice(tmp_path_factory.mktemp("options"), {"hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


def assert_same(server, first, second):
    """Two URLs are one picture. Returns it."""
    answers = [pictures.fetch(server, path) for path in (first, second)]
    assert cache_status(answers[1])["hit"] is True, second
    assert answers[0].body == answers[1].body
    return answers[1].body


def assert_new(server, path):
    assert cache_status(pictures.fetch(server, path)).get("fwd") == "uri-miss", path


# --- spellings


@pytest.mark.parametrize(
    "one, other",
    [
        ("w={w}&h=9&fit=cover", "fit=COVER&h=09&width={w}"),
        ("w={w}", "&%77={w}&"),
        ("w={w}&fm=jpg", "output=JPEG&w={w}&q=80&auto=format&maxage=1w&filename=x"),
        ("w={w}&output=webp&il", "output=webp&w={w}&af=1&l=2"),
        ("w={w}&h=30&fit=contain&a=top&cbg=0f0", "t=letterbox&w={w}&h=30&align=t&cbg=%23FF00ff00"),
        ("w={w}&h=9&t=squaredown", "we=true&h=9&fit=cover&w={w}"),
    ],
)  # fmt: skip
def test_one_meaning_is_one_entry(server, one, other):
    width = next(serial)
    assert_new(server, f"/images/rgb.png?{one.format(w=width)}")
    assert_same(server, f"/images/rgb.png?{one.format(w=width)}", f"/images/rgb.png?{other.format(w=width)}")


def test_pixel_ratio_is_part_of_the_size(server):
    width = next(serial)
    body = assert_same(server, f"/images/rgb.png?w={2 * width}", f"/images/rgb.png?dpr=2&w={width}")
    assert pictures.size_of(body)[0] == 2 * width


def test_names_of_colors_are_those_of_css(server):
    """Against Pillow's table."""
    names = [name for name in ImageColor.colormap if "grey" not in name]
    assert len(names) > 130
    for name in names:
        code = "%02x%02x%02x" % ImageColor.getrgb(name)
        for spelled in (name, name.upper()):
            one, other = (f"/images/rgb.png?w=20&h=30&fit=contain&cbg={color}" for color in (spelled, "%23" + code))
            assert_same(server, one, other)
    for color in ("blurple", "grey70"):
        assert_problem(server.get(f"/images/rgb.png?w=20&h=30&fit=contain&cbg={color}"), 400, "bad-option")


def test_strict_is_off(server):
    width = next(serial)
    queries = (f"w={width}&utm_source=x", f"mask=circle&w={width}&delay=3", f"&w={width}&%zz=1&w={width}")
    assert_new(server, f"/images/rgb.png?w={width}")
    for query in queries:
        assert_problem(server.get(f"/images/rgb.png?{query}"), 400, "bad-option")
        assert_same(server, f"/images/rgb.png?w={width}", f"/lenient/rgb.png?{query}")
    assert "option dpr " in assert_problem(server.get(f"/lenient/rgb.png?w={width}&dpr=9"), 400, "bad-option")


# --- widths


@pytest.mark.parametrize(
    "query, size",
    [
        ("w=1", 320), ("w=320", 320), ("w=321", 640), ("w=8000", 960), ("w=200&dpr=2", 640),
        ("w=300&h=200&fit=cover", (320, 213)), ("w=1000&h=500&fit=cover", (960, 480)),
    ],
)  # fmt: skip
def test_widths_are_those_of_the_list(server, query, size):
    width, height = pictures.size_of(pictures.fetch(server, f"/widths/sample.jpg?{query}").body)
    assert (width, height) == size if isinstance(size, tuple) else width == size


def test_heights_alone_are_those_of_the_list(server):
    assert pictures.size_of(pictures.fetch(server, "/widths/sample.jpg?h=500").body)[1] == 640


def test_all_widths_are_few_entries(server):
    made = [cache_status(pictures.fetch(server, f"/widths/sample.jpg?q=70&w={width}")).get("hit") for width in range(1, 1300, 7)]
    assert made.count(None) == len(WIDTHS)


def test_percent_does_not_go_with_a_list_of_widths(server):
    assert "image.widths" in assert_problem(server.get("/widths/sample.jpg?w=50%25"), 400, "bad-option")
    assert pictures.fetch(server, "/images/rgb.png?w=50%25").status == 200


# --- presets


def test_preset_stands_for_its_options(server):
    body = assert_same(server, "/images/rgb.png?w=30&h=20&fit=cover&output=png", "/presets/rgb.png?p=thumb")
    assert pictures.size_of(body) == (30, 20)
    assert_same(server, "/presets/rgb.png?preset=thumb", "/only/rgb.png?p=thumb")


def test_options_beside_a_preset_override_it(server):
    assert_same(server, "/images/rgb.png?w=31&h=20&fit=cover&output=png", "/presets/rgb.png?w=31&p=thumb")
    assert_same(server, "/images/rgb.png?w=40&h=20&fit=cover&output=png", "/presets/rgb.png?p=thumb&p=small")
    assert_same(server, "/images/rgb.png?w=40&h=50%25", "/presets/rgb.png?p=small&p=half")


def test_unknown_preset_is_told_the_known_ones(server):
    for path in ("/presets", "/only", "/only-lenient"):
        detail = assert_problem(server.get(f"{path}/rgb.png?p=huge"), 400, "bad-option")
        assert "option p is `huge`" in detail and "thumb, small, half" in detail
    assert "image.presets" in assert_problem(server.get("/images/rgb.png?p=thumb"), 400, "bad-option")


@pytest.mark.parametrize("query", ["w=40", "p=small&w=40", "auto=format", "p=small&maxage=1d", "%77=40", "default=rgb.png"])
def test_nothing_else_where_there_are_presets_only(server, query):
    for path in ("/only", "/only-lenient"):
        detail = assert_problem(server.get(f"{path}/rgb.png?{query}"), 400, "bad-option")
        assert "image.presets-only" in detail and "thumb, small, half" in detail


def test_picture_as_it_is_where_there_are_presets_only(server):
    assert_same(server, "/images/rgb.png", "/only/rgb.png")
    assert_problem(server.get("/only/rgb.png?p=small&utm=1"), 400, "bad-option")
    assert_same(server, "/only/rgb.png?p=small", "/only-lenient/rgb.png?utm=1&p=small")


# --- the configuration


@pytest.fixture
def of_levels(sluice):
    """Starts a server with settings at the top, in the host and in a path."""

    def start(top=None, host=None, path=None, **options):
        paths = {"/images": {**(path or {}), "image.origin": str(pictures.tests())}}
        return sluice({**(top or {}), "hosts": {"default": {**(host or {}), "paths": paths}}}, **options)

    return start


def width_of(server, query):
    return pictures.size_of(pictures.fetch(server, f"/images/rgb.png?{query}").body)[0]


def test_lists_are_inherited_and_replaced(of_levels):
    top = {"image.widths": [50], "image.presets": {"a": "w=10", "b": "w=20"}}
    server = of_levels(top)
    assert (width_of(server, "w=7"), width_of(server, "p=a")) == (50, 50)
    server = of_levels(top, {"image.widths": [60, 70]}, {"image.presets": {"a": "w=65"}})
    assert (width_of(server, "w=7"), width_of(server, "p=a")) == (60, 70)
    assert_problem(server.get("/images/rgb.png?p=b"), 400, "bad-option")
    server = of_levels(top, None, {"image.widths": []})
    assert (width_of(server, "w=7"), width_of(server, "p=b")) == (7, 20)


@pytest.mark.parametrize(
    "settings, texts",
    [
        ({"image.presets": {"thumb": "w=0"}}, ["preset thumb: option w is `0`; it takes pixels from 1 to 65535"]),
        ({"image.presets": {"thumb": "wide=3"}}, ["preset thumb: unknown option `wide`"]),
        ({"image.presets": {"thumb": "w=3", "all": "p=thumb"}}, ["preset all: a preset cannot use another one"]),
        ({"image.presets": {"a b": "w=3"}}, ["preset a b: ", "letters"]),
        ({"image.presets": {"thumb": ["w=3"]}}, ["image.presets", "thumb: "]),
        ({"image.presets": {"thumb": "w=9000"}}, ["preset thumb: option w is `9000`; it takes pixels from 1 to 8192"]),
        ({"image.presets": {"thumb": "w=50%25"}, "image.widths": [9]}, ["preset thumb: ", "image.widths"]),
        ({"image.widths": [0]}, ["`0` is no width", "1 to 65535"]),
        ({"image.widths": ["wide"]}, ["`wide` is no width"]),
        ({"image.widths": [65536]}, ["1 to 65535"]),
        ({"image.widths": list(range(1, 66))}, ["64 widths, no more"]),
        ({"image.presets-only": "maybe"}, ["`maybe`", "ON or OFF"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["top", "host", "path"])
def test_bad_lists_are_refused_at_the_start(of_levels, level, settings, texts):
    done = of_levels(**{level: settings}, start=False).check()
    assert done.returncode != 0
    assert "h2o.conf:" in done.stderr and all(text in done.stderr for text in texts), done.stderr


def test_lists_and_mappings_are_not_taken_for_one_another(of_levels):
    for settings in ({"image.presets": "w=3"}, {"image.presets": ["w=3"]}, {"image.widths": {"a": 3}}, {"image.widths": [[3]]}):
        assert of_levels(settings, start=False).check().returncode != 0, settings
