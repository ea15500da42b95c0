"""Every error that Striate raises on purpose.

    StriateError
    ├── ArgumentError    an argument has an invalid value                  (also a ValueError)
    ├── ShapeError       shapes do not fit together                        (also a ValueError)
    ├── DataError        arrays hold data that cannot be used              (also a ValueError)
    ├── ModelError       a model is asked for what it cannot do yet        (also a RuntimeError)
    ├── MemoryLimitError a network needs more memory than one run may take (also a MemoryError)
    ├── KernelError      our machine code did something it must not        (also a RuntimeError)
    └── FormatError      a file is damaged, or is not what it claims to be (also a ValueError)
        └── LimitError   a file asks for more memory than we grant

A message names the operation, what was expected, what was received, and the fix:
``conv2d: expected 3 input channels (weight is (3, 3, 3, 16)), got 1 (input is (8, 28, 28, 1)).``
"""


class StriateError(Exception):
    """The root: catch it to catch everything that Striate raises on purpose."""


class ArgumentError(StriateError, ValueError):
    """An argument has an invalid value, such as a stride of 0."""


class ShapeError(StriateError, ValueError):
    """Shapes do not fit together."""


class DataError(StriateError, ValueError):
    """Arrays hold data that cannot be used: objects, NaN, labels out of range, nothing at all."""


class ModelError(StriateError, RuntimeError):
    """A model is asked for something it cannot do yet, such as fitting before compiling."""


class KernelError(StriateError, RuntimeError):
    """Our machine code did something it must not, such as writing outside its buffers; please report it."""


class MemoryLimitError(StriateError, MemoryError):
    """A network needs more memory for one run than it may take."""


class FormatError(StriateError, ValueError):
    """A file is damaged, or is not what it claims to be."""


class LimitError(FormatError):
    """A file asks for more memory than we grant it."""
