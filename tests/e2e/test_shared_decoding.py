"""Renditions of one picture that are under way together: it is decoded once for all of them. The judge of their pixels is the
command vips."""

import contextlib
import io

import pytest
from PIL import Image

import pictures
from clients import Asked, assert_settles, metrics, operations
from harness import run, wait_for

# a worker's time, for as long as its client waits for it
SLOW = "/images/slow.jpg?w=8192&h=8192&fit=fill&output=webp"
SIZES = [32, 60, 72, 44, 76]  # of 640: JPEG is shrunk by 8 for all of them


@pytest.fixture
def start(sluice, origin):
    def start_server(**settings):
        origin.script("/slow.jpg", file="baseline.jpg")
        paths = {"/images": {"image.origin": origin.url("/")}}
        paths |= {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        limits = {"pressure.budget": "2GiB", "image-cache.capacity": "64MiB", "image.workers": 1}
        limits |= {"image.queue-timeout": "5m", "image.transform-timeout": "5m"}
        return sluice({**limits, **settings, "hosts": {"default": {"paths": paths}}})

    return start_server


@contextlib.contextmanager
def worker_at_work(server):
    """There is one worker, and it makes something else until the block is left."""
    slow = Asked(server, SLOW)
    wait_for(lambda: operations(server)["transforms"] == 1, 20, "the slow one runs")
    yield
    slow.hang_up()


def made(server):
    """Transforms that ended well or not, without the slow one, and what else came of them. They count when all of it is made."""
    wait_for(lambda: operations(server)["transforms"] == 0, 20, "nothing runs")
    values = metrics(server)
    return values["sluice_transforms_total"] - values["sluice_transform_cancellations_total"], values["sluice_transform_shared_total"]


def wait_until_planned(server, count):
    """So many requests wait for a picture, of one source, beside the slow one, and no download or plan is under way."""
    wait_for(lambda: operations(server)["requests"] == count + 1 and operations(server)["fetches"] == 0, 20, f"{count} wait")
    wait_for(lambda: server.get("/api/health").json()["queue"]["waiting"] == 1, 20, "one of them waits for memory or a worker")


def judge(folder, source, width, *options):
    done = run(["vips", "thumbnail", source, folder / f"{width}.png", width, "--height", "100000", *options])
    assert done.returncode == 0, done.stderr
    return pictures.decode(folder / f"{width}.png")


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "rgb.png", "rgba.png", "interlaced.png", "exif-6.jpg"])
def test_one_decoding_for_all_that_wait(start, tmp_path, name):
    """Each comes out as it does alone, to the byte: an ETag does not depend on who else asked."""
    server, alone = start(), start()
    sizes = [16, 32, 36, 24, 40] if name.startswith("exif") else SIZES
    with worker_at_work(server):
        asked = [Asked(server, f"/images/{name}?w={width}&output=png") for width in sizes]
        wait_until_planned(server, len(sizes))
    answers = [one.answer() for one in asked]
    assert made(server) == (1, len(sizes) - 1)
    for answer, width in zip(answers, sizes):
        assert answer.status == 200
        assert pictures.difference(answer.body, judge(tmp_path, pictures.tests() / name, width)) < 3
        assert alone.get(f"/images/{name}?w={width}&output=png").body == answer.body
        again = server.get(f"/images/{name}?w={width}&output=png")
        assert again.body == answer.body and "hit" in again.headers["cache-status"]
    assert made(alone) == (len(sizes), 0)
    assert_settles(server)


def test_what_is_decoded_at_another_size_is_decoded_by_itself(start):
    """JPEG shrinks by 8 for the first two of 640 pixels, and by 2 for the others."""
    server = start()
    with worker_at_work(server):
        asked = [Asked(server, f"/images/baseline.jpg?w={width}") for width in (40, 80, 170, 320)]
        wait_for(lambda: server.get("/api/health").json()["queue"]["waiting"] == 2, 20, "two wait")
        wait_for(lambda: operations(server)["requests"] == 5 and operations(server)["fetches"] == 0, 20, "all are there")
    assert [pictures.header(one.answer().body).width for one in asked] == [40, 80, 170, 320]
    assert made(server) == (2, 2)
    assert_settles(server)


def test_each_has_its_own_shape_and_format(start):
    server = start()
    queries = ["w=100&h=100&fit=cover&output=webp", "w=50&h=200&fit=fill&output=jpg", "w=90&h=90&fit=contain&output=png", "h=33&output=gif"]
    with worker_at_work(server):
        asked = [Asked(server, f"/images/rgb.png?{query}") for query in queries]
        wait_until_planned(server, len(queries))
    headers = [pictures.header(one.answer().body) for one in asked]
    assert [(h.width, h.height, h.format) for h in headers] == [
        (100, 100, "webp"), (50, 200, "jpg"), (90, 90, "png"), (44, 33, "gif")]  # fmt: skip
    assert made(server) == (1, 3)
    assert_settles(server)


