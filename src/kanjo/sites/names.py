"""The names rule: what Patroni wants of its own site, and the other site's members joined to it (multicloud.md 2.1).

PostgreSQL counts names and knows no groups. `FIRST n+1 (n locals, remotes)` means "every local and one remote" only
because every local is counted and one slot lets one remote stream. The word FIRST is ours alone, Patroni never writes
it: so the way back is by position, and stays right when the list of remotes has changed meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from kanjo.errors import Refused
from kanjo.sites.topology import Mode

REMOTE_UNVERIFIED = "remote_unverified"
"""A name that no server bears: as long as it is required, commits wait."""

LOCAL_AWAITED = "local_awaited"
"""Patroni's `*` (strict mode, nobody there yet) beside a mandatory remote: a star would match the remote as well."""

HOLD = f"FIRST 1 ({REMOTE_UNVERIFIED})"
"""Nobody is answered. For a site told to be a standby (rule b), and for whatever cannot be rendered safely."""

STAR = ("*",)
"""Any one server, whichever it is."""

RESERVED = frozenset({REMOTE_UNVERIFIED, LOCAL_AWAITED})

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z_0-9$]*")
_TOKEN = re.compile(
    r'\s*(?:(?P<quoted>"(?:[^"]|"")+")|(?P<number>\d+)|(?P<word>[A-Za-z_][A-Za-z_0-9$]*)|(?P<sign>[*,()]))'
)
_NO_NAMES = frozenset({",", "(", ")", "*", '"*"'})
_NAMES_COUNT_MAX = 100


class Circumstances(NamedTuple):
    """All that the value depends on besides Patroni's wish.

    `remote_verified`: the other site was seen on this primary's own timeline (rule a, pitfall 1).
    """

    mode: Mode
    remote_names: tuple[str, ...]
    remote_verified: bool
    is_standby_site: bool


def render(wanted: str | None, around: Circumstances) -> str | None:
    """The value of synchronous_standby_names; None: none at all, which is only possible while detached.

    Errors: Refused `names-refused` for quorum mode (rule c), for a wish of ours or of fewer names than it lists, and
    for a server named `*`, which PostgreSQL takes for everybody, quoted too.
    """
    if around.is_standby_site:
        return HOLD
    wished = _wished(wanted)
    if around.mode == "detached":
        return wanted or None
    if "*" in around.remote_names:
        raise Refused("names-refused", "the other site's names: '*' would let any server of this site stand for them")
    names = [LOCAL_AWAITED] if wished == STAR else [quote(name) for name in wished]
    verified = around.remote_verified and around.remote_names
    remotes = [quote(name) for name in around.remote_names] if verified else [REMOTE_UNVERIFIED]
    return f"FIRST {len(names) + 1} ({','.join([*names, *remotes])})"


def strip(value: str | None) -> str:
    """What Patroni wanted when `value` was rendered, in Patroni's own spelling; '' when it wanted nobody.

    A value that is not ours, or cannot be read at all, is left as it is.
    """
    try:
        tokens = _tokens(value or "")
    except Refused:
        return value or ""
    if [token.lower() for token in tokens[:1]] != ["first"] or tokens[2:3] != ["("]:
        return value or ""
    listed = tokens[3:-1:2]
    locals_ = listed[: int(tokens[1]) - 1]
    if locals_ == [LOCAL_AWAITED]:
        return "*"
    return ",".join(locals_) if len(locals_) < 2 else f"{len(locals_)} ({','.join(locals_)})"


def mode_of(value: str) -> Literal["held", "required", "detached"]:
    """What a server with this value promises: nobody is answered, answers wait for the other site, or they do not."""
    try:
        tokens = _tokens(value)
    except Refused:
        return "detached"  # nothing that we would have written
    if REMOTE_UNVERIFIED in tokens:
        return "held"
    return "required" if tokens[:1] == ["FIRST"] else "detached"


def quote(name: str) -> str:
    """A name as the setting needs it: quoted unless it is a plain word that the setting's grammar does not take."""
    if _PLAIN.fullmatch(name) and name.lower() not in ("first", "any"):
        return name
    return '"' + name.replace('"', '""') + '"'


def _wished(value: str | None) -> tuple[str, ...]:
    """The names that Patroni wants, each of them: nothing, `a2`, `2 (a2,a3)` or `*`; anything else is refused."""
    tokens = _tokens(value or "")
    match tokens:
        case []:
            return ()
        case ["*"]:
            return STAR
        case [number, "(", *listed, ")"] if number.isdigit():
            return _counted(value, int(number), listed)
        case [word, *_] if word.lower() in ("any", "first") and len(tokens) > 1:
            if word.lower() == "any":
                why = "quorum mode cannot be combined with a mandatory member: set synchronous_mode to on"
            else:
                why = "FIRST is written by the launcher only; unset synchronous_standby_names in postgresql.parameters"
            raise Refused("names-refused", f"synchronous_standby_names {value!r}: {why}", value=value)
        case _:
            return _counted(value, 1, tokens)


def _counted(value: str | None, count: int, listed: Sequence[str]) -> tuple[str, ...]:
    """Every name listed must be counted: otherwise two locals would fill the place of the remote."""
    names = listed[::2]
    commas = set(listed[1::2])
    if len(listed) % 2 == 0 or commas - {","} or count != len(names) or set(names) & _NO_NAMES:
        raise Refused(
            "names-refused",
            f"synchronous_standby_names {value!r}: expected as many names as it counts, such as 'a2' or '2 (a2,a3)'",
            value=value,
        )
    return tuple(_unquote(name) for name in names)


def _tokens(value: str) -> list[str]:
    found: list[str] = []
    at = 0
    value = value.rstrip()
    while at < len(value):
        token = _TOKEN.match(value, at)
        if token is None or len(found) > 2 * _NAMES_COUNT_MAX + 4:
            raise Refused("names-refused", f"synchronous_standby_names {value!r} cannot be read", value=value)
        found.append(token[0].strip() if token["quoted"] is None else token["quoted"])
        at = token.end()
    return found


def _unquote(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token
