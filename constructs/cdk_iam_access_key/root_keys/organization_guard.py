"""The guard of an organization: no access keys of root users in its accounts."""

import json
from enum import Enum
from typing import Any

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk_iam_access_key._shared import validation
from cdk_iam_access_key._shared.durations import DAY, checked_seconds
from cdk_iam_access_key._shared.encryption import refuse_late_key
from cdk_iam_access_key._shared.functions import network_of
from cdk_iam_access_key._shared.permissions import on_events, on_own_stack
from cdk_iam_access_key.function_options import FunctionOptions
from cdk_iam_access_key.root_keys._function import GuardFunction, checked_options, guard_asset
from cdk_iam_access_key.root_keys._notices import action_of
from cdk_iam_access_key.root_keys._permissions import (
    assuming_root,
    listing_accounts,
    seeing_that_it_exists,
    seeing_where_it_is,
)
from cdk_iam_access_key.root_keys._schedule import checked_schedule, start_execution
from cdk_iam_access_key.root_keys._workflow import Steps, define_workflow
from cdk_iam_access_key.root_keys.accounts import Accounts, AccountSelection

_AUDIT_TASK = "IAMAuditRootUserCredentials"
_DELETE_TASK = "IAMDeleteRootUserCredentials"
_CONCURRENCY = 1000
_ONE_ACCOUNT = Duration.minutes(2)
_ALL_ACCOUNTS = Duration.minutes(15)
_PREFLIGHT = Duration.minutes(5)
_SERVICE_TIMEOUT = Duration.seconds(330)
# The environment of a function has 4 KB, some of which other variables and its own names take.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LONGEST_SETTINGS = 3400


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

    With `DELETE_UNUSED`, a run deletes only keys of which an earlier run has published that a later one would, at least
    `notice_period` before. So the first run after a deployment that changes the guard's settings or its code is a dry
    run, and a key that was kept before, or that has come since, goes one run later. A key that was used within
    `unused_for`, or whose last use IAM does not tell, is never deleted; one that was never used counts from its
    creation.

    CloudTrail shows each session as the root user of its account (`userIdentity.type` is `Root`), with
    `sessionContext.assumedRoot` set to `"true"`. So an alarm on root users' activity goes off in every account at each
    run, unless it leaves those out. That is one reason why a run comes once a week by default; the other is that a
    plan that is a week old has been read.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        mode: What it does about keys.
        unused_for: How long a key must not have been used before it is deleted, at least a day; 90 days if left out.
        accounts: Which accounts it looks at; all if left out.
        max_concurrency: How many accounts it looks at at the same time, 1 to 1000. Each takes an invocation of Lambda
            and calls of STS and IAM, whose limits the account has for all that it does.
        schedule: When it runs, in UTC; once a week if left out, the first time a week after the deployment.
        notify: Gets a notice of each run, and of alarms; nobody if left out.
        delete_at_once: Let each run delete what it finds, without a published plan.
        notice_period: How long a deletion must have been published before a run carries it out, at least a minute; an
            hour if left out. It is the time to object, also against whoever starts one run after another.
        results_kept_for: How long the bucket keeps what a run found, at least a day; 365 days if left out.
        function_options: Network, encryption, size and logs of the functions, as a company prescribes them. The log of
            the runs is encrypted and kept in the same way. Its name is fixed: with RETAIN, delete it before the guard
            is deployed anew.

    Attributes:
        state_machine: Runs the guard. `{"DryRun": true}` as the input of an execution makes it a dry run.
        bucket: Holds what the runs found. It stays when the guard is removed.
        failure_alarm: In alarm for some minutes when a run failed as a whole.
        start_alarm: In alarm for some minutes when the schedule could not start a run.
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
        notice_period: Duration | None = None,
        results_kept_for: Duration | None = None,
        function_options: FunctionOptions | None = None,
    ) -> None:
        self._options = checked_options(function_options)
        validation.check_kind("mode", mode, RootKeyMode, "RootKeyMode.AUDIT or .DELETE_UNUSED")
        self._selection = _checked_accounts(accounts)
        unused = checked_seconds("unused_for", unused_for or Duration.days(90), minimum=DAY)
        kept = checked_seconds("results_kept_for", results_kept_for or Duration.days(365), minimum=DAY)
        _check_concurrency(max_concurrency)
        _check_at_once(mode, notice_period, delete_at_once=delete_at_once)
        notice = checked_seconds("notice_period", notice_period or Duration.hours(1))
        schedule = checked_schedule(schedule, Duration.days(7))
        asset = guard_asset()
        settings: dict[str, Any] = {
            "Mode": mode.value,
            "UnusedForSeconds": unused,
            "NoticeSeconds": notice,
            "Accounts": {
                "Only": list(self._selection.only),
                "OrganizationalUnits": list(self._selection.units),
                "Excluding": list(self._selection.without),
            },
            "DeleteAtOnce": delete_at_once,
            # Another version may decide otherwise: it publishes its plan first.
            "Code": asset.hash,
        }
        self._settings = _written(settings)
        super().__init__(scope, id)
        self._code, self._notify = asset.code(self), notify
        self.bucket = self._define_bucket(Duration.days(kept // DAY))
        steps = Steps(
            start=self._define_start(),
            audit=self._define_audit(),
            delete=self._define_delete() if mode is RootKeyMode.DELETE_UNUSED else None,
            finish=self._define_finish(),
        )
        self.state_machine = define_workflow(self, steps, self.bucket, max_concurrency, self._options)
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
        lost = start_execution(self, self.state_machine, schedule)
        self.start_alarm = self._define_alarm("StartAlarm", lost, "could not be started by its schedule")

    def _define_bucket(self, kept: Duration) -> s3.Bucket:
        bucket = s3.Bucket(
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
        refuse_late_key(bucket, "leave the bucket out of that, which S3 encrypts with keys of its own")
        return bucket

    def _define_start(self) -> lambda_.IFunction:
        return self._step(
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
        return self._step(
            "Audit",
            "audit.handler",
            "Looks for root access keys in one account",
            _ONE_ACCOUNT,
            [
                *assuming_root(_AUDIT_TASK, self._selection),
                *seeing_where_it_is(self._selection),
                # For the management account, from itself; the action can't be limited to a resource.
                iam.PolicyStatement(actions=["iam:GetAccountSummary"], resources=["*"]),
                self._on_objects("s3:PutObject", "runs/*/results/*"),
            ],
        )

    def _define_delete(self) -> lambda_.IFunction:
        return self._step(
            "Delete",
            "deletion.handler",
            "Deletes unused root access keys of one account",
            _ONE_ACCOUNT,
            [
                *assuming_root(_DELETE_TASK, self._selection),
                *seeing_where_it_is(self._selection),
                self._on_objects("s3:GetObject", "plan.json"),
                self._on_objects("s3:PutObject", "runs/*/results/*"),
            ],
        )

    def _define_finish(self) -> lambda_.IFunction:
        notify = self._notify
        finish = self._step(
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
        )
        if notify is not None:
            notify.grant_publish(finish)
        return finish

    def _define_preflight(self, settings: dict[str, Any]) -> CustomResource:
        check = GuardFunction(
            self,
            "PreflightCheck",
            handler="main.organization",
            code=self._code,
            options=self._options,
            description="Checks that a guard of root access keys can work where it is deployed",
            statements=[
                iam.PolicyStatement(actions=["iam:ListOrganizationsFeatures"], resources=["*"]),
                *seeing_that_it_exists(self._selection),
                on_own_stack(),
            ],
            timeout=_PREFLIGHT,
        )
        preflight = CustomResource(
            self,
            "Preflight",
            resource_type="Custom::OrganizationRootKeyCheck",
            service_token=check.function.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties=settings,
        )
        preflight.node.add_dependency(*network_of(self._options))
        return preflight

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
            alarm.add_alarm_action(action_of(self._notify))
        return alarm

    def _step(  # noqa: PLR0917 - five facts of a function, in the order of its definition
        self,
        step: str,
        handler: str,
        description: str,
        timeout: Duration,
        statements: list[iam.PolicyStatement],
        environment: dict[str, str] | None = None,
    ) -> lambda_.IFunction:
        settings = {"RESULTS_BUCKET": self.bucket.bucket_name, "GUARD_SETTINGS": self._settings}
        return GuardFunction(
            self,
            f"{step}Step",
            handler=handler,
            code=self._code,
            options=self._options,
            description=description,
            statements=statements,
            timeout=timeout,
            environment={**settings, **(environment or {})},
        ).function

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


def _check_at_once(mode: RootKeyMode, notice_period: Duration | None, *, delete_at_once: bool) -> None:
    if not isinstance(delete_at_once, bool):
        raise ValueError(f"delete_at_once must be True or False, got {delete_at_once!r}; pass one of them")  # noqa: TRY004
    if delete_at_once and mode is not RootKeyMode.DELETE_UNUSED:
        raise ValueError(
            "delete_at_once must come with mode=RootKeyMode.DELETE_UNUSED, got RootKeyMode.AUDIT, which deletes "
            "nothing; leave it out, or change the mode"
        )
    if delete_at_once and notice_period is not None:
        raise ValueError(
            "delete_at_once must come without notice_period, got both: nothing is published then; leave one out"
        )


def _written(settings: dict[str, Any]) -> str:
    """Write the settings for the environment of the functions."""
    text = json.dumps(settings, sort_keys=True)
    if len(text) > _LONGEST_SETTINGS:
        raise ValueError(
            f"accounts must leave the settings at {_LONGEST_SETTINGS} characters, which is what the environment of a "
            f"function holds, got {len(text)}; name fewer accounts and units, such as a unit above them"
        )
    return text
