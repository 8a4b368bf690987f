"""What a removal policy of the whole stack does to a key."""

from collections.abc import Mapping

import jsii
from aws_cdk import Annotations, CfnDeletionPolicy, CfnResource
from constructs import Construct, IValidation

_RETAINING = {CfnDeletionPolicy.RETAIN, CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE}


def warn_if_retained(construct: Construct, what_happens: Mapping[str, CfnResource]) -> None:
    """Warn of resources that the stack will leave behind, by what happens then.

    Not before the app is synthesized: an aspect, as `RemovalPolicies.of(app).retain()` is one, comes after all else.
    """
    construct.node.add_validation(_Retained(construct, what_happens))


@jsii.implements(IValidation)
class _Retained:
    def __init__(self, construct: Construct, what_happens: Mapping[str, CfnResource]) -> None:
        self._construct = construct
        self._what_happens = what_happens

    def validate(self) -> list[str]:
        """Warn, and refuse nothing: somebody may want this."""
        for happens, resource in self._what_happens.items():
            options = resource.cfn_options
            if {options.deletion_policy, options.update_replace_policy} & _RETAINING:
                Annotations.of(self._construct).add_warning_v2(
                    "cdk-iam-access-key:retained",
                    f"{resource.node.path} has the removal policy RETAIN: {happens}; leave it out, as with "
                    f'RemovalPolicies.of(scope).retain(exclude_resource_types=["{resource.cfn_resource_type}"]), or '
                    "give it RemovalPolicy.DESTROY with RemovalPolicies.of(construct).destroy(priority=1000)",
                )
        return []
