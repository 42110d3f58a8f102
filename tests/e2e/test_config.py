"""The configuration, end to end: what is taken, what is refused and how that is said, on -t and at the start.

The settings are read from the reference in h2o.conf, so that a new one is tested as soon as it is documented.
"""

import os
import re
import shutil
from collections import namedtuple

import pytest

import pictures
from harness import LAUNCHER, MODULE, ROOT, config_text, environment, run

EX_CONFIG = 78
Setting = namedtuple("Setting", "name kind low high environment default level")
HEADINGS = (("--- of the process", "process"), ("--- of a path", "path"), ("--- of a host or a path", "route"))
UNITS = {
    "bytes": ("KiB", "MiB", "GiB", "TiB"),
    "time": ("ms", "s", "m", "h", "d"),
    "ratio": ("%",),
    "switch": ("ON", "OFF"),
    "count": ("",),
}
DESCRIPTIONS = {
    "bytes": "a size such as 512MiB or 512MB",
    "time": "a time such as 30s or 250ms",
    "ratio": "a ratio such as 80%",
    "switch": "ON or OFF",
    "count": "a whole number",
}
FACTORS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def read_settings():
    """The rows of the reference: a sentence, the bounds with the environment variable, the setting at its default."""
    text = (ROOT / "h2o.conf").read_text()
    headings = [(text.index(heading), level) for heading, level in HEADINGS]
    bounds, setting = r"^# (\S+) to (\S+?)(?:; environment: (\w+))?$", r"^# ((?:pressure|image-cache|image|health)\.[\w-]+): (\S+)$"
    for row in re.finditer(f"{bounds}\n{setting}", text, re.M):
        low, high, variable, name, default = row.groups()
        yield Setting(name, kind_of(high), low, high, variable, default, [level for at, level in headings if at < row.start()][-1])


def kind_of(value):
    unit = re.fullmatch(r"[\d.]*(\D*)", value)[1]
    return next(kind for kind, units in UNITS.items() if unit in units)


SETTINGS = list(read_settings())
BY_NAME = {setting.name: setting for setting in SETTINGS}
WITH_ENVIRONMENT = [setting for setting in SETTINGS if setting.environment]
NUMERIC = [setting for setting in SETTINGS if setting.kind != "switch"]


def by_name(settings):
    return pytest.mark.parametrize("setting", settings, ids=lambda setting: setting.name)


def base(value):
    """A value of the reference in milliseconds, bytes, tenths of a percent, or as it is."""
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", value).groups()
    return int(float(number) * (10 if unit == "%" else FACTORS.get(unit, 1)))


def written(setting, number):
    """A number of these units as one writes it."""
    if setting.kind == "ratio":
        return f"{number / 10:g}%"
    return f"{number}{'ms' if setting.kind == 'time' else ''}"


def refusal(setting, value):
    """The sentence that says what is wrong with a value."""
    bounds = f" from {setting.low} to {setting.high}" if setting.kind != "switch" else ""
    word = ", or the word auto" if setting.default == "auto" else ""
    return f"`{value}` is no value for {setting.name}, which takes {DESCRIPTIONS[setting.kind]}{bounds}{word}"


@pytest.fixture
def check(sluice):
    """check(config, **options) is what -t says."""
    return lambda config, **options: sluice(config, start=False, **options).check()


@pytest.fixture
def site(tmp_path):
    """A configuration with a directory of pictures, to which settings may be added."""
    folder = tmp_path / "pictures"
    folder.mkdir()

    def make(of_process=None, of_host=None, of_path=None, origin=str(folder)):
        paths = {"/images": {**(of_path or {}), "image.origin": origin}, "/api": {"health.api": "ON"}}
        return {**(of_process or {}), "hosts": {"default": {**(of_host or {}), "paths": paths}}}

    return make


def assert_taken(done):
    assert done.returncode == 0, done.stderr


def line_of(config, key):
    """Where a key stands in the file that the harness writes."""
    return next(n for n, line in enumerate(config_text(config, 0).splitlines(), 1) if f'"{key}"' in line)


def assert_refused(done, config, key, *texts):
    """h2o ended as on an error of its own, at the line of that key."""
    assert done.returncode == EX_CONFIG, (done.returncode, done.stderr)
    message = next((line for line in done.stderr.splitlines() if key in line and "h2o.conf:" in line), done.stderr)
    assert f"h2o.conf:{line_of(config, key)}]" in message, done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr


