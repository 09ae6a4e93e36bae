//! Subscriptions of lines: what a PBX is asked to tell of, and what it tells.

use std::time::Instant;

use super::config::Presence;
use super::event::{Event, LineId};
use super::lines::Shutdown;
use super::{ClientUse, Clock, CommandRefused, UserAgent, child};
use crate::dialog::DialogId;
use crate::dialog_info;
use crate::digest::DigestClient;
use crate::message::{HeaderName, Request, Response};
use crate::subscription::{Input, Output, Subscription, SubscriptionConfig, SubscriptionState};
use crate::transaction::{ClientTransactionId, ServerTransactionId};
use crate::transport::Flow;
use crate::uri::{SipUri, escape_user};

/// How long a subscription is asked for, in seconds.
const EXPIRES_S: u32 = 1_800;

/// Names a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionHandle(pub(super) u64);

/// A subscription and whose it is.
#[derive(Debug)]
pub(super) struct Subscribed {
    line: LineId,
    machine: Subscription,
    /// Where it stands in the index of names.
    name: DialogId,
    request: Option<ClientTransactionId>,
}

/// Commands.
impl UserAgent {
    /// Asks the line's PBX to tell of the dialogs of one of its extensions, again and again until it is unsubscribed.
    ///
    /// # Errors
    /// `UnknownLine`, `ShuttingDown`.
    pub fn subscribe_dialogs(
        &mut self,
        line: &LineId,
        extension: &str,
        now: Instant,
    ) -> Result<SubscriptionHandle, CommandRefused> {
        if self.shutdown != Shutdown::No {
            return Err(CommandRefused::ShuttingDown);
        }
        let state = self.lines.get(line).ok_or(CommandRefused::UnknownLine)?;
        let address_of_record = state.registration.address_of_record().clone();
        let config = SubscriptionConfig {
            resource: SipUri { user: Some(escape_user(extension)), ..state.registration.registrar().clone() },
            address_of_record,
            contact: state.registration.contact().clone(),
            outbound_proxy: state.registration.outbound_proxy().cloned(),
            package: dialog_info::PACKAGE,
            accept: dialog_info::MIME,
            expires_s: EXPIRES_S,
        };
        let machine = Subscription::new(config, child(&mut self.rng));
        self.next_handle += 1;
        let handle = SubscriptionHandle(self.next_handle);
        let name = machine.dialog_id().half();
        self.subscriptions.insert(handle, Subscribed { line: line.clone(), machine, name, request: None });
        self.drive_subscription(handle, Input::Start, now);
        self.settle(now);
        Ok(handle)
    }

    /// Ends a subscription; `Event::SubscriptionChanged` with `Ended` follows, unless it is unknown.
    pub fn unsubscribe(&mut self, handle: SubscriptionHandle, now: Instant) {
        self.drive_subscription(handle, Input::Stop, now);
        self.settle(now);
    }

    /// Counts the subscriptions, asked for or granted.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Asks for all of the state anew: a notification was missed.
    pub fn refresh_subscription(&mut self, handle: SubscriptionHandle, now: Instant) {
        self.drive_subscription(handle, Input::Refresh, now);
        self.settle(now);
    }
}

/// The subscriptions' doings.
impl UserAgent {
    pub(super) fn drive_subscription(&mut self, handle: SubscriptionHandle, input: Input, now: Instant) {
        self.with_subscription(handle, now, |machine, digest| machine.handle_input(input, digest, now));
    }

    /// Lets a subscription work with its line's digest, and carries out what it wants.
    fn with_subscription<R>(
        &mut self,
        handle: SubscriptionHandle,
        now: Instant,
        work: impl FnOnce(&mut Subscription, &mut DigestClient) -> R,
    ) -> Option<R> {
        let mut subscribed = self.subscriptions.remove(&handle)?;
        let Some(line) = self.lines.get_mut(&subscribed.line) else {
            self.subscription_names.remove(&subscribed.name);
            return None;
        };
        let result = work(&mut subscribed.machine, line.registration.digest_mut());
        let mut requests = Vec::new();
        loop {
            match subscribed.machine.poll_output() {
                Output::SendRequest(request) => requests.push(*request),
                Output::StateChanged(state) => self.emit(Event::SubscriptionChanged { handle, state }),
                Output::Notified { body } => self.emit(Event::Notified { handle, body }),
                Output::Timeout { at, .. } => break self.clocks.start(Clock::Subscription(handle), at),
                Output::Idle => break self.clocks.stop(&Clock::Subscription(handle)),
            }
        }
        self.subscription_names.remove(&subscribed.name);
        if *subscribed.machine.state() == SubscriptionState::Ended {
            self.subscription_ended(&subscribed.line);
            return Some(result);
        }
        let id = subscribed.line.clone();
        subscribed.name = subscribed.machine.dialog_id().half();
        self.subscription_names.insert(subscribed.name.clone(), handle);
        self.subscriptions.insert(handle, subscribed);
        for request in requests {
            self.dispatch_by_route(request, ClientUse::Subscribe(handle), &id, now);
        }
        Some(result)
    }

