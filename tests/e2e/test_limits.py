"""What leaves the image cache by itself: entries above a number, and what is too old, although nobody asks for it."""

import pictures
from clients import metrics
from harness import wait_for


def start(sluice, **settings):
    paths = {"/images": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    return sluice({**settings, "hosts": {"default": {"paths": paths}}})


def evictions(server, reason):
    return metrics(server)[f'sluice_image_cache_evictions_total{{reason="{reason}"}}']


def entries(server):
    return metrics(server)["sluice_image_cache_entries"]


def test_entries_are_limited(sluice):
    server = start(sluice, **{"image-cache.max-entries": 3})
    for width in range(100, 110):
        assert server.get(f"/images/baseline.jpg?w={width}").status == 200
        assert entries(server) <= 3
    assert entries(server) == 3
    assert metrics(server)["sluice_image_cache_bytes"] > 0


def test_what_is_too_old_goes_though_nobody_asks(sluice):
    server = start(sluice, **{"image-cache.rendition-max-age": "1s", "image-cache.source-max-age": "1s", "image.ttl": "1h"})
    for width in (100, 110, 120):
        assert server.get(f"/images/baseline.jpg?w={width}").status == 200
    wait_for(lambda: entries(server) == 0, 60, "the cache is empty")
    assert evictions(server, "expired") == 4  # the source is the fourth
    assert server.get("/images/baseline.jpg?w=100").status == 200


def test_ages_are_limited_by_class(sluice):
    server = start(sluice, **{"image-cache.source-max-age": "1s"})
    assert server.get("/images/baseline.jpg?w=100").status == 200
    wait_for(lambda: entries(server) == 1, 60, "the source has gone")
    assert "hit" in server.get("/images/baseline.jpg?w=100").headers["cache-status"]
