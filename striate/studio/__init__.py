"""The web studio: draw, or show a picture, and see the output of every layer of a network."""

from striate.studio.photographs import why_no_picture
from striate.studio.recognition import LayerOutput, Model
from striate.studio.server import create_app, serve

__all__ = ["LayerOutput", "Model", "create_app", "serve", "why_no_picture"]
