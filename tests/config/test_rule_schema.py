"""The schemas that editors use: shipped as generated, no stricter nor laxer than the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from orchestrator.config.paths import matching_files, path_of_tests, shipped_rules
from orchestrator.config.rule_models import RuleFile
from orchestrator.config.rule_schema import rule_file_schema
from orchestrator.config.yaml_source import parse
from orchestrator.rehearsal.schema import schema_of_tests

PACKS = matching_files(shipped_rules())
TESTS = [path_of_tests(path) for path in PACKS if path_of_tests(path).exists()]
DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = [
    example
    for path in sorted(DOCS.glob("*.md"))
    for example in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    if re.search("^(rules|tests):", example, re.MULTILINE)
]
WRONG = {
    "unknown key": "rules: {x: {when: a, fro: 5s, do: [failover]}}",
    "no condition": "rules: {x: {do: [failover]}}",
    "duration without unit": "rules: {x: {when: a, for: '15', do: [failover]}}",
    "unknown request": "rules: {x: {when: a, do: [fallover]}}",
    "two requests in one": "rules: {x: {when: a, do: [{failover: {}, notify: {}}]}}",
    "a request that needs a body": "rules: {x: {when: a, do: [ami_action]}}",
    "nothing asked": "rules: {x: {when: a, do: []}}",
    "unknown word": "rules: {x: {when: a, unknown: maybe, do: [failover]}}",
    "limit": "rules: {x: {when: a, limit: twice, do: [failover]}}",
    "limit without duration": "rules: {x: {when: a, limit: 2 per hour, do: [failover]}}",
    "limit of nothing": "rules: {x: {when: a, limit: 0 per 1h, do: [failover]}}",
    "a body that is left out": "rules: {x: {when: a, do: [{hold: }]}}",
    "no title": "rules: {x: {when: a, description: '', do: [failover]}}",
    "a name with a blank": "rules: {x y: {when: a, do: [failover]}}",
}
RIGHT = {
    "numbers as durations": "rules: {x: {when: a, for: 15, clear_for: 0.5, do: [failover]}}",
    "durations with blanks": "rules: {x: {when: a, for: ' 1h 30m', do: [failover]}}",
    "limit with blanks": "rules: {x: {when: a, limit: ' 02 per 1h 30m ', do: [failover]}}",
    "a body that may be left out": "rules: {x: {when: a, do: [{notify: }, {switchover: }]}}",
    "numbers as names": "rules: {5: {when: a, description: 7, inhibited_by: [6], do: [failback]}}",
    "numbers in an action": (
        "rules: {x: {when: a, do: [{ami_action: {node: active, action: {action: A, Id: 5}}}]}}"
    ),
}
WRONG_TESTS = {
    "unknown fact": "tests: {x: {steps: [{set: {active.trunk: 5}}]}}",
    "unknown word": "tests: {x: {steps: [{set: {active.verdict: daed}}]}}",
    "wrong state": "tests: {x: {steps: [{expect: {y: on}}]}}",
    "wrong ask": "tests: {x: {steps: [{asks: [{y: fallover}]}]}}",
    "no steps": "tests: {x: {given: {active.calls: 4}}}",
}


def errors(schema: dict[str, Any], text: str) -> list[str]:
    value = parse(Path("x.yaml"), text).value
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(
    ("name", "make", "option"),
    [("rules", rule_file_schema, ""), ("tests", schema_of_tests, " --tests")],
)
def test_the_shipped_schema_is_the_one_that_is_generated(
    name: str, make: Callable[[], dict[str, Any]], option: str
) -> None:
    path = Path(shipped_rules()).parent / f"{name}.schema.json"
    Draft202012Validator.check_schema(make())
    again = f"asterisk-orchestrator rules schema{option} > rules/{name}.schema.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(make())), f"make it anew: {again}"


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_a_pack_fits_and_points_to_its_schema(path: Path) -> None:
    assert errors(rule_file_schema(), path.read_text()) == []
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=rules.schema.json"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_packs_tests_fit_and_point_to_their_schema(path: Path) -> None:
    assert errors(schema_of_tests(), path.read_text()) == []
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=tests.schema.json"


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_documentation_fits(example: str) -> None:
    schema = schema_of_tests() if example.startswith(("tests:", "given:")) else rule_file_schema()
    assert errors(schema, example) == []


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_rule_file_does_not_fit(text: str) -> None:
    assert errors(rule_file_schema(), text)
    with pytest.raises(ValidationError):
        RuleFile.model_validate(parse(Path("x.yaml"), text).value)


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_whatever_the_reader_takes_fits(text: str) -> None:
    RuleFile.model_validate(parse(Path("x.yaml"), text).value)
    assert errors(rule_file_schema(), text) == []


@pytest.mark.parametrize("text", WRONG_TESTS.values(), ids=WRONG_TESTS.keys())
def test_a_wrong_test_file_does_not_fit(text: str) -> None:
    assert errors(schema_of_tests(), text)


def test_what_an_editor_shows_is_the_documentation() -> None:
    schema = rule_file_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, found in part.get("properties", {}).items():
            assert found.get("description"), key
        if "properties" in part:
            assert part["additionalProperties"] is False
    facts = schema_of_tests()["$defs"]["Facts"]["properties"]
    assert (
        "reachable" in facts["active.phones_reachable"]["description"]
        or "answer" in (facts["active.phones_reachable"]["description"])
    )
