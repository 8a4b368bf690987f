"""The guard of an organization: no access keys of root users in its accounts."""

from enum import Enum
from typing import Any

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk_iam_access_key._shared import validation
from cdk_iam_access_key._shared.durations import DAY, checked_seconds
from cdk_iam_access_key._shared.permissions import on_events, on_own_stack
from cdk_iam_access_key.root_keys._function import GuardFunction
from cdk_iam_access_key.root_keys._permissions import assuming_root, listing_accounts, seeing_that_it_exists
from cdk_iam_access_key.root_keys._schedule import start_execution
from cdk_iam_access_key.root_keys._workflow import Steps, define_workflow
from cdk_iam_access_key.root_keys.accounts import Accounts, AccountSelection

_AUDIT_TASK = "IAMAuditRootUserCredentials"
_DELETE_TASK = "IAMDeleteRootUserCredentials"
_CONCURRENCY = 1000
_ONE_ACCOUNT = Duration.minutes(2)
_ALL_ACCOUNTS = Duration.minutes(15)
_PREFLIGHT = Duration.minutes(5)
_SERVICE_TIMEOUT = Duration.seconds(330)


class RootKeyMode(Enum):
    """What a guard does about root access keys that it finds.

    - `AUDIT`: it tells.
    - `DELETE_UNUSED`: it deletes those that have not been used for some time, and tells. Deletion is for ever, and
      AWS lets nobody but the root user deactivate a key first.
    """

    AUDIT = "Audit"
    DELETE_UNUSED = "DeleteUnused"


