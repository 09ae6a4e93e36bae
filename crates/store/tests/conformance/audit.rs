//! The audit.

use linecard_calls::{AuditId, UserId, UtcMillis};
use linecard_store::audit::{AuditAction, AuditEntry, AuditFilter, AuditRow};
use linecard_store::page::PageRequest;

use super::support::{Ids, NOW, add_user, fresh_store, walk};

fn entry(ids: &mut Ids, action: AuditAction, user_id: Option<UserId>, after_ms: i64) -> AuditEntry {
    let (id, at) = (ids.make::<AuditId>(), NOW.plus_ms(after_ms));
    AuditEntry { id, at, action, user_id, subject: None, source: "192.0.2.1".parse().expect("an address") }
}

#[tokio::test]
async fn a_row_reads_back_and_outlives_whom_it_names() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "Anna").await;
    let played = AuditEntry {
        subject: Some("01999999-9999-7999-8999-999999999999".to_owned()),
        source: "2001:db8::1".parse().expect("an address"),
        ..entry(&mut ids, AuditAction::RecordingPlayed, Some(anna.id), 0)
    };
    store.add_audit(std::slice::from_ref(&played)).await.unwrap();
    store.delete_user(anna.id, anna.version).await.unwrap();
    let page = store.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    let expected = AuditRow {
        id: played.id,
        at: NOW,
        action: AuditAction::RecordingPlayed,
        user_id: Some(anna.id),
        login: Some("Anna".to_owned()),
        subject: played.subject.clone(),
        source: "2001:db8::1".to_owned(),
    };
    assert_eq!((page.total, page.items), (1, vec![expected.clone()]));
    // What the spool carries over a second time.
    store.add_audit(&[played]).await.unwrap();
    let page = store.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!((page.total, page.items), (1, vec![expected]), "the same id is there once, and as it was");
}

#[tokio::test]
async fn a_log_in_is_its_users_however_it_is_written_and_else_nobodys() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "Anna").await;
    for (login, whose) in [(" ANNA ", Some(anna.id)), ("anna", Some(anna.id)), ("a typed password", None)] {
        assert_eq!(store.user_of_login(login).await.unwrap(), whose, "{login}");
        let failed = entry(&mut ids, AuditAction::LoginFailed, whose, 0);
        store.add_audit(&[failed]).await.unwrap();
    }
    let page = store.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    let who: Vec<_> = page.items.into_iter().map(|row| (row.user_id, row.login)).collect();
    let known = (Some(anna.id), Some("Anna".to_owned()));
    assert_eq!(who, [(None, None), known.clone(), known]);
}

#[tokio::test]
async fn rows_are_found_by_who_what_and_when() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, olga) =
        (add_user(&store, &mut ids, "anna").await.id, add_user(&store, &mut ids, "olga").await.id);
    let entries: Vec<AuditEntry> = [
        (AuditAction::Login, anna),
        (AuditAction::Login, olga),
        (AuditAction::RecordingPlayed, anna),
        (AuditAction::Logout, olga),
    ]
    .into_iter()
    .zip(0..)
    .map(|((action, user), after)| entry(&mut ids, action, Some(user), after * 1_000))
    .collect();
    store.add_audit(&entries).await.unwrap();
    let found = async |filter: AuditFilter| {
        let rows = walk(1, async |page| store.audit(&filter, page).await.unwrap()).await;
        rows.into_iter().map(|row| row.at.since_ms(NOW) / 1_000).collect::<Vec<_>>()
    };
    let all = AuditFilter::default;
    assert_eq!(found(all()).await, [3, 2, 1, 0], "newest first");
    assert_eq!(found(AuditFilter { user_id: Some(anna), ..all() }).await, [2, 0]);
    assert_eq!(found(AuditFilter { action: Some(AuditAction::Login), ..all() }).await, [1, 0]);
    let UtcMillis(second) = NOW.plus_ms(1_000);
    assert_eq!(found(AuditFilter { from: Some(second), until: Some(second + 2_000), ..all() }).await, [2, 1]);
    let both = AuditFilter { user_id: Some(olga), action: Some(AuditAction::Login), ..all() };
    assert_eq!(found(both).await, [1]);
}
