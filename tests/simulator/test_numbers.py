"""The modelled dialplans wait as long as the real one does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config.warm import LONGEST_PATIENCE_S
from orchestrator.simulator import evacuation
from tests.simulation import calls

ROOT = Path(__file__).parents[2]
DIALPLAN = (ROOT / "contrib/asterisk/extensions-evacuate.conf").read_text(encoding="utf-8")


def said(pattern: str) -> float:
    (found,) = re.findall(pattern, DIALPLAN)
    return float(found)


@pytest.mark.parametrize(
    ("pattern", "modelled"),
    [
        (r"Dial\(PJSIP/evac-\S+@peernode,(\d+),", (evacuation.LINK_S,)),
        (
            r"EVAC_CHALLENGED=1\)\n same => n,Wait\(([\d.]+)\)",
            (evacuation.CHALLENGED_S, calls.CHALLENGED_S),
        ),
        (r"EVAC_STEP=joined\)\n same => n,Set\(EVAC_PATIENCE=(\d+)\)",
         (evacuation.TOGETHER_S, calls.ALONE_S)),
        (r"EVAC_STEP=rejoined\)\n same => n,Set\(EVAC_PATIENCE=(\d+)\)",
         (evacuation.REJOIN_S, calls.REJOIN_S)),
    ],
    ids=["link", "challenged", "together", "rejoin"],
)  # fmt: skip
def test_it_waits_as_long(pattern: str, modelled: tuple[float, ...]) -> None:
    assert set(modelled) == {said(pattern)}


def test_the_longest_patience_is_shorter_than_a_legs_wait_for_the_other_one() -> None:
    assert said(r"EVAC_STEP=joined\)\n same => n,Set\(EVAC_PATIENCE=(\d+)\)") > LONGEST_PATIENCE_S
