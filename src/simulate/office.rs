//! The desks of a world on the server: users, devices, lines and log-ins, made before the calls and removed after them.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use linecard_lab::fleet::{DeskNames, Mode, World, password_of};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::client::{Client, Server};

/// How many desks are furnished at the same time.
const AT_ONCE: usize = 4;

/// What was made, so that it can be removed.
#[derive(Default)]
pub(super) struct Office {
    /// How the server names each desk.
    pub(super) names: Vec<DeskNames>,
    /// Each desk's log-in.
    pub(super) agents: Vec<Arc<Mutex<Client>>>,
}

/// One furnished desk.
struct Furnished {
    names: DeskNames,
    agent: Client,
}

impl Office {
    /// Makes what the desks need; what was made before a failure is in `self` and can be removed.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn furnish(
        &mut self,
        server: &Server,
        admins: &[Arc<Mutex<Client>>],
        world: &Arc<World>,
        pbxes: &[SocketAddr],
    ) -> anyhow::Result<()> {
        let numbers: Vec<usize> = (0..world.desks.len()).collect();
        for group in numbers.chunks(AT_ONCE) {
            let mut made = Vec::new();
            for (number, admin) in group.iter().copied().zip(admins.iter().cycle()) {
                let (server, admin, world) = (server.clone(), Arc::clone(admin), Arc::clone(world));
                let pbx = world.desks.get(number).and_then(|desk| pbxes.get(desk.pbx)).copied();
                let pbx = pbx.context("a desk without a PBX")?;
                made.push(tokio::spawn(async move {
                    let mut admin = admin.lock().await;
                    furnish_desk(&server, &mut admin, &world, number, pbx).await
                }));
            }
            for furnished in made {
                let furnished = furnished.await??;
                self.names.push(furnished.names);
                self.agents.push(Arc::new(Mutex::new(furnished.agent)));
            }
        }
        Ok(())
    }

    /// Removes everything that was made; what cannot be removed is named.
    pub(super) async fn clear(&self, admin: &mut Client) -> Vec<String> {
        let mut left = Vec::new();
        for names in &self.names {
            for path in [format!("/lines/{}", names.line_id), format!("/users/{}", names.user_id)] {
                if let Err(error) = remove(admin, &path).await {
                    left.push(format!("{path}: {error:#}"));
                }
            }
        }
        left
    }
}

async fn remove(admin: &mut Client, path: &str) -> anyhow::Result<()> {
    let object = admin.get(path).await?;
    admin.delete(path, object.get("version").and_then(Value::as_i64).unwrap_or(1)).await
}

async fn furnish_desk(
    server: &Server,
    admin: &mut Client,
    world: &World,
    number: usize,
    pbx: SocketAddr,
) -> anyhow::Result<Furnished> {
    let desk = world.desks.get(number).context("a desk")?;
    let ring_timeout_ms = world.plan.ring_timeout_ms;
    let transport = world.transport(desk.pbx).as_param();
    // Whoever reads the list of users has to see what these are, and two runs must not meet.
    let login = format!("simulated-{}-{}", pbx.port(), number);
    let password = password_of(&login);
    let user = json!({
        "login": login, "name": format!("Simulated {number}"), "role": "agent", "password": password,
        "ring_timeout_ms": ring_timeout_ms, "extension": desk.extension,
    });
    let user_id = id_of(&admin.post("/users", &user).await?)?;
    let device = json!({"kind": "sip", "uri": desk.extension});
    admin.post(&format!("/users/{user_id}/devices"), &device).await?;
    let line = json!({
        "name": format!("Simulated {number}"), "server": pbx.to_string(), "username": desk.account,
        "password": password_of(&desk.account), "user_id": user_id, "mode": mode_name(desk.mode),
        "transport": transport,
    });
    let line_id = id_of(&admin.post("/lines", &line).await?)?;
    let agent = Client::log_in(server, &login, &password).await?;
    Ok(Furnished { names: DeskNames { line_id, user_id }, agent })
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Anchor => "anchor",
        Mode::Shadow => "shadow",
        Mode::DialogInfo => "dialog_info",
    }
}

fn id_of(object: &Value) -> anyhow::Result<String> {
    object.get("id").and_then(Value::as_str).map(str::to_owned).context("what was made has no id")
}
