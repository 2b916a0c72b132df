"""Smaller and faster .onnx files: int8 convolutions, weights kept as float16, and what it costs."""
