"""Where moto and the embedded AWS are not like AWS, by the test that shows it. The reason is what they do instead."""

from __future__ import annotations

from typing import Final

_LONGER_NUMBERS: Final = ("1.0-1", "007-7", "1e2-100", "0.50-0.5", "-0-0", "+3-3", "long fraction")

_MOTO: Final = {
    # access keys
    "test_a_key_is_dated_in_whole_seconds": "dates keys with fractions of a second",
    "test_a_listing_comes_in_pages": "ListAccessKeys knows no pages",
    "test_a_listing_says_whether_there_is_more": "ListAccessKeys leaves IsTruncated out",
    "test_a_renamed_user_keeps_its_keys_and_tags": "a renamed user loses its tags, which go by its ARN",
    "test_a_user_name_has_its_characters_and_length": "checks no names: looks for the user, finds none",
    "test_a_user_with_keys_stays": "deletes a user that has keys",
    "test_an_unknown_status_is_refused": "sets whatever status it is given",
    "test_the_last_use_of_a_deleted_key_is_denied": "says NoSuchEntity",
    "test_the_last_use_of_an_unknown_key_is_denied": "says NoSuchEntity",
    # tags of a user
    "test_a_call_names_at_most_fifty_tags": "sets any number of tags",
    "test_a_tag_has_its_characters": "checks the characters of a role's tags, not of a user's",
    "test_a_tag_key_twice_in_a_call_is_refused": "takes the last one",
    "test_a_user_has_at_most_fifty_tags": "sets any number of tags",
    "test_keys_beginning_with_aws_are_reserved": "reserves nothing",
    "test_tag_keys_that_differ_in_case_are_the_same": "keeps both",
    "test_tags_come_in_pages": "ListUserTags knows no pages",
    # secrets
    "test_a_missing_secret_is_a_bad_request": "answers with status 404",
    "test_a_label_has_at_most_256_characters": "takes any label",
    "test_a_secret_has_at_most_fifty_tags": "sets any number of tags",
    "test_a_secret_has_at_most_twenty_labels": "attaches any number of labels",
    "test_a_secret_to_be_deleted_is_neither_written_nor_read[moto-put_secret_value]": "writes it",
    "test_a_secret_to_be_deleted_is_neither_written_nor_read[moto-tag_resource]": "tags it",
    "test_a_secret_to_be_deleted_is_neither_written_nor_read[moto-untag_resource]": "untags it",
    "test_a_secret_to_be_deleted_is_neither_written_nor_read[moto-update_secret_version_stage]": "labels it",
    "test_a_replica_is_described_and_not_written[moto-update_secret_version_stage]": "labels a replica",
    "test_a_tag_has_a_greatest_length": "takes tags of any length, of users and of secrets",
    "test_the_version_that_awscurrent_leaves_keeps_its_labels": "the version is left with AWSPREVIOUS alone",
    # labels
    "test_a_label_attached_where_it_is_stays": "attaches it once more, and lists it twice",
    "test_a_label_does_not_move_from_nowhere": "attaches it to a second version",
    "test_a_label_needs_a_version_to_leave_or_to_go_to": "accepts the call and does nothing",
    "test_awscurrent_never_goes": "takes AWSCURRENT off",
    "test_reading_without_a_label_reads_awscurrent": "reads the version that was made current first",
    "test_versions_must_exist[moto-to]": "takes the label off before it finds out that the version is missing",
    # sessions
    "test_a_deleted_key_is_rejected": "checks no credentials",
    "test_a_denied_call_about_a_secret_is_a_bad_request": "enforces no policy",
    "test_a_key_works_while_it_is_active": "checks no credentials",
    "test_a_new_key_is_rejected_at_first": "checks no credentials",
    "test_a_role_that_does_not_exist_is_denied": "assumes any role",
    "test_a_session_name_has_its_characters": "takes any session name",
    "test_a_wrong_secret_is_rejected": "checks no credentials",
    "test_an_unknown_token_is_rejected": "checks no credentials",
    "test_it_may_not_ask_about_another_users_key": "enforces no policy",
    "test_it_may_not_read_its_secret": "enforces no policy",
    "test_it_may_not_tell_whether_another_user_exists": "enforces no policy",
    "test_it_may_not_tag_its_secret": "enforces no policy",
    "test_it_may_not_touch_another_secret": "enforces no policy",
    "test_it_may_not_touch_another_user": "enforces no policy",
    # rotations
    "test_another_one_is_refused_while_the_first_is_not_finished": "rotates at once, by itself",
    "test_it_begins_with_a_version_that_has_no_value": "rotates at once, by itself",
    "test_it_ends_with_both_labels_on_the_new_version": "rotates at once, by itself",
    "test_one_that_was_given_up_makes_room_for_another": "rotates at once, by itself",
    "test_the_next_one_takes_awspending_along": "rotates at once, by itself",
    "test_the_pending_version_takes_one_value": "rotates at once, by itself",
    # tables
    "test_a_key_is_the_tables[moto-number]": "looks for a key of any type",
    "test_a_number_has_its_form_and_range[moto-1_000]": "takes whatever Python takes for a number",
    "test_a_number_has_its_form_and_range[moto-long]": "takes numbers of any length",
    "test_a_number_has_its_form_and_range[moto-1e126]": "takes numbers of any size",
    **dict.fromkeys(
        (f"test_a_number_is_read_in_its_shortest_form[moto-{number}]" for number in _LONGER_NUMBERS),
        "keeps numbers as they are written",
    ),
    "test_a_page_that_is_full_does_not_know_whether_there_is_more": "looks whether there is more",
    "test_a_query_is_about_the_keys_of_the_index[moto-type]": "compares values of any type",
    "test_a_start_has_all_keys": "begins anywhere",
    "test_a_value_has_one_type": "takes values of any number of types",
    "test_an_index_must_be_there": "says ResourceNotFoundException",
    "test_an_item_has_at_most_400_kilobytes": "counts in another way",
    "test_an_item_has_the_types_of_the_indexes[moto-wrong0]": "checks no types of an index",
    "test_an_item_has_the_types_of_the_indexes[moto-wrong1]": "checks no types of an index",
    "test_what_is_given_is_used[moto-value-condition0]": "does not look at values without an expression",
    "test_what_is_given_is_used[moto-value-condition1]": "does not miss the use of a value",
    "test_what_is_used_is_given": "fails with an error of its own",
    # events
    'test_an_event_without_an_object_fails_by_itself[moto-"text"]': "takes any JSON",
    "test_an_event_without_an_object_fails_by_itself[moto-[]]": "takes any JSON",
}

