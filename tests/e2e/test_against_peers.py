"""The same plays in front of nginx, Varnish and Sluice: see against_peers.py for the plays, play.py for how to read them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
import peers
from against_peers import CASES
from origin import Origin
from play import Stage

NAMES = ("nginx", "varnish", "sluice")


def path_of(case, name):
    return f"{'/refused' if case.refused else ''}/{name}/case-{CASES.index(case)}.png"


def settings(origin, closed_port):
    lifetimes = {"image.ttl": "1h", "image.negative-ttl": "1m", "image.error-ttl": "2s", "image.stale-if-error": 0}
    origins = {"/": {"image.origin": origin.url("/")}, "/refused": {"image.origin": f"http://127.0.0.1:{closed_port}/refused/"}}
    return {**lifetimes, "hosts": {"default": {"paths": origins}}}


def perform(case, name, server, origin):
    """What happened; a problem is a result too, for the test that looks at it."""
    try:
        return Stage(server, origin, path_of(case, name)).perform(case.play)
    except Exception as problem:
        return problem


@pytest.fixture(scope="module")
def happened(tmp_path_factory):
    """All plays at once, for most of their time is waiting: {(title, name): lines}."""
    folder, closed_port = tmp_path_factory.mktemp("peers"), harness.free_port()
    with Origin() as origin, peers.Nginx(folder, origin.port, closed_port) as nginx, peers.Varnish(folder, origin.port, closed_port) as varnish:
        (folder / "sluice").mkdir()
        with harness.Sluice(folder / "sluice", settings(origin, closed_port)) as sluice, ThreadPoolExecutor(48) as pool:
            servers = dict(zip(NAMES, (nginx, varnish, sluice)))
            plays = {(case.title, name): (case, name, servers[name], origin) for case in CASES for name in NAMES}
            yield dict(zip(plays, pool.map(lambda play: perform(*play), plays.values())))


def test_titles_are_distinct():
    assert len({case.title for case in CASES}) == len(CASES)


def test_each_difference_has_a_reason():
    for case in CASES:
        assert (case.agreed is None) == (case.nginx is not None and case.varnish is not None), case.title
        assert bool(case.why) == (case.sluice is not None) and (case.agreed or case.nginx != case.varnish), case.title


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_case(happened, case, name):
    assert happened[case.title, name] == case.expected(name)
