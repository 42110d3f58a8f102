"""The page of /api/dashboard in a browser: it says what the API says, while it changes, and when nothing comes any more."""

import json
import re

import pytest

import browser as chromium
from harness import wait_for
from problems import assert_problem
from purging import BEARER, origin, png, start, token_file  # noqa: F401, fixtures

MIB = 1 << 20
FAST = {"pressure.dwell": "100ms", "pressure.dwell-critical": "100ms", "health.simulate": "ON", "pressure.budget": "1000MiB"}
LEVELS = ["normal", "elevated", "degraded", "high", "critical", "emergency"]
ROUTE = "/api/dashboard"
MAX_PAGE_BYTES = 60_000
PATIENCE_S = 20
SHOTS = chromium.FOLDER
LOOKS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740, "scale": 2, "mobile": True}}
STATES = {"normal": (0, "healthy"), "critical": (890, "critical")}
HOSTILE = "<img id=evil src=x onerror=alert(1)><script>window.evil=1</script>\" '" + "x" * 200


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.missing():
        pytest.skip(chromium.missing())
    with chromium.Browser(tmp_path_factory.mktemp("chromium")) as program:
        yield program


@pytest.fixture
def pages(browser):
    """pages(url, ...) opens one, which is closed in the end."""
    opened = []

    def open_page(url, **looks):
        opened.append(browser.open(url, **looks))
        return opened[-1]

    yield open_page
    for page in opened:
        page.close()


@pytest.fixture
def server(start, origin):  # noqa: F811
    origin.script("/a.png", body=png(5), content_type="image/png")
    return start({"/images": {"image.origin": origin.url("/")}}, **FAST)


def simulate(server, mib, seconds=600):
    answer = server.get("/api/memory/simulate", BEARER, "POST", json.dumps({"bytes": mib * MIB, "seconds": seconds}))
    assert answer.status == 200, answer.body


def api_health(server):
    return server.get("/api/health").json()


def text(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")


def value(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)})?.dataset.value ?? null")


def count(page, selector):
    return page.run(f"document.querySelectorAll({json.dumps(selector)}).length")


def wait_for_status(page, status):
    wait_for(lambda: text(page, "#status") == status, PATIENCE_S, f"the page says {status}")


def faults(page):
    """What a console shows but answers of the server that are no errors here: 503 of health is its verdict."""
    return [entry for entry in page.console if not (entry[0] == "network" and re.search(r"status of 503 .*/api/health$", entry[1]))]


# --- how the page writes numbers, said once more


def in_bytes(n):
    amount, units = abs(n), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    digits = 0 if units[0] == "B" or amount >= 100 else 1 if amount >= 10 else 2
    return f"{'−' if n < 0 else ''}{amount:.{digits}f} {units[0]}"


def in_time(seconds):
    s = int(seconds)
    for size, name, small, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if s >= size:
            rest = s % size // small
            return f"{s // size} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{s} s"


WRITTEN = {"bytes": in_bytes, "duration": in_time, "count": "{:,.0f}".format, "percent": lambda v: f"{v * 100:.1f} %", None: str}


def figures(page, source):
    """path: (exact value, text, format) of each figure of a source that is there."""
    listed = page.run(f"""[...document.querySelectorAll('[data-figure^="{source}:"]')].filter(n => n.dataset.value !== '')
                          .map(n => [n.dataset.figure.split(':')[1], n.dataset.value, n.textContent, n.dataset.as ?? null])""")
    return {path: rest for path, *rest in listed}


def dig(answer, path):
    for name in path.split("."):
        answer = answer[name]
    return answer


# --- the answer


def test_the_page_lets_nothing_in_but_itself(server):
    answer = server.get(ROUTE)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(answer.body) < MAX_PAGE_BYTES
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == policy["form-action"] == "'none'" and policy["require-trusted-types-for"] == "'script'"
    for name in ("script-src", "style-src"):
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy[name])
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    head = server.get(ROUTE, method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))
    assert_problem(server.get(ROUTE, method="POST"), 405, "method-not-allowed")
    assert_problem(server.get(f"{ROUTE}/x"), 404, "unknown-route")


