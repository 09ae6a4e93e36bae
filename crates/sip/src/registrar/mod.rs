//! The registrar for telephones that register here (RFC 3261 section 10.3, RFC 5626 as far as flows go).
//!
//! It keeps which phones there are and where each is reached now: a contact and the path that it was registered by,
//! which is the way back through any NAT. Of a phone that names itself by `+sip.instance` (RFC 5626 section 4.1)
//! there is one binding, whatever contacts it makes up. It judges no credentials, that is the digest's part, sends
//! nothing and forwards nothing: no proxy is made here, so Path and GRUU (RFC 3327, RFC 5627) are not spoken.

mod binding;
mod guesses;
mod request;
mod table;

pub use binding::{Binding, BindingId, Lease};
pub use guesses::{Guesses, Standing};
pub(crate) use table::phones_of;
pub use table::{MAX_BINDINGS, Phone, PhoneId, Registrar, Removed, Terms};