    /// Takes note of the transaction of a SUBSCRIBE and of where it went.
    pub(super) fn subscribe_sent(&mut self, handle: SubscriptionHandle, id: ClientTransactionId, flow: Flow) {
        if let Some(subscribed) = self.subscriptions.get_mut(&handle) {
            subscribed.request = Some(id);
            let line = subscribed.line.clone();
            self.sources.add(&line, flow.remote.ip());
            // A line that registers has the path of its registration.
            if let Some(state) = self.lines.get_mut(&line).filter(|it| it.line.presence == Presence::Watches)
            {
                state.flow = Some(flow);
            }
        }
    }

    pub(super) fn subscribe_answered(
        &mut self,
        handle: SubscriptionHandle,
        id: ClientTransactionId,
        response: Response,
        now: Instant,
    ) {
        let Some(subscribed) = self.subscriptions.get_mut(&handle) else { return };
        if subscribed.request != Some(id) {
            return;
        }
        let line = subscribed.line.clone();
        let watching = self.lines.get_mut(&line).filter(|state| state.line.presence == Presence::Watches);
        let moved = watching.is_some_and(|state| {
            // Notifications have to find their way through a NAT too.
            let moved = state.registration.learn(&response);
            if moved {
                subscribed.machine.relocate(state.registration.contact().clone());
            }
            moved
        });
        let granted = response.status.is_success();
        self.drive_subscription(handle, Input::Response(response), now);
        if moved && granted {
            self.drive_subscription(handle, Input::Refresh, now);
        }
        self.hold(&line, now);
    }

    /// The connection of a line is over: it cannot be notified along it any more.
    pub(super) fn lose_subscriptions(&mut self, line: &LineId, now: Instant) {
        let of_line = self.subscriptions.iter().filter(|(_, subscribed)| subscribed.line == *line);
        let handles: Vec<SubscriptionHandle> = of_line.map(|(handle, _)| *handle).collect();
        for handle in handles {
            self.drive_subscription(handle, Input::TransportFailed, now);
        }
    }

    /// Lists the subscriptions at a server: it may have forgotten them.
    pub(super) fn subscriptions_at(&self, server: &str) -> Vec<SubscriptionHandle> {
        let at = |subscribed: &Subscribed| {
            self.lines.get(&subscribed.line).is_some_and(|state| state.line.server == server)
        };
        self.subscriptions
            .iter()
            .filter(|(_, subscribed)| at(subscribed))
            .map(|(handle, _)| *handle)
            .collect()
    }

    pub(super) fn subscription_of(&self, notify: &Request) -> Option<SubscriptionHandle> {
        let name = DialogId::of_request(notify)?.half();
        self.subscription_names.get(&name).copied()
    }

    /// Answers a NOTIFY; false when it belongs to no subscription.
    pub(super) fn notified(&mut self, to: ServerTransactionId, notify: &Request, now: Instant) -> bool {
        let Some(handle) = self.subscription_of(notify) else { return false };
        let response = self.with_subscription(handle, now, |machine, _| machine.handle_notify(notify, now));
        if let Some(mut response) = response {
            response.headers.set(HeaderName::Server, self.config.user_agent_name.as_str());
            // The transaction was told a moment ago and has no answer yet.
            let _ = self.transactions.respond(to, response, now);
            return true;
        }
        false
    }

    /// Gives the line of a subscription.
    pub(super) fn subscriber(&self, handle: SubscriptionHandle) -> Option<&LineId> {
        self.subscriptions.get(&handle).map(|subscribed| &subscribed.line)
    }

    pub(super) fn has_subscriptions(&self, line: &LineId) -> bool {
        self.subscriptions.values().any(|subscribed| subscribed.line == *line)
    }

    /// Ends the subscriptions of a line.
    pub(super) fn end_subscriptions(&mut self, line: &LineId, now: Instant) {
        let of_line = self.subscriptions.iter().filter(|(_, subscribed)| subscribed.line == *line);
        let handles: Vec<SubscriptionHandle> = of_line.map(|(handle, _)| *handle).collect();
        for handle in handles {
            self.drive_subscription(handle, Input::Stop, now);
        }
    }

    /// Forgets the subscriptions of a line that is gone.
    pub(super) fn forget_subscriptions(&mut self, line: &LineId) {
        let gone = self.subscriptions.extract_if(|_, subscribed| subscribed.line == *line);
        let gone: Vec<(SubscriptionHandle, DialogId)> =
            gone.map(|(handle, subscribed)| (handle, subscribed.name)).collect();
        for (handle, name) in gone {
            self.subscription_names.remove(&name);
            self.clocks.stop(&Clock::Subscription(handle));
            self.emit(Event::SubscriptionChanged { handle, state: SubscriptionState::Ended });
        }
    }
}