def test_it_answers_when_nothing_else_does(server):
    simulate(server, 930)
    wait_for(lambda: api_health(server)["memory"]["level"] == "emergency", PATIENCE_S, "emergency")
    assert server.get("/images/a.png").status == 503 and server.get(ROUTE).status == 200


# --- what it shows


def test_figures_are_those_of_the_api(server, pages):
    for width in (4, 4, 6):
        assert server.get(f"/images/a.png?w={width}").status == 200
    page = pages(server.url(ROUTE))

    def agree():
        shown, health = figures(page, "health"), api_health(server)
        steady = {path: number for path, (number, *_) in shown.items() if path != "uptime_seconds"}
        return len(steady) >= 14 and all(number == js_text(dig(health, path)) for path, number in steady.items()) and shown

    shown = wait_for(agree, PATIENCE_S, "the figures of the page are those of /api/health")
    for path, (number, written, form) in shown.items():
        number = number if form is None else float(number)
        assert written == WRITTEN[form](number), path
    assert shown["memory.budget_bytes"][:2] == [str(1000 * MIB), "1000 MiB"]
    assert api_health(server)["caches"]["image"]["bytes"] > 0
    wait_for(lambda: legend(page, "image") == api_health(server)["caches"]["image"]["bytes"], PATIENCE_S, "the cache in the legend")
    wait_for(lambda: legend(page, "resident") == api_health(server)["memory"]["resident_bytes"], PATIENCE_S, "the resident set, too")


def legend(page, layer):
    return int(value(page, f"#classes [data-layer={layer}] [data-value]") or -1)


def test_figures_of_memory_are_those_of_the_api(server, pages):
    page = pages(server.url(ROUTE))

    def agree():
        shown, stats = figures(page, "stats"), server.get("/api/memory/stats").json()
        return shown and all(number == js_text(dig(stats, path)) for path, (number, *_) in shown.items())

    wait_for(agree, PATIENCE_S, "the figures of the page are those of /api/memory/stats")
    marks = server.get("/api/memory/stats").json()["marks_bytes"]
    shown = page.run("[...document.querySelectorAll('#ladder tbody tr')].map(row => [row.dataset.level, row.cells[1].textContent])")
    assert shown == [[name, in_bytes(marks[name])] for name in reversed(LEVELS[1:])] + [["normal", "0"]]
    consumers = server.get("/api/memory/consumers").json()["consumers"]
    listed = "[...document.querySelectorAll('#consumers tbody tr')].map(row => [row.dataset.consumer, row.querySelector('[data-value]').dataset.value])"
    wait_for(lambda: page.run(listed) == [[c["name"], str(c["used_bytes"])] for c in consumers] or set_aside(consumers, server), PATIENCE_S, "consumers")


def set_aside(consumers, server):
    """Asks again: what is listed may have changed."""
    consumers[:] = server.get("/api/memory/consumers").json()["consumers"]


def js_text(number):
    return str(int(number)) if isinstance(number, (int, float)) and number == int(number) else str(number)


def test_it_follows_a_wave(server, pages):
    page = pages(server.url(ROUTE))
    wait_for_status(page, "Healthy")
    wait_for(lambda: text(page, "#stream") == "live", PATIENCE_S, "events are live")
    for mib, expected, status in ((680, "elevated", "Healthy"), (730, "degraded", "Degraded"), (780, "high", "Degraded"),
                                  (890, "critical", "Critical"), (930, "emergency", "Critical")):  # fmt: skip
        simulate(server, mib)
        wait_for(lambda: value(page, "[data-figure=level]") == expected, PATIENCE_S, f"{mib} MiB is {expected}")
        assert text(page, "#status") == status
        wait_for(lambda: is_above(page, expected), PATIENCE_S, f"the line is above the mark of {expected}")
        assert page.run("document.querySelector('#ladder tr[aria-current]').dataset.level") == expected
        above = LEVELS[LEVELS.index(expected) + 1 :]
        assert not above or not is_above(page, above[0])
        assert page.run("document.querySelector('#say').textContent").startswith(f"Level changed from {before(expected)} to {expected}")
    assert page.run("document.title").startswith("■ ") and "pretended" in text(page, "#reasons")
    simulate(server, 0, 0)
    wait_for(lambda: value(page, "[data-figure=level]") == "normal", PATIENCE_S, "the end")
    wait_for(lambda: is_chain(transitions(page)), PATIENCE_S, "all changes of the level are listed, in order")
    assert page.loads == 1 and not faults(page)


