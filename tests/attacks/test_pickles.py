"""R3: pickles that run code elsewhere, or that are made to hang or fill the memory, end in our error."""

import pickle as real_pickle
import subprocess
import sys

import numpy as np
import pytest

from tests.attacks.harness import LIMIT_SECONDS, attack, refused
from tests.attacks.pickling import (
    ARRAY,
    TENSOR,
    array,
    call,
    content,
    dict_of,
    dtype,
    list_of,
    name,
    pickled,
    storage,
    tensor,
    text,
    torch_legacy,
    torch_zip,
    tuple_of,
    whole,
)

READER = "striate.interop.states:read_state"
MILLION = 1_000_000


def python(canary: str) -> bytes:
    """Source that leaves the canary."""
    return text(f"open({canary!r}, 'w').close()")


def shell(canary: str) -> bytes:
    return text(f"touch {canary}")


def module(which: str) -> bytes:
    return call("importlib.import_module", text(which))


class Gadget:
    def __init__(self, canary: str):
        self.canary = canary

    def __reduce__(self):
        return open, (self.canary, "w")


#: Each runs code when Python's own pickle opens it: from the path of the canary, the pickle.
CODE = {
    "reduce os.system": lambda c: pickled(call("os.system", shell(c))),
    "reduce posix.system": lambda c: pickled(call("posix.system", shell(c))),
    "reduce builtins.eval": lambda c: pickled(call("builtins.eval", python(c))),
    "reduce builtins.exec": lambda c: pickled(call("builtins.exec", python(c))),
    "reduce __builtin__.eval, as Python 2 called it": lambda c: pickled(call("__builtin__.eval", python(c)), 2),
    "reduce io.open": lambda c: pickled(call("io.open", text(c), text("w"))),
    "reduce subprocess.check_output": lambda c: pickled(
        call("subprocess.check_output", list_of(text("touch"), text(c)))
    ),
    "reduce subprocess.Popen": lambda c: pickled(call("subprocess.run", list_of(text("touch"), text(c)))),
    "reduce runpy._run_code": lambda c: pickled(
        call("runpy._run_code", call("builtins.compile", python(c), text("x"), text("exec")), b"}")
    ),
    "reduce cProfile.runctx": lambda c: pickled(call("cProfile.runctx", python(c), b"}", b"}")),
    "reduce timeit.timeit": lambda c: pickled(
        call("timeit.timeit", python(c), text("pass"), name("time.time"), whole(1))
    ),
    "reduce pathlib, through a method": lambda c: pickled(
        call("pathlib.PosixPath.touch", call("pathlib.PosixPath", text(c)))
    ).replace(b"cpathlib.PosixPath\ntouch\n", b"cpathlib\nPosixPath.touch\n"),
    "reduce functools.partial": lambda c: pickled(call(call("functools.partial", name("os.system")), shell(c))),
    "reduce operator.attrgetter": lambda c: pickled(
        call(call(call("operator.attrgetter", text("system")), module("os")), shell(c))
    ),
    "reduce operator.methodcaller": lambda c: pickled(
        call(call("operator.methodcaller", text("system"), shell(c)), module("os"))
    ),
    "a chain of getattr": lambda c: pickled(call(call("builtins.getattr", module("os"), text("system")), shell(c))),
    "pickle.loads of a pickle inside": lambda c: pickled(
        call("_pickle.loads", content(pickled(call("os.system", shell(c)))))
    ),
    "numpy's runstring, which lists of forbidden names lacked": lambda c: pickled(
        call("numpy.testing._private.utils.runstring", python(c), b"}")
    ),
    "a dotted name of STACK_GLOBAL": lambda c: pickled(call(text("posixpath") + text("os.system") + b"\x93", shell(c))),
    "a dotted name under an allowed module": lambda c: pickled(
        call(text("numpy") + text("lib._npyio_impl.os.system") + b"\x93", shell(c))
    ),
    "a name put together from the memo": lambda c: pickled(
        text("collections") + b"q\x000" + text("os") + b"q\x000h\x00" + text("system") + b"\x93" + shell(c) + b"\x85R"
    ),
    "an allowed name overwritten in the memo": lambda c: pickled(
        name("collections.OrderedDict") + b"q\x000" + name("os.system") + b"q\x000h\x00" + shell(c) + b"\x85R"
    ),
    "INST": lambda c: pickled(b"(" + shell(c) + b"ios\nsystem\n"),
    "OBJ": lambda c: pickled(b"(" + name("os.system") + shell(c) + b"o"),
    "INST in protocol 0": lambda c: f"(S'touch {c}'\nios\nsystem\n.".encode(),
    "REDUCE in protocol 0": lambda c: f"cos\nsystem\n(S'touch {c}'\ntR.".encode(),
    "NEWOBJ of a class that opens a file": lambda c: pickled(
        name("io.FileIO") + b")\x81" + b"0" + call("io.FileIO", text(c), text("w"))
    ),
    "BUILD with a __setstate__ that BUILD had set": lambda c: pickled(
        name("argparse.Namespace") + b")\x81" + dict_of(__setstate__=name("os.system")) + b"b" + shell(c) + b"b"
    ),
    "after an innocent array": lambda c: pickled(list_of(ARRAY, call("os.system", shell(c)))),
    "dropped from the stack at once": lambda c: pickled(call("os.system", shell(c)) + b"0" + list_of(ARRAY)),
    "as a key": lambda c: pickled(b"}" + call("os.system", shell(c)) + ARRAY + b"s"),
    "as an array's element": lambda c: real_pickle.dumps([np.array([Gadget(c)], object)]),
    "as an array's element, protocol 2": lambda c: real_pickle.dumps([np.array([Gadget(c)], object)], 2),
    "as an argument of an allowed name": lambda c: pickled(
        call("collections.OrderedDict", list_of(tuple_of(call("os.system", shell(c)), b"N")))
    ),
}

