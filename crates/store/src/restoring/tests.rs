//! A backup of one database restores on the other, whatever the tables are: each that the migrations make gets rows here,
//! so a table or a column without a place in the backup is found.

use std::collections::BTreeSet;

use serde_json::json;
use tempfile::TempDir;
use xtask::postgres::Database;

use super::*;
use crate::Store;
use crate::schema::ColumnShape;
use crate::snapshot::Part;
use crate::texts::fixtures::{Ids, NOW, interaction};

/// More rows than are read at a time.
const MANY: usize = 2_100;

/// A database of one kind, and what keeps it.
struct Place {
    url: String,
    _folder: TempDir,
    _database: Option<Database>,
}

fn places() -> [Place; 2] {
    let place = |database: Option<Database>| {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}", folder.path().join("linecard.db").display());
        let url = database.as_ref().map_or(file, |database| database.url());
        Place { url, _folder: folder, _database: database }
    };
    [place(None), place(Some(Database::make().unwrap()))]
}

/// The columns that may not be null, as `table.column`.
async fn required() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("shape.db").display());
    let store = Store::open(&url).await.unwrap();
    let text = "SELECT t.name || '.' || c.name AS name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
                WHERE c.\"notnull\" = 1 OR c.pk > 0";
    let rows = sql(text).fetch_all(&store.pool).await.unwrap();
    rows.iter().map(|row| row.try_get("name").unwrap()).collect()
}

/// A value that no other row of the table has, hard to write down where it can be.
fn sample(table: &str, column: &ColumnShape, row: usize) -> Value {
    let number = i64::try_from(row).unwrap();
    match (column.kind, column.name.as_str()) {
        (Kind::Text, "state") => Value::text("finished"),
        (Kind::Text, name) if name == "id" || column.refers().is_some() => {
            Value::text(format!("01900000-0000-7000-8000-{row:012x}"))
        }
        (Kind::Text, name) => Value::text(format!("Ёж\n\"{table}\"\\{name} 😀\t{row}\u{1}")),
        (Kind::Number, "seq") => Value::from(number),
        (Kind::Number, _) => Value::from(if row == 1 { i64::MAX } else { i64::MIN + number }),
        (Kind::Flag, _) => Value::from(row.is_multiple_of(2) || table == "calls"),
    }
}

fn null(kind: Kind) -> Value {
    match kind {
        Kind::Text => Value::Text(None),
        Kind::Number => Value::Number(None),
        Kind::Flag => panic!("a BOOLEAN that may be null has no value in a statement"),
    }
}

/// Gives every table rows, the second with null wherever that may be, and one table many.
async fn fill(store: &Store) {
    let required = required().await;
    for table in tables_at(newest_schema()).await.unwrap() {
        for row in 1..=(if table.name == "idempotency_keys" { MANY } else { 2 }) {
            let value = |column: &ColumnShape| {
                let may_be_null = !required.contains(&format!("{}.{}", table.name, column.name));
                if row == 2 && may_be_null { null(column.kind) } else { sample(&table.name, column, row) }
            };
            let values: Vec<Value> = table.columns.iter().map(value).collect();
            let places: Vec<String> = (1..=values.len()).map(|place| format!("${place}")).collect();
            let text =
                format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.names(), places.join(", "));
            assembled(text, &values).execute(&store.pool).await.unwrap();
        }
    }
}

async fn read(store: &Store) -> Vec<Part> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = snapshot.next().await.unwrap() {
        parts.push(part);
    }
    parts
}

async fn restore(place: &Place, version: i64, parts: &[Part]) -> Result<(), StoreError> {
    let mut restoring = EmptyDatabase::open(&place.url, false).await?.begin(version).await?;
    for part in parts {
        restoring.insert(&part.table, &part.lines).await?;
    }
    restoring.finish().await
}

async fn count(store: &Store, table: &str) -> i64 {
    let count = assembled(format!("SELECT COUNT(*) AS held FROM {table}"), &[]);
    count.fetch_one(&store.pool).await.unwrap().try_get("held").unwrap()
}

#[tokio::test]
async fn every_table_goes_from_each_database_to_each() {
    for from in places() {
        let source = Store::open(&from.url).await.unwrap();
        fill(&source).await;
        let parts = read(&source).await;
        for table in tables_at(newest_schema()).await.unwrap() {
            let rows: u64 = parts.iter().filter(|part| part.table == table.name).map(|part| part.rows).sum();
            let held = u64::try_from(count(&source, &table.name).await).unwrap();
            assert!(held >= 2, "{} has rows", table.name);
            assert_eq!(rows, if table.is_kept() { held } else { 0 }, "{}", table.name);
        }
        for to in places() {
            restore(&to, newest_schema(), &parts).await.unwrap();
            let target = Store::open(&to.url).await.unwrap();
            assert_eq!(read(&target).await, parts, "{} -> {}", from.url, to.url);
            assert_eq!((count(&target, "sessions").await, count(&target, "frames").await), (0, 0));
            target.close().await;
        }
        source.close().await;
    }
}

