"""Patroni's start with the other site in its names: `python -m kanjo.sites.launcher patroni.yml` (multicloud.md 2.1).

Everything is Patroni's own main function; `wrapping.py` lays the guard between it and the server. Nothing here imports
more than Patroni needs anyway, so that an interpreter without the rest of Kanjo's libraries can run it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanjo.errors import KanjoError, WrongUsage
from kanjo.sites.guard import Guard
from kanjo.sites.identify import identify
from kanjo.sites.identity import Identity
from kanjo.sites.last_word import last_word
from kanjo.sites.node_file import NodeFile, read_node_file
from kanjo.sites.steady_time import hold_steady
from kanjo.sites.tenure import Tenure
from kanjo.sites.wrapping import install, require_known_patroni


def around(node: NodeFile) -> tuple[Guard, Tenure]:
    """What a node's launcher knows, with its real surroundings."""
    from patroni import global_config

    def dynamic() -> Mapping[str, Any]:
        return _Dynamic(global_config)

    def across() -> Identity:
        return identify(node.across)

    def here() -> Identity:
        return identify(node.here | {"user": node.replication_role})

    return Guard(dynamic, across, here), Tenure(across, here)


class _Dynamic(Mapping[str, Any]):
    """Patroni's dynamic configuration as its loop saw it last."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def __getitem__(self, name: str) -> Any:
        value = self._found.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Any:
        raise TypeError("only asked by name")

    def __len__(self) -> int:
        return 1


def main(arguments: list[str]) -> int:
    """Start Patroni and stay; the exit status when it could not be started."""
    try:
        require_known_patroni()
        if len(arguments) != 1:
            raise WrongUsage("wrong-usage", "python -m kanjo.sites.launcher PATRONI.YML")
        node = read_node_file(Path(arguments[0]))
        install(*around(node), lambda: last_word(node.data))
        hold_steady()
    except KanjoError as error:
        sys.stderr.write(f"Error: {error.message} ({error.code})\n")
        return error.exit_status
    from patroni.__main__ import main as patroni_main

    patroni_main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
