//! What agents ask for in the interface, by REST.

use std::sync::Arc;

use anyhow::{Context, ensure};
use linecard_lab::fleet::{Course, DeskNames, Wish, World};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::client::{Client, text};
use super::fleet::Order;
use super::office::Office;

/// An agent's part in a call.
struct Agent {
    client: Arc<Mutex<Client>>,
    names: DeskNames,
}

/// Asks the server for what the agents wish; what it refuses, the fleet is told.
pub(super) async fn ask(
    world: &Arc<World>,
    office: &Office,
    wishes: &mut mpsc::UnboundedReceiver<(usize, Wish)>,
    orders: &mpsc::UnboundedSender<Order>,
) {
    while let Some((call, wish)) = wishes.recv().await {
        let Some(planned) = world.calls.get(call) else { continue };
        let names = office.names.get(planned.desk).cloned().unwrap_or_default();
        let Some(client) = office.agents.get(planned.desk).cloned() else { continue };
        let (agent, course, orders) = (Agent { client, names }, planned.course.clone(), orders.clone());
        tokio::spawn(async move {
            let asked = match &wish {
                Wish::Dial => agent.dial(&course).await,
                Wish::HandOver { to, attended } => {
                    let kind = if *attended { "attended" } else { "blind" };
                    agent.act("transfer", &json!({"to": to, "kind": kind})).await
                }
                Wish::Complete => agent.act("transfer", &json!({"kind": "attended"})).await,
                Wish::Retrieve => agent.act("retrieve", &json!({})).await,
            };
            if let Err(error) = asked {
                let _ = orders.send(Order::Refused { call, wish, why: format!("{error:#}") });
            }
        });
    }
}

impl Agent {
    /// Clicks as often as the world says; a second click has to be the same call.
    async fn dial(&self, course: &Course) -> anyhow::Result<()> {
        let Course::Outbound { callee, clicks, .. } = course else { return Ok(()) };
        let body = json!({"to": callee.number, "line_id": self.names.line_id});
        let mut first: Option<String> = None;
        for _ in 0..*clicks {
            let call = self.client.lock().await.post("/calls", &body).await?;
            let named = text(&call, "call_id").to_owned();
            ensure!(*first.get_or_insert(named.clone()) == named, "the second click made a second call");
        }
        Ok(())
    }

    /// Does something with the call on the own line.
    async fn act(&self, deed: &str, body: &Value) -> anyhow::Result<()> {
        let mut client = self.client.lock().await;
        let live = client.get("/calls").await?;
        let calls = live.get("items").and_then(Value::as_array).context("/calls is no list")?;
        let own = calls.iter().find(|call| {
            text(call, "line_id") == self.names.line_id && ["answered", "held"].contains(&text(call, "state"))
        });
        let own = own.context("the call is not among those that the agent has")?;
        client.post(&format!("/calls/{}/{deed}", text(own, "call_id")), body).await?;
        Ok(())
    }
}
