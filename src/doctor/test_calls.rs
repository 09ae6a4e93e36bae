//! Lines whose account the doctor calls now: an INVITE of such a call is his to read, and no call of the line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use linecard_calls::LineId;
use linecard_sip::message::Request;
use tokio::sync::mpsc;

use super::called::{Mark, is_test_call};

/// INVITEs of one test call that wait to be read: a PBX may fork it to several of our contacts.
const WAITING_MAX: usize = 8;

/// The test calls under way; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestCalls(Arc<Mutex<HashMap<LineId, Expected>>>);

#[derive(Debug)]
struct Expected {
    mark: Mark,
    calls: mpsc::Sender<Request>,
}

/// Expects a test call at a line until it is dropped.
#[derive(Debug)]
pub(crate) struct Expectation {
    test_calls: TestCalls,
    line: LineId,
    calls: mpsc::Sender<Request>,
}

impl TestCalls {
    /// Expects calls with this mark at a line; its Call-ID may still be unknown.
    pub(crate) fn expect(&self, line: LineId, mark: Mark) -> (Expectation, mpsc::Receiver<Request>) {
        let (calls, received) = mpsc::channel(WAITING_MAX);
        self.lock().insert(line, Expected { mark, calls: calls.clone() });
        (Expectation { test_calls: self.clone(), line, calls }, received)
    }

    /// Hands an INVITE to the doctor, when it is of the line's test call.
    pub(crate) fn take(&self, line: LineId, request: &Request) -> bool {
        let expected = self.lock();
        let Some(expected) = expected.get(&line).filter(|expected| is_test_call(request, &expected.mark))
        else {
            return false;
        };
        let _ = expected.calls.try_send(request.clone());
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LineId, Expected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        // A newer one of the same line stays.
        let mut expected = self.test_calls.lock();
        if expected.get(&self.line).is_some_and(|expected| expected.calls.same_channel(&self.calls)) {
            expected.remove(&self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use linecard_sip::message::{Message, parse_datagram};

    use super::*;

    fn invite(from: &str) -> Request {
        let text = format!(
            "INVITE sip:line@10.0.0.5 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r\nFrom: {from};tag=a\r\n\
             To: <sip:line@10.0.0.5>\r\nCall-ID: pbx\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        match parse_datagram(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_customers_call_stays_the_lines_while_the_doctor_calls_it() {
        let line = |n: u32| format!("01900000-0000-7000-8000-{n:012}").parse::<LineId>().unwrap();
        let mark =
            || Mark { call_id: String::new(), display: "Linecard test".into(), username: "101".into() };
        let test_calls = TestCalls::default();
        let by_name = invite("\"Linecard test\" <sip:anonymous@pbx>");
        assert!(!test_calls.take(line(1), &by_name), "nothing is expected yet");
        let (first, _) = test_calls.expect(line(1), mark());
        let (second, mut calls) = test_calls.expect(line(1), mark());
        drop(first);
        assert!(test_calls.take(line(1), &by_name));
        assert!(test_calls.take(line(1), &invite("<sip:101@pbx>")), "a PBX may leave the name out");
        assert!(!test_calls.take(line(1), &invite("\"Maria\" <sip:+78312123456@pbx>")));
        assert!(!test_calls.take(line(2), &by_name), "another line's");
        assert!(calls.try_recv().is_ok() && calls.try_recv().is_ok() && calls.try_recv().is_err());
        drop(second);
        assert!(!test_calls.take(line(1), &by_name), "it is over");
    }
}
