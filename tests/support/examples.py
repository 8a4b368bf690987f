"""The apps in `examples/`, run as they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import aws_cdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.cx_api import CloudAssembly

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))


def synthesized(name: str, outdir: Path, accounts: Mapping[str, str] | None = None) -> CloudAssembly:
    """Run an example.

    Args:
        name: Its file, without the suffix.
        outdir: Where its output goes.
        accounts: Accounts to put in the place of those that it names.
    """
    path = FOLDER / f"{name}.py"
    code = path.read_text("utf-8")
    for named, real in (accounts or {}).items():
        code = code.replace(named, real)
    names: dict[str, object] = {"__name__": "__main__", "__file__": str(path)}
    with mock.patch.object(aws_cdk, "App", return_value=aws_cdk.App(outdir=str(outdir))):
        exec(compile(code, path, "exec"), names)
    app = names["app"]
    assert isinstance(app, aws_cdk.App)
    return app.synth()
