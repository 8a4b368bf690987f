"""The real CDK command line deploys a ledger to the embedded account, and what belongs to it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from local_cloud import CdkCli

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

APP = """
import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb, aws_events as events, aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_, aws_ssm as ssm
app = cdk.App()
stack = cdk.Stack(app, "Ledger", env=cdk.Environment(account="111122223333", region="us-east-1"))
string = dynamodb.AttributeType.STRING
table = dynamodb.Table(
    stack, "Table", partition_key=dynamodb.Attribute(name="secretArn", type=string),
    billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST, time_to_live_attribute="expires",
    point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
table.add_global_secondary_index(
    index_name="due", partition_key=dynamodb.Attribute(name="sweep", type=string),
    sort_key=dynamodb.Attribute(name="due", type=dynamodb.AttributeType.NUMBER),
    projection_type=dynamodb.ProjectionType.KEYS_ONLY,
)
table.add_global_secondary_index(
    index_name="user", partition_key=dynamodb.Attribute(name="userName", type=string),
    projection_type=dynamodb.ProjectionType.KEYS_ONLY,
)
code = '''
import os, boto3
def handler(event, context):
    boto3.client("dynamodb").put_item(TableName=os.environ["LEDGER_TABLE"],
        Item={"secretArn": {"S": event["Operation"]}, "sweep": {"S": "x"}, "due": {"N": "1"}})
'''
worker = lambda_.Function(
    stack, "Worker", runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=lambda_.Code.from_inline(code),
    environment={"LEDGER_TABLE": table.table_name},
)
table.grant(worker, "dynamodb:PutItem")
rule = events.Rule(
    stack, "Sweep", schedule=events.Schedule.rate(cdk.Duration.minutes(5)),
    targets=[targets.LambdaFunction(worker, event=events.RuleTargetInput.from_object({"Operation": "Sweep"}))],
)
parameter = ssm.StringParameter(
    stack, "Where", parameter_name="/cdk-iam-access-key/Ledger/c8",
    string_value=stack.to_json_string({"table": table.table_name, "function": worker.function_arn}),
)
cdk.CfnOutput(stack, "TableName", value=table.table_name)
cdk.CfnOutput(stack, "RuleName", value=rule.rule_name)
cdk.CfnOutput(stack, "WorkerArn", value=worker.function_arn)
app.synth()
"""


def test_the_real_command_line_deploys_a_ledger_and_what_belongs_to_it(
    bootstrapped_cloud: LocalCloud, tmp_path: Path
) -> None:
    """The rule that fires sweeps with the function's role; the parameter tells where the ledger is; all of it goes."""
    cloud = bootstrapped_cloud
    (tmp_path / "ledger.py").write_text(APP)
    cdk = CdkCli(cloud, app=["python", "ledger.py"], directory=tmp_path)
    cdk.deploy("Ledger")
    described = cloud.client("cloudformation").describe_stacks(StackName="Ledger")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    parameters = {"Path": "/cdk-iam-access-key/", "Recursive": True}
    (parameter,) = cloud.client("ssm").get_parameters_by_path(**parameters)["Parameters"]
    assert parameter["Name"] == "/cdk-iam-access-key/Ledger/c8"
    assert json.loads(parameter["Value"]) == {"table": outputs["TableName"], "function": outputs["WorkerArn"]}
    cloud.fire_rule(outputs["RuleName"])
    items = cloud.client("dynamodb").query(
        TableName=outputs["TableName"],
        IndexName="due",
        KeyConditionExpression="sweep = :sweep AND due <= :now",
        ExpressionAttributeValues={":sweep": {"S": "x"}, ":now": {"N": str(int(time.time()))}},
    )["Items"]
    assert [item["secretArn"]["S"] for item in items] == ["Sweep"]
    cdk.destroy("Ledger")
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert cloud.client("ssm").get_parameters_by_path(**parameters)["Parameters"] == []
    assert cloud.client("events").list_rules()["Rules"] == []
