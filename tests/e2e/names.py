"""A server for which names resolve to what a test says, without a name server: see names.c.

    names = Names(tmp_path, {"a.test": ["192.175.48.1", "127.0.0.1"]})   # the first look-up, and all later ones
    names.lead("192.175.48.1", 80, origin.port)                          # connections to that address end here
    server = sluice(config, env=names.environment())
    assert names.looked_up("a.test") == ["192.175.48.1"]
"""

import os
from pathlib import Path

from harness import ROOT, compile_c

PUBLIC = "192.175.48.1"  # of AS112, which is there to answer what should not have been asked; nothing is ever sent to it


class Names:
    def __init__(self, folder, names):
        self.file = Path(folder, "names")
        self.library = compile_c(ROOT / "tests/e2e/names.c", Path(folder, "names.so"))
        self.file.write_text("".join(f"{name} {' '.join(answers)}\n" for name, answers in names.items()))

    def _add(self, line):
        self.file.write_text(self.file.read_text() + line + "\n")

    def lead(self, address, port, port_here):
        self._add(f"@{address} {port} {port_here}")

    def forget_openat2(self):
        self._add("no-openat2")

    def environment(self):
        preload = f"{os.environ.get('SLUICE_EXTRA_PRELOAD', '')} {self.library}".strip()
        return {"LD_PRELOAD": preload, "TEST_NAMES": self.file}

    def looked_up(self, name):
        log = self.file.with_name("names.log")
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[1] for line in lines if line.split()[0] == name]
