//! SIP accounts.

use linecard_calls::{LineId, UserId};
use linecard_store::StoreError;
use linecard_store::lines::{DialFormat, LineDraft, LineMode, LineTransport};

use super::support::{Ids, NOW, add_user, fresh_store, line_draft, walk};

#[tokio::test]
async fn a_line_reads_back_with_its_password() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let added = store.add_line(ids.make(), &line_draft(Some(anna.id)), NOW).await.unwrap();
    assert!(added.account == line_draft(Some(anna.id)) && added.created_at == NOW);
    let read = store.line(added.id).await.unwrap().unwrap();
    assert!(read == added);
    assert_eq!(read.account.password, "сим-сим \"открой';--");
    assert!(store.line(ids.make()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_line_is_printed_without_its_password() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let line = store.add_line(ids.make(), &line_draft(None), NOW).await.unwrap();
    let printed = format!("{line:?} {:?}", line.account);
    assert!(!printed.contains("сим-сим"), "{printed}");
}

#[tokio::test]
async fn every_transport_mode_and_dial_format_reads_back() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut line = store.add_line(ids.make(), &line_draft(None), NOW).await.unwrap();
    let choices = [
        (None, LineMode::Shadow, DialFormat::E164),
        (Some(LineTransport::Udp), LineMode::DialogInfo, DialFormat::National),
        (Some(LineTransport::Tcp), LineMode::Siprec, DialFormat::Plus),
        (Some(LineTransport::Tls), LineMode::Anchor, DialFormat::AsTyped),
    ];
    for (transport, mode, dial_format) in choices {
        let draft = LineDraft {
            transport,
            websocket_path: None,
            mode,
            dial_format,
            auth_username: None,
            outbound_proxy: None,
            dial_prefix: None,
            caller_id: None,
            transfer: linecard_store::lines::LineTransfer::Here,
            password: "new".to_owned(),
            ..line_draft(None)
        };
        let changed = store.change_line(line.id, &draft, line.version).await.unwrap();
        assert!(changed.version > line.version);
        assert!(changed.account == draft, "{mode:?}");
        assert!(store.line(line.id).await.unwrap().unwrap() == changed, "{mode:?}");
        line = changed;
    }
}

#[tokio::test]
async fn a_stale_version_of_a_line_changes_and_deletes_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = store.add_line(ids.make(), &line_draft(None), NOW).await.unwrap();
    let second = store.change_line(first.id, &line_draft(None), first.version).await.unwrap();
    let other = LineDraft { name: "Склад".to_owned(), ..line_draft(None) };
    assert!(matches!(store.change_line(first.id, &other, first.version).await, Err(StoreError::Stale)));
    assert!(matches!(store.delete_line(first.id, first.version).await, Err(StoreError::Stale)));
    assert!(store.line(first.id).await.unwrap().unwrap() == second);
    store.delete_line(first.id, second.version).await.unwrap();
    assert!(store.line(first.id).await.unwrap().is_none());
    assert!(matches!(store.delete_line(first.id, second.version).await, Err(StoreError::Stale)));
    assert!(matches!(store.change_line(first.id, &other, second.version).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn a_line_of_an_unknown_user_is_refused() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let nobody = Some(ids.make::<UserId>());
    let refused = store.add_line(ids.make(), &line_draft(nobody), NOW).await;
    assert!(matches!(refused, Err(StoreError::Dangling { field: "user_id" })), "{refused:?}");
    let line = store.add_line(ids.make(), &line_draft(None), NOW).await.unwrap();
    let refused = store.change_line(line.id, &line_draft(nobody), line.version).await;
    assert!(matches!(refused, Err(StoreError::Dangling { field: "user_id" })), "{refused:?}");
    assert!(store.line(line.id).await.unwrap().unwrap() == line);
}

#[tokio::test]
async fn lines_are_listed_newest_first_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut expected: Vec<LineId> = Vec::new();
    for at_ms in [1, 1, 1, 2, 3] {
        expected.push(store.add_line(ids.make(), &line_draft(None), NOW.plus_ms(at_ms)).await.unwrap().id);
    }
    expected.reverse();
    for limit in [1, 2, 5, 6] {
        let listed = walk(limit, async |page| store.lines_page(page).await.unwrap()).await;
        assert_eq!(listed.iter().map(|line| line.id).collect::<Vec<_>>(), expected, "pages of {limit}");
    }
    let all: Vec<_> = store.lines().await.unwrap().iter().map(|line| line.id).collect();
    assert_eq!(all, expected);
}
