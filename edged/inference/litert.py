"""The only file that imports LiteRT: one network, its input and its outputs as plain arrays.

Takes `ai_edge_litert`, else `tflite_runtime` (same API; ends at Python 3.11).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.errors import ModelCorrupt, RuntimeMissing


def _import_runtime() -> Any:
    # LiteRT greets on standard error for every delegate; only its warnings are of use in a log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        try:
            from tflite_runtime import interpreter
        except ImportError:
            raise RuntimeMissing(
                "no inference runtime is installed (cure: pip install ai-edge-litert, or tflite-runtime on Python 3.11 and older)"
            ) from None
    return interpreter


class Network:
    """A loaded model.

    input: writable float32 array of the model's first input, shape as the model says; write, then `run()`.
    outputs: arrays of the outputs in the model's order, overwritten by every run. Both are the interpreter's own
    memory, so nothing is copied or allocated per frame.

    Raises RuntimeMissing, ModelCorrupt (the runtime refuses the file or the delegate).
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        delegate: str = "",
        delegate_options: dict[str, str] | None = None,
    ) -> None:
        runtime = _import_runtime()
        self.name = path.stem
        self.invocations = 0
        delegates = []
        if delegate:
            try:
                delegates.append(runtime.load_delegate(delegate, delegate_options or {}))
            except (ValueError, OSError, RuntimeError) as error:
                raise ModelCorrupt(
                    self.name, f"the delegate {delegate} cannot be loaded: {error}", "check inference.delegate"
                ) from None
        try:
            self._interpreter = runtime.Interpreter(
                model_path=str(path), num_threads=threads, experimental_delegates=delegates or None
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelCorrupt(self.name, f"the runtime refuses it: {error}") from None
        first = self._interpreter.get_input_details()[0]
        self._input_index: int = first["index"]
        details = self._interpreter.get_output_details()
        self.output_names: list[str] = [detail["name"] for detail in details]
        self._interpreter.set_tensor(self._input_index, np.zeros(first["shape"], first["dtype"]))
        self._interpreter.invoke()
        self.input: NDArray[np.float32] = self._borrow(self._input_index)
        self.outputs: list[NDArray[np.float32]] = [self._borrow(detail["index"]) for detail in details]

    def _borrow(self, index: int) -> NDArray[np.float32]:
        # Interpreter.tensor() gives the same memory, but invoke() refuses to run while such a view is held. The
        # address is stable until allocate_tensors() or resize_tensor_input(), which are never called again.
        view = self._interpreter.tensor(index)()
        pointer = ctypes.cast(view.ctypes.data, ctypes.POINTER(ctypes.c_float * view.size))
        if view.dtype != np.float32:
            raise ModelCorrupt(self.name, f"expects {view.dtype} tensors where float32 was agreed")
        return np.frombuffer(pointer.contents, dtype=np.float32).reshape(view.shape)

    def run(self) -> None:
        """Run the network on what is in `input`."""
        self.invocations += 1
        self._interpreter.invoke()
