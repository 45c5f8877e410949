"""Inner loops that a compiler does not vectorize well by itself, written as explicit vectors of 64 bytes.

A Cholesky factorization spends its time in ``C - A Bᵀ`` on small microtiles. A microtile of 24 × 8 in vector registers
needs 11 loads for 24 fused multiply-adds, which runs at the arithmetic peak of the processor. As a plain loop nest the
same work runs at a quarter of the peak. So these loops are written as LLVM instructions, which Python unrolls. They are
functions of arrays and offsets, like others. Processors with shorter vectors run the same code, with each vector
split in two or four.

A vector holds eight doubles or, in a kernel that is called with arrays of them, sixteen floats.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

__all__ = ["DOUBLE", "INT", "LANES", "VECTOR", "ZERO", "Emitter", "cgutils", "vector_kernel"]

cgutils: Any = untyped_cgutils

LANES = 8
"""Number of doubles in a vector."""

DOUBLE = ir.DoubleType()
VECTOR = ir.VectorType(DOUBLE, LANES)
INT = ir.IntType(64)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)


class Emitter:
    """The few vector instructions that the vector kernels are written in.

    Attributes
    ----------
    number, vector : llvmlite types
        The type of the numbers of the first array, float64 or float32, and that of a vector of them.
    lanes : int
        Numbers in a vector.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        kinds = [kind.dtype for kind in signature.args if isinstance(kind, types.Array)]
        self.number, self.lanes = (ir.FloatType(), 2 * LANES) if kinds[0] == types.float32 else (DOUBLE, LANES)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.arguments = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]

    def at(self, base: Any, *offsets: Any) -> Any:
        """Return the address of ``base[sum(offsets)]``; the last offset may be a Python int."""
        total = None
        for offset in offsets:
            value = ir.Constant(INT, offset) if isinstance(offset, int) else offset
            total = value if total is None else self.builder.add(total, value)
        return self.builder.gep(base, [total])

    def load(self, address: Any) -> Any:
        """Return the vector at an address."""
        pointer = self.builder.bitcast(address, self.vector.as_pointer())
        return self.builder.load(pointer, align=64 // self.lanes)

    def store(self, vector: Any, address: Any) -> None:
        """Write a vector to an address."""
        self.builder.store(vector, self.builder.bitcast(address, self.vector.as_pointer()), align=64 // self.lanes)

    def spread(self, scalar: Any) -> Any:
        """Return a vector with the same number in every lane."""
        one = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
        )
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), lanes)

    def load_spread(self, address: Any) -> Any:
        """Return the number at an address in every lane."""
        return self.spread(self.builder.load(address))

    def lane(self, vector: Any, lane: int) -> Any:
        """Return one number of a vector."""
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), lane))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c``, rounded once."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        fma = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{self.lanes}f{512 // self.lanes}")
        return self.builder.call(fma, [a, b, c])

    def multiply_subtract(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``c - a * b``, rounded once."""
        return self.multiply_add(self.builder.fneg(a), b, c)

    def variable(self, value: Any) -> Any:
        """Return a place for a vector that changes inside a loop; it ends up in a register."""
        slot = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, slot)
        return slot


def vector_kernel(body: Callable[..., None]) -> Any:
    """Return a function for compiled code, whose instructions `body` emits.

    `body` is called with an `Emitter` and the arguments, each of which is the address of the data of an array, or an
    integer. The function returns nothing and writes to the arrays. Nothing checks offsets.
    """

    def typed(_: Any, *kinds: Any) -> Any:
        signature = types.void(*(kind if isinstance(kind, types.Array) else types.intp for kind in kinds))

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = Emitter(context, builder, signature, arguments)
            body(emit, *emit.arguments)
            return context.get_dummy_value()

        return signature, generate

    names = list(inspect.signature(body).parameters)[1:]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("typing", *names)]
    # numba reads the names of the arguments from the signature.
    typed.__dict__["__signature__"] = inspect.Signature(parameters)
    typed.__name__ = body.__name__
    typed.__module__ = body.__module__
    typed.__doc__ = body.__doc__
    return intrinsic(typed)