#[tokio::test]
async fn what_is_read_stays_as_it_was_when_the_reading_began() {
    for place in places() {
        let store = Store::open(&place.url).await.unwrap();
        fill(&store).await;
        let before = read(&store).await;
        let mut snapshot = store.snapshot().await.unwrap();
        for table in ["audit", "idempotency_keys", "numbers"] {
            assembled(format!("DELETE FROM {table}"), &[]).execute(&store.pool).await.unwrap();
        }
        let mut parts = Vec::new();
        while let Some(part) = snapshot.next().await.unwrap() {
            parts.push(part);
        }
        assert_eq!(parts, before);
        drop(snapshot);
        assert_ne!(read(&store).await, before);
        store.close().await;
    }
}

#[tokio::test]
async fn a_database_in_use_is_refused_and_one_that_only_started_is_not() {
    for place in places() {
        let store = Store::open(&place.url).await.unwrap();
        let numbering = crate::frames::Numbering { epoch: "e".to_owned(), last_seq: 7 };
        store.leave_numbering(&numbering).await.unwrap();
        restore(&place, newest_schema(), &[]).await.expect("only the server's own row is there");
        assert_eq!(store.take_numbering("new").await.unwrap().epoch, "new", "no browser may resume here");
        fill(&store).await;
        let error = restore(&place, newest_schema(), &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "the database holds 2 rows of audit already");
        assert_eq!(count(&store, "users").await, 2, "nothing was touched");
        store.close().await;
    }
}

#[tokio::test]
async fn rows_of_an_older_schema_come_up_to_date() {
    let row = "{\"user_id\":\"u\",\"key\":\"k\",\"request\":\"r\",\"status\":1,\"response\":\"\",\"created_at\":2}\n";
    for place in places() {
        // A server of today has been here, so its tables are of today.
        Store::open(&place.url).await.unwrap().close().await;
        let part = Part { table: "idempotency_keys".to_owned(), part: 1, rows: 1, lines: row.to_owned() };
        restore(&place, 1, std::slice::from_ref(&part)).await.unwrap();
        let store = Store::open(&place.url).await.unwrap();
        let rows = read(&store).await;
        let keys = rows.iter().find(|part| part.table == "idempotency_keys").unwrap();
        assert!(keys.lines.contains("\"content_type\":null"), "{}", keys.lines);
        store.close().await;
    }
}

/// What a later version works out of rows that it finds is worked out of restored ones too.
#[tokio::test]
async fn rows_of_an_older_schema_go_through_what_came_later() {
    let call = interaction(&mut Ids::new(), NOW);
    let interaction = json!({
        "id": "i", "call_id": "c", "direction": "inbound", "outcome": "no_answer", "state": "ended",
        "caller_number": null, "callee_number": null, "contact_id": null, "user_id": null, "line_id": null,
        "started_at": 1, "recorded": false,
        "interaction": serde_json::to_string(&call).unwrap(),
    });
    let item = json!({
        "id": "m", "number": null, "number_dialled": null, "contact_id": null, "attempts": 1, "first_at": 1,
        "last_at": 1, "owner_id": null, "state": "open", "closed_by": null, "closed_at": null,
        "answered_interaction_id": null, "interaction_id": "i", "user_ids": "[]",
    });
    let call = json!({
        "interaction_id": "i", "item_id": "m", "call_id": "c", "user_id": null, "contact_id": null,
        "number": null, "number_dialled": null, "started_at": 1, "ended_at": 2,
    });
    let parts = [("interactions", interaction), ("missed_items", item), ("missed_calls", call)]
        .map(|(table, row)| Part { table: table.to_owned(), part: 1, rows: 1, lines: format!("{row}\n") });
    for place in places() {
        restore(&place, 4, &parts).await.unwrap();
        let store = Store::open(&place.url).await.unwrap();
        let row = sql("SELECT missed FROM interactions WHERE id = 'i'").fetch_one(&store.pool).await.unwrap();
        assert_eq!(row.try_get::<String>("missed").unwrap(), "waiting");
        store.close().await;
    }
}

#[tokio::test]
async fn a_row_that_does_not_fit_leaves_nothing() {
    let whole = "{\"name\":\"a\",\"value\":\"b\"}\n";
    let cases = [
        ("users2", whole, "there is no such table"),
        ("sessions", whole, "there is no such table"),
        ("server_state", "{\"name\":\"a\"}\n", "value is missing"),
        ("server_state", "{\"name\":\"a\",\"value\":7}\n", "value is 7"),
        ("server_state", "{\"name\":\"a\",\"value\":\"b\",\"x\":1}\n", "there is no column x"),
        ("server_state", "{\"name\":", "EOF"),
    ];
    for place in places() {
        for (table, lines, why) in cases {
            let part = |table: &str, lines: &str| Part {
                table: table.to_owned(),
                part: 1,
                rows: 1,
                lines: lines.to_owned(),
            };
            let parts = [part("server_state", whole), part(table, lines)];
            let error = restore(&place, newest_schema(), &parts).await.unwrap_err().to_string();
            assert!(error.contains(table) && error.contains(why), "{error}");
            let store = Store::open(&place.url).await.unwrap();
            let taken = sql("SELECT value FROM server_state WHERE name = 'a'").fetch_all(&store.pool);
            assert!(taken.await.unwrap().is_empty(), "{why}");
            store.close().await;
        }
    }
}