@pytest.mark.parametrize("leaver", [0, 1, 4])
def test_who_leaves_takes_nobody_along(start, leaver):
    """The first one leads: when its client leaves, another one does."""
    server = start()
    with worker_at_work(server):
        asked = []
        for width in SIZES:
            asked.append(Asked(server, f"/images/baseline.jpg?w={width}"))
            wait_until_planned(server, len(asked))
        asked.pop(leaver).hang_up()
        wait_until_planned(server, len(asked))
    widths = [pictures.header(one.answer().body).width for one in asked]
    assert widths == [width for n, width in enumerate(SIZES) if n != leaver]
    assert sum(made(server)) == 4
    assert_settles(server)


def test_all_leave(start):
    server = start()
    with worker_at_work(server):
        asked = [Asked(server, f"/images/baseline.jpg?w={width}") for width in SIZES]
        wait_until_planned(server, len(asked))
        for one in asked:
            one.hang_up()
        wait_for(lambda: operations(server)["requests"] == 1, 20, "they are gone")
    assert_settles(server)
    assert made(server) == (0, 0)


def test_a_broken_picture_is_broken_for_all(start):
    server = start()
    with worker_at_work(server):
        asked = [Asked(server, f"/images/truncated.jpg?w={width}") for width in SIZES]
        wait_until_planned(server, len(asked))
    answers = [one.answer() for one in asked]
    assert {(answer.status, answer.json()["code"]) for answer in answers} == {(422, "broken-image")}
    assert_settles(server)


def test_two_pictures_are_two(start):
    server = start()
    with worker_at_work(server):
        asked = [Asked(server, f"/images/exif-{number}.jpg?w={width}") for number in (1, 3) for width in (30, 40)]
        wait_for(lambda: server.get("/api/health").json()["queue"]["waiting"] == 2, 20, "two wait")
        wait_for(lambda: operations(server)["requests"] == 5 and operations(server)["fetches"] == 0, 20, "all are there")
    assert {one.answer().status for one in asked} == {200}
    assert sum(made(server)) == 4 and made(server)[0] >= 2
    assert_settles(server)


def test_without_memory_for_all_each_is_made_alone(start):
    """One fits, but not what is kept of the picture for another one beside it."""
    server = start(**{"pressure.budget": "120MiB", "image-cache.capacity": "10MiB"})
    asked = [Asked(server, f"/images/baseline.jpg?w={width}&h=700&fit=fill&output=avif") for width in (700, 701, 702)]
    assert {one.answer().status for one in asked} == {200}
    assert sum(made(server)) == 3
    assert_settles(server)


def test_what_riders_take_is_not_taken_for_a_leak(start, origin):
    """It is reserved when the run begins, and stays as it is for longer than two looks of the reconciliation are apart."""
    picture, file = Image.effect_noise((5000, 5000), 80), io.BytesIO()
    picture.save(file, "png", compress_level=1)
    origin.script("/large.png", body=file.getvalue(), content_type="image/png")
    server = start(**{"pressure.reconcile-period": "100ms"})
    with worker_at_work(server):
        asked = [Asked(server, f"/images/large.png?w={width}&output=png") for width in (900, 1000, 1100, 1200)]
        wait_until_planned(server, len(asked))
    assert [one.answer().status for one in asked] == [200] * len(asked)
    assert made(server) == (1, len(asked) - 1)
    assert metrics(server)["sluice_pressure_healed_slots_total"] == 0
    assert_settles(server)


@pytest.mark.parametrize("queries", [["w=24&output=webp"], ["w=24&output=webp", "w=30&output=jpg", "w=36&output=webp"]])
def test_metadata_of_avif_outlives_its_decoder(start, origin, tmp_path, queries):
    """libvips keeps it in memory of the decoder's image; encoders read it. What this finds shows under the address sanitizer."""
    source = tmp_path / "exif.avif"
    done = run(["vips", "copy", pictures.tests() / "exif-6.jpg", source])
    assert done.returncode == 0, done.stderr
    assert b"Exif" in source.read_bytes()
    origin.script("/exif.avif", body=source.read_bytes(), content_type="image/avif")
    server = start()
    with worker_at_work(server):
        asked = [Asked(server, f"/images/exif.avif?{query}") for query in queries]
        wait_until_planned(server, len(queries))
    assert [one.answer().status for one in asked] == [200] * len(queries)
    assert_settles(server)