#: Names that run code, read files, or load what does; each is called with a path.
NAMES = """
    os.popen os.execv os.spawnl os.remove os.open nt.system posix.execv builtins.open builtins.__import__
    builtins.getattr
    builtins.compile builtins.input builtins.breakpoint builtins.vars builtins.type builtins.map builtins.apply
    __builtin__.exec __builtin__.file __builtin__.execfile sys.modules sys.setprofile commands.getoutput popen2.popen2
    subprocess.call subprocess.getoutput pty.spawn shutil.rmtree shutil.copyfile socket.create_connection
    socket.socket webbrowser.open urllib.request.urlopen http.client.HTTPSConnection ftplib.FTP smtplib.SMTP
    importlib.import_module importlib.reload imp.load_source runpy.run_path runpy.run_module code.interact
    code.InteractiveInterpreter codeop.compile_command pdb.run bdb.Bdb.run profile.run trace.Trace.run
    doctest.debug_script
    pydoc.locate pydoc.pipepager ensurepip._run_pip pip.main pip._internal.main venv.create distutils.spawn.spawn
    types.CodeType types.FunctionType functools.reduce functools.partial operator.itemgetter marshal.loads pickle.loads
    pickle.load _pickle.Unpickler copyreg._reconstructor copyreg.add_extension copy_reg._reconstructor shelve.open
    ctypes.CDLL ctypes.cdll.LoadLibrary multiprocessing.util.spawnv_passfds asyncio.create_subprocess_shell
    logging.config.fileConfig sqlite3.connect linecache.getline fileinput.input pathlib.Path tempfile.mktemp glob.glob
    zipfile.ZipFile tarfile.open atexit.register signal.signal threading.Thread idlelib.run.Executive.runcode
    lib2to3.pgen2.grammar.Grammar.loads __main__.main joblib.load dill.loads cloudpickle.loads yaml.load pandas.eval
    numpy.load numpy.loadtxt numpy.fromfile numpy.memmap numpy.f2py.compile numpy.matrix numpy.void numpy.object_
    numpy.ma.core._mareconstruct numpy.core.records.fromfile numpy._core.multiarray.fromfile numpy.lib.npyio.NpzFile
    numpy.core.numeric.load numpy.distutils.exec_command.exec_command numpy.random._pickle.__randomstate_ctor
    torch.load torch.save torch.hub.load torch.jit.load torch.ops.load_library torch.classes.load_library
    torch.serialization.load torch.utils.cpp_extension.load torch.utils.bottleneck.__main__.run_autograd_prof
    torch.jit.unsupported_tensor_ops.execWrapper torch.utils._config_module.load_config torch.fx.graph_module._exec
    torch.fx.graph_module.reduce_graph_module torch.package.PackageImporter torch.distributed.rpc.rpc_sync
    torch._utils._rebuild_sparse_tensor torch._utils._rebuild_device_tensor_from_numpy torch._utils._import_dotted_name
    torch._tensor._rebuild_from_type_v2 torch.nn.modules.container.Sequential torch.nn.parameter.Parameter
    torchvision.models.resnet.ResNet models.common.Conv collections.defaultdict collections.namedtuple
""".split()  # noqa: SIM905

