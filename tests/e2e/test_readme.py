"""What the README says of routes, names in answers and codes is what the sources have; its links lead somewhere."""
import re

from harness import ROOT

README = (ROOT / "README.md").read_text()
HEALTH = README.partition("\n## Health and metrics\n")[2].partition("\n## Settings\n")[0]
TABLE = HEALTH.partition("\n### ")[0]
SOURCES = "\n".join(path.read_text() for part in ("module", "health", "pressure", "image_cache") for path in sorted((ROOT / part).glob("*.[ch]"))).replace('\\"', '"')


def routes_of_the_sources():
    text = (ROOT / "module" / "api_routes.c").read_text()
    for path, method, admin in re.findall(r'\{"(/\S+)", SLUICE_API_(\w+), ([01]), \w+\}', text):
        yield f"/api{path}NAME" if path.endswith("/") else f"/api{path}", method, "admin" if admin == "1" else "all"


def routes_of_the_table():
    """A cell may have several; what lacks /api follows the first one but for its last part."""
    for cell, method, who in re.findall(r"^\| (`/.*?) \| (\w+) \| (\w+) \|", TABLE, re.M):
        first, *others = re.findall(r"`(\S+)`", cell)
        for path in (first, *others):
            yield path if path.startswith(("/api/", "/metrics")) else first.rpartition("/")[0] + path, method, who


def test_all_routes_are_in_the_table():
    routes = sorted(routes_of_the_sources())
    assert len(routes) > 20
    assert sorted(routes_of_the_table()) == sorted([*routes, ("/metrics", "GET", "all")])


def test_names_in_answers_exist():
    examples = "\n".join(re.findall(r"^    .*$", HEALTH, re.M))
    names = set(re.findall(r'"([a-z_]+)":', examples))
    assert len(names) > 100
    assert sorted(name for name in names if f'"{name}"' not in SOURCES) == []


def test_names_of_events_exist():
    rows = re.findall(r"^\| `([a-z]+)` \| (.*) \|$", HEALTH.partition("### Live events")[2].partition("\n### ")[0], re.M)
    assert len(rows) > 10
    names = [*(event for event, _ in rows), *(name for _, data in rows for name in re.findall(r"`([a-z_-]+)`", data))]
    assert sorted(name for name in names if f'"{name}"' not in SOURCES) == []


def test_codes_exist():
    codes = set(re.findall(r"\b[45]\d\d `([a-z-]+)`", README))
    assert len(codes) > 15
    assert sorted(code for code in codes if f'"{code}"' not in SOURCES) == []


def test_directives_exist():
    """With the table of those that have no numbers, and the end of h2o.conf."""
    defined = {name for name in re.findall(r'"((?:health|image|image-cache|pressure)\.[a-z-]+)"', SOURCES)}
    named = re.findall(r"`((?:health|image|image-cache|pressure)\.[a-z-]+)`", README)
    assert sorted(set(named) - defined) == []
    tail = (ROOT / "h2o.conf").read_text().partition("# Others have no numbers.")[2]
    table = README.partition("\nBesides these there are\n")[2].partition("\n## ")[0]
    pattern = r"(?:health|image|image-cache|pressure)\.[a-z-]+"
    in_table = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(pattern, row)}
    in_tail = {name for line in re.findall(rf"^# ({pattern}(?:, {pattern})*): (?:at the top level|of a path|in a path)[;,]? ", tail, re.M) for name in line.split(", ")}
    assert in_table == in_tail and len(in_table) > 12


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def test_links_lead_somewhere():
    plain = re.sub(r"^    .*$", "", README, flags=re.M)
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", plain, re.M)}
    links = set(re.findall(r"\]\(#([^)]+)\)", plain))
    assert len(links) > 20 and links <= anchors, links - anchors
    for path in re.findall(r"\]\(([^#)][^):]*)\)", plain):
        assert (ROOT / path).exists(), path