_EMBEDDED: Final = {
    # access keys
    "test_a_listing_comes_in_pages": "ListAccessKeys knows no pages",
    "test_a_renamed_user_keeps_its_keys_and_tags": "has no UpdateUser",
    "test_a_renamed_users_key_has_the_new_name": "has no UpdateUser",
    "test_a_user_name_has_its_characters_and_length": "checks no names: looks for the user, finds none",
    # tags of a user
    "test_a_call_names_at_most_fifty_tags": "sets any number of tags",
    "test_a_tag_has_its_characters": "takes any character",
    "test_a_user_has_at_most_fifty_tags": "sets any number of tags",
    "test_keys_beginning_with_aws_are_reserved": "reserves nothing",
    "test_tags_come_in_pages": "ListUserTags knows no pages",
    # secrets
    "test_a_label_has_at_most_256_characters": "takes any label",
    "test_a_replica_is_described_and_not_written": "has one region here",
    "test_a_secret_has_at_most_fifty_tags": "sets any number of tags",
    "test_a_tag_has_a_greatest_length": "takes tags of any length, of users and of secrets",
    "test_a_token_has_at_most_64_characters": "takes any token",
    "test_a_value_is_needed": "makes a version without a value",
    # sessions
    "test_a_denied_call_about_a_secret_is_a_bad_request": "answers with status 403",
    "test_a_session_name_has_its_characters": "takes any session name",
    # events
    "test_an_event_says_what_it_tells": "takes events that say neither",
    "test_an_event_without_an_object_fails_by_itself": "takes any detail",
}

_DEVIATIONS: Final = {"moto": _MOTO, "embedded": _EMBEDDED}


def deviating_tests() -> set[str]:
    """Name the tests that the tables speak of."""
    return {name.split("[")[0] for table in _DEVIATIONS.values() for name in table}


def reason(implementation: str, function: str, case: str) -> str | None:
    """Say why a case fails on an implementation; None if it must pass. A key names a test or one case of it."""
    table = _DEVIATIONS.get(implementation, {})
    return next((why for name, why in table.items() if name in {function, case}), None)
