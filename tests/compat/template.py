"""Synthesizes the app of tests/synth/test_compliance.py, with all options, into a directory: the argument."""

import sys

from aws_cdk import App
from synth.test_compliance import everything

app = App(outdir=sys.argv[1])
everything(app, options=True)
app.synth()
