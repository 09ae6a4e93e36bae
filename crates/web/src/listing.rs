//! Lists: `limit`, `cursor` and `format` in, `{items, total, next}` or a CSV file out.

use std::future::Future;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use linecard_store::page::{CallOrder, MAX_LIMIT, Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::ApiError;
use crate::extract::Query;
use crate::sheet::{self, Sheet};

/// Rows of a page when nobody says how many.
const LIMIT: u32 = 50;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of an earlier answer.
    #[param(pattern = "^-?[0-9]{1,18}:[A-Za-z0-9-]{0,64}$")]
    cursor: Option<String>,
    /// `csv` answers with the file of all pages from the cursor on; of one page when a limit is given.
    #[param(inline)]
    format: Option<Form>,
}

/// How much of a list is wanted, from where, and in which form.
pub(crate) struct ListRequest {
    limit: Option<u32>,
    page: PageRequest,
    form: Form,
}

/// In which form a list is answered.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Form {
    #[default]
    Json,
    Csv,
}

impl<S: Send + Sync> FromRequestParts<S> for ListRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(ListQuery { limit, cursor, format }) = Query::from_request_parts(parts, state).await?;
        if limit.is_some_and(|limit| limit == 0 || limit > MAX_LIMIT) {
            return Err(ApiError::field("limit", format!("write a number from 1 to {MAX_LIMIT}")));
        }
        let cursor = cursor.as_deref().map(str::parse).transpose()?;
        Ok(Self {
            limit,
            page: PageRequest { limit: limit.unwrap_or(LIMIT), cursor, counted: true },
            form: format.unwrap_or_default(),
        })
    }
}

/// The orders of a list of calls or of what belongs to them: by when it began, or by how long it took.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallSort {
    #[default]
    Newest,
    Oldest,
    Longest,
    Shortest,
}

impl From<CallSort> for CallOrder {
    fn from(sort: CallSort) -> Self {
        match sort {
            CallSort::Newest => Self::Newest,
            CallSort::Oldest => Self::Oldest,
            CallSort::Longest => Self::Longest,
            CallSort::Shortest => Self::Shortest,
        }
    }
}

/// An answer to a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    items: Vec<T>,
    total: i64,
    next: Option<String>,
}

impl ListRequest {
    /// Answers with one page, or with a file of all pages from the cursor on; of one page when a limit was given.
    pub(crate) async fn answer<T, R>(
        self,
        sheet: &'static Sheet,
        read: impl Fn(PageRequest) -> R + Send + 'static,
    ) -> Result<Response, ApiError>
    where
        T: Serialize + Send + 'static,
        R: Future<Output = Result<Page<T>, ApiError>> + Send,
    {
        match (self.form, self.limit) {
            (Form::Json, _) => {
                let Page { items, total, next } = read(self.page).await?;
                let next = next.map(|cursor| cursor.to_string());
                Ok(Json(Listing { items, total, next }).into_response())
            }
            (Form::Csv, Some(_)) => {
                let page = read(self.page).await?;
                Ok(sheet::file(sheet, Page { next: None, ..page }, read))
            }
            (Form::Csv, None) => {
                let page = PageRequest { cursor: self.page.cursor, ..PageRequest::uncounted(MAX_LIMIT) };
                let first = read(page).await?;
                Ok(sheet::file(sheet, first, read))
            }
        }
    }
}
