"""What each command does, in this process, against an AWS that checks signatures."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from support.aws_server import ARN

if TYPE_CHECKING:
    from conftest import Host
    from support.aws_server import Account


def test_enrolled_key_is_given_out_without_a_call(enrolled: Host, account: Account) -> None:
    """Within the interval, an SDK gets the stored key and nobody asks AWS."""
    done = enrolled.run("credentials")
    document = json.loads(done.out)
    assert done.code == 0
    assert done.err == ""
    assert document["Version"] == 1
    assert document["SecretAccessKey"] == account.keys[document["AccessKeyId"]].secret_access_key
    assert account.calls == []


def test_rotated_key_follows(enrolled: Host, account: Account) -> None:
    """When the interval is over, one read finds the new key, one call proves it, and the old one stays beside it."""
    old = enrolled.run("credentials").key_id
    new = account.rotate()
    assert enrolled.run("credentials").key_id == old
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials").key_id == new.access_key_id
    assert [call.action for call in account.calls] == ["GetSecretValue", "GetCallerIdentity"]
    assert [key.pair.access_key_id for key in enrolled.state.keys] == [new.access_key_id, old]


def test_store_is_for_its_owner_only(enrolled: Host) -> None:
    """The folder has 0700, and every file in it 0600."""
    folder = enrolled.store.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert ARN in enrolled.store.path.read_text()
