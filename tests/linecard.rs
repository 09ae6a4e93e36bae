//! Linecard from outside: the norms of its source, and its stories with real peers, in one binary.

#[cfg(test)]
mod media_parties;
#[cfg(test)]
mod media_relay;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod recording_storage;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tidy;
