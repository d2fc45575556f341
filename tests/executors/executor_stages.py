"""Stages and classes as a user would write them, for the tests that send them to workers."""

from __future__ import annotations

import ctypes
import enum
import functools
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from milepost.kernel.context import current
from milepost.kernel.handles import Run, Stage

FACTOR = 10
TABLE = {"a": 1}
UNUSED = threading.Thread()  # nobody mentions it
lock = threading.Lock()
guard = threading.Condition()
local = threading.local()
log = logging.getLogger("stages")
connection = sqlite3.connect(":memory:", check_same_thread=False)
connection.close()
counter = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2

    def shout(self):
        return self.name + "!"


@dataclass
class Row:
    name: str
    tags: list = field(default_factory=list)

    def label(self):
        return f"{self.name}/{FACTOR}"


@dataclass(order=True)
class Wide(Row):
    pass


class Point(NamedTuple):
    x: int
    y: int = 0


Pair = namedtuple("Pair", "left right")


class Counted(type):
    def __new__(mcls, name, bases, namespace):
        made = super().__new__(mcls, name, bases, namespace)
        made.made_by = mcls.__name__
        return made


class Slotted(metaclass=Counted):
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def doubled(self):
        return self.value * 2


class Animal:
    kinds = []

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        Animal.kinds.append(cls.__name__)

    def __init__(self, name):
        self.name = name

    def sound(self):
        return f"{self.name}:"

    @property
    def loud(self):
        return self.sound().upper()

    @classmethod
    def named(cls, name):
        return cls(name)

    @staticmethod
    def legs():
        return 4


class Dog(Animal):
    def sound(self):
        return super().sound() + "wau"


@functools.lru_cache(maxsize=10)
def cached(n):
    return n * FACTOR


@functools.singledispatch
def dispatched(value):
    return "any"


@dispatched.register
def _(value: int):
    return "int"


class Parcel(msgspec.Struct, frozen=True, tag=True):
    weight: float
    marks: list = []
    label: str = msgspec.field(default="none", name="Label")

    def heavy(self):
        return self.weight > FACTOR


class Express(Parcel, kw_only=True):
    hours: int = 24

    def heavy(self):
        return [super().heavy(), self.hours]


def structs(x):
    first, second = Parcel(11), Parcel(1)
    first.marks.append(1)
    return [first.heavy(), second.marks, msgspec.json.encode(second).decode(), Express(1, hours=2).heavy()]


def make_adder(n):
    def add(x):
        return x + n

    return add


def make_counter():
    count = 0

    def up(x):
        nonlocal count
        count += 1
        return count

    return up


plus_five = make_adder(5)
half = functools.partial(pow, 2)


def double(x):
    return 2 * x


def scaled(x):
    global counter
    counter += 1
    with lock, guard:
        return x * FACTOR


def read_counter(x):
    return counter


def everything(x):
    log.debug("seen")
    local.seen = True
    dog = Dog.named("Rex")
    return [
        cached(2), dispatched(1), plus_five(1), half(3), dog.loud, dog.legs(), Colour.RED.shout(), TABLE["a"],
        Row("a").label(), Wide("b") == Wide("b"), Slotted(4).doubled(), Slotted.made_by, Point(1).y, Pair(1, 2).right,
    ]  # fmt: skip


def classes_there_and_back(x):
    """Takes what the session made, gives what the worker made."""
    assert isinstance(x["row"], Row), type(x["row"])
    assert isinstance(x["dog"], Dog)
    assert x["colour"] is Colour.BLUE
    assert x["slotted"].doubled() == 6
    return {"row": Row(x["row"].name + "!"), "colour": Colour.RED, "point": Point(3), "call": x["call"](1)}


def use_connection(x):
    return connection.execute("select 1").fetchone()


def nothing_of(x):
    return None


def context_now(x):
    context = current.get()
    return [context.run_name, context.stage, context.item, context.attempt]


def with_handles(run: Run, stage: Stage):
    stage.progress(1, 4, "begun")
    stage.log("hello")
    return [run.name, stage.name]


def where(x):
    import helpers_on_path

    return [os.getcwd(), helpers_on_path.VALUE, os.getpid(), sys.argv[0]]


def pid(x):
    return os.getpid()


def kill_on(x):
    if x == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if x == "exit":
        os._exit(3)
    if x == "segfault":
        ctypes.string_at(0)
    if x == "hang":
        time.sleep(600)
    if x == "leave":
        sys.exit(7)
    return x


def slow(x):
    time.sleep(x)
    return x


def hang_whole():
    time.sleep(600)


def polite(x, stage: Stage):
    while True:
        time.sleep(0.01)
        stage.check()


def swallow(x, stage: Stage):
    while True:
        try:
            time.sleep(0.01)
            stage.check()
        except Exception:
            pass


def spin(x):
    with open(x, "w") as file:
        file.write(str(os.getpid()))
    while True:
        pass


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__("odd")
        self.lock = threading.Lock()

    def __str__(self):
        raise RuntimeError("no text")


class Awkward(Exception):
    def __init__(self, one, *, code):
        super().__init__(f"awkward {one}")
        self.code = code


def raise_odd(x):
    if x == "odd":
        raise Odd(1, 2)
    if x == "awkward":
        raise Awkward(1, code=2)
    if x == "surrogate":
        raise ValueError("\ud800")
    raise ValueError("simple")


def generator_result():
    return (n for n in range(3))


def unencodable(x=None):
    return threading.Lock()


def logs(x):
    logging.getLogger("sales").info("row %s", x)
    return x


def prints(x):
    print(f"out {x}")
    print(f"err {x}", file=sys.stderr)
    os.write(1, b"raw\n")
    return x


async def async_item(x):
    import asyncio

    await asyncio.sleep(0.05)
    return [x, current.get().item]


async def async_hang(x):
    import asyncio

    await asyncio.sleep(600 if x == "hang" else 0)
    return x


ARRAY = np.array([1, 2, 3])


def with_numpy():
    return int(np.sum(ARRAY))
