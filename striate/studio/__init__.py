"""The web studio: draw, or show a picture, and see every number of a network and the sum that it came from."""

from striate.studio.network import why_no_picture
from striate.studio.server import create_app, serve

__all__ = ["create_app", "serve", "why_no_picture"]
