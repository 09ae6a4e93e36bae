//! Takes `tel:`, `sip:` and `sips:` URIs apart as far as a telephone number is concerned.
//!
//! Deliberately lenient and no URI parser (that is in `crates/sip`): callers' identities and typed fields hold all sorts of
//! half-URIs, such as `1234;phone-context=+1` or `100@pbx`. RFC 3966 section 3, RFC 3261 section 19.1.

/// The parts of a dial text or URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakenApart {
    /// The user part or the bare text, percent-decoded, without parameters.
    pub(super) dialled: String,
    /// `;ext=`.
    pub(super) extension: Option<String>,
    /// `;phone-context=`.
    pub(super) context: Option<String>,
    /// The host of a SIP URI, or what follows `@`.
    pub(super) host: Option<String>,
}

/// Splits off scheme, parameters, password and host. Never fails: a plain text is its own user part.
pub(super) fn take_apart(text: &str) -> TakenApart {
    let text = text.trim();
    let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    let (scheme, rest) = split_scheme(text);
    let (user, host) = match (scheme, rest.rsplit_once('@')) {
        (_, Some((user, host))) => (user, Some(host)),
        // `sip:pbx.example` names a host and nobody there.
        (Scheme::Sip, None) => ("", Some(rest)),
        _ => (rest, None),
    };
    let user = if scheme == Scheme::Sip { user.split(':').next().unwrap_or_default() } else { user };
    let mut taken = TakenApart { dialled: String::new(), extension: None, context: None, host: None };
    taken.host = host.map(|host| host.split([';', '?', ':']).next().unwrap_or_default().to_ascii_lowercase());
    let mut pieces = user.split(';');
    taken.dialled = decoded(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once('=') {
            Some((name, value)) if is_named(name, "ext") => taken.extension = Some(decoded(value)),
            Some((name, value)) if is_named(name, "phone-context") => taken.context = Some(decoded(value)),
            Some((name, _)) if is_token(name) => {}
            None if scheme != Scheme::None => {}
            // Not parameters: `212-34-56; 105` was typed by a person.
            _ => {
                taken.dialled.push(';');
                taken.dialled.push_str(&decoded(piece));
            }
        }
    }
    taken
}

/// Tells whether a text has a scheme or parameters, so that its `;` and `/` separate no numbers.
pub(super) fn is_uri(text: &str) -> bool {
    let (scheme, rest) = split_scheme(text.trim());
    let has_parameters =
        || rest.split(';').skip(1).any(|piece| piece.split_once('=').is_some_and(|(name, _)| is_token(name)));
    scheme != Scheme::None || has_parameters()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Tel,
    Sip,
    None,
}

fn split_scheme(text: &str) -> (Scheme, &str) {
    match text.split_once(':') {
        Some((scheme, rest)) if is_named(scheme, "tel") => (Scheme::Tel, rest),
        Some((scheme, rest)) if is_named(scheme, "sip") || is_named(scheme, "sips") => (Scheme::Sip, rest),
        _ => (Scheme::None, text),
    }
}

fn is_named(written: &str, name: &str) -> bool {
    written.trim().eq_ignore_ascii_case(name)
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Decodes `%2B` and the like; text that would not be UTF-8 afterwards stays as it is.
fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let escaped = (byte == b'%').then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?))).flatten();
        if let Some((high, low)) = escaped {
            bytes.push(high << 4 | low);
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
