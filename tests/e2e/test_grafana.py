"""The structure of health/grafana/sluice.json; test_prometheus.py asks its questions."""

import collections
import json
import re

import prometheus

DEPRECATED = {"graph", "singlestat", "table-old", "heatmap-old", "piechart-old", "grafana-piechart-panel", "grafana-worldmap-panel"}
KNOWN = {"row", "timeseries", "stat", "gauge", "table", "heatmap"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard():
    return json.loads(prometheus.DASHBOARD.read_text())


def panels():
    return dashboard()["panels"]


def questions():
    return [panel for panel in panels() if panel["type"] != "row"]


def test_ids_are_distinct():
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids) and all(isinstance(number, int) and number > 0 for number in ids)
    titles = collections.Counter(panel["title"] for panel in panels())
    assert titles.most_common(1)[0][1] == 1, titles.most_common(3)


def test_no_panel_lies_on_another():
    taken = {}
    for panel in panels():
        at = panel["gridPos"]
        assert at["w"] > 0 and at["h"] > 0 and at["x"] >= 0 and at["x"] + at["w"] <= 24, panel["title"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def test_rows_are_the_parts_and_none_is_empty():
    rows = [index for index, panel in enumerate(panels()) if panel["type"] == "row"]
    assert [panels()[index]["title"] for index in rows] == [
        "Overview", "Memory against its marks", "Caches", "Requests and latency", "Origins", "Transforms", "Queue and admission",
        "Leaks, alerts and operations", "Process"]
    assert all(after - before > 1 for before, after in zip(rows, [*rows[1:], len(panels())]))


def test_every_panel_asks_something_of_the_chosen_datasource():
    for panel in questions():
        assert panel["type"] in KNOWN and panel["type"] not in DEPRECATED, panel["title"]
        assert panel["datasource"] == DATASOURCE, panel["title"]
        assert panel["targets"] and len(panel["description"]) > 8, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
        for target in panel["targets"]:
            assert target["expr"].strip() and target["datasource"] == DATASOURCE, panel["title"]


def test_every_question_is_about_the_chosen_instances():
    for panel in questions():
        for target in panel["targets"]:
            for selector in prometheus.selectors(target["expr"]):
                if not selector.startswith("ALERTS"):
                    assert 'job="$job"' in selector and 'instance=~"$instance"' in selector, (panel["title"], selector)


def test_units_are_those_of_the_metrics():
    """What is asked for in bytes is shown in bytes, and what in seconds, in seconds."""
    for panel in questions():
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            if re.match(r"sluice_\w+_bytes[{ ]", target["expr"]) and "/" not in target["expr"]:
                assert unit == "bytes", panel["title"]
            if re.match(r"(histogram_quantile.*_seconds_bucket|sluice_\w+_seconds\{)", target["expr"]):
                assert unit == "s", panel["title"]


def test_variables():
    variables = {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    assert variables["instance"]["multi"] and variables["instance"]["includeAll"] and variables["instance"]["allValue"] == ".+"
    used = set(re.findall(r"\$\{?(\w+)", prometheus.DASHBOARD.read_text()))
    assert used == {*variables, "__rate_interval", "__interval", "__all"}


def test_it_can_be_imported_anywhere():
    board = dashboard()
    assert board["id"] is None and board["uid"] == "sluice" and board["schemaVersion"] >= 39 and board["title"]
    assert board["__inputs"] == [] if "__inputs" in board else True
