"""The state machine that looks at every account of an organization, and deletes where it may.

What its steps tell each other says what to look at. The settings are in the environment of the functions, where nobody
who starts or changes the machine can reach them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Duration, Names
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_iam_access_key._shared.functions import define_log_group
from cdk_iam_access_key.function_options import FunctionOptions

_FAILURE = "$.Failure"
_LONGEST_RUN = Duration.hours(12)
_LONGEST_NAME = 128
# What passes: throttling, of STS above all, faults of Lambda, and a function that was ended in the middle.
_PASSING = [
    "TryAgainError",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Timeout",
]
# A role and its policy work some seconds after CloudFormation says they exist; Terraform waits two minutes.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_NEW_ROLE = ["RoleMayBeNewError"]
_SECONDS_BETWEEN_ATTEMPTS, _ATTEMPTS_OF_A_NEW_ROLE = 10, 10
# What fails the map of accounts before it has begun, while a new policy of the machine's role does not work yet.
_NOT_BEGUN = ["States.Permissions", "States.ItemReaderFailed"]


@dataclass(frozen=True, slots=True)
class Steps:
    """The functions that the state machine starts; without `delete` it can't delete."""

    start: lambda_.IFunction
    audit: lambda_.IFunction
    delete: lambda_.IFunction | None
    finish: lambda_.IFunction


def define_workflow(
    scope: Construct, steps: Steps, bucket: s3.IBucket, max_concurrency: int, options: FunctionOptions
) -> sfn.StateMachine:
    """Define the state machine.

    Args:
        scope: Where it is defined.
        steps: Its functions.
        bucket: Where the functions keep what a run finds.
        max_concurrency: How many accounts are looked at at the same time.
        options: How the log of the runs is encrypted and kept.
    """
    fail = sfn.Fail(scope, "Failed", comment="The notice and the last event say why")
    tell = _step(
        scope,
        "TellFailure",
        steps.finish,
        {"RunId": sfn.JsonPath.execution_name, "Failure": sfn.JsonPath.object_at(_FAILURE)},
        "$.Told",
    ).next(fail)
    start = _step(
        scope,
        "Start",
        steps.start,
        {"RunId": sfn.JsonPath.execution_name, "Input": sfn.JsonPath.object_at("$$.Execution.Input")},
        "$.Start",
    )
    accounts = sfn.DistributedMap(
        scope,
        "EachAccount",
        item_reader=sfn.S3JsonItemReader(bucket=bucket, key=sfn.JsonPath.string_at("$.Start.Accounts")),
        item_selector={
            "Account": sfn.JsonPath.object_at("$$.Map.Item.Value"),
            "Run": sfn.JsonPath.object_at("$.Start.Run"),
        },
        max_concurrency=max_concurrency,
        # Each failure is in the result; none stops the others.
        tolerated_failure_percentage=100,
        result_path=sfn.JsonPath.DISCARD,
    )
    accounts.add_retry(
        errors=_NOT_BEGUN,
        interval=Duration.seconds(_SECONDS_BETWEEN_ATTEMPTS),
        max_attempts=_ATTEMPTS_OF_A_NEW_ROLE,
        backoff_rate=1,
    )
    accounts.item_processor(_each_account(scope, steps, bucket))
    finish = _step(scope, "Finish", steps.finish, {"Start": sfn.JsonPath.object_at("$.Start")}, "$.Summary")
    for state in (start, accounts, finish):
        state.add_catch(tell, result_path=_FAILURE)
    return sfn.StateMachine(
        scope,
        "StateMachine",
        definition_body=sfn.DefinitionBody.from_chainable(start.next(accounts).next(finish)),
        timeout=_LONGEST_RUN,
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=_define_log(scope, options),
            level=sfn.LogLevel.ALL,
            include_execution_data=False,
        ),
    )


