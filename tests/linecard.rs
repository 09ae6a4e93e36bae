//! Linecard from outside, in one binary: the norms of its source, its contract, its refusals, its stories with real peers.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod media_codecs;
#[cfg(test)]
mod media_parties;
#[cfg(test)]
mod media_relay;
#[cfg(test)]
mod package;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod recording_storage;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tidy;