def starts(server):
    """How a start ends that must not succeed: a CompletedProcess."""
    return run(server.command(), env=server.env, timeout=20)


# --- the reference


def test_the_reference_is_read():
    assert len(SETTINGS) >= 26 and len(WITH_ENVIRONMENT) == 6
    assert {setting.kind for setting in SETTINGS} == set(UNITS)
    assert BY_NAME["image.ttl"] == Setting("image.ttl", "time", "0", "366d", None, "1h", "path")
    assert BY_NAME["pressure.budget"].default == "auto"
    table = (ROOT / "module/knobs.c").read_text()
    assert sorted(BY_NAME) == sorted(re.findall(r'ROW(?:_OR_[A-Z]+)?\("([^"]+)"', table))


def shipped_configuration():
    """With paths of this build; the rest as it is."""
    text = (ROOT / "h2o.conf").read_text()
    return text.replace(": build/sluice.so", f": {MODULE}").replace(": build/samples", f": {pictures.samples()}")


def test_shipped_configuration_is_sound(tmp_path):
    (tmp_path / "h2o.conf").write_text(shipped_configuration())
    assert_taken(run([LAUNCHER, "-t", "-c", tmp_path / "h2o.conf"], env=environment()))


def test_shipped_configuration_with_all_defaults_written_out(tmp_path):
    """Every setting of the reference may stand where it says, at the default that it says."""
    text = shipped_configuration()
    for setting in SETTINGS:
        if setting.level == "route":
            text = text.replace("\n  default:\n", f"\n  default:\n    {setting.name}: {setting.default}\n", 1)
            assert setting.name in re.sub("(?m)^#.*", "", text)
        elif not re.search(rf"^ *{re.escape(setting.name)}:", text, re.M):
            text = text.replace(f"# {setting.name}: {setting.default}\n", f"{setting.name}: {setting.default}\n")
    (tmp_path / "h2o.conf").write_text(text)
    assert_taken(run([LAUNCHER, "-t", "-c", tmp_path / "h2o.conf"], env=environment()))


# --- values


MARKS = [f"pressure.{level}" for level in ("elevated", "degraded", "high", "critical", "emergency")]


PERIODS = [f"pressure.sample-period{which}" for which in ("-hot", "-busy", "-warm", "")]
ASCENDING = [
    MARKS,
    [*MARKS[:4], "pressure.release-ceiling"],
    PERIODS,
    [*PERIODS[:3], "pressure.stale-after"],
    ["pressure.sample-warm", "pressure.sample-busy", "pressure.sample-hot"],
    ["pressure.listener-slice", "pressure.reclaim-limit"],
    ["pressure.backoff", "pressure.backoff-max"],
    ["pressure.retry-after", "pressure.max-retry-after"],
]
DEADLINE = "pressure.watchdog-deadline"  # at least twice the sample period


def neighbours(setting, number):
    """What else must be said for an extreme value to be taken: some settings ascend, and the gap is below the lowest mark."""
    others = {}
    for order in ASCENDING:
        at = order.index(setting.name) if setting.name in order else -1
        for place, other in enumerate(order):
            default = base(BY_NAME[other].default)
            if at >= 0 and ((place < at and default > number) or (place > at and default < number)):
                others[other] = written(BY_NAME[other], number)
    if setting.name in PERIODS:
        others[DEADLINE] = BY_NAME[DEADLINE].high
    if setting.name == DEADLINE:
        others[PERIODS[-1]] = BY_NAME[PERIODS[-2]].default
    return others | ({"pressure.down-gap": "0.1%"} if {setting.name, *others} & set(MARKS) else {})


def place_of(setting):
    """Where it may stand: an argument of site()."""
    return "of_path" if setting.level == "route" else "of_process"


@by_name(NUMERIC)
def test_bounds_are_good_and_one_beyond_is_not(check, site, setting):
    for number in (base(setting.low), base(setting.high)):
        assert_taken(check(site(**{place_of(setting): {setting.name: written(setting, number), **neighbours(setting, number)}})))
    for number in {base(setting.low) - 1, base(setting.high) + 1} - {-1}:
        config = site(**{place_of(setting): {setting.name: written(setting, number)}})
        assert_refused(check(config), config, setting.name, refusal(setting, written(setting, number)))


@by_name(SETTINGS)
def test_garbage_is_refused(check, site, setting):
    for garbage in ("", "-1", "12x"):
        config = site(**{place_of(setting): {setting.name: garbage}})
        assert_refused(check(config), config, setting.name, refusal(setting, garbage))


