"""image-cache.quota: what hosts and paths may take of the image cache, alone and together, and who sees how much they have."""

import json
import shutil

import pytest

import pictures
from clients import metrics
from origin import Origin
from purging import purge, start, token_file  # noqa: F401, the fixtures among them

KiB = 1024
API = {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}


@pytest.fixture
def folders(tmp_path):
    """Origins with the same pictures that are none the less different ones."""
    made = []
    for name in ("first", "second"):
        shutil.copytree(pictures.tests(), tmp_path / name)
        made.append(str(tmp_path / name))
    return made


def quota(server, figure, route):
    return metrics(server)[f'sluice_image_cache_quota_{figure}{{route="{route}"}}']


def evictions(server, reason):
    return metrics(server)[f'sluice_image_cache_evictions_total{{reason="{reason}"}}']


def ask(server, url):
    """Asks for a picture, and says whether it was in the cache."""
    answer = server.get(url)
    assert answer.status == 200, (answer, answer.body)
    return "hit" in answer.headers["cache-status"]


def fill(server, path, count=100):
    """Asks for `count` pictures of 3 to 40 KB; yields after every tenth."""
    for number in range(count):
        ask(server, f"{path}/baseline.jpg?w={100 + 5 * number}")
        if number % 10 == 9:
            yield


def test_a_capped_path_stays_below_its_quota_and_evicts_no_others(sluice, folders):
    capped = {"image.origin": folders[0], "image-cache.quota": "256KiB"}
    server = sluice({"hosts": {"default": {"paths": {"/capped": capped, "/free": {"image.origin": folders[1]}, **API}}}})
    others = [f"/free/baseline.jpg?w={width}" for width in range(100, 200, 10)]
    for url in others:
        ask(server, url)
    assert quota(server, "limit_bytes", "default/capped") == 256 * KiB
    assert quota(server, "bytes", "default/capped") == 0
    for _ in fill(server, "/capped"):
        assert 0 < quota(server, "bytes", "default/capped") <= 256 * KiB
    assert quota(server, "bytes", "default/capped") > 128 * KiB
    assert quota(server, "evictions_total", "default/capped") == evictions(server, "quota") > 20
    assert evictions(server, "capacity") == 0
    assert all(ask(server, url) for url in others)
    assert not ask(server, "/capped/baseline.jpg?w=100") and ask(server, "/capped/baseline.jpg?w=595")


def test_what_is_asked_for_again_stays(sluice, folders):
    capped = {"image.origin": folders[0], "image-cache.quota": "384KiB"}
    server = sluice({"hosts": {"default": {"paths": {"/capped": capped, **API}}}})
    ask(server, "/capped/rgb.png?w=50")
    for _ in fill(server, "/capped"):
        assert ask(server, "/capped/rgb.png?w=50")
    assert quota(server, "evictions_total", "default/capped") > 20


@pytest.mark.parametrize("policy", ["lru", "s3-fifo", "cost"])
def test_a_host_s_quota_is_shared_by_its_paths(sluice, folders, policy):
    paths = {"/a": {"image.origin": folders[0], "image-cache.quota": "192KiB"}, "/b": {"image.origin": folders[1]}, **API}
    server = sluice({"image-cache.policy": policy, "hosts": {"default": {"image-cache.quota": "320KiB", "paths": paths}}})
    for _ in fill(server, "/a", 40):
        assert quota(server, "bytes", "default/a") == quota(server, "bytes", "default") <= 192 * KiB
    taken_from_a = quota(server, "evictions_total", "default/a")
    assert taken_from_a > 0 and quota(server, "evictions_total", "default") == 0
    for _ in fill(server, "/b"):
        assert quota(server, "bytes", "default") <= 320 * KiB
    assert quota(server, "evictions_total", "default") > 20 and quota(server, "evictions_total", "default/a") == taken_from_a
    assert quota(server, "bytes", "default/a") < 192 * KiB  # the oldest of the host went first
    assert evictions(server, "capacity") == 0


def test_who_stores_a_picture_pays_for_it(sluice, folders):
    paths = {path: {"image.origin": folders[0], "image-cache.quota": "1MiB"} for path in ("/a", "/b")}
    server = sluice({"hosts": {"default": {"paths": {**paths, **API}}}})
    assert not ask(server, "/a/rgb.png?w=100")
    before = quota(server, "bytes", "default/a")
    assert ask(server, "/b/rgb.png?w=100")
    assert quota(server, "bytes", "default/b") == 0 and quota(server, "bytes", "default/a") == before > 0
    assert not ask(server, "/b/rgb.png?w=101")
    assert quota(server, "entries", "default/b") == 1  # the source is a's
    assert quota(server, "bytes", "default/a") == before