#: What begins like something allowed, and is nothing.
WRONG_USE = {
    "a number as the name's module": whole(1) + text("system") + b"\x93",
    "bytes as the name": text("os") + content(b"system") + b"\x93",
    "a tuple as the name": text("os") + tuple_of(text("system")) + b"\x93",
    "a name with spaces around it": b"c collections\n OrderedDict\n)R",
    "a name with a carriage return": b"ccollections\r\nOrderedDict\n)R",
    "an empty name": b"c\n\n)R",
    "a name in bad UTF-8": b"cos\xff\nsystem\n)R",
    "REDUCE of a text": call(text("os.system"), text("true")),
    "REDUCE of a type": call("torch.FloatStorage", whole(4)),
    "REDUCE of a marker": call("numpy.ndarray", tuple_of(whole(4))),
    "REDUCE of a tensor": call(ARRAY, whole(4)),
    "REDUCE with a list of arguments": name("collections.OrderedDict") + b"]R",
    "REDUCE with too many arguments": call("collections.OrderedDict", b"}", b"}"),
    "REDUCE of a dictionary from text": call("collections.OrderedDict", text("ab")),
    "BUILD of a name": name("collections.OrderedDict") + b"}b",
    "BUILD of a list": b"]}b",
    "BUILD of a dictionary with a tuple": b"}" + tuple_of(b"N", b"}") + b"b",
    "BUILD of an array with a dictionary": array(b"", (), b"", dict_of(__class__=text("x"))),
    "an encoding that is code": call("_codecs.encode", text("x"), text("rot13")),
    "an encoding of bytes": call("_codecs.encode", content(b"x"), text("latin1")),
    "bytes of a number": call("__builtin__.bytes", whole(1 << 40)),
    "a size of texts": call("torch.Size", tuple_of(text("x"))),
    "a size of a list": call("torch.Size", list_of(whole(1))),
    "a device without a name": call("torch.device", whole(1)),
    "a parameter of an array": call("torch._utils._rebuild_parameter", ARRAY, b"\x89", b"}"),
    "a tensor without a storage": call("torch._utils._rebuild_tensor_v2", ARRAY, whole(0), b")", b")", b"\x89", b"}"),
    "EXT1": b"\x82\x01",
    "EXT2": b"\x83\x01\0",
    "EXT4": b"\x84\x01\0\0\0",
    "NEWOBJ": name("collections.OrderedDict") + b")\x81",
    "NEWOBJ_EX": name("collections.OrderedDict") + b")}\x92",
    "PERSID": b"P0\n",
    "EMPTY_SET": b"\x8f",
    "FROZENSET": b"(\x91",
    "ADDITEMS": b"\x8f(N\x90",
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": content(b"x") + b"\x98",
}

