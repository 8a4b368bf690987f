"""Requests of CloudFormation for a `Custom::IAMAccessKey`, and for the cut-over of its consumers."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.entrypoints.custom_resource_request import (
    COPY_TYPE,
    CUT_OVER_TYPE,
    Properties,
    Request,
    parse_copy,
    parse_cut_over,
)
from access_key_provider.entrypoints.session import Work
from access_key_provider.model.errors import (
    BusyError,
    InvalidRequestError,
    LeaseLostError,
    LedgerError,
    SupersededError,
)
from access_key_provider.planning.announcement import announce
from access_key_provider.planning.consumers import holders_of_lost_keys
from access_key_provider.planning.copies import is_declared, plan_copy_removal
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.deployment import is_applied, plan_deployment, plan_failed_cleanup
from access_key_provider.planning.drift import findings, shown
from access_key_provider.planning.key_events import LEFT_BEHIND, RELEASED
from access_key_provider.planning.maintenance import owner_to_cut_over, plan_cut_over, went_back, with_holders
from access_key_provider.reconcile.reconciler import RESERVE_TO_UNDO
from lambda_shared import log
from lambda_shared.custom_resource import CustomResource, Result
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from access_key_provider.model.entry import Entry
    from access_key_provider.planning.draft import Draft
    from access_key_provider.reconcile.lease import Change


_TRIES_TO_CLEAN = 2
# Begins the id of a Create that failed and left nothing: its Delete needs nothing, whatever is refused by then. The
# request's id follows: without a rollback CloudFormation creates again, and may delete what failed only after that.
# Other ids begin with a user's name, in which there is no slash.
_NOTHING_WAS_MADE = "nothing-was-made/"


class AccessKeyResource(CustomResource):
    """The custom resource of a key, whose handlers get the parsed request."""

    def __init__(self, event: Mapping[str, Any], handlers: Mapping[str, Callable[[Request, Any], Result]]) -> None:
        """Register the handlers."""
        super().__init__(event, {kind: _parsing(handle) for kind, handle in handlers.items()})

    def generate_physical_id(self, event: Mapping[str, Any]) -> str:
        """Give a failed Create the id that its Delete will come back with."""
        try:
            return Request.parse(event).response_id()
        except InvalidRequestError:
            return super().generate_physical_id(event)


def _parsing(handle: Callable[[Request, Any], Result]) -> Callable[[Mapping[str, Any], Any], Result]:
    return lambda event, context: handle(Request.parse(event), context)


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Carry out a request and respond to it."""
    handlers = _HANDLERS.get(event.get("ResourceType", ""), _ACCESS_KEY)
    AccessKeyResource(event, handlers)(event, context)


def on_create_or_update(request: Request, context: Any) -> Result:
    """Make the key of the properties current, whatever was there before."""
    properties = Properties.parse(request.properties, os.environ.get("AWS_REGION"))
    resource = request.resource(properties)
    owner = resource.owner_id
    work = Work(properties.secret_arn, request.kind, context)

    def announced(entry: Entry, now: datetime) -> Entry:
        return announce(entry, owner, request.claim(properties, now, present=True))

    try:
        with work:
            found: tuple[str, ...] = ()
            if _take(work, owner, announced):
                found = _ensure_present(work, request, owner, is_new=request.physical_id != resource.physical_id)
            key = work.lease.entry.current
    except ProviderError as error:
        if request.kind == "Create" and _left_nothing(work, owner, error):
            error.physical_id = f"{_NOTHING_WAS_MADE}{request.request_id}/{request.logical_id}"
        raise
    assert key is not None  # noqa: S101 - `plan_deployment` ends with a current key
    log.info(
        "created" if key.id in work.reconciler.made else "in place",
        **_about(request),
        user=properties.user_name,
        access_key_id=key.id,
        status=properties.status,
        **({"found": "; ".join(found)} if found else {}),
        **({"left": "; ".join(work.reconciler.left)} if work.reconciler.left else {}),
    )
    _clean_failed_replacement(request, owner, resource.physical_id, context)
    data = {
        "AccessKeyId": key.id,
        "SecretArn": properties.secret_arn,
        "SecretName": properties.secret_name,
        "SecretVersionId": key.version_id,
        "Status": properties.status,
    }
    return Result(resource.physical_id, data, shown(found))


def on_delete(request: Request, context: Any) -> Result:
    """Delete every key of the resource, unless the id is that of a failed Create and another one came since.

    No other id matters: CloudFormation invents one for a cancelled Create.
    """
    physical_id = request.response_id()
    try:
        properties = Properties.parse(request.properties)
    except InvalidRequestError as error:
        log.info("nothing to delete: no key was ever made from these properties", **_about(request), reason=str(error))
        return Result(physical_id)
    found = ""
    try:
        found = _ensure_absent(request, properties, context)
    except LedgerError:
        # The ledger could not be reached then either.
        if not physical_id.startswith(_NOTHING_WAS_MADE):
            raise
    return Result(physical_id, found=found)