def before(level):
    return LEVELS[LEVELS.index(level) - 1]


def is_above(page, level):
    """Whether the highest point of the line is above that mark; y grows downwards."""
    return page.run(f"""(() => {{
        const line = document.querySelector('#resident path.line'), mark = document.querySelector('#resident path[data-level={level}]');
        return line !== null && mark !== null && line.getBBox().y < mark.getBBox().y; }})()""")


def transitions(page):
    lines = page.run("[...document.querySelectorAll('#events li[data-type=level] span')].map(n => n.textContent)")
    return [re.match(r"(\w+) → (\w+)", line).groups() for line in reversed(lines)]


def is_chain(steps):
    if not steps or steps[0][0] != "normal" or steps[-1][1] != "normal":
        return False
    assert all(left[1] == right[0] for left, right in zip(steps, steps[1:])), steps
    return [to for _, to in steps][:5] == LEVELS[1:]


def test_history_is_there_at_once(server, pages):
    first = pages(server.url(ROUTE))
    wait_for(lambda: int(first.run("document.querySelector('#resident > svg')?.dataset.points ?? 0")) >= 5, PATIENCE_S, "points")
    kept = server.get("/api/memory/trend").json()["series"][0]["points"]
    page = pages(server.url(ROUTE))
    wait_for(lambda: int(page.run("document.querySelector('#resident > svg')?.dataset.points ?? 0")) >= len(kept), PATIENCE_S, "as many")
    highest = max(point["resident_bytes"] for point in kept)
    assert int(page.run("document.querySelector('#resident > svg').dataset.max")) >= highest


def test_peaks_stay_in_long_ranges(server, pages):
    page = pages(server.url(ROUTE))
    for mib, status in ((890, "Critical"), (0, "Healthy")):
        simulate(server, mib, 600 if mib else 0)
        wait_for_status(page, status)
    page.run("document.querySelector('[name=range][value=\"3600\"]').click()")
    wait_for(lambda: count(page, "#resident > svg[aria-label*='last hour']"), PATIENCE_S, "the hour")
    assert int(page.run("document.querySelector('#resident > svg').dataset.max")) >= 890 * MIB
    assert int(value(page, "#resident [data-layer=resident] [data-value]")) < 500 * MIB  # what the legend says is of now


def test_it_asks_nobody_else(server, pages):
    page = pages(server.url(ROUTE))
    wait_for(lambda: sum(url.endswith("/api/health") for url in page.requests) >= 3, PATIENCE_S, "it polls")
    assert {re.match(r"(data:|https?://[^/]+)", url)[1] for url in page.requests} <= {server.url("").rstrip("/"), "data:"}
    assert not faults(page)


def test_it_works_below_any_path(start, pages):
    server = start(hosts={"default": {"/a/b c": {"health.api": "ON"}}}, **FAST)
    page = pages(server.url("/a/b%20c/dashboard"))
    wait_for_status(page, "Healthy")
    assert all(url.startswith(server.url("/a/b%20c/")) or url.startswith("data:") for url in page.requests)


