//! `/people`: who works here, by name alone, for every log-in; what else there is to know of a user is `/users`.

use axum::extract::State;
use axum::response::Response;
use linecard_calls::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Session;
use crate::listing::{ListRequest, Listing};
use crate::sheet::Sheet;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet { name: "people", columns: &["id", "name"] };

/// A colleague as REST shows it to everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    id: UserId,
    name: String,
}

/// Lists the colleagues.
#[utoipa::path(get, path = "/api/v1/people", responses((status = 200, body = Listing<Person>)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Session,
    list: ListRequest,
) -> Result<Response, ApiError> {
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let users = app.store.users(&page).await?;
            Ok(users.map(|user| Person { id: user.id, name: user.name }))
        }
    })
    .await
}
