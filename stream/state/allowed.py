"""Which names a checkpoint may load: exact ones, and never one that runs something.

A pickle can call whatever it can name. So it may name the classes a learner consists of,
and the few functions by which numpy rebuilds its own objects. Nothing on the list opens,
imports, calls or looks up anything on behalf of its arguments.
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Final

import river

Name = tuple[str, str]

# Parts of River that no learner, metric or detector holds: they read and write files, or need
# packages that may be missing.
_RIVER_WITHOUT: Final = frozenset(
    f"river.{part}"
    for part in ("api", "bandit.envs", "checks", "compat", "datasets", "evaluate", "stream")
)

_PYTHON: Final = {
    "builtins": "bool bytearray bytes complex dict float frozenset int iter list max min object "
    "range set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "copy": "deepcopy",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "math": "cos exp expm1 log log10 log1p log2 sin sqrt tan tanh",
    "numbers": "Complex Integral Number Rational Real",
    "operator": "itemgetter",
    "random": "Random",
    "re": "_compile",
    "statistics": "NormalDist",
}

_NUMPY: Final = {
    "numpy": "bool dtype float32 float64 int32 int64 ndarray str_",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._generator": "Generator",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
}

# Functions that River's objects hold.
_RIVER: Final = {
    "river.metrics.mutual_info": "_average_arithmetic _average_geometric",
    "river.tree.splitter.ebst_splitter": "EBSTNode._update_estimator_multivariate "
    "EBSTNode._update_estimator_univariate",
    "river.tree.splitter.nominal_splitter_reg": "NominalSplitterReg._update_estimator_multivariate "
    "NominalSplitterReg._update_estimator_univariate",
    "river.tree.splitter.qo_splitter": "Slot._update_estimator_multivariate "
    "Slot._update_estimator_univariate",
}

# What our own pickler names in the place of Python's ways.
_OWN: Final = {"stream.state.pickling": "bound grown text_method"}

# What scikit-learn's estimators make for themselves while they learn.
_SKLEARN: Final = {
    "sklearn._loss._loss": "CyHalfBinomialLoss CyHalfSquaredError CyHuberLoss",
    "sklearn.linear_model._sgd_fast": "EpsilonInsensitive Hinge ModifiedHuber "
    "SquaredEpsilonInsensitive SquaredHinge",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.preprocessing._label": "LabelBinarizer",
}

# Libraries of which no module is opened as a whole because one class of it was met.
_BY_NAME: Final = frozenset({"learners", "numpy", "river", "scipy", "sklearn"})


@dataclass(frozen=True, slots=True)
class AllowList:
    """The names that a pickle may load.

    Attributes
    ----------
    names
        Pairs of a module and a qualified name in it.
    """

    names: frozenset[Name]


def allow_list(present: Iterable[Name]) -> AllowList:
    """Give the names that checkpoints of a learner may hold.

    Parameters
    ----------
    present
        What a fresh learner of the configuration consists of; trusted, as that is.

    Returns
    -------
    AllowList
        River's classes, what numpy and scikit-learn need, what is `present`, and, for each
        class of the user's own among it, the other classes of its module: they may turn up
        later. Of the standard library only a fixed few, whatever is present.
    """
    names = set(_always())
    for module, name in present:
        root = module.partition(".")[0]
        if root in sys.stdlib_module_names:
            continue
        names.add((module, name))
        if root not in _BY_NAME:
            names.update(_own_classes(sys.modules[module]))
    return AllowList(frozenset(names))


@cache
def _always() -> frozenset[Name]:
    listed = (_pairs(table) for table in (_PYTHON, _NUMPY, _RIVER, _OWN, _SKLEARN))
    return frozenset().union(*listed, *map(_own_classes, _river_modules(river.__path__, "river.")))


def _pairs(table: Mapping[str, str]) -> Iterator[Name]:
    return ((module, name) for module, names in table.items() for name in names.split())


def _river_modules(path: Iterable[str], prefix: str) -> Iterator[ModuleType]:
    """Import and give River's modules, leaving out those that no model needs."""
    for found in pkgutil.iter_modules(path, prefix):
        if found.name in _RIVER_WITHOUT or found.name.rpartition(".")[2].startswith("test_"):
            continue
        module = importlib.import_module(found.name)
        yield module
        if found.ispkg:
            yield from _river_modules(module.__path__, f"{found.name}.")
        elif found.name == "river._river_rust":  # compiled: its modules are on no path
            yield from (inner for _, inner in inspect.getmembers(module, inspect.ismodule))


def _own_classes(module: ModuleType) -> Iterator[Name]:
    """Give the classes that a module defines (not those it imports), nested ones too."""
    pending = list(vars(module).values())
    seen = set()
    while pending:
        obj = pending.pop()
        if inspect.isclass(obj) and obj.__module__ == module.__name__ and obj not in seen:
            seen.add(obj)
            pending += vars(obj).values()
            yield obj.__module__, obj.__qualname__
