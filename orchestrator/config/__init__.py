"""The configuration file and the rule files: read, checked, frozen."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from orchestrator.config.problems import problems_of
from orchestrator.config.rule_files import Checked, check_rules, load_rules
from orchestrator.config.settings import Settings
from orchestrator.config.yaml_source import read
from orchestrator.core.rules import RuleSet
from orchestrator.errors import ConfigError

__all__ = ["Checked", "Settings", "check_rules", "load", "load_rules", "load_settings_rules"]


def load(path: Path | str) -> Settings:
    """The settings of a YAML file; ``ConfigError`` with all its problems at once."""
    source = read(Path(path).absolute())
    try:
        return Settings.model_validate(source.value, context={"base": source.path.parent})
    except ValidationError as error:
        raise ConfigError(problems_of(Settings, error, source)) from error


def load_settings_rules(settings: Settings) -> RuleSet:
    """The rules that the settings name, checked against its nodes and commands."""
    return load_rules(settings.rules, settings.nodes, settings.commands)
