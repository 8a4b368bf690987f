"""What the package tests need of this machine."""

import os
import sys
from pathlib import Path

# The kernel of the CDK is a Node process, and one that is too old for it warns at length.
_NODE = Path(sys.executable).with_name("node")
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