def on_cut_over(request: Request, context: Any) -> Result:
    """Deactivate the previous key: every consumer that the cut-over waits for uses the new key by now."""
    secret_arn, version_id = parse_cut_over(request.properties)
    found = ""
    with Work(secret_arn, "CutOver", context) as work:
        work.lease.take()
        owner = owner_to_cut_over(work.lease.entry, version_id)
        if owner:
            _cut_over(work, owner, version_id)
        if owner_to_cut_over(work.lease.entry, version_id):
            found = "the previous key is still Active: the current one does not work, or it was refused"
    return Result(request.physical_id or request.default_id, found=found)


def _cut_over(work: Work, owner: str, version_id: str) -> None:
    """Deactivate the previous key. In a rollback that is the newer one, which the sweep may as well retire."""
    goes_back = went_back(work.lease.entry, owner)
    try:
        work.reconciler.run(owner, lambda draft, of: plan_cut_over(draft, of, version_id))
    except ProviderError as error:
        if not goes_back:
            raise
        log.info("left to the sweep", action="CutOver", reason=str(error))


def on_cut_over_deleted(request: Request, context: Any) -> Result:
    """Delete the cut-over of a key: there is nothing to take back."""
    del context
    return Result(request.physical_id or request.default_id)


def on_copy(request: Request, context: Any) -> Result:
    """Name a copy: the key writes to it once its permissions are there, which this resource waits for."""
    del context
    secret_arn, copy = parse_copy(request.properties)
    return Result(f"{copy.id}, of {secret_arn}")


def on_copy_deleted(request: Request, context: Any) -> Result:
    """Delete a copy that no key writes to any more; CloudFormation asks for it after all that uses it."""
    physical_id, found = request.physical_id or request.default_id, ""
    try:
        secret_arn, copy = parse_copy(request.properties)
    except InvalidRequestError as error:
        log.info("nothing to delete: nothing was ever copied", **_about(request), reason=str(error))
        return Result(physical_id)
    with Work(secret_arn, "DeleteCopy", context) as work:
        work.lease.take()
        record = work.lease.entry.copies.get(copy.id)
        if record is None:
            found = f"the {copy.id} was not made by this key, or it is deleted already"
        elif is_declared(work.lease.entry, copy.id):
            found = f"the {copy.id} stays: another key writes to it"
        else:
            work.reconciler.run(record.owner, lambda draft, _: plan_copy_removal(draft, copy))
    return Result(physical_id, found=found)


def _take(work: Work, owner: str, announced: Change) -> bool:
    """Take the lease, unless the ledger can't be written and what it shows is what is asked for."""
    try:
        work.lease.take(announced, own=owner)
    except LedgerError:
        with suppress(LedgerError):
            work.lease.read()
            if is_applied(announced(work.lease.entry, work.lease.now()), owner):
                return False
        raise
    return True


def _ensure_present(work: Work, request: Request, owner: str, *, is_new: bool) -> tuple[str, ...]:
    """Make the declared key current, and return what was found otherwise than it had been left.

    When that fails, nothing that this request made is left.
    """
    entry = work.lease.entry
    if is_applied(entry, owner):
        return ()
    is_new = is_new and not entry.keys_of(owner)
    found: tuple[str, ...] | None = None
    deployed = request.deployed
    serial, adopted = (deployed.serial, deployed.adopted_key) if deployed else ("", "")

    def plan(draft: Draft, of: str) -> None:
        nonlocal found
        if found is None:
            # Another try finds what this request has done.
            found = findings(entry, draft.observed, of)
        plan_deployment(draft, of, adopted)

    try:
        work.reconciler.run(owner, plan, reserve=RESERVE_TO_UNDO, deploys=True, deployed_serial=serial)
    except LeaseLostError:
        # Whoever has taken over goes on from what is recorded.
        raise
    except ProviderError as error:
        raise _cleaned_up(work, owner, error, is_new=is_new) from error
    return found or ()


def _cleaned_up(work: Work, owner: str, error: ProviderError, *, is_new: bool) -> ProviderError:
    """Take back what was made, and return the error, which says so if that fails too."""
    made, superseded = tuple(work.reconciler.made), isinstance(error, SupersededError)

    def plan(draft: Draft, of: str) -> None:
        plan_failed_cleanup(draft, of, made, new_resource=is_new, go_back=not superseded)

    try:
        if work.lease.entry.claims[owner].touched:
            work.reconciler.run(owner, plan, check=False, deploys=True)
            if not superseded and not work.reconciler.half_done:
                # The resource has what it had: its rollback has nothing to do.
                work.lease.change(_changed_claim(owner, touched=False))
    except ProviderError as failure:
        left = ", ".join(key.id for key in work.lease.entry.keys_of(owner) if key.id in made)
        # What is left comes first: a long response is cut at its end.
        return ProviderError(f"left: {left or 'no new key'}; {error}; cleaning up failed as well: {failure}")
    if is_new and not superseded and not work.lease.entry.made_for(owner):
        # CloudFormation sends no Delete for a replacement that failed.
        work.finally_change(_changed_claim(owner, present=False))
    return error


