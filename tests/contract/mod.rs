//! The outside contract, held to from outside: REST and the events WebSocket, the server in the test's own process.

mod a_call_is_hung_up_by_those_who_see_it;
mod a_list_is_exported_as_csv;
mod a_password_never_comes_back;
mod a_repeated_post_is_done_once;
mod a_session_is_a_cookie_or_a_bearer;
mod a_session_is_seen_and_ended;
mod a_slow_browser_harms_no_other;
mod a_socket_greets_and_closes_by_its_codes;
mod a_socket_resumes_after_its_cursor;
mod an_account_is_checked_step_by_step;
mod an_agent_hears_of_its_own_only;
mod clients;
mod colleagues_are_known_by_name;
mod companies_lend_their_number_to_their_people;
mod contacts_are_found_by_name_and_number;
mod contacts_are_searched_and_narrowed;
mod desk;
mod errors_say_what_to_write;
mod every_listed_field_is_present;
mod every_route_has_its_roles;
mod evidence;
mod figures_are_told_without_names;
mod guessing_is_locked_out;
mod interactions_are_found_and_amended;
mod lists_are_walked_page_by_page;
mod missed_callers_are_worked_off;
mod recordings_are_played_in_ranges;
mod server;
mod socket;
mod the_document_names_every_route;
mod the_field_to_blame_is_named;
mod the_load_report_opens_its_calls;
mod under_tls_all_is_the_same;
mod users_and_their_devices;
mod who_did_what_is_audited;

pub(crate) use evidence::Evidence;
