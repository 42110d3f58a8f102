"""A real Prometheus, for tests of what Sluice has for it: health/prometheus and health/grafana.

    with Prometheus(tmp_path, server.port) as prometheus:
        prometheus.wait_for("sluice_requests_total > 10")
        samples = prometheus.query("rate(sluice_requests_total[1m])")

Its configuration is health/prometheus/scrape.yml, but for the target and shorter intervals.
"""

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import yaml

import harness

FOLDER = harness.ROOT / "health/prometheus"
DASHBOARD = harness.ROOT / "health/grafana/sluice.json"
START_DEADLINE_S = 60
INTERVAL = "500ms"

# words of PromQL that our expressions use; any other one is a metric's name
WORDS = set("""
    absent and by changes group_left histogram_quantile ignoring increase le max offset on or rate sum time without
""".split())
VARIABLES = {"$__rate_interval": "1m", "$__interval": "1m", "$instance": ".+", "$job": "sluice"}


class Prometheus:
    """127.0.0.1:`port`, with its storage in `folder`; scrapes 127.0.0.1:`target_port`."""

    def __init__(self, folder, target_port):
        self.folder, self.port = folder / "prometheus", harness.free_port()
        self.folder.mkdir()
        self.config_file, self.log_file = self.folder / "prometheus.yml", self.folder / "log"
        config = yaml.safe_load((FOLDER / "scrape.yml").read_text())
        config["global"] = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
        config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
        (job,) = config["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{target_port}"]}]
        self.config_file.write_text(yaml.safe_dump(config))

    def __enter__(self):
        command = ["prometheus", f"--config.file={self.config_file}", f"--storage.tsdb.path={self.folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        with open(self.log_file, "wb") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            harness.wait_for(self._is_ready, START_DEADLINE_S, "prometheus is ready")
        except AssertionError as problem:
            self.__exit__()
            raise AssertionError(f"{problem}; it wrote:\n{self.log_file.read_text()}") from None
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def _is_ready(self):
        assert self.popen.poll() is None, f"prometheus exited with {self.popen.returncode}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as problem:
            raise AssertionError(f"{parameters}: {problem.read().decode()}") from None

    def query(self, expression):
        """[(labels, value)] of now."""
        return [(sample["metric"], float(sample["value"][1])) for sample in self.api("query", query=expression)["result"]]

    def wait_for(self, expression, deadline_s=60):
        """Until an expression has a result, which is returned."""
        return harness.wait_for(lambda: self.query(expression), deadline_s, expression)


def substitute(expression):
    """An expression of the dashboard with its variables filled in."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def selectors(expression):
    """The names of series in an expression, each with its matchers: all that has to exist for it to mean what it says."""
    expression = re.sub(r"\b(by|without|on|ignoring|group_left) *\([^)]*\)", " ", expression)
    expression = re.sub(r"\[[^]]*\]|\boffset +\w+", " ", expression)
    found = []
    for match in re.finditer(r'"[^"]*"|([a-zA-Z_:][\w:]*)(\{[^}]*\})?', expression):
        if match[1] and (match[2] or match[1] not in WORDS):
            found.append(match[0])
    return found


def expressions_of_dashboard():
    """[(panel, expression)], with the variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [(panel["title"], substitute(target["expr"])) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def rules():
    """All rules of rules.yml, as they stand there."""
    return [rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]
