"""The YAML that is taken: plain data, with places."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.yaml_source import LARGEST_FILE, parse, read
from orchestrator.errors import ConfigError

PATH = Path("x.yaml")


def test_words_are_as_in_yaml_1_2() -> None:
    text = "a: on\nb: 22:00\nc: 0601\nd: 601\ne: 1.5\nf: true\ng:\nh: +62812\ni: ~\nj: 1e3\n"
    assert parse(PATH, text).value == {
        "a": "on", "b": "22:00", "c": "0601", "d": 601, "e": 1.5, "f": True, "g": None,
        "h": "+62812", "i": None, "j": "1e3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "x.yaml:2:1: 'a' is here twice, first in line 1"),
        ("a: &x 1\nb: *x\n", "x.yaml:1:4: anchors and aliases"),
        ("a: !!python/object:os.system 1", "x.yaml:1:4: tags"),
        ("a: [", "x.yaml:1:5: is not YAML"),
        ("[" * 40, "x.yaml:1:31: nested deeper"),
        ("", "x.yaml:1:1: the file is empty"),
        ("a: \0", "is not YAML"),
        ("\t- a", "x.yaml:1:1: is not YAML"),
        ("{[1]: 2}", "a key must be a plain word"),
        ("--- 1\n--- 2", "another document"),
        ("a: " + "x" * LARGEST_FILE, "is larger than"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(PATH, text)
    assert says in caught.value.problems[0]


def test_a_number_of_thousands_of_digits_is_text() -> None:
    assert parse(PATH, "a: " + "1" * 5000).value == {"a": "1" * 5000}


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"x.yaml:2:1: is not UTF-8"):
        read(path)
