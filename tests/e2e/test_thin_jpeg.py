"""JPEG at an eighth of its size: what is skipped changes no pixel, and what is broken is told all the same."""

import io

import pytest
from PIL import Image, ImageChops, ImageFile

import harness
import pictures
from problems import COMMON_SETTINGS, assert_error

NAMES = ["baseline.jpg", "progressive.jpg", "grey.jpg", *(f"exif-{number}.jpg" for number in range(1, 9))]


@pytest.fixture
def server(sluice, origin):
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/http": {"image.origin": origin.url("/")},
    }
    return sluice({**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}})


def an_eighth(path, folder):
    """What libvips makes of it with libjpeg, upright."""
    harness.run(["vips", "jpegload", path, folder / "small.v", "--shrink", "8"], check=True)
    harness.run(["vips", "autorot", folder / "small.v", folder / "small.png"], check=True)
    return Image.open(folder / "small.png")


def assert_same(answer, image):
    assert answer.status == 200, answer.body
    seen = Image.open(io.BytesIO(answer.body))
    assert (seen.mode, seen.size) == (image.mode, image.size)
    assert ImageChops.difference(seen, image).getbbox() is None


@pytest.mark.parametrize("name", NAMES)
def test_same_pixels_as_libjpeg(server, tmp_path, name):
    image = an_eighth(pictures.tests() / name, tmp_path)
    assert_same(server.get(f"/images/{name}?w={image.width}&output=png"), image)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restarts", [0, 3])
def test_same_pixels_of_others(server, origin, tmp_path, monkeypatch, subsampling, progressive, restarts):
    """Sides that are no multiples of a block, noise in all colours, as Pillow writes it."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 20)  # or Pillow has too small a buffer
    noise = Image.merge("RGB", [Image.effect_noise((403, 301), sigma) for sigma in (20, 50, 90)])
    noise.save(
        tmp_path / "noise.jpg", quality=92, subsampling=subsampling, progressive=progressive, restart_marker_blocks=restarts
    )
    origin.script("/noise.jpg", body=(tmp_path / "noise.jpg").read_bytes())
    image = an_eighth(tmp_path / "noise.jpg", tmp_path)
    assert image.size == (50, 37)
    assert_same(server.get("/http/noise.jpg?w=50&h=37&fit=fill&output=png"), image)


@pytest.mark.parametrize("width", [1, 7, 31, 39, 40])
@pytest.mark.parametrize("name", ["baseline.jpg", "grey.jpg", "progressive.jpg", "exif-6.jpg"])
def test_scaled_as_by_pillow(server, tmp_path, name, width):
    """With the same kernel, from the same pixels; to the last bit but one. Of very small ones Pillow averages other columns first."""
    answer = server.get(f"/images/{name}?w={width}&output=png")
    seen = Image.open(io.BytesIO(answer.body))
    difference = ImageChops.difference(seen, an_eighth(pictures.tests() / name, tmp_path).resize(seen.size, Image.Resampling.LANCZOS, reducing_gap=2.0))
    assert seen.width == width
    assert pictures.difference(seen, ImageChops.add(seen, difference)) < (0.5 if width > 30 else 1.5)


def test_profile_is_applied(server):
    answer = pictures.fetch(server, "/images/tagged.jpg?w=40&output=png").body
    wanted = pictures.decode(pictures.tests() / "tagged.jpg").resize((40, 30), Image.Resampling.BOX)
    assert pictures.difference(answer, wanted) < 2.5


def spoiled(name):
    """With zeros in the first of its data, which is no code for so many coefficients, or for a mean."""
    body = bytearray((pictures.tests() / name).read_bytes())
    at = body.index(b"\xff\xda") + 100
    body[at : at + 40] = bytes(40)
    return bytes(body)


def test_broken_progressive_file_is_not_decoded_whole(server, origin):
    origin.script("/progressive.jpg", body=spoiled("progressive.jpg"))
    assert_error(server.get("/http/progressive.jpg?w=80"), "broken-image")


def test_broken_baseline_file_is_left_to_libjpeg(server, origin, tmp_path):
    """Which goes on after a warning or two, with whatever comes of it."""
    (tmp_path / "spoiled.jpg").write_bytes(spoiled("baseline.jpg"))
    origin.script("/spoiled.jpg", body=spoiled("baseline.jpg"))
    assert_same(server.get("/http/spoiled.jpg?w=80&output=png"), an_eighth(tmp_path / "spoiled.jpg", tmp_path))


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.9999])
def test_truncated(server, origin, name, kept):
    body = (pictures.tests() / name).read_bytes()
    origin.script("/truncated.jpg", body=body[: int(len(body) * kept) - 2])
    assert_error(server.get("/http/truncated.jpg?w=80"), "broken-image")
