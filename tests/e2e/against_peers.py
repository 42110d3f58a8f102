"""What nginx, Varnish and Sluice make of the same answers of an origin and the same requests of clients: the table of
test_against_peers.py, and the part of the README that says where Sluice differs.

    /usr/bin/python3 tests/e2e/against_peers.py README.md            # writes that part
    /usr/bin/python3 tests/e2e/against_peers.py --check README.md

play.py says how to read a case. Where the peers agree, Sluice has to do the same unless the case says what it does instead, and why.
"""

import sys
from pathlib import Path

from play import Case

ETAG = 'ETag: "1"'
OTHER_ETAG = 'ETag: "2"'
YEARS_AGO = "Thu, 01 Jan 2015 00:00:00 GMT"
MODIFIED = f"Last-Modified: {YEARS_AGO}"
KEPT = "Cache-Control: max-age=100"
BRIEF = "Cache-Control: max-age=1"
RANGES = f"{KEPT};; Accept-Ranges: bytes"

FETCHED, HIT, RENEWED = "200 one < GET", "200 one", "200 one < GET?etag"
STALE_ON_ERROR = """stale-if-error covers answers of the origin with 5xx (RFC 5861); nginx covers only a failing connection, Varnish nothing"""
STATUS = "what is neither a picture nor a 404 is 502 to clients"
SPARED = f"{STATUS}; the origin is not asked again for image.error-ttl"
FAILING = ("ask", "ask", "later", f"one: {KEPT}", "ask")

