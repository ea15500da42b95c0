"""What worker processes can be asked to do, and the program that each of them runs."""

from striate.data.checks import Inspection
from striate.data.photo_batches import BatchMaker
from striate.data.workers import serve

__all__ = ["TASKS", "main"]

#: How each task is made from plain data, by the name of its class.
TASKS = {task.__name__: task.from_json for task in (Inspection, BatchMaker)}


def main() -> None:
    """Run as a worker; see `serve`."""
    serve(TASKS)
