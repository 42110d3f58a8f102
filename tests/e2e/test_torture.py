"""The torture test in short: storms of large pictures over a server in a memory cgroup, whose hard limit is 1.1 times its budget.

How fast it is, and how soon health answers, is printed and not asserted: `make torture` does that, on a machine of its own.
"""

import pytest

import storm
import storm_clients

CONNECTIONS = 64
ASKERS = CONNECTIONS - CONNECTIONS // storm_clients.SLOW_SHARE - CONNECTIONS // storm_clients.HIT_SHARE
@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storm")
    files = storm.files(folder, 2 * len(storm.WEIGHTS))
    with storm.Origin(folder) as origin:
        origin.files = files
        yield origin


def ride_out(tmp_path, origin, budget, requests, special=storm.SPECIAL, **settings):
    """One storm, in which every asker has its say; asserts on what has to hold in every one."""
    order = storm.Order(origin.files, connections=CONNECTIONS, requests=requests, special=special, seconds=120, drain_s=120)
    with storm.group_for(budget, skip=True) as group:
        outcome = storm.over_sluice(tmp_path, origin, order, budget, group, **settings)
    report, health = outcome.report, outcome.probes["health"]
    print(f"{outcome.per_second():.1f} pictures a second, {outcome.by_status()}, peak {outcome.watch.peak / budget:.0%} of the budget; "
          f"{report['answers']}; health {health}, a constant answer {outcome.probes['control']}")  # fmt: skip
    assert (outcome.kills, outcome.alive) == (0, True)
    assert outcome.watch.peak <= budget
    # no answer is missing, wrong, or refused in any other way than by a 503 with Retry-After (or a 413, where a picture can never fit)
    assert report["faults"] == []
    assert report["hung_up"]["unanswered, at the end"] == 0
    assert sum(outcome.asked().values()) == ASKERS * requests
    assert outcome.left_over == {}
    assert health["faults"] == [] and set(health["statuses"]) <= {"200", "503"} and health["answers"] > 10
    return outcome


def test_what_does_not_fit_is_refused_and_nothing_is_killed(tmp_path, origin):
    impatient = {"image.origin-timeout": "3s", "image.queue-timeout": "5s"}
    outcome = ride_out(tmp_path, origin, 128 * storm.MIB, 2, **impatient)
    assert sum(outcome.report["pictures"].values()) > 0


def test_everybody_is_served_who_may_wait(tmp_path, origin):
    patient = {f"image.{name}-timeout": "5m" for name in ("queue", "origin", "transform", "request")}
    special = {what: share for what, share in storm.SPECIAL.items() if not what.startswith("stall")}
    outcome = ride_out(tmp_path, origin, 256 * storm.MIB, 1, special, **patient)
    assert set(outcome.by_status()) == {"200"}
