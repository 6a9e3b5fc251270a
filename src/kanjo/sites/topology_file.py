"""`sites.toml` to a topology: every fault is told with its place, what was expected there and what was found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from kanjo.errors import Refused, WrongUsage
from kanjo.sites.topology import Balancer, EtcdMember, LinkEnd, Mode, Node, Policy, Register, Site, Topology

Found = TypeVar("Found")

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_EXPECTED = re.compile(r"^Expected (?P<expected>.+), got (?P<found>.+)$")
_TOP = {"operating": str, "lab": bool, "policy": dict, "register": dict, "link": dict, "sites": dict}
_SITE = {"cloud": str, "scope": str, "namespace": str, "replication_role": str, "credentials": str} | {
    "nodes": dict,
    "etcd": dict,
    "link": dict,
    "haproxy": dict,
}
_WORDS: dict[type, str] = {str: "a text", bool: "true or false", dict: "a table"}
_OPTIONAL = frozenset({"lab"})


def read_topology_file(file: Path) -> Topology:
    """The topology in a file. Errors: WrongUsage `file-unreadable`; those of `read_topology`."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongUsage("file-unreadable", f"cannot read {file}: {why}", file=str(file)) from error
    return read_topology(text, name=str(file))


def read_topology(text: str, name: str = "sites.toml") -> Topology:
    """The topology in a text. Errors: Refused `topology-invalid`, with all faults in `errors`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused("topology-invalid", f"{name} is not TOML: {error}", file=name, errors=[]) from error
    reading = _Reading()
    topology = reading.topology(content)
    if topology is None or reading.errors:
        first = reading.errors[0]
        raise Refused(
            "topology-invalid",
            f"{name}, {first['place']}: expected {first['expected']}, found {first['found']}",
            file=name,
            errors=reading.errors,
        )
    return topology


class _Reading:
    """One pass over the tables; faults are gathered so that a reader mends them all at once."""

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def topology(self, content: Mapping[str, Any]) -> Topology | None:
        top = self._table("", content, _TOP)
        policy = self._of(Policy, "policy", top["policy"])
        register = self._of(Register, "register", top["register"])
        link = self._table("link", top["link"], {"authority": str})
        sites = self._each("sites", top["sites"], self._site)
        if self.errors or policy is None or register is None:
            return None
        return Topology(
            operating=top["operating"],
            sites=sites,
            link_authority=link["authority"],
            register=register,
            policy=policy,
            lab=top["lab"] or False,
        )

    def _site(self, place: str, name: str, content: Any) -> Site | None:
        table = self._table(place, content, _SITE)
        nodes = self._each(f"{place}.nodes", table["nodes"], lambda at, key, value: self._of(Node, at, value, name=key))
        etcd = self._each(
            f"{place}.etcd", table["etcd"], lambda at, key, value: self._of(EtcdMember, at, value, name=key)
        )
        link = self._of(LinkEnd, f"{place}.link", table["link"])
        haproxy = self._of(Balancer, f"{place}.haproxy", table["haproxy"])
        if self.errors or link is None or haproxy is None:
            return None
        words = {field: table[field] for field, kind in _SITE.items() if kind is str}
        return Site(name=name, nodes=nodes, etcd=etcd, link=link, haproxy=haproxy, **words)

    def _each(self, place: str, content: Any, read: Callable[[str, str, Any], Found | None]) -> tuple[Found, ...]:
        """A table whose keys are names. What is no table was told already."""
        if not isinstance(content, dict):
            return ()
        found = [read(f"{place}.{name}", name, value) for name, value in content.items()]
        return tuple(one for one in found if one is not None)

    def _table(self, place: str, content: Any, fields: Mapping[str, type]) -> dict[str, Any]:
        """All of `fields`, with None where one is missing or wrong."""
        if not isinstance(content, dict):
            if content is not None:
                self._fault(place, "a table", _shown(content))
            return dict.fromkeys(fields)
        for name in content.keys() - fields.keys():
            self._fault(_join(place, name), f"one of {', '.join(sorted(fields))}", f"{name!r}")
        return {name: self._value(_join(place, name), content.get(name), kind) for name, kind in fields.items()}

    def _value(self, place: str, value: Any, kind: type) -> Any:
        if isinstance(value, kind):
            return value
        if not (value is None and place in _OPTIONAL):
            self._fault(place, _WORDS[kind], "nothing" if value is None else _shown(value))
        return None

    def _of(self, kind: type[Found], place: str, content: Any, **named: str) -> Found | None:
        """One struct of scalars; msgspec says what is wrong, and the place is put before it."""
        if not isinstance(content, dict):
            if content is not None or named:
                self._fault(place, "a table", _shown(content))
            return None
        try:
            return msgspec.convert(content | named, kind)
        except msgspec.ValidationError as error:
            self._explain(place, str(error))
            return None

    def _explain(self, place: str, message: str) -> None:
        at = _AT.search(message)
        said = _AT.sub("", message)
        where = place + (at["path"] if at else "")
        if missing := re.search(r"missing required field `(\w+)`", said):
            self._fault(f"{place}.{missing[1]}", "a value", "nothing")
        elif unknown := re.search(r"unknown field `([^`]+)`", said):
            self._fault(f"{place}.{unknown[1]}", "no such name here", f"{unknown[1]!r}")
        elif found := _EXPECTED.match(said):
            self._fault(where, found["expected"].strip("`"), found["found"].strip("`"))
        elif enum := re.match(r"Invalid enum value (.+)$", said):
            self._fault(where, " or ".join(map(repr, get_args(Mode))), enum[1])
        else:
            self._fault(where, "a valid value", said)

    def _fault(self, place: str, expected: str, found: str) -> None:
        self.errors.append({"place": place or "the file", "expected": expected, "found": found})


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
