//! The stories that have to pass end to end: the real binary, a real PBX, real phones, a real browser.

mod a_call_that_an_agent_asks_for;
mod a_database_server_that_goes_away_refuses_no_call;
mod a_dead_call_ends_within_a_minute;
mod a_full_disk_flags_the_recording_and_leaves_the_talk_alone;
mod a_killed_server_ends_its_calls_and_keeps_the_evidence;
mod a_locked_database_delays_no_call;
mod a_missed_caller_is_worked_off_once;
mod a_pbx_that_forgets_is_registered_again;
mod an_unknown_number_is_not_invented;
mod contacts_are_imported_beside_a_running_server;
mod every_unanswered_call_has_its_outcome;
mod hostile_callers_are_shown_as_text;
mod hostile_names_are_text_on_the_page;
mod known_customer_pops_before_the_answer;
mod server;
mod the_demonstration_shows_the_main_job;
mod the_doctor_says_what_it_saw;
mod the_server_keeps_to_its_document;
mod three_tabs_show_one_state_through_reload_and_cut;
mod two_devices_ring_together_or_in_order;
mod two_hundred_calls_leave_two_hundred_interactions;

pub(crate) use server::{Linecard, Office};
