"""Sessions of the keys' roles, and the proof that a key works: in this region, in IAM's home region, and a pause."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from fakes.aws import Context, Role, VirtualClock
from unit.aws.conftest import ROLE

from access_key_provider.aws import sts
from access_key_provider.aws.sts import Sessions, StsProver
from access_key_provider.model.errors import UnprovenKeyError
from access_key_provider.model.state import NewAccessKey
from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock
from lambda_shared.errors import AccessDeniedError

if TYPE_CHECKING:
    from fakes.aws import FakeAccount

KEY = NewAccessKey("AKIAAAAAAAAAAAAAAAAA", "not a secret")
REFUSED = ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetCallerIdentity")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://localhost")
OWN, HOME = "eu-central-1", "us-east-1"


@dataclass
class Sts:
    """Answers in each region as it was told to, the last answer for ever."""

    answers: dict[str | None, list[Any]]
    asked: list[str | None] = field(default_factory=list, init=False)
    configured: list[Any] = field(default_factory=list, init=False)

    def client(self, service: str, *, region_name: str | None, config: object, **credentials: str) -> Any:
        """Be what boto3 gives."""
        assert service == "sts"
        assert credentials == {"aws_access_key_id": KEY.id, "aws_secret_access_key": KEY.secret}
        self.configured.append(config)
        return _Client(self, region_name)


@dataclass
class _Client:
    sts: Sts
    region: str | None

    def get_caller_identity(self) -> dict[str, str]:
        """Give the next answer."""
        self.sts.asked.append(self.region)
        answers = self.sts.answers[self.region]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Arn": f"arn:aws:iam::123456789012:user/{answer}"}


@pytest.fixture
def own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a region that is not IAM's home."""
    monkeypatch.setenv("AWS_REGION", OWN)


class Waiting:
    """A clock of an invocation that has so many seconds left."""

    def __init__(self, seconds: float = 300) -> None:
        """Begin."""
        self.virtual = VirtualClock()
        self._began, self._seconds = self.virtual.now(), seconds
        self.now, self.sleep = self.virtual.now, self.virtual.sleep

    def remaining(self) -> float:
        """Return the seconds left."""
        return self._seconds - self.slept

    @property
    def slept(self) -> float:
        """Tell how long was waited."""
        return (self.virtual.now() - self._began).total_seconds()


def prove(
    monkeypatch: pytest.MonkeyPatch, here: list[Any], home: list[Any], *, settling: float = 0.0, seconds: float = 300
) -> tuple[Sts, Waiting]:
    """Prove the key against answers of the two regions."""
    service, clock = Sts({OWN: here, HOME: home}), Waiting(seconds)
    monkeypatch.setattr(boto3, "client", service.client)
    StsProver(clock, settling).prove(KEY, "deploy")
    return service, clock


