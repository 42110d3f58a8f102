"""The library sharp of the Node.js world as a judge: it sits on a libvips of its own, and decides on its own what to ask of it.

    reason = sharp.missing()                                  # None where there is node and npm
    image = sharp.render(path, ["resize", 100], ["negate", {"alpha": False}])
    facts = sharp.metadata(path)

Its packages are those of bench/ipx.py, in the same folder.
"""

import functools
import io
import json
import sys

from PIL import Image

import harness

sys.path.append(str(harness.ROOT / "bench"))
import ipx  # noqa: E402

SCRIPT = """
const sharp = require('sharp');
const [kind, path, options, steps] = JSON.parse(process.argv[1]);
const fail = problem => { console.error(String(problem)); process.exit(1); };
let image = sharp(path, options);
if (kind === 'metadata') {
    image.metadata().then(facts => console.log(JSON.stringify(facts))).catch(fail);
} else {
    for (const [name, ...words] of steps) image = image[name](...words);
    image.png({ compressionLevel: 1 }).toBuffer().then(bytes => process.stdout.write(bytes)).catch(fail);
}
"""


@functools.lru_cache(maxsize=None)
def missing():
    """Why sharp cannot be asked, or None. Installs it the first time."""
    return ipx.install()


def _ask(kind, path, options, steps):
    question = json.dumps([kind, str(path), options, steps])
    done = harness.run(["node", "-e", SCRIPT, question], cwd=ipx.FOLDER, text=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(path, *steps, **options):
    """The picture after the methods of sharp that `steps` name, with their arguments."""
    return Image.open(io.BytesIO(_ask("render", path, options, steps)))


def metadata(path, **options):
    return json.loads(_ask("metadata", path, options, []))
