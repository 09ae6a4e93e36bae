//! `/users/colleagues`: to whom a customer can be handed over, for every log-in; accounts are `/users`.

use axum::extract::State;
use axum::response::Response;
use linecard_crm::sort_key;
use linecard_store::page::{Cursor, Key, Page, Way};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Session;
use crate::extract::Query;
use crate::listing::{ListRequest, Listing};
use crate::port::{Colleague, Command};
use crate::sheet::Sheet;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet { name: "colleagues", columns: &["id", "name", "extension", "state"] };

#[derive(Deserialize, IntoParams)]
pub(crate) struct ColleagueQuery {
    /// Part of the name, or how the extension begins.
    q: Option<String>,
}

/// Lists everybody else, and whether they are in a call.
#[utoipa::path(
    get, path = "/api/v1/users/colleagues",
    params(ColleagueQuery),
    responses((status = 200, body = Listing<Colleague>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    Query(query): Query<ColleagueQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let own = session.viewer().user_id;
    let sought = query.q.as_deref().map(sort_key).filter(|key| !key.is_empty());
    list.answer(&SHEET, move |page| {
        let (app, sought) = (app.clone(), sought.clone());
        async move {
            let all = app.reactor.ask(|reply| Command::Colleagues { reply }).await?;
            let fits = |one: &Colleague| sought.as_deref().is_none_or(|key| one.fits(key));
            let found = all.into_iter().filter(|one| one.id != own && fits(one)).collect();
            let place =
                |one: &Colleague| Cursor { key: Key::Text(sort_key(&one.name)), id: one.id.to_string() };
            let nobody = Page { items: Vec::new(), total: 0, next: None };
            Ok(nobody.with(found, &page, Way::Up, place))
        }
    })
    .await
}

impl Colleague {
    /// Whether the words typed begin the name, a word of it, or the extension.
    fn fits(&self, key: &str) -> bool {
        let name = sort_key(&self.name);
        let words = name.match_indices(' ').map(|(at, _)| at + 1).chain([0]);
        let by_name = words.filter_map(|at| name.get(at..)).any(|rest| rest.starts_with(key));
        by_name || self.extension.as_deref().is_some_and(|extension| extension.starts_with(key))
    }
}
