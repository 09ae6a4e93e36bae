//! Printing: long header names, one header a line, the Content-Length that is true (RFC 3261 section 7).

use super::{HeaderName, Headers, Message, Method, Request, Response, is_token};

impl Message {
    /// Prints the message with its true Content-Length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// Prints the request with its true Content-Length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        method(&self.method, &mut out);
        out.push(b' ');
        out.extend(self.uri.to_string().bytes());
        out.extend(b" SIP/2.0\r\n");
        headers_and_body(&self.headers, &self.body, &mut out);
        out
    }
}

impl Response {
    /// Prints the response with its true Content-Length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        out.extend(format!("SIP/2.0 {} ", self.status).bytes());
        out.extend(self.reason.iter().map(
            |byte| {
                if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }
            },
        ));
        out.extend(b"\r\n");
        headers_and_body(&self.headers, &self.body, &mut out);
        out
    }
}

fn method(method: &Method, out: &mut Vec<u8>) {
    out.extend(method.as_str().bytes().map(|byte| if is_token(byte) { byte } else { b'-' }));
}

fn headers_and_body(headers: &Headers, body: &[u8], out: &mut Vec<u8>) {
    let mut length_is_due = true;
    for header in headers {
        if header.name != HeaderName::ContentLength {
            line(header.name.as_str(), &header.value, out);
        } else if std::mem::take(&mut length_is_due) {
            content_length(body, out);
        }
    }
    if length_is_due {
        content_length(body, out);
    }
    out.extend(b"\r\n");
    out.extend(body);
}

fn content_length(body: &[u8], out: &mut Vec<u8>) {
    line(HeaderName::ContentLength.as_str(), body.len().to_string().as_bytes(), out);
}

fn line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}
