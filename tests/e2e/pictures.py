"""The pictures that tests serve, and judges of pictures that share no code with the server.

    folder = pictures.tests()                            # made once, kept under build/ until make-pictures changes
    answer = server.get("/images/exif-6.jpg?w=100").body
    assert pictures.header(answer).format == "jpg"
    assert pictures.corners(pictures.decode(answer)) == pictures.MARKS

The judges are Pillow and the command vipsheader; where Pillow cannot decode (AVIF), the command vips. A picture is given as bytes
or as a path.
"""

import contextlib
import io
import os
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat, UnidentifiedImageError

import harness

# what make-pictures tests writes; width and height as stored, before the orientation is applied
Picture = namedtuple("Picture", "format width height bands pages orientation", defaults=(1, 1))

SOUND = {
    "baseline.jpg": Picture("jpg", 640, 480, 3),
    "progressive.jpg": Picture("jpg", 640, 480, 3),
    "grey.jpg": Picture("jpg", 320, 240, 1),
    "cmyk.jpg": Picture("jpg", 320, 240, 4),
    "tagged.jpg": Picture("jpg", 320, 240, 3),  # Display P3, with EXIF (copyright, model, position) and XMP (rights)
    **{f"exif-{n}.jpg": Picture("jpg", *((320, 240) if n < 5 else (240, 320)), 3, 1, n) for n in range(1, 9)},
    "rgb.png": Picture("png", 320, 240, 3),
    "rgba.png": Picture("png", 320, 240, 4),
    "palette.png": Picture("png", 320, 240, 3),
    "16bit.png": Picture("png", 320, 240, 3),
    "interlaced.png": Picture("png", 320, 240, 3),
    "1x1.png": Picture("png", 1, 1, 3),
    "lossy.webp": Picture("webp", 320, 240, 3),
    "lossless.webp": Picture("webp", 320, 240, 3),
    "alpha.webp": Picture("webp", 320, 240, 4),
    "plain.gif": Picture("gif", 320, 240, 3),
    "animated.gif": Picture("gif", 160, 120, 4, 8),
    "photo.avif": Picture("avif", 320, 240, 3),
    "photo.tif": Picture("tiff", 320, 240, 3),
    "png-named.jpg": Picture("png", 320, 240, 3),
}
TRUNCATED = ("truncated.jpg", "truncated.png", "truncated.webp", "truncated.gif", "truncated.avif")  # the first half
NO_PICTURE = ("empty.jpg", "one-byte.jpg", "text.jpg")
ABSURD = {"absurd.jpg": (65500, 65500), "bomb.png": (60000, 60000)}  # small files that say so in their headers

LARGE_KINDS = ("progressive-jpeg", "interlaced-png", "webp", "baseline-jpeg", "plain-png")  # of large(), in turns

UPRIGHT_SIZE = (320, 240)  # of exif-1.jpg to exif-8.jpg, once turned
MARKS = ("red", "green", "blue", "white")  # their corners, in reading order

# --- the folders


def _made(kind, count=None):
    # a sanitizer's build folder has none of its own
    program = next(filter(Path.exists, (harness.BUILD / "make-pictures", harness.ROOT / "build/make-pictures")), None)
    assert program, "build/make-pictures is missing: run make"
    name = f"{kind}-{count}" if count else kind
    folder = program.parent / "pictures" / name / str(program.stat().st_mtime_ns)
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent.parent)
        os.chmod(part, 0o755)
        harness.run([program, kind, part, *([count] if count else [])], check=True, timeout=1800)
        try:
            os.rename(part, folder)
        except OSError:  # another session was faster
            shutil.rmtree(part)
    return folder


def samples():
    """Folder of what the shipped configuration serves."""
    return _made("samples")


def tests():
    """Folder with all of SOUND, TRUNCATED, NO_PICTURE and ABSURD."""
    return _made("tests")


def large(count):
    """The paths of `count` distinct pictures of 6000 x 4000; the n-th shows colour_of_large(n) in its middle."""
    return sorted(_made("large", count).iterdir())


def fixtures_dir():
    """Folder of pictures that others made, next to this tree, or None where there is none."""
    folder = harness.ROOT.parent / "shared" / "fixtures"
    return folder if folder.is_dir() else None