@pytest.mark.usefixtures("own_region")
class TestProof:
    """The proof of a new key."""

    def test_two_successes_in_a_row_in_each_region_are_proof(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One would only prove one endpoint at one time; keys spread from IAM's home region."""
        service, _ = prove(monkeypatch, ["deploy"], ["deploy"])
        assert service.asked == [OWN, OWN, HOME, HOME]
        assert all(config is sts.NO_RETRIES for config in service.configured)

    @pytest.mark.parametrize("region", [OWN, HOME])
    @pytest.mark.parametrize("setback", [REFUSED, UNREACHABLE])
    def test_a_setback_begins_the_count_again(
        self, monkeypatch: pytest.MonkeyPatch, setback: Exception, region: str
    ) -> None:
        """A first success can be followed by another refusal."""
        answers: list[Any] = [setback, "deploy", setback, "team/deploy", "deploy"]
        here, home = (answers, ["deploy"]) if region == OWN else (["deploy"], answers)
        service, _ = prove(monkeypatch, here, home)
        assert service.asked.count(region) == 5

    @pytest.mark.parametrize("settling", [0.0, 10.0, 60.0])
    def test_a_proven_key_is_given_time_to_settle(self, monkeypatch: pytest.MonkeyPatch, settling: float) -> None:
        """Other endpoints may refuse it for some seconds more."""
        _, at_once = prove(monkeypatch, ["deploy"], ["deploy"])
        _, later = prove(monkeypatch, ["deploy"], ["deploy"], settling=settling)
        assert later.slept - at_once.slept == pytest.approx(settling)

    @pytest.mark.parametrize("region", [OWN, HOME])
    def test_a_key_that_never_works_is_given_up_within_the_bound(
        self, monkeypatch: pytest.MonkeyPatch, region: str
    ) -> None:
        """The message names the key and the last answer, not the secret."""
        here, home = ([REFUSED], ["deploy"]) if region == OWN else (["deploy"], [REFUSED])
        service, clock = Sts({OWN: here, HOME: home}), Waiting()
        monkeypatch.setattr(boto3, "client", service.client)
        message = rf"{KEY.id} did not work in time .*InvalidClientTokenId.*deploy again"
        with pytest.raises(UnprovenKeyError, match=message) as given_up:
            StsProver(clock, 10).prove(KEY, "deploy")
        assert 110 < clock.slept < 130
        assert KEY.secret not in str(given_up.value)

    def test_time_is_kept_to_undo_and_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With little time left the wait ends sooner."""
        clock = Waiting(seconds=90)
        monkeypatch.setattr(boto3, "client", Sts({OWN: [REFUSED], HOME: ["deploy"]}).client)
        with pytest.raises(UnprovenKeyError):
            StsProver(clock, 10).prove(KEY, "deploy")
        assert clock.remaining() > 50

    def test_a_key_of_somebody_else_is_no_proof(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The answer says whose key signed."""
        with pytest.raises(UnprovenKeyError, match="belongs to arn:aws:iam::123456789012:user/vendor"):
            prove(monkeypatch, ["vendor"], ["deploy"])

    def test_a_home_region_that_can_not_be_reached_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A function in a VPC may reach its own region only, and the key is proven there already."""
        service, clock = prove(monkeypatch, ["deploy"], [UNREACHABLE], settling=10)
        assert service.asked.count(HOME) == 3
        assert clock.slept >= 10

    def test_a_home_region_that_was_reached_is_not_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it refuses counts, however often the network fails between."""
        answers = [UNREACHABLE, REFUSED, UNREACHABLE, REFUSED, UNREACHABLE, UNREACHABLE, "deploy"]
        service, _ = prove(monkeypatch, ["deploy"], answers)
        assert service.asked.count(HOME) == 8

    def test_its_own_region_is_never_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is proven then."""
        with pytest.raises(UnprovenKeyError, match="EndpointConnectionError"):
            prove(monkeypatch, [UNREACHABLE], ["deploy"])


@pytest.mark.parametrize(
    ("region", "asked"),
    [
        ("eu-central-1", ("eu-central-1", "us-east-1")),
        ("us-east-1", ("us-east-1",)),
        ("cn-northwest-1", ("cn-northwest-1", "cn-north-1")),
        ("us-gov-east-1", ("us-gov-east-1", "us-gov-west-1")),
        ("us-iso-west-1", ("us-iso-west-1", "us-iso-east-1")),
        ("us-isob-west-1", ("us-isob-west-1", "us-isob-east-1")),
        ("us-isof-east-1", ("us-isof-east-1", "us-isof-south-1")),
        ("eu-isoe-west-1", ("eu-isoe-west-1",)),
        ("eusc-de-east-1", ("eusc-de-east-1",)),
    ],
)
def test_the_home_region_is_that_of_the_partition(
    monkeypatch: pytest.MonkeyPatch, region: str, asked: tuple[str, ...]
) -> None:
    """Keys of one partition are unknown in another."""
    monkeypatch.setenv("AWS_REGION", region)
    assert sts._regions() == asked


# --- sessions


def test_a_session_is_reused_while_it_outlives_the_invocation(
    account: FakeAccount, call: RetryingCaller, clock: InvocationClock
) -> None:
    """One for each role and purpose; near its end another one is begun."""
    sessions = Sessions()
    first = sessions.assume(ROLE, "Create-Key", call, clock)
    assert sessions.assume(ROLE, "Create-Key", call, clock) == first
    assert sessions.assume(ROLE, "Delete-Key", call, clock) != first
    assert sessions.assume(ROLE + "2", "Create-Key", call, clock) != first
    account.clock.sleep(timedelta(minutes=11).total_seconds())
    later = InvocationClock(Context(account.clock))
    again = sessions.assume(ROLE, "Create-Key", RetryingCaller(later), later)
    assert again != first
    assert account.log.names() == ["sts:AssumeRole"] * 4


def test_a_session_says_why_it_is_there_and_lasts_for_an_invocation(
    account: FakeAccount, call: RetryingCaller, clock: InvocationClock
) -> None:
    """CloudTrail shows its name with every call."""
    Sessions().assume(ROLE, "Create-Key", call, clock)
    (asked,) = account.log.calls()
    assert asked.parameters == {"RoleArn": ROLE, "RoleSessionName": "Create-Key", "DurationSeconds": 900}


def test_a_new_role_is_waited_for(account: FakeAccount, call: RetryingCaller, clock: InvocationClock) -> None:
    """CloudFormation starts what depends on a role before it works everywhere."""
    account.roles[ROLE] = Role(ROLE, assume_denials=8)
    assert Sessions().assume(ROLE, "Create-Key", call, clock)["aws_access_key_id"].startswith("ASIA")


def test_a_role_that_can_not_be_assumed_is_named(
    account: FakeAccount, call: RetryingCaller, clock: InvocationClock
) -> None:
    """With what may be the reason."""
    account.roles[ROLE] = Role(ROLE, assume_denials=10_000)
    with pytest.raises(AccessDeniedError, match=rf"^sts:AssumeRole on {ROLE} was denied: was the role deleted"):
        Sessions().assume(ROLE, "Create-Key", call, clock)
