//! The people of the demonstration and what the CRM knows about them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::http::Session;
use super::program::until;

/// The administrator's login.
pub(super) const ADMIN: &str = "admin";

/// Somebody with a phone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// The agent's login, or nothing for a customer.
    login: &'static str,
    /// The name.
    pub(super) name: &'static str,
    /// The extension of an agent, the number of a customer.
    pub(super) user: &'static str,
    /// The account on the PBX that Linecard registers for an agent, and the public number that rings it.
    account: &'static str,
    pub(super) public_number: Option<&'static str>,
    /// A variant of espeak-ng's voice.
    pub(super) voice: &'static str,
    /// What this person says on the phone.
    pub(super) says: &'static str,
    /// The company, and whether the CRM knows this customer at all.
    company: Option<&'static str>,
    known: bool,
}

impl Person {
    /// What the terminal calls this person: one who sends no name is known by the number alone.
    pub(super) fn label(&self) -> String {
        match self.name {
            "" => self.user.to_owned(),
            name => format!("{name} ({})", self.user),
        }
    }

    /// A name for files.
    pub(super) fn key(&self) -> String {
        self.user.trim_start_matches('+').to_owned()
    }
}

const fn agent(
    login: &'static str,
    name: &'static str,
    user: &'static str,
    line: [&'static str; 2],
) -> Person {
    let [account, number] = line;
    Person {
        login,
        name,
        user,
        account,
        public_number: Some(number),
        voice: "f2",
        says: "Добрый день, компания Северный ветер. Чем могу помочь? Да, вижу ваш договор. Одну минуту, я проверю. \
               Счёт отправлен вчера, гарантия действует до марта. Могу записать вас на четверг.",
        company: None,
        known: true,
    }
}

const fn customer(
    name: &'static str,
    user: &'static str,
    company: Option<&'static str>,
    says: &'static str,
) -> Person {
    Person {
        login: "",
        name,
        user,
        account: "",
        public_number: None,
        voice: "m3",
        says,
        company,
        known: true,
    }
}

/// The agents and their lines.
pub(super) const AGENTS: [Person; 2] = [
    agent("anna", "Анна Соколова", "201", ["101", "+74951234501"]),
    agent("boris", "Борис Климов", "202", ["102", "+74951234502"]),
];

/// The customers; the last is nobody that the CRM knows.
pub(super) const CUSTOMERS: [Person; 5] = [
    customer(
        "Иван Петров",
        "+79161234567",
        Some("ООО «Волга-Строй»"),
        "Здравствуйте, это Иван Петров. Мне не пришёл счёт по договору. Проверьте, пожалуйста, когда его отправили.",
    ),
    customer(
        "Мария Орлова",
        "+78312123456",
        Some("ООО «Волга-Строй»"),
        "Добрый день. Это Мария Орлова из бухгалтерии. Мы оплатили вчера, подтвердите, пожалуйста, получение.",
    ),
    customer(
        "Сергей Ким",
        "+74957654321",
        Some("АО «Прибой»"),
        "Алло, это Сергей. Второй насос опять не включается. Гарантия ещё действует? Когда сможет приехать мастер?",
    ),
    customer(
        "Ольга Лебедева",
        "+79035550123",
        None,
        "Здравствуйте, меня зовут Ольга. Я оставляла заявку на сайте и хочу узнать цену и срок доставки.",
    ),
    Person {
        known: false,
        ..customer(
            "",
            "+79219876543",
            None,
            "Добрый день. Мне посоветовали вашу компанию. Расскажите, что вы предлагаете?",
        )
    },
];

/// The password of a login or an extension; the demonstration listens on loopback only.
pub(super) fn password(user: &str) -> String {
    format!("{user}-demo-2024")
}

/// Who may log in, and as what.
pub(super) fn logins() -> impl Iterator<Item = (&'static str, &'static str)> {
    AGENTS.iter().map(|agent| (agent.login, "agent")).chain([(ADMIN, "admin")])
}

/// Writes the PBX's directory: the phones' extensions, the lines' accounts, the public numbers.
pub(super) fn write_directory(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut accounts = String::from("user(string) password(string)\n");
    let mut numbers = String::from("number(string) account(string)\n");
    for agent in &AGENTS {
        for user in [agent.user, agent.account] {
            accounts += &format!("{user}:{}\n", password(user));
        }
        numbers +=
            &agent.public_number.map(|number| format!("{number}:{}\n", agent.account)).unwrap_or_default();
    }
    std::fs::write(directory.join("accounts"), accounts)?;
    std::fs::write(directory.join("numbers"), numbers)?;
    Ok(())
}

/// Creates users, devices, lines, companies and contacts, and waits until every line is registered.
pub(super) fn furnish(server: SocketAddr, pbx: SocketAddr) -> Result<()> {
    let session = Session::open(server, ADMIN, &password(ADMIN))?;
    let mut users = Vec::new();
    for agent in &AGENTS {
        users.push(employ(&session, agent, pbx)?);
    }
    let mut companies: Vec<(&str, Value)> = Vec::new();
    for (position, customer) in CUSTOMERS.iter().filter(|customer| customer.known).enumerate() {
        let company = match customer.company {
            Some(name) => company_id(&session, &mut companies, name)?,
            None => Value::Null,
        };
        let responsible = users.get(position % users.len().max(1)).cloned().unwrap_or_default();
        session.create("/contacts", &contact(customer, &company, &responsible))?;
    }
    until("all lines are registered", Duration::from_secs(30), || {
        let lines = session.read("/lines")?;
        let lines = lines.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let registered =
            lines.iter().filter(|line| line.pointer("/registration/state") == Some(&json!("registered")));
        Ok((registered.count() == AGENTS.len()).then_some(()))
    })
}

/// Creates an agent with device and line; returns the user's id.
fn employ(session: &Session, agent: &Person, pbx: SocketAddr) -> Result<Value> {
    let user = json!({"login": agent.login, "name": agent.name, "role": "agent", "password": password(agent.login),
        "extension": agent.user});
    let id = id_of(&session.create("/users", &user)?)?;
    let line = json!({"name": format!("Городской {}", agent.public_number.unwrap_or_default()), "server": pbx.to_string(),
        "username": agent.account, "password": password(agent.account), "transport": "udp", "mode": "anchor", "user_id": id});
    session.create("/lines", &line)?;
    let devices = format!("/users/{}/devices", id.as_str().unwrap_or_default());
    session.create(&devices, &json!({"kind": "sip", "uri": agent.user}))?;
    Ok(id)
}

fn company_id<'a>(session: &Session, known: &mut Vec<(&'a str, Value)>, name: &'a str) -> Result<Value> {
    if let Some((_, id)) = known.iter().find(|(known, _)| *known == name) {
        return Ok(id.clone());
    }
    let id = id_of(&session.create("/companies", &json!({"name": name}))?)?;
    known.push((name, id.clone()));
    Ok(id)
}

fn contact(customer: &Person, company: &Value, responsible: &Value) -> Value {
    json!({"name": customer.name, "company_id": company, "responsible_id": responsible,
        "numbers": [{"number": customer.user, "label": "рабочий"}],
        "source": "Сайт", "notes": "Предпочитает звонки до обеда."})
}

fn id_of(object: &Value) -> Result<Value> {
    object.get("id").cloned().context("the new object has no id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_called_something_and_no_name_leaves_no_gap() {
        let labels = CUSTOMERS.each_ref().map(Person::label);
        assert_eq!(labels[0], "Иван Петров (+79161234567)");
        assert_eq!(labels[4], "+79219876543");
    }
}
