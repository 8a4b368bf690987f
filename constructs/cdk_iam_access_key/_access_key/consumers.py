"""What a key needs so that its consumers get the new one before the previous one goes."""

import ipaddress
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import Annotations, Aws, CfnResource, Fn, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_iam_access_key._access_key import permissions
from cdk_iam_access_key._access_key.secret import KeySecret
from cdk_iam_access_key._shared.permissions import ACKNOWLEDGEMENT, CONSUMER_SOURCE, EVENT_SOURCE, through
from cdk_iam_access_key._shared.templates import Templates, paths_of, resources_of, walk
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import shown

_SCHEMA = Path(__file__).parent.parent / "events.schema.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")
_MOST_CONSUMERS = 50
# All inline policies of a user may have 2,048 characters together.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MOST_SOURCES = 30
_MOST_DELIVERIES = 10
# What no call comes from over the internet; addresses for examples in documents are left out.
# https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
_NOT_PUBLIC = [
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/8",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
]


def checked_sources(
    from_addresses: Sequence[str] | None, from_vpc_endpoints: Sequence[str] | None, *, anywhere: bool
) -> list[dict[str, Any]]:
    """Return the conditions on where a call may come from: one of them has to hold.

    Raises:
        ValueError: There is none, or one that can't hold.
    """
    if anywhere == bool(from_addresses or from_vpc_endpoints):
        raise ValueError(
            "grant_self_renewal must have from_addresses, from_vpc_endpoints or both of them, or else anywhere=True, "
            f"got {'sources and anywhere=True' if anywhere else 'none'}; a thief of the key can follow its "
            "rotation from wherever it is allowed"
        )
    number = len(from_addresses or ()) + len(from_vpc_endpoints or ())
    if number > _MOST_SOURCES:
        raise ValueError(
            f"grant_self_renewal must have at most {_MOST_SOURCES} addresses and VPC endpoints, got {number}: IAM "
            "takes no longer policies of a user; pass wider CIDR blocks"
        )
    conditions: list[dict[str, Any]] = [{}] if anywhere else []
    if from_addresses:
        checked = [_checked_address(address) for address in from_addresses]
        conditions.append({"IpAddress": {"aws:SourceIp": checked}})
    if from_vpc_endpoints:
        for endpoint in from_vpc_endpoints:
            if not is_token(endpoint) and not _ENDPOINT.fullmatch(endpoint):
                raise ValueError(
                    f"from_vpc_endpoints must have ids of VPC endpoints such as vpce-0a1b2c3d, got {shown(endpoint)}"
                )
        conditions.append({"StringEquals": {"aws:SourceVpce": list(from_vpc_endpoints)}})
    return conditions


def define_self_renewal(
    key: Construct, user_name: str, secret_arn: str, encryption_key: kms.IKey | None, conditions: list[dict[str, Any]]
) -> None:
    """Let the key's own user read the current value of the key's secret, and decrypt it."""
    statements = [
        permissions.allow(["secretsmanager:GetSecretValue"], secret_arn, _with_stage(condition))
        for condition in conditions
    ]
    if encryption_key is not None:
        context = {"kms:EncryptionContext:SecretARN": secret_arn}
        # Secrets Manager asks KMS for the user: where that came from has been decided by then.
        decrypt = {"StringEquals": {**through(Stack.of(key), "secretsmanager"), **context}}
        statements.append(permissions.allow(["kms:Decrypt"], encryption_key.key_arn, decrypt))
    _define_policy(key, "SelfRenewal", user_name, statements)


def checked_consumers(consumers: Sequence[str]) -> list[str]:
    """Return the names of consumers.

    Raises:
        ValueError: There is none, there are too many, or one can't be a name or is there twice.
    """
    if not 1 <= len(consumers) <= _MOST_CONSUMERS:
        raise ValueError(f"wait_for_consumers must have 1 to {_MOST_CONSUMERS} names, got {len(consumers)}; change it")
    for name in consumers:
        check_name("wait_for_consumers", name)
    twice = next((name for name in consumers if list(consumers).count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"wait_for_consumers must have different names, got {twice} twice; leave one out")
    return list(consumers)


def check_function(function: Any) -> None:
    """Refuse what is no function. Raises ValueError."""
    if not hasattr(function, "function_arn"):
        raise ValueError(
            f"deliver_to must have a lambda_.IFunction, got {shown(function)}; import one with "
            "lambda_.Function.from_function_attributes"
        )


def check_name(what: str, name: Any) -> None:
    """Refuse what can't be the name of a consumer. Raises ValueError."""
    if not isinstance(name, str) or is_token(name) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} must name a consumer with a letter or digit and up to 63 letters, digits and ._- more, known at "
            f"synth, got {shown(name)}; change it"
        )


def define_acknowledgement(key: Construct, user_name: str) -> None:
    """Let the key's own user acknowledge a key: put events of consumers on the default bus, and no others."""
    bus = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:event-bus/default"
    condition = {
        "ForAllValues:StringEquals": {"events:source": CONSUMER_SOURCE, "events:detail-type": ACKNOWLEDGEMENT},
        "Null": {"events:source": "false", "events:detail-type": "false"},
    }
    _define_policy(key, "Acknowledgement", user_name, [permissions.allow(["events:PutEvents"], bus, condition)])


