"""Where Piccolo's migration commands find the engine and the app."""

from piccolo.conf.apps import AppRegistry

from shared.data.engine import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["shared.data.piccolo_app"])
