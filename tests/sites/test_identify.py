"""A real server says who it is; silence ends in time."""

from __future__ import annotations

import socket
import time

import pytest
from psycopg.conninfo import conninfo_to_dict

from kanjo import db
from kanjo.sites.identify import ANSWER_S, CONNECT_S, NoAnswer, identify


def test_a_server_identifies_itself_again_and_again(server: db.Database) -> None:
    """System, timeline, a position that only grows, and that it is no standby."""
    address = conninfo_to_dict(server.url)

    first, second = identify(address), identify(address)

    assert first.system == second.system and first.system.isdigit()
    assert first.timeline == second.timeline >= 1
    assert 0 < first.position <= second.position
    assert not first.is_standby


def test_a_server_that_takes_the_connection_and_says_nothing_is_no_answer() -> None:
    """As behind a link that swallows packets."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        began_s = time.monotonic()
        with pytest.raises(NoAnswer):
            identify({"host": host, "port": port, "user": "nobody"})

    assert time.monotonic() - began_s < CONNECT_S + ANSWER_S + 2