@by_name([setting for setting in SETTINGS if setting.kind in ("count", "switch")])
def test_units_that_are_not_its_own_are_refused(check, site, setting):
    for garbage in ("1.5", "1s"):
        config = site(**{place_of(setting): {setting.name: garbage}})
        assert_refused(check(config), config, setting.name, refusal(setting, garbage))


@by_name(SETTINGS)
def test_only_a_scalar_is_a_value(check, site, setting):
    for value in (["1"], {"a": "1"}):
        config = site(**{place_of(setting): {setting.name: value}})
        assert_refused(check(config), config, setting.name)


@by_name([setting for setting in SETTINGS if setting.default == "auto"])
def test_auto_is_a_word_of_its_own(check, site, setting):
    assert_taken(check(site({setting.name: "auto"})))
    config = site({setting.name: "automatic"})
    assert_refused(check(config), config, setting.name, refusal(setting, "automatic"))


@by_name(SETTINGS)
def test_place_of_a_setting(check, site, setting):
    """What is of the process stands at the top level only; what is of a path, at each; what is of a host or a path, there."""
    places = {"process": ["of_process"], "path": ["of_process", "of_host", "of_path"], "route": ["of_host", "of_path"]}
    for place in places["path"]:
        config = site(**{place: {setting.name: setting.default}})
        done = check(config)
        if place in places[setting.level]:
            assert_taken(done)
        else:
            assert_refused(done, config, setting.name, "cannot be used at")


@pytest.mark.parametrize("value", ["512MB", "0.5GiB", "512 MiB", "512mib", "536870912"])
def test_spellings_of_a_size(check, site, value):
    assert_taken(check(site({"pressure.budget": value})))


def test_unknown_directive(check, site):
    for name in ("image.tll", "pressure.budgets", "image-cache", "sluice.on"):
        config = site({name: "1"})
        assert_refused(check(config), config, name, f"unknown command: {name}")


@by_name([BY_NAME["image.ttl"], BY_NAME["pressure.budget"]])
def test_start_ends_as_the_check_does(sluice, site, setting):
    server = sluice(site({setting.name: "1y"}), start=False)
    done = starts(server)
    assert (done.returncode, server.check().returncode) == (EX_CONFIG, EX_CONFIG)
    assert refusal(setting, "1y") in done.stderr and "ready to serve" not in done.stderr


def test_check_does_not_serve(check, site):
    done = check(site())
    assert_taken(done)
    assert "configuration OK" in done.stderr + done.stdout and "ready to serve" not in done.stderr


def test_lines_are_those_of_the_file(check, site):
    """In YAML proper, with comments and blank lines."""
    text = "# one\n\nimage.ttl: 1h\n# two\n\nimage.max-side: 0\nhosts:\n  default:\n    paths:\n      /images: {}\n"
    line = len(config_text("", 0).splitlines()) + 6
    done = check(text)
    assert done.returncode == EX_CONFIG and f"h2o.conf:{line}]" in done.stderr, done.stderr


# --- the marks of pressure


@pytest.mark.parametrize(
    "marks, sentence",
    [
        ({"elevated": "80%"}, "the mark of degraded must not be below that of elevated"),
        ({"degraded": "69.9%"}, "the mark of degraded must not be below that of elevated"),
        ({"high": "74%"}, "the mark of high must not be below that of degraded"),
        ({"high": "91%"}, "the mark of critical must not be below that of high"),
        ({"critical": "79%"}, "the mark of critical must not be below that of high"),
        ({"emergency": "89%"}, "the mark of emergency must not be below that of critical"),
        ({"elevated": "5%"}, "down-gap must be below the mark of elevated"),
        ({"elevated": "40%", "down-gap": "40%"}, "down-gap must be below the mark of elevated"),
        ({"sample-period": "200ms"}, "sample-period-warm must not be above sample-period"),
        ({"sample-hot": "65%"}, "sample-hot must not be below sample-busy"),
        ({"stale-after": "200ms"}, "stale-after must not be below sample-period-warm"),
        ({"reclaim-limit": "10ms"}, "reclaim-limit must not be below listener-slice"),
        ({"backoff": "2m"}, "backoff-max must not be below backoff"),
        ({"release-ceiling": "89%"}, "release-ceiling must not be below the mark of critical"),
        ({"sample-period": "2501ms"}, "watchdog-deadline must be at least twice sample-period"),
        ({"watchdog-deadline": "1999ms"}, "watchdog-deadline must be at least twice sample-period"),
        ({"retry-after": "61s"}, "max-retry-after must not be below retry-after"),
    ],
    ids=str,
)
def test_what_must_ascend(check, site, marks, sentence):
    done = check(site({f"pressure.{name}": value for name, value in marks.items()}))
    assert done.returncode == EX_CONFIG and "h2o.conf:" in done.stderr and f"pressure.*: {sentence}" in done.stderr, done.stderr


