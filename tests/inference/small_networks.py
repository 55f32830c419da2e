"""Small TFLite models, made here: what goes in is real, what comes out is known.

They are built with the runtime's own schema, so that the runtime under test runs them like any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Shape = tuple[int, ...]
Scale = tuple[float, int]


class Graph:
    """A graph under construction: tensors and operators by number."""

    def __init__(self) -> None:
        self._schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
        self._buffers = [self._schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(self, shape: Shape, kind: str = "FLOAT32", scale: Scale | None = None) -> int:
        """A tensor that is written at run time."""
        schema = self._schema
        one = schema.TensorT()
        one.name = f"tensor_{len(self._tensors)}"
        one.shape = list(shape)
        one.type = getattr(schema.TensorType, kind)
        one.buffer = 0
        if scale is not None:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale, one.quantization.zeroPoint = [scale[0]], [scale[1]]
        self._tensors.append(one)
        return len(self._tensors) - 1

    def constant(self, values: NDArray[Any]) -> int:
        """A tensor that is in the file."""
        kind = {"float32": "FLOAT32", "int32": "INT32"}[str(values.dtype)]
        number = self.tensor(values.shape, kind)
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._tensors[number].buffer = len(self._buffers) - 1
        return number

    def operator(self, name: str, inputs: list[int], output: int, options: str = "", **values: Any) -> int:
        """Append an operator; returns its output."""
        schema = self._schema
        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        one = schema.OperatorT()
        one.opcodeIndex = self._codes.index(code)
        one.inputs, one.outputs = inputs, [output]
        if options:
            one.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            one.builtinOptions = getattr(schema, options + "T")()
            for key, value in values.items():
                setattr(one.builtinOptions, key, value)
        self._operators.append(one)
        return output

    def write(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        import flatbuffers

        schema = self._schema
        codes = []
        for code in self._codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            codes.append(entry)
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = inputs, outputs
        model = schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def says(path: Path, input_shape: Shape, outputs: list[NDArray[np.float32]], quantised: Scale | None = None) -> Path:
    """A model that says the same whatever it is shown. quantised: input is uint8, and the first output int8 at this scale."""
    graph = Graph()
    if quantised is None:
        first = shown = graph.tensor(input_shape)
    else:
        first = graph.tensor(input_shape, "UINT8", (1.0, 0))
        shown = graph.operator("DEQUANTIZE", [first], graph.tensor(input_shape), "DequantizeOptions")
    axes = graph.constant(np.arange(len(input_shape), dtype=np.int32))
    mean = graph.operator("MEAN", [shown, axes], graph.tensor(()), "ReducerOptions", keepDims=False)
    nought = graph.operator(
        "MUL",
        [mean, graph.constant(np.zeros((), np.float32))],
        graph.tensor(()),
        "MulOptions",
        fusedActivationFunction=0,
    )
    told = []
    for number, values in enumerate(outputs):
        result = graph.operator(
            "ADD", [graph.constant(values), nought], graph.tensor(values.shape), "AddOptions", fusedActivationFunction=0
        )
        if quantised is not None and number == 0:
            result = graph.operator(
                "QUANTIZE", [result], graph.tensor(values.shape, "INT8", quantised), "QuantizeOptions"
            )
        told.append(result)
    return graph.write(path, [first], told)


def brightness(path: Path, size: int, values: int) -> Path:
    """A model of size x size x 3 that says how bright a picture is: one value for all, or red and green."""
    graph = Graph()
    shown = graph.tensor((1, size, size, 3))
    axes = graph.constant(np.array([1, 2, 3] if values == 1 else [1, 2], np.int32))
    shape = (1,) if values == 1 else (1, 3)
    mean = graph.operator("MEAN", [shown, axes], graph.tensor(shape), "ReducerOptions", keepDims=False)
    if values == 2:
        begin, length = graph.constant(np.array([0, 0], np.int32)), graph.constant(np.array([1, 2], np.int32))
        mean = graph.operator("SLICE", [mean, begin, length], graph.tensor((1, 2)), "SliceOptions")
    return graph.write(path, [shown], [mean])
