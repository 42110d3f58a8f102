"""Fixtures of the end-to-end tests; harness.py says what a server can do."""

import pytest

import harness
import pictures
from origin import Origin


@pytest.fixture(scope="session", autouse=True)
def built():
    """The launcher and the loader exist; a test that loads the module finds out by itself."""
    for path in (harness.LAUNCHER, harness.BUILD / "sluice-loader.so"):
        assert path.exists(), f"{path} is missing: run make (SLUICE_BUILD selects the build folder)"


@pytest.fixture
def sluice(tmp_path):
    """sluice(config, **options) starts a Sluice in a folder of its own; all are stopped when the test is over, and what they wrote
    is shown if it failed. start=False only writes the files."""
    servers = []

    def start_server(config, start=True, **options):
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = harness.Sluice(folder, config, **options)
        servers.append(server)
        return server.start() if start else server

    yield start_server
    for server in servers:
        server.stop()
        print(f"--- {server.folder.name} wrote:\n{server.log()}")
    for server in servers:
        server.assert_sanitizers_are_silent()


@pytest.fixture
def origin():
    """An origin that has the test pictures; tests that script more than that have a fixture of their own."""
    with Origin(pictures.tests()) as origin:
        yield origin
