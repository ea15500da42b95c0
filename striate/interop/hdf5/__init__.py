"""HDF5 files, read and written without the format's own library: no link is followed, no plug-in loaded, and every
number checked.

`source` bounds what a file may ask for · `headers` the messages that describe an object · `types` its elements and
shape · `storage` where an array lies · `groups` what lies in which group · `writing` the way back.

Why not h5py: docs/decisions/0011.
"""

from striate.interop.hdf5.groups import MAGIC, Group, parse_hdf5, read_hdf5
from striate.interop.hdf5.storage import Dataset
from striate.interop.hdf5.writing import Folder, write_hdf5

__all__ = ["MAGIC", "Dataset", "Folder", "Group", "parse_hdf5", "read_hdf5", "write_hdf5"]