def test_marks_that_ascend(check, site):
    for values in (("10%", "0.2", "30", "40.5%", "100%"), ("50%",) * 5):
        assert_taken(check(site(dict(zip(MARKS, values)))))


# --- policy


@pytest.mark.parametrize("value", ["fifo", "LRU", "", "1"])
def test_policy_must_be_known(check, site, value):
    done = check(site({"image-cache.policy": value}))
    assert done.returncode == 78
    assert "image-cache.policy" in done.stderr and "lru, s3-fifo and cost" in done.stderr, done.stderr


@pytest.mark.parametrize("value", ["lru", "s3-fifo", "cost"])
def test_known_policies(check, site, value):
    assert_taken(check(site({"image-cache.policy": value})))


# --- exempt paths


@pytest.mark.parametrize("value", ["api", "", ["/api", "metrics"], [""], ["http://x/"], [["/api"]], [{"a": "b"}]], ids=str)
def test_exempt_must_be_paths(check, site, value):
    config = site({"pressure.exempt": value})
    done = check(config)
    assert done.returncode == EX_CONFIG, done.stderr
    assert "pressure.exempt" in done.stderr and "start with a slash" in done.stderr, done.stderr


@pytest.mark.parametrize("value", ["/", "/api", [], ["/api", "/a/b/"]], ids=str)
def test_exempt_paths(check, site, value):
    assert_taken(check(site({"pressure.exempt": value})))


def test_exempt_is_of_the_process(check, site):
    config = site(of_path={"pressure.exempt": ["/api"]})
    assert_refused(check(config), config, "pressure.exempt")


# --- origins


@pytest.mark.parametrize(
    "origin, text",
    [
        ("ftp://127.0.0.1/pictures/", "neither an http or https URL nor a directory"),
        ("file:///srv", "neither an http or https URL nor a directory"),
        ("://x", "neither an http or https URL nor a directory"),
        ("http://", "it has no host"),
        ("http:///pictures", "it has no host"),
        ("https:///", "it has no host"),
        ("http://127.0.0.1/?a=1", "a query or fragment"),
        ("http://127.0.0.1/#x", "a query or fragment"),
        ("http://127.0.0.1?x", "a query or fragment"),
        ("http://user:secret@127.0.0.1/", "user names and passwords"),
        ("http://127.0.0.1/a b/", "percent-encoded"),
        ("http://127.0.0.1/" + "a" * 4000, "too long"),
        ("no/such/folder", "No such file or directory"),
        ("/no/such/folder", "No such file or directory"),
        ("h2o.conf", "Not a directory"),
        ("", None),
    ],
)
def test_origin_that_cannot_be(check, site, origin, text):
    config = site(origin=origin)
    done = check(config)
    if origin == "":  # the folder of the file itself
        assert_taken(done)
    else:
        assert_refused(done, config, "image.origin", text)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1", "http://127.0.0.1:81/a/b", "HTTP://localhost/", "https://example.com/%20/", "http://[::1]:80/"]
)
def test_origin_that_can_be(check, site, origin):
    assert_taken(check(site(origin=origin)))


def test_origin_is_of_a_path(check, site):
    for config in (site({"image.origin": "/tmp"}), site(of_host={"image.origin": "/tmp"})):
        assert check(config).returncode == EX_CONFIG


def test_origin_is_a_word(check, site):
    for value in (["/tmp"], {"directory": "/tmp"}):
        config = site(origin=value)
        assert_refused(check(config), config, "image.origin")


def test_path_has_one_origin(check, site):
    config = "hosts:\n  default:\n    paths:\n      /images:\n        image.origin: /tmp\n        image.origin: /tmp\n"
    done = check(config)
    assert done.returncode == EX_CONFIG and "image.origin" in done.stderr, done.stderr


def test_two_paths_with_one_origin_each(check, site):
    config = site()
    config["hosts"]["default"]["paths"]["/more"] = {"image.origin": "http://127.0.0.1/"}
    assert_taken(check(config))


