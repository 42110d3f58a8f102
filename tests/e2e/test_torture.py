"""The torture test in short: storms of large pictures over a server in a memory cgroup, whose hard limit is 1.1 times its budget.

How fast it is, and how soon health answers, is printed and not asserted: `make torture` does that, on a machine of its own.
"""

import pytest

import storm
import storm_clients

CONNECTIONS, REQUESTS = 64, 2
ASKERS = CONNECTIONS - CONNECTIONS // storm_clients.SLOW_SHARE - CONNECTIONS // storm_clients.HIT_SHARE
TIMEOUTS = {"image.origin-timeout": "3s", "image.queue-timeout": "5s"}  # shorter than by default, for the test's own sake


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storm")
    files = storm.files(folder, 2 * len(storm.WEIGHTS))
    with storm.Origin(folder) as origin:
        origin.files = files
        yield origin


@pytest.mark.parametrize("budget", [128 * storm.MIB, 256 * storm.MIB])
def test_storm_within_a_hard_limit(tmp_path, origin, budget):
    order = storm.Order(origin.files, connections=CONNECTIONS, requests=REQUESTS, seconds=60, drain_s=60)
    with storm.group_for(budget, skip=True) as group:
        outcome = storm.over_sluice(tmp_path, origin, order, budget, group, **TIMEOUTS)
    report, health = outcome.report, outcome.probes["health"]
    print(f"{outcome.per_second():.1f} pictures a second, {outcome.by_status()}, peak {outcome.watch.peak / budget:.0%} of the budget; "
          f"{report['answers']}; health {health}, a constant answer {outcome.probes['control']}")  # fmt: skip
    assert (outcome.kills, outcome.alive) == (0, True)
    assert outcome.watch.peak <= budget
    # no answer is missing, wrong, or refused in any other way than by a 503 with Retry-After (or a 413, where a picture can never fit)
    assert report["faults"] == []
    assert report["hung_up"]["unanswered, at the end"] == 0
    assert sum(outcome.asked().values()) == ASKERS * REQUESTS
    assert [kind for kind in storm.fitting(budget) if not report["pictures"].get(kind)] == []
    assert outcome.left_over == {}
    assert health["faults"] == [] and set(health["statuses"]) <= {"200", "503"} and health["answers"] > 10
