"""The life of an access key, shown and checked: `app.py` on the embedded AWS, driven by the real CDK command line."""
