"""The page of facts and functions is the one that is printed, and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.facts.schema import ROOTS, make_schema
from orchestrator.core.language.functions import FUNCTIONS
from orchestrator.core.language.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "rules-reference.md"


def test_the_page_is_the_one_that_is_printed() -> None:
    again = "asterisk-orchestrator rules reference > docs/rules-reference.md"
    assert PAGE.read_text(encoding="utf-8") == reference(make_schema()), f"make it anew: {again}"


def test_every_fact_and_function_is_there() -> None:
    page = reference(make_schema())
    facts = {name for root in ROOTS.values() for name in root.record.attributes}
    assert all(f"| `{name}` |" in page for name in facts)
    assert all(f"| `{function.usage}` |" in page for function in FUNCTIONS.values())
