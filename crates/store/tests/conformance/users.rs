//! People who log in, and their devices.

use linecard_calls::{DeviceAddress, DeviceId, Ring, Role, RoutedDevice, UserId};
use linecard_store::users::{Device, User, UserDraft};
use linecard_store::{Store, StoreError};

use super::support::{
    Ids, NOW, add_contact, add_user, contact_draft, fresh_store, interaction, line_draft, save, saved,
    session, user_draft, walk,
};

fn phone(ids: &mut Ids, user_id: UserId, uri: &str) -> Device {
    let address = DeviceAddress::Sip { uri: uri.to_owned() };
    Device { routed: RoutedDevice { device: ids.make(), address }, user_id }
}

#[tokio::test]
async fn a_user_reads_back_as_written() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let id: UserId = ids.make();
    let added = store.add_user(id, &user_draft("Анна"), NOW).await.unwrap();
    assert_eq!((added.id, added.login.as_str(), added.name.as_str()), (id, "Анна", "Анна Иванова"));
    assert_eq!((added.role, added.ring, added.ring_timeout_ms), (Role::Agent, Ring::InOrder, 25_000));
    assert_eq!((added.extension.as_deref(), added.allow_call_waiting), (Some("105"), true));
    assert_eq!(store.user(&id.to_string()).await.unwrap(), Some(added));
    assert_eq!(store.user(&ids.make::<UserId>().to_string()).await.unwrap(), None);
}

#[tokio::test]
async fn a_login_is_unique_without_regard_to_case() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_user(&store, &mut ids, "anna").await;
    add_user(&store, &mut ids, "Пётр").await;
    for login in ["anna", "ANNA", "aNnA", " Anna ", "Пётр", "ПЁТР", "петр"] {
        let again = store.add_user(ids.make(), &user_draft(login), NOW).await;
        assert!(matches!(again, Err(StoreError::Taken { field: "login" })), "{login:?}: {again:?}");
    }
    let other = add_user(&store, &mut ids, "Павел").await;
    let stolen = store.change_user(other.id, &user_draft("пЁтР"), other.version).await;
    assert!(matches!(stolen, Err(StoreError::Taken { field: "login" })), "{stolen:?}");
    assert_eq!(store.user(&other.id.to_string()).await.unwrap(), Some(other));
}

#[tokio::test]
async fn a_change_writes_every_field_and_raises_the_version() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let user = add_user(&store, &mut ids, "anna").await;
    let draft = UserDraft {
        login: "Anna".to_owned(),
        name: "Anna B.".to_owned(),
        role: Role::Supervisor,
        password: None,
        extension: None,
        ring: Ring::Together,
        ring_timeout_ms: 9_000,
        allow_call_waiting: false,
    };
    let changed = store.change_user(user.id, &draft, user.version).await.unwrap();
    assert!(changed.version > user.version);
    assert_eq!((changed.login.as_str(), changed.name.as_str()), ("Anna", "Anna B."));
    assert_eq!(
        (changed.role, changed.ring, changed.ring_timeout_ms),
        (Role::Supervisor, Ring::Together, 9_000)
    );
    assert_eq!((changed.extension.as_deref(), changed.allow_call_waiting), (None, false));
    assert_eq!(store.user(&user.id.to_string()).await.unwrap(), Some(changed));
}

#[tokio::test]
async fn the_right_password_logs_in_whatever_the_case_of_the_login() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let user = add_user(&store, &mut ids, "Фёдор").await;
    for login in ["Фёдор", "ФЁДОР", "федор "] {
        assert_eq!(store.log_in(login, "right").await.unwrap().as_ref(), Some(&user), "{login:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_or_an_unknown_login_logs_nobody_in() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_user(&store, &mut ids, "anna").await;
    for (login, password) in [
        ("anna", "wrong"),
        ("anna", ""),
        ("anna", "RIGHT"),
        ("anna", "right "),
        ("nobody", "right"),
        ("", ""),
        ("an%", "right"),
        ("nobody", "no password of anybody"),
    ] {
        assert_eq!(store.log_in(login, password).await.unwrap(), None, "{login:?} {password:?}");
    }
}

#[tokio::test]
async fn a_change_without_a_password_keeps_the_old_one() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let user = add_user(&store, &mut ids, "anna").await;
    let kept = UserDraft { password: None, ..user_draft("anna") };
    let user = store.change_user(user.id, &kept, user.version).await.unwrap();
    assert!(store.log_in("anna", "right").await.unwrap().is_some());
    let renewed = UserDraft { password: Some("новый".to_owned()), ..user_draft("anna") };
    store.change_user(user.id, &renewed, user.version).await.unwrap();
    assert!(store.log_in("anna", "right").await.unwrap().is_none());
    assert!(store.log_in("anna", "новый").await.unwrap().is_some());
}