def _changed_claim(owner: str, **changes: Any) -> Change:
    return lambda entry, _: entry.with_claim(owner, replace(entry.claims[owner], **changes))


def _left_nothing(work: Work, owner: str, error: ProviderError) -> bool:
    """Tell whether it is known that no key was made for a resource."""
    if isinstance(error, (BusyError, LeaseLostError, SupersededError)):
        # Another delivery of the request may be making one.
        return False
    return not work.lease.taken or not work.lease.entry.made_for(owner)


def _clean_failed_replacement(request: Request, owner: str, physical_id: str, context: Any) -> None:
    """Clean the new place of a replacement that failed without a response, when it is rolled back.

    CloudFormation never learned the new id, so this Update back to the old place is the last request to name the new
    one. It must succeed in any case, or the stack is stuck; so what fails is tried twice, and the sweep comes back.
    """
    other = request.deployed
    if request.kind != "Update" or request.physical_id != physical_id or other is None:
        return
    if request.resource(other).owner_id == owner:
        return
    for _ in range(_TRIES_TO_CLEAN):
        try:
            _ensure_absent(request, other, context)
        except ProviderError as error:
            log.info("could not clean the place of a failed replacement", **_about(request), reason=str(error))
        else:
            return


def _ensure_absent(request: Request, properties: Properties, context: Any) -> str:
    """Delete the keys of a resource, and say which could not be found, if any."""
    resource = request.resource(properties)
    owner = resource.owner_id
    was_known = False
    failed_create = _failed_create(request.physical_id or "")

    def announced(entry: Entry, now: datetime) -> Entry:
        nonlocal was_known
        claim = entry.claims.get(owner)
        if failed_create and claim and claim.present and claim.request.id != failed_create:
            raise SupersededError("CloudFormation made a later request: nothing was done for this one")
        if claim is None or claim.request.id != request.request_id:
            # Else this very request has written it.
            was_known = claim is not None
        return announce(entry, owner, request.claim(properties, now, present=False))

    with Work(properties.secret_arn, "Delete", context) as work:
        try:
            work.lease.take(announced, own=owner)
        except SupersededError:
            log.info("not deleted: the resource was created again since", **_about(request))
            return ""
        keys = [key.id for key in work.lease.entry.keys_of(owner)]
        if work.lease.entry.made_for(owner) or not (was_known or request.physical_id != resource.physical_id):
            _delete_keys(work, owner)
    log.info("deleted", **_about(request), user=properties.user_name, access_key_ids=" ".join(keys))
    _have_delivered_again(work.lease.entry, owner, context)
    lost = (detail for kind, detail in work.reconciler.events if kind in {LEFT_BEHIND, RELEASED})
    return shown([*(f"{detail['accessKeyId']}: {detail['why']}" for detail in lost), *work.reconciler.left])


def _have_delivered_again(entry: Entry, owner: str, context: Any) -> None:
    """Have the sweep bring consumers of a key that is gone the one of the user's other secret, or of the secret before.

    A change of the secret that fails or is rolled back is such a case, and nothing tells the other secret's resource.
    """
    claim, had = entry.claims.get(owner), holders_of_lost_keys(entry)
    if claim is None or not had:
        return
    try:
        for secret_arn in {*Ledger().of_user(claim.user_name), claim.moved_from} - {entry.secret_arn, ""}:
            with Work(secret_arn, "Delete", context) as work:
                work.lease.read()
                if with_holders(work.lease.entry, had, work.lease.now()) is not work.lease.entry:
                    work.lease.take()
                    work.lease.change(lambda entry, now: with_holders(entry, had, now))
    except ProviderError as error:
        # Whoever deletes must be able to.
        log.info("consumers of a deleted key may have no other", reason=str(error))


def _failed_create(physical_id: str) -> str:
    """Tell which request failed and left nothing, from the id that it answered; nothing from any other id."""
    prefix, found, rest = physical_id.partition(_NOTHING_WAS_MADE)
    return rest.partition("/")[0] if found and not prefix else ""


def _delete_keys(work: Work, owner: str) -> None:
    try:
        work.reconciler.run(owner, plan_deletion)
    except ProviderError as error:
        left = ", ".join(key.id for key in work.lease.entry.keys_of(owner))
        role = work.lease.entry.claims[owner].role_arn
        left = left or "perhaps one whose creation was interrupted"
        # What is left comes first: a long response is cut at its end.
        raise ProviderError(f"keys that are left: {left}; {error}; asked with the role {role}") from error


def _about(request: Request) -> dict[str, str]:
    return {"request_type": request.kind, "stack": request.stack_name, "logical_id": request.logical_id}


_ACCESS_KEY = {"create": on_create_or_update, "update": on_create_or_update, "delete": on_delete}
_HANDLERS = {
    CUT_OVER_TYPE: {"create": on_cut_over, "update": on_cut_over, "delete": on_cut_over_deleted},
    COPY_TYPE: {"create": on_copy, "update": on_copy, "delete": on_copy_deleted},
}
