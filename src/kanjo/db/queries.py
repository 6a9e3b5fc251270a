"""SQL in files of named blocks, read once: `-- name: lock_accounts` starts a block, the comments below it say why."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The named statements of one `.sql` file; `queries["lock_accounts"]` is the text as the file has it."""

    def __init__(self, package: str, file: str = "queries.sql") -> None:
        text = (files(package) / file).read_text("utf-8")
        parts = _NAME.split(text)
        self._statements = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
        if len(self._statements) != len(parts) // 2:
            raise ValueError(f"{package}/{file}: two statements of one name")

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._statements)
