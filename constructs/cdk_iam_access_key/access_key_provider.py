"""The functions that manage access keys, and the ledger in which they keep what they know."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import jsii
from aws_cdk import Annotations, ArnFormat, CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct

from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.durations import in_words
from cdk_iam_access_key._shared.encryption import refuse_late_key
from cdk_iam_access_key._shared.functions import define_function, define_log_group, network_of, role_statements
from cdk_iam_access_key._shared.lambda_asset import HANDLER_PACKAGE, handler_asset
from cdk_iam_access_key._shared.permissions import (
    ACKNOWLEDGEMENT,
    CONSUMER_SOURCE,
    ENCRYPTION_ACTIONS,
    on_events,
    through,
)
from cdk_iam_access_key._shared.provider_settings import (
    check_concurrency,
    checked_role_path,
    checked_settling_time,
    checked_sweep,
)
from cdk_iam_access_key._shared.retained import instead, retained
from cdk_iam_access_key._shared.templates import Templates, written
from cdk_iam_access_key._shared.validation import check_encryption_key
from cdk_iam_access_key.function_options import FunctionOptions

_ID = "AccessKeyProvider"
_NAME = "cdk-iam-access-key"
_ROTATION_PERMISSION = "RotationPermission"
_ALARM_PERMISSION = "AlarmPermission"
_ACKNOWLEDGEMENT_RULE = "AcknowledgementRule"
_FUNCTION_TIMEOUT = Duration.seconds(300)
# Longer than the function may run, so that a response sent with its last second still counts.
_SERVICE_TIMEOUT = Duration.seconds(330)
_WORK_IS_WORTH_DOING = Duration.hours(1)
# The next event makes up for one that did not come: the sweep's in minutes, a consumer's within a day.
_EVENT_RETRIES = 2
_SWEEP_DELAY = 300
_PROOF_IS_VALID = 900
_DUE, _OF_USER = "due", "user"


@jsii.implements(ec2.IConnectable)
class AccessKeyProvider(Construct):
    """Define the two functions behind `Custom::IAMAccessKey`, and the table in which they record what they do.

    A stack needs one, however many keys it has; `AccessKey` gets or creates it. Define it yourself, with the id
    `AccessKeyProvider` directly under the stack and before the first key, to set its properties, or pass it to
    the keys of several stacks of one account and region. CloudFormation refuses to change the provider of a key
    that is deployed.

    `function` answers CloudFormation and operators; no service can call it. `worker` is called by EventBridge and by
    Secrets Manager, and refuses what CloudFormation or an operator would ask. Both run the same code with the same
    role, which may write to its log group, read and write the ledger, put events of this library on the default bus,
    and assume the roles under `role_path`. All other permissions are in the role that each key brings along, for its
    user and its secret only.

    A rule asks the worker to sweep: to do for each key what is due by then, such as to retire a key that was replaced.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        log_retention: How long CloudWatch keeps the functions' log. A month if left out.
        sweep_every: How often the worker does what is due, and so how late a step may be: whole minutes, a minute
            to a day. Five minutes if left out.
        settling_time: How long a new key is left alone after it was proven and before it becomes current, because a
            key that works at one endpoint may still be refused at another: 0 to 60 seconds. Ten seconds if left out.
        role_path: The IAM path of the functions' role and of the keys' roles, such as `/team/access-keys/`. The path of
            a key's role goes on with its user and its secret. Set it if your company prescribes a path, and leave the
            keys' roles out of an aspect that sets one. `/cdk-iam-access-key/<stack name>/` if left out.
        vpc: The VPC that the functions run in. They call AWS's endpoints, so they need a way to them, also to answer
            CloudFormation: docs/company-rules.md names each. The keys wait for all that is defined in the VPC's
            construct, so it is still there when they are deleted. No VPC if left out.
        vpc_subnets: Which subnets of it; the private ones that reach the internet if left out.
        security_groups: The functions' security groups in it, at most five. A new one that allows all outbound traffic
            if left out.
        runtime: Python 3.11 or later. 3.14 if left out; choose an earlier one where a partition has no such runtime.
        architecture: Of the processor. ARM_64 if left out, which costs less; X86_64 where a region has nothing else.
        memory_size: In MiB, 128 to 10,240. 256 if left out. CPU comes in proportion.
        tracing: By X-Ray. None if left out.
        reserved_concurrent_executions: How many executions of the worker the account reserves, and so how many run at a
            time: 2 at least, so that a sweep keeps no rotation waiting. `function` has no limit on purpose:
            CloudFormation sends a request for each key at once, and Lambda drops those that find none free for 330
            seconds. None reserved if left out.
        environment_encryption: A KMS key for the environment variables, which hold no secret. The role is allowed to
            decrypt with it; the policy of an imported key must allow it that, or leave it to the account's policies.
            Lambda's own key if left out.
        log_encryption_key: A KMS key for the log group, of the stack's region. A key of the app is told to let
            CloudWatch Logs use it; an imported one must have that in its policy already. CloudWatch's own if left out.
        table_encryption_key: A KMS key for the ledger, of the stack's region. While it is disabled, no key can be
            rotated, rolled back or deleted. DynamoDB's own if left out.
        log_removal_policy: What becomes of the log group when the provider leaves the stack: DESTROY or RETAIN.
            DESTROY if left out.

    Attributes:
        function: The function that is the custom resource's service token, and that operators call.
        worker: The function that sweeps, rotates for Secrets Manager, and goes back when an alarm goes off.
        role: The role that both functions run with.
        log_group: What the functions write to.
        ledger: The table with an entry for each secret. No secret access key is in it.
        role_path: The IAM path of the roles that the functions may assume.
        sweep_seconds: How often the worker looks for what is due, in seconds.

    Raises:
        ValueError: A property has a value that can't work.
        RuntimeError: The handler or crhelper is not installed the way the functions need it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        sweep_every: Duration | None = None,
        settling_time: Duration | None = None,
        role_path: str | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        runtime: lambda_.Runtime | None = None,
        architecture: lambda_.Architecture | None = None,
        memory_size: int | None = None,
        tracing: lambda_.Tracing | None = None,
        reserved_concurrent_executions: int | None = None,
        environment_encryption: kms.IKey | None = None,
        log_encryption_key: kms.IKey | None = None,
        table_encryption_key: kms.IKey | None = None,
        log_removal_policy: RemovalPolicy | None = None,
    ) -> None:
        sweep = checked_sweep(sweep_every)
        settling = checked_settling_time(settling_time)
        check_concurrency(reserved_concurrent_executions)
        if table_encryption_key is not None:
            check_encryption_key("table_encryption_key", table_encryption_key)
        options = FunctionOptions(
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            runtime=runtime,
            architecture=architecture,
            memory_size=memory_size,
            tracing=tracing,
            environment_encryption=environment_encryption,
            log_encryption_key=log_encryption_key,
            log_retention=log_retention,
            log_removal_policy=log_removal_policy,
        )
        super().__init__(scope, id)
        stack = Stack.of(self)
        keys = (environment_encryption, log_encryption_key, table_encryption_key)
        self._needed = [one for one in (vpc, *(security_groups or ()), *keys) if one is not None]
        self.role_path = f"/{_NAME}/{stack.stack_name}/" if role_path is None else checked_role_path(role_path)
        if vpc is not None and security_groups is None:
            group = ec2.SecurityGroup(
                self, "SecurityGroup", vpc=vpc, description="Functions of the access key provider"
            )
            options = replace(options, security_groups=[group])
        self._options = options
        self.log_group = define_log_group(options, self, "Log", log_retention)
        self.ledger = self._define_ledger(table_encryption_key)
        self.sweep_seconds = sweep
        self.role = self._define_role(stack)
        self.function, self.worker = self._define_functions(settling, reserved_concurrent_executions)
        self._key_properties = {
            "ServiceToken": self.function.function_arn,
            "ServiceTimeout": str(_SERVICE_TIMEOUT.to_seconds()),
        }
        self._role_arn = self.role.role_arn
        self._define_sweep(f"rate({in_words(sweep)})")
        self._parameter = self._define_parameter(stack)
        # As it is by default; said, it is what MissingRemovalPolicies leaves alone.
        self._parameter.apply_removal_policy(RemovalPolicy.DESTROY)
        AtSynthesis.of(self).check(self._warn_if_retained)

    @classmethod
    def get_or_create(cls, scope: Construct) -> "AccessKeyProvider":
        """Return the provider of the stack that `scope` is in, and define it if there is none yet.

        Raises:
            ValueError: The stack has another construct with the id of the provider.
        """
        stack = Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        if found is None:
            return cls(stack, _ID)
        if isinstance(found, AccessKeyProvider):
            return found
        raise ValueError(
            f"{found.node.path} must be an AccessKeyProvider, got an object of {type(found).__name__}; "
            "give that one another id"
        )

    @property
    def needed(self) -> Sequence[IConstruct]:
        """What it was given, which may be in other stacks."""
        return self._needed

    @property
    def role_arn(self) -> str:
        """The ARN of the role, asked of the CDK once for all keys."""
        return self._role_arn

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of both functions, which have the same security groups.

        Raises:
            ValueError: They are in no VPC.
        """
        if self._options.security_groups is None:
            raise ValueError(f"the functions of {self.node.path} must be in a VPC to have connections; pass vpc")
        return ec2.Connections(security_groups=self._options.security_groups)

    def outlives(self, key: CfnResource) -> None:
        """Have all of the provider created before a key, and deleted after it.

        The service token alone would let the function's role and the settings of its retries go before the key is
        deleted. The parameter, which depends on all the rest, stands for it.
        """
        key.node.add_dependency(self._parameter)

    @property
    def custom_resource_properties(self) -> dict[str, str]:
        """What CloudFormation needs to call the function for a resource."""
        return self._key_properties

    def allow_rotation(self) -> lambda_.CfnPermission:
        """Let Secrets Manager of this account call the worker as a rotation function, once for all keys."""
        found = self.node.try_find_child(_ROTATION_PERMISSION)
        if found is not None:
            return cast("lambda_.CfnPermission", found)
        return self._allow(_ROTATION_PERMISSION, "secretsmanager.amazonaws.com", account=Stack.of(self).account)

    def allow_alarm_rules(self) -> lambda_.CfnPermission:
        """Let the rules of this account and region call the worker, once for all keys.

        A function's policy has 20,480 bytes: a statement for each key's rule would fill it. Any other
        rule gets a sweep or an alarm's undo, and nothing else.
        """
        found = self.node.try_find_child(_ALARM_PERMISSION)
        if found is not None:
            return cast("lambda_.CfnPermission", found)
        stack = Stack.of(self)
        rules = stack.format_arn(service="events", resource="rule", resource_name="*")
        return self._allow(_ALARM_PERMISSION, "events.amazonaws.com", account=stack.account, source=rules)

    def take_acknowledgements(self) -> None:
        """Let consumers acknowledge keys to the worker, once for all keys."""
        if self.node.try_find_child(_ACKNOWLEDGEMENT_RULE) is not None:
            return
        rule = events.CfnRule(
            self,
            _ACKNOWLEDGEMENT_RULE,
            description="Tells the worker which consumers have the current access key",
            event_pattern={"source": [CONSUMER_SOURCE], "detail-type": [ACKNOWLEDGEMENT]},
            targets=[
                events.CfnRule.TargetProperty(
                    id="Acknowledge",
                    arn=self.worker.function_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_template='{"Operation":"ConsumerAcknowledgement","Event":<aws.events.event.json>}'
                    ),
                    # STS takes a signature for a quarter of an hour.
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=_PROOF_IS_VALID, maximum_retry_attempts=_EVENT_RETRIES
                    ),
                )
            ],
        )
        self._allow("AcknowledgementPermission", "events.amazonaws.com", source=rule.attr_arn)

    def _allow(
        self, name: str, principal: str, *, account: str | None = None, source: str | None = None
    ) -> lambda_.CfnPermission:
        return lambda_.CfnPermission(
            self,
            name,
            action="lambda:InvokeFunction",
            function_name=self.worker.function_arn,
            principal=principal,
            source_account=account,
            source_arn=source,
        )

    def _warn_if_retained(self, templates: Templates) -> Sequence[str]:
        """Warn of a parameter that the stack leaves behind; all else that is left is in nobody's way."""
        found = retained(written(self._parameter, templates))
        if found:
            Annotations.of(self).add_warning_v2(
                "cdk-iam-access-key:retained",
                f"{self._parameter.node.path} has {found}: its name is taken when the stack is deployed anew, which "
                f"fails; {instead(self._parameter.cfn_resource_type)}",
            )
        return ()

    def _define_ledger(self, encryption_key: kms.IKey | None) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Ledger",
            partition_key=_attribute("secretArn"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            encryption_key=encryption_key,
            # It outlives its keys: each key's resource depends on the provider.
            removal_policy=RemovalPolicy.DESTROY,
        )
        if encryption_key is None:
            refuse_late_key(table, "pass table_encryption_key")
        table.add_global_secondary_index(
            index_name=_DUE,
            partition_key=_attribute("sweep"),
            sort_key=_attribute("due", dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        table.add_global_secondary_index(
            index_name=_OF_USER,
            partition_key=_attribute("userName"),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        return table

    def _define_role(self, stack: Stack) -> iam.Role:
        key_roles = stack.format_arn(
            service="iam",
            region="",
            resource=f"role{self.role_path}*",
            arn_format=ArnFormat.NO_RESOURCE_NAME,
        )
        ledger = self.ledger.table_arn
        statements = [
            *role_statements(self._options, self, self.log_group),
            iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[key_roles]),
            iam.PolicyStatement(actions=["dynamodb:GetItem", "dynamodb:PutItem"], resources=[ledger]),
            iam.PolicyStatement(
                actions=["dynamodb:Query"], resources=[f"{ledger}/index/{index}" for index in (_DUE, _OF_USER)]
            ),
            on_events(stack),
        ]
        table_key = self.ledger.encryption_key
        if table_key is not None:
            statements.append(
                iam.PolicyStatement(
                    actions=ENCRYPTION_ACTIONS,
                    resources=[table_key.key_arn],
                    conditions={"StringEquals": through(stack, "dynamodb")},
                )
            )
        return iam.Role(
            self,
            "Role",
            # Beside the keys' roles, where a service control policy guards them all.
            path=self.role_path,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Runs the access key provider, which assumes the role of each key",
            # Inline, so that whatever depends on the role has its permissions too.
            inline_policies={"AccessKeyProvider": iam.PolicyDocument(statements=statements)},
        )

    def _define_functions(self, settling: int, concurrency: int | None) -> tuple[lambda_.Function, lambda_.Function]:
        code = handler_asset().code(self)
        # An event that is older than what CloudFormation waits for is about a request that it has given up:
        # acting on it could undo what has happened since.
        provider = self._define_function("Function", "provider", code, settling, _SERVICE_TIMEOUT)
        worker = self._define_function("Worker", "worker", code, settling, _WORK_IS_WORTH_DOING, concurrency)
        return provider, worker

    def _define_function(  # noqa: PLR0917 - six facts of a function
        self,
        name: str,
        entry_points: str,
        code: lambda_.Code,
        settling: int,
        max_event_age: Duration,
        concurrency: int | None = None,
    ) -> lambda_.Function:
        descriptions = {
            "provider": "Creates, rotates and deletes the access keys of Custom::IAMAccessKey",
            "worker": "Does what is due for access keys, rotates them by schedule, goes back on alarms",
        }
        return define_function(
            self._options,
            self,
            name,
            description=descriptions[entry_points],
            handler=f"{HANDLER_PACKAGE}.main.handler",
            code=code,
            timeout=_FUNCTION_TIMEOUT,
            reserved_concurrent_executions=concurrency,
            role=self.role,
            log_group=self.log_group,
            environment={
                "ENTRY_POINTS": entry_points,
                "LEDGER_TABLE": self.ledger.table_name,
                "SETTLING_SECONDS": str(settling),
                # A key is proven where its users are: new keys reach the regions one by one.
                "AWS_STS_REGIONAL_ENDPOINTS": "regional",
            },
            retry_attempts=2,
            max_event_age=max_event_age,
        )

    def _define_sweep(self, expression: str) -> None:
        rule = events.CfnRule(
            self,
            "SweepRule",
            description="Asks the worker to do what is due for the access keys",
            schedule_expression=expression,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Sweep",
                    arn=self.worker.function_arn,
                    input='{"Operation":"Sweep"}',
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=_SWEEP_DELAY, maximum_retry_attempts=_EVENT_RETRIES
                    ),
                )
            ],
        )
        self._allow("SweepPermission", "events.amazonaws.com", source=rule.attr_arn)

    def _define_parameter(self, stack: Stack) -> ssm.CfnParameter:
        """Tell operators' command line where the ledger is: whoever may tag a secret must not be able to say so."""
        parts = self.node.children
        # The path in the stack, so that a stack whose construct is renamed keeps the parameter.
        address = hashlib.sha256(self.node.path.removeprefix(stack.node.path).encode()).hexdigest()[:16]
        parameter = ssm.CfnParameter(
            self,
            "Parameter",
            type="String",
            name=f"/{_NAME}/{stack.stack_name}/{address}",
            description="Where the access keys of this stack are recorded, and the function that manages them",
            value=stack.to_json_string({"table": self.ledger.table_name, "function": self.function.function_arn}),
        )
        # The way to AWS's endpoints, too, has to be there as long as there are keys.
        parameter.node.add_dependency(*parts, *network_of(self._options))
        return parameter


def _attribute(name: str, kind: dynamodb.AttributeType = dynamodb.AttributeType.STRING) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=kind)
