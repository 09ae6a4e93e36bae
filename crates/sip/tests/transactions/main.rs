//! The transaction layer through its public face, on a fabricated clock: exact times, exact bytes.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod client;
#[cfg(test)]
mod flooding;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod server;
