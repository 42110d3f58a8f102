"""How much a picture looks like another one of the same size: SSIM of the luma, and PSNR over all colours."""

import os
import subprocess

import numpy

QUIET = {**os.environ, "VIPS_WARNING": "0"}

SIGMA, RADIUS = 1.5, 5  # of the window of SSIM, as in the paper by Wang, Bovik, Sheikh and Simoncelli
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def pixels(path):
    """What is in a file that libvips reads, as (height, width, 3) of double; what is transparent is black."""
    flat, raw = (path.with_name(path.name + ending) for ending in (".v", ".raw"))
    subprocess.run(["vips", "colourspace", path, flat, "srgb"], check=True, env=QUIET)
    bands, width, height = (int(ask("vipsheader", "-f", field, flat)) for field in ("bands", "width", "height"))
    subprocess.run(["vips", "rawsave" if bands == 3 else "flatten", flat, raw], check=True, env=QUIET)
    data = numpy.fromfile(raw, numpy.uint8)
    for file in (flat, raw):
        file.unlink()
    return data.reshape(height, width, 3).astype(float)


def ask(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env=QUIET).stdout


def _blur(plane):
    at = numpy.arange(-RADIUS, RADIUS + 1)
    window = numpy.exp(-(at**2) / (2 * SIGMA**2))
    window /= window.sum()
    for axis in (0, 1):
        plane = numpy.apply_along_axis(numpy.convolve, axis, plane, window, "valid")
    return plane


def ssim(a, b):
    a, b = (each @ (0.299, 0.587, 0.114) for each in (a, b))
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    both = _blur(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + C1) * (2 * both + C2) / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    return float(likeness.mean())


def psnr(a, b):
    error = float(((a - b) ** 2).mean())
    return 10 * numpy.log10(255**2 / error) if error else float("inf")