#[tokio::test]
async fn a_stale_version_of_a_user_changes_and_deletes_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = add_user(&store, &mut ids, "anna").await;
    let second = store.change_user(first.id, &user_draft("anna"), first.version).await.unwrap();
    let late = store.change_user(first.id, &user_draft("boris"), first.version).await;
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert!(matches!(store.delete_user(first.id, first.version).await, Err(StoreError::Stale)));
    assert_eq!(store.user(&first.id.to_string()).await.unwrap().as_ref(), Some(&second));
    store.delete_user(first.id, second.version).await.unwrap();
    assert_eq!(store.user(&first.id.to_string()).await.unwrap(), None);
    assert!(matches!(store.delete_user(first.id, second.version).await, Err(StoreError::Stale)));
    let gone = store.change_user(first.id, &user_draft("anna"), second.version).await;
    assert!(matches!(gone, Err(StoreError::Stale)), "{gone:?}");
}

async fn add_admin(store: &Store, ids: &mut Ids, login: &str) -> User {
    let draft = UserDraft { role: Role::Admin, ..user_draft(login) };
    store.add_user(ids.make(), &draft, NOW).await.expect("a new login")
}

#[tokio::test]
async fn the_last_administrator_is_neither_demoted_nor_deleted() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) =
        (add_admin(&store, &mut ids, "anna").await, add_admin(&store, &mut ids, "boris").await);
    add_user(&store, &mut ids, "olga").await;
    let demoted = store.change_user(boris.id, &user_draft("boris"), boris.version).await.unwrap();
    assert_eq!(demoted.role, Role::Agent, "there was another one");
    let refused = store.change_user(anna.id, &user_draft("anna"), anna.version).await;
    assert!(matches!(refused, Err(StoreError::LastAdmin)), "{refused:?}");
    assert!(matches!(store.delete_user(anna.id, anna.version).await, Err(StoreError::LastAdmin)));
    assert_eq!(store.user(&anna.id.to_string()).await.unwrap(), Some(anna.clone()), "nothing was changed");
    let draft = UserDraft { role: Role::Admin, name: "Anna".to_owned(), ..user_draft("anna") };
    let anna = store.change_user(anna.id, &draft, anna.version).await.unwrap();
    store.delete_user(demoted.id, demoted.version).await.unwrap();
    add_admin(&store, &mut ids, "vera").await;
    store.delete_user(anna.id, anna.version).await.unwrap();
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_at_once_do_not_both_succeed() {
    for round in 0..10 {
        let (store, mut ids) = (fresh_store().await, Ids::new());
        let (anna, boris) =
            (add_admin(&store, &mut ids, "anna").await, add_admin(&store, &mut ids, "boris").await);
        let demoted = user_draft("anna");
        let (by_boris, by_anna) = tokio::join!(
            store.change_user(anna.id, &demoted, anna.version),
            store.delete_user(boris.id, boris.version),
        );
        let done = usize::from(by_boris.is_ok()) + usize::from(by_anna.is_ok());
        assert_eq!(done, 1, "round {round}: {by_boris:?} {by_anna:?}");
        let refused = [by_boris.err(), by_anna.err()].into_iter().flatten().next();
        assert!(matches!(refused, Some(StoreError::LastAdmin)), "round {round}: {refused:?}");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_but_for_the_one_that_asked() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, olga) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "olga").await);
    let until = NOW.0 + 1_000;
    let own = session(&mut ids, anna.id, until);
    store.open_session("own", &own).await.unwrap();
    store.open_session("other", &session(&mut ids, anna.id, until)).await.unwrap();
    store.open_session("olga", &session(&mut ids, olga.id, until)).await.unwrap();
    let lives = async |hash: &str| store.session_user(hash, NOW).await.unwrap().is_some();
    store.set_password(anna.id, "another", own.id).await.unwrap();
    assert_eq!((lives("own").await, lives("other").await, lives("olga").await), (true, false, true));
    assert!(store.log_in("anna", "right").await.unwrap().is_none());
    let anna = store.log_in("anna", "another").await.unwrap().expect("the new password");
    let kept = UserDraft { password: None, ..user_draft("anna") };
    let anna = store.change_user(anna.id, &kept, anna.version).await.unwrap();
    assert!(lives("own").await, "no new password");
    store.change_user(anna.id, &user_draft("anna"), anna.version).await.unwrap();
    assert_eq!((lives("own").await, lives("olga").await), (false, true), "set by somebody else");
    assert!(matches!(store.set_password(ids.make(), "another", own.id).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn users_are_listed_newest_first_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut expected = Vec::new();
    for (login, at_ms) in [("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 3)] {
        expected.push(store.add_user(ids.make(), &user_draft(login), NOW.plus_ms(at_ms)).await.unwrap());
    }
    expected.reverse();
    for limit in [1, 2, 5, 6] {
        let listed = walk(limit, async |page| store.users(page).await.unwrap()).await;
        assert_eq!(listed, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn devices_ring_in_the_order_in_which_they_were_added() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "boris").await);
    // Ids that fall while the places rise, so that an order by id is seen.
    let mut phones = [
        phone(&mut ids, anna.id, "sip:105@pbx.example"),
        phone(&mut ids, anna.id, "106"),
        phone(&mut ids, anna.id, "sip:107@pbx.example"),
    ];
    phones.reverse();
    for device in &phones {
        store.add_device(device).await.unwrap();
    }
    let [first, second, third] = phones;
    let foreign = phone(&mut ids, boris.id, "108");
    store.add_device(&foreign).await.unwrap();
    assert!(store.delete_device(anna.id, second.routed.device).await.unwrap());
    let browser = DeviceAddress::Browser {};
    let browser = Device { routed: RoutedDevice { device: ids.make(), address: browser }, user_id: anna.id };
    store.add_device(&browser).await.unwrap();
    let of_anna = vec![first, third, browser];
    assert_eq!(store.devices(anna.id).await.unwrap(), of_anna);
    assert_eq!(store.devices(boris.id).await.unwrap(), vec![foreign.clone()]);
    assert_eq!(store.devices(ids.make()).await.unwrap(), []);
    let all = store.all_devices().await.unwrap();
    assert_eq!(all.len(), 4);
    let listed: Vec<_> = all.iter().filter(|device| device.user_id == anna.id).cloned().collect();
    assert_eq!(listed, of_anna);
    assert!(all.contains(&foreign));
}

#[tokio::test]
async fn a_device_is_deleted_only_by_its_own_user() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "boris").await);
    let device = phone(&mut ids, anna.id, "105");
    store.add_device(&device).await.unwrap();
    assert!(!store.delete_device(boris.id, device.routed.device).await.unwrap());
    assert!(!store.delete_device(anna.id, ids.make::<DeviceId>()).await.unwrap());
    assert_eq!(store.devices(anna.id).await.unwrap(), vec![device.clone()]);
    assert!(store.delete_device(anna.id, device.routed.device).await.unwrap());
    assert!(!store.delete_device(anna.id, device.routed.device).await.unwrap());
}

