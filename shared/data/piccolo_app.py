"""Guardian as a Piccolo app: its migrations.

The tables are not listed: their DDL is written by hand, because partitions, composite foreign keys
and row-level security are beyond what Piccolo can generate.
"""

from pathlib import Path

from piccolo.conf.apps import AppConfig

APP_CONFIG = AppConfig(
    app_name="guardian",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[],
)
