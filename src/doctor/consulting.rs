//! The doctor's hours: takes orders from the interface, a few at a time, each within its time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use linecard_web::doctor::{Doctor, Finding, LookOrder, StepName};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::said::Said;
use super::{Patient, examine};
use crate::directory::contact_user;
use crate::wire::Equipment;

/// Looks at a time.
const LOOKS_MAX: usize = 4;
/// Looks that wait for one of these to end.
const WAITING_MAX: usize = 1;
/// How long a look may take: more than any of its steps together.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// The task that takes the orders.
pub(crate) struct Consulting;

impl Consulting {
    /// Starts it and returns the door to it; it ends with the door.
    pub(crate) fn start(external_address: Option<IpAddr>, equipment: Equipment) -> Doctor {
        let (orders, mut asked) = mpsc::channel::<LookOrder>(WAITING_MAX);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(LOOKS_MAX));
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let Some(order) = asked.recv().await else { return };
                let equipment = Equipment { served: None, ..equipment.clone() };
                tokio::spawn(async move {
                    look(order, external_address, equipment).await;
                    drop(place);
                });
            }
        });
        Doctor::new(orders)
    }
}

async fn look(
    LookOrder { account, findings }: LookOrder,
    external_address: Option<IpAddr>,
    equipment: Equipment,
) {
    let own_contact = account.line.map(|line| contact_user(line, &account.password));
    let patient = Patient { account, own_contact, external_address, equipment };
    let looked = timeout(LOOK_WITHIN, examine(&patient, findings.clone())).await;
    let advice = "try again, and look into Linecard's log";
    let fault = match looked {
        Ok(Ok(())) => return,
        Ok(Err(error)) => {
            tracing::warn!(account = ?patient.account, "the doctor could not work: {error:#}");
            Said::fault("no_socket", "this machine does not let the doctor work", advice)
        }
        Err(_) => {
            Said::fault("took_too_long", format!("it took more than {} s", LOOK_WITHIN.as_secs()), advice)
        }
    };
    let _ = findings.send(Finding::Step(fault.bad(StepName::Outlook))).await;
    let _ = findings.send(Finding::Verdict { healthy: false }).await;
}