def test_relative_folder_is_relative_to_the_file(sluice, site):
    """Not to where the server was started."""
    for origin in ("nearby", "./nearby", "nearby/"):
        server = sluice(site(origin=origin), start=False)
        (server.folder / "nearby").mkdir()
        shutil.copy(pictures.tests() / "rgb.png", server.folder / "nearby")
        assert not os.path.exists("nearby")
        with server:
            assert server.get("/images/rgb.png").status == 200


def test_relative_module_is_relative_to_the_file(sluice, site, tmp_path):
    server = sluice(site(), start=False, module="module/sluice.so")
    assert server.check().returncode == EX_CONFIG
    (server.folder / "module").symlink_to(MODULE.parent)
    assert_taken(server.check())


@pytest.mark.parametrize("name", ["health.api", "health.prometheus"])
def test_switches_of_health(check, site, name):
    for value, good in (("ON", True), ("off", True), ("yes", False), ("1", False), ("", False)):
        config = site(of_path={name: value})
        assert check(config).returncode == (0 if good else EX_CONFIG), value
    config = site({name: "ON"})
    assert_refused(check(config), config, name)


# --- the environment


@by_name(WITH_ENVIRONMENT)
def test_variable_is_checked(check, site, setting):
    assert_taken(check(site(), env={setting.environment: setting.default if setting.default != "auto" else setting.low}))
    assert_taken(check(site(), env={setting.environment: ""}))  # as if it were not there
    beyond = written(setting, base(setting.high) + 1)
    for value in ("x", "-1", beyond):
        done = check(site(), env={setting.environment: value})
        assert done.returncode == EX_CONFIG and setting.environment in done.stderr, done.stderr
        assert refusal(setting, value) in done.stderr, done.stderr


@by_name(WITH_ENVIRONMENT)
def test_bad_variable_ends_the_start(sluice, site, setting):
    done = starts(sluice(site(), start=False, env={setting.environment: "much"}))
    assert done.returncode == EX_CONFIG and setting.environment in done.stderr and "ready to serve" not in done.stderr


def test_format_of_metrics_by_variable(check, site):
    for value, good in (("prometheus", True), ("Prometheus", True), ("json", True), ("", True), ("xml", False)):
        done = check(site(), env={"METRICS_FORMAT": value})
        assert done.returncode == (0 if good else EX_CONFIG), value
        assert good or ("METRICS_FORMAT" in done.stderr and "`xml`" in done.stderr and "prometheus" in done.stderr)


def budgets(server):
    health = server.get("/api/health").json()
    return {
        "pressure.budget": health["memory"]["budget_bytes"],
        "image-cache.capacity": health["caches"]["image"]["capacity_bytes"],
        "image-cache.metadata-capacity": health["caches"]["metadata"]["capacity_bytes"],
    }


def test_variables_are_defaults_that_directives_override(sluice, site):
    variables = {"IMAGE_RAM_BUDGET_BYTES": 100 << 20, "SERVER_CACHE_BUDGET_BYTES": "20MB"}
    variables |= {"TOTAL_PROCESS_MEMORY_BUDGET_BYTES": "2GiB"}
    from_environment = {"pressure.budget": 2 << 30, "image-cache.capacity": 100 << 20, "image-cache.metadata-capacity": 20_000_000}
    assert budgets(sluice(site(), env=variables)) == from_environment
    directives = {"pressure.budget": "1GiB", "image-cache.capacity": "200MiB", "image-cache.metadata-capacity": "30MiB"}
    from_directives = {"pressure.budget": 1 << 30, "image-cache.capacity": 200 << 20, "image-cache.metadata-capacity": 30 << 20}
    assert budgets(sluice(site(directives), env=variables)) == from_directives
    assert budgets(sluice(site({"pressure.budget": "1GiB"}), env=variables)) == from_environment | {"pressure.budget": 1 << 30}


def test_size_of_objects_by_variable(sluice, site):
    paths = {"origin": str(pictures.tests())}
    server = sluice(site(**paths), env={"MAX_IMAGE_SIZE_BYTES": "10KiB"})
    assert server.get("/images/baseline.jpg").json()["code"] == "source-too-large"
    server = sluice(site({"image-cache.max-object-size": "1MiB"}, **paths), env={"MAX_IMAGE_SIZE_BYTES": "10KiB"})
    assert server.get("/images/baseline.jpg").status == 200