# --- how it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_text_is_legible(server, pages, scheme, state):
    pretended, status = STATES[state]
    for name, look in LOOKS.items():
        page = pages(server.url(ROUTE), scheme=scheme, motion="reduce", **look)
        simulate(server, pretended, 600 if pretended else 0)
        wait_for_status(page, status.capitalize())
        wait_for(lambda: count(page, "#resident path.line") and count(page, "#consumers tbody tr"), PATIENCE_S, "all is drawn")
        poor = page.run(CONTRAST)
        assert poor["seen"] > 60 and poor["poor"] == []
        assert page.run("document.documentElement.scrollWidth") <= look["width"]
        page.shoot(SHOTS / f"{name}-{scheme}-{state}.png")


# WCAG 2.2, 1.4.3: 4.5, or 3 for large text; and 1.4.11: 3 for what of a chart is needed to understand it
CONTRAST = """(() => {
    const rgb = s => s.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
                                         .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
    const behind = node => { for (; node; node = node.parentElement) {
        const colour = rgb(getComputedStyle(node).backgroundColor); if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
    const poor = []; let seen = 0;
    for (const node of document.querySelectorAll('body *')) {
        const style = getComputedStyle(node), inSvg = node instanceof SVGElement, box = node.getBoundingClientRect();
        if (!box.width || !box.height || style.visibility === 'hidden' || node.closest('.unseen, script, thead') && box.width <= 1) continue;
        const texts = [...node.childNodes].filter(n => n.nodeType === 3 && n.textContent.trim());
        const lines = inSvg && node.matches('path.line, path.total, path[data-level], .area, .chip rect');
        if (!texts.length && !lines) continue;
        ++seen;
        const paint = lines && style.stroke !== 'none' && !node.matches('.area') ? style.stroke : style.fill;
        if (inSvg && paint.startsWith('url')) continue;
        const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
        const found = ratio(rgb(inSvg ? paint : style.color), behind(inSvg ? node.closest('figure, h1') ?? document.body : node));
        if (found < (lines || large ? 3 : 4.5)) poor.push(`${node.tagName} ${node.className?.baseVal ?? node.className} ${node.textContent.slice(0, 30)}: ${found.toFixed(2)}`);
    }
    return {seen, poor};
})()"""


def test_it_can_be_read_without_seeing(server, pages):
    page = pages(server.url(ROUTE))
    wait_for_status(page, "Healthy")
    wait_for(lambda: count(page, "figure > svg[aria-label*='last 5 minutes']") == 5, PATIENCE_S, "every chart says what it shows")
    assert count(page, "header") == count(page, "main") == count(page, "footer") == count(page, "h1") == 1
    assert page.run("[...document.querySelectorAll('th')].every(n => n.scope) && document.documentElement.lang === 'en'")
    assert page.run("[...document.querySelectorAll('table')].every(n => n.caption?.textContent)")
    page.run("document.querySelector('[name=range]').focus()")
    page.press("ArrowRight", 39)
    wait_for(lambda: count(page, "figure > svg[aria-label*='last hour']") == 5, PATIENCE_S, "the hour by keyboard")
    page.run("document.querySelector('#resident > svg').focus()")
    page.press("ArrowLeft", 37)
    wait_for(lambda: text(page, "#resident .moment").startswith("At ") and count(page, "path.cursor") == 5, PATIENCE_S, "a cursor")
    page.press("Escape", 27)
    wait_for(lambda: text(page, "#resident .moment").startswith("Last "), PATIENCE_S, "no cursor")


# --- what may go wrong


def test_it_says_when_the_connection_is_lost(server, pages):
    page = pages(server.url(ROUTE))
    wait_for_status(page, "Healthy")
    assert text(page, "#lost") in (None, "") and not page.run("document.body.classList.contains('stale')")
    server.stop()
    wait_for(lambda: text(page, "#link") == "connection lost", PATIENCE_S, "the page notices")
    assert page.run("document.body.classList.contains('stale')") and "cannot be reached" in text(page, "#lost")
    assert page.run("getComputedStyle(document.querySelector('#status'), '::before').content") == '"Was "'
    assert page.run("document.title").startswith("Connection lost")
    server.start()
    wait_for(lambda: text(page, "#link").startswith("live") and not page.run("document.body.classList.contains('stale')"), PATIENCE_S, "it is back")
    wait_for(lambda: "has started anew" in text(page, "#events"), PATIENCE_S, "it says that the server is a new one")
    wait_for(lambda: page.run("document.title").startswith("● "), PATIENCE_S, "the title is that of the status")
    assert page.loads == 1