ARRAYS = {
    **{f"the type {code[:20]!r}": list_of(array(dtype(code), (1,), bytes(8))) for code in (
        "O", "O8", "|O", "V8", "S8", "U2", "M8[ns]", "m8", "f4,f4", "(2,)f4", "(1000000000,)f4",
        "{'names': []}", "void",
        "float32", " f4", "f4\n", "f4\0", "f3", "f16", "i16", "<f4", "f4" * 1000, "", "ɟ4", "b2", "?",
    )},
    "a type with fields": list_of(array(dtype("V8", tuple_of(whole(3), text("|"), b"N", tuple_of(text("x")), dict_of(
        x=tuple_of(dtype("O8"), whole(0))), whole(8), whole(1), whole(16))), (1,), bytes(8))),
    "a type with a smaller type in it": list_of(array(dtype("f4", tuple_of(whole(3), text("<"), tuple_of(
        dtype("f4"), tuple_of(whole(10**9))), b"N", b"N", whole(-1), whole(-1), whole(0))), (1,), bytes(4))),
    "a type with a strange order": list_of(array(dtype("f4", tuple_of(whole(3), text("x"), b"N", b"N", b"N", whole(-1),
        whole(-1), whole(0))), (1,), bytes(4))),
    "a type of another kind": list_of(array(text("f4"), (1,), bytes(4))),
    "a type from a number": call("numpy.dtype", whole(5), b"\x89", b"\x88"),
    "fewer bytes than the shape says": list_of(array(dtype("f4"), (2,), bytes(4))),
    "more bytes than the shape says": list_of(array(dtype("f4"), (2,), bytes(12))),
    "a shape of a terabyte": list_of(array(dtype("f4"), (1 << 20, 1 << 18), bytes(4))),
    "a shape that overflows": list_of(array(dtype("f4"), (1 << 32, 1 << 32, 1 << 32), bytes(4))),
    "an empty shape that overflows": list_of(array(dtype("f4"), (0, 1 << 62, 1 << 62), b"")),
    "a negative shape": list_of(array(dtype("f4"), (-1, -1), bytes(4))),
    "a shape of text": list_of(array(b"", (), b"", tuple_of(whole(1), tuple_of(text("1")), dtype("f4"), b"\x89",
        content(bytes(4))))),
    "a thousand dimensions": list_of(array(dtype("f4"), (1,) * 1000, bytes(4))),
    "a list as content": list_of(array(b"", (), b"", tuple_of(whole(1), tuple_of(whole(1)), dtype("O8"), b"\x89",
        list_of(b"N")))),
    "text that does not encode bytes": list_of(array(b"", (), b"", tuple_of(whole(1), tuple_of(whole(1)), dtype("u1"),
        b"\x89", text("€")))),
    "a subclass of arrays": list_of(call("numpy._core.multiarray._reconstruct", name("collections.OrderedDict"),
        tuple_of(whole(0)), content(b"b"))),
    "an array that reserves memory": list_of(call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"),
        tuple_of(whole(1 << 40)), content(b"b"))),
    "a scalar of objects": call("numpy._core.multiarray.scalar", dtype("O8"), content(bytes(8))),
    "a scalar of the wrong length": call("numpy._core.multiarray.scalar", dtype("f4"), content(bytes(8))),
    "a buffer in a strange order": call("numpy._core.numeric._frombuffer", content(bytes(4)), dtype("f4"),
        tuple_of(whole(1)), text("K")),
    "a buffer of a path": call("numpy._core.numeric._frombuffer", text("/etc/passwd"), dtype("u1"),
        tuple_of(whole(11)), text("C")),
}  # fmt: skip

LAUGHS = list_of(ARRAY) + b"q\x01" + b"".join(b"0(" + b"h\x01" * 10 + b"lq\x01" for _ in range(25))
LONG_NAMES = list_of(ARRAY) + b"q\x01" + b"".join(
    b"0}q\x01" + text("x" * 400) + b"h\x01s" + b"q\x01" for _ in range(3)
)  # fmt: skip

