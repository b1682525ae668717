"""Real Asterisk pairs for the tests: one lab per Asterisk version, mended between tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contrib.lab import Lab

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)
            if os.geteuid() != 0:
                reason = "the real-Asterisk lab needs root (network namespaces)"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", params=[22, 16], ids=["asterisk22", "asterisk16"])
def shared_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """One lab for all tests of a version; ask for `lab` instead, which mends it afterwards."""
    with Lab.up(name=f"test{request.param}-{os.getpid()}", asterisk=request.param) as lab:
        assert lab.plan.asterisk == request.param, "it can't be had here: see contrib/setup/rootfs"
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """A lab as after `lab up`; whatever the test breaks is mended after it."""
    yield shared_lab
    shared_lab.mend()


@pytest.fixture
def make_lab() -> Iterator[Callable[..., Lab]]:
    """Makes further labs (see `Lab.up`), taken down after the test."""
    made: list[Lab] = []

    def make(suffix: str = "x", **options: object) -> Lab:
        one = Lab.up(name=f"test-{suffix}-{os.getpid()}", **options)  # type: ignore[arg-type]
        made.append(one)
        return one

    yield make
    for one in made:
        one.down()
