"""Tasks of ECS that start anew whenever the key that they have in their environment is another one.

For those whose container reads its key when it starts and never again: ECS puts the secret's current value into the
environment of a task when that starts.

Secrets Manager's own event starts a state machine, which asks ECS for a new deployment of the service: after a
deployment of this stack that rotates, a rotation by Secrets Manager, a rollback and an undo alike. ECS starts new
tasks before it stops the old ones. Give the grace period room for that, and for the state machine's retries. No
function of yours is needed, and nobody but ECS reads the secret.
"""

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as stepfunctions
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_iam_access_key import AccessKey


class EcsRestart(Stack):
    """A user, its key, a service that has it, and what starts its tasks anew."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "Key",
            user=iam.User(self, "User"),
            automatically_after=Duration.days(30),
            grace_period=Duration.hours(6),  # longer than new tasks take
            max_active_age=Duration.days(45),
        )
        subnet = ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC)
        vpc = ec2.Vpc(self, "Vpc", nat_gateways=0, subnet_configuration=[subnet], restrict_default_security_group=False)
        task = ecs.FargateTaskDefinition(self, "Task")
        task.add_container(
            "Program",
            image=ecs.ContainerImage.from_registry("public.ecr.aws/docker/library/busybox"),
            secrets={
                "AWS_ACCESS_KEY_ID": ecs.Secret.from_secrets_manager(key.secret, "accessKeyId"),
                "AWS_SECRET_ACCESS_KEY": ecs.Secret.from_secrets_manager(key.secret, "secretAccessKey"),
            },
        )
        service = ecs.FargateService(
            self,
            "Service",
            cluster=ecs.Cluster(self, "Cluster", vpc=vpc),
            task_definition=task,
            assign_public_ip=True,
            min_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        )
        restart = tasks.CallAwsService(
            self,
            "Restart",
            service="ecs",
            action="updateService",
            parameters={
                "Cluster": service.cluster.cluster_arn,
                "Service": service.service_arn,
                "ForceNewDeployment": True,
            },
            iam_resources=[service.service_arn],
        )
        restart.add_retry(max_attempts=6, interval=Duration.seconds(30), backoff_rate=2)
        machine = stepfunctions.StateMachine(
            self,
            "Restarter",
            definition_body=stepfunctions.DefinitionBody.from_chainable(restart),
            timeout=Duration.hours(1),
        )
        key.on_published(targets.SfnStateMachine(machine))


app = App()
EcsRestart(app, "EcsRestart")
app.synth()
