"""What the colours of a source become, whatever its space, depth and profile. The judge is the command vips, which converts the
whole picture by formula or by profile."""

import pytest
from PIL import Image

import pictures
from harness import Sluice, run
from pictures import fetch


def vips(*words):
    done = run(["vips", *words])
    assert done.returncode == 0, done.stderr


def remake(operation, *words):
    """A maker of a source out of a test picture by one operation of the command."""
    return lambda picture, path: vips(operation, picture, path, *words)


def grey_alpha(picture, path):
    grey = path.with_suffix(".grey.v")
    vips("colourspace", picture, grey, "b-w")
    vips("bandjoin", f"{grey} {grey}", path)


def grey_alpha_16(picture, path):
    plain = path.with_suffix(".plain.png")
    grey_alpha(picture, plain)
    vips("colourspace", plain, path, "grey16")


def deep_alpha(picture, path):
    vips("colourspace", picture, path, "rgb16")


def grey_with_the_profile_of_another(picture, path):
    """As cameras and scanners write it: the numbers are grey, the profile is for colours."""
    with Image.open(pictures.tests() / "tagged.jpg") as tagged:
        Image.open(picture).convert("L").save(path, icc_profile=tagged.info["icc_profile"], quality=95)


def broken_profile(picture, path):
    Image.open(picture).save(path, icc_profile=b"this is no profile" * 20)


TO_SRGB = ("colourspace", "srgb")
BY_PROFILE = ("icc_transform", "srgb", "--embedded", "--intent", "perceptual")

# file: source, maker, what the judge does, bands of the answer
SPACES = {
    "grey16.png": ("rgb.png", remake("colourspace", "grey16"), TO_SRGB, "L"),
    "grey-alpha.png": ("rgb.png", grey_alpha, TO_SRGB, "LA"),
    "grey-alpha-16.png": ("rgb.png", grey_alpha_16, TO_SRGB, "LA"),
    "rgb16.png": ("rgb.png", remake("colourspace", "rgb16"), TO_SRGB, "RGB"),
    "rgba16.png": ("rgba.png", deep_alpha, TO_SRGB, "RGBA"),
    "lab.tif": ("rgb.png", remake("colourspace", "lab"), TO_SRGB, "RGB"),
    "labs.tif": ("rgb.png", remake("colourspace", "labs"), TO_SRGB, "RGB"),
    "float.tif": ("rgb.png", remake("colourspace", "scrgb"), TO_SRGB, "RGB"),
    "cmyk-plain.tif": ("rgb.png", remake("icc_transform", "cmyk", "--input-profile", "srgb"), BY_PROFILE, "RGB"),
    "cmyk-16.tif": ("rgb.png", remake("icc_transform", "cmyk", "--input-profile", "srgb", "--depth", "16"), BY_PROFILE, "RGB"),
    "p3.png": ("rgb.png", remake("icc_transform", "p3", "--input-profile", "srgb"), BY_PROFILE, "RGB"),
    "p3-alpha.png": ("rgba.png", remake("icc_transform", "p3", "--input-profile", "srgb"), BY_PROFILE, "RGBA"),
    "p3-16.png": ("rgb.png", remake("icc_transform", "p3", "--input-profile", "srgb", "--depth", "16"), BY_PROFILE, "RGB"),
    "p3-alpha-16.png": ("rgba.png", remake("icc_transform", "p3", "--input-profile", "srgb", "--depth", "16"), BY_PROFILE, "RGBA"),
    "grey-tagged.jpg": ("rgb.png", grey_with_the_profile_of_another, TO_SRGB, "L"),
    "broken-profile.png": ("rgb.png", broken_profile, TO_SRGB, "RGB"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    (folder / "sources").mkdir()
    for name, (source, make, _, _) in SPACES.items():
        make(pictures.tests() / source, folder / "sources" / name)
    with Sluice(folder, {"hosts": {"default": {"paths": {"/images": {"image.origin": str(folder / "sources")}}}}}) as server:
        server.sources = folder / "sources"
        yield server
        assert server.stop()


def judge_of(server, folder, name):
    operation, *words = SPACES[name][2]
    vips(operation, server.sources / name, folder / "judge.png", *words)
    vips("cast", folder / "judge.png", folder / "uchar.png", "uchar")
    return Image.open(folder / "uchar.png").convert("RGBA" if SPACES[name][3].endswith("A") else "RGB")


@pytest.mark.parametrize("name", SPACES)
def test_every_space_becomes_srgb(server, tmp_path, name):
    answer = fetch(server, f"/images/{name}?output=png")
    image = pictures.decode(answer.body)
    assert pictures.header(answer.body).bands == len(SPACES[name][3])
    assert pictures.header(answer.body).fields["format"] == "uchar"
    assert pictures.difference(image, judge_of(server, tmp_path, name)) < 0.6


@pytest.mark.parametrize("name", SPACES)
def test_every_space_is_scaled_as_if_it_was_srgb(server, tmp_path, name):
    """Scaling comes first and colours after it; that makes a difference at edges, which is small."""
    judge = judge_of(server, tmp_path, name).resize((80, 60), Image.Resampling.LANCZOS)
    assert pictures.difference(fetch(server, f"/images/{name}?w=80&output=png").body, judge) < 2.5
    for output in ("jpg", "webp", "avif", "gif"):
        fetch(server, f"/images/{name}?w=80&output={output}")
