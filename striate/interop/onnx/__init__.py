"""ONNX: the exchange format of networks, read and written without its library and without executing anything."""

from striate.interop.onnx.export import write_onnx

__all__ = ["write_onnx"]