def test_what_is_larger_than_the_quota_is_served_but_not_stored(sluice, folders):
    capped = {"image.origin": folders[0], "image-cache.quota": "64KiB"}
    server = sluice({"hosts": {"default": {"paths": {"/capped": capped, **API}}}})
    for _ in range(2):  # the source has 80 KB
        assert not ask(server, "/capped/baseline.jpg?w=640&output=png")
    assert quota(server, "refused_total", "default/capped") == evictions(server, "too_large") == 4
    assert quota(server, "bytes", "default/capped") == 0
    assert not ask(server, "/capped/baseline.jpg?w=50") and ask(server, "/capped/baseline.jpg?w=50")
    assert quota(server, "entries", "default/capped") == 1


def test_a_purge_gives_the_quota_back(start):  # noqa: F811
    with Origin(pictures.tests()) as origin:
        server = start({"/images": {"image.origin": origin.url("/"), "image-cache.quota": "1MiB"}})
        ask(server, "/images/rgb.png?w=100")
        assert quota(server, "entries", "default/images") == 2
        purge(server, url="/images/rgb.png")
        assert quota(server, "entries", "default/images") == quota(server, "bytes", "default/images") == 0


def test_health_shows_the_figures(sluice, folders):
    hosts = {
        "default": {"image-cache.quota": "2MiB", "paths": {"/a": {"image.origin": folders[0]}, **API}},
        "other.example:8080": {"paths": {"/b": {"image.origin": folders[1], "image-cache.quota": "1MiB"}}},
    }
    server = sluice({"hosts": hosts})
    ask(server, "/a/rgb.png?w=100")
    for route in ("/api/health", "/api/metrics/cache"):
        quotas = {quota["route"]: quota for quota in server.get(route).json()["quotas"]}
        assert set(quotas) == {"default", "other.example:8080/b"}
        assert quotas["default"]["limit_bytes"] == 2 << 20 and quotas["other.example:8080/b"]["bytes"] == 0
        assert quotas["default"]["bytes"] == quota(server, "bytes", "default") > 0
        assert {quotas["default"][name] for name in ("evictions", "evicted_bytes", "refused", "healed")} == {0}
    text = server.get("/api/metrics/cache?format=prometheus").body.decode()
    assert 'sluice_image_cache_quota_limit_bytes{route="other.example:8080/b"} 1048576\n' in text


def test_no_quota_no_figures(sluice, folders):
    server = sluice({"hosts": {"default": {"image-cache.quota": "none", "paths": {"/a": {"image.origin": folders[0]}, **API}}}})
    assert "quota_" not in server.get("/metrics").body.decode()
    assert server.get("/api/health").json()["quotas"] == []


# --- the configuration


@pytest.mark.parametrize("level", ["host", "path"])
@pytest.mark.parametrize("value", ["63KiB", "0", "much", "50%"])
def test_a_bad_quota_is_refused(sluice, folders, level, value):
    path = {"image.origin": folders[0], **({"image-cache.quota": value} if level == "path" else {})}
    host = {"image-cache.quota": value} if level == "host" else {}
    done = sluice({"hosts": {"default": {**host, "paths": {"/a": path}}}}, start=False).check()
    assert done.returncode != 0
    assert f"`{value}` is no value for image-cache.quota, which takes a size such as 512MiB or 512MB from 64KiB to 1024TiB" in done.stderr


def test_one_quota_each(sluice, folders):
    text = f"""
hosts:
  default:
    paths:
      "/a":
        - image-cache.quota: 1MiB
        - image-cache.quota: 2MiB
        - image.origin: {json.dumps(folders[0])}
"""
    done = sluice(text, start=False).check()
    assert done.returncode != 0 and "a host or path has one quota" in done.stderr


def test_there_is_an_end_to_quotas(sluice, folders):
    paths = {f"/{number}": {"image-cache.quota": "1MiB", "image.origin": folders[0]} for number in range(257)}
    done = sluice({"hosts": {"default": {"paths": paths}}}, start=False).check()
    assert done.returncode != 0 and "there can be 256 quotas, no more" in done.stderr
    del paths["/0"]
    server = sluice({"hosts": {"default": {"paths": {**paths, **API}}}})
    assert len(server.get("/api/health").json()["quotas"]) == 256
    assert server.get("/metrics").body.count(b"sluice_image_cache_quota_bytes{") == 256
