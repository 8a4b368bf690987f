"""The rules of the protocol. Each can be switched off, to show what it is for."""

from __future__ import annotations

from typing import NamedTuple


class Rules(NamedTuple):
    """The protocol as it must be; each field changes one rule."""

    unfenced: frozenset[str] = frozenset()  # acts (or reasons of acts) without a renewal before them
    unconditional: frozenset[str] = frozenset()  # announce, acquire, renew: writes without a version
    lease_expires: bool = True
    stopping_keeps_unfinished: bool = True  # one who stops has not looked after what others left
    stopping_lets_go: bool = True
    later_request_stops: bool = True  # who acquires or renews looks at the claim
    older_request_is_superseded: bool = True  # who announces looks at the claim
    answered_request_is_replayed: bool = True  # an event delivered again after its success changes nothing
    switch_recorded_after: bool = True  # AWSCURRENT moves first, the record follows
    interrupted_switch_is_adopted: bool = True  # AWSCURRENT moved, its record is missing: the next holder writes it
    interrupted_deactivation_is_adopted: bool = True  # the same for a key that was retired
    interrupted_switch_is_completed: bool = True  # AWSCURRENT is about to move: the next holder moves it
    unfinished_stays: frozenset[str] = frozenset({"create", "activate", "deactivate"})
    deletion_is_final: bool = True  # from the renewal before the deletion on, nobody restores the key
    baseline: bool = True  # a key that was there before the creation is no orphan
    recorded_belongs_to_holder: bool = True  # without the lease, take back only a key that no entry records
    holder_is_an_invocation: bool = True  # a second delivery of an event is another holder


PROTOCOL = Rules()
