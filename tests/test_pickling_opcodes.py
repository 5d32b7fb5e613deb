"""Pickles written opcode by opcode: every way in which one can name or call something."""

import copyreg
import pickle
import struct
import sys

import pytest

from stream.core.errors import CheckpointError
from stream.state.pickling import AllowList, allow_list_of, dumps, loads

ALLOWED = allow_list_of()


def text(value: str) -> bytes:
    encoded = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + pickle.STACK_GLOBAL


def called(function: bytes, *args: bytes) -> bytes:
    return function + pickle.MARK + b"".join(args) + pickle.TUPLE + pickle.REDUCE


def whole(body: bytes, protocol: int = 5) -> bytes:
    return pickle.PROTO + bytes([protocol]) + body + pickle.STOP


SYSTEM = named("os", "system")

# Each is given the shell command to run.
ATTACKS = {
    "reduce": lambda command: called(SYSTEM, command),
    "reduce, name by lines": lambda command: called(pickle.GLOBAL + b"os\nsystem\n", command),
    "instance": lambda command: pickle.MARK + command + pickle.INST + b"os\nsystem\n",
    "object": lambda command: pickle.MARK + SYSTEM + command + pickle.OBJ,
    "new object": lambda command: (
        named("subprocess", "Popen") + pickle.MARK + command + pickle.TUPLE + pickle.NEWOBJ
    ),
    "new object with keywords": lambda command: (
        named("subprocess", "Popen") + pickle.EMPTY_TUPLE + pickle.EMPTY_DICT + pickle.NEWOBJ_EX
    ),
    "state": lambda command: (
        called(named("collections", "OrderedDict"))
        + pickle.EMPTY_DICT + text("hook") + SYSTEM + pickle.SETITEM + pickle.BUILD
    ),
    "partial": lambda command: called(
        called(named("functools", "partial"), SYSTEM, command)
    ),
    "default of a dictionary": lambda command: called(
        named("collections", "defaultdict"), named("builtins", "input")
    ),
    "iteration until": lambda command: called(
        named("builtins", "list"), called(named("builtins", "iter"), SYSTEM, command)
    ),
    "method": lambda command: called(called(named("stream.state.pickling", "bound"),
                                            SYSTEM, command)),
    "memo": lambda command: called(
        SYSTEM + pickle.BINPUT + b"\x05" + pickle.POP + pickle.BINGET + b"\x05", command
    ),
    "walk to another module": lambda command: called(
        named("river.base.base", "inspect.os.system"), command
    ),
    "walk from a class": lambda command: called(
        named("collections", "deque.__init__.__globals__"), command
    ),
    "persistent id": lambda command: command + pickle.BINPERSID,
    "persistent id, by line": lambda command: pickle.PERSID + b"os.system\n",
    "extension": lambda command: pickle.EXT1 + b"\xf1",
    "extension of two bytes": lambda command: pickle.EXT2 + b"\x00\x10",
    "extension of four bytes": lambda command: pickle.EXT4 + b"\x00\x10\x00\x00",
    "buffer out of band": lambda command: pickle.NEXT_BUFFER,
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_no_opcode_gets_round_the_list(attack, protocol, tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(CheckpointError):
        loads(whole(attack(text(f"touch {trace}")), protocol), ALLOWED)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["reduce", "instance", "object", "partial", "memo"])
def test_the_attacks_are_real(name, tmp_path):
    trace = tmp_path / "trace"
    pickle.loads(whole(ATTACKS[name](text(f"touch {trace}"))))
    assert trace.exists()


def test_an_extension_that_a_library_registered_is_looked_up_on_the_list(tmp_path):
    copyreg.add_extension("os", "system", 240)
    try:
        command = text(f"touch {tmp_path / 'trace'}")
        with pytest.raises(CheckpointError, match=r"os\.system"):
            loads(whole(called(pickle.EXT1 + bytes([240]), command)), ALLOWED)
    finally:
        copyreg.remove_extension("os", "system", 240)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["__builtin__", "copy_reg", "commands", "itertools"])
def test_names_of_python_2_are_refused_as_they_stand(module):
    with pytest.raises(CheckpointError, match=f"names {module}.eval"):
        loads(whole(named(module, "eval"), 2), ALLOWED)


def test_nothing_is_imported_on_the_way():
    with pytest.raises(CheckpointError):
        loads(whole(named("antigravity", "webbrowser")), ALLOWED)
    assert "antigravity" not in sys.modules


def test_without_a_list_only_plain_values_load():
    plain = [1, "a", None, 2.5, b"x", (True, {1}), {"k": [frozenset({1})]}]
    nothing = AllowList(frozenset())
    assert loads(dumps(plain), nothing) == plain
    with pytest.raises(CheckpointError, match=r"builtins\.complex"):
        loads(dumps(1j), nothing)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        pickle.POP,
        pickle.BINGET + b"\x07",
        pickle.REDUCE,
        pickle.NONE + pickle.EMPTY_TUPLE + pickle.REDUCE,
        called(named("collections", "deque"), pickle.NONE),
        called(named("fractions", "Fraction"), pickle.BININT1 + b"\1", pickle.BININT1 + b"\0"),
        named("builtins", "object") + pickle.EMPTY_DICT + text("a") + text("b")
        + pickle.SETITEM + pickle.BUILD,
        pickle.BINUNICODE + struct.pack("<I", 2**31) + b"short",
        called(named("stream.state.pickling", "grown"), named("collections", "deque"),
               pickle.EMPTY_LIST, pickle.EMPTY_LIST),
    ],
    ids=["empty", "pop", "memo", "reduce", "call of nothing", "wrong type", "division by zero",
         "state of a class", "short text", "no search tree"],
)  # fmt: skip
def test_whatever_goes_wrong_is_one_kind_of_error(body):
    with pytest.raises(CheckpointError, match="cannot be read"):
        loads(whole(body), ALLOWED)
