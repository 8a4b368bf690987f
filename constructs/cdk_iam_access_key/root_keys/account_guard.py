"""The guard of one account: no access key of the root user."""

from datetime import UTC, datetime
from enum import Enum

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk_iam_access_key._shared import validation
from cdk_iam_access_key._shared.functions import network_of
from cdk_iam_access_key._shared.permissions import on_events, on_own_stack
from cdk_iam_access_key.function_options import FunctionOptions
from cdk_iam_access_key.root_keys._function import GuardFunction, checked_options, guard_asset
from cdk_iam_access_key.root_keys._notices import action_of
from cdk_iam_access_key.root_keys._schedule import call_function, checked_schedule

_NAMESPACE = "CdkIamAccessKey"
_METRIC = "RootAccessKeysPresent"
# A new role is waited for up to 100 seconds at each service.
_TIMEOUT = Duration.minutes(5)
_SERVICE_TIMEOUT = Duration.seconds(330)
_ADVICE = (
    "The root user of this account has an access key: whoever has it can do everything. Sign in as the root user, open "
    "the account menu, Security credentials, Access keys: look when it was last used, deactivate it, and delete it "
    "when nothing misses it. No role can do that."
)


class RootKeyAction(Enum):
    """What a deployment does when the root user has an access key.

    - `FAIL_DEPLOYMENT`: it fails, and the message says what to do.
    - `WARN`: it succeeds. The metric, the alarm and the event tell.
    """

    FAIL_DEPLOYMENT = "Fail"
    WARN = "Warn"


class RootAccessKeyGuard(Construct):
    """Watch that the account's root user has no access key, at deployment and on a schedule.

    A role can learn whether there is one, and nothing else: in one's own account nobody but the root user can list,
    deactivate or delete its keys. So the guard tells, and says what to do by hand. In member accounts of an
    organization, `OrganizationRootKeyGuard` can do more.

    It checks when it is created and when its properties change; a rollback does not fail for what it finds. Each check
    gives a value of the metric `RootAccessKeysPresent` in the namespace `CdkIamAccessKey`, and an event `Root Access
    Key Found` from `cdk-iam-access-key` on the default bus if there is a key.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        on_found: What a deployment does when there is a key.
        schedule: When it checks besides, in UTC; once a day if left out, the first time a day after the deployment.
        notify: Told by the alarms; nobody if left out.
        check_every_deployment: Put the time of the synthesis into the template, so that each deployment checks. Then
            no two synthesised templates are the same.
        function_options: Network, encryption, size and logs of the function, as a company prescribes them.

    Attributes:
        function: The function that checks.
        metric: 1 at each check that found a key, 0 at each that found none.
        alarm: In alarm while the last check found a key.
        failure_alarm: In alarm for some minutes when a check by schedule failed: then nothing is known.
        start_alarm: In alarm for some minutes when the schedule could not start the check.

    Raises:
        ValueError: A property is of the wrong kind.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        on_found: RootKeyAction = RootKeyAction.FAIL_DEPLOYMENT,
        schedule: events.Schedule | None = None,
        notify: sns.ITopic | None = None,
        check_every_deployment: bool = False,
        function_options: FunctionOptions | None = None,
    ) -> None:
        options = checked_options(function_options)
        validation.check_kind("on_found", on_found, RootKeyAction, "RootKeyAction.FAIL_DEPLOYMENT or .WARN")
        schedule = checked_schedule(schedule, Duration.days(1))
        super().__init__(scope, id)
        guard = GuardFunction(
            self,
            "Check",
            handler="main.own_account",
            code=guard_asset().code(self),
            options=options,
            description="Checks that the root user has no access key",
            statements=_statements(self),
            timeout=_TIMEOUT,
        )
        self.function: lambda_.Function = guard.function
        self.metric = cloudwatch.Metric(
            namespace=_NAMESPACE, metric_name=_METRIC, statistic="Maximum", period=Duration.minutes(5)
        )
        # Between two checks there is no value, and what was found last still holds.
        found_last = cloudwatch.TreatMissingData.IGNORE
        self.alarm = self._define_alarm("Alarm", self.metric, _ADVICE, found_last, notify)
        if notify is not None:
            self.alarm.add_ok_action(action_of(notify))
        errors = self.function.metric_errors(period=Duration.minutes(5))
        unknown = "The check of the root user's access keys failed: nothing is known. The function's log says why."
        # Each failure is told anew; that some time has passed since is no good news, and is not told.
        failed_now = cloudwatch.TreatMissingData.NOT_BREACHING
        self.failure_alarm = self._define_alarm("FailureAlarm", errors, unknown, failed_now, notify)
        lost = call_function(self, guard, schedule, {"Operation": "Check"})
        not_started = "The check of the root user's access keys could not be started by its schedule."
        self.start_alarm = self._define_alarm("StartAlarm", lost, not_started, failed_now, notify)
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::RootAccessKeyCheck",
            service_token=self.function.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties={
                "OnFound": on_found.value,
                **({"CheckedAt": datetime.now(UTC).isoformat()} if check_every_deployment else {}),
            },
        )
        # A check that fails the deployment is still told.
        resource.node.add_dependency(self.alarm, self.failure_alarm, self.start_alarm, *network_of(options))

    def _define_alarm(
        self,
        alarm_id: str,
        metric: cloudwatch.IMetric,
        description: str,
        missing: cloudwatch.TreatMissingData,
        notify: sns.ITopic | None,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            alarm_id,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing,
            alarm_description=description,
        )
        if notify is not None:
            alarm.add_alarm_action(action_of(notify))
        return alarm


def _statements(scope: Construct) -> list[iam.PolicyStatement]:
    return [
        # Neither action can be limited to a resource.
        iam.PolicyStatement(actions=["iam:GetAccountSummary"], resources=["*"]),
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": _NAMESPACE}},
        ),
        on_events(Stack.of(scope)),
        on_own_stack(),
    ]
