"""Real servers for the contract tests, one per session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.stores import FolderWorld, S3World, StoreWorld
from tests.servers.swift import SwiftNode


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftNode]:
    """OpenStack Swift's S3. A missing installation is a failure, not a skip: scripts/install-swift.sh provides it."""
    node = SwiftNode(tmp_path_factory.mktemp("swift"))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def folder_world(tmp_path: Path) -> FolderWorld:
    """An empty folder store."""
    return FolderWorld(tmp_path / "archive")


@pytest.fixture
def s3_world(swift: SwiftNode) -> Iterator[S3World]:
    """An empty bucket of its own."""
    world = S3World(swift, f"archive-{uuid.uuid4().hex}")
    yield world
    world.close()


@pytest.fixture(params=["folder", "s3"])
def world(request: pytest.FixtureRequest) -> StoreWorld:
    """Every store in turn."""
    chosen: StoreWorld = request.getfixturevalue(f"{request.param}_world")
    return chosen
