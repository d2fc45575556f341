"""Scripts, packages, notebooks: wherever a process is defined, its keys are the same and its workers compute."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import milepost
from milepost import Workspace
from milepost.model.rows import StageRow

SCRIPT = """
from dataclasses import dataclass
from milepost import Process, stage

@dataclass
class Order:
    price: int

    def doubled(self):
        return 2 * self.price

@stage
def orders(count: int = 20):
    return [Order(n) for n in range(count)]

@stage(each="orders", workers=2)
def score(order):
    print("scoring", order.price)
    return order.doubled()

@stage
def total(score, orders):
    return sum(score) + sum(order.doubled() for order in orders)

sales = Process("sales", [orders, score, total])
"""


@pytest.fixture
def here(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(milepost.__file__).parent.parent),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "MILEPOST_WORKSPACE": str(tmp_path / ".milepost"),
        "HOME": str(tmp_path),
    }

    def run(*command, text=None):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, input=text
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def states(tmp_path):
    with Workspace.open(tmp_path / ".milepost", read_only=True, create=False) as workspace:
        newest = workspace.store.get(StageRow).run
        return {row.stage: str(row.state) for row in workspace.store.rows(StageRow, run=newest)}


def test_a_script_without_a_main_guard_and_the_command_share_their_results(here, tmp_path):
    (tmp_path / "sales.py").write_text(SCRIPT + "\nprint(sales.run().results['total'])\n")
    assert "760" in here("sales.py")
    assert {"orders": "completed", "score": "completed", "total": "completed"} == states(tmp_path)
    (tmp_path / "sales.py").write_text(SCRIPT)
    here("-m", "milepost", "run", "sales.py")
    assert {"orders": "reused", "score": "reused", "total": "reused"} == states(tmp_path)


def test_an_edited_method_of_an_upstream_value_reruns_who_calls_it(here, tmp_path):
    (tmp_path / "sales.py").write_text(SCRIPT)
    here("-m", "milepost", "run", "sales.py")
    (tmp_path / "sales.py").write_text(SCRIPT.replace("2 * self.price", "3 * self.price"))
    here("-m", "milepost", "run", "sales.py")
    # `orders` makes instances of the class, so its code counts there too; the stages behind it call the method.
    assert {"orders": "completed", "score": "completed", "total": "completed"} == states(tmp_path)


def test_what_workers_print_is_in_the_log_with_its_stage(here, tmp_path):
    (tmp_path / "sales.py").write_text(SCRIPT)
    assert "scoring 7" in here("-m", "milepost", "run", "sales.py")
    logged = here("-m", "milepost", "logs", "last", "--stage", "score")
    assert 20 == sum("scoring" in line for line in logged.splitlines())


def test_a_module_of_a_package_is_a_target(here, tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sales.py").write_text(SCRIPT)
    here("-m", "milepost", "run", "shop.sales:sales")
    assert set(states(tmp_path).values()) == {"completed"}


def test_stages_read_from_standard_input_run_in_workers(here):
    assert "760" in here("-", text=SCRIPT + "\nprint(sales.run().results['total'])\n")


def test_cells_of_a_notebook_run_and_a_redefined_cell_reruns_its_stage(here, tmp_path):
    cells = textwrap.dedent(
        """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        def cell(text):
            done = shell.run_cell(text)
            done.raise_error()
        cell("from milepost import Process, stage")
        cell("def helper(n):\\n    return n + 1")
        cell("@stage\\ndef a():\\n    return [1, 2, 3]")
        cell("@stage(each='a', workers=2)\\ndef b(n):\\n    return helper(n)")
        cell("@stage\\ndef c(a):\\n    return len(a)")
        cell("job = Process('cells', [a, b, c])")
        cell("first = job.run()")
        cell("assert list(first.results['b']) == [2, 3, 4]")
        cell("assert set(job.run().stages.values()) == {'reused'}")
        cell("def helper(n):\\n    return n + 10")
        cell("second = job.run()")
        cell("assert list(second.results['b']) == [11, 12, 13]")
        cell("assert dict(second.stages) == {'a': 'reused', 'b': 'completed', 'c': 'reused'}")
        print("cells are done")
        """
    )
    (tmp_path / "cells.py").write_text(cells)
    assert "cells are done" in here("cells.py")


def test_a_run_is_taken_up_again_from_python_by_its_name(here, tmp_path):
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            import pathlib, sys
            from milepost import Process, stage

            @stage
            def one(n: int = 1):
                return n

            @stage
            def two(one):
                if pathlib.Path("broken").exists():
                    raise RuntimeError("broken")
                return one + 1

            job = Process("job", [one, two])
            if __name__ == "__main__":
                pathlib.Path("broken").touch()
                try:
                    job.run({"one.n": 5})
                except Exception:
                    pass
                pathlib.Path("broken").unlink()
                run = job.run({"one.n": 5}, run="last")
                print(run.results["two"], dict(run.stages))
            """
        )
    )
    assert "6 {'one': <StageState.REUSED: 'reused'>, 'two': <StageState.COMPLETED: 'completed'>}" in here("job.py")
