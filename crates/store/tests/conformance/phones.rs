//! Telephones that register at the server: accounts, digests, and where they were last.

use linecard_calls::{DeviceAddress, RoutedDevice, UserId, UtcMillis};
use linecard_store::StoreError;
use linecard_store::phones::{KeptBinding, PhoneAccount, PhoneSecret};
use linecard_store::users::Device;

use super::fixtures::{Ids, NOW, add_user};
use super::support::fresh_store;

fn secret(of: &str) -> PhoneSecret {
    PhoneSecret { realm: "linecard".to_owned(), md5: format!("md5 {of}"), sha256: format!("sha {of}") }
}

fn phone(ids: &mut Ids, user_id: UserId, username: &str) -> (Device, PhoneAccount) {
    let routed = RoutedDevice { device: ids.make(), address: DeviceAddress::Phone { contact: None } };
    let account = PhoneAccount {
        device: routed.device,
        name: Some("Стол".to_owned()),
        username: username.to_owned(),
        secret: secret("old"),
        last_seen: None,
    };
    (Device { routed, user_id }, account)
}

fn binding(contact: &str) -> KeptBinding {
    KeptBinding {
        contact: contact.to_owned(),
        transport: "udp".to_owned(),
        local: "192.0.2.9:5060".to_owned(),
        remote: "10.0.0.7:5062".to_owned(),
        q: 1_000,
        instance: Some("<urn:uuid:1>".to_owned()),
        user_agent: None,
        call_id: "c".to_owned(),
        cseq: u32::MAX,
        since: NOW,
        expires_at: NOW.plus_ms(60_000),
    }
}

#[tokio::test]
async fn a_telephone_is_a_device_with_an_account_and_goes_with_it() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let (device, account) = phone(&mut ids, anna.id, "u1");
    store.add_phone(&device, &account).await.unwrap();
    assert_eq!(store.devices(anna.id).await.unwrap(), std::slice::from_ref(&device));
    assert_eq!(store.phones().await.unwrap(), [account]);
    store.keep_bindings(&[(device.routed.device, vec![binding("sip:a@b")])], NOW).await.unwrap();
    assert!(store.delete_device(anna.id, device.routed.device).await.unwrap());
    assert_eq!(store.phones().await.unwrap(), []);
    assert_eq!(store.kept_bindings().await.unwrap(), []);
}

#[tokio::test]
async fn a_name_is_given_once_and_a_refused_telephone_leaves_no_device() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let (device, account) = phone(&mut ids, anna.id, "u1");
    store.add_phone(&device, &account).await.unwrap();
    let (other, same_name) = phone(&mut ids, anna.id, "u1");
    let refused = store.add_phone(&other, &same_name).await;
    assert!(matches!(refused, Err(StoreError::Taken { field: "username" })), "{refused:?}");
    assert_eq!(store.devices(anna.id).await.unwrap(), [device]);
    let nobody = ids.make();
    let (orphan, account) = phone(&mut ids, nobody, "u2");
    let refused = store.add_phone(&orphan, &account).await;
    assert!(matches!(refused, Err(StoreError::Dangling { field: "user_id" })), "{refused:?}");
}

#[tokio::test]
async fn a_telephone_gets_another_password_by_its_own_user_alone() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "boris").await);
    let (device, account) = phone(&mut ids, anna.id, "u1");
    store.add_phone(&device, &account).await.unwrap();
    let id = device.routed.device;
    assert!(!store.renew_phone(boris.id, id, &secret("new")).await.unwrap());
    assert_eq!(store.phones().await.unwrap(), std::slice::from_ref(&account));
    assert!(store.renew_phone(anna.id, id, &secret("new")).await.unwrap());
    assert_eq!(store.phones().await.unwrap(), [PhoneAccount { secret: secret("new"), ..account }]);
    assert!(!store.renew_phone(anna.id, ids.make(), &secret("new")).await.unwrap());
}

#[tokio::test]
async fn where_telephones_are_is_written_as_a_whole_and_read_in_order() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let (device, account) = phone(&mut ids, anna.id, "u1");
    store.add_phone(&device, &account).await.unwrap();
    let (id, gone) = (device.routed.device, ids.make());
    // Two contacts may be written alike: the telephones tell them apart by their instance.
    let both = vec![binding("sip:a@b"), KeptBinding { instance: None, ..binding("sip:a@b") }];
    store.keep_bindings(&[(id, both.clone()), (gone, both.clone())], NOW).await.unwrap();
    let read = store.kept_bindings().await.unwrap();
    assert_eq!(read, both.into_iter().map(|binding| (id, binding)).collect::<Vec<_>>());
    assert_eq!(store.phones().await.unwrap()[0].last_seen, Some(NOW));
    let later = UtcMillis(NOW.0 + 5);
    store.keep_bindings(&[(id, Vec::new())], later).await.unwrap();
    assert_eq!(store.kept_bindings().await.unwrap(), []);
    assert_eq!(store.phones().await.unwrap()[0].last_seen, Some(later), "until then it was there");
}
