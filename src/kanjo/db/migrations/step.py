"""Run the SQL file that lies beside a migration."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def forward(script: str) -> None:
    """Run `NNNN_name.up.sql` beside `NNNN_name.py`."""
    _run(Path(script).with_suffix(".up.sql"))


def back(script: str) -> None:
    """Run `NNNN_name.down.sql` beside `NNNN_name.py`."""
    _run(Path(script).with_suffix(".down.sql"))


def _run(file: Path) -> None:
    """Send the whole file at once, straight through the driver: no placeholders, so a percent sign is itself."""
    driver_connection = op.get_bind().connection.driver_connection
    assert driver_connection is not None
    driver_connection.execute(file.read_text(encoding="utf-8"))