class OrganizationRootKeyGuard(Construct):
    """Find the access keys of root users in all accounts of an organization, and delete unused ones if asked to.

    Deploy it in the management account or, better, in a delegated administrator for IAM. Centralized root access must
    be enabled in the organization; the deployment fails with the missing step otherwise. The root user of the
    management account can only be looked at from there, and only detected: `RootAccessKeyGuard` does the same.

    Each run is an execution of `state_machine`. It enters each account with `sts:AssumeRoot` for the task of an audit,
    and for the task of a deletion only where there is something to delete. A failing account stops no other. What it
    finds is in `bucket` (`runs/<execution>/summary.json`), in an event `Root Access Keys Checked` from
    `cdk-iam-access-key` on the default bus, and in a notice.

    With `DELETE_UNUSED`, a run deletes only keys of which the run before has published that this one would. So the
    first run after a deployment that changes the guard's settings or its code is a dry run, and a key that was kept
    before, or that has come since, goes one run later. There is no minimum time between the two. A key that was used
    within `unused_for`, or whose last use IAM does not tell, is never deleted; one that was never used counts from
    its creation.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        mode: What it does about keys.
        unused_for: How long a key must not have been used before it is deleted, at least a day; 90 days if left out.
        accounts: Which accounts it looks at; all if left out.
        max_concurrency: How many accounts it looks at at the same time, 1 to 1000. Each takes an invocation of Lambda
            and calls of STS and IAM, whose limits the account has for all that it does.
        schedule: When it runs, once a day if left out.
        notify: Gets a notice of each run, and of alarms; nobody if left out.
        delete_at_once: Let each run delete what it finds, without a published plan.
        results_kept_for: How long the bucket keeps what a run found, at least a day; 365 days if left out.

    Attributes:
        state_machine: Runs the guard. `{"DryRun": true}` as the input of an execution makes it a dry run.
        bucket: Holds what the runs found. It stays when the guard is removed.
        failure_alarm: In alarm for some minutes when a run failed as a whole.
        timeout_alarm: In alarm for some minutes when a run was ended after twelve hours.

    Raises:
        ValueError: A property is of the wrong kind or out of bounds.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        mode: RootKeyMode = RootKeyMode.AUDIT,
        unused_for: Duration | None = None,
        accounts: AccountSelection | None = None,
        max_concurrency: int = 20,
        schedule: events.Schedule | None = None,
        notify: sns.ITopic | None = None,
        delete_at_once: bool = False,
        results_kept_for: Duration | None = None,
    ) -> None:
        validation.check_kind("mode", mode, RootKeyMode, "RootKeyMode.AUDIT or .DELETE_UNUSED")
        self._selection = _checked_accounts(accounts)
        unused = checked_seconds("unused_for", unused_for or Duration.days(90), minimum=DAY)
        kept = checked_seconds("results_kept_for", results_kept_for or Duration.days(365), minimum=DAY)
        _check_concurrency(max_concurrency)
        _check_at_once(mode, delete_at_once=delete_at_once)
        schedule = validation.checked_schedule(schedule)
        super().__init__(scope, id)
        self._notify = notify
        self.bucket = self._define_bucket(Duration.days(kept // DAY))
        start = self._define_start()
        steps = Steps(
            start=start.function,
            audit=self._define_audit(),
            delete=self._define_delete(unused) if mode is RootKeyMode.DELETE_UNUSED else None,
            finish=self._define_finish(),
        )
        selected = {
            "Only": list(self._selection.only),
            "OrganizationalUnits": list(self._selection.units),
            "Excluding": list(self._selection.without),
        }
        settings: dict[str, Any] = {
            "Mode": mode.value,
            "UnusedForSeconds": unused,
            "Accounts": selected,
            "DeleteAtOnce": delete_at_once,
            # Another version may decide otherwise: it publishes its plan first.
            "Code": start.code_version,
        }
        self.state_machine = define_workflow(self, steps, self.bucket, settings, max_concurrency)
        period = Duration.minutes(5)
        failed, timed_out = (
            self.state_machine.metric_failed(period=period),
            self.state_machine.metric_timed_out(period=period),
        )
        self.failure_alarm = self._define_alarm("FailureAlarm", failed, "failed as a whole")
        self.timeout_alarm = self._define_alarm("TimeoutAlarm", timed_out, "took too long and was ended")
        # Each change of the settings is checked, not only one of the accounts.
        preflight = self._define_preflight(settings)
        self.state_machine.node.add_dependency(preflight)
        start_execution(self, self.state_machine, schedule)

    def _define_bucket(self, kept: Duration) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Results",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[
                # Not the plan: without it the next run is a dry run again.
                s3.LifecycleRule(prefix="runs/", expiration=kept)
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _define_start(self) -> GuardFunction:
        return self._function(
            "Start",
            "start.handler",
            "Begins a run over the accounts of the organization",
            _ALL_ACCOUNTS,
            [
                listing_accounts(self._selection),
                self._listing(),
                self._on_objects("s3:GetObject", "plan.json"),
                self._on_objects("s3:PutObject", "runs/*/accounts.json", "runs/*/skipped.json"),
            ],
        )

    def _define_audit(self) -> lambda_.IFunction:
        return self._function(
            "Audit",
            "audit.handler",
            "Looks for root access keys in one account",
            _ONE_ACCOUNT,
            [
                *assuming_root(_AUDIT_TASK, self._selection),
                # For the management account, from itself; the action can't be limited to a resource.
                iam.PolicyStatement(actions=["iam:GetAccountSummary"], resources=["*"]),
                self._on_objects("s3:PutObject", "runs/*/results/*"),
            ],
        ).function

    def _define_delete(self, unused: int) -> lambda_.IFunction:
        return self._function(
            "Delete",
            "deletion.handler",
            "Deletes unused root access keys of one account",
            _ONE_ACCOUNT,
            [*assuming_root(_DELETE_TASK, self._selection), self._on_objects("s3:PutObject", "runs/*/results/*")],
            # It goes by this also if it is told less: by a run that began before a change, or by whoever invokes it.
            {"UNUSED_FOR_SECONDS": str(unused)},
        ).function

    def _define_finish(self) -> lambda_.IFunction:
        notify = self._notify
        finish = self._function(
            "Finish",
            "finish.handler",
            "Publishes what a run over the accounts of the organization found",
            _ALL_ACCOUNTS,
            [
                self._listing(),
                self._on_objects("s3:GetObject", "runs/*", "plan.json"),
                self._on_objects("s3:PutObject", "runs/*/summary.json", "plan.json"),
                on_events(Stack.of(self)),
            ],
            {} if notify is None else {"TOPIC_ARN": notify.topic_arn},
        ).function
        if notify is not None:
            notify.grant_publish(finish)
        return finish

    def _define_preflight(self, settings: dict[str, Any]) -> CustomResource:
        check = self._function(
            "Preflight",
            "main.organization",
            "Checks that a guard of root access keys can work where it is deployed",
            _PREFLIGHT,
            [
                iam.PolicyStatement(actions=["iam:ListOrganizationsFeatures"], resources=["*"]),
                *seeing_that_it_exists(self._selection),
                on_own_stack(),
            ],
        ).function
        return CustomResource(
            self,
            "Preflight",
            resource_type="Custom::OrganizationRootKeyCheck",
            service_token=check.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties=settings,
        )

    def _define_alarm(self, alarm_id: str, metric: cloudwatch.IMetric, what: str) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            alarm_id,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # Step Functions may send no zero: only so does each failure raise the alarm anew.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"A run over the root access keys of the organization {what}",
        )
        if self._notify is not None:
            alarm.add_alarm_action(cloudwatch_actions.SnsAction(self._notify))
        return alarm

    def _function(  # noqa: PLR0917 - five facts of a function, in the order of its definition
        self,
        function_id: str,
        handler: str,
        description: str,
        timeout: Duration,
        statements: list[iam.PolicyStatement],
        environment: dict[str, str] | None = None,
    ) -> GuardFunction:
        return GuardFunction(
            self,
            f"{function_id}Step" if function_id != "Preflight" else "PreflightCheck",
            handler=handler,
            description=description,
            statements=statements,
            timeout=timeout,
            environment={"RESULTS_BUCKET": self.bucket.bucket_name, **(environment or {})},
        )

    def _listing(self) -> iam.PolicyStatement:
        """Allow to list; who may not is told of an object that is not there, the first plan say, that it is forbidden.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        return iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])

    def _on_objects(self, action: str, *patterns: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[action], resources=[self.bucket.arn_for_objects(pattern) for pattern in patterns]
        )


def _checked_accounts(accounts: AccountSelection | None) -> AccountSelection:
    if accounts is None:
        return Accounts.all()
    validation.check_kind("accounts", accounts, AccountSelection, "a choice of Accounts, such as Accounts.all()")
    return accounts


def _check_concurrency(max_concurrency: int) -> None:
    known = isinstance(max_concurrency, int) and not isinstance(max_concurrency, bool)
    if not known or not 1 <= max_concurrency <= _CONCURRENCY:
        raise ValueError(
            f"max_concurrency must be a whole number from 1 to {_CONCURRENCY}, got {max_concurrency!r}; each account "
            "takes an invocation of Lambda, of which an account has 1000 at a time by default"
        )


def _check_at_once(mode: RootKeyMode, *, delete_at_once: bool) -> None:
    if not isinstance(delete_at_once, bool):
        raise ValueError(f"delete_at_once must be True or False, got {delete_at_once!r}; pass one of them")  # noqa: TRY004
    if delete_at_once and mode is not RootKeyMode.DELETE_UNUSED:
        raise ValueError(
            "delete_at_once must come with mode=RootKeyMode.DELETE_UNUSED, got RootKeyMode.AUDIT, which deletes "
            "nothing; leave it out, or change the mode"
        )