def test_what_a_server_says_is_never_markup(server, pages):
    event = f"id: 1\nevent: alert\ndata: {json.dumps({'name': HOSTILE, 'state': HOSTILE})}\n\nid: 2\nevent: drain\ndata: {json.dumps({HOSTILE: HOSTILE})}\n\n"
    rule = {"name": HOSTILE, "metric": HOSTILE, "comparison": HOSTILE, "threshold": HOSTILE, "severity": HOSTILE, "state": HOSTILE, "value": 1}
    operation = {"id": 1, "kind": HOSTILE, "state": HOSTILE, "age_ms": 1, "bytes": 2, "deadline_ms": 3, "stale": True, "target": HOSTILE * 20}
    health = api_health(server)
    health.update(status="degraded", reasons=[HOSTILE], recommendations=[HOSTILE], version=HOSTILE)
    fakes = {
        "/api/health": {"body": health},
        "/memory/events": {"body": event + "data: no JSON\n\n", "content_type": "text/event-stream"},
        "/memory/alerts": {"body": {"rules": [rule], "active": [rule]}},
        "/memory/operations": {"body": {"operations": [operation]}},
        "/memory/leaks": {"body": {"verdict": HOSTILE, "points": {HOSTILE: 1}, "recommendations": [HOSTILE]}},
        "/memory/consumers": {"body": {"consumers": [{"name": HOSTILE, "status": HOSTILE, "used_bytes": 1, "limit_bytes": 2}]}},
    }
    page = pages(server.url(ROUTE), fakes=fakes, width=360, height=740)
    for place in ("#events", "#alerts", "#operations", "#leak", "#leak-points", "#leak-advice", "#consumers", "#reasons", "header"):
        wait_for(lambda: "<script>window.evil=1" in page.run(f"document.querySelector('{place}').textContent"), PATIENCE_S, f"the text is in {place}")
    assert count(page, "#evil") == 0 and count(page, "script") == 1 and page.run("window.evil === undefined")
    for width in (360, 640, 1000, 1280):
        page.look(width=width, height=740)
        assert page.run("document.documentElement.scrollWidth") <= width
    assert not [entry for entry in page.console if entry[0] != "network"]


def test_it_does_without_what_is_not_there(server, pages):
    names = ("stats", "trend", "operations", "alerts", "leaks", "consumers", "events")
    page = pages(server.url(ROUTE), fakes={f"/memory/{name}": {"status": 404, "body": {}} for name in names})
    wait_for_status(page, "Healthy")
    for name in ("trend", "operations", "alerts", "leaks", "consumers"):
        wait_for(lambda: page.run(f"!document.querySelector('[data-missing={name}]').hidden"), PATIENCE_S, f"{name} is said to be missing")
    wait_for(lambda: "gives no events" in text(page, "#stream"), PATIENCE_S, "there are no events")
    wait_for(lambda: int(page.run("document.querySelector('#resident > svg').dataset.points")) >= 2, PATIENCE_S, "points are live")
    assert page.run("document.querySelector('#ladder').hidden") and not [entry for entry in page.console if entry[0] != "network"]


def test_a_health_that_is_refused_is_no_health(server, pages):
    page = pages(server.url(ROUTE))
    wait_for_status(page, "Healthy")
    page.fake("/api/health", {"status": 503, "code": "overloaded"}, 503, "application/problem+json")
    wait_for(lambda: "pressure.exempt" in (text(page, "#lost") or ""), PATIENCE_S, "the page says what is wrong")
    page.fake("/api/health", status=None)
    wait_for(lambda: text(page, "#link").startswith("live"), PATIENCE_S, "it is back")