def _define_log(scope: Construct, options: FunctionOptions) -> logs.LogGroup:
    """Define the log of the runs, under a name that takes no room in the account's policy of logs, which is small.

    The names of the stack and of the guard in it are in that name: two guards never share it, and whatever makes
    CloudFormation replace the log gives it another name.
    https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    name = Names.unique_resource_name(scope, max_length=_LONGEST_NAME, separator="-")
    return define_log_group(
        options,
        scope,
        "RunLog",
        logs.RetentionDays.ONE_YEAR,
        name=f"/aws/vendedlogs/states/{Aws.STACK_NAME}/{name}",
    )


def _each_account(scope: Construct, steps: Steps, bucket: s3.IBucket) -> sfn.Chain:
    """Look, delete if there is a plan, and record what failed; the results are in the bucket, not in the output."""
    done = sfn.Pass(scope, "Recorded", result=sfn.Result.from_object({}))
    audit = _step(
        scope,
        "Audit",
        steps.audit,
        {"Account": sfn.JsonPath.object_at("$.Account"), "Run": sfn.JsonPath.object_at("$.Run")},
        "$.Audit",
    )
    audit.add_catch(_record(scope, "RecordFailure", bucket, {}).next(done), result_path=_FAILURE)
    if steps.delete is None:
        return audit.next(done)
    found = {"Found": sfn.JsonPath.object_at("$.Audit.Found")}
    delete = _step(
        scope,
        "Delete",
        steps.delete,
        {
            "Account": sfn.JsonPath.object_at("$.Account"),
            "Run": sfn.JsonPath.object_at("$.Run"),
            "Plan": sfn.JsonPath.object_at("$.Audit.Plan"),
            **found,
        },
        "$.Deleted",
    )
    # Keys may be deleted by then, so those that were found are told at least.
    delete.add_catch(_record(scope, "RecordFailedDeletion", bucket, found).next(done), result_path=_FAILURE)
    planned = sfn.Choice(scope, "Planned")
    planned.when(sfn.Condition.is_present("$.Audit.Plan[0]"), delete.next(done)).otherwise(done)
    return audit.next(planned)


def _record(scope: Construct, step_id: str, bucket: s3.IBucket, known: Mapping[str, Any]) -> tasks.CallAwsService:
    """Record a failure as the result of the account, with what is known besides."""
    record = tasks.CallAwsService(
        scope,
        step_id,
        service="s3",
        action="putObject",
        iam_resources=[bucket.arn_for_objects("runs/*/results/*")],
        parameters={
            "Bucket": bucket.bucket_name,
            "Key": sfn.JsonPath.format(
                "runs/{}/results/{}.json", sfn.JsonPath.string_at("$.Run.Id"), sfn.JsonPath.string_at("$.Account.Id")
            ),
            "Body": {
                "Account": sfn.JsonPath.object_at("$.Account"),
                "Failure": sfn.JsonPath.object_at(_FAILURE),
                **known,
            },
        },
    )
    record.add_retry(max_attempts=5, max_delay=Duration.seconds(30), jitter_strategy=sfn.JitterType.FULL)
    return record


def _step(
    scope: Construct, step_id: str, function: lambda_.IFunction, payload: Mapping[str, Any], result_path: str
) -> tasks.LambdaInvoke:
    step = tasks.LambdaInvoke(
        scope,
        step_id,
        lambda_function=function,
        payload=sfn.TaskInput.from_object(dict(payload)),
        payload_response_only=True,
        retry_on_service_exceptions=False,
        result_path=result_path,
    )
    step.add_retry(
        errors=_NEW_ROLE,
        interval=Duration.seconds(_SECONDS_BETWEEN_ATTEMPTS),
        max_attempts=_ATTEMPTS_OF_A_NEW_ROLE,
        backoff_rate=1,
    )
    step.add_retry(
        errors=_PASSING,
        interval=Duration.seconds(2),
        max_attempts=8,
        backoff_rate=2,
        max_delay=Duration.minutes(2),
        jitter_strategy=sfn.JitterType.FULL,
    )
    return step
