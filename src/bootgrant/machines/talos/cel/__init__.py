"""Type checks of expressions in CEL, the language in which Talos selects disks, volumes and links.

Talos compiles each expression with cel-go and wants a certain type of it. This package compiles, too, but evaluates
nothing. Which names an expression may use depends on its environment and on the release of Talos.
"""

from __future__ import annotations

from bootgrant.machines.talos.cel.checker import check
from bootgrant.machines.talos.cel.environments import NEWEST, Environment, environment
from bootgrant.machines.talos.cel.errors import CelError, CelUnchecked
from bootgrant.machines.talos.cel.parser import parse

__all__ = ["CelError", "CelUnchecked", "compile_type", "compile_type_in"]


def compile_type(expression: str, environment_name: str, release: str = NEWEST) -> str:
    """Return the type of an expression: ``bool``, ``double``, ``dyn``, ``list(string)``, or the name of a message.

    Environments are ``disk``, ``volume``, ``link``, ``oom`` and ``cgroup``; the last three came with Talos 1.12.
    Raises CelError if Talos does not compile the expression, CelUnchecked (a CelError) if it is too large to tell,
    LookupError for an environment that the release has not.
    """
    return compile_type_in(environment(environment_name, release), expression)


def compile_type_in(known: Environment, expression: str) -> str:
    """The same for an environment at hand."""
    tree = parse(expression, known.macros, optional_syntax=known.optional_syntax, escaped_names=known.escaped_names)
    return str(check(tree, expression, known))
