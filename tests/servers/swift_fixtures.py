"""The fixture of tests that need a real S3 server: load it as a plugin, or import it by name."""

from __future__ import annotations

import pytest

from tests.servers.swift import SwiftNode

_NODE = pytest.StashKey[SwiftNode]()


@pytest.fixture(scope="session")
def swift(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> SwiftNode:
    """OpenStack Swift's S3, started once (2 s) however often this is imported; fails where it is not installed."""
    if _NODE not in pytestconfig.stash:
        node = SwiftNode(tmp_path_factory.mktemp("swift"))
        pytestconfig.add_cleanup(node.stop)
        node.start()
        pytestconfig.stash[_NODE] = node
    return pytestconfig.stash[_NODE]
