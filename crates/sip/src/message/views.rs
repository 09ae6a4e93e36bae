//! Typed views of header values, read when asked for (RFC 3261 section 20 and extensions).
//!
//! A list in one line counts like several lines (RFC 3261 section 7.3.1). What must be well-formed for a
//! message to be acceptable gives a `Result`; what is only advice gives what could be read.

use std::borrow::Cow;

use super::{
    CSeq, HeaderName, Headers, NameAddr, Params, ParseError, ParseErrorKind, Scan, Via, is_token, readable,
};

/// Who refreshes a session (RFC 4028 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers.
    Uas,
}

/// Why a call ended or a request was sent (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonValue {
    /// `SIP`, `Q.850`, or another protocol.
    pub protocol: String,
    /// The cause in that protocol's numbers.
    pub cause: Option<u32>,
    /// The readable text.
    pub text: Option<String>,
}

impl Headers {
    /// Gives the first value as readable text: UTF-8, else Windows-1251.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        let header = self.iter().find(|header| header.name == *name)?;
        Some(readable(&header.value))
    }

    /// Gives the topmost Via.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn top_via(&self) -> Result<Via, ParseError> {
        self.first(&HeaderName::Via, |value| Via::scan(&mut Scan::new(value)))
    }

    /// Gives all Vias, topmost first.
    ///
    /// # Errors
    /// One is malformed. None at all is an empty list.
    pub fn vias(&self) -> Result<Vec<Via>, ParseError> {
        self.list(&HeaderName::Via, Via::scan)
    }

    /// Replaces the topmost Via and leaves those below it as they are; without one it is put in front.
    pub fn set_top_via(&mut self, via: &Via) {
        let Some(line) = self.get(&HeaderName::Via) else {
            return self.push_front(HeaderName::Via, via.to_bytes());
        };
        let mut scan = Scan::new(line);
        let mut value = via.to_bytes();
        if Via::scan(&mut scan).is_ok() {
            value.extend(scan.rest());
        }
        self.replace_first(HeaderName::Via, value);
    }

    /// Gives From.
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn from_(&self) -> Result<NameAddr, ParseError> {
        self.single(&HeaderName::From, NameAddr::parse)
    }

    /// Gives To.
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn to(&self) -> Result<NameAddr, ParseError> {
        self.single(&HeaderName::To, NameAddr::parse)
    }

    /// Sets the To tag. The bytes of To stay as they are unless there was another tag.
    pub fn set_to_tag(&mut self, tag: &str) {
        let tag: String = tag.chars().filter(|c| u8::try_from(*c).is_ok_and(is_token)).collect();
        let Ok(mut to) = self.to() else { return };
        let value = if to.tag().is_some() {
            to.set_tag(&tag);
            to.to_bytes()
        } else {
            [self.get(&HeaderName::To).unwrap_or_default(), b";tag=", tag.as_bytes()].concat()
        };
        self.replace_first(HeaderName::To, value);
    }

    /// Gives the Call-ID.
    ///
    /// # Errors
    /// Missing, repeated, empty, or with a space or control character.
    pub fn call_id(&self) -> Result<&str, ParseError> {
        self.single(&HeaderName::CallId, |value| match std::str::from_utf8(value) {
            Ok(text) if !text.is_empty() && !text.contains(|c: char| c <= ' ' || c == '\x7F') => Ok(text),
            _ => Err(ParseError::new(ParseErrorKind::Value, 0)),
        })
    }

    /// Gives CSeq.
    ///
    /// # Errors
    /// Missing, repeated, malformed, or a number of 2^31 or more.
    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        self.single(&HeaderName::CSeq, CSeq::parse)
    }

    /// Gives all Contacts; `*` gives an empty list, see [`Headers::is_contact_star`].
    ///
    /// # Errors
    /// One is malformed, or `*` stands beside others.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, ParseError> {
        if self.is_contact_star() { Ok(Vec::new()) } else { self.name_addrs(&HeaderName::Contact) }
    }

    /// Tells whether Contact is the single `*` that removes all bindings (RFC 3261 section 10.2.2).
    #[must_use]
    pub fn is_contact_star(&self) -> bool {
        let mut values = self.get_all(&HeaderName::Contact);
        values.next() == Some(b"*") && values.next().is_none()
    }

    /// Gives Route, topmost first.
    ///
    /// # Errors
    /// One is malformed.
    pub fn routes(&self) -> Result<Vec<NameAddr>, ParseError> {
        self.name_addrs(&HeaderName::Route)
    }

    /// Gives Record-Route, topmost first.
    ///
    /// # Errors
    /// One is malformed.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, ParseError> {
        self.name_addrs(&HeaderName::RecordRoute)
    }

    /// Gives the addresses of any header that holds a list of them.
    ///
    /// # Errors
    /// One is malformed.
    pub fn name_addrs(&self, name: &HeaderName) -> Result<Vec<NameAddr>, ParseError> {
        self.list(name, NameAddr::scan)
    }

    /// Gives Refer-To (RFC 3515).
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn refer_to(&self) -> Result<NameAddr, ParseError> {
        self.single(&HeaderName::ReferTo, NameAddr::parse)
    }

    /// Gives Expires in seconds; more than fits counts as the largest value.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.seconds(&HeaderName::Expires)
    }

    /// Gives Min-Expires in seconds.
    #[must_use]
    pub fn min_expires(&self) -> Option<u32> {
        self.seconds(&HeaderName::MinExpires)
    }

    /// Gives Max-Forwards.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u32> {
        self.seconds(&HeaderName::MaxForwards)
    }

    /// Gives Retry-After in seconds, without its comment and parameters.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.seconds(&HeaderName::RetryAfter)
    }

    /// Gives Min-SE in seconds (RFC 4028).
    #[must_use]
    pub fn min_se(&self) -> Option<u32> {
        self.seconds(&HeaderName::MinSe)
    }

    /// Gives Session-Expires in seconds and who refreshes (RFC 4028).
    #[must_use]
    pub fn session_expires(&self) -> Option<(u32, Option<Refresher>)> {
        let mut scan = Scan::new(self.get(&HeaderName::SessionExpires)?);
        let seconds = leading_seconds(&mut scan)?;
        let refresher = Params::scan(&mut scan).ok().and_then(|params| {
            let who = params.get("refresher")?;
            match who {
                _ if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                _ if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some((seconds, refresher))
    }

    /// Gives the items of a list of tokens (Require, Supported, Allow, Accept), without empty ones.
    #[must_use]
    pub fn options_of(&self, name: &HeaderName) -> Vec<String> {
        self.get_all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|item| !item.is_empty())
            .map(|item| readable(item).into_owned())
            .collect()
    }

    /// Gives every readable Reason (RFC 3326).
    #[must_use]
    pub fn reasons(&self) -> Vec<ReasonValue> {
        self.readable_list(&HeaderName::Reason, |scan| {
            scan.skip_space();
            let protocol = scan.token()?.to_owned();
            let params = Params::scan(scan)?;
            let cause = params.get("cause").and_then(|cause| cause.parse().ok());
            Ok(ReasonValue { protocol, cause, text: params.unquoted("text") })
        })
    }

    /// Gives how a subscription stands and what is told of it (RFC 6665 section 8.2.3).
    #[must_use]
    pub fn subscription_state(&self) -> Option<(String, Params)> {
        let read = |scan: &mut Scan<'_>| {
            scan.skip_space();
            Ok((scan.token()?.to_ascii_lowercase(), Params::scan(scan)?))
        };
        self.readable_list(&HeaderName::SubscriptionState, read).into_iter().next()
    }

    /// Gives every readable P-Asserted-Identity (RFC 3325).
    #[must_use]
    pub fn asserted_identity(&self) -> Vec<NameAddr> {
        self.readable_list(&HeaderName::PAssertedIdentity, NameAddr::scan)
    }

    /// Gives every readable Remote-Party-ID.
    #[must_use]
    pub fn remote_party_id(&self) -> Vec<NameAddr> {
        self.readable_list(&HeaderName::RemotePartyId, NameAddr::scan)
    }

    /// Gives every readable Diversion, the last diversion first (RFC 5806).
    #[must_use]
    pub fn diversions(&self) -> Vec<NameAddr> {
        self.readable_list(&HeaderName::Diversion, NameAddr::scan)
    }

    /// Gives every readable History-Info, the first target first (RFC 7044).
    #[must_use]
    pub fn history(&self) -> Vec<NameAddr> {
        let mut entries = self.readable_list(&HeaderName::from("History-Info"), NameAddr::scan);
        let place = |entry: &NameAddr| -> Vec<u32> {
            let index = entry.params.get("index").unwrap_or_default();
            index.split('.').map(|part| part.trim().parse().unwrap_or(u32::MAX)).collect()
        };
        entries.sort_by_key(place);
        entries
    }

    /// Gives the address that was called before the registrar replaced it: P-Called-Party-ID (RFC 7315 section 4.2).
    #[must_use]
    pub fn called_party(&self) -> Option<NameAddr> {
        self.readable_list(&HeaderName::from("P-Called-Party-ID"), NameAddr::scan).into_iter().next()
    }

    fn seconds(&self, name: &HeaderName) -> Option<u32> {
        leading_seconds(&mut Scan::new(self.get(name)?))
    }

    fn first<'a, T>(
        &'a self,
        name: &HeaderName,
        read: impl FnOnce(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let header = self.iter().find(|header| header.name == *name);
        let header =
            header.ok_or_else(|| ParseError::new(ParseErrorKind::Missing, 0).in_header(name.as_str()))?;
        read(&header.value).map_err(|error| error.in_header(name.as_str()))
    }

    fn single<'a, T>(
        &'a self,
        name: &HeaderName,
        read: impl FnOnce(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.get_all(name).nth(1).is_some() {
            return Err(ParseError::new(ParseErrorKind::Repeated, 0).in_header(name.as_str()));
        }
        self.first(name, read)
    }

    fn list<T>(
        &self,
        name: &HeaderName,
        read: impl Fn(&mut Scan<'_>) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut values = Vec::new();
        for line in self.get_all(name) {
            let mut scan = Scan::new(line);
            loop {
                values.push(read(&mut scan).map_err(|error| error.in_header(name.as_str()))?);
                if !scan.end_of_value().map_err(|error| error.in_header(name.as_str()))? {
                    break;
                }
            }
        }
        Ok(values)
    }

    /// Like `list`, but a line that cannot be read to its end gives what stood before the fault.
    fn readable_list<T>(
        &self,
        name: &HeaderName,
        read: impl Fn(&mut Scan<'_>) -> Result<T, ParseError>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for line in self.get_all(name) {
            let mut scan = Scan::new(line);
            while let Ok(value) = read(&mut scan) {
                values.push(value);
                if !matches!(scan.end_of_value(), Ok(true)) {
                    break;
                }
            }
        }
        values
    }
}

/// Reads the number at the front; one that does not fit is the largest there is.
fn leading_seconds(scan: &mut Scan<'_>) -> Option<u32> {
    scan.skip_space();
    match scan.number() {
        Ok(seconds) => Some(seconds),
        Err(error) if error.kind == ParseErrorKind::Number => Some(u32::MAX),
        Err(_) => None,
    }
}
