//! Header names (RFC 3261 section 7.3.1 and 7.3.3): case-insensitive, compact forms understood.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

macro_rules! header_names {
    ($($variant:ident $long:literal $($compact:literal)?;)*) => {
        /// A header's name. Known names print in their long form, others as written; all compare without
        /// regard to case.
        #[derive(Debug, Clone)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $long, "`.")] $variant,)*
            /// Any other name, as written.
            Other(String),
        }

        impl HeaderName {
            /// Gives the canonical long form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $long,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<&str> for HeaderName {
            fn from(name: &str) -> Self {
                $(if name.eq_ignore_ascii_case($long) $(|| name.eq_ignore_ascii_case($compact))? {
                    return Self::$variant;
                })*
                Self::Other(name.to_owned())
            }
        }
    };
}

header_names! {
    Via "Via" "v";
    From "From" "f";
    To "To" "t";
    CallId "Call-ID" "i";
    CSeq "CSeq";
    Contact "Contact" "m";
    MaxForwards "Max-Forwards";
    ContentLength "Content-Length" "l";
    ContentType "Content-Type" "c";
    ContentEncoding "Content-Encoding" "e";
    ContentDisposition "Content-Disposition";
    ContentLanguage "Content-Language";
    MimeVersion "MIME-Version";
    Route "Route";
    RecordRoute "Record-Route";
    Path "Path";
    ServiceRoute "Service-Route";
    Expires "Expires";
    MinExpires "Min-Expires";
    Require "Require";
    ProxyRequire "Proxy-Require";
    Supported "Supported" "k";
    Unsupported "Unsupported";
    Allow "Allow";
    AllowEvents "Allow-Events" "u";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AcceptContact "Accept-Contact" "a";
    RejectContact "Reject-Contact" "j";
    RequestDisposition "Request-Disposition" "d";
    WwwAuthenticate "WWW-Authenticate";
    Authorization "Authorization";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    AuthenticationInfo "Authentication-Info";
    RetryAfter "Retry-After";
    SessionExpires "Session-Expires" "x";
    MinSe "Min-SE";
    Reason "Reason";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    RemotePartyId "Remote-Party-ID";
    Privacy "Privacy";
    Identity "Identity" "y";
    Diversion "Diversion";
    HistoryInfo "History-Info";
    CallInfo "Call-Info";
    AlertInfo "Alert-Info";
    ErrorInfo "Error-Info";
    UserAgent "User-Agent";
    Server "Server";
    Organization "Organization";
    Subject "Subject" "s";
    Priority "Priority";
    Warning "Warning";
    Event "Event" "o";
    SubscriptionState "Subscription-State";
    SipEtag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    RSeq "RSeq";
    RAck "RAck";
    ReferTo "Refer-To" "r";
    ReferredBy "Referred-By" "b";
    ReferSub "Refer-Sub";
    TargetDialog "Target-Dialog";
    Replaces "Replaces";
    Join "Join";
    InReplyTo "In-Reply-To";
    ReplyTo "Reply-To";
    SessionId "Session-ID";
    UserToUser "User-to-User";
    Timestamp "Timestamp";
    Date "Date";
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_str().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