def test_it_rests_while_nobody_looks(server, pages):
    resting, watching = pages(server.url(ROUTE)), pages(server.url(ROUTE))
    for page in (resting, watching):
        wait_for(lambda: text(page, "#stream") == "live", PATIENCE_S, "events are live")
    set_hidden(resting, True)
    wait_for(lambda: text(resting, "#stream").startswith("resting"), PATIENCE_S, "it rests")
    wait_for(lambda: "\nsluice_event_streams 1\n" in server.get("/metrics").body.decode(), PATIENCE_S, "it hears no events")
    asked, seen = len(resting.requests), len(watching.requests)
    wait_for(lambda: sum(url.endswith("/api/health") for url in watching.requests[seen:]) >= 3, PATIENCE_S, "another page polls")
    assert len(resting.requests) <= asked + 1  # one was under way, perhaps
    set_hidden(resting, False)
    wait_for(lambda: any(url.endswith("/memory/trend") for url in resting.requests[asked + 1 :]), PATIENCE_S, "it fills the gap")


def set_hidden(page, hidden):
    page.run(f"Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {json.dumps(hidden)}}}); document.dispatchEvent(new Event('visibilitychange'))")


def test_it_keeps_no_more_than_it_shows(server, pages):
    now = api_health(server)["uptime_seconds"] + 1e9
    points = [{"at": now - 5000 + i, "level": "normal", "resident_bytes": i} for i in range(5000)]
    events = "".join(f"id: {i}\nevent: disposal\ndata: {{\"n\": {i}}}\n\n" for i in range(1, 1001))
    fakes = {"/memory/trend": {"body": {"series": [{"period_seconds": 1, "points": points}]}},
             "/memory/events": {"body": events, "content_type": "text/event-stream"}}  # fmt: skip
    page = pages(server.url(ROUTE), fakes=fakes)
    wait_for(lambda: "n 1,000" in text(page, "#events"), PATIENCE_S, "the last event")
    page.run("document.querySelector('#events li').dataset.mark = 1")
    wait_for(lambda: sum("/memory/events" in url for url in page.requests) >= 3, PATIENCE_S, "it asks for events again, and got the same")
    assert count(page, "#events li") == 200 and count(page, "#events li[data-mark]") == 1
    assert page.run("[...document.querySelectorAll('#events li')].map(n => Number(n.dataset.id)).every((id, i, all) => !i || id < all[i - 1])")
    wait_for(lambda: page.run("document.querySelector('#resident > svg')?.dataset.points ?? null"), PATIENCE_S, "a chart")
    assert int(page.run("document.querySelector('#resident > svg').dataset.kept")) <= 302


# hours in a minute: its timers go off early, and its clock is fast
HASTE = """{
    const later = window.setTimeout, now = performance.now.bind(performance);
    window.setTimeout = (callback, ms) => later(callback, ms / 100);
    performance.now = () => now() * 50;
}"""


def test_it_does_not_grow(server, pages):
    page = pages(None)
    page.call("Page.addScriptToEvaluateOnNewDocument", source=HASTE)
    now = api_health(server)["uptime_seconds"] + 1e9
    counts = {"image_bytes": 1, "metadata_bytes": 1, "reserved_bytes": 1, "accounted_bytes": 3, "unaccounted_bytes": 1}
    points = [{"at": now - 300 + i, "level": "normal", "resident_bytes": 4, **counts, "hits": i, "misses": i, "shed": i, "requests": i} for i in range(300)]
    page.fake("/memory/trend", {"series": [{"period_seconds": 1, "points": points}]})
    page.show(server.url(ROUTE))

    def size_after(polls):
        wait_for(lambda: sum(url.endswith("/api/health") for url in page.requests) >= polls, 60, f"{polls} polls")
        page.call("HeapProfiler.collectGarbage")
        return page.call("Memory.getDOMCounters")["nodes"], page.call("Runtime.getHeapUsage")["usedSize"]

    nodes, heap = size_after(100)
    later_nodes, later_heap = size_after(300)
    assert later_nodes < nodes * 1.5 and later_heap < heap + MIB // 2
