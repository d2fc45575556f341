"""`milepost verify`."""

from __future__ import annotations

import click

from milepost.cli.opening import open_workspace, show, show_json
from milepost.cli.options import face, options
from milepost.errors import ObjectError
from milepost.terminal.text import counted, safe
from milepost.views.storage import verify_all


@click.command("verify", help="Read every row and object back and check it. Damaged objects are set aside.")
@face
def verify_command() -> int:
    """Exit code 0 when all is as it was written, else 4."""
    with open_workspace() as workspace:
        found = verify_all(workspace.store, workspace.objects)
    if options().json:
        show_json(found)
    else:
        show([f"{safe(damage.where)}: {safe(damage.problem)}" for damage in found.damages])
        checked = counted(found.objects, "object")
        if found.damages:
            problems = counted(len(found.damages), "problem")
            show([f"{problems} in the ledger and {checked}; what is damaged runs again when it is needed"])
        else:
            show([f"all is as it was written: the ledger and {checked}"])
    return ObjectError.exit_code if found.damages else 0