LIFETIMES = [
    Case("max-age", (f"one: {KEPT}", "ask", "two:", "ask"), agreed=[FETCHED, HIT]),
    Case("max-age=0", ("one: Cache-Control: max-age=0", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("max-age that has passed", (f"one: {BRIEF}", "ask", "later", "two:", "ask"), agreed=[FETCHED, "200 two < GET"]),
    Case("s-maxage over max-age", (f"one: {BRIEF}, s-maxage=100", "ask", "later", "ask"), agreed=[FETCHED, HIT]),
    Case("s-maxage=0 over max-age", (f"one: {KEPT}, s-maxage=0", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("Expires", ("one: Expires: @100", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("Expires in the past", ("one: Expires: @-100", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("max-age over Expires", (f"one: {KEPT};; Expires: @-100", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("Expires: 0", ("one: Expires: 0", "ask", "ask"), nginx=[FETCHED, FETCHED], varnish=[FETCHED, HIT], sluice="nginx",
         why="what is no date is in the past (RFC 9111, 5.3); Varnish takes it for no Expires at all"),
    Case("no lifetime at all", ("one:", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("Pragma: no-cache alone", ("one: Pragma: no-cache", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("MAX-AGE", ("one: cache-control: MAX-AGE=100", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("max-age larger than any number", (f"one: Cache-Control: max-age={10**20}", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("max-age=-1", ("one: Cache-Control: max-age=-1", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("max-age=abc", ("one: Cache-Control: max-age=abc", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case('max-age="100"', ('one: Cache-Control: max-age="100"', "ask", "ask"), agreed=[FETCHED, FETCHED], sluice=[FETCHED, HIT],
         why="both forms are to be accepted (RFC 9111, 5.2)"),
    Case("max-age=0, then max-age=100", ("one: Cache-Control: max-age=0, max-age=100", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("directives that are not known", (f'one: {KEPT}, x-no-store, x="no-store, private"', "ask", "ask"), agreed=[FETCHED, FETCHED],
         sluice=[FETCHED, HIT], why="they are not no-store, but look like it to who searches the text"),
    Case("public alone", ("one: Cache-Control: public", "ask", "ask"), agreed=[FETCHED, HIT]),
    Case("Age", (f"one: {KEPT};; Age: 50", "ask-age", "ask-age"), agreed=["200 one age=50 < GET", "200 one age=50"]),
    Case("Age above max-age", (f"one: {KEPT};; Age: 200", "ask", "ask"), nginx=[FETCHED, HIT], varnish=[FETCHED, FETCHED],
         sluice="varnish", why="the time that an answer spent in caches before counts; nginx passes Age on, and starts from 0"),
    Case("Age of a hit", (f"one: {KEPT}", "ask-age", "ask-age"), nginx=["200 one age=none < GET", "200 one age=none"],
         varnish=["200 one age=0 < GET", "200 one age=0"], sluice="varnish", why="nginx says none"),
]

NOT_KEPT = [
    Case("no-store", ("one: Cache-Control: no-store", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("no-store with max-age", (f"one: {KEPT}, no-store", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("private", (f"one: {KEPT}, private", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case('private="set-cookie"', (f'one: {KEPT}, private="set-cookie"', "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("no-store with must-understand", (f"one: {KEPT}, no-store, must-understand", "ask", "ask"), agreed=[FETCHED, FETCHED],
         sluice=[FETCHED, HIT], why="who knows the status ignores no-store then (RFC 9111, 5.2.2.3)"),
    Case("no-cache", (f"one: {KEPT}, no-cache", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("no-cache with ETag", (f"one: {KEPT}, no-cache;; {ETAG}", "ask", "ask"), agreed=[FETCHED, FETCHED], sluice=[FETCHED, RENEWED],
         why="no-cache means: ask before each use (RFC 9111, 5.2.2.4), for which a 304 is enough"),
    Case("Set-Cookie", (f"one: {KEPT};; Set-Cookie: a=b", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("Vary: *", (f"one: {KEPT};; Vary: *", "ask", "ask"), agreed=[FETCHED, FETCHED]),
    Case("Vary: Accept-Language",
         (f"one: {KEPT};; Vary: Accept-Language", *(f"ask Accept-Language: {language}" for language in ("fr", "fr", "de"))),
         agreed=[FETCHED, HIT, FETCHED], sluice=[FETCHED, HIT, HIT],
         why="Sluice asks the origin for all clients alike, with no header of theirs: there is one variant"),
]

STATUSES = [
    Case("404 without lifetime", ("404:", "ask", "ask"), agreed=["404 < GET", "404"]),
    Case("404 with max-age", (f"404: {KEPT}", "ask", "ask"), agreed=["404 < GET", "404"]),
    Case("404 whose max-age has passed", (f"404: {BRIEF}", "ask", "later", f"one: {KEPT}", "ask"), agreed=["404 < GET", FETCHED]),
    Case("404 with no-store", ("404: Cache-Control: no-store", "ask", "ask"), agreed=["404 < GET", "404 < GET"]),
    Case("410", (f"410: {KEPT}", "ask", "ask"), agreed=["410 < GET", "410"], sluice=["404 < GET", "404"],
         why="there is no picture: one status for that"),
    Case("403", ("403:", "ask", "ask"), agreed=["403 < GET", "403 < GET"], sluice=["502 < GET", "502"],
         why=SPARED),
    Case("403 with max-age", (f"403: {KEPT}", "ask", "ask"), nginx=["403 < GET", "403"], varnish=["403 < GET", "403 < GET"],
         sluice=["502 < GET", "502"], why=SPARED),
    *(Case(str(status), (f"{status}:", "ask", "ask"), agreed=[f"{status} < GET"] * 2, sluice=["502 < GET", "502"], why=SPARED)
      for status in (400, 401, 429)),
    Case("204", (f"204: {KEPT}", "ask", "ask"), agreed=["204 < GET", "204"], sluice=["502 < GET", "502"], why=SPARED),
    Case("200 without a body", (f"200: {KEPT}", "ask", "ask"), agreed=["200 < GET", "200"], sluice=["422 < GET", "422"],
         why="what is no picture is no answer"),
    Case("302", (f"302: Location: /nowhere.png;; {KEPT}", "ask", "ask"), agreed=["302 < GET", "302"], sluice=["404 < GET", "404"],
         why="redirects are followed, for the client wants a rendition (here to something that does not exist)"),
    *(Case(f"{status}", (f"{status}:", *FAILING), agreed=[f"{status} < GET", f"{status} < GET", FETCHED],
           sluice=["502 < GET", "502", FETCHED], why=SPARED) for status in (500, 502, 503)),
    Case("503 with max-age", (f"503: {KEPT}", *FAILING), nginx=["503 < GET", "503", "503"],
         varnish=["503 < GET", "503 < GET", FETCHED], sluice=["502 < GET", "502", FETCHED], why=SPARED),
    Case("connection refused", ("ask",), nginx=["502"], varnish=["503"], sluice="nginx", refused=True,
         why="502 is the status for it (RFC 9110)"),
    Case("connection closed", ("closed", *FAILING), nginx=["502 < GET", "502 < GET", FETCHED],
         varnish=["503 < GET", "503 < GET", FETCHED], sluice=["502 < GET", "502", FETCHED], why=SPARED),
    Case("half a body", (f"broken: {KEPT}", *FAILING), agreed=["cut off < GET", "cut off < GET", FETCHED],
         sluice=["502 < GET", "502", FETCHED],
         why="nothing is sent before the picture is complete, so the client can be told; image.error-ttl as above"),
]

REVALIDATION = [
    Case("304 by ETag", (f"one: {BRIEF};; {ETAG}", "ask", "later", "ask"), agreed=[FETCHED, RENEWED]),
    Case("304 by Last-Modified", (f"one: {BRIEF};; {MODIFIED}", "ask", "later", "ask"), agreed=[FETCHED, "200 one < GET?time"]),
    Case("304 by both", (f"one: {BRIEF};; {ETAG};; {MODIFIED}", "ask", "later", "ask"), agreed=[FETCHED, "200 one < GET?etag?time"]),
    Case("304 with a new lifetime", (f"one: {BRIEF};; {ETAG}", "ask", "later", f"one: {KEPT};; {ETAG}", "ask", "later", "ask"),
         agreed=[FETCHED, RENEWED, HIT]),
    Case("304 with no-store", (f"one: {BRIEF};; {ETAG}", "ask", "later", f"one: Cache-Control: no-store;; {ETAG}", "ask", "ask"),
         nginx=[FETCHED, RENEWED, HIT], varnish=[FETCHED, RENEWED, FETCHED], sluice="varnish",
         why="a 304 brings its own Cache-Control"),
    Case("200 instead of 304", (f"one: {BRIEF};; {ETAG}", "ask", "later", f"two: {KEPT};; {OTHER_ETAG}", "ask", "ask"),
         agreed=[FETCHED, "200 two < GET?etag", "200 two"]),
    Case("404 instead of 304", (f"one: {BRIEF};; {ETAG}", "ask", "later", f"404: {KEPT}", "ask", "ask"),
         agreed=[FETCHED, "404 < GET?etag", "404"]),
    Case("503 instead of 304", (f"one: {BRIEF};; {ETAG}", "ask", "later", "503:", "ask"), agreed=[FETCHED, "503 < GET?etag"],
         sluice=[FETCHED, "502 < GET?etag"], why=STATUS),
    Case("304 by a weak ETag", (f'one: {BRIEF};; ETag: W/"1"', "ask", "later", "ask"), agreed=[FETCHED, RENEWED]),
    Case("max-age=0 with ETag", (f"one: Cache-Control: max-age=0;; {ETAG}", "ask", "ask"), agreed=[FETCHED, FETCHED],
         sluice=[FETCHED, RENEWED], why="what may be kept may be asked for by its ETag, however short it is fresh"),
    Case("must-revalidate", (f"one: {BRIEF}, must-revalidate;; {ETAG}", "ask", "later", "ask"), agreed=[FETCHED, RENEWED]),
]

STALE = [
    Case("stale-while-revalidate",
         (f"one: {BRIEF}, stale-while-revalidate=100", "ask", "later", f"two: {KEPT}", "ask-background", "ask-until two"),
         agreed=[FETCHED, FETCHED, "200 two"]),
    Case("stale-while-revalidate and 304",
         (f"one: {BRIEF}, stale-while-revalidate=100;; {ETAG}", "ask", "later", f"one: {KEPT};; {ETAG}", "ask-background", "ask"),
         agreed=[FETCHED, RENEWED, HIT]),
    Case("stale-while-revalidate and 503",
         (f"one: {BRIEF}, stale-while-revalidate=100", "ask", "later", "503:", "ask-background"), agreed=[FETCHED, FETCHED]),
    Case("stale-while-revalidate that has passed",
         (f"one: {BRIEF}, stale-while-revalidate=1", "ask", "later", "later", "two:", "ask"), agreed=[FETCHED, "200 two < GET"]),
    Case("stale-while-revalidate with must-revalidate",
         (f"one: {BRIEF}, stale-while-revalidate=100, must-revalidate", "ask", "later", "two:", "ask-background"),
         agreed=[FETCHED, FETCHED], sluice=[FETCHED, "200 two < GET"],
         why="must-revalidate forbids every use of what is stale (RFC 9111, 5.2.2.2)"),
    Case("stale-while-revalidate with proxy-revalidate",
         (f"one: {BRIEF}, stale-while-revalidate=100, proxy-revalidate", "ask", "later", "two:", "ask-background"),
         agreed=[FETCHED, FETCHED], sluice=[FETCHED, "200 two < GET"], why="the same, for shared caches (RFC 9111, 5.2.2.8)"),
    Case("stale-while-revalidate with max-age=0",
         ("one: Cache-Control: max-age=0, stale-while-revalidate=100", "ask", f"two: {KEPT}", "ask-background", "ask-until two"),
         agreed=[FETCHED, "200 two < GET", "200 two"], sluice=[FETCHED, FETCHED, "200 two"],
         why="stale-while-revalidate has a meaning of its own beside max-age=0, and is used so"),
    *(Case(f"stale-if-error and {status}", (f"one: {BRIEF}, stale-if-error=100", "ask", "later", f"{status}:", "ask"),
           agreed=[FETCHED, f"{status} < GET"], sluice=[FETCHED, FETCHED], why=STALE_ON_ERROR) for status in (500, 502, 503)),
    Case("stale-if-error and 404", (f"one: {BRIEF}, stale-if-error=100", "ask", "later", "404:", "ask"),
         agreed=[FETCHED, "404 < GET"]),
    Case("stale-if-error and a closed connection", (f"one: {BRIEF}, stale-if-error=100", "ask", "later", "closed", "ask"),
         nginx=[FETCHED, FETCHED], varnish=[FETCHED, "503 < GET"], sluice="nginx", why=STALE_ON_ERROR),
    Case("stale-if-error and half a body", (f"one: {BRIEF}, stale-if-error=100", "ask", "later", "broken:", "ask"),
         agreed=[FETCHED, "cut off < GET"], sluice=[FETCHED, FETCHED],
         why="nothing is sent before the picture is complete, so the stale one can take its place"),
    Case("stale-if-error that has passed", (f"one: {BRIEF}, stale-if-error=1", "ask", "later", "later", "500:", "ask"),
         agreed=[FETCHED, "500 < GET"], sluice=[FETCHED, "502 < GET"], why=STATUS),
    Case("stale-if-error with must-revalidate",
         (f"one: {BRIEF}, stale-if-error=100, must-revalidate;; {ETAG}", "ask", "later", "500:", "ask"),
         agreed=[FETCHED, "500 < GET?etag"], sluice=[FETCHED, "502 < GET?etag"], why=STATUS),
]

CLIENTS = [
    Case("If-None-Match of another", (f"one: {KEPT};; {ETAG}", "ask", 'ask If-None-Match: "other"'), agreed=[FETCHED, HIT]),
    Case("If-None-Match of another, cold", (f"one: {KEPT};; {ETAG}", 'ask If-None-Match: "other"', "ask"), agreed=[FETCHED, HIT]),
    Case("If-None-Match: *", (f"one: {KEPT};; {ETAG}", "ask", "ask If-None-Match: *"), nginx=[FETCHED, "304"], varnish=[FETCHED, HIT],
         sluice="nginx", why="there is a representation, so the answer is 304 (RFC 9110, 13.1.2)"),
    Case("If-Modified-Since, equal", (f"one: {KEPT};; {MODIFIED}", "ask", f"ask If-Modified-Since: {YEARS_AGO}"), agreed=[FETCHED, "304"]),
    Case("If-Modified-Since, later", (f"one: {KEPT};; {MODIFIED}", "ask", "ask If-Modified-Since: Fri, 01 Jan 2016 00:00:00 GMT"),
         agreed=[FETCHED, "304"]),
    Case("If-Modified-Since, before", (f"one: {KEPT};; {MODIFIED}", "ask", "ask If-Modified-Since: Wed, 01 Jan 2014 00:00:00 GMT"),
         agreed=[FETCHED, HIT]),
    Case("If-Modified-Since without Last-Modified", (f"one: {KEPT}", "ask", "ask If-Modified-Since: Fri, 01 Jan 2016 00:00:00 GMT"),
         agreed=[FETCHED, HIT]),
    Case("If-None-Match over If-Modified-Since",
         (f"one: {KEPT};; {ETAG};; {MODIFIED}", "ask", f'ask If-None-Match: "other";; If-Modified-Since: {YEARS_AGO}'),
         agreed=[FETCHED, HIT]),
    Case("If-Modified-Since that is no date", (f"one: {KEPT};; {MODIFIED}", "ask", "ask If-Modified-Since: yesterday"),
         agreed=[FETCHED, HIT]),
    Case("If-Match: *", (f"one: {KEPT};; {ETAG}", "ask", "ask If-Match: *"), agreed=[FETCHED, HIT]),
    Case("If-Match of another", (f"one: {KEPT};; {ETAG}", "ask", 'ask If-Match: "other"'), nginx=[FETCHED, "412"],
         varnish=[FETCHED, HIT], sluice="nginx", why="Varnish does not know it"),
    Case("If-Unmodified-Since, before",
         (f"one: {KEPT};; {MODIFIED}", "ask", "ask If-Unmodified-Since: Wed, 01 Jan 2014 00:00:00 GMT"), nginx=[FETCHED, "412"],
         varnish=[FETCHED, HIT], sluice="nginx", why="Varnish does not know it"),
    Case("HEAD, cold", (f"one: {KEPT}", "ask HEAD", "ask", "ask HEAD"), agreed=["200 < GET", HIT, "200"]),
    Case("HEAD, warm", (f"one: {KEPT}", "ask", "ask HEAD"), agreed=[FETCHED, "200"]),
    Case("Range, cold", (f"one: {RANGES}", "ask Range: bytes=0-9", "ask"), agreed=["206 10 bytes < GET", HIT]),
    Case("Range, warm", (f"one: {RANGES}", "ask", "ask Range: bytes=0-9"), agreed=[FETCHED, "206 10 bytes"]),
    Case("Range of the last bytes", (f"one: {RANGES}", "ask", "ask Range: bytes=-5"), agreed=[FETCHED, "206 5 bytes"]),
    Case("Range beyond the end", (f"one: {RANGES}", "ask", "ask Range: bytes=100000-"), agreed=[FETCHED, "416"]),
    Case("Range of one byte", (f"one: {RANGES}", "ask", "ask Range: bytes=0-0"), agreed=[FETCHED, "206 1 bytes"]),
    Case("Range of the last 0 bytes", (f"one: {RANGES}", "ask", "ask Range: bytes=-0"), agreed=[FETCHED, "416"]),
    Case("Range that ends before it begins", (f"one: {RANGES}", "ask", "ask Range: bytes=5-2"), agreed=[FETCHED, "416"],
         sluice=[FETCHED, HIT], why="an invalid Range is ignored (RFC 9110, 14.2)"),
    Case("Range of two parts", (f"one: {RANGES}", "ask", "ask Range: bytes=0-1,4-5"), nginx=[FETCHED, "206 198 bytes"],
         varnish=[FETCHED, "416"], sluice=[FETCHED, HIT], why="no reader of pictures asks for it; the whole is a right answer too"),
    Case("Range with HEAD", (f"one: {RANGES}", "ask", "ask HEAD Range: bytes=0-9"), agreed=[FETCHED, "206 0 bytes"],
         sluice=[FETCHED, "200"], why="Range is for GET (RFC 9110, 14.2)"),
    Case("If-Range with the date", (f"one: {RANGES};; {MODIFIED}", "ask", f"ask Range: bytes=0-9;; If-Range: {YEARS_AGO}"),
         agreed=[FETCHED, "206 10 bytes"]),
    Case("If-Range with another date",
         (f"one: {RANGES};; {MODIFIED}", "ask", "ask Range: bytes=0-9;; If-Range: Wed, 01 Jan 2014 00:00:00 GMT"), agreed=[FETCHED, HIT]),
    Case("Range in another unit", (f"one: {RANGES}", "ask", "ask Range: lines=1-2"), nginx=[FETCHED, HIT], varnish=[FETCHED, "416"],
         sluice="nginx", why="a Range that is not understood is ignored (RFC 9110, 14.2)"),
    Case("If-Range of another", (f"one: {RANGES};; {ETAG}", "ask", 'ask Range: bytes=0-9;; If-Range: "other"'), agreed=[FETCHED, HIT]),
    Case("client's no-cache", (f"one: {KEPT}", "ask", "ask Cache-Control: no-cache"), agreed=[FETCHED, HIT]),
    Case("client's no-store", (f"one: {KEPT}", "ask Cache-Control: no-store", "ask"), agreed=[FETCHED, HIT]),
    Case("client's max-age=0", (f"one: {KEPT}", "ask", "ask Cache-Control: max-age=0"), agreed=[FETCHED, HIT]),
    Case("client's Pragma: no-cache", (f"one: {KEPT}", "ask", "ask Pragma: no-cache"), agreed=[FETCHED, HIT]),
    Case("client's only-if-cached, warm", (f"one: {KEPT}", "ask", "ask Cache-Control: only-if-cached"), agreed=[FETCHED, HIT]),
    Case("client's only-if-cached, cold", (f"one: {KEPT}", "ask Cache-Control: only-if-cached"), agreed=[FETCHED],
         sluice=["504"], why="it asks for 504 (RFC 9111, 5.2.1.7), and spares the server work"),
    Case("Authorization", (f"one: {KEPT}", *["ask Authorization: Basic YTpi"] * 2, "ask"), nginx=[FETCHED, HIT, HIT],
         varnish=[FETCHED, FETCHED, FETCHED], sluice="nginx", why="the origin does not get to see it, so the answer is everybody's"),
    Case("Cookie", (f"one: {KEPT}", *["ask Cookie: a=b"] * 2, "ask"), nginx=[FETCHED, HIT, HIT],
         varnish=[FETCHED, FETCHED, FETCHED], sluice="nginx", why="the origin does not get to see it, so the answer is everybody's"),
    Case("POST", (f"one: {KEPT}", "ask", "ask POST", "ask"), agreed=[FETCHED, "501", HIT], sluice=[FETCHED, "405", HIT],
         why="pictures are read: other methods never reach the origin (which knew no POST here)"),
    Case("50 at once, cold", (f"one: {KEPT}", "crowd 50"), agreed=["50 x 200 one < GET"]),
    *(Case(f"10 at once, {word}", (f"one: Cache-Control: {word}", "crowd 10"), agreed=["10 x 200 one < many GET"],
           sluice=["10 x 200 one < GET"],
           why="the origin sees nothing of a client, so one answer serves all who waited for it; it is not kept for later ones")
      for word in ("no-store", "private")),
    Case("10 at once, 503", ("503:", "crowd 10"), agreed=["10 x 503 < many GET"], sluice=["10 x 502 < GET"],
         why="who waited together fails together"),
    Case("10 at once, 404", (f"404: {KEPT}", "crowd 10"), agreed=["10 x 404 < GET"]),
    Case("10 at once, in stale-while-revalidate",
         (f"one: {BRIEF}, stale-while-revalidate=100", "ask", "later", f"one: {KEPT}", "crowd 10"),
         agreed=[FETCHED, "10 x 200 one < GET"]),
    Case("10 at once, stale", (f"one: {BRIEF};; {ETAG}", "ask", "later", f"one: {KEPT};; {ETAG}", "crowd 10"),
         nginx=[FETCHED, "10 x 200 one < many GET?etag"], varnish=[FETCHED, "10 x 200 one < GET?etag"], sluice="varnish",
         why="nginx holds back only who asks for what it does not have yet"),
]

CASES = [*LIFETIMES, *NOT_KEPT, *STATUSES, *REVALIDATION, *STALE, *CLIENTS]

BEGIN, END = "<!-- differences: written by `make docs` from tests/e2e/against_peers.py -->\n", "<!-- differences: end -->\n"


def _steps(happened):
    return "; ".join(happened).replace(" < ", " ← ")


def _table(columns, rows):
    return "".join(f"| {' | '.join(row)} |\n" for row in (columns, ["---"] * len(columns), *rows))


def differences():
    """That part of the README."""
    agreed, undecided = ([case for case in CASES if bool(case.agreed) == whether] for whether in (True, False))
    against_both = [[case.title, _steps(case.agreed), _steps(case.sluice), case.why] for case in agreed if case.sluice]
    others = [[case.title, _steps(case.nginx), _steps(case.varnish), _sluice(case), case.why] for case in undecided]
    return f"""In {len(agreed)} of {len(CASES)} cases nginx and Varnish do the same; in {len(agreed) - len(against_both)} of these Sluice \
does so too. In the others:

{_table(["case", "both", "Sluice", "why"], against_both)}
Where nginx and Varnish do not do the same:

{_table(["case", "nginx", "Varnish", "Sluice", "why"], others)}"""


def _sluice(case):
    return {"nginx": "as nginx", "varnish": "as Varnish"}[case.sluice] if isinstance(case.sluice, str) else _steps(case.sluice)


def main():
    check, path = "--check" in sys.argv, Path(sys.argv[-1])
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + differences() + END + after
    if not check:
        path.write_text(wanted)
    elif wanted != text:
        sys.exit(f"{path} does not say what tests/e2e/against_peers.py says: run make docs")


if __name__ == "__main__":
    main()