def define_delivery(
    key: Construct,
    name: str,
    function: lambda_.IFunction,
    *,
    role: iam.CfnRole,
    secret: KeySecret,
    resource: CfnResource,
) -> None:
    """Let the key's role call a function, and the function read the secret; the key's resource waits for both."""
    # An imported function has no role that the CDK knows.
    grant = secret.grant_early_read(function) if function.role is not None else None
    if grant is not None:
        grant.apply_before(resource)
    if grant is None or not grant.success:
        Annotations.of(key).add_warning_v2(
            "cdk-iam-access-key:delivery",
            f"{function.node.path} delivers the key of {key.node.path}, and the CDK can't add to its role: let it read "
            "the secret, or its deliveries fail",
        )
    policy = iam.CfnRolePolicy(
        key,
        f"Delivery{name}",
        policy_name=f"Delivery-{name}",
        role_name=role.ref,
        policy_document=permissions.document(permissions.allow(["lambda:InvokeFunction"], function.function_arn)),
    )
    resource.node.add_dependency(policy, function)


def circles(key: Construct, resource: CfnResource, templates: Templates) -> Iterator[str]:
    """Refuse a function that waits for the key, as one that was given the secret: the key waits for it."""
    stack = Stack.of(key)
    resources, paths = resources_of(templates.of(stack)), paths_of(stack)
    start = stack.resolve(resource.logical_id)
    came_from = {start: ""}
    left = [start]
    while left:
        name = left.pop()
        for needed in _needed(resources.get(name, {})):
            if needed == start:
                between: list[str] = []
                while name != start:
                    between.insert(0, paths.get(name, name))
                    name = came_from[name]
                yield (
                    f"{key.node.path}: deliver_to must have a function that does not wait for the key, got one that "
                    f"does, through {', '.join(between)}; take key.secret away there: the function is called with its "
                    "ARN, and may read it already"
                )
                return
            if needed in resources and needed not in came_from:
                came_from[needed] = name
                left.append(needed)


def _needed(resource: Any) -> Iterator[str]:
    depends = resource.get("DependsOn", [])
    yield from [depends] if isinstance(depends, str) else depends
    for part in walk(resource):
        if isinstance(part, dict) and "Ref" in part:
            yield part["Ref"]
        elif isinstance(part, dict) and "Fn::GetAtt" in part:
            attribute = part["Fn::GetAtt"]
            yield attribute.partition(".")[0] if isinstance(attribute, str) else attribute[0]


def check_deliveries(deliveries: list[dict[str, str]], name: str) -> None:
    """Refuse another delivery to the same consumer, and more than the provider takes. Raises ValueError."""
    if name in {delivery["Name"] for delivery in deliveries}:
        raise ValueError(f"deliver_to must name another consumer each time, got {name} twice; change one")
    if len(deliveries) == _MOST_DELIVERIES:
        raise ValueError(
            f"deliver_to must be called at most {_MOST_DELIVERIES} times for a key, got one more; let one function "
            "bring the key to several consumers"
        )


def published_pattern(secret_arn: str) -> events.EventPattern:
    """Describe Secrets Manager's own event: the current version of exactly this secret is another one.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/event-detail-secret-label-updated-secretsmanager.html
    """
    return events.EventPattern(
        source=["aws.secretsmanager"],
        detail_type=["Secret Label Updated"],
        resources=[secret_arn],
        detail={"labelUpdated": ["AWSCURRENT"]},
    )


def transition_pattern(secret_arn: str, kinds: Sequence[str]) -> events.EventPattern:
    """Describe the provider's own events about exactly this secret. Raises ValueError for a kind that there is not."""
    known: list[str] = json.loads(_SCHEMA.read_text("utf-8"))["properties"]["detail-type"]["enum"]
    for kind in kinds:
        if kind not in known:
            raise ValueError(f"on_event must name kinds of events, got {shown(kind)}; pass some of {', '.join(known)}")
    return events.EventPattern(source=[EVENT_SOURCE], detail_type=list(kinds or known), resources=[secret_arn])


def _with_stage(condition: dict[str, Any]) -> dict[str, Any]:
    current = {"secretsmanager:VersionStage": "AWSCURRENT"}
    return {**condition, "StringEquals": {**condition.get("StringEquals", {}), **current}}


def _checked_address(address: str) -> str:
    try:
        block = ipaddress.ip_network(address)
    except ValueError:
        raise ValueError(
            f"from_addresses must have addresses or CIDR blocks such as 203.0.113.0/24, got {shown(address)}"
        ) from None
    if not block.prefixlen:
        raise ValueError(f"from_addresses must leave somebody out, got {address}; say anywhere=True if that is meant")
    if any(block.version == other.version and block.overlaps(other) for other in _NOT_PUBLIC):
        raise ValueError(
            f"from_addresses must be public addresses, got {address}: AWS sees no others, but for calls through a "
            "VPC endpoint; pass public ones, or from_vpc_endpoints"
        )
    return address


def _define_policy(key: Construct, name: str, user_name: str, statements: list[permissions.Statement]) -> None:
    policy = permissions.document(*statements)
    # A user may have a key of another stack made from the same app, or of the same stack in another region.
    stack_id = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    policy_name = f"{name}-{key.node.addr[-8:]}-{stack_id}"
    iam.CfnUserPolicy(key, name, policy_name=policy_name, user_name=user_name, policy_document=policy)
