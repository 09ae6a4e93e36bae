//! Methods (RFC 3261 section 7.1 and the extensions' registry). Case matters; nothing is unescaped.

use std::fmt;

macro_rules! methods {
    ($($variant:ident $text:literal $doc:literal;)*) => {
        /// A request's method, compared byte for byte (RFC 3261 section 7.1).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = $doc] $variant,)*
            /// Any other token, as written.
            Other(String),
        }

        impl Method {
            /// Gives the method's token.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(token) => token,
                }
            }
        }

        impl From<&str> for Method {
            fn from(token: &str) -> Self {
                match token {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

methods! {
    Invite "INVITE" "Begins or changes a session (RFC 3261 section 13).";
    Ack "ACK" "Confirms a final answer to INVITE (RFC 3261 section 13.2.2.4).";
    Bye "BYE" "Ends a session (RFC 3261 section 15).";
    Cancel "CANCEL" "Takes a pending request back (RFC 3261 section 9).";
    Options "OPTIONS" "Asks for capabilities (RFC 3261 section 11).";
    Register "REGISTER" "Binds a contact to an address of record (RFC 3261 section 10).";
    Subscribe "SUBSCRIBE" "Asks to be notified (RFC 6665).";
    Notify "NOTIFY" "Reports an event (RFC 6665).";
    Refer "REFER" "Asks the peer to call somebody else (RFC 3515).";
    Info "INFO" "Carries application data in a dialog (RFC 6086).";
    Update "UPDATE" "Changes a session before it is answered (RFC 3311).";
    Prack "PRACK" "Acknowledges a provisional answer (RFC 3262).";
    Message "MESSAGE" "Carries an instant message (RFC 3428).";
    Publish "PUBLISH" "Publishes event state (RFC 3903).";
}

impl Method {
    /// Reads a method; `None` when the bytes are no token.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !bytes.iter().all(|byte| super::is_token(*byte)) {
            return None;
        }
        std::str::from_utf8(bytes).ok().map(Self::from)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
