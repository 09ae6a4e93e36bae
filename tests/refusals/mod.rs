//! What the real binary refuses and how it says so, and what does not stop it: exit codes, one line on stderr that names
//! the key and says what to write.

mod a_backup_is_whole_or_refused;
mod a_bad_pbx_stops_nothing;
mod commands_answer_with_their_codes;
mod each_bad_setting_names_its_key;
mod place;
mod what_is_taken_is_named;
