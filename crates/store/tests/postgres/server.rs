//! What can be wrong with a database that a server keeps, and what it is told about it.

use linecard_store::{Store, StoreError};
use xtask::postgres::{Cluster, Database, PASSWORD, ROLE};

use crate::conformance::locked::connect;
use crate::conformance::support::{Ids, add_user, batch_of, entry, fresh_store, signal};

/// Opens what must not open, and returns the line that says why.
async fn refused(url: &str) -> String {
    let error = Store::open(url).await.expect_err("it must not open");
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let line = error.to_string();
    assert!(line.starts_with("database.url: postgres://"), "{line}");
    for password in PASSWORD {
        assert!(!line.contains(password), "no password in a message: {line}");
    }
    line
}

#[tokio::test]
async fn both_schemes_and_every_sign_of_a_password_are_taken() {
    let database = Database::make().unwrap();
    for url in [database.url(), database.url().replacen("postgres://", "postgresql://", 1)] {
        Store::open(&url).await.expect("it opens").close().await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_wrong() {
    let database = Database::make().unwrap();
    let line = refused(&database.url().replacen(PASSWORD[1], "guessed", 1)).await;
    assert!(
        line.contains("password authentication failed") && line.contains("write the user and the password"),
        "{line}"
    );
    let line = refused(&database.url().replacen(ROLE, "nobody", 1)).await;
    assert!(line.contains("nobody") && line.contains("write the user and the password"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_but_explained() {
    let database = Database::make().unwrap();
    let line = refused(&database.url().replacen(database.name(), "elsewhere", 1)).await;
    assert!(line.contains("\"elsewhere\" does not exist"), "{line}");
    let advice = "createdb --template=template0 --encoding=UTF8 --locale=C --owner=linecard elsewhere";
    assert!(line.contains(advice), "{line}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    // The port was free a moment ago, and nobody else is given it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let line = refused(&format!("postgres://{ROLE}:x@{address}/linecard")).await;
    assert!(line.contains(&address.to_string()) && line.contains("refused"), "{line}");
    assert!(line.contains("start the server, or write the address of one that runs"), "{line}");
    let line = refused(&format!("postgres://{ROLE}:x@no-such-host.invalid/linecard")).await;
    assert!(line.contains("no-such-host.invalid") && line.contains("write the address"), "{line}");
}

#[tokio::test]
async fn a_database_that_sorts_in_another_way_is_refused() {
    let icu = ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=ru", "--locale=C"];
    let latin = ["--encoding=LATIN1", "--locale=C"];
    for (options, found) in [(&icu[..], "UTF8 and sorts by \"ru\""), (&latin, "LATIN1 and sorts by \"C\"")] {
        let database = Database::make_with(options).unwrap();
        let line = refused(&database.url()).await;
        assert!(line.contains(found), "{line}");
        assert!(line.contains("createdb --template=template0 --encoding=UTF8 --locale=C"), "{line}");
    }
}

#[tokio::test]
async fn a_user_who_may_make_no_tables_is_named() {
    let database = Database::make().unwrap();
    database
        .administer("ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .unwrap();
    let line = refused(&database.url()).await;
    assert!(line.contains("permission denied") && line.contains("make \"linecard\" the owner"), "{line}");
}

#[tokio::test]
async fn a_wish_for_tls_is_refused_before_anything_is_sent() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let asked = Store::open(&format!("postgres://u:secret@localhost/d?sslmode={mode}")).await;
        let Err(StoreError::Url { advice }) = asked else { panic!("{mode}: {asked:?}") };
        assert!(advice.contains("write sslmode=disable") && !advice.contains("secret"), "{advice}");
    }
}

#[tokio::test]
async fn commits_reach_the_disk_and_only_people_wait_long_for_a_lock() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let watch = "CREATE TABLE seen (of_table TEXT, durable TEXT, patience TEXT); \
        GRANT ALL ON seen TO PUBLIC; \
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        INSERT INTO seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'), current_setting('lock_timeout')); \
        RETURN NEW; END $$; \
        CREATE TRIGGER note BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION note(); \
        CREATE TRIGGER note BEFORE INSERT ON signals FOR EACH ROW EXECUTE FUNCTION note();";
    store.own.0.administer(watch).unwrap();
    // What an administrator set for other programs does not weaken the ledger.
    let name = store.own.0.name();
    store.own.0.administer(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).unwrap();
    let again = Store::open(&store.url).await.unwrap();
    add_user(&again, &mut ids, "anna").await;
    let call = ids.make();
    again.append(&batch_of(vec![entry(1, signal(&mut ids, call))])).await.unwrap();
    let mut other = connect(&store.url).await;
    let seen: Vec<(String, String, String)> =
        sqlx::query_as("SELECT of_table, durable, patience FROM seen ORDER BY 1")
            .fetch_all(&mut other)
            .await
            .unwrap();
    let expected = [("signals", "on", "50ms"), ("users", "on", "5s")];
    assert_eq!(seen, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
}

#[tokio::test]
async fn an_index_that_is_not_valid_does_not_pass_the_check() {
    let store = fresh_store().await;
    assert_eq!(store.integrity_faults().await.unwrap(), Vec::<String>::new());
    let spoil = "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'numbers_by_e164'::regclass";
    store.own.0.administer(spoil).unwrap();
    assert_eq!(store.integrity_faults().await.unwrap(), ["numbers_by_e164 is not valid"]);
}

#[tokio::test]
async fn a_server_that_went_away_passes_and_is_found_again() {
    let mut cluster = Cluster::start().unwrap();
    let database = Database::make_in(&cluster).unwrap();
    let (store, mut ids) = (Store::open(&database.url()).await.unwrap(), Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let call = ids.make();
    let (first, next) = (entry(1, signal(&mut ids, call)), entry(2, signal(&mut ids, call)));
    store.append(&batch_of(vec![first.clone()])).await.unwrap();

    cluster.stop();
    let lost = store.append(&batch_of(vec![next.clone()])).await.unwrap_err();
    assert!(lost.is_passing(), "the connection was cut: {lost:?}");
    let id = anna.id.to_string();
    let (read, reached) = tokio::join!(store.user(&id), store.reach());
    assert!(read.unwrap_err().is_passing() && reached.unwrap_err().is_passing());

    cluster.start_again().unwrap();
    store.reach().await.unwrap();
    store.append(&batch_of(vec![next.clone()])).await.unwrap();
    assert_eq!(store.signals_after(0, 9).await.unwrap(), [first, next]);
    assert_eq!(store.user(&anna.id.to_string()).await.unwrap(), Some(anna));
    store.close().await;
}