# --- the judges

Header = namedtuple("Header", "format width height bands orientation pages fields")
_FORMATS = {"jpegload": "jpg", "pngload": "png", "webpload": "webp", "gifload": "gif", "tiffload": "tiff", "svgload": "svg"}


@contextlib.contextmanager
def _as_file(picture):
    if not isinstance(picture, (bytes, bytearray)):
        yield str(picture)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(picture)
        file.flush()
        yield file.name


def header(picture):
    """What vipsheader reads in a picture, or None if it finds none. The format is told by content: jpg, png, webp, gif, tiff, svg,
    avif, heic. `fields` are all that it prints, as text, such as "interpretation", "delay" or "icc-profile-data"."""
    with _as_file(picture) as path:
        done = harness.run(["vipsheader", "-a", path], text=False)
    if done.returncode != 0:
        return None
    lines = done.stdout.decode(errors="replace").splitlines()[1:]
    fields = {name: value for name, colon, value in (line.partition(": ") for line in lines) if colon}
    loader = fields["vips-loader"].removesuffix("_buffer").removesuffix("_source")
    kind = ("avif" if fields.get("heif-compression") == "av1" else "heic") if loader == "heifload" else _FORMATS.get(loader, loader)
    numbers = [int(fields.get(name, 1)) for name in ("width", "height", "bands", "orientation", "n-pages")]
    return Header(kind, *numbers, fields)


def decode(picture, page=0):
    """The picture as one sees it, in RGB or RGBA: turned upright, in sRGB, `page` of an animation. ValueError if it is broken."""
    data = picture if isinstance(picture, (bytes, bytearray)) else Path(picture).read_bytes()
    try:
        image = _open(data)
        image.seek(page)
        image.load()
    except (EOFError, OSError, SyntaxError, Image.DecompressionBombError) as problem:
        raise ValueError(f"not a sound picture: {problem}") from None
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    alpha = "A" in image.getbands() or "transparency" in image.info
    if profile and not alpha and image.mode in ("RGB", "CMYK"):
        return ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    return image.convert("RGBA" if alpha else "RGB")


def _open(data):
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        with _as_file(data) as path, tempfile.TemporaryDirectory() as folder:
            done = harness.run(["vips", "autorot", path, f"{folder}/out.png"])
            if done.returncode != 0:
                raise
            return Image.open(io.BytesIO(Path(folder, "out.png").read_bytes()))


def _flat(image):
    backdrop = Image.new("RGBA", image.size, (128, 128, 128, 255))
    return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")


def difference(one, other):
    """The mean absolute difference of two pictures of one size, over all pixels and the channels R, G and B (0 to 255), both laid
    over grey. Images of decode() do as well as encoded ones."""
    images = [_flat(picture if isinstance(picture, Image.Image) else decode(picture)) for picture in (one, other)]
    if images[0].size != images[1].size:
        raise ValueError(f"sizes differ: {images[0].size} and {images[1].size}")
    return sum(ImageStat.Stat(ImageChops.difference(*images)).mean) / 3


def corners(image):
    """The colours of the corners of a decoded picture, in reading order, each "red", "green", "blue", "white" or "other"."""
    columns, rows = [[min(side - 1, side // 16), side - 1 - side // 16] for side in image.size]
    return tuple(_colour_name(image.convert("RGB").getpixel((x, y))) for y in rows for x in columns)


def _colour_name(rgb):
    bits = "".join("1" if value > 192 else "0" if value < 64 else "?" for value in rgb)
    return {"100": "red", "010": "green", "001": "blue", "111": "white"}.get(bits, "other")


def colour_of_large(number):
    """R, G and B in the middle of the number-th picture of large()."""
    return tuple(40 + number * factor % 176 for factor in (67, 29, 113))


def fetch(server, path, **options):
    """The answer of a server to a path at which there must be a picture."""
    answer = server.get(path, **options)
    assert answer.status == 200, (path, answer.body)
    return answer


def size_of(body):
    """Width and height of an encoded picture."""
    return Image.open(io.BytesIO(body)).size
