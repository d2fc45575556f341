"""A process that cannot be is refused when it is made, naming both sides."""

import pytest

from milepost import Process, Run, Stage, stage
from milepost.errors import DefinitionError, InvalidDataError


@stage
def orders(path: str = "orders.csv"):
    return [path]


@stage
def clean(orders, drop_refunds: bool = True):
    return orders


def test_a_stage_called_outside_a_run_is_a_plain_function():
    assert clean([1], drop_refunds=False) == [1]
    assert clean.__name__ == "clean"


def test_a_parameter_named_after_a_stage_is_a_dependency_and_others_are_decisions():
    process = Process("sales", [clean, orders])
    assert process.graph.order == ("orders", "clean")
    assert list(process.points["clean"]) == ["drop_refunds"]
    assert process.points["orders"]["path"].default == "orders.csv"


def test_needs_names_stages_whose_parameter_is_called_otherwise():
    @stage(needs={"rows": "orders"})
    def tidy(rows, limit: int = 3):
        return rows

    process = Process("sales", [orders, tidy])
    assert process.graph.needs["tidy"] == ("orders",)
    assert list(process.points["tidy"]) == ["limit"]


def test_needs_as_names_only_orders_the_stages():
    @stage(needs=["orders"])
    def later():
        return 1

    assert Process("sales", [later, orders]).graph.order == ("orders", "later")


def test_handles_are_recognised_by_annotation():
    @stage
    def report(clean, run: Run, here: Stage | None = None):
        return None

    parameters = Process("sales", [orders, clean, report]).parameters["report"]
    assert parameters.handles == {"run": "run", "here": "stage"}
    assert parameters.points == {}


def test_an_item_that_has_a_default_was_meant_to_be_a_decision():
    """A parameter called as the stage it maps over takes the whole result, and the next would quietly be the item."""

    @stage(each="clean")
    def doubled(clean, factor: int = 2):
        return clean * factor

    with pytest.raises(DefinitionError, match="'clean' takes the whole result of that stage, and 'factor', .* default"):
        Process("sales", [orders, clean, doubled])


def test_in_a_mapped_stage_the_first_other_parameter_receives_the_item():
    @stage(each="clean", key="id")
    def score(orders, invoice, threshold: float = 0.5):
        return invoice

    parameters = Process("sales", [orders, clean, score]).parameters["score"]
    assert parameters.item == "invoice"
    assert parameters.upstream == {"orders": "orders"}
    assert list(parameters.points) == ["threshold"]


def test_a_circle_names_every_stage_in_it():
    @stage
    def a(c):
        return c

    @stage
    def b(a):
        return a

    @stage
    def c(b):
        return b

    with pytest.raises(DefinitionError, match="a → c → b → a"):
        Process("round", [a, b, c])


def test_an_unknown_need_suggests_the_nearest_stage():
    @stage(needs={"rows": "claen"})
    def tidy(rows):
        return rows

    with pytest.raises(DefinitionError, match="stage 'tidy' needs 'claen'.*Did you mean 'clean'"):
        Process("sales", [orders, clean, tidy])


def test_a_need_for_a_parameter_that_does_not_exist_is_named():
    @stage(needs={"rowz": "orders"})
    def tidy(rows):
        return rows

    with pytest.raises(DefinitionError, match="'tidy'.*'rowz'"):
        Process("sales", [orders, tidy])


def test_two_stages_of_one_name_are_both_located():
    def clean(orders):
        return orders

    with pytest.raises(
        DefinitionError, match=r"two stages named 'clean': .*test_definition.py:\d+ and .*test_definition"
    ):
        Process("sales", [orders, stage(clean), globals()["clean"]])


def test_generators_are_refused_with_what_to_do():
    with pytest.raises(DefinitionError, match="'rows' is a generator.*return a list"):

        @stage
        def rows():
            yield 1


def test_an_async_generator_is_refused():
    with pytest.raises(DefinitionError, match="is a generator"):

        @stage
        async def rows():
            yield 1


def plain():
    return None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retries": -1}, "negative"),
        ({"timeout": 0}, "timeout=0"),
        ({"workers": 0}, "workers=0"),
        ({"errors": "ignore"}, "'stop' nor 'collect'"),
        ({"key": "id"}, "each="),
        ({"name": "../etc"}, "name is letters"),
    ],
)
def test_impossible_options_are_refused(options, text):
    with pytest.raises(DefinitionError, match=text):
        stage(**options)(lambda: None) if "name" in options else stage(**options)(plain)


def test_variable_arguments_cannot_be_planned():
    @stage
    def loose(*rows):
        return rows

    with pytest.raises(DefinitionError, match=r"parameter \*rows"):
        Process("sales", [loose])


def test_a_process_without_stages_or_with_a_bad_name_is_refused():
    with pytest.raises(DefinitionError, match="no stages"):
        Process("empty", [])
    with pytest.raises(DefinitionError, match="name is a text"):
        Process("", [orders])


def test_a_mapped_stage_needs_a_parameter_for_the_item():
    @stage(each="orders")
    def score(orders):
        return orders

    with pytest.raises(DefinitionError, match="no parameter that takes the item"):
        Process("sales", [orders, score])


@pytest.mark.parametrize("decisions", [["a"], "a", 3, {"load": {1: 2}}, {1: 2}])
def test_decisions_that_are_no_mapping_of_names_are_an_error_that_says_so(decisions):
    """Whatever is given for decisions is refused in words, never with an AttributeError."""

    @stage
    def load(count: int = 1):
        return count

    with pytest.raises(InvalidDataError, match="name"):
        Process("p", [load]).settle(decisions)