def test_thresholds_by_variable(sluice, site, check):
    """A variable takes part in the order of the marks, unless a directive has the last word."""
    server = sluice(site(), env={"MEMORY_WARNING_THRESHOLD": "0.71", "MEMORY_CRITICAL_THRESHOLD": "85%"})
    assert server.get("/api/health").status == 200
    done = check(site(), env={"MEMORY_CRITICAL_THRESHOLD": "60%"})
    assert done.returncode == EX_CONFIG and "pressure." in done.stderr
    assert_taken(check(site({"pressure.critical": "90%"}), env={"MEMORY_CRITICAL_THRESHOLD": "60%"}))


def test_metrics_are_prometheus_text_by_variable(sluice, site):
    plain, prometheus = sluice(site()), sluice(site(), env={"METRICS_FORMAT": "prometheus"})
    assert plain.get("/api/metrics/cache").headers["Content-Type"] == "application/json"
    assert prometheus.get("/api/metrics/cache").headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert prometheus.get("/api/metrics/cache?format=json").headers["Content-Type"] == "application/json"


def test_limits_are_of_the_budget(sluice, site):
    """A cache that might take all of the budget is cut to its half, and a line says so."""
    server = sluice(site({"pressure.budget": "600MiB", "image-cache.capacity": "1GiB"}))
    found = budgets(server)
    assert (found["image-cache.capacity"], found["image-cache.metadata-capacity"]) == (300 << 20, 60 << 20)
    assert "image-cache.capacity" in server.log()


# --- inheritance


def test_settings_of_a_path_are_inherited(sluice):
    """Global, host, path: the nearest wins, wherever it stands among its neighbours, and others do not see it."""
    origin = {"image.origin": str(pictures.tests())}
    hosts = {
        "none:1": {"paths": {"/a": origin, "/b": {"image.ttl": "3s", **origin}, "/c": {**origin, "image.ttl": "4s"}, "/d": origin}},
        "own:1": {"image.ttl": "2s", "paths": {"/a": origin, "/b": {**origin, "image.ttl": "5s"}, "/c": origin}},
        "late:1": {"paths": {"/a": origin}, "image.ttl": "6s"},
    }
    server = sluice({"image.ttl": "1s", "hosts": hosts})
    expected = {"none:1": (1, 3, 4, 1), "own:1": (2, 5, 2), "late:1": (6,)}
    names = iter(f"exif-{n}.jpg" for n in range(1, 9))  # they share the origin, and so what has been fetched from it
    for host, seconds in expected.items():
        for path, ttl in zip("abcd", seconds):
            answer = server.get(f"/{path}/{next(names)}", {"Host": host})
            assert (answer.status, answer.headers["Cache-Control"]) == (200, f"public, max-age={ttl}"), (host, path)


@pytest.mark.parametrize("name, value, path, status", [
    ("image.max-side", 100, "/rgb.png?w=101", 400),
    ("image.max-pixels", 1000, "/rgb.png?w=50", 413),
    ("image.strict", "OFF", "/rgb.png?unknown=1", 200),
    ("image.negative-ttl", "77s", "/none.png", 404),
])  # fmt: skip
def test_each_level_sets_it(sluice, name, value, path, status):
    origin = {"image.origin": str(pictures.tests())}
    levels = [
        {name: value, "hosts": {"default": {"paths": {"/x": origin}}}},
        {"hosts": {"default": {name: value, "paths": {"/x": origin}}}},
        {"hosts": {"default": {"paths": {"/x": {name: value, **origin}}}}},
    ]
    for config in levels:
        answer = sluice(config).get(f"/x{path}")
        assert answer.status == status
        assert name != "image.negative-ttl" or answer.headers["Cache-Control"] == "public, max-age=77"


def test_global_setting_below_the_hosts_counts_too(sluice):
    """The server runs hosts last of all."""
    config = {"hosts": {"default": {"paths": {"/x": {"image.origin": str(pictures.tests())}}}}, "image.ttl": "9s"}
    assert sluice(config).get("/x/rgb.png").headers["Cache-Control"] == "public, max-age=9"


@pytest.mark.parametrize("first, status", [("mruby.handler", 403), ("sluice", 200)])
def test_handlers_are_asked_in_the_order_of_the_file(sluice, first, status):
    """As those of h2o are: an acl in front of a directive of Sluice's guards it."""
    deny = {"mruby.handler": "acl { deny { true } }"}
    ours = {"/images": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    paths = {path: {**deny, **what} if first == "mruby.handler" else {**what, **deny} for path, what in ours.items()}
    server = sluice({"hosts": {"default": {"paths": paths}}})
    assert [server.get(path).status for path in ("/images/rgb.png", "/api/health", "/metrics")] == [status] * 3
