"""Operations: what each one means, on arrays at once and on symbols as a node of their graph."""
from striate.ops.conv import *
from striate.ops.elementwise import *
from striate.ops.shape import *
