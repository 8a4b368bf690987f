"""A person's hands in a random life: on foreign keys, on ours, and on what we have recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.model_place import USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.model_place import Places


def add_key(life: Places, *, used: bool) -> None:
    """Make a key where the quota has room."""
    for user in USERS:
        if len(life.living(user)) < life.account.switches.keys_per_user:
            key = life.stack.add_foreign_key(user)
            if used:
                life.account.person.use_key(key)
            return


def change_foreign(life: Places, *, delete: bool) -> None:
    """Delete or deactivate the first foreign key."""
    for keys in life.stack.foreign.values():
        for key in tuple(keys):
            if delete:
                life.account.person.delete_key(key)
                del keys[key]
            else:
                life.account.person.deactivate_key(key)
                keys[key] = "Inactive"
            return


def change_ours(life: Places, act: Callable[[str], None], *, all_of_them: bool) -> None:
    """Do something to our keys."""
    life.changed_by_hand = True
    for key in life.ours() if all_of_them else life.ours()[-1:]:
        act(key)


def remove_labels(life: Places) -> None:
    """Remove our labels, unless the user's tags were: nobody could tell our keys then."""
    if life.stack.known and life.tampered != "tags":
        life.tampered, life.labels_lost, life.changed_by_hand = "labels", True, True
        life.account.person.remove_own_labels(life.stack.known[1]["SecretArn"])


def remove_user_tags(life: Places) -> None:
    """Remove the user's tags, unless the labels were."""
    if life.stack.known and life.tampered != "labels":
        life.tampered, life.changed_by_hand = "tags", True
        life.account.person.untag_user(life.stack.known[1]["UserName"])


def remove_secret_tags(life: Places) -> None:
    """Remove the marks of past requests, which can't come late any more without being carried out."""
    for arn in (life.stack.secret_arn, life.stack.other_arn):
        life.account.person.untag_secret(arn)
    life.forget_past()


def put_value(life: Places) -> None:
    """Put another value into the secret."""
    life.changed_by_hand = True
    life.account.person.put_value(life.stack.known[1]["SecretArn"] if life.stack.known else life.stack.secret_arn, "x")


HANDS: dict[str, Callable[[Places], None]] = {
    "makes a key": lambda life: add_key(life, used=False),
    "makes and uses a key": lambda life: add_key(life, used=True),
    "deletes a foreign key": lambda life: change_foreign(life, delete=True),
    "deactivates a foreign key": lambda life: change_foreign(life, delete=False),
    "removes our labels": remove_labels,
    "removes the user's tags": remove_user_tags,
    "removes the secrets' tags": remove_secret_tags,
    "puts a value": put_value,
    "deletes a key of ours": lambda life: change_ours(life, life.account.person.delete_key, all_of_them=False),
    "deletes our keys": lambda life: change_ours(life, life.account.person.delete_key, all_of_them=True),
    "deactivates our keys": lambda life: change_ours(life, life.account.person.deactivate_key, all_of_them=True),
    "activates our keys": lambda life: change_ours(
        life, lambda key: life.account.person.set_key_status(key, "Active"), all_of_them=True
    ),
}