#: Files, not values: the whole pickle.
STREAMS = {
    "nothing after the protocol": b"\x80\x04",
    "STOP missing": b"\x80\x04" + list_of(ARRAY),
    "cut in a number": pickled(list_of(ARRAY))[:-30],
    "a second pickle behind": pickled(list_of(ARRAY)) + pickled(call("os.system", text("true"))),
    "bytes behind": pickled(list_of(ARRAY)) + b"\0" * 100,
    "STOP without a value": pickled(b""),
    "STOP with two values": pickled(b"NN"),
    "STOP above a mark": pickled(b"(" + list_of(ARRAY)),
    "no array": pickled(list_of(b"N")),
    "a protocol to come": pickled(list_of(ARRAY), 6),
    "a protocol inside": pickled(b"\x80\xff" + list_of(ARRAY)),
    "an unknown opcode": pickled(b"\xff"),
    "a zero byte": pickled(b"\0"),
    "APPEND to a tuple": pickled(b")" + ARRAY + b"a"),
    "APPENDS to nothing": pickled(b"(" + ARRAY + b"e"),
    "SETITEM of a list": pickled(b"]NNs"),
    "SETITEMS of an odd number": pickled(b"}(NNNu"),
    "POP of nothing": pickled(b"0"),
    "POP_MARK of nothing": pickled(b"1"),
    "TUPLE without a mark": pickled(b"Nt"),
    "TUPLE3 of two": pickled(b"NN\x87"),
    "DUP of nothing": pickled(b"2"),
    "MEMOIZE of nothing": pickled(b"\x94"),
    "GET of what was never put": pickled(b"h\x07"),
    "GET of a text": pickled(b"gx\n"),
    "PUT at a negative place": pickled(b"Np-1\n"),
    "PUT at a text": pickled(b"Npx\n"),
    "LONG_BINGET of nothing": pickled(b"j\xff\xff\xff\xff"),
    "REDUCE of nothing": pickled(b"R"),
    "BUILD of nothing": pickled(b"b"),
    "STACK_GLOBAL of nothing": pickled(b"\x93"),
    "INT of code": b"(I__import__('os')\nl.",
    "INT with underscores": b"(I1_0\nl.",
    "INT with other digits": "(I١\nl.".encode(),
    "INT of a million digits": b"(I" + b"9" * MILLION + b"\nl.",
    "INT without an end": b"(I1",
    "LONG of ten thousand digits": b"(L" + b"9" * 10_000 + b"L\nl.",
    "LONG1 of 255 bytes": pickled(b"\x8a\xff" + b"\x7f" * 255),
    "LONG4 of a million bytes": pickled(b"\x8b" + MILLION.to_bytes(4, "little") + b"\x7f" * MILLION),
    "LONG4 of a negative number of bytes": pickled(b"\x8b\xff\xff\xff\xff"),
    "FLOAT of code": b"(F__import__('os')\nl.",
    "FLOAT of a million digits": b"(F" + b"9" * MILLION + b"\nl.",
    "STRING without quotes": b"(S__import__\nl.",
    "STRING with one quote": b"(S'\nl.",
    "STRING with two kinds of quotes": b"(S'a\"\nl.",
    "STRING with half an escape": rb"(S'\x1'" + b"\nl.",
    "STRING that ends in an escape": rb"(S'\'" + b"\nl.",
    "UNICODE with an escape out of range": rb"(V\Uffffffff" + b"\nl.",
    "BINSTRING of 4 GiB": pickled(b"T\xff\xff\xff\xff"),
    "BINUNICODE of 4 GiB": pickled(b"X\xff\xff\xff\xff"),
    "BINUNICODE8 of 8 EiB": pickled(b"\x8d" + b"\xff" * 7 + b"\x7f"),
    "BINUNICODE in bad UTF-8": pickled(b"X\x02\0\0\0\xc3\x28"),
    "BINUNICODE of half a pair": pickled(b"X\x03\0\0\0\xed\xa0\x80"),
    "BINBYTES8 of a terabyte": pickled(b"\x8e" + (1 << 40).to_bytes(8, "little")),
    "BYTEARRAY8 of a terabyte": pickled(b"\x96" + (1 << 40).to_bytes(8, "little")),
    "FRAME of an exabyte": pickled(b"\x95" + (1 << 60).to_bytes(8, "little")),
    "a million marks": pickled(b"(" * MILLION),
    "half a million marks": pickled(b"(" * (MILLION // 2)),
    "half a million lists": pickled(b"(" + b"]" * (MILLION // 2) + b"l"),
    "half a million dictionaries": pickled(b"(" + b"}" * (MILLION // 2) + b"l"),
    "dictionaries of one entry": pickled(b"(" + b"}K\1Ns" * (MILLION // 9) + b"l"),
    "half a million places in the memo": pickled(b"N" + b"\x94" * (MILLION // 2)),
    "half a million copies": pickled(b"(N" + b"2" * (MILLION // 2) + b"l"),
    "a million steps that leave nothing": pickled(b"N0" * (MILLION // 2) + list_of(ARRAY)),
    "nested lists": pickled(b"(" * 100_000 + ARRAY + b"l" * 100_000),
    "nested tuples": pickled(ARRAY + b"\x85" * (MILLION // 2)),
    "nested dictionaries": pickled(b"}\x8c\x01x" * 100_000 + ARRAY + b"s" * 100_000),
    "a nested key": pickled(b"}N" + b"\x85" * 100_000 + ARRAY + b"s"),
    "a list that holds itself": pickled(b"]q\0" + ARRAY + b"ah\0a"),
    "a list that holds itself twice": pickled(b"]q\0" + b"h\0ah\0a" + ARRAY + b"a"),
    "a dictionary that holds itself": pickled(b"}q\0" + text("x") + b"h\0s"),
    "a checkpoint that holds itself": pickled(b"}q\0" + text("model") + b"h\0s"),
    "a tuple that holds itself": pickled(b"]q\0h\0\x85a"),
    "a billion laughs": pickled(LAUGHS),
    "a million names for an array": pickled(
        list_of(ARRAY + b"q\0", *([b"h\0"] * 1000)) + b"q\x010" + list_of(*([b"h\x01"] * 1000))
    ),
    "a billion laughs without an array": pickled(LAUGHS.replace(ARRAY, b"N")),
    "a name of a thousand characters": pickled(LONG_NAMES),
    "a key of a million characters": pickled(b"}" + text("x" * MILLION) + ARRAY + b"s"),
    "two arrays of one name": pickled(b"}(K\x01" + ARRAY + text("1") + ARRAY + b"u"),
    "a name that moves the cursor": pickled(dict_of(**{"\x1b[2J": ARRAY})),
    "a key that is a number with a fraction": pickled(b"}G" + bytes(8) + ARRAY + b"s"),
    "a key that is a list": pickled(b"}]" + ARRAY + b"s"),
    "a key that is bytes": pickled(b"}" + content(b"x") + ARRAY + b"s"),
    "keys that all have one hash": pickled(
        b"}(" + b"".join(whole(i * ((1 << 61) - 1)) + b"N" for i in range(100_000)) + b"u"
    ),
    "a dictionary that is copied again and again": pickled(
        list_of(*([tuple_of(whole(1), b"N")] * 50_000)) + b"q\0"
        + (name("collections.OrderedDict") + b"h\0\x85R0") * 1000
    ),
}  # fmt: skip

#: Tensors and where they claim to be; the storage has 4 elements.
TENSORS = {
    "from beyond its storage": tensor(storage(), 5, (1,), (1,)),
    "over its storage's end": tensor(storage(), 1, (4,), (1,)),
    "over its storage's end by strides": tensor(storage(), 0, (2, 2), (3, 1)),
    "from before its storage": tensor(storage(), -1, (2,), (1,)),
    "with a negative length": tensor(storage(), 0, (-2, -2), (1, 1)),
    "with a negative stride": tensor(storage(), 3, (4,), (-1,)),
    "with strides that overflow": tensor(storage(), 0, (2,), (1 << 62,)),
    "with lengths that overflow": tensor(storage(), 0, (1 << 32, 1 << 32), (0, 0)),
    "of a gigabyte, expanded": tensor(storage(), 0, (1 << 28,), (0,)),
    "of a petabyte, expanded": tensor(storage(), 0, (1 << 24, 1 << 24), (0, 0)),
    "empty, with lengths that overflow": tensor(storage(), 0, (0, 1 << 62, 1 << 62), (1, 1, 1)),
    "with a stride too few": tensor(storage(), 0, (2, 2), (1,)),
    "with a thousand dimensions": tensor(storage(), 0, (1,) * 1000, (1,) * 1000),
    "with a shape of text": call(
        "torch._utils._rebuild_tensor_v2", storage(), whole(0), tuple_of(text("2")), tuple_of(whole(1)), b"\x89", b"}"
    ),
    "in a storage that is not there": tensor(storage(key="7"), 0, (4,), (1,)),
    "in a storage outside": tensor(storage(key="../../data.pkl"), 0, (4,), (1,)),
    "in a storage at an absolute path": tensor(storage(key="/etc/passwd"), 0, (4,), (1,)),
    "in a storage that is longer than declared": tensor(storage(2), 0, (2,), (1,)),
    "in a storage that is shorter than declared": tensor(storage(1 << 40), 0, (4,), (1,)),
    "in a storage of another type": tensor(storage(kind="torch.DoubleStorage"), 0, (4,), (1,)),
    "in a storage with a negative length": tensor(storage(-4), 0, (0,), (1,)),
    "in a storage of a type that is none": tensor(storage(kind="collections.OrderedDict"), 0, (4,), (1,)),
    "in a storage that names code": tensor(storage(kind="os.system"), 0, (4,), (1,)),
    "in a storage that is text": tensor(text("0") + b"Q", 0, (4,), (1,)),
    "in a view of a storage": tensor(
        tuple_of(text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"), whole(4), tuple_of(text("1")))
        + b"Q", 0, (4,), (1,)
    ),
    "in a module with source": tuple_of(text("module"), name("torch.Size"), text("x.py"), text("source")) + b"Q",
    "of half an element": call(
        "torch._utils._rebuild_tensor_v3", storage(3, kind="torch.storage.UntypedStorage"), whole(0),
        tuple_of(whole(2)), tuple_of(whole(1)), b"\x89", b"}", name("torch.uint16")
    ),
    "of two types in one storage": list_of(TENSOR, tensor(storage(2, kind="torch.LongStorage"), 0, (2,), (1,))),
    "expanded, many times": list_of(
        tensor(storage(), 0, (1 << 20,), (0,)) + b"q\0", *([b"h\0"] * 20)
    ),
}  # fmt: skip

LEGACY = {
    "cut in a storage": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (4, bytes(15))}),
    "bytes behind": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (4, bytes(17))}),
    "a storage of another length": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (3, bytes(12))}),
    "a storage of a negative length": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (-1, bytes(16))}),
    "a storage without a tensor": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (4, bytes(16)), "1": (1, bytes(4))}),
    "a tensor without a storage": torch_legacy(pickled(list_of(TENSOR), 2)),
    "two types for one storage": torch_legacy(
        pickled(list_of(TENSOR, tensor(storage(2, kind="torch.DoubleStorage"), 0, (2,), (1,))), 2),
        {"0": (4, bytes(16))},
    ),
    "another version": torch_legacy(pickled(list_of(TENSOR), 2), {"0": (4, bytes(16))}, 1000),
    "the magic number alone": torch_legacy(b"")[:15],
    "code among the keys": torch_legacy(pickled(list_of(TENSOR), 2)).removesuffix(pickled(list_of(), 2))
    + pickled(call("os.system", text("true")), 2),
    "endless facts": torch_legacy(b"", facts=pickled(b"]0" * 250_000 + b"N", 2)),
    "code instead of the version": torch_legacy(b"")[:15] + pickled(call("os.system", text("true")), 2),
}

VALUES = {f"reduce {dotted}": call(dotted, text("/etc/passwd")) for dotted in NAMES} | WRONG_USE | ARRAYS
CONTAINERS = {"pickle": lambda pickle: pickle, "zip": torch_zip, "legacy": torch_legacy}
#: Every `pytest` tries the newest files, CI all.
KINDS = ["zip", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("pickle", "legacy"))]


def test_every_class_has_its_cases():
    classes = (CODE, NAMES, WRONG_USE, ARRAYS, STREAMS, TENSORS, LEGACY)
    assert [len(cases) for cases in classes] == [34, 133, 37, 47, 85, 29, 12]


@pytest.mark.parametrize("container", KINDS)
@pytest.mark.parametrize("case", CODE)
def test_R3_code_in_pickles_is_not_run(tmp_path, container, case):
    (tmp_path / "in").mkdir()
    file, canary = tmp_path / "in" / "file", tmp_path / "canary"
    file.write_bytes(CONTAINERS[container](CODE[case](str(canary))))
    refused(READER, file)
    assert not canary.exists()


def test_that_code_is_run_by_pythons_own_pickle(tmp_path):
    """Or the test above would show nothing."""
    for number, payload in enumerate(CODE.values()):
        (tmp_path / f"{number}.pkl").write_bytes(payload(str(tmp_path / f"{number}.canary")))
    opener = """
import pickle, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
for path in Path(sys.argv[1]).glob("*.pkl"):
    try:
        pickle.loads(path.read_bytes())
    except Exception as error:
        print(path, type(error), error)
"""
    done = subprocess.run([sys.executable, "-c", opener, tmp_path], capture_output=True, text=True, check=False)
    missing = [case for number, case in enumerate(CODE) if not (tmp_path / f"{number}.canary").exists()]
    assert not missing, done.stdout


@pytest.mark.parametrize("case", VALUES)
def test_R3_pickles_hold_nothing_but_plain_data(tmp_path, case):
    file = tmp_path / "file"
    file.write_bytes(pickled(VALUES[case]))
    refused(READER, file)


@pytest.mark.parametrize("container", KINDS)
@pytest.mark.parametrize("case", STREAMS)
def test_R3_pickles_that_are_damaged_or_endless(tmp_path, container, case):
    file = tmp_path / "file"
    file.write_bytes(CONTAINERS[container](STREAMS[case]))
    refused(READER, file)


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("case", TENSORS)
def test_R3_tensors_stay_in_their_storages(tmp_path, container, case):
    file, pickle = tmp_path / "file", pickled(list_of(TENSORS[case]))
    storages = {
        "zip": lambda: torch_zip(pickle, {"0": bytes(16)}),
        "legacy": lambda: torch_legacy(pickle, {"0": (4, bytes(16))}),
    }
    file.write_bytes(storages[container]())
    refused(READER, file)


@pytest.mark.parametrize("case", LEGACY)
def test_R3_the_old_format(tmp_path, case):
    file = tmp_path / "file"
    file.write_bytes(LEGACY[case])
    refused(READER, file)


@pytest.mark.parametrize("kind", ["BFloat16", "Float"])
@pytest.mark.parametrize("order", [b"little", b"big"])
def test_R3_many_small_tensors_in_a_large_storage_cost_little(tmp_path, order, kind):
    size = 16 << 20
    count = size // (2 if kind == "BFloat16" else 4)
    small = tensor(storage(count, kind=f"torch.{kind}Storage"), 3, (1,), (1,))
    for file, made in {
        "zip": torch_zip(pickled(list_of(small, *[b"2"] * 20_000)), {"0": bytes(size)}, byteorder=order),
        "legacy": torch_legacy(pickled(list_of(small, *[b"2"] * 20_000), 2), {"0": (count, bytes(size))}),
    }.items():
        (tmp_path / file).write_bytes(made)
        outcome = attack(READER, tmp_path / file)
        assert outcome.error == "", outcome
        assert outcome.seconds < LIMIT_SECONDS
        assert outcome.memory < 4 * size


def test_innocent_files_made_in_the_same_way_are_opened(tmp_path):
    file = tmp_path / "file"
    for innocent in (
        pickled(list_of(ARRAY)),
        torch_zip(pickled(list_of(TENSOR)), {"0": bytes(16)}),
        torch_legacy(pickled(list_of(TENSOR), 2), {"0": (4, bytes(16))}),
    ):
        file.write_bytes(innocent)
        outcome = attack(READER, file)
        assert (outcome.error, outcome.events) == ("", ()), outcome
