//! What the server is measured beside: a relay that does nothing else, and rtpengine.

pub mod bare;
pub mod rtpengine;
pub mod sink;
