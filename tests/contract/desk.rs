//! An agent's desk: a small PBX, a line of the agent's, a phone that rings at extension 201.

use serde_json::json;

use super::clients::{AdminClient, AgentClient, id};
use super::server::Server;
use crate::peers::customer::CustomerCall;
use crate::peers::{Customer, SmallPbx};

/// The number that customers call from unless a test says otherwise.
pub(crate) const CALLER: &str = "+78312123456";

pub(crate) struct Desk {
    pub(crate) server: Server,
    pub(crate) pbx: SmallPbx,
    pub(crate) admin: AdminClient,
    pub(crate) agent: AgentClient,
    pub(crate) line_id: String,
    /// What the line registered, which is what a PBX rings.
    line_user: String,
}

impl Desk {
    /// Opens the desk; its line is registered.
    pub(crate) fn open() -> Self {
        let (server, pbx) = (Server::start(), SmallPbx::start());
        let admin = server.admin();
        let agent = server.agent(&admin, "maria");
        admin.create(&format!("/users/{}/devices", agent.id), &json!({"kind": "sip", "uri": "201"}));
        let line_id = id(&admin.add_line(pbx.address(), "100", Some(&agent.id)));
        let line_user = pbx.wait_registered("100");
        Self { server, pbx, admin, agent, line_id, line_user }
    }

    /// A customer calls the agent: the INVITE is on the wire.
    pub(crate) fn customer_calls(&self, number: &str) -> CustomerCall {
        Customer::new(self.server.sip, number).call(&self.line_user)
    }
}
