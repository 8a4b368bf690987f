"""An IAM access key whose secret goes straight into Secrets Manager."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from aws_cdk import Annotations, CfnResource, Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IDependable

from cdk_iam_access_key._access_key import consumers as consumers_
from cdk_iam_access_key._access_key import validation
from cdk_iam_access_key._access_key.age_budget import check_age
from cdk_iam_access_key._access_key.copies import check_copies, define_copies
from cdk_iam_access_key._access_key.cut_over import check_dependents, warn_of_pinning
from cdk_iam_access_key._access_key.declared_keys import DeclaredKeys, Home
from cdk_iam_access_key._access_key.identity import NamedSecret, NamedUser
from cdk_iam_access_key._access_key.retirement import Retirement
from cdk_iam_access_key._access_key.role import define_role
from cdk_iam_access_key._access_key.rotation import Rotation
from cdk_iam_access_key._access_key.secret import KeySecret
from cdk_iam_access_key._access_key.undo_on_alarm import checked_alarms, define_undo
from cdk_iam_access_key._access_key.written_key import WrittenKey, properties_of
from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.templates import Templates, walk
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key.access_key_provider import AccessKeyProvider
from cdk_iam_access_key.consumers import DeliveryPhase, OnOverdue
from cdk_iam_access_key.copy import Copy
from cdk_iam_access_key.on_key_limit import OnKeyLimit
from cdk_iam_access_key.secret_format import SecretFormat


class AccessKey(Construct):
    """Define an access key of an IAM user, and the secret that holds it as `accessKeyId` and `secretAccessKey`.

    A change of `serial`, `secret_format` or `copies` rotates: a new key is created, proven and published as the
    secret's current version. The previous one stays Active for `grace_period` and until it is unused, then Inactive
    for `retention_period`, then it is deleted. A change of `user` or `secret` is another key of another resource.
    Removing the construct deactivates and deletes the key.

    Whatever the options are, an operator deactivates the previous key at once with
    `python -m cdk_iam_access_key retire --secret …`, as when it has leaked.

    A key adds three resources to the stack: the secret (unless one is passed in), a role for this user and this secret,
    and `Custom::IAMAccessKey`. A rotation schedule, `undo_on_alarm` and `cut_over_after` add one each.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        user: The user that gets the key, of the stack's account: an `iam.User` or `iam.CfnUser` of the app, or one that
            is imported. Import a user with a path by its ARN, with `iam.User.from_user_arn`, or by path and name
            (`iam.User.from_user_name(self, "Deploy", "team/deploy")`): IAM knows it by its path, too.
        serial: Any change of it rotates the key; `1` and `"1"` are the same. At most 128 characters.
        status: Whether the key may be used. A change takes seconds and does not rotate.
        secret: A secret to write the key to, known by its complete ARN and in the stack's region and account.
            Import one that is encrypted with a KMS key of yours with `from_secret_attributes`, which takes that
            key too. Defines one if left out.
        secret_name: The name of the secret that is defined. A change replaces the secret and the key. Generated
            if left out.
        encryption_key: The KMS key of the secret that is defined. The key's role is allowed to use it; the policy
            of an imported KMS key must allow `kms:GenerateDataKey` and `kms:Decrypt` to the account, as KMS does by
            default, or to the roles under the provider's `role_path`. AWS's own key if left out.
        removal_policy: What becomes of the secret that is defined when it leaves the stack. It is deleted if left
            out: the key is deleted with this construct whatever it is, and a secret that holds a deleted key helps
            nobody. docs/deploying.md has each removal policy.
        secret_format: What the value of the secret looks like: other fields, an env file, SMTP passwords. Any change of
            it rotates the key, because a stored key can't be written anew. A JSON object with `accessKeyId` and
            `secretAccessKey` if left out.
        copies: Where the provider writes the key as well: SSM parameters, secrets of other regions or accounts, at most
            ten. Any change of them rotates the key. None if left out.
        description: Shown beside the key in the IAM console. At most 233 letters, digits, spaces and `_.:/=+-@`.
        grace_period: How long the previous key stays Active after the new one is current: a minute to 90 days, or 0
            to deactivate it in the same deployment. An hour if left out.
        retention_period: How long it then stays Inactive before it is deleted: an hour to 365 days. A week if left out.
        retire_when_unused_for: The previous key is not deactivated while it was used within this time, an hour to 365
            days, because IAM's record of the last use lags. If left out: while it was used after the new one became
            current and within the grace period's length, an hour at least.
        overdue_after: How long after the switch a previous key that is still used is reported as overdue, longer than
            the grace period, at most 365 days. It is never deactivated by force.
        on_key_limit: What a rotation may remove when the user has two keys already.
        max_active_age: How old an Active key may become, a day to ten years. A key without a schedule is refused, and
            one whose schedule, window, grace period and retirement add up to more. What no schedule bounds is reported
            daily by an event and a metric: a rotation that fails, a previous key that is still used, and one that a
            rollback or an undo makes current again.
        rotation_schedule: When Secrets Manager rotates the key by itself, in UTC, beside changes of `serial`: a rate of
            whole hours, at least 4, or days, at most 999; or a cron expression on the hour, as in
            `Schedule.cron(minute="0", hour="4", day="1")`.
        rotation_window: How long after that Secrets Manager may take to begin, in whole hours. To the end of the day if
            left out, or for an hour if the schedule is in hours.
        automatically_after: Rotate so many days after the last rotation, 1 to 1000, instead of `rotation_schedule`.
        undo_on_alarm: Alarms, six at most, that make the previous key current again, if they go off within its grace
            period. Combine more in a `cloudwatch.CompositeAlarm`.
        provider: The provider to use. The stack's own, shared by its keys, if left out.

    Attributes:
        user: The user that the key belongs to, as it was passed in.
        secret: The secret that holds the key. Whoever refers to it waits for the key; a secret that was passed in makes
            nobody wait if it is used directly.
        provider: The provider that manages the key.

    Raises:
        ValueError: A property has a value that can't work, or another key of the app is in the way.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        user: iam.IUser | iam.CfnUser,
        serial: int | str = 1,
        status: iam.AccessKeyStatus = iam.AccessKeyStatus.ACTIVE,
        secret: secretsmanager.ISecret | None = None,
        secret_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy | None = None,
        secret_format: SecretFormat | None = None,
        copies: Sequence[Copy] | None = None,
        description: str | None = None,
        grace_period: Duration | None = None,
        retention_period: Duration | None = None,
        retire_when_unused_for: Duration | None = None,
        overdue_after: Duration | None = None,
        on_key_limit: OnKeyLimit = OnKeyLimit.FAIL,
        max_active_age: Duration | None = None,
        rotation_schedule: events.Schedule | None = None,
        rotation_window: Duration | None = None,
        automatically_after: Duration | None = None,
        undo_on_alarm: Sequence[cloudwatch.IAlarm] | None = None,
        provider: AccessKeyProvider | None = None,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        declared = DeclaredKeys.of(stack)
        home = declared.home(stack)
        user_name, user_arn = validation.checked_user(home, user)
        properties = {"Serial": validation.checked_serial(serial), "Status": validation.checked_status(status)}
        if description is not None:
            properties["Description"] = validation.checked_description(description)
        retirement = Retirement.of(
            grace_period=grace_period,
            retention_period=retention_period,
            retire_when_unused_for=retire_when_unused_for,
            overdue_after=overdue_after,
            on_key_limit=on_key_limit,
        )
        rotation = Rotation.of(
            rotation_schedule=rotation_schedule,
            rotation_window=rotation_window,
            automatically_after=automatically_after,
            max_active_age=max_active_age,
            status=status,
            retirement=retirement,
        )
        alarms = checked_alarms(home, undo_on_alarm, grace=retirement.grace)
        format_properties = validation.checked_format(home, secret_format)
        self.user = user
        self._secret_format = secret_format
        self._declared = declared
        self._retirement, self._rotation = retirement, rotation
        self._cut_over: CfnResource | None = None
        self._consumers: tuple[str, ...] = ()
        self._deliveries: list[dict[str, str]] = []
        self._user_name = user_name
        named_user = NamedUser.of(declared, home, user, user_name, user_arn)
        validation.check_no_root(user_arn, named_user.identity())
        self.secret = KeySecret(
            self,
            home,
            user_name,
            secret,
            name=secret_name,
            encryption_key=encryption_key,
            removal_policy=removal_policy,
        )
        self._secret_arn = self.secret.written_arn
        declared.add(self, named_user, NamedSecret.of(declared, home, self.secret))

        self.provider = self._checked_provider(provider, declared, home)
        check_age(rotation, retirement, self.provider.sweep_seconds)
        if max_active_age is not None:
            AtSynthesis.of(self).check(self._too_old)
        self._role = role = define_role(
            self, self.provider, (user_name, user_arn), self._secret_arn, self.secret.encryption_key
        )
        check_copies(self, declared, copies or (), secret.secret_name if secret else secret_name, secret_format)
        copied, resources = define_copies(self, role, self._secret_arn, copies or (), self._define_custom_resource)
        self._key = self._define_key(
            {
                "UserName": user_name,
                "SecretArn": self._secret_arn,
                "RoleArn": role.attr_arn,
                **properties,
                **format_properties,
                **({"Copies": copied} if copied else {}),
                **retirement.properties,
                **rotation.properties,
            }
        )
        for resource in resources:
            self.provider.outlives(resource)
            self._key.node.add_dependency(resource)
        if secret_format is not None:
            self._watch_format(secret_format)
        self.secret.wait_for(self._key)
        self.secret.needs(user, self.provider, *self.provider.needed, self.secret.written, self.secret.encryption_key)
        self.secret.needs(*alarms, *(part for copy in copies or () for part in (copy.role, copy.encryption_key)))
        rotation.define(self, self._key, self.provider, self._secret_arn)
        if alarms:
            define_undo(self, self.provider, self._secret_arn, alarms)
        self._changes_between_deployments = [
            *(["undo_on_alarm"] if alarms else []),
            *(["a rotation by Secrets Manager"] if rotation.rules is not None else []),
        ]

    @property
    def access_key_id(self) -> str:
        """The id of the key after the last deployment, a token for the key's own stack."""
        return self._changing("AccessKeyId")

    @property
    def secret_version_id(self) -> str:
        """The version of the secret that holds that key, a token for the key's own stack."""
        return self._changing("SecretVersionId")

    @property
    def status(self) -> str:
        """`Active` or `Inactive`, a token for the key's own stack.

        It is what the provider has set, so whoever reads it waits for that.
        """
        return self._changing("Status")

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to read the secret, and to decrypt it if it has a KMS key of its own."""
        return self.secret.grant_read(grantee)

    def secret_value(self, field: str = "secretAccessKey") -> SecretValue:
        """Return a dynamic reference to a field of the secret in this version.

        The fields are `accessKeyId` and `secretAccessKey`, or those of a `secret_format` that makes JSON.

        A resource that takes it waits for the key and changes exactly with each deployment that rotates. What changes
        the key between two deployments does not reach it: a rotation by Secrets Manager, or an undo, which deactivates
        the key that it has. A warning says so if the key has a rotation schedule or `undo_on_alarm`.

        For the key's own stack: in another one the version would be an export, which can't change. That is refused at
        synthesis, for the key's id and its status too; `key.secret` is for other stacks.
        """
        warn_of_pinning(self, self._changes_between_deployments)
        return SecretValue.secrets_manager(
            self._secret_arn,
            json_field=validation.checked_field(self._secret_format, field),
            version_id=self.secret_version_id,
        )

    def adopt(self, access_key_id: str) -> None:
        """Take over a key of the user that somebody else has made, for good, because its id is named here.

        It becomes the previous key of this one once this one is published. Its secret is not known here, so it never
        becomes current, and no undo goes back to it. The sweep deactivates it after `grace_period`, a day at least, and
        once nobody has used it since; it is deleted after `retention_period`. Neither a deployment nor `on_key_limit`
        takes it. So a user that has another key besides has no key slot for this one, and the deployment fails.

        It stays untouched if the deployment fails or is rolled back. It is given back if this call or the construct
        is removed before it is deactivated: it stays Active, and nobody manages it. If a person activates it after it
        was deactivated, its grace period begins again. Leave the call in the app as long as you like; it counts once.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html

        Args:
            access_key_id: Its id, as in `AKIAIOSFODNN7EXAMPLE`; never a guess.

        Raises:
            ValueError: That is not the id of an access key, or a key of the app adopts another one, or this one.
        """
        self._declared.adopt(self, validation.checked_access_key_id(access_key_id))
        self._key.add_property_override("AdoptedKey", access_key_id)

    def cut_over_after(self, *dependents: IDependable) -> None:
        """Deactivate the previous key once all of these are updated, and not at all if one of them fails.

        For consumers in the key's stack. Called again, it adds to them. If the deployment never comes to it, the
        previous key is retired a day after the switch, once it is unused, as with a grace period.

        Raises:
            ValueError: The key has a grace period, there is nothing to wait for, or the previous key may then be Active
                longer than `max_active_age`.
        """
        if self._retirement.grace:
            raise ValueError(
                "cut_over_after must come with grace_period=Duration.seconds(0), got a grace period: either time "
                "decides when the previous key is deactivated, or the consumers do"
            )
        check_dependents(self, dependents)
        check_age(self._rotation, self._retirement, self.provider.sweep_seconds, deferred=True)
        if self._cut_over is None:
            self._cut_over = self._define_cut_over()
        self._cut_over.node.add_dependency(*dependents)

    def grant_self_renewal(
        self,
        *,
        from_addresses: Sequence[str] | None = None,
        from_vpc_endpoints: Sequence[str] | None = None,
        anywhere: bool = False,
    ) -> None:
        """Allow the key's own user to read the current value of this secret, so that its consumers renew themselves.

        Whoever steals such a key can follow its rotations. So say from where it may be used for that, and see
        docs/consumers.md for what else helps, and for what needs no key at all.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html

        Args:
            from_addresses: Public addresses or CIDR blocks that a call may come from, such as `203.0.113.0/24`.
            from_vpc_endpoints: Ids of VPC endpoints that a call may come through. With both, one of them has to hold.
            anywhere: Whether a call may come from anywhere; only without the other two.

        Raises:
            ValueError: There is no source, more than 30, or one that can't be; there are sources and `anywhere`; or it
                was called before.
        """
        if self.node.try_find_child("SelfRenewal") is not None:
            raise ValueError("grant_self_renewal must be called once for a key; pass all sources together")
        conditions = consumers_.checked_sources(from_addresses, from_vpc_endpoints, anywhere=anywhere)
        consumers_.define_self_renewal(self, self._user_name, self._secret_arn, self.secret.encryption_key, conditions)

    def wait_for_consumers(self, *consumers: str, within: Duration, on_overdue: OnOverdue = OnOverdue.KEEP) -> None:
        """Keep the previous key Active until each of these consumers has acknowledged the current one.

        That comes on top of the grace period and of the last use. A consumer acknowledges with the client, by a proof
        that it has the new key (`iam-access-key`, docs/consumers.md); an operator can do it for one that can't. Who is
        missing is reported daily. An operator's `retire` does not wait.

        Args:
            consumers: Their names, such as `ci-runner-7`, 1 to 50: a letter or digit and up to 63 letters, digits and
                `._-`.
            within: How long after the switch they are waited for: longer than the grace period, at most 365 days.
            on_overdue: What becomes of the previous key then: it stays Active, if left out.

        Raises:
            ValueError: There is no name, there are too many, or one can't be a name or is there twice; the key has no
                grace period, or `within` is not longer; it was called before; or the previous key may then be Active
                longer than `max_active_age`.
        """
        names = consumers_.checked_consumers(consumers)
        if self._consumers:
            raise ValueError("wait_for_consumers must be called once for a key; pass all names together")
        seconds = self._retirement.checked_within(within)
        check_age(self._rotation, self._retirement, self.provider.sweep_seconds, within=seconds)
        self._consumers = tuple(names)
        self._key.add_property_override("Consumers", names)
        self._key.add_property_override("ConsumersWithin", str(seconds))
        self._key.add_property_override("OverdueConsumers", OnOverdue(on_overdue).value)
        consumers_.define_acknowledgement(self, self._user_name)
        self.provider.take_acknowledgements()

    def deliver_to(
        self,
        function: lambda_.IFunction,
        *,
        name: str,
        required: bool = True,
        phase: DeliveryPhase = DeliveryPhase.BEFORE_PUBLISHING,
    ) -> None:
        """Have a function bring each new key to a consumer, such as the settings of a CI system.

        It gets `{"secretArn", "versionId", "accessKeyId", "previousAccessKeyId", "consumer", "phase"}` and no secret:
        it reads that version of the secret itself, which this allows it. It must answer within 40 seconds, and get
        the same result if it is called again with the same version. It is never called twice at once for one key. When
        a rollback or an undo makes a key current again, it is called with that one. What fails is called again by the
        sweep, and reported.

        https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html

        Args:
            function: The function, with a role that the CDK may add to.
            name: The consumer: a letter or digit and up to 63 letters, digits and `._-`.
            required: Whether a new key must reach it, as it must if left out: a delivery before publishing keeps the
                previous key current until then, and each delivery keeps it from being retired.
            phase: Whether it is called before readers of the secret get the new key, as it is if left out, or after.

        Raises:
            ValueError: That is no function; the name can't be one or is taken; it is called more than 10 times; or a
                required delivery after publishing has no grace period to be made in. At synthesis: the function waits
                for the key.
        """
        consumers_.check_function(function)
        consumers_.check_name("deliver_to", name)
        consumers_.check_deliveries(self._deliveries, name)
        chosen = DeliveryPhase(phase)
        if required and chosen is DeliveryPhase.AFTER_PUBLISHING and not self._retirement.grace:
            raise ValueError(
                "deliver_to must come with a grace_period of a minute or more if it is required after publishing, got "
                "0: the previous key is deactivated in the deployment that rotates; set grace_period"
            )
        if not self._deliveries:
            AtSynthesis.of(self).check(lambda templates: consumers_.circles(self, self._key, templates))
        self._deliveries.append(
            {
                "Name": name,
                "FunctionArn": function.function_arn,
                "Phase": chosen.value,
                "Required": "true" if required else "false",
            }
        )
        self._key.add_property_override("Deliveries", self._deliveries)
        self.secret.needs(function)
        consumers_.define_delivery(self, name, function, role=self._role, secret=self.secret, resource=self._key)

    def on_published(self, target: events.IRuleTarget, *, scope: Construct | None = None) -> events.Rule:
        """Tell a target whenever readers of the secret get another key, by whatever means; five targets at most.

        By Secrets Manager's own event: `detail` has the secret's `name`, `labelUpdated` and `versionId`, and no secret.
        EventBridge may deliver it twice.

        https://docs.aws.amazon.com/secretsmanager/latest/userguide/secret-event-notifications.html

        Args:
            target: Whom to tell.
            scope: Where the rule is defined, if not in the key. A target in a stack that reads the secret needs a rule
                of that stack: the key's stack can't need a stack that needs it.
        """
        where, name = self._place_of_rule("Published", scope)
        found = where.node.try_find_child(name)
        pattern = consumers_.published_pattern(self._secret_arn)
        rule = cast("events.Rule", found) if found else events.Rule(where, name, event_pattern=pattern)
        rule.add_target(target)
        return rule

    def on_event(
        self,
        id: str,  # noqa: A002 - the CDK's word
        target: events.IRuleTarget,
        *kinds: str,
        scope: Construct | None = None,
    ) -> events.Rule:
        """Tell a target of what becomes of this key, such as `Access Key Retirement Overdue`; of all if none is named.

        `events.schema.json` of the package has the kinds and what each tells. `scope` is that of `on_published`.

        Raises:
            ValueError: There is no such kind of event.
        """
        # So that no id is taken by a part of the key.
        where, name = self._place_of_rule(f"On{id}", scope)
        rule = events.Rule(where, name, event_pattern=consumers_.transition_pattern(self._secret_arn, kinds))
        rule.add_target(target)
        return rule

    def _place_of_rule(self, name: str, scope: Construct | None) -> tuple[Construct, str]:
        return (self, name) if scope is None else (scope, f"{name}{self.node.addr}")

    def _changing(self, attribute: str) -> str:
        return self._key.get_att(attribute).to_string()

    def _too_old(self, templates: Templates) -> Iterator[str]:
        """Judge the key's age once more, by what the template has in the end."""
        found = WrittenKey.of(self, self.provider, templates).too_old(None)
        yield from [found] if found else []

    def _watch_format(self, secret_format: SecretFormat) -> None:
        Annotations.of(self).add_info_v2(
            "cdk-iam-access-key:shape",
            f"{self.node.path} has a secret_format: any change of it rotates the key, because a stored key can't be "
            "written anew",
        )
        if is_token(secret_format.text):
            AtSynthesis.of(self).check(self._references)

    def _references(self, templates: Templates) -> Iterator[str]:
        """Refuse another secret in the format, which only the template shows."""
        written = list(walk((properties_of(self._key, templates) or {}).get("SecretFormat")))
        parameters = templates.of(Stack.of(self)).get("Parameters", {})
        hidden = [{"Ref": name} for name, given in parameters.items() if str(given.get("NoEcho")).lower() == "true"]
        if any(part in hidden or (isinstance(part, str) and "{{resolve:" in part) for part in written):
            yield (
                f"{self.node.path}: secret_format must have no dynamic reference in it and no NoEcho parameter; "
                "another secret must not be copied into this one: let the reader read both"
            )

    def _checked_provider(
        self, provider: AccessKeyProvider | None, declared: DeclaredKeys, home: Home
    ) -> AccessKeyProvider:
        if provider is None:
            return AccessKeyProvider.get_or_create(home.stack)
        if isinstance(provider, AccessKeyProvider):
            validation.check_provider_place(home, declared.home(Stack.of(provider)))
            return provider
        raise ValueError(
            f"provider must be an AccessKeyProvider, got an object of {type(provider).__name__}; "
            "leave it out, and the stack gets its own"
        )

    def _define_key(self, properties: dict[str, Any]) -> CfnResource:
        key = self._define_custom_resource("Resource", "Custom::IAMAccessKey", properties)
        self.provider.outlives(key)
        return key

    def _define_cut_over(self) -> CfnResource:
        self._key.add_property_override("CutOver", "Deferred")
        properties = {
            "SecretArn": self._secret_arn,
            "SecretVersionId": self._key.get_att("SecretVersionId").to_string(),
        }
        cut_over = self._define_custom_resource("CutOver", "Custom::IAMAccessKeyCutOver", properties)
        cut_over.node.add_dependency(self._key)
        return cut_over

    def _define_custom_resource(self, name: str, kind: str, properties: dict[str, Any]) -> CfnResource:
        all_properties = {**self.provider.custom_resource_properties, **properties}
        resource = CfnResource(self, name, type=kind, properties=all_properties)
        # As it is by default; said, it is what MissingRemovalPolicies leaves alone.
        resource.apply_removal_policy(RemovalPolicy.DESTROY)
        return resource
