"""`lab call`."""

from __future__ import annotations

import argparse

from contrib.lab.lab import Lab


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", nargs="?", default="600")


def place(lab: Lab, arguments: argparse.Namespace) -> int:
    return 0
