//! Bodies of several parts, as recording clients and gateways send them, and as nobody should.
#![allow(clippy::unwrap_used)]

use linecard_sip::body::{BodyError, Handling, Part, parts_of};
use linecard_sip::message::{HeaderName, Headers};
use proptest::prelude::*;

fn headers(kind: &str) -> Headers {
    let mut headers = Headers::default();
    headers.push(HeaderName::ContentType, kind);
    headers
}

fn parts<'a>(kind: &str, body: &'a str) -> Result<Vec<Part<'a>>, BodyError> {
    parts_of(&headers(kind), body.as_bytes())
}

fn kinds(kind: &str, body: &str) -> Vec<(String, String)> {
    let text = |part: Part<'_>| (part.media_type, String::from_utf8_lossy(part.content).into_owned());
    parts(kind, body).unwrap().into_iter().map(text).collect()
}

fn pair(kind: &str, content: &str) -> (String, String) {
    (kind.to_owned(), content.to_owned())
}

const TWO: &str = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n<recording/>\r\n--b--\r\n";

#[test]
fn each_part_comes_with_its_type_and_without_the_line_end_of_the_boundary() {
    let both = [pair("application/sdp", "v=0\r\n"), pair("application/rs-metadata+xml", "<recording/>")];
    assert_eq!(kinds("multipart/mixed;boundary=b", TWO), both);
    assert_eq!(kinds("Multipart / Mixed ; Boundary=\"b\"", TWO), both);
    let parts = parts("multipart/mixed;boundary=b", TWO).unwrap();
    assert_eq!(parts[1].disposition.as_deref(), Some("recording-session"));
    assert_eq!(parts[1].handling, Handling::Required);
}

#[test]
fn what_stands_around_the_parts_is_nothing_and_lines_may_end_with_line_feeds() {
    let around = format!("preamble\r\n--bold is no boundary\r\n{TWO}epilogue\r\n--b\r\n");
    assert_eq!(kinds("multipart/mixed;boundary=b", &around).len(), 2);
    let bare = TWO.replace("\r\n", "\n");
    assert_eq!(
        kinds("multipart/mixed;boundary=b", &bare),
        [pair("application/sdp", "v=0\n"), pair("application/rs-metadata+xml", "<recording/>")]
    );
    let blanks = TWO.replace("--b\r\n", "--b \t\r\n");
    assert_eq!(kinds("multipart/mixed;boundary=b", &blanks).len(), 2);
}

#[test]
fn a_body_without_parts_is_one_and_nested_ones_are_laid_out() {
    assert_eq!(kinds("application/sdp;charset=utf-8", "v=0"), [pair("application/sdp", "v=0")]);
    assert!(parts("application/sdp", "").unwrap().is_empty());
    let nested = format!(
        "--o\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\n\r\n{TWO}\r\n--o\r\n\r\nplain\r\n--o--"
    );
    let kinds = kinds("multipart/mixed; boundary=o", &nested);
    assert_eq!(kinds.len(), 3);
    assert_eq!(kinds[2], pair("text/plain", "plain"));
}

#[test]
fn a_part_may_say_that_it_can_be_left_aside() {
    let body = "--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\nx\r\n--b--";
    assert_eq!(parts("multipart/mixed;boundary=b", body).unwrap()[0].handling, Handling::Optional);
}

#[test]
fn what_is_not_written_so_is_refused() {
    let of = |kind: &str, body: &str| parts(kind, body).unwrap_err();
    assert_eq!(of("multipart/mixed", TWO), BodyError::NoBoundary);
    assert_eq!(of(&format!("multipart/mixed;boundary={}", "x".repeat(71)), TWO), BodyError::NoBoundary);
    assert_eq!(of("multipart/mixed;boundary=c", TWO), BodyError::NoParts);
    assert_eq!(of("multipart/mixed;boundary=b", "--b--\r\n"), BodyError::NoParts);
    assert_eq!(of("multipart/mixed;boundary=b", &TWO.replace("--b--", "")), BodyError::Cut);
    assert_eq!(of("multipart/mixed;boundary=b", "--b\r\nno header\r\n\r\nx\r\n--b--"), BodyError::Headers);
    assert_eq!(of("multipart/mixed;boundary=b", "--b\r\nA: b\r\n--b--"), BodyError::Headers);
    let encoded = "--b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--";
    assert_eq!(of("multipart/mixed;boundary=b", encoded), BodyError::Encoded);
    let many = "--b\r\n\r\nx\r\n".repeat(17) + "--b--";
    assert_eq!(of("multipart/mixed;boundary=b", &many), BodyError::TooMany);
    let mut deep = "--b\r\n\r\nx\r\n--b--".to_owned();
    for _ in 0..4 {
        deep = format!("--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n{deep}\r\n--b--");
    }
    assert!(parts("multipart/mixed;boundary=b", &deep).is_err());
    let tall = format!("--b\r\n{}\r\nx\r\n--b--", "A: b\r\n".repeat(33));
    assert_eq!(of("multipart/mixed;boundary=b", &tall), BodyError::TooMany);
}

proptest! {
    #[test]
    fn parts_read_back_as_they_were_put_together(contents in prop::collection::vec("[ -~\r\n]{0,80}", 1..16)) {
        prop_assume!(contents.iter().all(|content| !content.contains("--limit")));
        let mut body = "before\r\n".to_owned();
        for content in &contents {
            body += &format!("--limit\r\nContent-Type: text/x\r\n\r\n{content}\r\n");
        }
        body += "--limit--\r\n";
        let read = kinds("multipart/mixed;boundary=limit", &body);
        prop_assert_eq!(read.into_iter().map(|(_, content)| content).collect::<Vec<_>>(), contents);
    }

    #[test]
    fn no_bytes_make_it_stumble(kind in "multipart/mixed;boundary=\"?[-b;= ]{0,6}\"?", body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parts_of(&headers(&kind), &body);
        let mut body = body;
        body.extend_from_slice(b"\r\n--b\r\n\r\n--b--");
        let _ = parts_of(&headers(&kind), &body);
    }
}
