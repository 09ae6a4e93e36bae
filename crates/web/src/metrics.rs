//! `/metrics`: figures in Prometheus' text format; counts and states alone, nothing that names a person or a number.
//!
//! Nearly all of them belong to the reactor, which is asked when somebody looks. Only requests and browsers are counted
//! here, so the registry is a struct of the server's own and not a recorder that the whole process shares.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use crate::auth::Admin;
use crate::heard::{Heard, HeardByLine, Histogram};
use crate::port::{Command, Figures};
use crate::source::is_own;
use crate::{ApiError, App};

/// How long the reactor may take to say its figures.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What the HTTP side counts.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 5],
    browsers: AtomicU64,
}

impl Traffic {
    /// Returns how many events sockets are open.
    pub(crate) fn browsers(&self) -> u64 {
        self.browsers.load(Ordering::Relaxed)
    }

    fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(answers) = self.answers.get(class) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A browser that is counted for as long as this lives.
pub(crate) struct CountedBrowser(Arc<Traffic>);

impl CountedBrowser {
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        traffic.browsers.fetch_add(1, Ordering::Relaxed);
        Self(traffic)
    }
}

impl Drop for CountedBrowser {
    fn drop(&mut self) {
        self.0.browsers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts an answer.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.traffic.answered(response.status());
    response
}

/// Somebody who may see the figures: on this machine, a trusted proxy itself, or an administrator.
pub(crate) struct Scraper;

impl FromRequestParts<App> for Scraper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if !is_own(parts, app) {
            Admin::from_request_parts(parts, app).await?;
        }
        Ok(Self)
    }
}

/// Tells figures for Prometheus, without names or numbers.
///
/// Requests of this machine, or of a trusted proxy itself, need no log-in.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = str)), security((), ("admin" = [])))]
pub(crate) async fn metrics(State(app): State<App>, _: Scraper) -> Result<Response, ApiError> {
    let asked = app.reactor.ask(|reply| Command::Figures { reply });
    let silent =
        |_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the reactor did not answer within a second");
    let figures = timeout(ANSWER_WITHIN, asked).await.map_err(silent)??;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text_of(&figures, &app.traffic)).into_response())
}

fn text_of(figures: &Figures, traffic: &Traffic) -> String {
    let mut page = Page::default();
    page.gauge("calls_live", "Calls under way.", figures.calls_live);
    page.counters("calls_ended_total", "Calls that ended, by outcome.", "outcome", &figures.calls_ended);
    page.gauges(
        "registrations",
        "Lines, by the state of their registration.",
        "state",
        &figures.registrations,
    );
    page.gauge("phones_registered", "Registrations of telephones at this server.", figures.phones_registered);
    page.counters(
        "phone_requests_refused_total",
        "Requests of telephones and strangers that were not let in, by what they got.",
        "fate",
        &figures.phone_requests,
    );
    page.counter("signals_appended_total", "Signals that are safe.", figures.signals_appended);
    page.counter("signals_late_total", "Signals that were safe only after 100 ms.", figures.signals_late);
    page.gauge(
        "signals_spooled",
        "Signals that wait in the spool for the database.",
        figures.signals_spooled,
    );
    page.counter("events_published_total", "Events published to browsers.", figures.events_published);
    page.gauge("rtp_legs", "Legs with RTP ports.", figures.rtp_legs);
    page.gauge("rtp_legs_free", "Legs that the RTP ports left would be enough for.", figures.rtp_legs_free);
    page.counters(
        "rtp_legs_ended_total",
        "Legs with sound that have ended, by how it reached the other party.",
        "sound",
        &figures.rtp_legs_ended,
    );
    page.counters("rtp_packets_total", "RTP packets of legs that have ended.", "fate", &figures.rtp_packets);
    page.heard(&figures.heard);
    page.gauge("recordings_open", "Recordings being written.", figures.recordings_open);
    page.counters(
        "recordings_ended_total",
        "Recordings that ended, by state.",
        "state",
        &figures.recordings_ended,
    );
    page.gauge("browsers_connected", "Events sockets that are open.", traffic.browsers());
    let answers = ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&traffic.answers);
    let answers: Vec<_> = answers.map(|(class, count)| (class, count.load(Ordering::Relaxed))).collect();
    page.counters("http_requests_total", "HTTP requests, by class of status.", "status", &answers);
    page.0
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        let _ = writeln!(self.0, "linecard_{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        let _ = writeln!(self.0, "linecard_{name} {value}");
    }

    fn gauges<T: Serialize>(&mut self, name: &str, help: &str, label: &str, values: &[(T, u64)]) {
        self.head(name, help, "gauge");
        self.samples(name, label, values);
    }

    fn counters<T: Serialize>(&mut self, name: &str, help: &str, label: &str, values: &[(T, u64)]) {
        self.head(name, help, "counter");
        self.samples(name, label, values);
    }

    /// Tells of each line and direction how it was heard: a line is its id, which names nobody.
    fn heard(&mut self, heard: &HeardByLine) {
        type Figure = fn(&Heard) -> &Histogram;
        let figures: [(&str, &str, Figure); 3] = [
            ("leg_mos", "Mean opinion scores of legs that have ended (ITU-T G.107).", |heard| &heard.mos),
            ("leg_jitter_ms", "Mean jitter of legs that have ended.", |heard| &heard.jitter_ms),
            ("leg_loss_percent", "Lost packets of legs that have ended.", |heard| &heard.loss_percent),
        ];
        for (name, help, figure) in figures {
            self.head(name, help, "histogram");
            for (line, way, heard) in heard.iter() {
                let way = serde_json::to_string(&way).unwrap_or_default();
                self.histogram(name, &format!("line=\"{line}\",direction={way}"), figure(heard));
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        for (bound, count) in &histogram.buckets {
            let _ = writeln!(self.0, "linecard_{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let Histogram { sum, count, .. } = histogram;
        let _ = writeln!(self.0, "linecard_{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(
            self.0,
            "linecard_{name}_sum{{{labels}}} {sum}\nlinecard_{name}_count{{{labels}}} {count}"
        );
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP linecard_{name} {help}\n# TYPE linecard_{name} {kind}");
    }

    fn samples<T: Serialize>(&mut self, name: &str, label: &str, values: &[(T, u64)]) {
        for (word, value) in values {
            // A word of a closed set: its JSON is the word in quotes, as the label wants it.
            let word = serde_json::to_string(word).unwrap_or_default();
            let _ = writeln!(self.0, "linecard_{name}{{{label}={word}}} {value}");
        }
    }
}
