//! The doctor's hours: takes orders from the interface, a few at a time, each within its time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use linecard_web::doctor::{Doctor, Finding, LookOrder, StepName};
use tokio::sync::{Semaphore, mpsc};

use super::said::Said;
use super::{Patient, TestCalls, examine};
use crate::directory::contact_user;
use crate::wire::Equipment;

/// Looks at a time.
const LOOKS_MAX: usize = 4;
/// Looks that wait for one of these to end.
const WAITING_MAX: usize = 1;
/// How long a look may take until it is brought to its end: more than any of its steps together.
const LOOK_WITHIN: Duration = Duration::from_secs(90);

/// The looks under way.
pub(crate) struct Consulting {
    running: Arc<Semaphore>,
}

impl Consulting {
    /// Starts the task that takes the orders and returns the door to it; it ends with the door.
    pub(crate) fn start(
        external_address: Option<IpAddr>,
        equipment: Equipment,
        test_calls: TestCalls,
    ) -> (Self, Doctor) {
        let (orders, mut asked) = mpsc::channel::<LookOrder>(WAITING_MAX);
        let running = Arc::new(Semaphore::new(LOOKS_MAX));
        let looks = Arc::clone(&running);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(LOOKS_MAX));
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let Some(order) = asked.recv().await else { return };
                let equipment = Equipment { served: None, ..equipment.clone() };
                let (test_calls, looks) = (test_calls.clone(), Arc::clone(&looks));
                tokio::spawn(async move {
                    let _running = looks.acquire().await;
                    look(order, external_address, equipment, test_calls).await;
                    drop(place);
                });
            }
        });
        (Self { running }, Doctor::new(orders))
    }

    /// Waits until the looks that nobody wants any more have taken back what they left at PBXes, but not longer.
    pub(crate) async fn settle(&self, at_most: Duration) {
        let all = u32::try_from(LOOKS_MAX).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(at_most, self.running.acquire_many(all)).await;
    }
}

async fn look(
    LookOrder { account, findings }: LookOrder,
    external_address: Option<IpAddr>,
    equipment: Equipment,
    test_calls: TestCalls,
) {
    let own_contact = account.line.map(|line| contact_user(line, &account.password));
    let patient = Patient { account, own_contact, external_address, equipment, test_calls };
    let Err(error) = examine(&patient, findings.clone(), LOOK_WITHIN).await else { return };
    tracing::warn!(account = ?patient.account, "the doctor could not work: {error:#}");
    let advice = "try again, and look into Linecard's log";
    let fault = Said::fault("no_socket", "this machine does not let the doctor work", advice);
    let _ = findings.send(Finding::Step(fault.bad(StepName::Outlook))).await;
    let _ = findings.send(Finding::Verdict { healthy: false }).await;
}
