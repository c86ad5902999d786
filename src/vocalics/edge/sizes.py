"""Lengths that depend on the number of frames: what convolutions and poolings make of it, as a formula."""

from __future__ import annotations

from dataclasses import dataclass

from vocalics.errors import ModelFileError


@dataclass(frozen=True)
class Size:
    """The whole number (n_frames + more) // by.

    Convolutions, poolings, pads and slices with whole steps stay in this form: (n // a + b) // c = (n + a·b) // (a·c).

    >>> half = (Size() + 1) // 2
    >>> half.at(9), half.code("n"), (half - 1).code("n")
    (5, '(n + 1) / 2', '(n - 1) / 2')
    """

    more: int = 0
    by: int = 1

    def __add__(self, other: int) -> Size:
        return Size(self.more + self.by * other, self.by)

    def __radd__(self, other: int) -> Size:
        return self + other

    def __sub__(self, other: int) -> Size:
        return self + -other

    def __floordiv__(self, other: int) -> Size:
        return Size(self.more, self.by * other)

    def at(self, n_frames: int) -> int:
        """Return the value for a number of frames."""
        return (n_frames + self.more) // self.by

    def code(self, n: str) -> str:
        """Return the formula in C; right wherever its value is positive.

        Args:
            n: The number of frames.
        """
        total = n if not self.more else f"{n} {'+' if self.more > 0 else '-'} {abs(self.more)}"
        if self.by == 1:
            return total
        return f"{total} / {self.by}" if not self.more else f"({total}) / {self.by}"


Dim = int | Size
Shape = tuple[Dim, ...]


def at(dim: Dim, n_frames: int) -> int:
    """Return a length for a number of frames."""
    return dim if isinstance(dim, int) else dim.at(n_frames)


def count(shape: Shape, n_frames: int) -> int:
    """Return how many numbers a shape holds for a number of frames."""
    total = 1
    for dim in shape:
        total *= at(dim, n_frames)
    return total


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that shapes have together, by NumPy's rules.

    Raises:
        ModelFileError: When they do not fit.
    """
    rank = max(len(shape) for shape in shapes)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        dims = {shape[axis] for shape in shapes if len(shape) >= -axis and shape[axis] != 1}
        if len(dims) > 1:
            raise ModelFileError(f"shapes {' and '.join(map(text, shapes))} do not fit together")
        result.append(dims.pop() if dims else 1)
    return tuple(result)


def text(shape: Shape) -> str:
    """Return a shape for people, such as "1 x 64 x n"."""
    return " x ".join(str(dim) if isinstance(dim, int) else dim.code("n") for dim in shape) or "one number"
