"""The only file that imports LiteRT: one network, its input and its outputs as plain arrays.

Takes `ai_edge_litert`, else `tflite_runtime` (same API; ends at Python 3.11).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged.errors import ModelCorrupt, RuntimeMissing


def _import_runtime() -> Any:
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


@contextlib.contextmanager
def _without_greetings() -> Iterator[None]:
    """Drop the INFO lines that native code writes on standard error while a network is loaded; keep the rest."""
    sys.stderr.flush()
    kept = os.dup(2)
    caught = os.memfd_create("litert-messages")
    os.dup2(caught, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with os.fdopen(caught, "rb") as messages:
            messages.seek(0)
            for line in messages:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)


class Quantisation(NamedTuple):
    """What integers of a tensor stand for: scale x (value - zero_point). A scale of 0: the tensor is not quantised."""

    scale: float
    zero_point: int


class Network:
    """A loaded model.

    input: writable array of the model's first input, shape as the model says; write, then `run()`.
    outputs: arrays of the outputs in the model's order, overwritten by every run. Both are the interpreter's own
    memory, so nothing is copied or allocated per frame. quantised: tensors may be of other types than float32, and
    input_quantisation and output_quantisations say what they stand for. delegate_setting, cure: what an error
    sends to.

    Raises RuntimeMissing, ModelCorrupt (the runtime refuses the file or the delegate, or a tensor is not float32).
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        delegate: str = "",
        delegate_options: dict[str, str] | None = None,
        delegate_setting: str = "inference.delegate",
        quantised: bool = False,
        cure: str = ModelCorrupt.CURE,
    ) -> None:
        self.name = path.stem
        self.invocations = 0
        self._cure = cure
        with _without_greetings():
            self._load(path, threads, delegate, delegate_options or {}, delegate_setting)
        first = self._interpreter.get_input_details()[0]
        details = self._interpreter.get_output_details()
        self.input: NDArray[Any] = self._borrow(first["index"], quantised=quantised)
        self.outputs: list[NDArray[Any]] = [self._borrow(one["index"], quantised=quantised) for one in details]
        self.input_quantisation = Quantisation(*first["quantization"])
        self.output_quantisations = [Quantisation(*detail["quantization"]) for detail in details]

    def _load(
        self, path: Path, threads: int, delegate: str, delegate_options: dict[str, str], delegate_setting: str
    ) -> None:
        runtime = _import_runtime()
        delegates = []
        if delegate:
            try:
                # The runtime complains a second time, by a traceback, about a library that it could not open.
                ctypes.CDLL(delegate)
                delegates.append(runtime.load_delegate(delegate, delegate_options))
            except (ValueError, OSError, RuntimeError) as error:
                raise ModelCorrupt(
                    self.name, f"the delegate {delegate} cannot be loaded: {error}", f"check {delegate_setting}"
                ) from None
        try:
            self._interpreter = runtime.Interpreter(
                model_path=str(path), num_threads=threads, experimental_delegates=delegates or None
            )
            self._interpreter.allocate_tensors()
            # The first run builds the optimised kernels; only then are the tensors where they will stay.
            first = self._interpreter.get_input_details()[0]
            self._interpreter.set_tensor(first["index"], np.zeros(first["shape"], first["dtype"]))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelCorrupt(self.name, f"the runtime refuses it: {error}", self._cure) from None

    def _borrow(self, index: int, *, quantised: bool) -> NDArray[Any]:
        # Interpreter.tensor() gives the same memory, but invoke() refuses to run while such a view is held. The
        # address is stable until allocate_tensors() or resize_tensor_input(), which are never called again.
        view = self._interpreter.tensor(index)()
        if view.dtype != np.float32 and not quantised:
            raise ModelCorrupt(self.name, f"expects {view.dtype} tensors where float32 was agreed")
        pointer = ctypes.cast(view.ctypes.data, ctypes.POINTER(ctypes.c_uint8 * view.nbytes))
        return np.frombuffer(pointer.contents, dtype=view.dtype).reshape(view.shape)

    def bare_invoke(self) -> None:
        """The runtime's own call and nothing else, uncounted: the limit for benchmarks."""
        self._interpreter.invoke()

    def run(self) -> None:
        """Run the network on what is in `input`."""
        self.invocations += 1
        self._interpreter.invoke()