#[tokio::test]
async fn a_device_of_nobody_is_refused() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let nobody = ids.make();
    let refused = store.add_device(&phone(&mut ids, nobody, "105")).await;
    assert!(matches!(refused, Err(StoreError::Dangling { field: "user_id" })), "{refused:?}");
}

#[tokio::test]
async fn a_deleted_user_takes_devices_and_sessions_along_and_frees_the_rest() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    store.add_device(&phone(&mut ids, anna.id, "105")).await.unwrap();
    store.open_session("hash", &session(&mut ids, anna.id, NOW.0 + 1_000)).await.unwrap();
    let line = store.add_line(ids.make(), &line_draft(Some(anna.id)), NOW).await.unwrap();
    let mut card = contact_draft("Клиент", &[]);
    card.responsible_id = Some(anna.id);
    let contact = add_contact(&store, &mut ids, &card).await;
    let mut past = interaction(&mut ids, NOW);
    past.user_id = Some(anna.id);
    save(&store, vec![saved(&past, &[])]).await;

    store.delete_user(anna.id, anna.version).await.unwrap();

    assert_eq!(store.all_devices().await.unwrap(), []);
    assert_eq!(store.session_user("hash", NOW).await.unwrap(), None);
    assert_eq!(store.line(line.id).await.unwrap().unwrap().account.user_id, None);
    assert_eq!(store.contact(contact.id).await.unwrap().unwrap().card.responsible_id, None);
    assert_eq!(store.interaction(past.id).await.unwrap(), Some(past), "what happened stays");
    add_user(&store, &mut ids, "anna").await;
}
