"""ONNX: the exchange format of networks, read without its library and without executing anything."""
