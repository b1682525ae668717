"""All errors of the orchestrator, in one tree.

    OrchestratorError
    ├── ConfigError          the author of a file: says file:line:column and what to write instead
    ├── RequestRefused       the operator or a rule asked for what is not allowed now: says why
    ├── ActionFailed         an outside thing said no: says what it answered
    │   ├── ActionTimeout    an outside thing did not answer within its deadline
    │   ├── AnswerLost       the connection broke while an action was under way
    │   └── NotConnected     there is no connection to send on; nothing was sent
    ├── ProtocolError        a peer broke its protocol; the connection is dropped and made anew
    └── JournalError         our own state directory cannot be written; nothing may be decided

Every message is a sentence for the engineer at 3 a.m.: what happened, what was or was not done,
and what to do now.
"""

from __future__ import annotations


class OrchestratorError(Exception):
    """Base of everything raised on purpose."""


class ConfigError(OrchestratorError):
    """A file that people write is wrong; ``problems`` holds one ``file:line:column: what`` each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RequestRefused(OrchestratorError):
    """The request is understood but not allowed in the present state."""


class ActionFailed(OrchestratorError):
    """An outside thing (Asterisk, a host, a database) answered with a failure."""


class ActionTimeout(ActionFailed):
    """An outside thing gave no answer within the deadline; whether it acted is unknown."""


class AnswerLost(ActionFailed):
    """The connection broke after the action was sent; whether it acted is unknown."""


class NotConnected(ActionFailed):
    """There is no connection; the action was not sent."""


class ProtocolError(OrchestratorError):
    """A peer sent what its protocol does not allow."""


class JournalError(OrchestratorError):
    """The journal cannot be written or read."""
