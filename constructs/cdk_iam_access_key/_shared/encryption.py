"""KMS keys that a resource gets when its construct is made long since."""

import json
from collections.abc import Iterator

from constructs import IConstruct

from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.templates import Templates, written

_OF_AWS = "alias/aws/"


def refuse_late_key(construct: IConstruct, way: str) -> None:
    """Refuse a KMS key that an aspect or an override gives to a table or a bucket: no role of ours could use it.

    Args:
        construct: The table or bucket, whose construct was given none.
        way: What to do instead.
    """

    def check(templates: Templates) -> Iterator[str]:
        text = json.dumps(written(construct.node.default_child, templates))
        if "KMSMasterKey" in text and _OF_AWS not in text:
            yield (
                f"{construct.node.path} must have no KMS key, got one by an aspect or an override: the roles of the "
                f"functions may not use it; {way}"
            )

    AtSynthesis.of(construct).check(check)
